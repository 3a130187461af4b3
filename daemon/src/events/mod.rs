//! The sink of events: hands each event to its readers, in their order. The rooms that make events know neither the
//! readers nor their texts.

mod counters;
mod log;
mod open_ports;
pub mod reader;
pub mod stream;
pub mod totals;
pub mod wall_clock;

pub use counters::Counters;
use log::Log;
use open_ports::OpenListeners;
use proxydhcpd_core::event::completion::CompletionWithoutEntry;
use proxydhcpd_core::event::port::ListenerKind;
use proxydhcpd_core::event::socket::{SocketFailure, SocketOperation};
use proxydhcpd_core::event::{Event, EventMachine, Service, What};
use proxydhcpd_core::file_ticket::FileTicket;
use reader::Reader;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use stream::EventStream;
use totals::Totals;

/// The readers of events. Those that the server asks for their values have a field.
#[derive(Debug, Default)]
struct Readers {
    counters: Counters,
    totals: Totals,
    open_ports: OpenListeners,
    /// All others, in their order.
    others: Vec<Box<dyn Reader>>,
}

impl Readers {
    /// The readers that every server has.
    fn new() -> Readers {
        Readers { others: vec![Box::new(Log::new())], ..Readers::default() }
    }

    /// All readers, in their order.
    fn each(&mut self) -> impl Iterator<Item = &mut dyn Reader> {
        let Readers { counters, totals, open_ports, others } = self;
        let own: [&mut dyn Reader; 3] = [counters, totals, open_ports];
        own.into_iter().chain(others.iter_mut().map(|reader| &mut **reader as &mut dyn Reader))
    }
}

/// The sink of events, which all threads share.
#[derive(Clone, Debug)]
pub struct Events {
    started: Instant,
    started_at: SystemTime,
    readers: Arc<Mutex<Readers>>,
}

/// Records events without interruption by other threads.
#[derive(Debug)]
pub struct Recorder<'a> {
    at: u64,
    readers: MutexGuard<'a, Readers>,
}

impl Events {
    /// A sink without events. Both times are the start of the server.
    pub fn new(started: Instant, started_at: SystemTime) -> Self {
        Events { started, started_at, readers: Arc::new(Mutex::new(Readers::new())) }
    }

    /// Adds a reader, which reads the events from now on.
    pub fn add(&self, reader: impl Reader + 'static) {
        self.readers().others.push(Box::new(reader));
    }

    /// Adds a reader that streams events to watchers, and returns the stream.
    pub fn add_stream(&self) -> EventStream {
        let (stream, reader) = stream::stream(self.started, self.started_at);
        self.add(reader);
        stream
    }

    /// The wall-clock time of an event at this time, which is in milliseconds since the start of the server. A later
    /// change of the clock does not move it.
    pub fn wall_clock(&self, at: u64) -> SystemTime {
        self.started_at + Duration::from_millis(at)
    }

    /// The present time by the clock of the events: the time of the server's start, and the time since then by a clock
    /// that never jumps. Compare times of events with this one, not with the clock of the host.
    pub fn clock_now(&self) -> SystemTime {
        self.wall_clock(self.now())
    }

    /// The number of events since the start, by label.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counters().counts()
    }

    /// The numbers of events by label at this moment.
    pub fn counters(&self) -> Counters {
        self.readers().counters.clone()
    }

    /// The numbers of replies, transfers and reloads at this moment.
    pub fn totals(&self) -> Totals {
        self.readers().totals.clone()
    }

    /// The open listeners and their ports, in the order in which they were opened.
    pub fn open_ports(&self) -> Vec<(ListenerKind, u16)> {
        self.readers().open_ports.list().to_vec()
    }

    /// The time since the start of the server, in milliseconds: the time of an event that happens now.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Locks the readers, to record several events that happen now. The lock's poison is ignored: after a panic in an
    /// HTTP request the server continues.
    pub fn lock(&self) -> Recorder<'_> {
        let readers = self.readers();
        Recorder { at: self.now(), readers }
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an event.
    pub fn record(&self, event: &Event<'_>) {
        self.lock().hand_out(event);
    }

    /// Records what happens to a machine now, in this service.
    pub fn record_now(&self, service: Service, machine: EventMachine<'_>, what: What<'_>) {
        self.lock().record(None, machine, service, what);
    }

    /// Records what happens now to a request for a file, or to its transfer.
    pub fn record_file(&self, service: Service, ticket: &FileTicket, client: SocketAddr, what: What<'_>) {
        let (link, machine) = (ticket.link.as_deref(), EventMachine::from_ticket(ticket, client));
        let mut recorder = self.lock();
        let at = recorder.at;
        recorder.hand_out(&Event { at, link, machine, service, ticket: Some(ticket), what });
    }

    /// Records what happens to the server or to its host now.
    pub fn record_host(&self, what: What<'_>) {
        self.record_now(Service::Host, EventMachine::default(), what);
    }

    /// Records completed boot-onces that no entry decides about.
    pub fn completions_without_entry(&self, completions: &[CompletionWithoutEntry]) {
        completions.iter().for_each(|completion| self.record_host(What::CompletionWithoutEntry(completion)));
    }

    /// Records warnings about the configuration, each as one line.
    pub fn warnings(&self, lines: impl Iterator<Item = String>) {
        lines.for_each(|line| self.record_host(What::Warning(&line)));
    }

    /// Records that a call of the kernel for a socket failed.
    pub fn socket_failed(&self, operation: SocketOperation, error: &impl fmt::Display) {
        self.record_host(What::SocketFailed(SocketFailure { operation, error: format_args!("{error}") }));
    }

    /// The sums of all readers since the start, each with `; ` before it.
    pub fn sums(&self) -> String {
        self.readers().each().filter_map(|reader| reader.sum()).map(|sum| format!("; {sum}")).collect()
    }

    /// Records that the server stopped, with the sums of all readers.
    pub fn stopped(&self) {
        let sums = self.sums();
        self.record_host(What::Stopped(&sums));
    }
}

impl Default for Events {
    fn default() -> Self {
        Events::new(Instant::now(), SystemTime::now())
    }
}

impl Recorder<'_> {
    /// Records what happens now.
    pub fn record(&mut self, link: Option<&str>, machine: EventMachine<'_>, service: Service, what: What<'_>) {
        self.hand_out(&Event { at: self.at, link, machine, service, ticket: None, what });
    }

    fn hand_out(&mut self, event: &Event<'_>) {
        self.readers.each().for_each(|reader| reader.read(event));
    }
}
