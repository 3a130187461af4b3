//! Many faults at the same time, each with its own verdict: every pair of them occurs at once. The rules of the
//! firewall, the options of the DHCP server and the profiles concern one machine each, so that no fault hides another.

use super::common::server::vector;
use super::network::{Network, mac_of};
use proxydhcpd_player::kinds::by_name;
use proxydhcpd_testbed::wait_up_to;
use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

cases![twelve_faults_at_once_have_twelve_verdicts_each_about_its_machine,];

const SEED: u64 = 9;

/// The faults of x64 UEFI machines, by their number: what is done to the machine, and its verdict.
const FAULTS: [(Fault, &str); 9] = [
    (Fault::Firewall("input", "ip saddr MACHINE udp dport 69 drop"), "tftp-requests-blocked"),
    (Fault::Firewall("output", "ip daddr MACHINE udp sport 4011 drop"), "reply-blocked"),
    (Fault::Firewall("output", "ip daddr MACHINE udp sport 4012-65535 drop"), "tftp-replies-blocked"),
    (Fault::Firewall("output", "ip daddr MACHINE udp length > 1400 drop"), "tftp-blocks-lost"),
    (Fault::NoAddress, "no-address"),
    (Fault::Profile("kernel = \"gone/linux\""), "file-unreadable"),
    (Fault::Profile("script = \"broken.ipxe\""), "template-failed"),
    (Fault::Profile("script = \"chains.ipxe\""), "file-missing"),
    (Fault::Profile("script = \"wrong.ipxe\""), "script-error"),
];

#[derive(Clone, Copy)]
enum Fault {
    /// A rule in this hook of the server's firewall.
    Firewall(&'static str, &'static str),
    /// The DHCP server ignores the machine.
    NoAddress,
    /// The machine's profile has these lines.
    Profile(&'static str),
}

/// The MAC address and the IP address of a machine, and the options of the DHCP server for it.
fn mac(number: usize) -> String {
    mac_of("uefi-x64", SEED, number as u16)
}

fn address(number: usize) -> String {
    format!("10.77.20.{number}")
}

fn twelve_faults_at_once_have_twelve_verdicts_each_about_its_machine() {
    let (mut site, mut options) = (super::network::SITE.to_owned(), String::new());
    for (number, (fault, _)) in (1..).zip(FAULTS) {
        let (mac, ip) = (mac(number), address(number));
        options += &match fault {
            Fault::NoAddress => format!("--dhcp-host={mac},ignore "),
            _ => format!("--dhcp-host={mac},{ip} "),
        };
        if let Fault::Profile(lines) = fault {
            site += &format!("[profile.fault{number}]\n{lines}\n");
            site += &format!("[[rule]]\nname = \"{number}\"\nmac = [\"{mac}\"]\nprofile = \"fault{number}\"\n");
        }
    }
    let templates = [
        ("chains.ipxe", "#!ipxe\nchain gone.ipxe\n"),
        ("wrong.ipxe", "#!ipxe\nkernl linux\n"),
        ("broken.ipxe", "#!ipxe\nkernel {{ gone }}\n"),
    ];
    let network = Network::with_templates(&site, Some(&options), &templates);
    fs::remove_file(network.server.boot.path().join("ipxe-arm64.efi")).unwrap();
    // Without this, the kernel passes several blocks as one packet, which the rule does not match.
    network.host.run("ip link set eth0 gso_max_segs 1\nip route add 198.51.100.0/24 via 10.77.0.3");
    network.player.run("ip address add 198.51.100.7/24 dev eth0\nip address add 203.0.113.1/32 dev eth0");
    network.reload();
    for (number, (fault, _)) in (1..).zip(FAULTS) {
        if let Fault::Firewall(hook, rule) = fault {
            network.firewall(hook, &rule.replace("MACHINE", &address(number)));
        }
    }

    // Two machines from relays: one whose relay has no route, and one whose relay does not forward to this server.
    let mut relayed = vector("ovmf-x64-discover");
    relayed[24..28].copy_from_slice(&[203, 0, 113, 1]);
    let relay = network.player.on(|| UdpSocket::bind("203.0.113.1:67").unwrap());
    relay.send_to(&relayed, "10.77.0.2:67").unwrap();
    let mut request = vector("ovmf-x64-request-4011");
    request[12..16].copy_from_slice(&[198, 51, 100, 7]);
    request[33] ^= 0x40;
    let routed = network.player.on(|| UdpSocket::bind("198.51.100.7:4011").unwrap());
    routed.send_to(&request, "10.77.0.2:4011").unwrap();

    // The last x64 machine boots.
    let machines = FAULTS.len() + 1;
    let booted = std::thread::scope(|scope| {
        let arm = scope.spawn(|| network.boots("uefi-arm64", SEED));
        let booted = network.play(vec![by_name("uefi-x64").unwrap()], machines, SEED);
        assert!(!arm.join().unwrap());
        booted
    });
    assert_eq!(booted, 1, "{}", network.server.log());
    let mut expected: BTreeMap<&str, String> =
        (1..).zip(FAULTS).map(|(number, (_, code))| (code, mac(number))).collect();
    expected.insert("loader-missing", mac_of("uefi-arm64", SEED, 1));
    expected.insert("relay-unreachable", "203.0.113.1".to_owned());
    expected.insert("relay-not-forwarding", "198.51.100.7".to_owned());
    let is_complete = || (network.verdicts().len() >= expected.len()).then_some(());
    wait_up_to(Duration::from_secs(150), "the verdicts", is_complete);
    let found = network.verdicts();
    for (code, part) in &expected {
        let lines: Vec<_> = found.iter().filter(|line| line.code == *code).collect();
        assert!(lines.len() == 1 && lines[0].text.contains(part.as_str()), "{code} of {part}: {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}
