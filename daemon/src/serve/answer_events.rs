//! Records what the answer to a DHCP packet shows.

use crate::events::Recorder;
use crate::net::send_error::SendErrorKind;
use crate::site::Site;
use proxydhcpd_core::ambiguous_identity::AmbiguousIdentity;
use proxydhcpd_core::answer::{Answer, Silence};
use proxydhcpd_core::choose::NoBoot;
use proxydhcpd_core::client::Client;
use proxydhcpd_core::event::{EventMachine, Reasons, Reply, Service, Silent, Unsent, What};
use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;

/// The destination of a reply that the kernel did not send, and the error.
pub type SendFailure = (SocketAddr, io::Error);

/// Records an answer. `link` is the interface on which the packet arrived, `port` the UDP port on which it arrived, and
/// `unsent` the failure if the kernel did not send the reply.
pub fn record(
    recorder: &mut Recorder<'_>,
    site: &Site,
    link: &str,
    port: u16,
    answer: &Answer,
    unsent: Option<&SendFailure>,
) {
    let Answer { client, decision, reply, .. } = answer;
    let quirks = answer.quirks;
    let client = client.as_ref();
    let reasons = decision.as_ref().map(|decision| Reasons::new(decision, &site.plan)).unwrap_or_default();
    let identity = client.map(|client| &client.machine).or(answer.other_sender.as_ref());
    let machine = EventMachine { identity, entry: reasons.entry, from: None };
    let mut record = |what| recorder.record(Some(link), machine, Service::Dhcp(port), what);
    if let (Some(client), Some(decision)) = (client, decision) {
        let ambiguous = AmbiguousIdentity::find(&site.plan, client, decision);
        ambiguous.into_iter().flatten().for_each(|identity| record(What::AmbiguousIdentity(client, identity)));
    }
    match (reply, client) {
        (Ok(response), Some(client)) => {
            let reply = Reply { client, response, quirks, reasons };
            match unsent {
                Some((to, error)) => record(What::Unsent(Unsent {
                    reply,
                    to: *to,
                    label: SendErrorKind::from_error(error).label(),
                    errno: error.raw_os_error().unwrap_or_default(),
                })),
                None => record(What::Replied(reply)),
            }
            if let Some(item) = client.boot_item {
                record(What::MenuChoice(item.server_type));
            }
        }
        (Ok(_), None) => {}
        (Err(silence), client) => {
            let no_loader = NoLoader { site, client, answer };
            let lacks_loader = matches!(silence, Silence::NoBoot(NoBoot::NoLoader(_)));
            let silent = Silent { client, quirks, silence: *silence, reasons, remedy: None };
            if lacks_loader {
                record(What::Silent(Silent { remedy: Some(format_args!("{no_loader}")), ..silent }));
            } else {
                record(What::Silent(silent));
            }
        }
    }
}

/// Why a client gets no loader, and how to fix that. The text is made only for a reader that needs it.
struct NoLoader<'a> {
    site: &'a Site,
    client: Option<&'a Client>,
    answer: &'a Answer,
}

impl Display for NoLoader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = self.answer.decision.as_ref().and_then(|decision| decision.profile(&self.site.plan));
        let Some(client) = self.client else { return Ok(()) };
        f.write_str(&self.site.no_loader_reason(client.arch, profile))
    }
}
