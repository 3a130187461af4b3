//! The honest machines: how long they wait for an offer, and whether they boot.

use crate::common::server::vector;
use crate::network::{FIRST_MACHINE, LAST_MACHINE};
use crate::table::{Honest, VICTIM};
use proxydhcpd_player::driver::{self, Run};
use proxydhcpd_player::kinds::by_name;
use proxydhcpd_player::play::Timing;
use proxydhcpd_player::report::Report;
use proxydhcpd_testbed::raw::RawSocket;
use socket2::{SockFilter, SockRef};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

/// The time after which a firmware repeats its DISCOVER (protocol.md 2.10): no machine may have to.
pub const RETRY: Duration = Duration::from_secs(4);
/// The time after which a machine gives up.
const GIVES_UP: Duration = Duration::from_secs(10);

/// The waits of the honest machines.
#[derive(Debug, Default)]
pub struct Waits {
    pub asked: usize,
    /// How long each machine waited for its offer, from its first DISCOVER on, in order.
    pub waits: Vec<Duration>,
}

impl Waits {
    /// The longest wait; [`GIVES_UP`] if a machine was not answered.
    pub fn longest(&self) -> Duration {
        if self.waits.len() < self.asked { GIVES_UP } else { self.waits.last().copied().unwrap_or_default() }
    }

    /// The wait that 99% of the machines do not exceed.
    pub fn percentile_99(&self) -> Duration {
        let index = (self.asked * 99).div_ceil(100).saturating_sub(1);
        self.waits.get(index).copied().unwrap_or(GIVES_UP)
    }
}

/// A machine that has asked.
struct Asker {
    number: u32,
    first: Instant,
    has_repeated: bool,
    wait: Option<Duration>,
}

/// The first two octets of the MAC addresses of these machines.
const PREFIX: [u8; 2] = [2, 0x51];

/// Lets machines send DISCOVERs during this time, and waits for their offers. Call it on their host.
pub fn ask(honest: Honest, during: Duration) -> Waits {
    let wire = RawSocket::open();
    let socket = SockRef::from(&wire);
    socket.attach_filter(&replies_to_these_machines()).unwrap();
    let began = Instant::now();
    let (mut askers, mut next) = (Vec::<Asker>::new(), began);
    loop {
        let now = Instant::now();
        if now < began + during && now >= next {
            askers.push(Asker { number: askers.len() as u32, first: now, has_repeated: false, wait: None });
            send(&wire, honest, askers.len() as u32 - 1);
            next += honest.every();
        }
        for asker in askers.iter_mut().filter(|asker| asker.wait.is_none() && now > asker.first + RETRY) {
            if !std::mem::replace(&mut asker.has_repeated, true) {
                send(&wire, honest, asker.number);
            }
        }
        for reply in wire.received_so_far() {
            let number = u32::from_be_bytes(reply.payload[4..8].try_into().unwrap());
            let asker = askers.iter_mut().find(|asker| asker.number == number);
            if let Some(asker) = asker.filter(|asker| asker.wait.is_none()) {
                asker.wait = Some(asker.first.elapsed());
            }
        }
        let is_done = askers.iter().all(|asker| asker.wait.is_some()) || now > began + during + GIVES_UP;
        if now >= began + during && is_done {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let mut waits: Vec<Duration> = askers.iter().filter_map(|asker| asker.wait).collect();
    waits.sort();
    Waits { asked: askers.len(), waits }
}

/// The DISCOVER of a machine, as OVMF sends it. The transaction ID is the number of the machine.
fn send(wire: &RawSocket, honest: Honest, number: u32) {
    let mut packet = vector("ovmf-x64-discover");
    packet[4..8].copy_from_slice(&number.to_be_bytes());
    let [.., high, low] = number.to_be_bytes();
    let mac = match honest {
        Honest::Many => [PREFIX[0], PREFIX[1], 1, 0, high, low],
        Honest::Victim => VICTIM,
    };
    packet[28..34].copy_from_slice(&mac);
    let uuid = packet.windows(3).position(|window| window == [97, 17, 0]).unwrap() + 3;
    packet[uuid + 10..uuid + 16].copy_from_slice(&mac);
    let (from, to) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    wire.send(&SocketAddrV4::new(from, 68), &SocketAddrV4::new(to, 67), &packet);
}

/// A filter (Linux, filter.rst) that accepts messages to the MAC addresses of these machines: in a flood, the others
/// would fill the receive buffer.
fn replies_to_these_machines() -> [SockFilter; 4] {
    const LOAD_HALF: u16 = 0x28;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 6;
    // The headers of Ethernet, IPv4 and UDP, and the message before `chaddr`.
    let chaddr = 14 + 20 + 8 + 28;
    [
        SockFilter::new(LOAD_HALF, 0, 0, chaddr),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, u16::from_be_bytes(PREFIX).into()),
        SockFilter::new(RETURN, 0, 0, 0x40000),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Boots machines of several kinds, `each` of them, one after the other, without the waits of firmware on which no
/// server depends. Call it on their host. `run` makes their identities unique.
pub fn boot(each: usize, run: u32) -> Report {
    let kinds: Vec<_> = ["bios", "uefi-x64", "uefi-http", "ipxe-card-uefi"].map(|name| by_name(name).unwrap()).into();
    let machines = each * kinds.len();
    let first = Ipv4Addr::from(u32::from(FIRST_MACHINE) + 64 * run);
    let timing = Timing { hurries: true, restart: Duration::from_secs(1), limit: Duration::from_secs(30) };
    let run = Run {
        interface: "eth0".into(),
        kinds,
        machines,
        at_once: 1,
        seed: run.into(),
        relay: None,
        assigned: Some(first..=LAST_MACHINE),
        timing,
    };
    driver::run(&run).unwrap()
}
