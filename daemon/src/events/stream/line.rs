//! The line of an event. To write the line about an answer takes longer than to answer, so the thread that reads the
//! event writes it, and not the one that answers machines.

use crate::events::log::Log;
use crate::events::reader::Reader;
use crate::log::Level;
use crate::log::capture::{CapturedLine, LineCapture};
use proxydhcpd_core::answer::{Response, Silence};
use proxydhcpd_core::client::Client;
use proxydhcpd_core::event::{Event, EventMachine, Reasons, Reply, Service, Silent, What};
use proxydhcpd_core::quirks::Quirks;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The line of an event.
#[derive(Clone, Debug)]
pub struct EventLine {
    /// The severity.
    pub level: Level,
    /// The text, safe to print on a terminal.
    pub text: String,
    /// The fields that the journal has of it.
    pub fields: Vec<(&'static str, String)>,
}

/// Writes the lines of events that have none yet.
#[derive(Debug, Default)]
pub struct LineWriter(Mutex<Option<(LineCapture, Log)>>);

/// An answer to a DHCP packet, as far as its line shows it.
#[derive(Clone, Debug)]
pub struct UnwrittenAnswer {
    at: u64,
    link: Option<Box<str>>,
    service: Service,
    client: Option<Client>,
    quirks: Quirks,
    reply: Result<Response, Silence>,
    entry: Option<Box<str>>,
    candidate: Option<Box<str>>,
    profile: Option<Box<str>>,
    missing_profile: Option<Box<str>>,
    rule: Option<Box<str>>,
}

impl EventLine {
    /// The line of an event of this kind. Several lines become one, with the highest severity among them.
    pub fn new(kind: &str, lines: Vec<CapturedLine>) -> EventLine {
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let text = if texts.is_empty() { kind.to_owned() } else { texts.join("; ") };
        // The lower a level, the more severe it is.
        let level = lines.iter().map(|line| line.level).min().unwrap_or(Level::DEBUG);
        EventLine { level, text, fields: lines.into_iter().flat_map(|line| line.fields).collect() }
    }

    /// The memory that the line takes in addition to this value, in octets, about.
    pub fn size(&self) -> usize {
        let fields: usize = self.fields.iter().map(|(_, value)| value.len() + 40).sum();
        self.text.len() + fields
    }
}

impl LineWriter {
    /// Writes the line about an answer.
    pub fn write(&self, answer: &UnwrittenAnswer) -> EventLine {
        let mut writer = self.lock();
        let (capture, log) = writer.get_or_insert_with(|| (LineCapture::new(), Log::unlimited()));
        answer.with_event(|event| EventLine::new(event.what.kind(), capture.lines_of(|| log.read(event))))
    }

    /// Frees what writing lines needs, until the next one.
    pub fn stop(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(LineCapture, Log)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnwrittenAnswer {
    /// The answer in an event; `None` if the event has another kind, or a text that exists only now.
    pub fn new(event: &Event<'_>) -> Option<UnwrittenAnswer> {
        let (client, quirks, reply, reasons) = match event.what {
            What::Replied(reply) => (Some(reply.client), reply.quirks, Ok(reply.response.clone()), reply.reasons),
            What::Silent(Silent { client, quirks, silence, reasons, remedy: None }) => {
                (client, quirks, Err(silence), reasons)
            }
            _ => return None,
        };
        let Reasons { entry, candidate, profile, missing_profile, rule } = reasons;
        Some(UnwrittenAnswer {
            at: event.at,
            link: event.link.map(Into::into),
            service: event.service,
            client: client.cloned(),
            quirks,
            reply,
            entry: entry.map(Into::into),
            candidate: candidate.map(Into::into),
            profile: profile.map(Into::into),
            missing_profile: missing_profile.map(Into::into),
            rule: rule.map(Into::into),
        })
    }

    fn with_event<T>(&self, read: impl FnOnce(&Event<'_>) -> T) -> T {
        let reasons = Reasons {
            entry: self.entry.as_deref(),
            candidate: self.candidate.as_deref(),
            profile: self.profile.as_deref(),
            missing_profile: self.missing_profile.as_deref(),
            rule: self.rule.as_deref(),
        };
        let (client, quirks) = (self.client.as_ref(), self.quirks);
        let what = match (&self.reply, client) {
            (Ok(response), Some(client)) => What::Replied(Reply { client, response, quirks, reasons }),
            (Ok(_), None) => What::Tick,
            (Err(silence), client) => What::Silent(Silent { client, quirks, silence: *silence, reasons, remedy: None }),
        };
        let identity = client.map(|client| &client.machine);
        let machine = EventMachine { identity, entry: reasons.entry, from: None };
        let (at, link, service) = (self.at, self.link.as_deref(), self.service);
        read(&Event { at, link, machine, service, ticket: None, what })
    }

    /// The memory that the answer or its line takes, in octets, at most about. The line and its fields have each text
    /// up to three times.
    pub fn size(&self) -> usize {
        let names = [&self.link, &self.entry, &self.candidate, &self.profile, &self.missing_profile, &self.rule];
        let names: usize = names.into_iter().flatten().map(|name| name.len()).sum();
        let file = self.reply.as_ref().map_or(0, |response| response.boot.file.len());
        (3 * (names + file) + 600).max(size_of::<UnwrittenAnswer>() + names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::answer::{Answer, Replies, answer};
    use proxydhcpd_core::arch::Arch;
    use proxydhcpd_core::arrival::{Arrival, Port};
    use proxydhcpd_core::link::{Link, Network4};
    use proxydhcpd_core::observations::Observations;
    use proxydhcpd_core::plan::Plan;
    use proxydhcpd_core::plan::offer::{Loader, Offer, TftpServer};

    /// Answers the DISCOVER of an x64 UEFI machine.
    fn answered(tftp: Option<TftpServer>) -> Answer {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/vectors/ovmf-x64-discover.json");
        let vector: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let loader = Loader { name: "snponly.efi".into(), path: None };
        let offer = Offer { tftp, loaders: [(Arch::X64, loader)].into(), ..Offer::default() };
        let ipv4 = vec![Network4 { address: [192, 0, 2, 10].into(), prefix: 24 }];
        let arrival = Arrival {
            datagram: &hex::decode(vector["hex"].as_str().unwrap()).unwrap(),
            port: Port::Dhcp,
            from: "0.0.0.0:68".parse().unwrap(),
            to: "255.255.255.255".parse().unwrap(),
            links: &[Link { index: 2, name: "eth0".into(), mtu: 1500, ipv4, ipv6: vec![] }],
            link: 0,
            via_other_link: false,
            now: 0,
        };
        let plan = Plan { offer: offer.into(), ..Plan::default() };
        answer(&plan, &mut Observations::new(1), &arrival, &mut Replies::default())
    }

    #[test]
    fn the_line_of_an_answer_is_the_same_whenever_it_is_written() {
        for tftp in [Some(TftpServer::Local), None] {
            let Answer { client, quirks, reply, .. } = answered(tftp);
            let client = client.as_ref().unwrap();
            let reasons = Reasons { entry: Some("web1"), profile: Some("debian"), ..Reasons::default() };
            let what = match &reply {
                Ok(response) => What::Replied(Reply { client, response, quirks, reasons }),
                Err(silence) => {
                    What::Silent(Silent { client: Some(client), quirks, silence: *silence, reasons, remedy: None })
                }
            };
            assert_eq!(reply.is_ok(), tftp.is_some());
            let machine = EventMachine { identity: Some(&client.machine), entry: reasons.entry, from: None };
            let event = Event { at: 7, link: Some("eth0"), machine, service: Service::Dhcp(67), ticket: None, what };
            let at_once = LineCapture::new().lines_of(|| Log::unlimited().read(&event));
            let at_once = EventLine::new(event.what.kind(), at_once);
            let answer = UnwrittenAnswer::new(&event).unwrap();
            let later = LineWriter::default().write(&answer);
            assert!(later.text.contains("x64 UEFI") && later.text.contains("eth0"), "{}", later.text);
            assert_eq!((&later.text, &later.fields, later.level), (&at_once.text, &at_once.fields, at_once.level));
            assert!(answer.size() >= size_of::<EventLine>() + later.size(), "{} for {later:?}", answer.size());
        }
    }
}
