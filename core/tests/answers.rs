//! Tests the rules of docs/protocol.md that no vector covers. Each case has given octets, one call and an expected
//! verdict.

mod common;

use common::{Packet, SERVER, ask, ask_again, mac, plan};
use proxydhcpd_core::answer::{Replies, Response, Silence, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::client::Program;
use proxydhcpd_core::identity::PROBE_MAC;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{Loader, TftpServer};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::policy::IpxeTarget;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Rule};
use proxydhcpd_core::shape::ShapeName;
use proxydhcpd_core::wire::DhcpMessageType;
use proxydhcpd_core::wire::dhcp4::{Message, MessageType};
use std::net::Ipv4Addr;

const FROM_68: (&str, &str) = ("0.0.0.0:68", "255.255.255.255");
const FROM_4011: (&str, &str) = ("192.0.2.107:4011", "192.0.2.10");
/// Option 175 of an iPXE with HTTP.
const WITH_HTTP: &[u8] = &[0xeb, 3, 1, 21, 1, 0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1];
/// Option 175 of an iPXE without HTTP.
const WITHOUT_HTTP: &[u8] = &[0xeb, 3, 1, 21, 1, 0x15, 1, 1, 0x27, 1, 1];

fn ask_67(plan: &Plan, packet: &Packet) -> Result<Response, Silence> {
    ask(plan, &packet.octets(), Port::Dhcp, FROM_68.0, FROM_68.1).0.reply
}

fn ask_4011(plan: &Plan, packet: &Packet) -> Result<Response, Silence> {
    ask(plan, &packet.octets(), Port::BootServer, FROM_4011.0, FROM_4011.1).0.reply
}

#[track_caller]
fn response(reply: Result<Response, Silence>) -> Response {
    match reply {
        Ok(response) => response,
        Err(silence) => panic!("silence: {silence}"),
    }
}

#[track_caller]
fn silence(reply: Result<Response, Silence>) -> &'static str {
    match reply {
        Err(silence) => silence.label(),
        Ok(response) => panic!("answered: {response:?}"),
    }
}

// Recognition

#[test]
fn a_client_without_an_architecture_is_a_bios_rom() {
    let packet = Packet::discover().without(93).set(60, b"PXEClient");
    assert_eq!(response(ask_67(&plan(), &packet)).boot.file, "undionly.kpxe");
}

#[test]
fn the_digits_of_the_class_replace_a_missing_option_93() {
    let packet = Packet::discover().without(93).set(60, b"PXEClient:Arch:00011:UNDI:003000");
    assert_eq!(response(ask_67(&plan(), &packet)).boot.file, "ipxe-arm64.efi");
}

#[test]
fn u_boot_writes_the_digits_of_its_class_in_hexadecimal() {
    let of = |class: &[u8]| ask_67(&plan(), &Packet::discover().without(93).set(60, class));
    assert_eq!(response(of(b"PXEClient:Arch:0000b:UNDI:003000")).boot.file, "ipxe-arm64.efi");
    assert_eq!(silence(of(b"PXEClient:Arch:0001b:UNDI:003000")), "nothing:no-loader", "RISC-V, not BIOS");
}

#[test]
fn a_relayed_client_without_option_93_is_a_bios_only_if_option_94_shows_it() {
    let ask_through_relay = |packet: &Packet| {
        let mut packet = Packet { header: packet.header.clone(), options: packet.options.clone() };
        packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
        ask(&plan(), &packet.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10").0.reply
    };
    let bare = || Packet::discover().without(93).set(60, b"PXEClient");
    assert_eq!(silence(ask_through_relay(&bare())), "ignored:no-architecture");
    assert_eq!(response(ask_through_relay(&bare().set(94, &[1, 2, 1]))).boot.file, "undionly.kpxe", "UNDI 2 is a BIOS");
    let uefi = bare().set(94, &[1, 3, 16]);
    assert_eq!(silence(ask_through_relay(&uefi)), "ignored:no-architecture");
    assert_eq!(silence(ask_67(&plan(), &uefi)), "ignored:no-architecture", "UNDI 3 is no BIOS, on the link either");
    let digits = Packet::discover().without(93);
    assert_eq!(response(ask_through_relay(&digits)).boot.file, "ipxe.efi", "the digits of option 60 are enough");
    let ipxe = bare().set(175, WITH_HTTP);
    assert_eq!(
        response(ask_through_relay(&ipxe)).boot.file,
        "http://192.0.2.10:8080/boot.ipxe",
        "the script is the same for all architectures"
    );
}

#[test]
fn an_option_93_of_odd_length_is_ignored() {
    let packet = Packet::discover().set(93, &[0, 11, 0]);
    assert_eq!(response(ask_67(&plan(), &packet)).boot.file, "ipxe.efi", "from the digits of the class");
}

#[test]
fn option_52_puts_options_into_file_and_sname_and_long_options_are_joined_across_them() {
    let mut packet = Packet::discover().without(93).set(60, b"PXECl").set(52, &[3]);
    packet.header.file[..7].copy_from_slice(&[60, 4, b'i', b'e', b'n', b't', 255]);
    packet.header.sname[..5].copy_from_slice(&[93, 2, 0, 11, 255]);
    assert_eq!(response(ask_67(&plan(), &packet)).boot.file, "ipxe-arm64.efi");
    packet.header.sname[1] = 200;
    assert_eq!(silence(ask_67(&plan(), &packet)), "malformed", "an option runs past sname");
}

#[test]
fn a_pxe_client_has_its_first_tftp_code_and_an_http_client_its_first_http_code() {
    let list = [0, 16, 0, 11, 0, 7, 0, 19];
    let pxe = Packet::discover().set(93, &list);
    assert_eq!(response(ask_67(&plan(), &pxe)).boot.file, "ipxe-arm64.efi");
    let http = Packet::discover().set(93, &list).set(60, b"HTTPClient");
    assert_eq!(response(ask_67(&plan(), &http)).boot.file, "http://192.0.2.10:8080/ipxe.efi");
}

#[test]
fn an_http_client_without_an_architecture_and_an_unassigned_code_are_ignored() {
    let packet = Packet::discover().without(93).set(60, b"HTTPClient");
    assert_eq!(silence(ask_67(&plan(), &packet)), "ignored:no-architecture");
    let uboot = Packet::discover().set(93, &[0, 255]).set(60, b"PXEClient");
    assert_eq!(silence(ask_67(&plan(), &uboot)), "ignored:unknown-architecture");
    assert_eq!(silence(ask_67(&plan(), &uboot.set(77, b"iPXE"))), "ignored:unknown-architecture");
}

#[test]
fn an_ipxe_with_an_unassigned_architecture_receives_the_script() {
    let s390x = Packet::discover().set(93, &[0xff, 0xff]).set(60, b"PXEClient:Arch:65535:UNDI:003010");
    assert_eq!(silence(ask_67(&plan(), &s390x)), "ignored:unknown-architecture");
    let verdict = ask_67(&plan(), &Packet::discover().set(93, &[0xff, 0xff]).set(60, b"PXEClient").set(175, WITH_HTTP));
    assert_eq!(response(verdict).boot.file, "http://192.0.2.10:8080/boot.ipxe");
}

#[test]
fn a_class_that_only_contains_pxeclient_is_ignored() {
    let packet = Packet::discover().set(60, b"MyPXEClient");
    assert_eq!(silence(ask_67(&plan(), &packet)), "ignored:other-vendor-class");
    assert_eq!(silence(ask_67(&plan(), &Packet::discover().without(60))), "ignored:no-vendor-class");
    assert_eq!(silence(ask_67(&plan(), &Packet::discover().without(53))), "ignored:bootp");
}

#[test]
fn ipxe_is_recognised_by_its_user_class_in_both_encodings_or_by_option_175() {
    for user_class in [&b"iPXE"[..], b"\x04iPXE", b"\x03abc\x04iPXE"] {
        let packet = Packet::discover().set(77, user_class);
        assert_eq!(response(ask_67(&plan(), &packet)).boot.file, "tftp://192.0.2.10/boot.ipxe", "{user_class:?}");
    }
    let renamed = Packet::discover().set(77, b"xyz").set(175, WITH_HTTP);
    assert_eq!(response(ask_67(&plan(), &renamed)).boot.file, "http://192.0.2.10:8080/boot.ipxe");
}

#[test]
fn another_user_class_or_option_175_is_no_ipxe() {
    for (code, value) in [(77, &b"MyiPXE-test"[..]), (77, b"\x05iPXE"), (77, b""), (175, b"\xb1\x00"), (175, b"")] {
        let packet = Packet::discover().set(code, value);
        assert_eq!(response(ask_67(&plan(), &packet)).boot.file, "ipxe.efi", "{code} {value:?}");
    }
}

#[test]
fn a_configured_user_class_means_ipxe() {
    let plan = plan().with_policy(|policy| policy.user_classes = vec!["xNBA".into()]);
    let packet = Packet::discover().set(77, b"xNBA");
    assert_eq!(response(ask_67(&plan, &packet)).boot.file, "tftp://192.0.2.10/boot.ipxe");
}

#[test]
fn a_raspberry_pi_is_no_pc_although_it_sends_the_bios_code() {
    let plan = || plan().with_offer(|offer| offer.dialects.clear());
    let with_prefix = |packet: Packet| Packet {
        header: {
            let mut h = packet.header;
            h.chaddr = mac([0xdc, 0xa6, 0x32, 1, 2, 3]);
            h
        },
        ..packet
    };
    let bios = || Packet::discover().set(93, &[0, 0]);
    assert_eq!(silence(ask_67(&plan(), &with_prefix(bios()))), "nothing:raspberry-pi");
    let by_id = bios().set(97, b"\0RPi5\0\xc0\x31\x11\x32\0\0\x01\x10\0\0\x01");
    assert_eq!(silence(ask_67(&plan(), &by_id)), "nothing:raspberry-pi");
    // Under UEFI firmware, the same board is a UEFI machine.
    assert_eq!(
        response(ask_67(&plan(), &with_prefix(Packet::discover().set(93, &[0, 11])))).boot.file,
        "ipxe-arm64.efi"
    );
}

// Messages and ports

#[test]
fn only_discover_is_answered_on_67_and_discover_request_inform_on_4011() {
    for kind in 2..=8u8 {
        assert_eq!(silence(ask_67(&plan(), &Packet::discover().set(53, &[kind]))), "ignored:message", "type {kind}");
    }
    for (kind, reply) in [(1, MessageType::Offer), (3, MessageType::Ack), (8, MessageType::Ack)] {
        let packet = Packet::request_4011().set(53, &[kind]);
        assert_eq!(response(ask_4011(&plan(), &packet)).message_type, DhcpMessageType::Dhcp4(reply));
    }
    assert_eq!(silence(ask_4011(&plan(), &Packet::request_4011().set(53, &[4]))), "ignored:message");
}

// The answer

#[test]
fn a_request_for_another_server_is_ignored() {
    let request_for = |server: &[u8]| Packet::request_4011().set(54, server);
    let item = [71, 4, 0x80, 1, 0, 0, 255];
    let ask_67 = ask_67(&plan(), &Packet::discover().set(53, &[3]).set(54, &[192, 0, 2, 1]).set(43, &item));
    assert_eq!(silence(ask_67), "ignored:other-server");
    assert_eq!(silence(ask_4011(&plan(), &request_for(&[192, 0, 2, 1]))), "ignored:other-server");
    assert_eq!(
        response(ask_4011(&plan(), &request_for(&SERVER.octets()))).message_type,
        DhcpMessageType::Dhcp4(MessageType::Ack)
    );
}

#[test]
fn silence_without_a_loader_names_the_architecture() {
    let Err(Silence::NoBoot(reason)) = ask_67(&plan(), &Packet::discover().set(93, &[0, 27])) else {
        panic!("answered")
    };
    assert_eq!(reason.to_string(), "no loader for RISC-V 64 UEFI here");
}

#[test]
fn a_redirect_names_the_file_only_if_the_tftp_server_is_ours() {
    let elsewhere = plan().with_offer(|offer| offer.tftp = Some(TftpServer::Remote(Ipv4Addr::new(192, 0, 2, 99))));
    let (answer, sent) = ask(&elsewhere, &Packet::discover().octets(), Port::Dhcp, FROM_68.0, FROM_68.1);
    assert_eq!(response(answer.reply).shape, ShapeName::Redirect);
    let offer = Message::parse(&sent[0].0).unwrap();
    assert_eq!((offer.header.siaddr, offer.file()), (SERVER, &b""[..]), "the client must contact our port 4011");

    let (_, sent) = ask(&elsewhere, &Packet::request_4011().octets(), Port::BootServer, FROM_4011.0, FROM_4011.1);
    let ack = Message::parse(&sent[0].0).unwrap();
    assert_eq!((ack.header.siaddr, ack.file()), (Ipv4Addr::new(192, 0, 2, 99), &b"ipxe.efi"[..]));
}

#[test]
fn without_port_4011_uefi_receives_the_direct_shape() {
    let plan = plan().with_offer(|offer| offer.boot_server = false);
    let (answer, sent) = ask(&plan, &Packet::discover().octets(), Port::Dhcp, FROM_68.0, FROM_68.1);
    assert_eq!(response(answer.reply).shape, ShapeName::Direct);
    assert_eq!(Message::parse(&sent[0].0).unwrap().option(43).unwrap()[..], [6, 1, 8, 255]);
}

#[test]
fn a_name_too_long_for_the_field_goes_into_option_67_with_its_nul_before_option_82() {
    let url = format!("http://192.0.2.10/{}", "x".repeat(200));
    let plan = plan().with_policy(|policy| policy.ipxe = IpxeTarget::Configured(url.clone()));
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
fn a_reply_is_never_larger_than_the_client_accepts() {
    let url = format!("http://192.0.2.10/{}", "x".repeat(230));
    let plan = plan().with_policy(|policy| policy.ipxe = IpxeTarget::Configured(url));
    let mut packet = Packet::discover().set(77, b"iPXE").set(82, &[1; 250]);
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let ask_with = |packet: &Packet| ask(&plan, &packet.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10").0.reply;
    assert_eq!(silence(ask_with(&packet)), "refused:too-large");
    // EDK2 states a maximum size of 65280 in some requests. The server sends at most 1472 octets nevertheless.
    response(ask_with(&packet.set(57, &[0xff, 0])));
}

#[test]
fn an_ipxe_without_http_receives_the_script_over_tftp_and_so_does_every_ipxe_if_http_is_off() {
    let without = Packet::discover().set(175, WITHOUT_HTTP);
    assert_eq!(response(ask_67(&plan(), &without)).boot.file, "tftp://192.0.2.10/boot.ipxe");
    let closed = plan().with_offer(|offer| offer.http = None);
    let with = Packet::discover().set(175, WITH_HTTP);
    assert_eq!(response(ask_67(&closed, &with)).boot.file, "tftp://192.0.2.10/boot.ipxe");
}

#[test]
fn no_file_is_offered_that_the_server_does_not_hold() {
    let nothing_served = plan().with_offer(|offer| {
        offer.tftp = None;
        offer.http = None;
    });
    assert_eq!(silence(ask_67(&nothing_served, &Packet::discover())), "nothing:no-tftp");
    assert_eq!(silence(ask_67(&nothing_served, &Packet::discover().set(175, WITH_HTTP))), "nothing:no-script");
    let http = Packet::discover().set(93, &[0, 16]).set(60, b"HTTPClient");
    assert_eq!(silence(ask_67(&plan().with_offer(|offer| offer.http = None), &http)), "nothing:no-http");
    assert_eq!(silence(ask_67(&plan().with_policy(|policy| policy.http_clients = false), &http)), "nothing:no-http");
    let http_only = plan().with_offer(|offer| offer.tftp = None);
    assert_eq!(silence(ask_67(&http_only, &Packet::discover())), "nothing:no-tftp");
    assert_eq!(
        response(ask_67(&http_only, &Packet::discover().set(77, b"iPXE"))).boot.file,
        "http://192.0.2.10:8080/boot.ipxe"
    );
}

#[test]
fn with_ipxe_mode_off_an_ipxe_receives_its_firmwares_loader() {
    let any = Loader { name: "pxelinux.0".into(), path: None };
    let plan = plan()
        .with_policy(|policy| policy.ipxe = IpxeTarget::AsFirmware)
        .with_offer(|offer| offer.default_loader = Some(any));
    let packet = Packet::discover().set(175, WITH_HTTP);
    assert_eq!(response(ask_67(&plan, &packet)).boot.file, "ipxe.efi");
    assert_eq!(response(ask_67(&plan, &packet.set(93, &[0, 27]))).boot.file, "pxelinux.0");
}

#[test]
fn a_boot_program_that_requests_again_receives_the_loader() {
    let packet = Packet::request_4011().set(60, b"PXEClient");
    let (answer, _) = ask(&plan(), &packet.octets(), Port::BootServer, FROM_4011.0, FROM_4011.1);
    assert_eq!(answer.client.unwrap().program, Program::BootProgram);
    assert_eq!(response(answer.reply).boot.file, "ipxe.efi");
}

// Destinations and refusals

#[test]
fn a_reply_on_4011_goes_to_the_source_port_unless_it_could_do_harm() {
    let packet = Packet::request_4011().octets();
    let from = |source: &str| ask(&plan(), &packet, Port::BootServer, source, FROM_4011.1).0.reply;
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
fn a_machine_in_another_network_on_the_same_cable_is_answered_on_4011_after_its_offer() {
    let mut observations = Observations::new(1);
    let mut request = Packet::request_4011();
    request.header.ciaddr = Ipv4Addr::new(198, 51, 100, 7);
    let to_4011 = |observations: &mut Observations, now| {
        let octets = request.octets();
        ask_again(&plan(), observations, &octets, Port::BootServer, "198.51.100.7:4011", "192.0.2.10", now).0.reply
    };
    assert_eq!(silence(to_4011(&mut observations, 0)), "refused:unserved-network");
    let discover = Packet::discover().octets();
    response(ask_again(&plan(), &mut observations, &discover, Port::Dhcp, FROM_68.0, FROM_68.1, 0).0.reply);
    let acknowledged = response(to_4011(&mut observations, 5_000));
    assert_eq!(acknowledged.destination.to.to_string(), "198.51.100.7:4011");
    assert_eq!(silence(to_4011(&mut observations, 11 * 60_000)), "refused:unserved-network", "too long ago");
}

#[test]
fn a_remote_network_is_answered_on_4011_only_after_an_offer_through_its_relay() {
    let mut observations = Observations::new(1);
    let mut discover = Packet::discover();
    discover.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let mut request = Packet::request_4011();
    request.header.ciaddr = Ipv4Addr::new(198, 51, 100, 7);
    let to_4011 = |observations: &mut Observations, packet: &Packet, now| {
        ask_again(&plan(), observations, &packet.octets(), Port::BootServer, "198.51.100.7:4011", "192.0.2.10", now)
            .0
            .reply
    };
    assert_eq!(silence(to_4011(&mut observations, &request, 0)), "refused:unserved-network");
    let offer =
        ask_again(&plan(), &mut observations, &discover.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10", 0);
    assert_eq!(response(offer.0.reply).destination.to.to_string(), "198.51.100.1:67");
    response(to_4011(&mut observations, &request, 5_000));

    let mut other = Packet::request_4011();
    other.header = request.header.clone();
    other.header.chaddr = mac([2, 0, 0, 0, 9, 9]);
    assert_eq!(silence(to_4011(&mut observations, &other, 5_000)), "refused:unserved-network", "another machine");
    assert_eq!(silence(to_4011(&mut observations, &request, 11 * 60_000)), "refused:unserved-network", "too long ago");
}

#[test]
fn a_rule_that_a_machine_meets_through_its_relay_applies_on_4011_too() {
    let when = Conditions { circuit_ids: vec![Glob("port 7".into())], ..Conditions::default() };
    let special = Loader { name: "special.efi".into(), path: Some("/x".into()) };
    let profile = Profile {
        name: "special".into(),
        boots: BootTarget::Loader,
        default_loader: Some(special),
        ..Profile::default()
    };
    let rules = vec![Rule { when, profile: Some("special".into()), ..Rule::default() }];
    let plan = plan().with_policy(|policy| {
        policy.rules = rules;
        policy.profiles = vec![profile].into();
    });
    let mut observations = Observations::new(1);
    let mut discover = Packet::discover().set(82, b"\x01\x06port 7");
    discover.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let mut request = Packet::request_4011();
    request.header.ciaddr = Ipv4Addr::new(198, 51, 100, 7);
    for (packet, port, from) in
        [(discover, Port::Dhcp, "198.51.100.1:67"), (request, Port::BootServer, "198.51.100.7:4011")]
    {
        let (answer, _) = ask_again(&plan, &mut observations, &packet.octets(), port, from, "192.0.2.10", 0);
        assert_eq!(response(answer.reply).boot.file, "special.efi");
    }
}

#[test]
fn a_machine_with_its_uuid_in_chaddr_is_identified_by_option_97() {
    let mut observations = Observations::new(1);
    let id = b"\0\x33\x22\x11\0\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    let mut discover = Packet::discover().set(97, id);
    discover.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    ask_again(&plan(), &mut observations, &discover.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10", 0);
    let mut request = Packet::request_4011().set(97, id);
    request.header.ciaddr = Ipv4Addr::new(198, 51, 100, 7);
    request.header.hlen = 16;
    request.header.chaddr.copy_from_slice(&id[1..]);
    let octets = request.octets();
    let verdict =
        ask_again(&plan(), &mut observations, &octets, Port::BootServer, "198.51.100.7:4011", "192.0.2.10", 1).0.reply;
    response(verdict);
}

#[test]
fn a_relay_is_answered_at_giaddr_and_only_if_it_is_listed() {
    let mut packet = Packet::discover();
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let relayed = |plan: &Plan, packet: &Packet| {
        ask(plan, &packet.octets(), Port::Dhcp, "203.0.113.5:1067", "192.0.2.10").0.reply
    };
    assert_eq!(response(relayed(&plan(), &packet)).destination.to.to_string(), "198.51.100.1:67", "never the source");
    let other = plan().with_policy(|policy| policy.relays = vec![Ipv4Addr::new(198, 51, 100, 2).into()]);
    assert_eq!(silence(relayed(&other, &packet)), "refused:relay-not-listed");
    for giaddr in
        [[255; 4], [192, 0, 2, 255], [240, 0, 0, 1], [224, 0, 0, 1], [127, 0, 0, 1], [0, 0, 0, 1], [192, 0, 2, 10]]
    {
        packet.header.giaddr = giaddr.into();
        assert_eq!(silence(relayed(&plan(), &packet)), "refused:giaddr", "{giaddr:?}");
    }
}

#[test]
fn a_relay_that_requests_its_source_port_is_answered_there_unless_it_could_do_harm() {
    let mut packet = Packet::discover().set(82, &[19, 0]);
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let octets = packet.octets();
    let from = |port| ask(&plan(), &octets, Port::Dhcp, &format!("198.51.100.1:{port}"), "192.0.2.10").0.reply;
    assert_eq!(response(from(6767)).destination.to.to_string(), "198.51.100.1:6767");
    response(from(67));
    assert_eq!(silence(from(53)), "refused:source-port");
}

#[test]
fn a_packet_from_an_unserved_interface_is_answered_only_if_it_crosses_networks() {
    let ask_off_link = |packet: &Packet, port, from: &str| {
        let links = common::links();
        let octets = packet.octets();
        let (from, to) = (from.parse().unwrap(), SERVER.into());
        let arrival =
            Arrival { datagram: &octets, port, from, to, links: &links, link: 0, via_other_link: true, now: 0 };
        answer(&plan(), &mut Observations::new(1), &arrival, &mut Replies::default()).reply
    };
    let mut packet = Packet::discover();
    assert_eq!(silence(ask_off_link(&packet, Port::Dhcp, "0.0.0.0:68")), "refused:unserved-interface");
    packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    response(ask_off_link(&packet, Port::Dhcp, "198.51.100.1:67"));
    response(ask_off_link(&Packet::request_4011(), Port::BootServer, FROM_4011.0));
}

#[test]
fn on_67_a_client_is_answered_at_its_ciaddr_if_that_is_the_source_address() {
    let mut packet = Packet::discover();
    packet.header.ciaddr = Ipv4Addr::new(192, 0, 2, 50);
    let octets = packet.octets();
    let from = |source| ask(&plan(), &octets, Port::Dhcp, source, "192.0.2.10").0.reply;
    assert_eq!(response(from("192.0.2.50:68")).destination.to.to_string(), "192.0.2.50:68");
    assert_eq!(silence(from("192.0.2.51:68")), "refused:ciaddr");
}

// Limits

/// Returns the request of the machine at 192.0.2.107 to its DHCP server for the address `requested`.
fn request_for_an_address(requested: [u8; 4]) -> Packet {
    Packet::discover().set(53, &[3]).set(50, &requested)
}

#[test]
fn dhcp_vouches_for_an_address_only_if_no_remote_host_can_have_forged_it() {
    let vouched = |plan: &Plan, packet: &Packet, port, (from, to): (&str, &str), address: [u8; 4]| {
        let mut observations = Observations::new(1);
        ask_again(plan, &mut observations, &packet.octets(), port, from, to, 1000);
        let vouched = observations.is_vouched(address.into(), 1000);
        assert!(!observations.is_vouched(address.into(), 1000 + 60 * 60 * 1000), "for an hour");
        assert_eq!(observations.is_vouched(Ipv4Addr::from(address).to_ipv6_mapped().into(), 1000), vouched);
        vouched
    };
    let (local_address, remote_address) = ([192, 0, 2, 107], [198, 51, 100, 7]);
    let (local, remote) = (request_for_an_address(local_address), request_for_an_address(remote_address));
    assert!(vouched(&plan(), &local, Port::Dhcp, FROM_68, local_address));
    assert!(
        !vouched(&plan(), &remote, Port::Dhcp, FROM_68, remote_address),
        "the address is not in a network of this link"
    );
    assert!(
        !vouched(&plan(), &local, Port::Dhcp, ("192.0.2.107:68", "192.0.2.10"), local_address),
        "a unicast can be forged"
    );
    assert!(
        !vouched(&plan(), &Packet::request_4011(), Port::BootServer, FROM_4011, local_address),
        "so can a request on 4011"
    );

    let mut relayed = remote;
    relayed.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
    let to_us = ("198.51.100.1:67", "192.0.2.10");
    let listed = |relay: &str| plan().with_policy(|policy| policy.relays = vec![relay.parse().unwrap()]);
    assert!(!vouched(&plan(), &relayed, Port::Dhcp, to_us, remote_address), "any host can claim to be a relay");
    assert!(!vouched(&listed("198.51.100.2"), &relayed, Port::Dhcp, to_us, remote_address));
    assert!(vouched(&listed("198.51.100.1"), &relayed, Port::Dhcp, to_us, remote_address));
    let another = ("203.0.113.5:67", "192.0.2.10");
    assert!(
        !vouched(&listed("198.51.100.1"), &relayed, Port::Dhcp, another, remote_address),
        "another host in the name of a relay"
    );
    let plan = plan().with_policy(|policy| {
        policy.relays = ["198.51.100.1", "203.0.113.5"].map(|relay| relay.parse().unwrap()).into()
    });
    assert!(vouched(&plan, &relayed, Port::Dhcp, another, remote_address), "a relay that sends from its other address");
}

#[test]
fn a_machine_receives_eight_answers_at_once_and_two_a_second() {
    let mut observations = Observations::new(1);
    let octets = Packet::discover().octets();
    let mut ask_at =
        |now| ask_again(&plan(), &mut observations, &octets, Port::Dhcp, FROM_68.0, FROM_68.1, now).0.reply;
    (0..8).for_each(|_| drop(response(ask_at(0))));
    assert_eq!(silence(ask_at(0)), "refused:too-many-from-client");
    response(ask_at(500));
    assert_eq!(silence(ask_at(500)), "refused:too-many-from-client");
}

#[test]
fn a_boot_storm_behind_one_relay_is_answered_completely_unless_the_operator_limits_it() {
    let storm = |plan: &Plan| {
        let mut observations = Observations::new(1);
        (0..2000u16)
            .filter(|machine| {
                let mut packet = Packet::discover();
                let [high, low] = machine.to_be_bytes();
                packet.header.chaddr = mac([2, 0, 0, 1, high, low]);
                packet.header.giaddr = Ipv4Addr::new(198, 51, 100, 1);
                let asked = ask_again(
                    plan,
                    &mut observations,
                    &packet.octets(),
                    Port::Dhcp,
                    "198.51.100.1:67",
                    "192.0.2.10",
                    0,
                );
                asked.0.reply.is_ok()
            })
            .count()
    };
    assert_eq!(storm(&plan()), 2000);
    assert_eq!(storm(&plan().with_policy(|policy| policy.rate_limit = Some(200))), 200);
}

#[test]
fn a_boot_storm_behind_a_relay_is_remembered_until_the_machines_contact_4011() {
    let mut observations = Observations::new(1);
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
        ask_again(&plan(), &mut observations, &discover.octets(), Port::Dhcp, "198.51.100.1:67", "192.0.2.10", 0);
    }
    let served = (0..8000u16).filter(|&number| {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + u32::from(number));
        let mut request = machine(number, Packet::request_4011());
        request.header.ciaddr = address;
        let from = format!("{address}:4011");
        let octets = request.octets();
        let asked = ask_again(&plan(), &mut observations, &octets, Port::BootServer, &from, "192.0.2.10", 5_000);
        asked.0.reply.is_ok()
    });
    assert_eq!(served.count(), 8000);
}

#[test]
fn one_source_address_cannot_send_requests_to_4011_for_many_machines() {
    let mut observations = Observations::new(1);
    let answered = (0..20u8).filter(|&machine| {
        let mut packet = Packet::request_4011();
        packet.header.chaddr = mac([2, 0, 0, 1, 0, machine]);
        let asked =
            ask_again(&plan(), &mut observations, &packet.octets(), Port::BootServer, FROM_4011.0, FROM_4011.1, 0);
        asked.0.reply.is_ok()
    });
    assert_eq!(answered.count(), 8);
}

#[test]
fn every_architecture_of_the_registry_is_known() {
    for code in 0..42u16 {
        let loader = Loader { name: "x".into(), path: None };
        let plan = plan().with_offer(|offer| offer.loaders = [(Arch(code).base(), loader)].into());
        let class = if Arch(code).transport() == Some(proxydhcpd_core::arch::Transport::Http) {
            "HTTPClient"
        } else {
            "PXEClient"
        };
        let packet = Packet::discover().set(93, &code.to_be_bytes()).set(60, class.as_bytes());
        let (answer, _) = ask(&plan, &packet.octets(), Port::Dhcp, FROM_68.0, FROM_68.1);
        assert_eq!(answer.client.unwrap().arch, Arch(code));
    }
}

/// The probe runs on the host of the server, and sends from an address of that host.
#[test]
fn only_the_probe_is_answered_from_an_address_of_the_server() {
    let from = |packet: &Packet| ask(&plan(), &packet.octets(), Port::Dhcp, &format!("{SERVER}:68"), FROM_68.1).0.reply;
    let mut probe = Packet::discover();
    assert_eq!(silence(from(&probe)), "refused:source");
    probe.header.chaddr[..6].copy_from_slice(&PROBE_MAC);
    assert_eq!(response(from(&probe)).destination.to.to_string(), "255.255.255.255:68");
    probe.header.giaddr = SERVER;
    assert_eq!(response(from(&probe)).destination.to.to_string(), format!("{SERVER}:67"));
    let mut relayed = Packet::discover();
    relayed.header.giaddr = SERVER;
    assert_eq!(silence(ask_67(&plan(), &relayed)), "refused:giaddr");
}
