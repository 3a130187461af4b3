//! The reader that keeps recent events while there are watchers.

use super::event_id::EventId;
use super::line::{EventLine, LineWriter, UnwrittenAnswer};
use super::pace::Pace;
use super::shared::Shared;
use super::streamed::{Line, StreamedEvent};
use super::watch::EventWatch;
use crate::events::log::Log;
use crate::events::reader::Reader;
use crate::log::capture::LineCapture;
use proxydhcpd_core::event::web::WebEvent;
use proxydhcpd_core::event::{Event, What};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The stream of events, which watchers and its reader share.
#[derive(Clone, Debug)]
pub struct EventStream(Arc<Shared>);

/// The reader of events for a stream.
#[derive(Debug)]
pub struct StreamReader {
    shared: Arc<Shared>,
    log: Log,
    /// `None` while no events are kept.
    capture: Option<LineCapture>,
    /// Writes the lines of answers, on the threads of the watchers.
    writer: Arc<LineWriter>,
    pace: Pace,
}

/// A stream, and its reader. `started` and `started_at` are the start of the server.
pub fn stream(started: Instant, started_at: SystemTime) -> (EventStream, StreamReader) {
    let shared = Arc::new(Shared::new(started, started_at));
    let reader = StreamReader {
        shared: Arc::clone(&shared),
        log: Log::unlimited(),
        capture: None,
        writer: Arc::default(),
        pace: Pace::default(),
    };
    (EventStream(shared), reader)
}

impl EventStream {
    /// Watches the events from now on. `after` is the last event that the watcher has seen: the watch then begins after
    /// it, as far as the events are still kept.
    pub fn watch(&self, after: Option<EventId>) -> EventWatch {
        let last = self.0.enter();
        let next = match after {
            Some(id) if id.start == self.0.start => id.number.min(last) + 1,
            // The server has started anew since: the watcher has seen none of its events.
            Some(_) => 1,
            None => last + 1,
        };
        EventWatch::new(Arc::clone(&self.0), next)
    }

    /// The identifier of an event with this number.
    pub fn id(&self, number: u64) -> EventId {
        EventId { start: self.0.start, number }
    }
}

impl EventStream {
    /// The recent events, at most this number, the latest first. From now on, events are kept for a minute.
    pub fn latest(&self, limit: usize) -> Vec<Arc<StreamedEvent>> {
        drop(self.watch(None));
        self.0.latest(limit)
    }
}

impl Reader for StreamReader {
    fn read(&mut self, event: &Event<'_>) {
        let StreamReader { shared, log, capture, writer, pace } = self;
        let is_watched = shared.is_watched(event.at);
        if !is_watched && capture.take().is_some() {
            shared.clear();
            writer.stop();
        }
        // A tick is no news, and the readers of the link may use the page.
        if matches!(event.what, What::Tick | What::Web(WebEvent::SetupLink { .. })) {
            return;
        }
        let number = shared.count();
        if !is_watched || !pace.admits(event.at) {
            return;
        }
        let capture = capture.get_or_insert_default();
        let line = match UnwrittenAnswer::new(event) {
            Some(answer) => Line::Unwritten(answer.into(), Arc::clone(writer)),
            None => Line::Written(EventLine::new(event.what.kind(), capture.lines_of(|| log.read(event))).into()),
        };
        shared.push(StreamedEvent::new(number, event, line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::event::{EventMachine, Service};
    use std::time::{Duration, UNIX_EPOCH};

    fn start() -> (EventStream, StreamReader) {
        stream(Instant::now(), UNIX_EPOCH + Duration::from_millis(77))
    }

    fn read(reader: &mut StreamReader, at: u64, what: What<'_>) {
        let machine = EventMachine::default();
        reader.read(&Event { at, link: None, machine, service: Service::Host, ticket: None, what });
    }

    fn number(stream: &EventStream, from: u64) -> Option<u64> {
        stream.0.starting_at(from).map(|event| event.number)
    }

    #[test]
    fn events_are_kept_only_while_they_are_watched_and_for_a_minute_afterwards() {
        let (stream, mut reader) = start();
        read(&mut reader, 1, What::Ready);
        assert_eq!(number(&stream, 0), None);
        let watch = stream.watch(None);
        read(&mut reader, 2, What::Reloaded);
        let event = stream.0.starting_at(0).unwrap();
        assert_eq!((event.number, event.kind, event.line().text.as_str()), (2, "reloaded", "reloaded"));
        drop(watch);
        read(&mut reader, 3, What::Ready);
        assert_eq!(number(&stream, 3), Some(3));
        read(&mut reader, 70_000, What::Tick);
        assert!(number(&stream, 0).is_none() && reader.capture.is_none());
    }

    #[test]
    fn the_latest_events_are_those_since_the_last_look() {
        let (stream, mut reader) = start();
        read(&mut reader, 1, What::Ready);
        assert!(stream.latest(10).is_empty());
        (2..5).for_each(|at| read(&mut reader, at, What::Reloaded));
        let numbers = |limit| stream.latest(limit).iter().map(|event| event.number).collect::<Vec<_>>();
        assert_eq!((numbers(10), numbers(2)), (vec![4, 3, 2], vec![4, 3]));
    }

    #[tokio::test]
    async fn a_watcher_continues_after_the_event_that_it_saw_last() {
        let (stream, mut reader) = start();
        let mut watch = stream.watch(None);
        (0..3).for_each(|at| read(&mut reader, at, What::Ready));
        assert_eq!(watch.next().await.event.number, 1);
        let mut again = stream.watch(Some(stream.id(1)));
        let next = again.next().await;
        assert_eq!((next.event.number, next.missed), (2, 0));
        let other_start = EventId { start: 1, number: 3 };
        assert_eq!(stream.watch(Some(other_start)).next().await.event.number, 1);
    }

    #[tokio::test]
    async fn a_slow_watcher_and_one_in_a_storm_see_how_many_events_they_missed() {
        let (stream, mut reader) = start();
        let mut watch = stream.watch(None);
        (0..5000).for_each(|_| read(&mut reader, 0, What::Ready));
        read(&mut reader, 1000, What::Reloaded);
        assert_eq!(watch.next().await.missed, 0);
        let mut last = watch.next().await;
        while last.event.kind != "reloaded" {
            last = watch.next().await;
        }
        assert_eq!((last.event.number, last.missed), (5001, 3990));
    }
}
