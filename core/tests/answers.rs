//! The rules of docs/protocol.md that no vector shows, one by one: given octets, one call, expected verdict.

mod common;

use common::{HERE, Packet, ask, ask_again, mac, plan};
use proxydhcpd_core::answer::{Replies, Response, Silence, Verdict, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::client::Stage;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::plan::rule::{Rule, Conditions};
use proxydhcpd_core::plan::{IpxeTarget, Loader, Plan, TftpServer};
use proxydhcpd_core::shape::ShapeName;
use proxydhcpd_core::wire::DhcpMessageType;
use proxydhcpd_core::wire::dhcp4::{Message, MessageType};
use std::net::Ipv4Addr;

const BROADCAST: (&str, &str) = ("0.0.0.0:68", "255.255.255.255");
const TO_4011: (&str, &str) = ("192.0.2.107:4011", "192.0.2.10");
/// Option 175 of an iPXE with HTTP, and of one without.
const WITH_HTTP: &[u8] = &[0xeb, 3, 1, 21, 1, 0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1];
const WITHOUT_HTTP: &[u8] = &[0xeb, 3, 1, 21, 1, 0x15, 1, 1, 0x27, 1, 1];

fn on_67(plan: &Plan, packet: &Packet) -> Verdict {
    ask(plan, &packet.octets(), Port::Dhcp, BROADCAST.0, BROADCAST.1).0.verdict
}

fn on_4011(plan: &Plan, packet: &Packet) -> Verdict {
    ask(plan, &packet.octets(), Port::BootServer, TO_4011.0, TO_4011.1).0.verdict
}

#[track_caller]
fn response(verdict: Verdict) -> Response {
    match verdict {
        Verdict::Respond(response) => response,
        Verdict::Silent(silence) => panic!("silence: {silence}"),
    }
}

#[track_caller]
fn silence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Silent(silence) => silence.label(),
        Verdict::Respond(response) => panic!("answered: {response:?}"),
    }
}

// Recognition

#[test]
fn a_client_without_architecture_is_a_bios_rom() {
    let packet = Packet::discover().without(93).set(60, b"PXEClient");
    assert_eq!(response(on_67(&plan(), &packet)).boot.file, "undionly.kpxe");
}

#[test]
fn the_digits_of_the_class_stand_in_for_option_93() {
    let packet = Packet::discover().without(93).set(60, b"PXEClient:Arch:00011:UNDI:003000");
    assert_eq!(response(on_67(&plan(), &packet)).boot.file, "ipxe-arm64.efi");
}

#[test]
fn u_boot_writes_the_digits_of_its_class_in_hex() {
    let of = |class: &[u8]| on_67(&plan(), &Packet::discover().without(93).set(60, class));
    assert_eq!(response(of(b"PXEClient:Arch:0000b:UNDI:003000")).boot.file, "ipxe-arm64.efi");
    assert_eq!(silence(of(b"PXEClient:Arch:0001b:UNDI:003000")), "nothing:no-loader", "RISC-V, and no BIOS");
}

#[test]
fn what_a_relay_has_left_without_option_93_is_no_bios_unless_its_network_interface_is_one() {
    let ask_by_relay = |packet: &Packet| {
        let mut packet = Packet { header: packet.header.clone(), options: packet.options.clone() };
        packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
        ask(&plan(), &packet.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10").0.verdict
    };
    let bare = || Packet::discover().without(93).set(60, b"PXEClient");
    assert_eq!(silence(ask_by_relay(&bare())), "not-ours:no-architecture");
    assert_eq!(response(ask_by_relay(&bare().set(94, &[1, 2, 1]))).boot.file, "undionly.kpxe", "UNDI 2 is a BIOS's");
    let uefi = bare().set(94, &[1, 3, 16]);
    assert_eq!(silence(ask_by_relay(&uefi)), "not-ours:no-architecture");
    assert_eq!(silence(on_67(&plan(), &uefi)), "not-ours:no-architecture", "UNDI 3 is no BIOS's on the link either");
    let digits = Packet::discover().without(93);
    assert_eq!(response(ask_by_relay(&digits)).boot.file, "ipxe.efi", "the digits of option 60 are enough");
    let ipxe = bare().set(175, WITH_HTTP);
    assert_eq!(response(ask_by_relay(&ipxe)).boot.file, "http://192.0.2.10:8080/boot.ipxe", "a script suits them all");
}

#[test]
fn an_option_93_of_odd_length_says_nothing_at_all() {
    let packet = Packet::discover().set(93, &[0, 11, 0]);
    assert_eq!(response(on_67(&plan(), &packet)).boot.file, "ipxe.efi", "by the digits of the class");
}

#[test]
fn options_stand_in_file_and_sname_too_if_option_52_says_so_and_long_ones_are_joined_across_them() {
    let mut packet = Packet::discover().without(93).set(60, b"PXECl").set(52, &[3]);
    packet.header.file[..7].copy_from_slice(&[60, 4, b'i', b'e', b'n', b't', 255]);
    packet.header.sname[..5].copy_from_slice(&[93, 2, 0, 11, 255]);
    assert_eq!(response(on_67(&plan(), &packet)).boot.file, "ipxe-arm64.efi");
    packet.header.sname[1] = 200;
    assert_eq!(silence(on_67(&plan(), &packet)), "malformed", "an option that runs past sname");
}

#[test]
fn a_pxe_client_takes_its_first_tftp_code_and_an_http_client_its_first_http_code() {
    let list = [0, 16, 0, 11, 0, 7, 0, 19];
    let pxe = Packet::discover().set(93, &list);
    assert_eq!(response(on_67(&plan(), &pxe)).boot.file, "ipxe-arm64.efi");
    let http = Packet::discover().set(93, &list).set(60, b"HTTPClient");
    assert_eq!(response(on_67(&plan(), &http)).boot.file, "http://192.0.2.10:8080/ipxe.efi");
}

#[test]
fn an_http_client_without_architecture_and_an_unassigned_code_are_not_ours() {
    let packet = Packet::discover().without(93).set(60, b"HTTPClient");
    assert_eq!(silence(on_67(&plan(), &packet)), "not-ours:no-architecture");
    let uboot = Packet::discover().set(93, &[0, 255]).set(60, b"PXEClient");
    assert_eq!(silence(on_67(&plan(), &uboot)), "not-ours:unknown-architecture");
    assert_eq!(silence(on_67(&plan(), &uboot.set(77, b"iPXE"))), "not-ours:unknown-architecture");
}

#[test]
fn an_ipxe_of_an_architecture_that_nobody_has_assigned_gets_the_script_all_the_same() {
    let s390x = Packet::discover().set(93, &[0xff, 0xff]).set(60, b"PXEClient:Arch:65535:UNDI:003010");
    assert_eq!(silence(on_67(&plan(), &s390x)), "not-ours:unknown-architecture");
    let verdict = on_67(&plan(), &Packet::discover().set(93, &[0xff, 0xff]).set(60, b"PXEClient").set(175, WITH_HTTP));
    assert_eq!(response(verdict).boot.file, "http://192.0.2.10:8080/boot.ipxe");
}

#[test]
fn a_class_that_only_contains_the_word_is_not_ours() {
    let packet = Packet::discover().set(60, b"MyPXEClient");
    assert_eq!(silence(on_67(&plan(), &packet)), "not-ours:other-vendor-class");
    assert_eq!(silence(on_67(&plan(), &Packet::discover().without(60))), "not-ours:no-vendor-class");
    assert_eq!(silence(on_67(&plan(), &Packet::discover().without(53))), "not-ours:bootp");
}

#[test]
fn ipxe_is_told_by_its_user_class_in_both_encodings_or_by_option_175() {
    for user_class in [&b"iPXE"[..], b"\x04iPXE", b"\x03abc\x04iPXE"] {
        let packet = Packet::discover().set(77, user_class);
        assert_eq!(response(on_67(&plan(), &packet)).boot.file, "tftp://192.0.2.10/boot.ipxe", "{user_class:?}");
    }
    let renamed = Packet::discover().set(77, b"xyz").set(175, WITH_HTTP);
    assert_eq!(response(on_67(&plan(), &renamed)).boot.file, "http://192.0.2.10:8080/boot.ipxe");
}

#[test]
fn somebody_elses_user_class_or_option_175_is_no_ipxe() {
    for (code, value) in [(77, &b"MyiPXE-test"[..]), (77, b"\x05iPXE"), (77, b""), (175, b"\xb1\x00"), (175, b"")] {
        let packet = Packet::discover().set(code, value);
        assert_eq!(response(on_67(&plan(), &packet)).boot.file, "ipxe.efi", "{code} {value:?}");
    }
}

#[test]
fn a_configured_word_means_already_ipxe() {
    let plan = Plan { user_classes: vec!["xNBA".into()], ..plan() };
    let packet = Packet::discover().set(77, b"xNBA");
    assert_eq!(response(on_67(&plan, &packet)).boot.file, "tftp://192.0.2.10/boot.ipxe");
}

#[test]
fn a_raspberry_pi_is_no_pc_although_it_says_bios() {
    let plan = || Plan { raspberry_pi: false, ..plan() };
    let by_maker = |packet: Packet| Packet {
        header: {
            let mut h = packet.header;
            h.chaddr = mac([0xdc, 0xa6, 0x32, 1, 2, 3]);
            h
        },
        ..packet
    };
    let bios = || Packet::discover().set(93, &[0, 0]);
    assert_eq!(silence(on_67(&plan(), &by_maker(bios()))), "nothing:raspberry-pi");
    let by_id = bios().set(97, b"\0RPi5\0\xc0\x31\x11\x32\0\0\x01\x10\0\0\x01");
    assert_eq!(silence(on_67(&plan(), &by_id)), "nothing:raspberry-pi");
    // The same board with a UEFI of its own is a UEFI machine.
    assert_eq!(response(on_67(&plan(), &by_maker(Packet::discover().set(93, &[0, 11])))).boot.file, "ipxe-arm64.efi");
}

// Messages and ports

#[test]
fn only_discover_is_heard_on_67_and_discover_request_inform_on_4011() {
    for kind in 2..=8u8 {
        assert_eq!(silence(on_67(&plan(), &Packet::discover().set(53, &[kind]))), "not-ours:message", "type {kind}");
    }
    for (kind, reply) in [(1, MessageType::Offer), (3, MessageType::Ack), (8, MessageType::Ack)] {
        let packet = Packet::request_4011().set(53, &[kind]);
        assert_eq!(response(on_4011(&plan(), &packet)).message_type, DhcpMessageType::Dhcp4(reply));
    }
    assert_eq!(silence(on_4011(&plan(), &Packet::request_4011().set(53, &[4]))), "not-ours:message");
}

// The answer

#[test]
fn a_request_that_names_another_server_is_not_ours() {
    let naming = |server: &[u8]| Packet::request_4011().set(54, server);
    let item = [71, 4, 0x80, 1, 0, 0, 255];
    let on_67 = on_67(&plan(), &Packet::discover().set(53, &[3]).set(54, &[192, 0, 2, 1]).set(43, &item));
    assert_eq!(silence(on_67), "not-ours:other-server");
    assert_eq!(silence(on_4011(&plan(), &naming(&[192, 0, 2, 1]))), "not-ours:other-server");
    assert_eq!(response(on_4011(&plan(), &naming(&HERE.octets()))).message_type, DhcpMessageType::Dhcp4(MessageType::Ack));
}

#[test]
fn an_architecture_without_loader_is_silence_that_names_it() {
    let Verdict::Silent(Silence::NoBoot(reason)) = on_67(&plan(), &Packet::discover().set(93, &[0, 27])) else {
        panic!("answered")
    };
    assert_eq!(reason.to_string(), "no loader for RISC-V 64 UEFI here");
}

#[test]
fn a_redirect_names_the_file_at_once_only_where_we_are_the_tftp_server() {
    let elsewhere = Plan { tftp: Some(TftpServer::Remote(Ipv4Addr::new(192, 0, 2, 99))), ..plan() };
    let (answer, sent) = ask(&elsewhere, &Packet::discover().octets(), Port::Dhcp, BROADCAST.0, BROADCAST.1);
    assert_eq!(response(answer.verdict).shape, ShapeName::Redirect);
    let offer = Message::parse(&sent[0].0).unwrap();
    assert_eq!((offer.header.siaddr, offer.file()), (HERE, &b""[..]), "the client must come to our 4011");

    let (_, sent) = ask(&elsewhere, &Packet::request_4011().octets(), Port::BootServer, TO_4011.0, TO_4011.1);
    let ack = Message::parse(&sent[0].0).unwrap();
    assert_eq!((ack.header.siaddr, ack.file()), (Ipv4Addr::new(192, 0, 2, 99), &b"ipxe.efi"[..]));
}

#[test]
fn without_port_4011_uefi_is_given_the_direct_shape() {
    let plan = Plan { boot_server: false, ..plan() };
    let (answer, sent) = ask(&plan, &Packet::discover().octets(), Port::Dhcp, BROADCAST.0, BROADCAST.1);
    assert_eq!(response(answer.verdict).shape, ShapeName::Direct);
    assert_eq!(Message::parse(&sent[0].0).unwrap().option(43).unwrap()[..], [6, 1, 8, 255]);
}

#[test]
fn a_name_too_long_for_the_field_goes_into_option_67_with_its_nul_and_last_but_for_82() {
    let url = format!("http://192.0.2.10/{}", "x".repeat(200));
    let plan = Plan { ipxe: IpxeTarget::Configured(url.clone()), ..plan() };
    let mut packet = Packet::discover().set(77, b"iPXE").set(82, &[1, 2, 0, 7]);
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let (_, sent) = ask(&plan, &packet.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10");
    let offer = Message::parse(&sent[0].0).unwrap();
    assert!(offer.file().is_empty());
    let tail: Vec<_> = offer.options().collect::<Vec<_>>().split_off(4);
    assert_eq!(tail[0], (67, format!("{url}\0").as_bytes()));
    assert_eq!(tail[1], (82, &[1, 2, 0, 7][..]));
}

#[test]
fn a_reply_never_outgrows_what_the_client_takes() {
    let url = format!("http://192.0.2.10/{}", "x".repeat(230));
    let plan = Plan { ipxe: IpxeTarget::Configured(url), ..plan() };
    let mut packet = Packet::discover().set(77, b"iPXE").set(82, &[1; 250]);
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let ask_with =
        |packet: &Packet| ask(&plan, &packet.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10").0.verdict;
    assert_eq!(silence(ask_with(&packet)), "refused:too-large");
    // 65280, as EDK2 says in some requests, is no invitation to more than 1472.
    response(ask_with(&packet.set(57, &[0xff, 0])));
}

#[test]
fn an_ipxe_without_http_gets_the_script_over_tftp_and_so_does_everyone_when_http_is_closed() {
    let without = Packet::discover().set(175, WITHOUT_HTTP);
    assert_eq!(response(on_67(&plan(), &without)).boot.file, "tftp://192.0.2.10/boot.ipxe");
    let closed = Plan { http: None, ..plan() };
    let with = Packet::discover().set(175, WITH_HTTP);
    assert_eq!(response(on_67(&closed, &with)).boot.file, "tftp://192.0.2.10/boot.ipxe");
}

#[test]
fn nothing_is_offered_that_we_do_not_hold() {
    let nothing_served = Plan { tftp: None, http: None, ..plan() };
    assert_eq!(silence(on_67(&nothing_served, &Packet::discover())), "nothing:no-tftp");
    assert_eq!(silence(on_67(&nothing_served, &Packet::discover().set(175, WITH_HTTP))), "nothing:no-script");
    let http = Packet::discover().set(93, &[0, 16]).set(60, b"HTTPClient");
    assert_eq!(silence(on_67(&Plan { http: None, ..plan() }, &http)), "nothing:no-http");
    assert_eq!(silence(on_67(&Plan { http_clients: false, ..plan() }, &http)), "nothing:no-http");
    let http_only = Plan { tftp: None, ..plan() };
    assert_eq!(silence(on_67(&http_only, &Packet::discover())), "nothing:no-tftp");
    assert_eq!(
        response(on_67(&http_only, &Packet::discover().set(77, b"iPXE"))).boot.file,
        "http://192.0.2.10:8080/boot.ipxe"
    );
}

#[test]
fn with_ipxe_mode_off_an_ipxe_gets_what_its_firmware_gets() {
    let any = Loader { name: "pxelinux.0".into(), path: None };
    let plan = Plan { ipxe: IpxeTarget::AsFirmware, default_loader: Some(any), ..plan() };
    let packet = Packet::discover().set(175, WITH_HTTP);
    assert_eq!(response(on_67(&plan, &packet)).boot.file, "ipxe.efi");
    assert_eq!(response(on_67(&plan, &packet.set(93, &[0, 27]))).boot.file, "pxelinux.0");
}

#[test]
fn a_boot_program_that_asks_again_gets_the_loader() {
    let packet = Packet::request_4011().set(60, b"PXEClient");
    let (answer, _) = ask(&plan(), &packet.octets(), Port::BootServer, TO_4011.0, TO_4011.1);
    assert_eq!(answer.client.unwrap().stage, Stage::BootProgram);
    assert_eq!(response(answer.verdict).boot.file, "ipxe.efi");
}

// Destinations and refusals

#[test]
fn an_answer_on_4011_goes_to_the_source_port_and_never_where_it_could_do_harm() {
    let packet = Packet::request_4011().octets();
    let from = |source: &str| ask(&plan(), &packet, Port::BootServer, source, TO_4011.1).0.verdict;
    assert_eq!(response(from("192.0.2.107:50000")).destination.to.to_string(), "192.0.2.107:50000");
    for port in [0, 7, 19, 53, 67] {
        assert_eq!(silence(from(&format!("192.0.2.107:{port}"))), "refused:source-port");
    }
    for source in [
        "192.0.2.10:4011",
        "127.0.0.1:4011",
        "224.0.0.1:4011",
        "255.255.255.255:4011",
        "192.0.2.255:4011",
        "0.0.0.0:4011",
    ] {
        assert_eq!(silence(from(source)), "refused:source", "{source}");
    }
    assert_eq!(silence(from("192.0.2.108:4011")), "refused:ciaddr");
}

#[test]
fn a_machine_whose_address_is_of_another_network_on_the_same_cable_is_heard_on_4011_after_its_offer() {
    let mut memory = Observations::new(1);
    let mut request = Packet::request_4011();
    request.header.ciaddr = Ipv4Addr::new(198, 51, 100, 7);
    let to_4011 = |memory: &mut Observations, now| {
        let octets = request.octets();
        ask_again(&plan(), memory, &octets, Port::BootServer, "198.51.100.7:4011", "192.0.2.10", now).0.verdict
    };
    assert_eq!(silence(to_4011(&mut memory, 0)), "refused:unserved-network");
    let discover = Packet::discover().octets();
    response(ask_again(&plan(), &mut memory, &discover, Port::Dhcp, BROADCAST.0, BROADCAST.1, 0).0.verdict);
    let acknowledged = response(to_4011(&mut memory, 5_000));
    assert_eq!(acknowledged.destination.to.to_string(), "198.51.100.7:4011");
    assert_eq!(silence(to_4011(&mut memory, 11 * 60_000)), "refused:unserved-network", "too long ago");
}

#[test]
fn a_foreign_network_is_heard_on_4011_only_after_an_offer_through_its_relay() {
    let mut memory = Observations::new(1);
    let mut discover = Packet::discover();
    discover.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let mut request = Packet::request_4011();
    request.header.ciaddr = Ipv4Addr::new(198, 51, 100, 7);
    let to_4011 = |memory: &mut Observations, packet: &Packet, now| {
        ask_again(&plan(), memory, &packet.octets(), Port::BootServer, "198.51.100.7:4011", "192.0.2.10", now).0.verdict
    };
    assert_eq!(silence(to_4011(&mut memory, &request, 0)), "refused:unserved-network");
    let offer = ask_again(&plan(), &mut memory, &discover.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10", 0);
    assert_eq!(response(offer.0.verdict).destination.to.to_string(), "198.51.100.1:67");
    response(to_4011(&mut memory, &request, 5_000));

    let mut other = Packet::request_4011();
    other.header = request.header.clone();
    other.header.chaddr = mac([2, 0, 0, 0, 9, 9]);
    assert_eq!(silence(to_4011(&mut memory, &other, 5_000)), "refused:unserved-network", "another machine");
    assert_eq!(silence(to_4011(&mut memory, &request, 11 * 60_000)), "refused:unserved-network", "too long ago");
}

#[test]
fn a_rule_that_its_relay_made_a_machine_meet_holds_on_4011_too() {
    let when = Conditions { circuit_ids: vec![Glob("port 7".into())], ..Conditions::default() };
    let special = Loader { name: "special.efi".into(), path: Some("/x".into()) };
    let profile = Profile { boots: BootTarget::Loader, default_loader: Some(special), ..Profile::default() };
    let rules = vec![Rule { when, profile: Some(0), ..Rule::default() }];
    let plan = Plan { rules, profiles: vec![profile], ..plan() };
    let mut memory = Observations::new(1);
    let mut discover = Packet::discover().set(82, b"\x01\x06port 7");
    discover.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let mut request = Packet::request_4011();
    request.header.ciaddr = Ipv4Addr::new(198, 51, 100, 7);
    for (packet, port, from) in
        [(discover, Port::Dhcp, "198.51.100.1:67"), (request, Port::BootServer, "198.51.100.7:4011")]
    {
        let (answer, _) = ask_again(&plan, &mut memory, &packet.octets(), port, from, "192.0.2.10", 0);
        assert_eq!(response(answer.verdict).boot.file, "special.efi");
    }
}

#[test]
fn a_machine_that_puts_its_uuid_into_chaddr_is_known_by_option_97() {
    let mut memory = Observations::new(1);
    let id = b"\0\x33\x22\x11\0\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    let mut discover = Packet::discover().set(97, id);
    discover.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    ask_again(&plan(), &mut memory, &discover.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10", 0);
    let mut request = Packet::request_4011().set(97, id);
    request.header.ciaddr = Ipv4Addr::new(198, 51, 100, 7);
    request.header.hlen = 16;
    request.header.chaddr.copy_from_slice(&id[1..]);
    let octets = request.octets();
    let verdict =
        ask_again(&plan(), &mut memory, &octets, Port::BootServer, "198.51.100.7:4011", "192.0.2.10", 1).0.verdict;
    response(verdict);
}

#[test]
fn a_relay_is_answered_at_giaddr_and_only_if_it_may_ask() {
    let mut packet = Packet::discover();
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let relayed = |plan: &Plan, packet: &Packet| {
        ask(plan, &packet.octets(), Port::Dhcp, "203.0.113.5:1067", "192.0.2.10").0.verdict
    };
    assert_eq!(response(relayed(&plan(), &packet)).destination.to.to_string(), "198.51.100.1:67", "never the source");
    let other = Plan { relays: vec![Ipv4Addr::new(198, 51, 100, 2).into()], ..plan() };
    assert_eq!(silence(relayed(&other, &packet)), "refused:relay-not-listed");
    for giaddr in
        [[255; 4], [192, 0, 2, 255], [240, 0, 0, 1], [224, 0, 0, 1], [127, 0, 0, 1], [0, 0, 0, 1], [192, 0, 2, 10]]
    {
        packet.header.giaddr = giaddr.into();
        assert_eq!(silence(relayed(&plan(), &packet)), "refused:giaddr", "{giaddr:?}");
    }
}

#[test]
fn a_relay_that_names_its_port_is_answered_there_unless_it_could_do_harm() {
    let mut packet = Packet::discover().set(82, &[19, 0]);
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let octets = packet.octets();
    let from = |port| ask(&plan(), &octets, Port::Dhcp, &format!("198.51.100.1:{port}"), "192.0.2.10").0.verdict;
    assert_eq!(response(from(6767)).destination.to.to_string(), "198.51.100.1:6767");
    response(from(67));
    assert_eq!(silence(from(53)), "refused:source-port");
}

#[test]
fn what_comes_by_an_interface_that_we_do_not_serve_is_answered_only_where_networks_are_crossed() {
    let foreign = |packet: &Packet, port, from: &str| {
        let links = common::links();
        let octets = packet.octets();
        let (from, to) = (from.parse().unwrap(), HERE.into());
        let arrival = Arrival { datagram: &octets, port, from, to, links: &links, link: 0, via_other_link: true, now: 0 };
        answer(&plan(), &mut Observations::new(1), &arrival, &mut Replies::default()).verdict
    };
    let mut packet = Packet::discover();
    assert_eq!(silence(foreign(&packet, Port::Dhcp, "0.0.0.0:68")), "refused:foreign-link");
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    response(foreign(&packet, Port::Dhcp, "198.51.100.1:67"));
    response(foreign(&Packet::request_4011(), Port::BootServer, TO_4011.0));
}

#[test]
fn on_67_a_client_with_an_address_is_answered_there_if_it_is_its_own() {
    let mut packet = Packet::discover();
    packet.header.ciaddr = Ipv4Addr::new(192, 0, 2, 50);
    let octets = packet.octets();
    let from = |source| ask(&plan(), &octets, Port::Dhcp, source, "192.0.2.10").0.verdict;
    assert_eq!(response(from("192.0.2.50:68")).destination.to.to_string(), "192.0.2.50:68");
    assert_eq!(silence(from("192.0.2.51:68")), "refused:ciaddr");
}

// Limits

/// The machine at 192.0.2.107 asks its DHCP server for that address.
fn request_for_an_address(requested: [u8; 4]) -> Packet {
    Packet::discover().set(53, &[3]).set(50, &requested)
}

#[test]
fn dhcp_vouches_for_an_address_only_where_nobody_elsewhere_can_have_forged_it() {
    let vouched = |plan: &Plan, packet: &Packet, port, (from, to): (&str, &str), address: [u8; 4]| {
        let mut memory = Observations::new(1);
        ask_again(plan, &mut memory, &packet.octets(), port, from, to, 1000);
        let vouched = memory.is_vouched(address.into(), 1000);
        assert!(!memory.is_vouched(address.into(), 1000 + 60 * 60 * 1000), "for an hour");
        assert_eq!(memory.is_vouched(Ipv4Addr::from(address).to_ipv6_mapped().into(), 1000), vouched);
        vouched
    };
    let (on_link, beyond) = ([192, 0, 2, 107], [198, 51, 100, 7]);
    let (here, there) = (request_for_an_address(on_link), request_for_an_address(beyond));
    assert!(vouched(&plan(), &here, Port::Dhcp, BROADCAST, on_link));
    assert!(
        !vouched(&plan(), &there, Port::Dhcp, BROADCAST, beyond),
        "which is not the address of anybody on this link"
    );
    assert!(!vouched(&plan(), &here, Port::Dhcp, ("192.0.2.107:68", "192.0.2.10"), on_link), "a unicast can be forged");
    assert!(!vouched(&plan(), &Packet::request_4011(), Port::BootServer, TO_4011, on_link), "and so can this one");

    let mut relayed = there;
    relayed.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let to_us = ("198.51.100.1:67", "192.0.2.10");
    let listed = |relay: &str| Plan { relays: vec![relay.parse().unwrap()], ..plan() };
    assert!(!vouched(&plan(), &relayed, Port::Dhcp, to_us, beyond), "any host can say that it is a relay");
    assert!(!vouched(&listed("198.51.100.2"), &relayed, Port::Dhcp, to_us, beyond));
    assert!(vouched(&listed("198.51.100.1"), &relayed, Port::Dhcp, to_us, beyond));
    let another = ("203.0.113.5:67", "192.0.2.10");
    assert!(!vouched(&listed("198.51.100.1"), &relayed, Port::Dhcp, another, beyond), "in the name of a relay");
    let plan = Plan { relays: ["198.51.100.1", "203.0.113.5"].map(|relay| relay.parse().unwrap()).into(), ..plan() };
    assert!(vouched(&plan, &relayed, Port::Dhcp, another, beyond), "a relay that sends by its other side");
}

#[test]
fn a_machine_gets_eight_answers_at_once_and_two_a_second() {
    let mut memory = Observations::new(1);
    let octets = Packet::discover().octets();
    let mut ask_at =
        |now| ask_again(&plan(), &mut memory, &octets, Port::Dhcp, BROADCAST.0, BROADCAST.1, now).0.verdict;
    (0..8).for_each(|_| drop(response(ask_at(0))));
    assert_eq!(silence(ask_at(0)), "refused:too-many-from-client");
    response(ask_at(500));
    assert_eq!(silence(ask_at(500)), "refused:too-many-from-client");
}

#[test]
fn a_boot_storm_behind_one_relay_is_answered_whole_unless_the_operator_caps_it() {
    let storm = |plan: &Plan| {
        let mut memory = Observations::new(1);
        (0..2000u16)
            .filter(|machine| {
                let mut packet = Packet::discover();
                let [high, low] = machine.to_be_bytes();
                packet.header.chaddr = mac([2, 0, 0, 1, high, low]);
                packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
                let asked =
                    ask_again(plan, &mut memory, &packet.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10", 0);
                matches!(asked.0.verdict, Verdict::Respond(_))
            })
            .count()
    };
    assert_eq!(storm(&plan()), 2000);
    assert_eq!(storm(&Plan { rate_limit: Some(200), ..plan() }), 200);
}

#[test]
fn a_storm_behind_a_relay_is_remembered_until_the_machines_come_to_4011() {
    let mut memory = Observations::new(1);
    let machine = |number: u16, packet: Packet| {
        let [high, low] = number.to_be_bytes();
        let id = [0, high, low, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
        let mut packet = packet.set(97, &id);
        packet.header.chaddr = mac([2, 0, 0, 1, high, low]);
        packet
    };
    for number in 0..8000 {
        let mut discover = machine(number, Packet::discover());
        discover.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
        ask_again(&plan(), &mut memory, &discover.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10", 0);
    }
    let served = (0..8000u16).filter(|&number| {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + u32::from(number));
        let mut request = machine(number, Packet::request_4011());
        request.header.ciaddr = address;
        let from = format!("{address}:4011");
        let octets = request.octets();
        let asked = ask_again(&plan(), &mut memory, &octets, Port::BootServer, &from, "192.0.2.10", 5_000);
        matches!(asked.0.verdict, Verdict::Respond(_))
    });
    assert_eq!(served.count(), 8000);
}

#[test]
fn one_source_address_may_not_ask_4011_for_many_machines() {
    let mut memory = Observations::new(1);
    let answered = (0..20u8).filter(|&machine| {
        let mut packet = Packet::request_4011();
        packet.header.chaddr = mac([2, 0, 0, 1, 0, machine]);
        let asked = ask_again(&plan(), &mut memory, &packet.octets(), Port::BootServer, TO_4011.0, TO_4011.1, 0);
        matches!(asked.0.verdict, Verdict::Respond(_))
    });
    assert_eq!(answered.count(), 8);
}

#[test]
fn every_architecture_of_the_registry_is_known() {
    for code in 0..42u16 {
        let loader = Loader { name: "x".into(), path: None };
        let plan = Plan { loaders: [(Arch(code).base(), loader)].into(), ..plan() };
        let class = if Arch(code).transport() == Some(proxydhcpd_core::arch::Transport::Http) {
            "HTTPClient"
        } else {
            "PXEClient"
        };
        let packet = Packet::discover().set(93, &code.to_be_bytes()).set(60, class.as_bytes());
        let (answer, _) = ask(&plan, &packet.octets(), Port::Dhcp, BROADCAST.0, BROADCAST.1);
        assert_eq!(answer.client.unwrap().arch, Arch(code));
    }
}
