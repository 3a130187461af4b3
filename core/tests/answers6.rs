//! The rules of DHCPv6 that no vector shows, one by one: given octets, one call, expected verdict (protocol note, 5).

mod common;

use common::{DUID, GROUP, HERE6, NEIGHBOUR, Packet6, RELAY, ask, ask_again, links, plan, relayed, vendor_class};
use proxydhcpd_core::answer::{Answer, Replies, Response, Verdict, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::fetch::{Fetch, fetch};
use proxydhcpd_core::link::{Link, Network, Network6};
use proxydhcpd_core::memory::Memory;
use proxydhcpd_core::plan::machines::{By, Machine, Machines};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::profile::{Boots, Item, Menu, Profile, To};
use proxydhcpd_core::plan::rule::{Rule, When};
use proxydhcpd_core::plan::{Ipxe, Loader, Plan, Stateless, Tftp};
use proxydhcpd_core::request::{Door, Request};
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::wire::dhcp6::{MessageType, Packet};

/// Where the firmware writes from once it has an address.
const WITH_ADDRESS: &str = "[2001:db8::207]:4011";
const BEYOND_RELAY: &str = "[2001:db8:1::207]:4011";
const LEASE_BEYOND_RELAY: &str = "2001:db8:1::1b3";

type Sent = Vec<(Vec<u8>, Destination)>;

fn neighbour(port: u16) -> String {
    format!("[{NEIGHBOUR}]:{port}")
}

/// A client on the link, to the group on port 547.
fn on_547(plan: &Plan, packet: &Packet6) -> (Answer, Sent) {
    ask(plan, &packet.octets(), Port::Dhcp, &neighbour(546), GROUP)
}

fn on_4011(plan: &Plan, packet: &Packet6) -> (Answer, Sent) {
    ask(plan, &packet.octets(), Port::BootServer, &neighbour(4011), GROUP)
}

/// A client behind a relay that has an address of the client's network.
fn by_relay(plan: &Plan, packet: &Packet6, options: &[(u16, &[u8])]) -> (Answer, Sent) {
    let octets = relayed(&packet.octets(), RELAY, NEIGHBOUR, options);
    ask(plan, &octets, Port::Dhcp, &format!("[{RELAY}]:547"), HERE6)
}

#[track_caller]
fn response((answer, sent): (Answer, Sent)) -> Response {
    match answer.verdict {
        Verdict::Respond(response) => {
            assert_eq!(sent[0].1, response.to);
            response
        }
        Verdict::Silent(silence) => panic!("silence: {silence}"),
    }
}

#[track_caller]
fn silence((answer, sent): (Answer, Sent)) -> &'static str {
    assert!(sent.is_empty(), "{} replies", sent.len());
    match answer.verdict {
        Verdict::Silent(silence) => silence.label(),
        Verdict::Respond(response) => panic!("answered: {response:?}"),
    }
}

/// The options of the message that the client gets, in order.
#[track_caller]
fn options((answer, sent): &(Answer, Sent)) -> Vec<(u16, Vec<u8>)> {
    assert!(matches!(answer.verdict, Verdict::Respond(_)), "{:?}", answer.verdict);
    let packet = Packet::parse(&sent[0].0).unwrap();
    packet.message.options().map(|(code, value)| (code, value.to_vec())).collect()
}

#[track_caller]
fn codes(asked: &(Answer, Sent)) -> Vec<u16> {
    options(asked).into_iter().map(|(code, _)| code).collect()
}

/// Option 59 as text; empty where there is none.
#[track_caller]
fn url(asked: &(Answer, Sent)) -> String {
    let found = options(asked).into_iter().find(|(code, _)| *code == 59);
    found.map(|(_, value)| String::from_utf8(value).unwrap()).unwrap_or_default()
}

fn with_stateless(stateless: Stateless) -> Plan {
    let mut plan = plan();
    plan.dhcp6.stateless = Some(stateless);
    plan
}

fn booting(boots: Boots, loader: Option<&str>) -> Plan {
    let loader = loader.map(|name| (Arch::X64, Loader { name: name.into(), path: None }));
    let profile = Profile { boots, loaders: loader.into_iter().collect(), ..Profile::default() };
    Plan { profiles: vec![profile], default_profile: Some(0), local_disk: vec![Arch::X64], ..plan() }
}

// Recognition

#[test]
fn the_firmwares_own_configuration_is_none_of_our_business() {
    assert_eq!(silence(on_547(&plan(), &Packet6::solicit().without(16))), "not-ours:no-vendor-class");
}

#[test]
fn a_class_under_another_enterprise_number_or_in_other_words_is_not_ours() {
    for class in [
        vendor_class(9, b"PXEClient:Arch:00007"),
        vendor_class(343 << 8, b"PXEClient:Arch:00007"),
        vendor_class(343, b"MyPXEClient"),
        vendor_class(343, b"pxeclient"),
        vendor_class(343, b"U-Boot.armv8"),
        vendor_class(343, b""),
        b"\0\0\x01\x57".to_vec(),
        b"\0\0\x01".to_vec(),
        // Longer than what is there.
        b"\0\0\x01\x57\0\x0aPXEClient".to_vec(),
        // Without the length of the text.
        b"\0\0\x01\x57PXEClient".to_vec(),
    ] {
        let packet = Packet6::solicit().set(16, &class);
        assert_eq!(silence(on_547(&plan(), &packet)), "not-ours:other-vendor-class", "{class:?}");
    }
}

#[test]
fn a_class_may_stand_behind_others() {
    let second =
        Packet6::solicit().set(16, &vendor_class(9, b"x")).add(16, &vendor_class(343, b"PXEClient:Arch:00011"));
    assert_eq!(response(on_547(&plan(), &second.without(61))).boot.file, "tftp://[2001:db8::10]/ipxe-arm64.efi");
    let list = [&vendor_class(343, b"other")[..], b"\0\x14PXEClient:Arch:00007"].concat();
    response(on_547(&plan(), &Packet6::solicit().set(16, &list)));
}

#[test]
fn the_architecture_is_that_of_option_61_or_of_the_class_and_nobody_is_a_bios() {
    let file = |packet: &Packet6| response(on_547(&plan(), packet)).boot.file;
    assert_eq!(file(&Packet6::solicit().set(61, &[0, 11])), "tftp://[2001:db8::10]/ipxe-arm64.efi");
    assert_eq!(file(&Packet6::solicit().set(61, &[0, 16, 0, 11])), "tftp://[2001:db8::10]/ipxe-arm64.efi");
    assert_eq!(file(&Packet6::solicit().without(61)), "tftp://[2001:db8::10]/ipxe.efi", "by the digits");
    assert_eq!(file(&Packet6::solicit().set(61, &[0, 11, 0])), "tftp://[2001:db8::10]/ipxe.efi", "of odd length");
    let bare = Packet6::solicit().without(61).set(16, &vendor_class(343, b"PXEClient"));
    assert_eq!(silence(on_547(&plan(), &bare)), "not-ours:no-architecture");
}

#[test]
fn only_solicit_is_heard_on_547_and_only_request_on_4011() {
    for kind in (0..=13).chain([255]).filter(|kind| ![1, 11, 12, 13].contains(kind)) {
        let packet = Packet6 { kind, ..Packet6::solicit() };
        let expected = if matches!(kind, 2 | 7 | 10) { "not-ours:reply" } else { "not-ours:message" };
        assert_eq!(silence(on_547(&plan(), &packet)), expected, "{kind}");
    }
    for kind in (0..=11).filter(|kind| ![2, 3, 7, 10].contains(kind)) {
        let packet = Packet6 { kind, ..Packet6::request_4011() };
        assert_eq!(silence(on_4011(&plan(), &packet)), "not-ours:message", "{kind}");
    }
    let firmware = Packet6::information_request().without(15);
    assert_eq!(silence(on_547(&with_stateless(Stateless::default()), &firmware)), "not-ours:message");
}

#[test]
fn who_does_not_say_who_it_is_is_not_answered() {
    assert_eq!(silence(on_547(&plan(), &Packet6::solicit().without(1))), "not-ours:no-client-id");
    assert_eq!(silence(on_547(&plan(), &Packet6::solicit().set(1, b""))), "malformed");
    assert_eq!(silence(on_547(&plan(), &Packet6::solicit().set(1, &[0; 131]))), "malformed");
    assert_eq!(silence(on_547(&plan(), &Packet6::solicit().add(1, b"\0\x03\0\x01twice."))), "malformed");
}

#[test]
fn a_request_on_4011_for_another_server_or_for_none_is_not_ours() {
    response(on_4011(&plan(), &Packet6::request_4011()));
    let longer = [&DUID[..], &[0]].concat();
    for other in [&DUID[..9], &longer, b"\0\x03\0\x01\x02\0\0\0\0\x11"] {
        let packet = Packet6::request_4011().set(2, other);
        assert_eq!(silence(on_4011(&plan(), &packet)), "not-ours:other-server", "{other:?}");
    }
    assert_eq!(silence(on_4011(&plan(), &Packet6::request_4011().without(2))), "not-ours:other-server");
}

// What is said

#[test]
fn an_advertise_on_the_link_names_no_file_and_a_relayed_one_names_this_host() {
    assert_eq!(codes(&on_547(&plan(), &Packet6::solicit())), [1, 2, 16]);
    let asked = by_relay(&plan(), &Packet6::solicit(), &[]);
    assert_eq!(codes(&asked), [1, 2, 59, 16]);
    assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi");
    let elsewhere = booting(Boots::Loader, Some("tftp://[2001:db8::5]/shimx64.efi"));
    assert_eq!(url(&by_relay(&elsewhere, &Packet6::solicit(), &[])), "tftp://[2001:db8::10]/");
    let mut memory = Memory::new(1);
    let solicit = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    ask_again(&elsewhere, &mut memory, &solicit, Port::Dhcp, "[2001:db8:1::1]:547", HERE6, 0);
    let request = Packet6::request_4011().octets();
    let asked = ask_again(&elsewhere, &mut memory, &request, Port::BootServer, BEYOND_RELAY, HERE6, 1);
    assert_eq!(url(&asked), "tftp://[2001:db8::5]/shimx64.efi");
}

#[test]
fn an_http_client_gets_its_url_at_once_with_a_zero_behind_it() {
    for asked in [on_547(&plan(), &Packet6::http_solicit()), by_relay(&plan(), &Packet6::http_solicit(), &[])] {
        assert_eq!(codes(&asked), [1, 2, 59, 16]);
        assert_eq!(url(&asked), "http://[2001:db8::10]:8080/ipxe.efi");
        let octets = &asked.1[0].0;
        let end = octets.windows(8).position(|text| text == b"ipxe.efi").unwrap() + 8;
        assert_eq!(octets[end], 0, "EDK2 reads the URL as a text that ends with one");
    }
    let closed = Plan { http: None, ..plan() };
    assert_eq!(silence(on_547(&closed, &Packet6::http_solicit())), "nothing:no-http");
    let unknown = Plan { http_clients: false, ..plan() };
    assert_eq!(silence(on_547(&unknown, &Packet6::http_solicit())), "nothing:no-http");
}

#[test]
fn without_port_4011_no_pxe_client_is_answered_and_every_http_client_is() {
    let mut plan = plan();
    plan.dhcp6.boot_server = false;
    assert_eq!(silence(on_547(&plan, &Packet6::solicit())), "nothing:no-boot-server");
    assert_eq!(silence(by_relay(&plan, &Packet6::solicit(), &[])), "nothing:no-boot-server");
    response(on_547(&plan, &Packet6::http_solicit()));
}

#[test]
fn an_ipxe_that_wants_an_address_hears_nothing() {
    let solicit = Packet6 { kind: 1, ..Packet6::information_request() };
    for plan in [plan(), with_stateless(Stateless::default())] {
        assert_eq!(silence(on_547(&plan, &solicit)), "nothing:stateful-ipxe");
        assert_eq!(silence(by_relay(&plan, &solicit, &[])), "nothing:stateful-ipxe");
    }
}

#[test]
fn an_ipxe_is_told_by_its_user_class_in_a_list_or_bare() {
    for user_class in [&b"\0\x04iPXE"[..], b"iPXE", b"\0\x04gPXE", b"\0\x03abc\0\x04iPXE"] {
        let packet = Packet6::solicit().set(15, user_class);
        assert_eq!(silence(on_547(&plan(), &packet)), "nothing:stateful-ipxe", "{user_class:?}");
    }
    for user_class in [&b"\0\x0bMyiPXE-test"[..], b"\0\x05iPXE", b"", b"\x04iPXE"] {
        response(on_547(&plan(), &Packet6::solicit().set(15, user_class)));
    }
    let named = Plan { user_classes: vec!["xNBA".into()], ..plan() };
    assert_eq!(silence(on_547(&named, &Packet6::solicit().set(15, b"\0\x04xNBA"))), "nothing:stateful-ipxe");
}

#[test]
fn a_stateless_reply_says_what_the_one_that_it_displaces_would_have_said() {
    let dns_servers = vec!["2001:db8::53".parse().unwrap(), "2001:db8::54".parse().unwrap()];
    let stateless = Stateless { dns_servers, domains: vec!["lab.example".into(), "example.".into()] };
    let asked = on_547(&with_stateless(stateless), &Packet6::information_request());
    assert_eq!(codes(&asked), [1, 2, 59, 16, 23, 24]);
    let options = options(&asked);
    let servers = "20010db8000000000000000000000053".to_owned() + "20010db8000000000000000000000054";
    assert_eq!(hex::encode(&options[4].1), servers);
    assert_eq!(options[5].1, b"\x03lab\x07example\0\x07example\0");
    let bare = on_547(&with_stateless(Stateless::default()), &Packet6::information_request());
    assert_eq!(codes(&bare), [1, 2, 59, 16], "nothing to say of names");
    let firmware = on_4011(&with_stateless(Stateless::default()), &Packet6::request_4011());
    assert_eq!(codes(&firmware), [1, 2, 59, 16], "EDK2 has had overflows in these options");
}

#[test]
fn dns_is_told_to_nobody_but_a_stateless_ipxe() {
    let plan = with_stateless(Stateless { dns_servers: vec!["2001:db8::53".parse().unwrap()], domains: Vec::new() });
    for asked in [
        on_547(&plan, &Packet6::solicit()),
        on_547(&plan, &Packet6::http_solicit()),
        on_4011(&plan, &Packet6::request_4011()),
        by_relay(&plan, &Packet6::solicit(), &[]),
    ] {
        assert!(!codes(&asked).contains(&23));
    }
}

#[test]
fn a_stateless_ipxe_is_answered_through_a_relay_as_well() {
    let asked = by_relay(&with_stateless(Stateless::default()), &Packet6::information_request(), &[]);
    assert_eq!(url(&asked), "http://[2001:db8::10]:8080/boot.ipxe");
}

#[test]
fn a_stateless_ipxe_gets_what_the_plan_holds_for_an_ipxe() {
    let given = |ipxe: Ipxe| {
        url(&on_547(&Plan { ipxe, ..with_stateless(Stateless::default()) }, &Packet6::information_request()))
    };
    assert_eq!(given(Ipxe::Ours), "http://[2001:db8::10]:8080/boot.ipxe");
    assert_eq!(given(Ipxe::Given("http://boot.example/x".into())), "http://boot.example/x");
    assert_eq!(given(Ipxe::Given("x.ipxe".into())), "tftp://[2001:db8::10]/x.ipxe");
    assert_eq!(given(Ipxe::AsFirmware), "tftp://[2001:db8::10]/ipxe.efi");
    let tftp_only = Plan { http: None, ..with_stateless(Stateless::default()) };
    assert_eq!(url(&on_547(&tftp_only, &Packet6::information_request())), "tftp://[2001:db8::10]/boot.ipxe");
}

#[test]
fn an_address_is_named_as_the_client_reached_it() {
    let to = |to: &str| url(&ask(&plan(), &Packet6::http_solicit().octets(), Port::Dhcp, &neighbour(546), to));
    assert_eq!(to(GROUP), "http://[2001:db8::10]:8080/ipxe.efi");
    assert_eq!(to("fe80::10"), "http://[2001:db8::10]:8080/ipxe.efi", "a link-local one needs an interface");
}

// Where it goes

#[test]
fn on_547_only_a_neighbour_is_answered_unless_a_relay_asks_for_it() {
    let from = |source: &str| ask(&plan(), &Packet6::solicit().octets(), Port::Dhcp, source, GROUP);
    let Response { to, .. } = response(from("[fe80::207]:546"));
    assert_eq!((to.to.to_string(), to.from.to_string()), ("[fe80::207%2]:546".into(), "[fe80::10]:547".into()));
    assert_eq!(to.link, Some(2));
    for source in
        ["2001:db8::207", "2001:db8:1::207", "::", "::1", "ff02::1", "fe80::10", "2001:db8::10", "::ffff:192.0.2.7"]
    {
        assert_eq!(silence(from(&format!("[{source}]:546"))), "refused:source", "{source}");
    }
    assert_eq!(response(from("[fe80::207]:53")).to.to.port(), 546, "clients listen there whatever they send from");
}

#[test]
fn on_4011_the_answer_goes_to_the_source_port_and_comes_from_4011() {
    let octets = Packet6::request_4011().octets();
    let from = |source: &str| ask(&plan(), &octets, Port::BootServer, source, GROUP);
    let Response { to, .. } = response(from("[fe80::207]:50000"));
    assert_eq!((to.to.to_string(), to.from.to_string()), ("[fe80::207%2]:50000".into(), "[fe80::10]:4011".into()));
    let Response { to, .. } = response(from("[2001:db8::207]:50000"));
    assert_eq!(
        (to.to.to_string(), to.from.to_string()),
        ("[2001:db8::207]:50000".into(), "[2001:db8::10]:4011".into())
    );
    assert_eq!(to.link, None);
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
fn a_foreign_network_is_heard_on_4011_only_after_an_advertise_through_its_relay() {
    let mut memory = Memory::new(1);
    let request = Packet6::request_4011().octets();
    let to_4011 = |memory: &mut Memory, octets: &[u8], now| {
        ask_again(&plan(), memory, octets, Port::BootServer, BEYOND_RELAY, HERE6, now)
    };
    assert_eq!(silence(to_4011(&mut memory, &request, 0)), "refused:unserved-network");
    let solicit = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    response(ask_again(&plan(), &mut memory, &solicit, Port::Dhcp, "[2001:db8:1::1]:547", HERE6, 0));
    let Response { to, .. } = response(to_4011(&mut memory, &request, 5_000));
    assert_eq!((to.to.to_string(), to.from.to_string()), (BEYOND_RELAY.into(), "[2001:db8::10]:4011".into()));
    let other = Packet6::request_4011().set(1, b"\0\x03\0\x01\x02\0\0\0\x09\x09").octets();
    assert_eq!(silence(to_4011(&mut memory, &other, 5_000)), "refused:unserved-network", "another machine");
    assert_eq!(silence(to_4011(&mut memory, &request, 11 * 60_000)), "refused:unserved-network", "too long ago");
}

#[test]
fn a_machine_is_the_same_on_4011_by_its_duid_alone() {
    let mut memory = Memory::new(1);
    let duid = b"\0\x02\0\0\x01\x57made up";
    let solicit = relayed(&Packet6::solicit().set(1, duid).octets(), RELAY, NEIGHBOUR, &[]);
    response(ask_again(&plan(), &mut memory, &solicit, Port::Dhcp, "[2001:db8:1::1]:547", HERE6, 0));
    let request = Packet6::request_4011().set(1, duid).octets();
    response(ask_again(&plan(), &mut memory, &request, Port::BootServer, BEYOND_RELAY, HERE6, 1));
}

#[test]
fn what_has_only_a_link_local_address_cannot_serve_beyond_its_link() {
    let mut links = links();
    links[0].ipv6.retain(|network| network.address.is_unicast_link_local());
    let asked = |octets: &[u8], from: &str, links: &[Link]| {
        let (from, to) = (from.parse().unwrap(), GROUP.parse().unwrap());
        let arrival = Arrival { datagram: octets, port: Port::Dhcp, from, to, links, link: 0, foreign: false, now: 0 };
        let mut replies = Replies::default();
        let answer = answer(&plan(), &mut Memory::new(1), &arrival, &mut replies);
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
fn what_comes_by_an_interface_that_we_do_not_serve_is_answered_only_where_networks_are_crossed() {
    let foreign = |octets: &[u8], port, from: &str| {
        let links = links();
        let (from, to) = (from.parse().unwrap(), HERE6.parse().unwrap());
        let arrival = Arrival { datagram: octets, port, from, to, links: &links, link: 0, foreign: true, now: 0 };
        let mut replies = Replies::default();
        let answer = answer(&plan(), &mut Memory::new(1), &arrival, &mut replies);
        (answer, replies.iter().map(|(octets, to)| (octets.to_vec(), to)).collect())
    };
    let solicit = Packet6::solicit().octets();
    assert_eq!(silence(foreign(&solicit, Port::Dhcp, "[fe80::207]:546")), "refused:foreign-link");
    response(foreign(&relayed(&solicit, RELAY, NEIGHBOUR, &[]), Port::Dhcp, "[2001:db8:1::1]:547"));
    let request = Packet6::request_4011().octets();
    response(foreign(&request, Port::BootServer, WITH_ADDRESS));
    assert_eq!(silence(foreign(&request, Port::BootServer, "[fe80::207]:4011")), "refused:foreign-link");
}

// The second copy

/// Where the REPLY on 4011 goes, after what was heard on 547.
fn copies(heard: &[(&str, Vec<u8>)], from: &str) -> Vec<String> {
    let mut memory = Memory::new(1);
    let mut hear = |octets: &[u8], source: &str, to| ask_again(&plan(), &mut memory, octets, Port::Dhcp, source, to, 0);
    hear(&relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]), "[2001:db8:1::1]:547", HERE6);
    for (source, octets) in heard {
        assert!(silence(hear(octets, source, GROUP)).starts_with("not-ours:"), "it is the DHCPv6 server's");
    }
    let request = Packet6::request_4011().octets();
    let (_, sent) = ask_again(&plan(), &mut memory, &request, Port::BootServer, from, HERE6, 1);
    assert!(sent.iter().all(|(octets, to)| *octets == sent[0].0 && to.from == sent[0].1.from));
    sent.iter().map(|(_, to)| to.to.to_string()).collect()
}

#[test]
fn a_reply_goes_to_the_leased_address_as_well_which_was_heard_in_a_request() {
    let relayed_request = relayed(&Packet6::request_for(LEASE_BEYOND_RELAY).octets(), RELAY, NEIGHBOUR, &[]);
    let both = copies(&[("[2001:db8:1::1]:547", relayed_request)], BEYOND_RELAY);
    assert_eq!(both, [BEYOND_RELAY, "[2001:db8:1::1b3]:4011"]);
    let on_link = Packet6::request_for("2001:db8::1b3").octets();
    let both = copies(&[(&neighbour(546), on_link)], "[2001:db8::207]:50000");
    assert_eq!(both, ["[2001:db8::207]:50000", "[2001:db8::1b3]:50000"]);
}

#[test]
fn a_reply_goes_to_its_source_alone_where_no_lease_was_heard_or_none_that_can_be_the_clients() {
    assert_eq!(copies(&[], BEYOND_RELAY), [BEYOND_RELAY]);
    let through_relay =
        |packet: Packet6| vec![("[2001:db8:1::1]:547", relayed(&packet.octets(), RELAY, NEIGHBOUR, &[]))];
    let alone =
        |packet: Packet6, why: &str| assert_eq!(copies(&through_relay(packet), BEYOND_RELAY), [BEYOND_RELAY], "{why}");
    alone(Packet6::request_for(LEASE_BEYOND_RELAY).without(16), "without class it is the firmware's own address");
    alone(Packet6::request_for(LEASE_BEYOND_RELAY).set(1, b"\0\x03\0\x01\x02\0\0\0\x09\x09"), "another machine's");
    alone(Packet6 { kind: 8, ..Packet6::request_for(LEASE_BEYOND_RELAY) }, "it gives the address back");
    alone(Packet6::request_for("2001:db8:2::1b3"), "another network");
    alone(Packet6::request_for("2001:db8:1::207"), "the source once more");
    alone(Packet6::request_for("::"), "no address");
    let ours = vec![("[fe80::ff:fe00:207]:546", Packet6::request_for(HERE6).octets())];
    assert_eq!(copies(&ours, WITH_ADDRESS), [WITH_ADDRESS], "our own");
}

#[test]
fn a_neighbour_gets_no_second_copy() {
    let lease = vec![("[fe80::ff:fe00:207]:546", Packet6::request_for("2001:db8::1b3").octets())];
    assert_eq!(copies(&lease, &neighbour(4011)), ["[fe80::ff:fe00:207%2]:4011"]);
}

// Relays

#[test]
fn each_relay_gets_back_what_it_said_of_itself() {
    let inner =
        relayed(&Packet6::solicit().octets(), "::", NEIGHBOUR, &[(18, b"port 7"), (79, b"\0\x01\x02\0\0\0\x01\x07")]);
    let mut outer = relayed(&inner, RELAY, "fe80::1", &[(135, &[0, 0]), (18, b"vlan10")]);
    outer[1] = 1;
    let asked = ask(&plan(), &outer, Port::Dhcp, "[2001:db8:9::1]:6767", HERE6);
    let reply = Packet::parse(&asked.1[0].0).unwrap();
    assert_eq!(reply.hops.len(), 2);
    let [far, near] = &reply.hops[..] else { panic!() };
    assert!(reply.hops.iter().all(|hop| hop.kind == MessageType::RelayReply));
    assert_eq!((far.count, far.link.to_string(), far.peer.to_string()), (1, RELAY.into(), "fe80::1".into()));
    assert_eq!((near.count, near.link.to_string(), near.peer.to_string()), (0, "::".into(), NEIGHBOUR.into()));
    assert_eq!((far.option(18), far.option(135)), (Some(&b"vlan10"[..]), Some(&[0, 0][..])));
    assert_eq!((near.option(18), near.option(135)), (Some(&b"port 7"[..]), None));
    assert_eq!(near.option(79), None, "which is for servers");
    assert_eq!(reply.message.kind, MessageType::Advertise);
    let Response { to, .. } = response(asked);
    assert_eq!((to.to.to_string(), to.from.to_string()), ("[2001:db8:9::1]:6767".into(), "[2001:db8::10]:547".into()));
}

#[test]
fn a_relay_is_answered_at_its_port_only_if_it_asks_for_that_and_it_does_no_harm() {
    let solicit = Packet6::solicit().octets();
    let port = |source: u16, options: &[(u16, &[u8])]| {
        ask(&plan(), &relayed(&solicit, RELAY, NEIGHBOUR, options), Port::Dhcp, &format!("[{RELAY}]:{source}"), HERE6)
    };
    assert_eq!(response(port(6767, &[])).to.to.port(), 547);
    assert_eq!(response(port(6767, &[(135, &[0, 0])])).to.to.port(), 6767);
    assert_eq!(response(port(547, &[(135, &[0, 0])])).to.to.port(), 547);
    assert_eq!(silence(port(53, &[(135, &[0, 0])])), "refused:source-port");
    assert_eq!(response(port(53, &[])).to.to.port(), 547);
}

#[test]
fn a_relay_next_to_us_is_answered_there() {
    let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    let asked = ask(&plan(), &octets, Port::Dhcp, "[fe80::99]:547", GROUP);
    assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi");
    let Response { to, .. } = response(asked);
    assert_eq!((to.to.to_string(), to.from.to_string()), ("[fe80::99%2]:547".into(), "[fe80::10]:547".into()));
}

#[test]
fn a_relay_that_is_not_listed_is_refused_whether_by_its_own_address_or_by_the_clients_network() {
    let with = |relay: &str| Plan { relays: vec![relay.parse().unwrap()], ..plan() };
    let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    let from = |plan: &Plan, source: &str| ask(plan, &octets, Port::Dhcp, &format!("[{source}]:547"), HERE6);
    response(from(&with("2001:db8:9::1"), "2001:db8:9::1"));
    response(from(&with(RELAY), "2001:db8:9::1"));
    assert_eq!(silence(from(&with("2001:db8:9::2"), "2001:db8:9::1")), "refused:relay-not-listed");
    assert_eq!(silence(from(&with("192.0.2.1"), "2001:db8:9::1")), "refused:relay-not-listed");
    response(on_547(&with("2001:db8:9::2"), &Packet6::solicit()));
}

#[test]
fn eight_relays_are_as_many_as_a_packet_may_pass() {
    let through = |relays: usize| {
        let octets = (0..relays).fold(Packet6::solicit().octets(), |inner, _| relayed(&inner, RELAY, NEIGHBOUR, &[]));
        ask(&plan(), &octets, Port::Dhcp, "[2001:db8:1::1]:547", HERE6)
    };
    response(through(8));
    assert_eq!(silence(through(9)), "malformed");
}

#[test]
fn a_relay_that_carries_nothing_or_a_servers_words_is_not_answered() {
    let solicit = Packet6::solicit().octets();
    let ask = |octets: &[u8]| ask(&plan(), octets, Port::Dhcp, "[2001:db8:1::1]:547", HERE6);
    let mut whole = relayed(&solicit, RELAY, NEIGHBOUR, &[]);
    assert_eq!(silence(ask(&whole[..34])), "malformed");
    assert_eq!(silence(ask(&whole[..33])), "malformed");
    assert_eq!(silence(ask(&relayed(&solicit, RELAY, NEIGHBOUR, &[(9, &solicit)]))), "malformed", "twice");
    assert_eq!(silence(ask(&relayed(&[], RELAY, NEIGHBOUR, &[]))), "malformed");
    assert_eq!(silence(ask(&[&whole[..], b"\0\x12\0\x02x"].concat())), "malformed", "an option that runs past the end");
    whole[0] = 13;
    assert_eq!(silence(ask(&whole)), "not-ours:reply");
    assert_eq!(silence(ask(&relayed(&whole, RELAY, NEIGHBOUR, &[]))), "not-ours:reply");
}

#[test]
fn no_relay_carries_4011() {
    let octets = relayed(&Packet6::request_4011().octets(), RELAY, NEIGHBOUR, &[]);
    let asked = ask(&plan(), &octets, Port::BootServer, "[2001:db8:1::1]:4011", HERE6);
    assert_eq!(silence(asked), "not-ours:message");
}

// Rules

#[test]
fn a_rule_that_only_the_packet_can_meet_is_told_in_the_name_of_the_loader() {
    let glob = |text: &str| vec![Glob(text.into())];
    let relayed_url = |when: When| {
        let plan = Plan { rules: vec![Rule { when, ..Rule::default() }], ..plan() };
        url(&by_relay(&plan, &Packet6::solicit(), &[(18, b"vlan10")]))
    };
    let told = "tftp://[2001:db8::10]/machine/rule=0/ipxe.efi";
    assert_eq!(relayed_url(When { interface_ids: glob("vlan1?"), ..When::default() }), told);
    assert_eq!(relayed_url(When { relays: vec![RELAY.parse().unwrap()], ..When::default() }), told);
    assert_eq!(relayed_url(When { vendor_classes: glob("PXEClient*"), ..When::default() }), told);
    let plain = "tftp://[2001:db8::10]/ipxe.efi";
    assert_eq!(relayed_url(When { interface_ids: glob("vlan2?"), ..When::default() }), plain, "no match");
    // The script is asked for from an address in the same network: nothing has to be told.
    let subnets = |address: &str| vec![Network::V6(Network6 { address: address.parse().unwrap(), prefix: 64 })];
    let when = When { subnets: subnets("2001:db8:1::"), ..When::default() };
    assert_eq!(relayed_url(when), plain);
}

#[test]
fn a_rule_by_interface_id_relay_or_ipv6_network_decides() {
    let deny = |when: When| {
        let plan = Plan { rules: vec![Rule { when, deny: true, ..Rule::default() }], ..plan() };
        by_relay(&plan, &Packet6::solicit(), &[(18, b"vlan10")])
    };
    let subnet = |address: &str, prefix| When {
        subnets: vec![Network::V6(Network6 { address: address.parse().unwrap(), prefix })],
        ..When::default()
    };
    let relay = |relay: &str| When { relays: vec![relay.parse().unwrap()], ..When::default() };
    let interface = |text: &str| When { interface_ids: vec![Glob(text.into())], ..When::default() };
    for when in [subnet("2001:db8:1::", 64), relay(RELAY), interface("*10")] {
        assert_eq!(silence(deny(when.clone())), "nothing:denied", "{when:?}");
    }
    for when in [subnet("2001:db8:2::", 64), relay("2001:db8::1"), interface("vlan1"), subnet("2001:db8::", 64)] {
        response(deny(when));
    }
    // Its relay writes from elsewhere: the network is that of the link.
    let plan = Plan { rules: vec![Rule { when: subnet("2001:db8:1::", 64), deny: true, ..Rule::default() }], ..plan() };
    let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    assert_eq!(silence(ask(&plan, &octets, Port::Dhcp, "[2001:db8:9::1]:547", HERE6)), "nothing:denied");
    let on_link =
        Plan { rules: vec![Rule { when: subnet("2001:db8::", 64), deny: true, ..Rule::default() }], ..common::plan() };
    assert_eq!(silence(on_547(&on_link, &Packet6::solicit())), "nothing:denied");
}

#[test]
fn an_http_clients_url_tells_the_rule_as_well_and_so_does_the_script_of_an_ipxe() {
    let when = When { vendor_classes: vec![Glob("*Client*".into())], ..When::default() };
    let plan = Plan { rules: vec![Rule { when, ..Rule::default() }], ..with_stateless(Stateless::default()) };
    let told = |packet: &Packet6| url(&on_547(&plan, packet));
    assert_eq!(told(&Packet6::http_solicit()), "http://[2001:db8::10]:8080/machine/rule=0/ipxe.efi");
    assert_eq!(told(&Packet6::information_request()), "http://[2001:db8::10]:8080/machine/rule=0/boot.ipxe");
    assert_eq!(url(&on_4011(&plan, &Packet6::request_4011())), "tftp://[2001:db8::10]/machine/rule=0/ipxe.efi");
}

#[test]
fn a_rule_that_its_relay_made_a_machine_meet_holds_on_4011_too() {
    let of = |name: &str| Loader { name: name.into(), path: Some("/x".into()) };
    let boots = |name| Profile { boots: Boots::Loader, any_other: Some(of(name)), ..Profile::default() };
    let interface = |text: &str| When { interface_ids: vec![Glob(text.into())], ..When::default() };
    let rule = |when, profile| Rule { when, profile: Some(profile), ..Rule::default() };
    let rules = vec![rule(interface("vlan9"), 1), rule(interface("vlan10"), 0)];
    let plan = Plan { rules, profiles: vec![boots("special.efi"), boots("other.efi")], ..plan() };
    let mut memory = Memory::new(1);
    let solicit = |memory: &mut Memory, interface: &[u8], now| {
        let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[(18, interface)]);
        url(&ask_again(&plan, memory, &octets, Port::Dhcp, "[2001:db8:1::1]:547", HERE6, now))
    };
    let request = |memory: &mut Memory, now| {
        let octets = Packet6::request_4011().octets();
        url(&ask_again(&plan, memory, &octets, Port::BootServer, BEYOND_RELAY, HERE6, now))
    };
    for (now, interface, file) in [
        (0, "vlan10", "machine/rule=1/special.efi"),
        (60_000, "vlan9", "machine/rule=0/other.efi"),
        (120_000, "vlan7", "ipxe.efi"),
    ] {
        let file = format!("tftp://[2001:db8::10]/{file}");
        assert_eq!(solicit(&mut memory, interface.as_bytes(), now), file);
        assert_eq!(request(&mut memory, now + 5_000), file, "what was advertised is what is given");
    }
}

#[test]
fn a_rule_that_was_met_before_a_reload_is_not_taken_for_the_one_in_its_place() {
    let of = |name: &str| Loader { name: name.into(), path: Some("/x".into()) };
    let installs = Profile { boots: Boots::Loader, any_other: Some(of("install.efi")), ..Profile::default() };
    let interface = |text: &str| When { interface_ids: vec![Glob(text.into())], ..When::default() };
    let (harmless, installing) = (
        Rule { when: interface("vlan10"), ..Rule::default() },
        Rule { when: interface("vlan9"), profile: Some(0), ..Rule::default() },
    );
    let before = Plan { rules: vec![harmless], rules_mark: 7, profiles: vec![installs], ..plan() };
    let after = |rules_mark| Plan { rules: vec![installing.clone()], rules_mark, ..before.clone() };
    let mut memory = Memory::new(1);
    let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[(18, b"vlan10")]);
    let told = url(&ask_again(&before, &mut memory, &octets, Port::Dhcp, "[2001:db8:1::1]:547", HERE6, 0));
    assert_eq!(told, "tftp://[2001:db8::10]/machine/rule=0-00000007/ipxe.efi");
    let mut request = |plan: &Plan| {
        let octets = Packet6::request_4011().octets();
        url(&ask_again(plan, &mut memory, &octets, Port::BootServer, BEYOND_RELAY, HERE6, 5_000))
    };
    assert_eq!(request(&before), told);
    assert_eq!(request(&after(8)), "tftp://[2001:db8::10]/ipxe.efi");
    // What would happen without the mark.
    assert_eq!(request(&after(7)), "tftp://[2001:db8::10]/machine/rule=0-00000007/install.efi");

    let asks = |plan: &Plan| {
        let name = b"machine/rule=0-00000007/menu.ipxe";
        let (server, client) = (HERE6.parse().unwrap(), "[2001:db8::207]:1024".parse().unwrap());
        let request = Request { door: Door::Http(8080), name, server, client, interface: "eth0" };
        let Ok(Fetch::Text(script)) = fetch(plan, &Memory::new(0), &request) else { panic!() };
        script.contains("install.efi")
    };
    assert_eq!((asks(&after(8)), asks(&after(7))), (false, true));
}

// Profiles

#[test]
fn every_kind_of_profile_comes_to_its_file_over_ipv6() {
    let given = |boots: Boots, loader| on_4011(&booting(boots, loader), &Packet6::request_4011());
    let item = Item { kind: 0x8001, title: "a".into(), to: To::Profile(None) };
    let menu = Boots::Menu(Menu { prompt: "F8".into(), timeout: 10, items: vec![item] });
    assert_eq!(url(&given(menu, None)), "tftp://[2001:db8::10]/ipxe.efi", "no firmware shows one over IPv6");
    assert_eq!(url(&given(Boots::LocalDisk, None)), "tftp://[2001:db8::10]/local-disk/uefi-x64.efi");
    assert_eq!(silence(given(Boots::Nothing, None)), "nothing:profile");
    assert_eq!(url(&given(Boots::Script("http://boot.example/x".into()), None)), "tftp://[2001:db8::10]/ipxe.efi");
    assert_eq!(url(&given(Boots::Loader, Some("a b/shimx64.efi"))), "tftp://[2001:db8::10]/a%20b/shimx64.efi");
    assert_eq!(silence(given(Boots::Loader, None)), "nothing:no-loader");
}

#[test]
fn an_ipxe_that_takes_a_script_along_is_sent_with_it_by_pxe_over_ipv6() {
    let able = |plan: Plan| Plan { with_script: [("ipxe.efi".into(), Arch::X64)].into(), ..plan };
    let given = |plan: Plan| url(&on_4011(&able(plan), &Packet6::request_4011()));
    assert_eq!(given(plan()), "tftp://[2001:db8::10]/with-script/ipxe.efi");
    assert_eq!(
        given(booting(Boots::Script("http://boot.example/x".into()), None)),
        "tftp://[2001:db8::10]/with-script/ipxe.efi"
    );
    let rule = Rule { when: When { vendor_classes: vec![Glob("*".into())], ..When::default() }, ..Rule::default() };
    let by_rule = Plan { rules: vec![rule], ..plan() };
    assert_eq!(given(by_rule), "tftp://[2001:db8::10]/machine/rule=0/with-script/ipxe.efi");
    // Whoever names a loader and nothing else wants that; and the others are started by themselves.
    assert_eq!(given(booting(Boots::Loader, Some("ipxe.efi"))), "tftp://[2001:db8::10]/ipxe.efi");
    assert_eq!(given(booting(Boots::LocalDisk, None)), "tftp://[2001:db8::10]/local-disk/uefi-x64.efi");
    assert_eq!(url(&on_547(&able(plan()), &Packet6::http_solicit())), "http://[2001:db8::10]:8080/ipxe.efi");
    let over_ipv4 = Loader { name: "ipxe.efi".into(), path: Some("/x".into()) };
    let plan = Plan { loaders: [(Arch::X64, over_ipv4)].into(), ..able(common::plan()) };
    let discover = common::Packet::discover().octets();
    let (answer, _) = ask(&plan, &discover, Port::Dhcp, "0.0.0.0:68", "255.255.255.255");
    let Verdict::Respond(offer) = answer.verdict else { panic!("{:?}", answer.verdict) };
    assert_eq!(offer.boot.file, "ipxe.efi", "over IPv4 an offer names the script");
}

#[test]
fn a_loader_elsewhere_is_named_as_it_stands_if_ipv6_leads_there() {
    let given = |name: &str| on_4011(&booting(Boots::Loader, Some(name)), &Packet6::request_4011());
    assert_eq!(url(&given("tftp://[2001:db8::5]/a b.efi")), "tftp://[2001:db8::5]/a b.efi");
    assert_eq!(url(&given("tftp://boot.example/x.efi")), "tftp://boot.example/x.efi");
    for name in ["tftp://192.0.2.5/x.efi", "http://[2001:db8::5]/x.efi"] {
        assert_eq!(silence(given(name)), "nothing:no-tftp", "{name}");
    }
    let http = on_547(&booting(Boots::Loader, Some("http://[2001:db8::5]/x.efi")), &Packet6::http_solicit());
    assert_eq!(silence(http), "nothing:no-http");
}

#[test]
fn tftp_is_offered_where_it_is_heard_over_ipv6_whoever_serves_it_over_ipv4() {
    let mut closed = plan();
    closed.dhcp6.tftp = false;
    assert_eq!(silence(on_547(&closed, &Packet6::solicit())), "nothing:no-tftp");
    assert_eq!(silence(by_relay(&closed, &Packet6::solicit(), &[])), "nothing:no-tftp");
    assert_eq!(silence(on_4011(&closed, &Packet6::request_4011())), "nothing:no-tftp");
    response(on_547(&closed, &Packet6::http_solicit()));
    let elsewhere = [(Arch::X64, Loader { name: "tftp://[2001:db8::5]/x.efi".into(), path: None })].into();
    response(on_547(&Plan { loaders: elsewhere, ..closed }, &Packet6::solicit()));
    for tftp in [Some(Tftp::At([192, 0, 2, 5].into())), None] {
        let asked = on_4011(&Plan { tftp, ..plan() }, &Packet6::request_4011());
        assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi", "{tftp:?}");
    }
}

#[test]
fn what_is_advertised_is_what_the_second_visit_gives_or_nothing_is() {
    for boots in [Boots::Nothing, Boots::Loader] {
        silence(on_547(&booting(boots, None), &Packet6::solicit()));
    }
    let plan = booting(Boots::Loader, Some("tftp://192.0.2.5/x.efi"));
    assert_eq!(silence(on_547(&plan, &Packet6::solicit())), "nothing:no-tftp");
    assert_eq!(silence(by_relay(&plan, &Packet6::solicit(), &[])), "nothing:no-tftp");
}

// Identity

const UUID: [u8; 16] = [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
const MAC: [u8; 6] = [2, 0, 0, 0, 2, 7];

fn of_machines(machines: &[Machine<'_>]) -> Plan {
    Plan { machines: Machines::new(machines, &[]), ..with_stateless(Stateless::default()) }
}

#[track_caller]
fn found((answer, _): (Answer, Sent)) -> Option<By> {
    answer.decision.unwrap().machine.map(|found| found.by)
}

#[test]
fn a_machine_is_found_by_the_uuid_in_its_duid_whoever_wrote_it() {
    let plan = of_machines(&[Machine { name: "web1", uuid: Some(UUID), ..Machine::default() }]);
    assert_eq!(found(on_547(&plan, &Packet6::solicit())), Some(By::Uuid), "as SMBIOS stores it");
    assert_eq!(found(on_547(&plan, &Packet6::information_request())), Some(By::Uuid), "as it is printed");
    assert_eq!(found(on_547(&plan, &Packet6::solicit().set(1, &[0; 18]))), None);
    for packet in [Packet6::solicit(), Packet6::information_request()] {
        let machine = on_547(&plan, &packet).0.client.unwrap().machine.unwrap();
        assert_eq!(machine.to_string(), "00112233-4455-6677-8899-aabbccddeeff", "the likelier reading");
    }
}

#[test]
fn a_machine_is_found_by_the_address_of_its_card_wherever_that_shows() {
    let plan = of_machines(&[Machine { name: "web1", macs: &[MAC], ..Machine::default() }]);
    assert_eq!(found(on_547(&plan, &Packet6::solicit())), Some(By::Mac), "in its link-local address");
    let from = |duid: &[u8]| {
        let octets = Packet6::solicit().set(1, duid).octets();
        found(ask(&plan, &octets, Port::Dhcp, "[fe80::1234]:546", GROUP))
    };
    assert_eq!(from(b"\0\x03\0\x01\x02\0\0\0\x02\x07"), Some(By::Mac), "DUID-LL");
    assert_eq!(from(b"\0\x01\0\x01timE\x02\0\0\0\x02\x07"), Some(By::Mac), "DUID-LLT");
    assert_eq!(from(b"\0\x03\0\x06\x02\0\0\0\x02\x07"), None, "no Ethernet");
    assert_eq!(from(b"\0\x02\0\0\x02\0\0\0\x02\x07"), None, "of a maker's own");
    assert_eq!(found(by_relay(&plan, &Packet6::solicit(), &[])), Some(By::Mac), "in the peer address of its relay");
    let seen = |link_layer: &[u8]| {
        let octets = relayed(&Packet6::solicit().octets(), RELAY, "fe80::1234", &[(79, link_layer)]);
        found(ask(&plan, &octets, Port::Dhcp, "[2001:db8:1::1]:547", HERE6))
    };
    assert_eq!(seen(b"\0\x01\x02\0\0\0\x02\x07"), Some(By::Mac), "as its relay has seen it");
    assert_eq!(seen(b"\0\x06\x02\0\0\0\x02\x07"), None);
    assert_eq!(seen(b"\0\x01\x02\0\0\0\x02"), None);
}

#[test]
fn the_relay_next_to_the_client_is_believed_and_none_behind_it() {
    let plan = of_machines(&[Machine { name: "web1", macs: &[MAC], ..Machine::default() }]);
    let inner = relayed(&Packet6::solicit().octets(), RELAY, "fe80::1234", &[]);
    let outer = relayed(&inner, RELAY, "fe80::ff:fe00:207", &[(79, b"\0\x01\x02\0\0\0\x02\x07")]);
    assert_eq!(found(ask(&plan, &outer, Port::Dhcp, "[2001:db8:1::1]:547", HERE6)), None, "that is the other relay's");
}

#[test]
fn two_readings_that_mean_two_machines_mean_neither() {
    let stored = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    let plan = of_machines(&[
        Machine { name: "web1", uuid: Some(UUID), ..Machine::default() },
        Machine { name: "web2", uuid: Some(stored), ..Machine::default() },
    ]);
    for packet in [Packet6::solicit(), Packet6::information_request()] {
        let decision = on_547(&plan, &packet).0.decision.unwrap();
        assert_eq!(decision.machine, None);
        assert_eq!(decision.undecided.map(|undecided| undecided.by), Some(By::Uuid));
    }
    let plan = of_machines(&[
        Machine { name: "web1", macs: &[MAC], ..Machine::default() },
        Machine { name: "web2", macs: &[[2, 0, 0, 0, 9, 9]], ..Machine::default() },
    ]);
    let decision = on_547(&plan, &Packet6::solicit().set(1, b"\0\x03\0\x01\x02\0\0\0\x09\x09")).0.decision.unwrap();
    assert_eq!((decision.machine, decision.undecided.map(|undecided| undecided.by)), (None, Some(By::Mac)));
}

#[test]
fn a_uuid_goes_before_an_address() {
    let plan = of_machines(&[
        Machine { name: "web1", macs: &[MAC], ..Machine::default() },
        Machine { name: "web2", uuid: Some(UUID), ..Machine::default() },
    ]);
    let found = on_547(&plan, &Packet6::solicit()).0.decision.unwrap().machine.unwrap();
    assert_eq!((plan.machines.get(found.machine).name, found.by), ("web2", By::Uuid));
    assert_eq!(found.other.map(|(other, by)| (plan.machines.get(other).name, by)), Some(("web1", By::Mac)));
}

// Limits

#[test]
fn a_machine_gets_eight_answers_at_once_and_two_a_second() {
    let mut memory = Memory::new(1);
    let octets = Packet6::solicit().octets();
    let mut ask_at = |now| ask_again(&plan(), &mut memory, &octets, Port::Dhcp, &neighbour(546), GROUP, now);
    (0..8).for_each(|_| drop(response(ask_at(0))));
    assert_eq!(silence(ask_at(0)), "refused:too-many-from-client");
    response(ask_at(500));
    assert_eq!(silence(ask_at(500)), "refused:too-many-from-client");
}

#[test]
fn one_source_address_may_not_ask_4011_for_many_machines() {
    let mut memory = Memory::new(1);
    let answered = (0..20u8).filter(|machine| {
        let octets = Packet6::request_4011().set(1, &[0, 3, 0, 1, 2, 0, 0, 1, 0, *machine]).octets();
        let asked = ask_again(&plan(), &mut memory, &octets, Port::BootServer, "[2001:db8::1234]:4011", HERE6, 0);
        matches!(asked.0.verdict, Verdict::Respond(_))
    });
    assert_eq!(answered.count(), 8);
}

#[test]
fn a_boot_storm_behind_one_relay_is_answered_whole_and_remembered() {
    let mut memory = Memory::new(1);
    let machine = |number: u16, packet: Packet6| {
        let [high, low] = number.to_be_bytes();
        packet.set(1, &[&[0, 4][..], &[high, low, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]].concat()).octets()
    };
    for number in 0..8000u16 {
        let peer = format!("fe80::ff:fe00:{number:x}");
        let octets = relayed(&machine(number, Packet6::solicit()), RELAY, &peer, &[]);
        response(ask_again(&plan(), &mut memory, &octets, Port::Dhcp, "[2001:db8:1::1]:547", HERE6, 0));
    }
    let served = (0..8000u16).filter(|&number| {
        let octets = machine(number, Packet6::request_4011());
        let from = format!("[2001:db8:1::1:{number:x}]:4011");
        let asked = ask_again(&plan(), &mut memory, &octets, Port::BootServer, &from, HERE6, 5_000);
        matches!(asked.0.verdict, Verdict::Respond(_))
    });
    assert_eq!(served.count(), 8000);
}
