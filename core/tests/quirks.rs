//! Tests the rows of firmware quirks: a packet in core/testdata makes each row apply.

mod common;

use common::capture::{Datagram, capture};
use common::vector::vectors;
use common::{capture, links, plan};
use proxydhcpd_core::answer::{Replies, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::link::{Link, Network4, Network6};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::rule::Firmware;
use proxydhcpd_core::quirks::{CoveredBy, QUIRKS, Quirks};
use proxydhcpd_core::wire::dhcp6::{Packet, code};
use std::collections::BTreeSet;

#[test]
fn a_packet_in_testdata_makes_each_quirk_apply() {
    let of_vectors = vectors().into_iter().map(|vector| vector.ask().0.quirks);
    let of_captures = capture::names().into_iter().flat_map(|name| quirks_of_capture(&name));
    let applied: BTreeSet<&str> =
        of_vectors.chain(of_captures).flat_map(Quirks::iter).map(|quirk| quirk.name).collect();
    for quirk in QUIRKS {
        let name = quirk.name;
        assert!(applied.contains(name), "no packet in core/testdata makes {name} apply: add one (CONTRIBUTING.md)");
    }
}

#[test]
fn the_vector_of_a_quirk_makes_it_apply() {
    let vectors = vectors();
    for quirk in QUIRKS {
        let CoveredBy::Vector(name) = quirk.covered_by else { continue };
        let vector = vectors.iter().find(|vector| vector.name == name);
        let applied = vector.unwrap_or_else(|| panic!("{}: there is no vector {name}", quirk.name)).ask().0.quirks;
        assert!(applied.iter().any(|applied| applied.name == quirk.name), "{name} does not make {} apply", quirk.name);
    }
}

/// Sends the packets of a capture to the server that received them (protocol.md 10.2). Returns the quirks that applied.
fn quirks_of_capture(name: &str) -> Vec<Quirks> {
    let network6 = |address: &str| Network6 { address: address.parse().unwrap(), prefix: 64 };
    let ipv4 = vec![Network4 { address: "10.77.0.2".parse().unwrap(), prefix: 24 }];
    let links = [Link { ipv4, ipv6: vec![network6("fd77::2"), network6("fe80::2")], ..links().remove(0) }];
    let datagrams = capture(name);
    let duid = datagrams.iter().find_map(server_duid).unwrap_or_default();
    let plan = plan().with_offer(|offer| offer.dhcp6.duid = duid);
    let (mut observations, mut replies) = (Observations::new(1), Replies::default());
    let mut answers = datagrams.iter().filter_map(|Datagram { from, to, payload }| {
        let port = match to.port() {
            67 | 547 => Port::Dhcp,
            4011 => Port::BootServer,
            _ => return None,
        };
        let (datagram, from, to) = (&payload[..], *from, to.ip());
        let arrival = Arrival { datagram, port, from, to, links: &links, link: 0, via_other_link: false, now: 0 };
        Some(answer(&plan, &mut observations, &arrival, &mut replies).quirks)
    });
    answers.by_ref().collect()
}

/// The DUID of the server to which a client sends its request on port 4011.
fn server_duid(Datagram { to, payload, .. }: &Datagram) -> Option<Vec<u8>> {
    let packet = Packet::parse(payload).ok().filter(|_| to.is_ipv6() && to.port() == 4011)?;
    packet.message.option(code::SERVER_ID).map(<[u8]>::to_vec)
}

#[test]
fn a_quirk_has_a_unique_name_and_its_texts() {
    let names: BTreeSet<&str> = QUIRKS.iter().map(|quirk| quirk.name).collect();
    assert_eq!(names.len(), QUIRKS.len());
    assert!(QUIRKS.len() <= 32, "`Quirks` has a bit for each");
    for quirk in QUIRKS {
        assert!(quirk.name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-'));
        let texts = [quirk.firmware, quirk.behaviour, quirk.reaction, quirk.evidence];
        assert!(texts.iter().all(|text| !text.is_empty() && !text.contains('|')), "{}", quirk.name);
    }
}

#[test]
fn an_offer_names_only_the_quirks_that_changed_it() {
    let quirks = |name: &str, plan: &Plan| {
        let vector = vectors().into_iter().find(|vector| vector.name == name).unwrap();
        vector.ask_with(plan).0.quirks.iter().map(|quirk| quirk.name).collect::<Vec<_>>()
    };
    assert_eq!(quirks("ovmf-x64-discover", &plan()), ["edk2-drops-pxe-options"]);
    let without_4011 = plan().with_offer(|offer| offer.boot_server = false);
    assert_eq!(quirks("ovmf-x64-discover", &without_4011), [""; 0], "it cannot redirect");
    assert_eq!(quirks("bios-intel-discover", &plan()), [""; 0]);
    assert_eq!(quirks("ovmf-pxe6-request-4011", &plan()), ["edk2-ipv6-late-socket"], "no second address is known");
    assert_eq!(quirks("relayed-pxe6-solicit", &plan()), [""; 0], "it needs a URL");
}

#[test]
fn a_dialect_has_a_row_and_a_unique_id_in_rules() {
    for dialect in Dialect::all() {
        assert!(QUIRKS.iter().any(|quirk| quirk.name == dialect.id), "{} has no row", dialect.id);
    }
    let ids: BTreeSet<&str> = Firmware::all().map(Firmware::id).collect();
    assert_eq!(ids.len(), Firmware::all().count());
}
