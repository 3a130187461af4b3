//! Tests that floods of requests take no replies away from other clients.

mod common;

use common::{Packet, Packet6, ask_again, links, mac, plan, relayed};
use proxydhcpd_core::answer::{Replies, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use std::net::Ipv4Addr;

const VICTIM: [u8; 6] = [2, 0, 0, 0, 1, 7];
const BROADCAST: (&str, &str) = ("0.0.0.0:68", "255.255.255.255");

/// Sends a datagram. Returns `answered`, or the label of the silence.
fn outcome(
    plan: &Plan,
    observations: &mut Observations,
    octets: &[u8],
    port: Port,
    path: (&str, &str),
    now: u64,
) -> &'static str {
    match ask_again(plan, observations, octets, port, path.0, path.1, now).0.reply {
        Ok(_) => "answered",
        Err(silence) => silence.label(),
    }
}

fn discover(giaddr: [u8; 4]) -> Vec<u8> {
    let mut packet = Packet::discover();
    packet.header.chaddr = mac(VICTIM);
    packet.header.giaddr = giaddr.into();
    packet.octets()
}

/// Sends 20 DISCOVERs of a victim, one a second, while an attacker sends 40 requests a second in the victim's name.
/// Returns how many of the DISCOVERs receive a reply.
fn answered_of_20(victim: (&[u8], (&str, &str)), forged: (&[u8], Port, (&str, &str))) -> usize {
    let (plan, mut observations) = (plan(), Observations::new(1));
    let mut answered = 0;
    for now in (0..20_000).step_by(25) {
        outcome(&plan, &mut observations, forged.0, forged.1, forged.2, now);
        if now % 1000 == 0 {
            answered +=
                usize::from(outcome(&plan, &mut observations, victim.0, Port::Dhcp, victim.1, now) == "answered");
        }
    }
    answered
}

#[test]
fn forged_requests_by_another_path_take_nothing_from_a_machine() {
    let (direct, beyond) = (discover([0; 4]), discover([198, 51, 100, 1]));
    let on_link = (&direct[..], BROADCAST);
    let behind_relay = (&beyond[..], ("198.51.100.1:67", "192.0.2.10"));
    let by_own_relay = discover([203, 0, 113, 66]);
    let attackers_relay = (&by_own_relay[..], Port::Dhcp, ("203.0.113.66:67", "192.0.2.10"));
    assert_eq!(answered_of_20(on_link, attackers_relay), 20, "an attacker's own address as giaddr");
    assert_eq!(answered_of_20(behind_relay, attackers_relay), 20);
    let routed = (&direct[..], Port::Dhcp, ("203.0.113.66:68", "192.0.2.10"));
    assert_eq!(answered_of_20(on_link, routed), 20, "no relay at all, from another network");
    let in_the_relays_name = (&beyond[..], Port::Dhcp, ("203.0.113.66:67", "192.0.2.10"));
    assert_eq!(answered_of_20(behind_relay, in_the_relays_name), 20, "the right giaddr, from another address");
    let other_network = discover([198, 51, 101, 1]);
    let by_the_same_router = (&other_network[..], Port::Dhcp, ("198.51.100.1:67", "192.0.2.10"));
    assert_eq!(answered_of_20(behind_relay, by_the_same_router), 20, "another network of the relay's router");
    let mut request = Packet::request_4011();
    request.header.chaddr = mac(VICTIM);
    request.header.ciaddr = Ipv4Addr::new(192, 0, 2, 66);
    let request = request.octets();
    let neighbour = (&request[..], Port::BootServer, ("192.0.2.66:4011", "192.0.2.10"));
    assert_eq!(answered_of_20(on_link, neighbour), 20, "port 4011, from a neighbour");
    let same_path = (&direct[..], Port::Dhcp, BROADCAST);
    assert!(answered_of_20(on_link, same_path) < 20, "the limit of one path applies");
}

#[test]
fn forged_requests_on_another_link_take_nothing_from_a_machine() {
    let (plan, mut observations, direct) = (plan(), Observations::new(1), discover([0; 4]));
    let mut links = links();
    let mut second = links[0].clone();
    (second.index, second.ipv4) = (3, vec![Network4 { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 24 }]);
    links.push(second);
    let mut on = |link, now| {
        let (from, to) = (BROADCAST.0.parse().unwrap(), BROADCAST.1.parse().unwrap());
        let arrival =
            Arrival { datagram: &direct, port: Port::Dhcp, from, to, links: &links, link, via_other_link: false, now };
        let answer = answer(&plan, &mut observations, &arrival, &mut Replies::default());
        answer.reply.is_ok()
    };
    let mut answered = 0;
    for now in (0..20_000).step_by(25) {
        on(1, now);
        answered += usize::from(now % 1000 == 0 && on(0, now));
    }
    assert_eq!(answered, 20);
}

#[test]
fn requests_on_4011_from_an_address_on_another_link_take_nothing_from_it() {
    let (plan, mut observations) = (plan(), Observations::new(1));
    let mut links = links();
    let second = Link { index: 3, ..links[0].clone() };
    links.push(second);
    let mut on = |link, machine: u16, now| {
        let mut request = Packet::request_4011();
        let [high, low] = machine.to_be_bytes();
        request.header.chaddr = mac([2, 0, 0, 9, high, low]);
        let octets = request.octets();
        let (from, to) = ("192.0.2.107:4011".parse().unwrap(), "192.0.2.10".parse().unwrap());
        let port = Port::BootServer;
        let arrival = Arrival { datagram: &octets, port, from, to, links: &links, link, via_other_link: false, now };
        answer(&plan, &mut observations, &arrival, &mut Replies::default()).reply.is_ok()
    };
    let mut answered = 0;
    for step in 0..800_u16 {
        let now = u64::from(step) * 25;
        on(1, step, now);
        answered += usize::from(now % 1000 == 0 && on(0, 0xffff, now));
    }
    assert_eq!(answered, 20);
}

#[test]
fn on_4011_one_address_has_the_rate_of_one_machine() {
    let (plan, mut observations) = (plan(), Observations::new(1));
    let mut from = |address: [u8; 4], machine| {
        let mut request = Packet::request_4011();
        request.header.chaddr = mac([2, 0, 0, 9, 0, machine]);
        request.header.ciaddr = address.into();
        let from = format!("{}:4011", request.header.ciaddr);
        outcome(&plan, &mut observations, &request.octets(), Port::BootServer, (&from, "192.0.2.10"), 0)
    };
    let answers: Vec<_> = (0..9).map(|machine| from([192, 0, 2, 107], machine)).collect();
    assert_eq!(answers[..8], ["answered"; 8]);
    assert_eq!(answers[8], "refused:too-many-from-source");
    assert_eq!(from([192, 0, 2, 108], 9), "answered");
}

#[test]
fn over_ipv6_forged_requests_by_another_path_take_nothing_from_a_machine() {
    let (plan, mut observations) = (plan(), Observations::new(1));
    let solicit = Packet6::solicit().octets();
    let forged = relayed(&solicit, "2001:db8:66::1", common::NEIGHBOUR, &[]);
    let mut answered = 0;
    for now in (0..20_000).step_by(25) {
        outcome(&plan, &mut observations, &forged, Port::Dhcp, ("[2001:db8:66::1]:547", common::SERVER6), now);
        let path = ("[fe80::ff:fe00:207]:546", common::GROUP);
        answered += usize::from(
            now % 1000 == 0 && outcome(&plan, &mut observations, &solicit, Port::Dhcp, path, now) == "answered",
        );
    }
    assert_eq!(answered, 20);
}

#[test]
fn a_flood_through_relays_takes_nothing_from_the_rate_limit_of_the_link() {
    let (plan, mut observations) = (plan().with_policy(|policy| policy.rate_limit = Some(10)), Observations::new(1));
    let flood = |observations: &mut Observations, number: u8| {
        let mut packet = Packet::discover();
        packet.header.chaddr = mac([2, 0, 0, 0, 2, number]);
        packet.header.giaddr = Ipv4Addr::new(203, 0, 113, number);
        let from = format!("203.0.113.{number}:67");
        outcome(&plan, observations, &packet.octets(), Port::Dhcp, (&from, "192.0.2.10"), 0)
    };
    let answered = (1..=100).filter(|&number| flood(&mut observations, number) == "answered").count();
    assert_eq!(answered, 10);
    assert_eq!(outcome(&plan, &mut observations, &discover([0; 4]), Port::Dhcp, BROADCAST, 0), "answered");
    let request = Packet::request_4011().octets();
    assert_eq!(
        outcome(&plan, &mut observations, &request, Port::BootServer, ("192.0.2.107:4011", "192.0.2.10"), 0),
        "answered"
    );
}

// Without relayed requests

fn from_afar(plan: &Plan, observations: &mut Observations, number: u16, now: u64) -> &'static str {
    let [high, low] = number.to_be_bytes();
    let mut request = Packet::request_4011();
    request.header.chaddr = mac([2, 0, 0, 3, high, low]);
    request.header.ciaddr = Ipv4Addr::new(10, 1, high, low);
    let from = format!("10.1.{high}.{low}:4011");
    outcome(plan, observations, &request.octets(), Port::BootServer, (&from, "192.0.2.10"), now)
}

#[test]
fn any_network_may_use_4011_if_relayed_requests_do_not_reach_the_server() {
    let without_relays = plan().with_offer(|offer| offer.ignores_relays = true);
    assert_eq!(from_afar(&plan(), &mut Observations::new(1), 1, 0), "refused:unserved-network");
    let mut observations = Observations::new(1);
    let answers: Vec<_> = (0..9).map(|_| from_afar(&without_relays, &mut observations, 1, 0)).collect();
    assert_eq!(answers[..8], ["answered"; 8]);
    assert_eq!(answers[8], "refused:too-many-from-client");
    // The server still sends a reply only to the address from which the request came.
    let mut request = Packet::request_4011();
    request.header.ciaddr = Ipv4Addr::new(10, 1, 0, 9);
    let mut to = |packet: &Packet, from| {
        outcome(&without_relays, &mut observations, &packet.octets(), Port::BootServer, (from, "192.0.2.10"), 0)
    };
    assert_eq!(to(&request, "10.1.0.8:4011"), "refused:ciaddr");
    request.header.ciaddr = Ipv4Addr::UNSPECIFIED;
    assert_eq!(to(&request, "10.1.0.9:4011"), "refused:unserved-network", "without its address in ciaddr");
}

#[test]
fn all_machines_in_unserved_networks_share_a_rate_and_those_on_the_link_do_not() {
    let without_relays = plan().with_offer(|offer| offer.ignores_relays = true);
    let mut observations = Observations::new(1);
    let answers: Vec<_> = (0..2000).map(|number| from_afar(&without_relays, &mut observations, number, 0)).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == "answered").count(), 1000);
    assert_eq!(answers[1999], "refused:too-many-from-unserved-networks");
    let neighbour = Packet::request_4011().octets();
    let path = ("192.0.2.107:4011", "192.0.2.10");
    assert_eq!(outcome(&without_relays, &mut observations, &neighbour, Port::BootServer, path, 0), "answered");
    assert_eq!(from_afar(&without_relays, &mut observations, 3000, 1000), "answered", "500 a second come back");
}

#[test]
fn over_ipv6_any_network_may_use_4011_if_relayed_requests_do_not_reach_the_server() {
    let without_relays = plan().with_offer(|offer| offer.dhcp6.ignores_relays = true);
    let ask = |plan| {
        let request = Packet6::request_4011().octets();
        let path = ("[2001:db8:1::7]:4011", common::SERVER6);
        outcome(plan, &mut Observations::new(1), &request, Port::BootServer, path, 0)
    };
    assert_eq!([ask(&plan()), ask(&without_relays)], ["refused:unserved-network", "answered"]);
}
