//! Tests the destinations of replies, their limits, and refusals.

use super::*;
use proxydhcpd_core::identity::PROBE_MAC;

#[test]
fn on_547_only_a_neighbour_or_a_relay_is_answered() {
    let from = |source: &str| ask(&plan(), &Packet6::solicit().octets(), Port::Dhcp, source, GROUP);
    let Response { destination: to, .. } = response(from("[fe80::207]:546"));
    assert_eq!((to.to.to_string(), to.from.to_string()), ("[fe80::207%2]:546".into(), "[fe80::10]:547".into()));
    assert_eq!(to.interface_index, Some(2));
    for source in
        ["2001:db8::207", "2001:db8:1::207", "::", "::1", "ff02::1", "fe80::10", "2001:db8::10", "::ffff:192.0.2.7"]
    {
        assert_eq!(silence(from(&format!("[{source}]:546"))), "refused:source", "{source}");
    }
    assert_eq!(
        response(from("[fe80::207]:53")).destination.to.port(),
        546,
        "clients listen on 546, whatever port they send from"
    );
}

#[test]
fn on_4011_a_reply_goes_to_the_source_port_and_comes_from_4011() {
    let octets = Packet6::request_4011().octets();
    let from = |source: &str| ask(&plan(), &octets, Port::BootServer, source, GROUP);
    let Response { destination: to, .. } = response(from("[fe80::207]:50000"));
    assert_eq!((to.to.to_string(), to.from.to_string()), ("[fe80::207%2]:50000".into(), "[fe80::10]:4011".into()));
    let Response { destination: to, .. } = response(from("[2001:db8::207]:50000"));
    assert_eq!(
        (to.to.to_string(), to.from.to_string()),
        ("[2001:db8::207]:50000".into(), "[2001:db8::10]:4011".into())
    );
    assert_eq!(to.interface_index, None);
    for port in [0, 7, 19, 53, 67] {
        for source in ["fe80::207", "2001:db8::207"] {
            assert_eq!(silence(from(&format!("[{source}]:{port}"))), "refused:source-port", "{source} {port}");
        }
    }
    for source in ["::", "::1", "ff02::1", "fe80::10", "2001:db8::10"] {
        assert_eq!(silence(from(&format!("[{source}]:4011"))), "refused:source", "{source}");
    }
}

#[test]
fn a_remote_network_is_answered_on_4011_only_after_an_advertise_through_its_relay() {
    let mut observations = Observations::new(1);
    let request = Packet6::request_4011().octets();
    let to_4011 = |observations: &mut Observations, octets: &[u8], now| {
        ask_again(&plan(), observations, octets, Port::BootServer, BEYOND_RELAY, SERVER6, now)
    };
    assert_eq!(silence(to_4011(&mut observations, &request, 0)), "refused:unserved-network");
    let solicit = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    response(ask_again(&plan(), &mut observations, &solicit, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6, 0));
    let Response { destination: to, .. } = response(to_4011(&mut observations, &request, 5_000));
    assert_eq!((to.to.to_string(), to.from.to_string()), (BEYOND_RELAY.into(), "[2001:db8::10]:4011".into()));
    let other = Packet6::request_4011().set(1, b"\0\x03\0\x01\x02\0\0\0\x09\x09").octets();
    assert_eq!(silence(to_4011(&mut observations, &other, 5_000)), "refused:unserved-network", "another machine");
    assert_eq!(silence(to_4011(&mut observations, &request, 11 * 60_000)), "refused:unserved-network", "too long ago");
}

#[test]
fn a_machine_is_recognised_on_4011_by_its_duid_alone() {
    let mut observations = Observations::new(1);
    let duid = b"\0\x02\0\0\x01\x57made up";
    let solicit = relayed(&Packet6::solicit().set(1, duid).octets(), RELAY, NEIGHBOUR, &[]);
    response(ask_again(&plan(), &mut observations, &solicit, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6, 0));
    let request = Packet6::request_4011().set(1, duid).octets();
    response(ask_again(&plan(), &mut observations, &request, Port::BootServer, BEYOND_RELAY, SERVER6, 1));
}

#[test]
fn an_interface_with_only_a_link_local_address_cannot_serve_beyond_its_link() {
    let mut links = links();
    links[0].ipv6.retain(|network| network.address.is_unicast_link_local());
    let asked = |octets: &[u8], from: &str, links: &[Link]| {
        let (from, to) = (from.parse().unwrap(), GROUP.parse().unwrap());
        let arrival =
            Arrival { datagram: octets, port: Port::Dhcp, from, to, links, link: 0, via_other_link: false, now: 0 };
        let mut replies = Replies::default();
        let answer = answer(&plan(), &mut Observations::new(1), &arrival, &mut replies);
        (answer, replies.iter().map(|(octets, to)| (octets.to_vec(), to)).collect())
    };
    let solicit = Packet6::solicit().octets();
    response(asked(&solicit, "[fe80::207]:546", &links));
    let behind = relayed(&solicit, RELAY, NEIGHBOUR, &[]);
    assert_eq!(silence(asked(&behind, "[2001:db8:1::1]:547", &links)), "refused:no-address");
    links[0].ipv6.clear();
    assert_eq!(silence(asked(&solicit, "[fe80::207]:546", &links)), "refused:no-address");
}

#[test]
fn a_packet_from_an_unserved_interface_is_answered_only_if_it_crosses_networks() {
    let ask_off_link = |octets: &[u8], port, from: &str| {
        let links = links();
        let (from, to) = (from.parse().unwrap(), SERVER6.parse().unwrap());
        let arrival =
            Arrival { datagram: octets, port, from, to, links: &links, link: 0, via_other_link: true, now: 0 };
        let mut replies = Replies::default();
        let answer = answer(&plan(), &mut Observations::new(1), &arrival, &mut replies);
        (answer, replies.iter().map(|(octets, to)| (octets.to_vec(), to)).collect())
    };
    let solicit = Packet6::solicit().octets();
    assert_eq!(silence(ask_off_link(&solicit, Port::Dhcp, "[fe80::207]:546")), "refused:unserved-interface");
    response(ask_off_link(&relayed(&solicit, RELAY, NEIGHBOUR, &[]), Port::Dhcp, "[2001:db8:1::1]:547"));
    let request = Packet6::request_4011().octets();
    response(ask_off_link(&request, Port::BootServer, WITH_ADDRESS));
    assert_eq!(silence(ask_off_link(&request, Port::BootServer, "[fe80::207]:4011")), "refused:unserved-interface");
}

/// Returns the destinations of the REPLY from port 4011, after the server has overheard these packets on port 547.
fn copies(overheard: &[(&str, Vec<u8>)], from: &str) -> Vec<String> {
    let mut observations = Observations::new(1);
    let mut overhear =
        |octets: &[u8], source: &str, to| ask_again(&plan(), &mut observations, octets, Port::Dhcp, source, to, 0);
    overhear(&relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]), "[2001:db8:1::1]:547", SERVER6);
    for (source, octets) in overheard {
        assert!(silence(overhear(octets, source, GROUP)).starts_with("ignored:"), "it is for the DHCPv6 server");
    }
    let request = Packet6::request_4011().octets();
    let (_, sent) = ask_again(&plan(), &mut observations, &request, Port::BootServer, from, SERVER6, 1);
    assert!(sent.iter().all(|(octets, to)| *octets == sent[0].0 && to.from == sent[0].1.from));
    sent.iter().map(|(_, to)| to.to.to_string()).collect()
}

#[test]
fn a_reply_also_goes_to_the_leased_address_of_an_overheard_request() {
    let relayed_request = relayed(&Packet6::request_for(LEASE_BEYOND_RELAY).octets(), RELAY, NEIGHBOUR, &[]);
    let both = copies(&[("[2001:db8:1::1]:547", relayed_request)], BEYOND_RELAY);
    assert_eq!(both, [BEYOND_RELAY, "[2001:db8:1::1b3]:4011"]);
    let on_link = Packet6::request_for("2001:db8::1b3").octets();
    let both = copies(&[(&neighbour(546), on_link)], "[2001:db8::207]:50000");
    assert_eq!(both, ["[2001:db8::207]:50000", "[2001:db8::1b3]:50000"]);
}

#[test]
fn a_reply_goes_only_to_its_source_without_an_overheard_lease_of_the_client() {
    assert_eq!(copies(&[], BEYOND_RELAY), [BEYOND_RELAY]);
    let through_relay =
        |packet: Packet6| vec![("[2001:db8:1::1]:547", relayed(&packet.octets(), RELAY, NEIGHBOUR, &[]))];
    let expect_one_copy =
        |packet: Packet6, why: &str| assert_eq!(copies(&through_relay(packet), BEYOND_RELAY), [BEYOND_RELAY], "{why}");
    expect_one_copy(
        Packet6::request_for(LEASE_BEYOND_RELAY).without(16),
        "without a class it is the firmware's own address",
    );
    expect_one_copy(
        Packet6::request_for(LEASE_BEYOND_RELAY).set(1, b"\0\x03\0\x01\x02\0\0\0\x09\x09"),
        "another machine's",
    );
    expect_one_copy(Packet6 { kind: 8, ..Packet6::request_for(LEASE_BEYOND_RELAY) }, "it releases the address");
    expect_one_copy(Packet6::request_for("2001:db8:2::1b3"), "another network");
    expect_one_copy(Packet6::request_for("2001:db8:1::207"), "the source address again");
    expect_one_copy(Packet6::request_for("::"), "no address");
    let server_address = vec![("[fe80::ff:fe00:207]:546", Packet6::request_for(SERVER6).octets())];
    assert_eq!(copies(&server_address, WITH_ADDRESS), [WITH_ADDRESS], "the server's address");
}

#[test]
fn a_neighbour_receives_no_second_copy() {
    let lease = vec![("[fe80::ff:fe00:207]:546", Packet6::request_for("2001:db8::1b3").octets())];
    assert_eq!(copies(&lease, &neighbour(4011)), ["[fe80::ff:fe00:207%2]:4011"]);
}

#[test]
fn a_machine_receives_eight_answers_at_once_and_two_a_second() {
    let mut observations = Observations::new(1);
    let octets = Packet6::solicit().octets();
    let mut ask_at = |now| ask_again(&plan(), &mut observations, &octets, Port::Dhcp, &neighbour(546), GROUP, now);
    (0..8).for_each(|_| drop(response(ask_at(0))));
    assert_eq!(silence(ask_at(0)), "refused:too-many-from-client");
    response(ask_at(500));
    assert_eq!(silence(ask_at(500)), "refused:too-many-from-client");
}

#[test]
fn one_source_address_cannot_send_requests_to_4011_for_many_machines() {
    let mut observations = Observations::new(1);
    let answered = (0..20u8).filter(|machine| {
        let octets = Packet6::request_4011().set(1, &[0, 3, 0, 1, 2, 0, 0, 1, 0, *machine]).octets();
        let asked =
            ask_again(&plan(), &mut observations, &octets, Port::BootServer, "[2001:db8::1234]:4011", SERVER6, 0);
        asked.0.reply.is_ok()
    });
    assert_eq!(answered.count(), 8);
}

#[test]
fn a_boot_storm_behind_one_relay_is_answered_completely_and_remembered() {
    let mut observations = Observations::new(1);
    let machine = |number: u16, packet: Packet6| {
        let [high, low] = number.to_be_bytes();
        packet.set(1, &[&[0, 4][..], &[high, low, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]].concat()).octets()
    };
    for number in 0..8000u16 {
        let peer = format!("fe80::ff:fe00:{number:x}");
        let octets = relayed(&machine(number, Packet6::solicit()), RELAY, &peer, &[]);
        response(ask_again(&plan(), &mut observations, &octets, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6, 0));
    }
    let served = (0..8000u16).filter(|&number| {
        let octets = machine(number, Packet6::request_4011());
        let from = format!("[2001:db8:1::1:{number:x}]:4011");
        let asked = ask_again(&plan(), &mut observations, &octets, Port::BootServer, &from, SERVER6, 5_000);
        asked.0.reply.is_ok()
    });
    assert_eq!(served.count(), 8000);
}

/// The probe runs on the host of the server. Its DUID contains its MAC address, and its source address that of the
/// host.
#[test]
fn only_the_probe_is_answered_from_an_address_of_the_server() {
    let from = |packet: &Packet6| ask(&plan(), &packet.octets(), Port::Dhcp, "[fe80::10]:546", GROUP).0.reply;
    let duid = [&[0, 3, 0, 1][..], &PROBE_MAC].concat();
    let probe = Packet6::solicit().set(1, &duid);
    assert!(from(&probe).is_ok(), "{:?}", from(&probe));
    assert!(from(&Packet6::solicit()).is_err());
}
