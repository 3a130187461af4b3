//! The facts of a packet against which rules are matched.

use crate::arrival::{Arrival, Port};
use crate::client::{Client, class6};
use crate::decide::{self, Decision, decide};
use crate::observations::Observations;
use crate::plan::Plan;
use crate::plan::rule::{Condition, Subject};
use crate::wire::dhcp4::code;
use crate::wire::pxe::SubOptions;
use crate::wire::user_classes::UserClasses;
use crate::wire::{DhcpPacket, dhcp6};
use alloc::vec::Vec;
use core::array;
use core::net::IpAddr;

/// The unmet conditions of each rule, up to and including the rule that matches, for which the list is empty. `explain`
/// shows them.
pub fn unmet(
    plan: &Plan,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
    decision: &Decision,
) -> Vec<Vec<Condition>> {
    with_subject(arrival, packet, client, |subject| {
        let subject = &decision.certain_subject(subject);
        let known = decision.entry(plan).is_some();
        let mut all = Vec::new();
        for (index, rule) in plan.policy.rules.iter().enumerate() {
            let unmet: Vec<Condition> = rule.unmet(index, subject, known).collect();
            let matched = unmet.is_empty();
            all.push(unmet);
            if matched {
                break;
            }
        }
        all
    })
}

/// Decides what the sender of a packet boots.
pub fn decide_for_packet(
    plan: &Plan,
    observations: &Observations,
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
) -> Decision {
    // A request on port 4011 does not contain the relay's options, so the rule that matched the earlier request decides
    // again.
    let asks_boot_server = client.port == Port::BootServer;
    let rule_ref = if asks_boot_server { observations.relay_rule(client, arrival.now) } else { None };
    let dhcp_rule = rule_ref.and_then(|rule_ref| plan.policy.resolve_rule(rule_ref));
    with_subject(arrival, packet, client, |subject| {
        let subject = Subject { dhcp_rule, is_file_request: dhcp_rule.is_some(), ..subject.clone() };
        decide(plan, observations, &subject)
    })
}

fn with_subject<T>(
    arrival: &Arrival<'_>,
    packet: &DhcpPacket<'_>,
    client: &Client,
    then: impl FnOnce(&Subject<'_>) -> T,
) -> T {
    let link = arrival.link();
    let on_link = || if client.is_v6() { link.address6().map(IpAddr::V6) } else { link.address().map(IpAddr::V4) };
    let relay = client.machine.relay.map(|relay| relay.address);
    let client_subnet = client.machine.relay.and_then(|relay| relay.subnet);
    let subject = Subject {
        shown: client.machine.shown(),
        arch: Some(client.arch),
        firmware: decide::firmware_kinds(client),
        interface: &link.name,
        subnet: client_subnet.or(relay).or(client.machine.address).or_else(on_link),
        relays: [relay, client_subnet.filter(|_| client.is_v6())],
        ..Subject::default()
    };
    match packet {
        DhcpPacket::Dhcp4(message) => {
            let option = |code| message.option(code).unwrap_or_default();
            let (vendor_class, agent) = (option(code::VENDOR_CLASS), option(code::RELAY_AGENT));
            let user_class = message.option(code::USER_CLASS).filter(|value| !value.is_empty());
            then(&Subject {
                vendor_class: &vendor_class,
                user_classes: user_class.as_deref().map(UserClasses::from_option77).unwrap_or_default(),
                circuit_id: SubOptions(&agent).find(|(code, _)| *code == 1).map_or(&[], |(_, value)| value),
                ..subject
            })
        }
        DhcpPacket::Dhcp6(packet) => then(&Subject {
            vendor_class: class6(&packet.message).map_or(&[], |(_, text)| text),
            user_classes: packet.message.user_classes(),
            interface_ids: array::from_fn(|hop| packet.hops.get(hop)?.option(dhcp6::code::INTERFACE_ID)),
            ..subject
        }),
    }
}
