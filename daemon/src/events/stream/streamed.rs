//! An event as the stream keeps it.

use super::line::{EventLine, LineWriter, UnwrittenAnswer};
use proxydhcpd_core::event::{Event, Service};
use proxydhcpd_core::identity::MachineIdentity;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// An event, with the line that describes it.
#[derive(Debug)]
pub struct StreamedEvent {
    /// The number of the event since the start of the server.
    pub number: u64,
    /// The time, in milliseconds since the start of the server.
    pub at: u64,
    /// The short name of the kind of event (`What::kind`).
    pub kind: &'static str,
    /// The label under which the event is counted.
    pub label: Option<&'static str>,
    /// The service in which it happened.
    pub service: Service,
    /// The name of the interface.
    pub link: Option<String>,
    /// The hardware address of the machine.
    pub hardware: Option<String>,
    /// The IP address of the machine.
    pub address: Option<IpAddr>,
    /// The name of the machine's entry.
    pub entry: Option<String>,
    /// The memory that the event takes, in octets, at most about.
    pub size: usize,
    line: Mutex<Line>,
}

/// The line of an event, which is written when it is first read.
#[derive(Debug)]
pub enum Line {
    /// It is written.
    Written(Arc<EventLine>),
    /// It is not.
    Unwritten(Box<UnwrittenAnswer>, Arc<LineWriter>),
}

impl StreamedEvent {
    /// The event with this number and its line.
    pub fn new(number: u64, event: &Event<'_>, line: Line) -> StreamedEvent {
        let machine = event.machine;
        let of_packet = |identity: &MachineIdentity| identity.address;
        let address = machine.from.map(|from| from.ip()).or_else(|| machine.identity.and_then(of_packet));
        StreamedEvent {
            number,
            at: event.at,
            kind: event.what.kind(),
            label: event.what.label(),
            service: event.service,
            link: event.link.map(str::to_owned),
            hardware: machine.hardware().map(|hardware| hardware.to_string()),
            address: address.map(|address| address.to_canonical()),
            entry: machine.entry.map(str::to_owned),
            size: size_of::<StreamedEvent>() + line.size(),
            line: Mutex::new(line),
        }
    }

    /// The line of the log about the event. Do not call it on a thread that answers machines.
    pub fn line(&self) -> Arc<EventLine> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let written = match &*line {
            Line::Written(written) => Arc::clone(written),
            Line::Unwritten(answer, writer) => Arc::new(writer.write(answer)),
        };
        *line = Line::Written(Arc::clone(&written));
        written
    }
}

impl Line {
    fn size(&self) -> usize {
        match self {
            Line::Written(line) => size_of::<EventLine>() + line.size(),
            Line::Unwritten(answer, _) => answer.size(),
        }
    }
}
