//! Collects the lines that the log would have, for readers that show them elsewhere.

use super::LogLine;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_core::callsite::rebuild_interest_cache;

/// A line of the log, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedLine {
    /// The severity.
    pub level: Level,
    /// The line, safe to print on a terminal.
    pub text: String,
    /// The fields for the journal, with their values.
    pub fields: Vec<(&'static str, String)>,
}

/// Collects lines of every severity. While this value exists, the log decides about each line anew whether it is
/// enabled, which takes some nanoseconds.
#[derive(Debug)]
pub struct LineCapture {
    /// `None` only while the value is dropped.
    dispatch: Option<Dispatch>,
    lines: Arc<Mutex<Vec<CapturedLine>>>,
}

impl LineCapture {
    /// Collects no lines yet.
    pub fn new() -> LineCapture {
        let lines = Arc::default();
        let dispatch = Some(Dispatch::new(Collector(Arc::clone(&lines))));
        LineCapture { dispatch, lines }
    }

    /// Runs a function on this thread, and returns the lines that it logs. The log itself does not get them.
    pub fn lines_of(&self, run: impl FnOnce()) -> Vec<CapturedLine> {
        if let Some(dispatch) = &self.dispatch {
            tracing::dispatcher::with_default(dispatch, run);
        }
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for LineCapture {
    fn default() -> Self {
        LineCapture::new()
    }
}

impl Drop for LineCapture {
    fn drop(&mut self) {
        // Lines below the log's severity cost nothing again.
        self.dispatch = None;
        rebuild_interest_cache();
    }
}

/// Receives the events of `tracing` from this program, but none from libraries.
struct Collector(Arc<Mutex<Vec<CapturedLine>>>);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("proxydhcpd")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let line = LogLine::from_event(event);
        let (level, text) = (*event.metadata().level(), line.to_string());
        let fields = line.fields;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(CapturedLine { level, text, fields });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_function_are_collected_with_severity_and_fields() {
        let capture = LineCapture::new();
        let lines = capture.lines_of(|| {
            tracing::warn!(MAC = "52:54:00:12:34:56", "a \x1b line of {}", "52:54:00:12:34:56");
            tracing::trace!(target: "library", "not of this program");
            tracing::debug!("second");
        });
        let first = CapturedLine {
            level: Level::WARN,
            text: "a \\u{1b} line of 52:54:00:12:34:56".into(),
            fields: vec![("MAC", "52:54:00:12:34:56".into())],
        };
        assert_eq!(lines, [first, CapturedLine { level: Level::DEBUG, text: "second".into(), fields: vec![] }]);
        assert_eq!(capture.lines_of(|| ()), []);
    }
}
