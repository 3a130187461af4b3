//! Sends the packets of the probe, slowly, and collects the replies.
//!
//! The probe has no socket on a port of DHCP: it must not take packets from the DHCP client or server of this host. Raw
//! sockets send, with an address of this host as source, so that servers on this host receive a copy. Packet sockets
//! receive, also replies to an address that this host does not have. Both need CAP_NET_RAW.

use super::heard::{self, Heard};
use super::role::{Path, Role};
use crate::cli::progress::Progress;
use crate::net::packet::{self, PacketSocket};
use crate::net::reply::Reply;
use crate::net::sys::{ReceiveBatch, SendBatch};
use crate::net::udp6::ALL_SERVERS_AND_RELAYS;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proxydhcpd_core::identity::PROBE_MAC;
use proxydhcpd_core::link::Link;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// The pause between two roles on one link. The server answers two requests a second from one machine.
const PAUSE: Duration = Duration::from_secs(1);
/// The ports at which a client, a relay and a client of a boot server receive replies.
const REPLY_PORTS: [u16; 3] = [68, 67, 4011];
const CLIENT_PORT6: u16 = 546;
const SERVER_PORT6: u16 = 547;

/// One packet to send, and what it brought.
#[derive(Debug)]
pub struct Question {
    /// The client that the probe plays.
    pub role: Role,
    /// The position of the link in the list of links.
    pub link: usize,
    /// How the packet reaches the server. `None` for a SOLICIT.
    pub path: Option<Path>,
    /// The message.
    pub octets: Vec<u8>,
    /// The source, an address of this host.
    pub from: SocketAddr,
    /// The destination.
    pub to: SocketAddr,
    /// The replies, each once.
    pub replies: Vec<Heard>,
    /// Why the kernel did not send the packet.
    pub send_error: Option<String>,
    /// The transaction ID. That of DHCPv6 has 24 bits.
    xid: u32,
    /// The time of the first packet after the start.
    at: Duration,
    /// The number of packets so far, at most 2.
    sent: u8,
}

impl Question {
    /// Whether a server has offered an address. A boot server on port 4011 offers none.
    fn is_complete(&self) -> bool {
        match self.path {
            Some(Path::BootServer(_)) => !self.replies.is_empty(),
            _ => self.replies.iter().any(|heard| heard.address.is_some()),
        }
    }

    /// The time of the next packet. `None` if there is none.
    fn next_packet(&self, timeout: Duration) -> Option<Duration> {
        match self.sent {
            0 => Some(self.at),
            1 if !self.is_complete() => Some(self.at + timeout / 2),
            _ => None,
        }
    }
}

/// The packets of every role on every link, one a second on each link and for each address family.
pub fn on_links(links: &[Link]) -> Vec<Question> {
    let mut questions = Questions::new();
    for (index, link) in links.iter().enumerate() {
        if let Some(own) = link.address() {
            for (number, role) in Role::ALL.into_iter().enumerate() {
                let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
                questions.add4(role, index, Path::Broadcast, SocketAddrV4::new(own, 68), to, number);
            }
        }
        if let Some(own) = link.link_local() {
            for (number, role) in Role::IPV6.into_iter().enumerate() {
                questions.add6(role, index, own, link.index, number);
            }
        }
    }
    questions.all
}

/// The packets for one server: on port 67 as from a relay, and on port 4011. `own` is the address of this host from
/// which packets to the server come.
pub fn to_server(server: Ipv4Addr, own: Ipv4Addr) -> Vec<Question> {
    let mut questions = Questions::new();
    for (number, role) in Role::ALL.into_iter().enumerate() {
        let (from, to) = (SocketAddrV4::new(own, 67), SocketAddrV4::new(server, 67));
        questions.add4(role, 0, Path::Relay(own), from, to, number);
    }
    for (number, role) in Role::BOOT_SERVER.into_iter().enumerate() {
        let (from, to) = (SocketAddrV4::new(own, 4011), SocketAddrV4::new(server, 4011));
        questions.add4(role, 0, Path::BootServer(own), from, to, Role::ALL.len() + number);
    }
    questions.all
}

/// The questions so far. The transaction IDs begin at a random number, because two probes may run at once.
struct Questions {
    all: Vec<Question>,
    first_xid: u32,
}

impl Questions {
    fn new() -> Questions {
        // The kernel's random numbers seed the standard library's hasher.
        Questions { all: Vec::new(), first_xid: RandomState::new().hash_one(0) as u32 & 0x00ff_f000 }
    }

    fn add4(&mut self, role: Role, link: usize, path: Path, from: SocketAddrV4, to: SocketAddrV4, number: usize) {
        let xid = self.next_xid();
        let octets = role.discover(path, xid);
        self.push(Some(path), (role, link, xid), octets, (from.into(), to.into()), number);
    }

    fn add6(&mut self, role: Role, link: usize, own: Ipv6Addr, index: u32, number: usize) {
        let xid = self.next_xid();
        let [_, transaction @ ..] = xid.to_be_bytes();
        let from = SocketAddrV6::new(own, CLIENT_PORT6, 0, index);
        let to = SocketAddrV6::new(ALL_SERVERS_AND_RELAYS, SERVER_PORT6, 0, index);
        if let Some(octets) = role.solicit(transaction) {
            self.push(None, (role, link, xid), octets, (from.into(), to.into()), number);
        }
    }

    fn push(
        &mut self,
        path: Option<Path>,
        (role, link, xid): (Role, usize, u32),
        octets: Vec<u8>,
        (from, to): (SocketAddr, SocketAddr),
        number: usize,
    ) {
        let at = PAUSE * number as u32;
        let (replies, send_error, sent) = (Vec::new(), None, 0);
        self.all.push(Question { role, link, path, octets, from, to, replies, send_error, xid, at, sent });
    }

    fn next_xid(&self) -> u32 {
        self.first_xid + self.all.len() as u32
    }
}

/// Sends the packets, and adds the replies that arrive until `timeout` after the last first packet. `is_own` is
/// whether an address is one of this host.
///
/// # Errors
/// The kernel refuses the sockets: mostly for want of CAP_NET_RAW.
pub fn run(
    questions: &mut [Question],
    links: &[Link],
    timeout: Duration,
    progress: &mut Progress,
    is_own: &dyn Fn(IpAddr) -> bool,
) -> io::Result<()> {
    let Some(last) = questions.iter().map(|question| question.at).max() else { return Ok(()) };
    let sockets = Sockets::open(questions, links)?;
    let (start, end) = (Instant::now(), last + timeout);
    let mut batch = ReceiveBatch::new();
    loop {
        let now = start.elapsed();
        if now >= end {
            return Ok(());
        }
        for question in questions.iter_mut() {
            if question.next_packet(timeout).is_some_and(|at| at <= now) {
                sockets.send(question, links);
            }
        }
        let asked = questions.iter().filter(|question| question.sent > 0).count();
        let left = (end - now).as_secs() + 1;
        progress.show(format!("probing: {asked} of {} requests sent, {left} s left", questions.len()));
        let next = questions.iter().filter_map(|question| question.next_packet(timeout)).min().unwrap_or(end);
        sockets.wait(next.min(end).min(now + PAUSE).saturating_sub(start.elapsed()))?;
        sockets.receive(&mut batch, questions, is_own);
    }
}

/// The sockets of each address family, with their senders.
struct Sockets {
    v4: Option<(PacketSocket, Vec<OwnedFd>)>,
    v6: Option<(PacketSocket, Vec<OwnedFd>)>,
}

impl Sockets {
    fn open(questions: &[Question], links: &[Link]) -> io::Result<Sockets> {
        let with_senders = |socket: PacketSocket| {
            let senders = socket.senders(1)?;
            Ok::<_, io::Error>((socket, senders))
        };
        let has = |is_v6: bool| questions.iter().any(|question| question.to.is_ipv6() == is_v6);
        let v4 = if has(false) { Some(with_senders(packet::open_replies(REPLY_PORTS)?)?) } else { None };
        let v6 = if has(true) { Some(with_senders(packet::open_replies6(CLIENT_PORT6)?)?) } else { None };
        if let Some((socket, _)) = &v4 {
            for link in links {
                // Some servers send unicasts in spite of the broadcast flag. Without this, the card may drop them, and
                // an interface without hardware addresses has no card.
                socket.accept_hardware_address(link.index, PROBE_MAC).ok();
            }
        }
        Ok(Sockets { v4, v6 })
    }

    fn send(&self, question: &mut Question, links: &[Link]) {
        question.sent += 1;
        let is_routed = matches!(question.path, Some(Path::Relay(_) | Path::BootServer(_)));
        let link = links.get(question.link).map(|link| link.index).filter(|_| !is_routed);
        let Some((_, senders)) = (if question.to.is_ipv6() { &self.v6 } else { &self.v4 }) else { return };
        let Some(sender) = senders.first() else { return };
        let mut out = SendBatch::new();
        let reply = Reply { octets: &question.octets, to: question.to, from: question.from.ip(), link, tag: 0 };
        packet::push(&mut out, question.from.port(), &reply);
        let mut error = None;
        out.flush(sender.as_fd(), |_, _, refused| error = Some(refused.to_string()));
        question.send_error = error;
    }

    /// Waits until a reply is there, or this time has passed.
    fn wait(&self, time: Duration) -> io::Result<()> {
        let sockets = [&self.v4, &self.v6];
        let mut waiting: Vec<PollFd<'_>> =
            sockets.into_iter().flatten().map(|(socket, _)| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
        // The rounding up prevents a loop without a pause.
        let milliseconds = u16::try_from(time.as_millis() + 1).unwrap_or(u16::MAX);
        match poll(&mut waiting, PollTimeout::from(milliseconds)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&self, batch: &mut ReceiveBatch, questions: &mut [Question], is_own: &dyn Fn(IpAddr) -> bool) {
        for (is_v6, sockets) in [(false, &self.v4), (true, &self.v6)] {
            let Some((socket, _)) = sockets else { continue };
            while socket.receive(batch).is_ok() {
                for datagram in batch.iter() {
                    let heard = if is_v6 {
                        heard::parse6(datagram.payload, datagram.from, is_own)
                            .map(|([a, b, c], heard)| (u32::from_be_bytes([0, a, b, c]), heard))
                    } else {
                        heard::parse4(datagram.payload, datagram.from, is_own)
                    };
                    let Some((xid, heard)) = heard else { continue };
                    let asked = |question: &&mut Question| question.xid == xid && question.to.is_ipv6() == is_v6;
                    if let Some(question) = questions.iter_mut().find(asked) {
                        question.note(heard);
                    }
                }
            }
        }
    }
}

impl Question {
    /// Adds a reply, once. A host may invent servers, so that the number has a limit.
    fn note(&mut self, heard: Heard) {
        const MAX_REPLIES: usize = 32;
        if self.replies.len() < MAX_REPLIES && !self.replies.contains(&heard) {
            self.replies.push(heard);
        }
    }
}
