//! The explanation of what the server does with one packet, as text and as JSON.

use super::packet::SimulatedPacket;
use super::steps;
use crate::site::Site;
use proxydhcpd_core::answer::{Answer, Silence};
use proxydhcpd_core::choose::NoBoot;
use proxydhcpd_core::client::IgnoreReason;
use proxydhcpd_core::dissect::{self, Node};
use proxydhcpd_core::link::Link;
use proxydhcpd_core::wire::DhcpPacket;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use utoipa::ToSchema;

/// The octets of a reply, and its destination.
pub type SentReply = (Vec<u8>, SocketAddr);

/// The explanation of the server's answer to one packet, or of one file.
#[derive(Debug)]
pub struct Explanation {
    /// The decision and the replies, as text.
    pub tree: Node,
    /// Whether the server answers, or sends the file.
    pub answered: bool,
    /// The replies in hexadecimal.
    pub replies: Vec<String>,
    /// The verdict in one word, for JSON.
    pub label: &'static str,
    /// See [`SimulatedPacket::follows`].
    pub follows: bool,
}

/// The explanation of the server's answer to one packet, or of a script, for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplanationRecord {
    /// Whether the server answers, or sends the file.
    pub answered: bool,
    /// `answered`, `script`, or the label of the reason for which the server does not answer.
    pub verdict: String,
    /// Whether the machine sends the packet only if the loader that it received is iPXE.
    pub follows: bool,
    /// The first reply in hexadecimal.
    pub reply: Option<String>,
    /// The replies in hexadecimal.
    pub replies: Vec<String>,
    /// The steps of the decision and the parts of the replies.
    pub steps: ExplanationStep,
}

/// A step of a decision, or a part of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplanationStep {
    /// Its name.
    pub name: String,
    /// Its value; may be empty.
    pub value: String,
    /// Its parts.
    #[schema(no_recursion)]
    pub parts: Vec<ExplanationStep>,
}

/// The explanation of a packet to the DHCP port that the server does not receive because `proxy-only` is set.
pub fn not_received(sent: &SimulatedPacket) -> Explanation {
    let port = sent.port_number();
    let title =
        sent.message_type().map_or_else(|| format!("packet on port {port}"), |kind| format!("{kind} on port {port}"));
    let silence =
        format!("`proxy-only` is set: the server does not listen on port {port}, and sends this machine no offer");
    let next = "the machine contacts port 4011 if the DHCP server on this host sends option 60, `PXEClient`";
    let mut parts = vec![Node::new("silence", silence)];
    parts.extend(sent.from.is_ipv4().then(|| Node::new("next", next)));
    let tree = Node::new(title, "").with_children(parts);
    Explanation { tree, answered: false, replies: Vec::new(), label: "unheard", follows: sent.follows }
}

/// The explanation of a packet and of the server's answer to it.
pub fn explain_answer(
    packet: &SimulatedPacket,
    site: &Site,
    links: &[Link],
    answer: &Answer,
    replies: &[SentReply],
    reasons: Vec<Node>,
) -> Explanation {
    let port = packet.port_number();
    let received = Node::new("packet", format!("{} octets", packet.octets.len())).with_children([
        Node::new("from", packet.from),
        Node::new("to", format!("{} port {port}", packet.to)),
        Node::new("interface", &links[0].name),
    ]);
    let prefix = if packet.follows { "then, if the loader is iPXE: " } else { "" };
    let title = match packet.message_type() {
        Some(kind) => format!("{prefix}{kind} on port {port}"),
        None => format!("packet on port {port}"),
    };
    let mut parts = vec![received];
    parts.extend(answer.client.as_ref().map(steps::explain_client));
    parts.extend(reasons);
    let (answered, label) = match &answer.reply {
        Ok(response) => {
            parts.extend(steps::explain_response(response, &site.plan));
            (true, "answered")
        }
        Err(silence) => {
            let counted = Node::new("counted as", silence.label());
            parts.push(
                Node::new("silence", silence)
                    .with_children([counted].into_iter().chain(silence_fix(silence, site, answer))),
            );
            (false, silence.label())
        }
    };
    parts.extend(steps::explain_quirks(answer.quirks));
    for (number, (octets, to)) in replies.iter().enumerate() {
        let to = if number == 0 { String::new() } else { format!("also to {to}") };
        let shown = DhcpPacket::parse(octets, packet.from.is_ipv6()).ok().map(|packet| dissect::packet(&packet));
        parts.extend(shown.map(|tree| Node::new("reply", to).with_children([tree])));
    }
    let replies = replies.iter().map(|(octets, _)| hex(octets)).collect();
    Explanation { tree: Node::new(title, "").with_children(parts), answered, replies, label, follows: packet.follows }
}

/// The change to the configuration after which the server would answer. `None` if there is no such change.
fn silence_fix(silence: &Silence, site: &Site, answer: &Answer) -> Option<Node> {
    match silence {
        Silence::NoBoot(NoBoot::NoLoader(arch)) => {
            let profile = answer.decision.as_ref().and_then(|decision| decision.profile(&site.plan));
            Some(Node::new("fix", site.no_loader_reason(*arch, profile)))
        }
        Silence::Ignored(IgnoreReason::NoVendorClass6(_)) => {
            Some(Node::new("fix", "configure the DHCPv6 server to send a tftp:// URL in option 59"))
        }
        Silence::NoBoot(NoBoot::NoScript) => Some(Node::new(
            "fix",
            "enable one of them: `enabled = true` under [http] or [tftp], without --no-http and --no-tftp",
        )),
        Silence::NoBoot(NoBoot::LoaderUrl(arch)) => Some(Node::new("fix", site.ipxe_hint(*arch))),
        Silence::NoBoot(NoBoot::StatefulIpxe) => Some(Node::new(
            "fix",
            "configure the DHCPv6 server to send the script's URL in option 59, or start iPXE with a script",
        )),
        _ => None,
    }
}

impl Explanation {
    /// The explanation of a script that the machine fetches.
    pub fn of_script(tree: Node) -> Explanation {
        Explanation { tree, answered: true, replies: Vec::new(), label: "script", follows: true }
    }

    /// The explanation for programs.
    pub fn record(&self) -> ExplanationRecord {
        ExplanationRecord {
            answered: self.answered,
            verdict: self.label.to_owned(),
            follows: self.follows,
            reply: self.replies.first().cloned(),
            replies: self.replies.clone(),
            steps: ExplanationStep::new(&self.tree),
        }
    }
}

impl ExplanationStep {
    fn new(node: &Node) -> ExplanationStep {
        let parts = node.children.iter().map(ExplanationStep::new).collect();
        ExplanationStep { name: node.name.clone(), value: node.value.clone(), parts }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
