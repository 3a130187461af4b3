//! The packets that belong to the steps of boots.

use super::tree::Tree;
use crate::events::wall_clock::rfc3339;
use crate::kept_packets::{KeptPacket, PacketSender};
use crate::state::State;
use crate::story::json::{BootRecord, StepRecord, StepWhat};
use proxydhcpd_core::dissect;
use proxydhcpd_core::identity::MachineKey;
use proxydhcpd_core::wire::DhcpPacket;
use proxydhcpd_core::wire::dhcp4::code;
use serde::Serialize;

/// How much later than a packet arrives the step may be that it is, in milliseconds: some replies wait.
const DELAY: u64 = 1000;

/// A packet on the page.
#[derive(Debug, Serialize)]
pub struct PacketView {
    /// The time since the boot began, in milliseconds.
    after_ms: u64,
    /// The kind of message, such as `DISCOVER`.
    kind: String,
    /// The sender, in words.
    sender: String,
    /// Whether the machine sent it.
    is_request: bool,
    /// The UDP port of the server.
    port: u16,
    /// The length in octets.
    length: usize,
    /// The number of times that it was sent.
    times: u32,
    /// The fields and the options.
    parts: Vec<Tree>,
}

/// The packets of each step of each of these boots. A boot whose packets are no longer kept has none.
pub fn packets_of_boots(state: &State, machine: MachineKey, boots: &[BootRecord]) -> Vec<Vec<Vec<PacketView>>> {
    let packets = state.packets.of_machine(machine);
    let began = began(state, machine);
    let starts: Vec<Option<u64>> = boots.iter().map(|boot| start(&began, boot)).collect();
    let boot_of = |packet: &KeptPacket| {
        starts.iter().rposition(|start| start.is_some_and(|start| start <= packet.at.saturating_add(DELAY)))
    };
    let mut views: Vec<Vec<Vec<PacketView>>> =
        boots.iter().map(|boot| boot.steps.iter().map(|_| Vec::new()).collect()).collect();
    for packet in &packets {
        let Some(number) = boot_of(packet) else { continue };
        let after = packet.at.saturating_sub(starts[number].unwrap_or_default());
        let is_answer = packet.sender == PacketSender::OtherServer;
        if let Some(step) = step_of(&boots[number].steps, after, packet.port, is_answer) {
            views[number][step].extend(PacketView::new(packet, after));
        }
    }
    views
}

/// Whether a step is a packet of the machine or an answer to one.
pub fn is_packet(step: &StepRecord) -> bool {
    matches!(
        step.what,
        StepWhat::NotAnswered { .. } | StepWhat::NotSent { .. } | StepWhat::Replied { .. } | StepWhat::SystemRequest
    )
}

/// When the remembered boots of the machine began, in milliseconds since the start of the server and as text.
fn began(state: &State, machine: MachineKey) -> Vec<(u64, String)> {
    let stories = state.stories.stories();
    let boots = stories.machine(machine).map(|story| &story.boots).into_iter().flatten();
    boots.map(|boot| (boot.began, rfc3339(state.events.wall_clock(boot.began)))).collect()
}

fn start(began: &[(u64, String)], boot: &BootRecord) -> Option<u64> {
    began.iter().find(|(_, text)| *text == boot.began).map(|(at, _)| *at)
}

/// The index of the step to which a packet belongs: of those on its port, the one that is nearest in time. An answer of
/// another server belongs to a step before it.
fn step_of(steps: &[StepRecord], after: u64, port: u16, is_answer: bool) -> Option<usize> {
    let is_on_port = |step: &StepRecord| match step.what {
        StepWhat::Replied { port: of_step, .. } => of_step == port,
        _ => true,
    };
    let distance = |step: &StepRecord| match (u64::from(step.after_ms), u64::from(step.last_after_ms)) {
        (first, _) if first > after => first - after,
        (_, last) => after.saturating_sub(last),
    };
    let steps = steps.iter().enumerate().filter(|(_, step)| is_packet(step));
    let is_later = |step: &StepRecord| is_answer && u64::from(step.after_ms) > after;
    steps.min_by_key(|(_, step)| (!is_on_port(step), is_later(step), distance(step))).map(|(index, _)| index)
}

impl PacketView {
    fn new(packet: &KeptPacket, after_ms: u64) -> Option<PacketView> {
        let parsed = DhcpPacket::parse(&packet.octets, packet.is_ipv6).ok()?;
        let tree = dissect::packet(&parsed);
        let server = match &parsed {
            DhcpPacket::Dhcp4(message) => message.address(code::SERVER_ID).map(|address| address.to_string()),
            DhcpPacket::Dhcp6(_) => None,
        };
        let sender = match packet.sender {
            PacketSender::Machine => "the machine".to_owned(),
            PacketSender::Server => "this server".to_owned(),
            PacketSender::OtherServer => server.unwrap_or_else(|| "another server".to_owned()),
        };
        Some(PacketView {
            after_ms,
            kind: parsed.message_type().map_or_else(|| tree.value.clone(), |kind| kind.to_string()),
            sender,
            is_request: packet.sender == PacketSender::Machine,
            port: packet.port,
            length: packet.octets.len(),
            times: packet.times,
            parts: tree.children.iter().map(Tree::from).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(after_ms: u32, last_after_ms: u32, what: StepWhat) -> StepRecord {
        StepRecord { at: String::new(), after_ms, last_after_ms, times: 1, stage: None, what }
    }

    #[test]
    fn a_packet_belongs_to_the_nearest_step_on_its_port() {
        let replied = |port| StepWhat::Replied {
            client: "x64 UEFI".to_owned(),
            port,
            offer: "loader".to_owned(),
            file: "ipxe.efi".to_owned(),
        };
        let reported = StepWhat::Reported { report: "progress".to_owned(), text: String::new(), octets: 0 };
        let steps = [
            step(0, 4000, replied(67)),
            step(4010, 4010, replied(4011)),
            step(5000, 5000, reported),
            step(6000, 6000, replied(67)),
            step(60_000, 60_000, StepWhat::SystemRequest),
        ];
        let of = |after, port| step_of(&steps, after, port, false);
        assert_eq!([of(0, 67), of(4000, 67), of(4005, 4011), of(5990, 67)], [Some(0), Some(0), Some(1), Some(3)]);
        assert_eq!([of(59_000, 67), of(5000, 4011)], [Some(4), Some(1)]);
        assert_eq!((of(5500, 67), step_of(&steps, 5500, 67, true)), (Some(3), Some(0)));
        assert_eq!(step_of(&steps[2..3], 5000, 67, false), None);
    }
}
