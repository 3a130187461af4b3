//! The attacks: a row each.

use crate::attacker::Attacker;
use crate::common::ipv6::ALL_SERVERS_AND_RELAYS;
use crate::common::packets::packet;
use crate::common::server::vector;
use nix::sys::signal::Signal;
use proxydhcpd_player::random::Random;
use proxydhcpd_testbed::raw::frame6;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::LazyLock;
use std::time::Duration;

/// How the attacked server is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// As it is without a setting.
    Default,
    /// All transfers over TFTP use port 69.
    SinglePort,
}

/// An attack.
pub struct Attack {
    /// The name of its test.
    pub name: &'static str,
    /// The action of the attacker, for the table of the documentation.
    pub what: &'static str,
    pub setting: Setting,
    /// How often the attacker does it in a second; 0 for no attack.
    pub rate: u32,
    /// Does it once, for the time with this number.
    pub send: fn(&Attacker<'_>, u32),
    /// The most octets that the server sends for each octet that it receives; `None` if the attacker cannot forge its
    /// address, because it uses TCP, or sends nothing.
    pub max_factor: Option<f64>,
    /// The most memory that the server needs more after the attack, in MiB.
    pub max_growth: u64,
    pub honest: Honest,
}

/// The machines that ask for a boot meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honest {
    /// A new machine every 50 ms.
    Many,
    /// The machine whose MAC address the attacker forges, twice a second.
    Victim,
}

impl Honest {
    /// The time between two requests.
    pub fn every(self) -> Duration {
        match self {
            Honest::Many => Duration::from_millis(50),
            Honest::Victim => Duration::from_millis(500),
        }
    }
}

/// The MAC address of the machine whose boots an attacker tries to prevent.
pub const VICTIM: [u8; 6] = [2, 0x51, 0, 0, 0, 1];

/// The row from which all others differ.
const ROW: Attack = Attack {
    name: "no_attack",
    what: "nothing",
    setting: Setting::Default,
    rate: 0,
    send: |_, _| {},
    max_factor: None,
    max_growth: 24,
    honest: Honest::Many,
};

/// DHCP amplifies at most 1.9 times (docs/security.md), and the ARP requests for absent hosts come on top.
const DHCP_FACTOR: Option<f64> = Some(2.0);

pub static ATTACKS: &[Attack] = &[
    ROW,
    Attack {
        name: "discovers_of_new_machines",
        what: "DISCOVERs, each with a new MAC address",
        rate: 5000,
        send: |attacker, number| attacker.broadcast(&discover(mac(number), number)),
        max_factor: DHCP_FACTOR,
        ..ROW
    },
    Attack {
        name: "discovers_of_one_machine",
        what: "DISCOVERs with one MAC address",
        rate: 5000,
        send: |attacker, number| attacker.broadcast(&discover(mac(0), number)),
        max_factor: DHCP_FACTOR,
        ..ROW
    },
    Attack {
        name: "discovers_of_operating_systems",
        what: "DISCOVERs of operating systems",
        rate: 5000,
        send: |attacker, number| attacker.broadcast(&os_discover(number)),
        max_factor: Some(0.1),
        ..ROW
    },
    Attack {
        name: "junk",
        what: "random octets to ports 67, 4011, 69 and 547",
        rate: 5000,
        send: junk,
        max_factor: Some(1.0),
        ..ROW
    },
    Attack {
        name: "a_victims_mac_address",
        what: "relayed DISCOVERs with the MAC address of a machine that boots",
        rate: 100,
        send: |attacker, number| {
            let relay = attacker.addresses.attacker;
            attacker.send(relay, 67, 67, &relayed(VICTIM, number, relay.octets()));
        },
        max_factor: DHCP_FACTOR,
        honest: Honest::Victim,
        ..ROW
    },
    Attack {
        name: "absent_relays",
        what: "relayed DISCOVERs, by broadcast, of 120 relays that are gone",
        rate: 500,
        send: |attacker, number| {
            let relay = attacker.addresses.absent(0, number).octets();
            attacker.broadcast(&relayed(mac(number), number, relay));
        },
        max_factor: DHCP_FACTOR,
        ..ROW
    },
    Attack {
        name: "bursts_of_absent_relays",
        what: "the same, 5,000 at once",
        rate: 1,
        send: |attacker, number| {
            for each in (0..5000).map(|each| number.wrapping_mul(5000).wrapping_add(each)) {
                let relay = attacker.addresses.absent(0, each).octets();
                attacker.broadcast(&relayed(mac(each), each, relay));
            }
        },
        max_factor: DHCP_FACTOR,
        ..ROW
    },
    Attack {
        name: "unicast_of_absent_relays",
        what: "relayed DISCOVERs, by unicast, from the addresses of relays that are gone",
        rate: 500,
        send: |attacker, number| {
            let relay = attacker.addresses.absent(0, number);
            attacker.send(relay, 67, 67, &relayed(mac(number), number, relay.octets()));
        },
        max_factor: DHCP_FACTOR,
        ..ROW
    },
    Attack {
        name: "boot_server_requests_of_absent_machines",
        what: "requests to port 4011 from forged addresses that no host has",
        rate: 500,
        send: |attacker, number| {
            let from = attacker.addresses.absent(1, number);
            attacker.send(from, 4011, 4011, &packet(3, mac(number), number, from.octets(), [0; 4]));
        },
        max_factor: DHCP_FACTOR,
        ..ROW
    },
    Attack {
        name: "solicits_of_absent_machines",
        what: "SOLICITs from forged link-local addresses that no host has",
        rate: 500,
        send: solicit,
        max_factor: Some(4.0),
        ..ROW
    },
    Attack {
        name: "forged_reads",
        what: "read requests over TFTP from forged addresses, never acknowledged",
        rate: 2000,
        send: |attacker, number| {
            let from = attacker.addresses.off_link(number);
            attacker.send(from, 2070, 69, &read("big.bin", &WINDOW));
        },
        max_factor: Some(4.0),
        // Some 14,000 transfers, which end after seven seconds.
        max_growth: 48,
        ..ROW
    },
    Attack {
        name: "forged_reads_of_a_missing_file",
        what: "the same for a file that does not exist",
        rate: 2000,
        send: |attacker, number| attacker.send(attacker.addresses.off_link(number), 2070, 69, &read("missing", &[])),
        // The repeats of the transfers before come on top.
        max_factor: Some(4.0),
        ..ROW
    },
    Attack {
        name: "blind_acknowledgements",
        what: "with `single-port`: a forged read request, then 500 forged ACKs",
        setting: Setting::SinglePort,
        rate: 1000,
        send: |attacker, number| {
            let from = attacker.addresses.off_link(number / 500);
            match number % 500 {
                0 => attacker.send(from, 2070, 69, &read("big.bin", &WINDOW)),
                after => attacker.send(from, 2070, 69, &[&[0, 4][..], &(after as u16 - 1).to_be_bytes()].concat()),
            }
        },
        max_factor: Some(53.0),
        ..ROW
    },
    Attack {
        name: "reads_of_absent_machines",
        what: "with `single-port`: read requests from forged addresses on the link that no host has",
        setting: Setting::SinglePort,
        rate: 500,
        send: |attacker, number| {
            attacker.send(attacker.addresses.absent(1, number), 2000 + number as u16, 69, &read("big.bin", &[]));
        },
        max_factor: Some(4.0),
        ..ROW
    },
    Attack {
        name: "downloads_that_are_never_read",
        what: "1,500 downloads over HTTP that are never read",
        rate: 1500,
        send: |attacker, number| attacker.connect(number, b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n"),
        max_growth: 300,
        ..ROW
    },
    Attack {
        name: "heads_that_never_end",
        what: "1,500 connections with half a request",
        rate: 1500,
        send: |attacker, number| attacker.connect(number, b"GET /big.bin HTTP/1.1\r\nHost: x\r\nX"),
        max_growth: 64,
        ..ROW
    },
    Attack {
        name: "connections_without_a_request",
        what: "1,500 connections without a request",
        rate: 1500,
        send: |attacker, number| attacker.connect(number, b""),
        max_growth: 64,
        ..ROW
    },
    Attack {
        name: "a_storm_of_reloads",
        what: "SIGHUP",
        rate: 100,
        send: |attacker, _| attacker.server.signal(Signal::SIGHUP),
        ..ROW
    },
    Attack {
        name: "broken_configurations",
        what: "SIGHUP after the configuration was replaced by one that is broken",
        rate: 10,
        send: |attacker, number| match number % 4 {
            0 => attacker.configure(b"default-profile = \"gone\""),
            1 => attacker.configure(&[0xff; 1000]),
            2 => attacker.configure(&[b'['; 100_000]),
            _ => attacker.configure(b"[machine.\"half"),
        },
        ..ROW
    },
];

const WINDOW: [(&str, &str); 2] = [("blksize", "1468"), ("windowsize", "64")];

/// A MAC address for each number.
fn mac(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 0x52, a, b, c, d]
}

fn discover(machine: [u8; 6], number: u32) -> Vec<u8> {
    packet(1, machine, number, [0; 4], [0; 4])
}

fn relayed(machine: [u8; 6], number: u32, relay: [u8; 4]) -> Vec<u8> {
    packet(1, machine, number, [0; 4], relay)
}

/// A DISCOVER without a vendor class, as an operating system may send it.
fn os_discover(number: u32) -> Vec<u8> {
    let mut packet = discover(mac(number), number);
    packet.truncate(243);
    packet.push(255);
    packet.resize(300, 0);
    packet
}

fn junk(attacker: &Attacker<'_>, number: u32) {
    let mut random = Random::new(number.into());
    let octets: Vec<u8> = (0..20).flat_map(|_| random.octets()).collect();
    let from = attacker.addresses.off_link(number);
    match number % 4 {
        0 => attacker.broadcast(&octets),
        1 => attacker.send(from, 4011, 4011, &octets),
        2 => attacker.send(from, 2070, 69, &octets),
        _ => attacker.send_frame(&frame6(&link_local(number), &ALL_SERVERS, &octets)),
    }
}

const ALL_SERVERS: SocketAddrV6 = SocketAddrV6::new(ALL_SERVERS_AND_RELAYS, 547, 0, 0);

fn link_local(number: u32) -> SocketAddrV6 {
    let low = (number % 120) as u16;
    SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x51, 0, low), 546, 0, 0)
}

fn solicit(attacker: &Attacker<'_>, number: u32) {
    static SOLICIT: LazyLock<Vec<u8>> = LazyLock::new(|| vector("ovmf-pxe6-solicit"));
    let mut packet = SOLICIT.clone();
    // The transaction ID.
    packet[1..4].copy_from_slice(&number.to_be_bytes()[1..]);
    attacker.send_frame(&frame6(&link_local(number), &ALL_SERVERS, &packet));
}

/// A read request with options.
fn read(name: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = format!("\0\x01{name}\0octet\0").into_bytes();
    for (name, value) in options {
        packet.extend(format!("{name}\0{value}\0").into_bytes());
    }
    packet
}
