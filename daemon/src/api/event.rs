//! An event of the stream, as the API sends it.

use crate::events::Events;
use crate::events::stream::{EventStream, StreamedEvent};
use crate::events::wall_clock::rfc3339;
use proxydhcpd_core::event::Service;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An event of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventRecord {
    /// The identifier of the event, for `Last-Event-ID`.
    pub id: String,
    /// When it happened: RFC 3339, in UTC.
    pub time: String,
    /// The severity: `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The kind of event, such as `reply` or `file-end`.
    pub kind: String,
    /// The label under which the server counts the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The service in which it happened: `dhcp`, `tftp`, `http`; `host` for the server and its host.
    pub service: String,
    /// The name of the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The machine, as far as it is known.
    #[serde(default, skip_serializing_if = "EventMachine::is_unknown")]
    pub machine: EventMachine,
    /// The event as one line of text.
    pub text: String,
    /// More values, such as `FILE`, `PROFILE` and `RULE`: the fields that the journal has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// The machine of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventMachine {
    /// The hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The name of its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Events that the stream left out, of any machine: too many happened at once, the watcher was too slow, or it was not
/// connected and the server no longer has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissedEvents {
    /// Their number.
    pub missed: u64,
}

impl EventMachine {
    fn is_unknown(&self) -> bool {
        *self == EventMachine::default()
    }
}

impl EventRecord {
    /// The event of this stream. `events` has the start of the server.
    pub fn new(event: &StreamedEvent, stream: &EventStream, events: &Events) -> EventRecord {
        let line = event.line();
        EventRecord {
            id: stream.id(event.number).to_string(),
            time: rfc3339(events.wall_clock(event.at)),
            level: line.level.as_str().to_ascii_lowercase(),
            kind: event.kind.to_owned(),
            label: event.label.map(str::to_owned),
            service: service_name(event.service).to_owned(),
            link: event.link.clone(),
            machine: EventMachine {
                mac: event.hardware.clone(),
                address: event.address.map(|address| address.to_string()),
                name: event.entry.clone(),
            },
            text: line.text.clone(),
            fields: line.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        }
    }
}

fn service_name(service: Service) -> &'static str {
    match service {
        Service::Dhcp(_) => "dhcp",
        Service::Tftp => "tftp",
        Service::Http => "http",
        Service::Syslog => "syslog",
        Service::Host => "host",
    }
}
