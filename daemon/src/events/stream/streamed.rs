//! An event as the stream keeps it.

use crate::log::Level;
use crate::log::capture::CapturedLine;
use proxydhcpd_core::event::{Event, Service};
use proxydhcpd_core::identity::MachineIdentity;
use std::net::IpAddr;

/// An event, with the line that describes it.
#[derive(Clone, Debug)]
pub struct StreamedEvent {
    /// The number of the event since the start of the server.
    pub number: u64,
    /// The time, in milliseconds since the start of the server.
    pub at: u64,
    /// The severity of the line.
    pub level: Level,
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
    /// The line of the log about the event, safe to print on a terminal.
    pub text: String,
    /// The fields that the journal has of it.
    pub fields: Vec<(&'static str, String)>,
}

impl StreamedEvent {
    /// The event with this number. Several lines become one, with the highest severity among them.
    pub fn new(number: u64, event: &Event<'_>, lines: Vec<CapturedLine>) -> StreamedEvent {
        let machine = event.machine;
        let of_packet = |identity: &MachineIdentity| identity.address;
        let address = machine.from.map(|from| from.ip()).or_else(|| machine.identity.and_then(of_packet));
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let text = if texts.is_empty() { event.what.kind().to_owned() } else { texts.join("; ") };
        StreamedEvent {
            number,
            at: event.at,
            // The lower a level, the more severe it is.
            level: lines.iter().map(|line| line.level).min().unwrap_or(Level::DEBUG),
            kind: event.what.kind(),
            label: event.what.label(),
            service: event.service,
            link: event.link.map(str::to_owned),
            hardware: machine.hardware().map(|hardware| hardware.to_string()),
            address: address.map(|address| address.to_canonical()),
            entry: machine.entry.map(str::to_owned),
            text,
            fields: lines.into_iter().flat_map(|line| line.fields).collect(),
        }
    }

    /// The memory that the event takes, in octets, about.
    pub fn size(&self) -> usize {
        let fields: usize = self.fields.iter().map(|(_, value)| value.len() + 40).sum();
        size_of::<StreamedEvent>() + self.text.len() + fields
    }
}
