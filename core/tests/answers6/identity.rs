//! Tests the identification of a machine.

use super::*;
use proxydhcpd_core::plan::inventory::MatchedEntry;

const UUID: [u8; 16] = [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
const MAC: [u8; 6] = [2, 0, 0, 0, 2, 7];

fn plan_with(machines: &[Machine<'_>]) -> Plan {
    Plan { inventory: Inventory::new(machines, &[]), ..with_stateless(StatelessOptions::default()) }
}

#[track_caller]
fn found((answer, _): (Answer, Sent)) -> Option<IdentityKind> {
    answer.decision.unwrap().identified_by()
}

#[test]
fn a_machine_is_found_by_the_uuid_in_its_duid_in_either_octet_order() {
    let plan = plan_with(&[Machine { name: "web1", uuid: Some(UUID), ..Machine::default() }]);
    assert_eq!(found(ask_547(&plan, &Packet6::solicit())), Some(IdentityKind::Uuid), "SMBIOS order");
    assert_eq!(found(ask_547(&plan, &Packet6::information_request())), Some(IdentityKind::Uuid), "printed order");
    assert_eq!(found(ask_547(&plan, &Packet6::solicit().set(1, &[0; 18]))), None);
    for packet in [Packet6::solicit(), Packet6::information_request()] {
        let machine = ask_547(&plan, &packet).0.client.unwrap().machine.machine_id.unwrap();
        assert_eq!(machine.to_string(), "00112233-4455-6677-8899-aabbccddeeff", "the more likely interpretation");
    }
}

#[test]
fn a_machine_is_found_by_its_mac_address_from_any_source() {
    let plan = plan_with(&[Machine { name: "web1", macs: &[MAC], ..Machine::default() }]);
    assert_eq!(found(ask_547(&plan, &Packet6::solicit())), Some(IdentityKind::Mac), "from its link-local address");
    let from = |duid: &[u8]| {
        let octets = Packet6::solicit().set(1, duid).octets();
        found(ask(&plan, &octets, Port::Dhcp, "[fe80::1234]:546", GROUP))
    };
    assert_eq!(from(b"\0\x03\0\x01\x02\0\0\0\x02\x07"), Some(IdentityKind::Mac), "DUID-LL");
    assert_eq!(from(b"\0\x01\0\x01timE\x02\0\0\0\x02\x07"), Some(IdentityKind::Mac), "DUID-LLT");
    assert_eq!(from(b"\0\x03\0\x06\x02\0\0\0\x02\x07"), None, "not Ethernet");
    assert_eq!(from(b"\0\x02\0\0\x02\0\0\0\x02\x07"), None, "DUID-EN");
    assert_eq!(
        found(ask_through_relay(&plan, &Packet6::solicit(), &[])),
        Some(IdentityKind::Mac),
        "from the peer address of its relay"
    );
    let from_relay = |link_layer: &[u8]| {
        let octets = relayed(&Packet6::solicit().octets(), RELAY, "fe80::1234", &[(79, link_layer)]);
        found(ask(&plan, &octets, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6))
    };
    assert_eq!(from_relay(b"\0\x01\x02\0\0\0\x02\x07"), Some(IdentityKind::Mac), "from the relay's option 79");
    assert_eq!(from_relay(b"\0\x06\x02\0\0\0\x02\x07"), None);
    assert_eq!(from_relay(b"\0\x01\x02\0\0\0\x02"), None);
}

#[test]
fn only_the_relay_nearest_to_the_client_is_trusted() {
    let plan = plan_with(&[Machine { name: "web1", macs: &[MAC], ..Machine::default() }]);
    let inner = relayed(&Packet6::solicit().octets(), RELAY, "fe80::1234", &[]);
    let outer = relayed(&inner, RELAY, "fe80::ff:fe00:207", &[(79, b"\0\x01\x02\0\0\0\x02\x07")]);
    assert_eq!(
        found(ask(&plan, &outer, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6)),
        None,
        "it is the inner relay's address"
    );
}

#[test]
fn two_interpretations_that_match_two_machines_match_neither() {
    let stored = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    let plan = plan_with(&[
        Machine { name: "web1", uuid: Some(UUID), ..Machine::default() },
        Machine { name: "web2", uuid: Some(stored), ..Machine::default() },
    ]);
    for packet in [Packet6::solicit(), Packet6::information_request()] {
        let decision = ask_547(&plan, &packet).0.decision.unwrap();
        assert_eq!(decision.machine(&plan), None);
        let undecided = decision.ambiguous(&plan).map(|undecided| undecided.map(|matched| matched.by));
        assert_eq!(undecided, Some([IdentityKind::Uuid; 2]));
    }
    let plan = plan_with(&[
        Machine { name: "web1", macs: &[MAC], ..Machine::default() },
        Machine { name: "web2", macs: &[[2, 0, 0, 0, 9, 9]], ..Machine::default() },
    ]);
    let decision = ask_547(&plan, &Packet6::solicit().set(1, b"\0\x03\0\x01\x02\0\0\0\x09\x09")).0.decision.unwrap();
    let undecided = decision.ambiguous(&plan).map(|undecided| undecided.map(|matched| matched.by));
    assert_eq!((decision.machine(&plan), undecided), (None, Some([IdentityKind::Mac; 2])));
}

#[test]
fn a_uuid_takes_precedence_over_an_address() {
    let plan = plan_with(&[
        Machine { name: "web1", macs: &[MAC], ..Machine::default() },
        Machine { name: "web2", uuid: Some(UUID), ..Machine::default() },
    ]);
    let decision = ask_547(&plan, &Packet6::solicit()).0.decision.unwrap();
    assert_eq!((decision.machine(&plan).unwrap().name, decision.identified_by()), ("web2", Some(IdentityKind::Uuid)));
    assert_eq!(decision.conflicting(&plan), Some(MatchedEntry { name: "web1", by: IdentityKind::Mac }));
}

#[test]
fn the_protection_of_one_of_two_entries_with_an_identity_applies_over_dhcpv6() {
    let web2 = Machine { name: "web2", uuid: Some(UUID), macs: &[MAC], ..Machine::default() };
    for never in [Machine { macs: &[], ..web2 }, Machine { uuid: None, ..web2 }] {
        let never = Machine { name: "web1", boot_mode: BootMode::Never, ..never };
        for packet in [Packet6::solicit(), Packet6::information_request()] {
            let plan = plan_with(&[web2, never]);
            let decision = ask_547(&plan, &packet).0.decision.unwrap();
            let protecting = decision.protected_by(&plan).map(|matched| matched.name);
            assert_eq!((decision.decided_by, protecting), (DecidedBy::Never, Some("web1")));
        }
    }
}
