//! What real firmware sent in the lab, packet by packet: what we say to it today. (Most captures end where iPXE
//! begins.)

mod common;

use common::{ask, plan};
use proxydhcpd_core::answer::Verdict;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::plan::{Loader, Plan};
use std::net::Ipv4Addr;
use std::path::Path;

/// A UDP datagram of a capture.
struct Datagram {
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    payload: Vec<u8>,
}

#[test]
fn real_firmware_is_given_its_loader_and_real_ipxe_its_script() {
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
    ];
    for (name, expected) in cases {
        let mut given: Vec<String> = Vec::new();
        for datagram in capture(name).iter().filter(|datagram| datagram.from.1 != 67 && datagram.to.1 == 67) {
            let from = format!("{}:{}", datagram.from.0, datagram.from.1);
            let to = datagram.to.0.to_string();
            let (answer, _) = ask(&with_arm32(), &datagram.payload, Port::Dhcp, &from, &to);
            if let Verdict::Respond(response) = answer.verdict {
                given.push(response.boot.file);
            }
        }
        given.dedup();
        assert_eq!(given, expected, "{name}");
    }
}

#[test]
fn every_request_to_the_primary_and_every_answer_of_a_server_meets_silence() {
    let mut heard = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) =
            path.file_stem().and_then(|stem| stem.to_str()).filter(|_| path.extension().is_some_and(|e| e == "pcap"))
        else {
            continue;
        };
        for datagram in capture(name).iter().filter(|datagram| matches!(datagram.to.1, 67 | 68)) {
            let kind =
                datagram.payload.windows(3).skip(240).find(|window| window[..2] == [53, 1]).map(|window| window[2]);
            if kind == Some(1) {
                continue;
            }
            heard += 1;
            let from = format!("{}:{}", datagram.from.0, datagram.from.1);
            let (answer, _) = ask(&plan(), &datagram.payload, Port::Dhcp, &from, "255.255.255.255");
            assert!(matches!(answer.verdict, Verdict::Silent(_)), "{name}: {:?}", answer.verdict);
        }
    }
    assert!(heard > 20, "{heard} packets");
}

fn with_arm32() -> Plan {
    let mut plan = plan();
    plan.loaders.insert(Arch(10), Loader { name: "ipxe-arm32.efi".into(), path: Some("/x".into()) });
    plan
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/captures"))
}

/// The classic pcap format with Ethernet frames, little endian as tcpdump wrote it here; IPv4 and UDP without options.
fn capture(name: &str) -> Vec<Datagram> {
    let file = std::fs::read(folder().join(name).with_extension("pcap")).unwrap();
    assert_eq!(file[..4], 0xa1b2_c3d4u32.to_le_bytes(), "{name}: not a little-endian pcap with microseconds");
    let mut rest = &file[24..];
    let mut datagrams = Vec::new();
    while rest.len() >= 16 {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        datagrams.extend(datagram(&rest[16..16 + length]));
        rest = &rest[16 + length..];
    }
    datagrams
}

fn datagram(frame: &[u8]) -> Option<Datagram> {
    let is_udp4 = frame.get(12..14)? == [8, 0] && frame.get(14)? == &0x45 && frame.get(23)? == &17;
    let udp = frame.get(34..).filter(|_| is_udp4)?;
    let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    let address = |at: usize| Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]);
    let payload = udp.get(8..usize::from(port(4)))?.to_vec();
    Some(Datagram { from: (address(26), port(0)), to: (address(30), port(2)), payload })
}
