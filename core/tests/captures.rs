//! Tests the server's reply to each packet in captures of real firmware. Most captures end where iPXE starts.

mod common;

use common::capture::{Datagram, capture};
use common::{GROUP, ask, capture, plan};
use proxydhcpd_core::answer::{Replies, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network6};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::wire::dhcp6::Packet;

#[test]
fn real_firmware_receives_its_loader_and_real_ipxe_its_script() {
    let cases = [
        ("bios-ipxe-rom-2019", &["http://192.0.2.10:8080/boot.ipxe"][..]),
        ("uefi-x64-2022-then-ipxe-2025", &["ipxe.efi"]),
        ("uefi-x64-2025-then-ipxe-2025", &["ipxe.efi"]),
        ("uefi-arm64-2025-then-ipxe-2025", &["ipxe-arm64.efi"]),
        ("uefi-arm64-2025-no-answer", &["ipxe-arm64.efi"]),
        ("uefi-ia32-2022-no-answer", &["ipxe-ia32.efi", "http://192.0.2.10:8080/ipxe-ia32.efi"]),
        ("uefi-arm32-2022-no-answer", &["ipxe-arm32.efi", "http://192.0.2.10:8080/ipxe-arm32.efi"]),
        ("ipxe-riscv64-2025", &["http://192.0.2.10:8080/boot.ipxe"]),
        ("ipxe-loongarch64-2025", &["http://192.0.2.10:8080/boot.ipxe"]),
        ("http-boot-x64-2022", &["http://192.0.2.10:8080/ipxe.efi"]),
        ("secure-boot-shim-grub-x64-2022", &["ipxe.efi"]),
        ("uefi-x64-2022-ipv6-first-no-answer", &["http://192.0.2.10:8080/ipxe.efi"]),
    ];
    for (name, expected) in cases {
        let mut files: Vec<String> = Vec::new();
        let to_67 = |datagram: &&Datagram| datagram.from.port() != 67 && datagram.to.port() == 67;
        for Datagram { from, to, payload } in capture(name).iter().filter(to_67) {
            let (answer, _) = ask(&with_arm32(), payload, Port::Dhcp, &from.to_string(), &to.ip().to_string());
            if let Ok(response) = answer.reply {
                files.push(response.boot.file.to_string());
            }
        }
        files.dedup();
        assert_eq!(files, expected, "{name}");
    }
}

#[test]
fn no_request_to_the_dhcp_server_and_no_servers_message_is_answered() {
    let mut ignored = 0;
    for name in capture::names() {
        for datagram in capture(&name).iter().filter(|datagram| matches!(datagram.to.port(), 67 | 68)) {
            let kind =
                datagram.payload.windows(3).skip(240).find(|window| window[..2] == [53, 1]).map(|window| window[2]);
            if kind == Some(1) {
                continue;
            }
            ignored += 1;
            let from = datagram.from.to_string();
            let (answer, _) = ask(&plan(), &datagram.payload, Port::Dhcp, &from, "255.255.255.255");
            assert!(answer.reply.is_err(), "{name}: {:?}", answer.reply);
        }
    }
    assert!(ignored > 20, "{ignored} packets");
}

#[test]
fn real_firmware_boots_over_ipv6_and_its_own_address_configuration_is_ignored() {
    // First, the IPv6 stack requests an address. Then the PXE driver requests another address, and what to boot.
    let discovery =
        ["ignored:no-vendor-class", "ignored:no-vendor-class", "ADVERTISE PXEClient to [fe80::5054:ff:fe77:10%2]:546"];
    // The firmware accepts the answer of the test network's server, and releases its addresses at the end.
    let release = ["ignored:message", "ignored:no-vendor-class", "ignored:no-vendor-class"];
    for (name, expected) in [
        ("uefi-x64-2022-ipv6-first-no-answer", discovery.to_vec()),
        ("ipv6-pxe-x64-2022-managed-59-in-advertise", [discovery, release].concat()),
    ] {
        let mut outcomes = Vec::new();
        for Datagram { from, payload, .. } in capture(name).iter().filter(|datagram| datagram.to.port() == 547) {
            let (answer, sent) = ask(&plan(), payload, Port::Dhcp, &from.to_string(), GROUP);
            match answer.reply {
                Err(silence) => outcomes.push(silence.label().to_string()),
                Ok(_) => outcomes.extend(sent.iter().map(summary6)),
            }
        }
        assert_eq!(outcomes, expected, "{name}");
    }
}

/// The request comes from the address of the IPv6 stack, fd77::179, and the firmware listens on the address of its PXE
/// driver, fd77::1b3 (protocol.md L:c1, L:c2).
#[test]
fn firmware_in_a_managed_network_is_answered_at_the_address_that_it_listens_on() {
    let network = |address: &str| Network6 { address: address.parse().unwrap(), prefix: 64 };
    let ipv6 = vec![network("fd77::2"), network("fe80::1818:5dff:fecb:84b1")];
    let links = [Link { ipv6, ..common::links().remove(0) }];
    let mut plan = plan();
    plan.offer_mut().dhcp6.duid = b"\0\x03\0\x01\x1a\x18\x5d\xcb\x84\xb1".to_vec();
    let (mut observations, mut replies, mut lines) = (Observations::new(1), Replies::default(), Vec::new());
    for Datagram { from, to, payload } in capture("ipv6-pxe-x64-2022-managed-59-in-advertise") {
        let port = match to.port() {
            547 => Port::Dhcp,
            4011 => Port::BootServer,
            _ => continue,
        };
        let (datagram, to) = (&payload[..], to.ip());
        let arrival = Arrival { datagram, port, from, to, links: &links, link: 0, via_other_link: false, now: 0 };
        answer(&plan, &mut observations, &arrival, &mut replies);
        lines.extend(replies.iter().map(|(octets, to)| summary6(&(octets.to_vec(), to))));
    }
    let expected = [
        "ADVERTISE PXEClient to [fe80::5054:ff:fe77:10%2]:546",
        "REPLY tftp://[fd77::2]/ipxe.efi to [fd77::179]:4011",
        "REPLY tftp://[fd77::2]/ipxe.efi to [fd77::1b3]:4011",
    ];
    assert_eq!(lines, expected);
}

/// Returns a reply as one line: its URL, or its class if there is no URL, and its destination.
fn summary6((octets, to): &(Vec<u8>, Destination)) -> String {
    let message = Packet::parse(octets).unwrap().message;
    let text = message.option(59).or_else(|| message.vendor_classes().next()).unwrap();
    format!("{} {} to {}", message.message_type, std::str::from_utf8(text).unwrap(), to.to)
}

fn with_arm32() -> Plan {
    let mut plan = plan();
    plan.offer_mut().loaders.insert(Arch(10), Loader { name: "ipxe-arm32.efi".into(), path: Some("/x".into()) });
    plan
}
