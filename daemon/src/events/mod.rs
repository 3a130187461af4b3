//! The sink of events: hands each event to its readers, in their order. The rooms that make events know neither the
//! readers nor their texts.

mod counters;
mod log;
mod reader;

use counters::Counters;
use log::Log;
use proxydhcpd_core::event::completion::CompletionWithoutEntry;
use proxydhcpd_core::event::socket::{SocketFailure, SocketOperation};
use proxydhcpd_core::event::{Event, EventMachine, Notice, Service, Severity, What};
use proxydhcpd_core::file_ticket::FileTicket;
use reader::Reader;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The readers of events, in their order.
fn readers() -> Vec<Box<dyn Reader>> {
    vec![Box::new(Counters::default()), Box::new(Log::new())]
}

/// The sink of events, which all threads share.
#[derive(Clone, Debug)]
pub struct Events {
    started: Instant,
    readers: Arc<Mutex<Vec<Box<dyn Reader>>>>,
}

/// Records events without interruption by other threads.
#[derive(Debug)]
pub struct Recorder<'a> {
    at: u64,
    readers: MutexGuard<'a, Vec<Box<dyn Reader>>>,
}

impl Events {
    /// A sink without events. `started` is the start of the server.
    pub fn new(started: Instant) -> Self {
        Events { started, readers: Arc::new(Mutex::new(readers())) }
    }

    /// The time since the start of the server, in milliseconds: the time of an event that happens now.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Locks the readers, to record several events that happen now. The lock's poison is ignored: after a panic in an
    /// HTTP request the server continues.
    pub fn lock(&self) -> Recorder<'_> {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        Recorder { at: self.now(), readers }
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

    /// Records something about the configuration, in words.
    pub fn notice(&self, severity: Severity, text: fmt::Arguments<'_>) {
        self.record_host(What::Notice(Notice { severity, text }));
    }

    /// Records completed boot-onces that no entry decides about.
    pub fn completions_without_entry(&self, completions: &[CompletionWithoutEntry]) {
        completions.iter().for_each(|completion| self.record_host(What::CompletionWithoutEntry(completion)));
    }

    /// Records warnings about the configuration, each as one line.
    pub fn warnings(&self, lines: impl Iterator<Item = String>) {
        lines.for_each(|line| self.notice(Severity::Warning, format_args!("{line}")));
    }

    /// Records that a call of the kernel for a socket failed.
    pub fn socket_failed(&self, operation: SocketOperation, error: &impl fmt::Display) {
        self.record_host(What::SocketFailed(SocketFailure { operation, error: format_args!("{error}") }));
    }

    /// The sums of all readers since the start, each with `; ` before it.
    pub fn sums(&self) -> String {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.iter().filter_map(|reader| reader.sum()).map(|sum| format!("; {sum}")).collect()
    }

    /// Records that the server stopped, with the sums of all readers.
    pub fn stopped(&self) {
        let sums = self.sums();
        self.record_host(What::Stopped(&sums));
    }
}

impl Default for Events {
    fn default() -> Self {
        Events::new(Instant::now())
    }
}

impl Recorder<'_> {
    /// Records what happens now.
    pub fn record(&mut self, link: Option<&str>, machine: EventMachine<'_>, service: Service, what: What<'_>) {
        self.hand_out(&Event { at: self.at, link, machine, service, ticket: None, what });
    }

    fn hand_out(&mut self, event: &Event<'_>) {
        self.readers.iter_mut().for_each(|reader| reader.read(event));
    }
}
