//! Answers to DHCP packets, each from another machine.

use proxydhcpd_core::answer::{Replies, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4, Network6};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{Ipv6Services, Loader, Offer, TftpServer};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;

const WARM_UP: u8 = 20;
const MACHINES: u8 = 200;
/// The last octet of the address of the first machine; those below it are the server's.
const FIRST_ADDRESS: u8 = 20;

/// Answers the packet of this vector from many machines. Returns their number.
pub fn run(vector: &str) -> usize {
    let path = format!("{}/../../core/testdata/vectors/{vector}.json", env!("CARGO_MANIFEST_DIR"));
    let value: Value = serde_json::from_slice(&fs::read(path).expect("a vector")).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let address = |name: &str| text(&value["transport"][name]).parse::<SocketAddr>().expect("an address");
    let (from, to) = (address("src"), address("dst"));
    let port = if to.port() == 4011 { Port::BootServer } else { Port::Dhcp };
    let (plan, links) = (plan(), links());
    let (mut observations, mut replies) = (Observations::new(1), Replies::default());
    let mut packet = octets(&text(&value["hex"]));
    let mut from = from;
    let mut answer_machine = |number: u8| {
        set_machine(&mut packet, &mut from, number);
        let arrival = Arrival {
            datagram: &packet,
            port,
            from,
            to: to.ip(),
            links: &links,
            link: 0,
            via_other_link: false,
            now: u64::from(number),
        };
        let reply = answer(&plan, &mut observations, &arrival, &mut replies).reply;
        assert!(reply.is_ok(), "{vector}: {reply:?}");
    };
    (0..WARM_UP).for_each(&mut answer_machine);
    crate::measured(|| (WARM_UP..WARM_UP + MACHINES).for_each(&mut answer_machine));
    MACHINES.into()
}

/// Changes the last octet of what identifies the machine, and of the address from which it sends to port 4011.
fn set_machine(packet: &mut [u8], from: &mut SocketAddr, number: u8) {
    match from {
        SocketAddr::V4(from) => {
            packet[33] = number;
            if from.port() == 4011 {
                from.set_ip([192, 0, 2, FIRST_ADDRESS + number].into());
                packet[12..16].copy_from_slice(&from.ip().octets());
            }
        }
        SocketAddr::V6(from) => {
            // Option 1 with a DUID of 18 octets.
            let duid = packet.windows(4).position(|window| window == [0, 1, 0, 18]).expect("a DUID");
            packet[duid + 21] = number;
            if from.port() == 4011 {
                from.set_ip([0xfe80, 0, 0, 0, 0, 0, 0, (FIRST_ADDRESS + number).into()].into());
            }
        }
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).expect("a hexadecimal digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

/// The link of the vectors.
fn links() -> Vec<Link> {
    let network6 = |address: &str| Network6 { address: address.parse().expect("an address"), prefix: 64 };
    vec![Link {
        index: 2,
        name: "eth0".into(),
        mtu: 1500,
        ipv4: vec![Network4 { address: [192, 0, 2, 10].into(), prefix: 24 }],
        ipv6: vec![network6("2001:db8::10"), network6("fe80::10")],
    }]
}

/// The plan of a server without a configuration.
fn plan() -> Plan {
    let loader =
        |code, name: &str| (Arch(code), Loader { name: name.into(), path: Some(format!("/usr/lib/ipxe/{name}")) });
    Plan {
        offer: Offer {
            tftp: Some(TftpServer::Local),
            http: Some(80),
            boot_server: true,
            loaders: [loader(0, "undionly.kpxe"), loader(7, "snponly.efi")].into(),
            dhcp6: Ipv6Services {
                duid: [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10].into(),
                boot_server: true,
                tftp: true,
                ..Ipv6Services::default()
            },
            ..Offer::default()
        }
        .into(),
        ..Plan::default()
    }
}
