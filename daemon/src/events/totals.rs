//! Counts what the server did: replies, transfers, reloads, logins. The thread that answers DHCP requests runs this for
//! each reply, so there are only arrays, indexed by small enums.

use super::reader::Reader;
use proxydhcpd_core::event::wake::WakeEvent;
use proxydhcpd_core::event::web::WebEvent;
use proxydhcpd_core::event::webhook::WebhookCall;
use proxydhcpd_core::event::{Event, Reply, Service, TransferEnd, What};
use proxydhcpd_core::story::{FileEnd, OfferKind};

/// The numbers since the start of the server.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    replies: [[u64; OfferKind::ALL.len()]; Family::ALL.len()],
    transfers: [[u64; TransferOutcome::ALL.len()]; FileService::ALL.len()],
    octets: [u64; FileService::ALL.len()],
    /// The number of reloads that were applied.
    pub reloads_applied: u64,
    /// The number of reloads that failed, and changed nothing.
    pub reloads_failed: u64,
    /// The number of requests to wake a machine for which a packet left.
    pub wakes_sent: u64,
    /// The number of requests to wake a machine for which none left.
    pub wakes_failed: u64,
    /// The number of calls of webhooks, by outcome.
    pub webhook_calls: WebhookTotals,
    /// The number of times that a browser logged in.
    pub logins_accepted: u64,
    /// The number of times that a browser presented a wrong password.
    pub logins_refused: u64,
}

/// The numbers of calls of webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookTotals {
    /// Calls that the receiver took.
    pub delivered: u64,
    /// Attempts that failed, and that the server repeats.
    pub retried: u64,
    /// Calls that the server tries no more.
    pub given_up: u64,
    /// Calls that were lost because others waited.
    pub dropped: u64,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// A service that sends files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileService {
    /// TFTP.
    Tftp,
    /// HTTP.
    Http,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferOutcome {
    /// The client received the whole file.
    Complete,
    /// The client received the part that it requested.
    Part,
    /// The client requested only the size.
    SizeProbe,
    /// The client ended the transfer early.
    Stopped,
    /// The client stopped responding.
    TimedOut,
    /// The server refused the request.
    Refused,
    /// The server could not continue.
    Failed,
}

impl Family {
    /// All families.
    pub const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        }
    }
}

impl FileService {
    /// All services that send files.
    pub const ALL: [FileService; 2] = [FileService::Tftp, FileService::Http];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            FileService::Tftp => "tftp",
            FileService::Http => "http",
        }
    }

    fn new(service: Service) -> FileService {
        if service == Service::Http { FileService::Http } else { FileService::Tftp }
    }
}

impl TransferOutcome {
    /// All outcomes.
    pub const ALL: [TransferOutcome; 7] = [
        TransferOutcome::Complete,
        TransferOutcome::Part,
        TransferOutcome::SizeProbe,
        TransferOutcome::Stopped,
        TransferOutcome::TimedOut,
        TransferOutcome::Refused,
        TransferOutcome::Failed,
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            TransferOutcome::Complete => "complete",
            TransferOutcome::Part => "part",
            TransferOutcome::SizeProbe => "size-probe",
            TransferOutcome::Stopped => "stopped",
            TransferOutcome::TimedOut => "timed-out",
            TransferOutcome::Refused => "refused",
            TransferOutcome::Failed => "failed",
        }
    }
}

impl WebhookTotals {
    fn count(&mut self, call: &WebhookCall<'_>) {
        match call {
            WebhookCall::Delivered { .. } => self.delivered += 1,
            WebhookCall::Retried { .. } => self.retried += 1,
            WebhookCall::GivenUp { .. } => self.given_up += 1,
            WebhookCall::Dropped { count, .. } => self.dropped += count,
            WebhookCall::Unavailable { .. } => {}
        }
    }
}

impl From<FileEnd> for TransferOutcome {
    fn from(end: FileEnd) -> Self {
        match end {
            FileEnd::Complete => TransferOutcome::Complete,
            FileEnd::Part => TransferOutcome::Part,
            FileEnd::SizeProbe => TransferOutcome::SizeProbe,
            FileEnd::Refused => TransferOutcome::Refused,
            FileEnd::Stopped => TransferOutcome::Stopped,
            FileEnd::TimedOut(_) => TransferOutcome::TimedOut,
            FileEnd::Failed => TransferOutcome::Failed,
        }
    }
}

impl Totals {
    /// The number of replies, by the family of the client's request and the kind of file that they name.
    pub fn replies(&self) -> impl Iterator<Item = (Family, OfferKind, u64)> {
        Family::ALL.into_iter().zip(&self.replies).flat_map(|(family, kinds)| {
            OfferKind::ALL.into_iter().zip(kinds).map(move |(kind, count)| (family, kind, *count))
        })
    }

    /// The number of requests for files, by service and by how their transfer ended.
    pub fn transfers(&self) -> impl Iterator<Item = (FileService, TransferOutcome, u64)> {
        FileService::ALL.into_iter().zip(&self.transfers).flat_map(|(service, outcomes)| {
            TransferOutcome::ALL.into_iter().zip(outcomes).map(move |(outcome, count)| (service, outcome, *count))
        })
    }

    /// The number of octets of files that were sent or, over TFTP, acknowledged.
    pub fn octets(&self) -> impl Iterator<Item = (FileService, u64)> {
        FileService::ALL.into_iter().zip(self.octets)
    }

    fn count_reply(&mut self, reply: &Reply<'_>) {
        let family = if reply.client.is_v6() { Family::Ipv6 } else { Family::Ipv4 };
        let kind = OfferKind::from(&reply.response.boot.source);
        self.replies[family as usize][kind as usize] += 1;
    }

    fn count_transfer(&mut self, service: Service, octets: u64, end: TransferEnd<'_>) {
        let (service, end) = (FileService::new(service), FileEnd::new(end));
        self.octets[service as usize] += octets;
        if let Some(end) = end {
            self.transfers[service as usize][TransferOutcome::from(end) as usize] += 1;
        }
    }
}

impl Reader for Totals {
    fn read(&mut self, event: &Event<'_>) {
        match &event.what {
            What::Replied(reply) => self.count_reply(reply),
            What::TransferEnded { octets, end, .. } => self.count_transfer(event.service, *octets, *end),
            // A refused request over HTTP has a response, so its transfer ends like any other.
            What::FileRefused { .. } if event.service == Service::Tftp => {
                self.transfers[FileService::Tftp as usize][TransferOutcome::Refused as usize] += 1;
            }
            What::Reloaded => self.reloads_applied += 1,
            What::ReloadFailed(_) => self.reloads_failed += 1,
            What::Wake(WakeEvent::Sent { .. }) => self.wakes_sent += 1,
            What::Wake(WakeEvent::NotSent { .. }) => self.wakes_failed += 1,
            What::Webhook(call) => self.webhook_calls.count(call),
            What::Web(WebEvent::LoggedIn { .. }) => self.logins_accepted += 1,
            What::Web(WebEvent::WrongPassword { .. }) => self.logins_refused += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::event::{EventMachine, Reason};
    use proxydhcpd_core::transfer::{Outcome, Progress};
    use std::time::Duration;

    #[test]
    fn transfers_are_counted_by_service_and_end() {
        let mut totals = Totals::default();
        let mut read = |service, what| {
            let machine = EventMachine::default();
            totals.read(&Event { at: 0, link: None, machine, service, ticket: None, what });
        };
        let ended = |octets, end| What::TransferEnded { name: b"linux", octets, duration: Duration::from_secs(1), end };
        let http = |status, whole| TransferEnd::Http { method: "GET", status, whole };
        let refused = || What::FileRefused { name: b"x", reason: Reason { label: "x", text: format_args!("x") } };
        read(Service::Tftp, ended(100, TransferEnd::Tftp(Outcome::Completed, Progress::default())));
        read(Service::Tftp, ended(20, TransferEnd::Tftp(Outcome::TimedOut, Progress::default())));
        read(Service::Tftp, refused());
        read(Service::Http, ended(3000, http(200, true)));
        read(Service::Http, ended(7, http(200, false)));
        read(Service::Http, refused());
        read(Service::Http, ended(0, http(404, true)));
        read(Service::Host, What::Reloaded);
        let counted: Vec<_> = totals.transfers().filter(|(.., count)| *count > 0).collect();
        let expected = [
            (FileService::Tftp, TransferOutcome::Complete, 1),
            (FileService::Tftp, TransferOutcome::TimedOut, 1),
            (FileService::Tftp, TransferOutcome::Refused, 1),
            (FileService::Http, TransferOutcome::Complete, 1),
            (FileService::Http, TransferOutcome::Stopped, 1),
            (FileService::Http, TransferOutcome::Refused, 1),
        ];
        assert_eq!(counted, expected);
        assert_eq!(totals.octets().collect::<Vec<_>>(), [(FileService::Tftp, 120), (FileService::Http, 3007)]);
        assert_eq!((totals.reloads_applied, totals.reloads_failed), (1, 0));
    }
}
