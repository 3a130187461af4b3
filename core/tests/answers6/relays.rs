//! Tests requests through relays.

use super::*;

#[test]
fn each_relay_receives_its_own_options_back() {
    let inner =
        relayed(&Packet6::solicit().octets(), "::", NEIGHBOUR, &[(18, b"port 7"), (79, b"\0\x01\x02\0\0\0\x01\x07")]);
    let mut outer = relayed(&inner, RELAY, "fe80::1", &[(135, &[0, 0]), (18, b"vlan10")]);
    outer[1] = 1;
    let asked = ask(&plan(), &outer, Port::Dhcp, "[2001:db8:9::1]:6767", SERVER6);
    let reply = Packet::parse(&asked.1[0].0).unwrap();
    assert_eq!(reply.hops.len(), 2);
    let [outer, inner] = &reply.hops[..] else { panic!() };
    assert!(reply.hops.iter().all(|hop| hop.message_type == MessageType::RelayReply));
    assert_eq!(
        (outer.hop_count, outer.link_address.to_string(), outer.peer_address.to_string()),
        (1, RELAY.into(), "fe80::1".into())
    );
    assert_eq!(
        (inner.hop_count, inner.link_address.to_string(), inner.peer_address.to_string()),
        (0, "::".into(), NEIGHBOUR.into())
    );
    assert_eq!((outer.option(18), outer.option(135)), (Some(&b"vlan10"[..]), Some(&[0, 0][..])));
    assert_eq!((inner.option(18), inner.option(135)), (Some(&b"port 7"[..]), None));
    assert_eq!(inner.option(79), None, "option 79 is for servers");
    assert_eq!(reply.message.message_type, MessageType::Advertise);
    let Response { destination: to, .. } = response(asked);
    assert_eq!((to.to.to_string(), to.from.to_string()), ("[2001:db8:9::1]:6767".into(), "[2001:db8::10]:547".into()));
}

#[test]
fn a_relay_is_answered_at_its_source_port_only_if_it_requests_that_and_it_does_no_harm() {
    let solicit = Packet6::solicit().octets();
    let port = |source: u16, options: &[(u16, &[u8])]| {
        ask(&plan(), &relayed(&solicit, RELAY, NEIGHBOUR, options), Port::Dhcp, &format!("[{RELAY}]:{source}"), SERVER6)
    };
    assert_eq!(response(port(6767, &[])).destination.to.port(), 547);
    assert_eq!(response(port(6767, &[(135, &[0, 0])])).destination.to.port(), 6767);
    assert_eq!(response(port(547, &[(135, &[0, 0])])).destination.to.port(), 547);
    assert_eq!(silence(port(53, &[(135, &[0, 0])])), "refused:source-port");
    assert_eq!(response(port(53, &[])).destination.to.port(), 547);
}

#[test]
fn a_relay_on_the_link_is_answered_there() {
    let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    let asked = ask(&plan(), &octets, Port::Dhcp, "[fe80::99]:547", GROUP);
    assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi");
    let Response { destination: to, .. } = response(asked);
    assert_eq!((to.to.to_string(), to.from.to_string()), ("[fe80::99%2]:547".into(), "[fe80::10]:547".into()));
}

#[test]
fn a_relay_is_listed_by_its_source_address_or_its_address_on_the_clients_link() {
    let with = |relay: &str| plan().with_policy(|policy| policy.relays = vec![relay.parse().unwrap()]);
    let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    let from = |plan: &Plan, source: &str| ask(plan, &octets, Port::Dhcp, &format!("[{source}]:547"), SERVER6);
    response(from(&with("2001:db8:9::1"), "2001:db8:9::1"));
    response(from(&with(RELAY), "2001:db8:9::1"));
    assert_eq!(silence(from(&with("2001:db8:9::2"), "2001:db8:9::1")), "refused:relay-not-listed");
    assert_eq!(silence(from(&with("192.0.2.1"), "2001:db8:9::1")), "refused:relay-not-listed");
    response(ask_547(&with("2001:db8:9::2"), &Packet6::solicit()));
}

#[test]
fn a_packet_may_pass_eight_relays() {
    let through = |relays: usize| {
        let octets = (0..relays).fold(Packet6::solicit().octets(), |inner, _| relayed(&inner, RELAY, NEIGHBOUR, &[]));
        ask(&plan(), &octets, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6)
    };
    response(through(8));
    assert_eq!(silence(through(9)), "malformed");
}

#[test]
fn a_relay_without_a_message_or_with_a_servers_message_is_not_answered() {
    let solicit = Packet6::solicit().octets();
    let ask = |octets: &[u8]| ask(&plan(), octets, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6);
    let mut whole = relayed(&solicit, RELAY, NEIGHBOUR, &[]);
    assert_eq!(silence(ask(&whole[..34])), "malformed");
    assert_eq!(silence(ask(&whole[..33])), "malformed");
    assert_eq!(silence(ask(&relayed(&solicit, RELAY, NEIGHBOUR, &[(9, &solicit)]))), "malformed", "twice");
    assert_eq!(silence(ask(&relayed(&[], RELAY, NEIGHBOUR, &[]))), "malformed");
    assert_eq!(silence(ask(&[&whole[..], b"\0\x12\0\x02x"].concat())), "malformed", "an option runs past the end");
    whole[0] = 13;
    assert_eq!(silence(ask(&whole)), "ignored:reply");
    assert_eq!(silence(ask(&relayed(&whole, RELAY, NEIGHBOUR, &[]))), "ignored:reply");
}

#[test]
fn relays_do_not_forward_4011() {
    let octets = relayed(&Packet6::request_4011().octets(), RELAY, NEIGHBOUR, &[]);
    let asked = ask(&plan(), &octets, Port::BootServer, "[2001:db8:1::1]:4011", SERVER6);
    assert_eq!(silence(asked), "ignored:message");
}

#[test]
fn dhcpv6_vouches_for_an_address_on_its_link_or_through_a_listed_relay() {
    let vouched = |plan: &Plan, octets: &[u8], source: &str, to: &str, address: &str| {
        let mut observations = Observations::new(1);
        ask_again(plan, &mut observations, octets, Port::Dhcp, source, to, 0);
        observations.is_vouched(address.parse().unwrap(), 0)
    };
    let (local, remote) = ("2001:db8::1b3", LEASE_BEYOND_RELAY);
    let request = Packet6::request_for(local).octets();
    assert!(vouched(&plan(), &request, &neighbour(546), GROUP, local));
    assert!(!vouched(&plan(), &request, &neighbour(546), SERVER6, local), "a unicast can be forged");
    let request = Packet6::request_for(remote).octets();
    assert!(
        !vouched(&plan(), &request, &neighbour(546), GROUP, remote),
        "the address is not in a network of this link"
    );
    let relayed = relayed(&request, RELAY, NEIGHBOUR, &[]);
    let by_relay = |plan: &Plan| vouched(plan, &relayed, "[2001:db8:9::1]:547", SERVER6, remote);
    let listed = |relay: &str| plan().with_policy(|policy| policy.relays = vec![relay.parse().unwrap()]);
    assert!(!by_relay(&plan()));
    assert!(!by_relay(&listed("2001:db8:9::2")));
    assert!(by_relay(&listed("2001:db8:9::1")));
    assert!(!by_relay(&listed(RELAY)), "any host can forge a relay's link address");
}
