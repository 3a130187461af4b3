//! TFTP: hears requests, asks what they mean, and drives a [`Transfer`] for each.
//!
//! One thread and one epoll set, without async: a block in lockstep costs the three system calls that it must (wait,
//! receive, send), a window costs no more, and files are read ahead in large pieces.

mod admission;
mod frames;
mod limits;
mod session;
mod socket;

use crate::config::Transfers;
use crate::files::Opened;
use admission::{check_source, our_address};
use frames::Frames;
use limits::Clients;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::request::{self, Door};
use proxydhcpd_core::transfer::{self, Farewell, Outcome, Step, Transfer};
use proxydhcpd_core::wire::tftp::{ErrorCode, Malformed, Packet, Request};
use session::{Failure, Session, Unsegmented, error};
use socket::{Arrival, Listener, Path, Ports};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub address: Ipv4Addr,
    pub port: u16,
    /// Local ports for transfers, for a firewall's sake; `None` takes whichever the kernel gives.
    pub ports: Option<RangeInclusive<u16>>,
    /// Everything from `port`, for firewalls and containers that let nothing else through.
    pub single_port: bool,
    /// Transfers at the same time, at most, and without it, [`Transfers::MOST`].
    pub max_transfers: Option<usize>,
}

/// The sockets that are there from the start.
#[derive(Debug)]
pub struct Sockets {
    listener: Listener,
    /// Sends what is no transfer, as RFC 1350 wants it: from a port of its own. `None` where the firewall may not let
    /// that through.
    refuser: Option<Listener>,
}

/// What happened, for the log and the counters.
#[derive(Debug)]
pub enum Event<'a> {
    /// A transfer is over.
    Ended { client: SocketAddr, name: &'a [u8], octets: u64, elapsed: Duration, outcome: Outcome },
    /// A request was answered with an ERROR.
    Refused { client: SocketAddr, name: &'a [u8], reason: Refused },
    /// A datagram was not answered.
    Dropped { client: SocketAddr, reason: Dropped },
    /// Something failed on our side.
    Trouble { client: SocketAddr, name: &'a [u8], error: io::Error },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The name leads to nothing that may be sent.
    Fetch(Refusal),
    /// A mode other than octet.
    Mode,
    /// The client wanted to write.
    Write,
}

/// Why a datagram was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    Malformed(Malformed),
    /// It came by a link that we do not serve.
    Unserved,
    /// Its source is no address that a client can have, or one of ours.
    Source,
    /// Its source port belongs to a service that would answer our answer.
    SourcePort,
    /// No request, and no part of a transfer.
    Stray,
    /// The network was late with a request that has been answered.
    Late,
    /// The client asks faster than it answers.
    TooFast,
    /// The client has 16 transfers.
    TooMany,
    /// There are as many transfers as there may be.
    Full,
    /// The server is about to stop.
    Stopping,
}

pub fn bind(settings: &Settings) -> io::Result<Sockets> {
    let one_port = settings.single_port || settings.ports.is_some();
    let refuser = if one_port { None } else { Some(Listener::bind(settings.address, 0)?) };
    Ok(Sockets { listener: Listener::bind(settings.address, settings.port)?, refuser })
}

impl Sockets {
    pub fn port(&self) -> io::Result<u16> {
        self.listener.port()
    }
}

/// Serves until `stop` becomes readable or its other end is closed, and then lets transfers finish for at most 2 s.
///
/// `link` knows the links that we serve, by index and by the address that was written to; `open` what a name means, `note` hears everything.
pub fn run(
    sockets: Sockets,
    settings: &Settings,
    link: impl Fn(u32, IpAddr) -> Option<Link>,
    open: impl Fn(&request::Request<'_>) -> Result<Opened, Refusal>,
    note: impl FnMut(Event<'_>),
    stop: impl AsFd,
) -> io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&sockets.listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    epoll.add(&stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
    let mut server = Server {
        most: settings.max_transfers.unwrap_or(Transfers::MOST.get()),
        ports: Ports::new(settings.ports.clone()),
        single_port: settings.single_port,
        sockets,
        epoll,
        link,
        open,
        note,
        sessions: Vec::new(),
        free: Vec::new(),
        by_client: HashMap::new(),
        clients: Clients::default(),
        unsegmented: Unsegmented::default(),
        started: Instant::now(),
        now: Duration::ZERO,
        stopping: None,
    };
    server.serve(&stop)
}

const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// How exactly timers are kept: all transfers are looked at this often, instead of keeping them sorted by deadline.
const TICK: Duration = Duration::from_millis(100);

/// How long transfers may go on when the server is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// How long after progress the same request again is the network's doing; later, the machine has begun anew.
const LATE: Duration = Duration::from_secs(1);

/// A request of 512 octets and more, to see that it was more; anything else that we read is shorter.
const LONGEST_DATAGRAM: usize = 1024;

struct Server<L, O, N> {
    most: usize,
    ports: Ports,
    single_port: bool,
    sockets: Sockets,
    epoll: Epoll,
    link: L,
    open: O,
    note: N,
    /// The index is what epoll knows a session by. A place is taken again at once: an event of the same turn for its
    /// predecessor then finds nothing to receive.
    sessions: Vec<Option<Session>>,
    free: Vec<usize>,
    /// The newest session of each client port.
    by_client: HashMap<SocketAddr, usize>,
    clients: Clients,
    unsegmented: Unsegmented,
    started: Instant,
    /// Since the start, as of this turn of the loop.
    now: Duration,
    /// When the last transfers are cut off.
    stopping: Option<Duration>,
}

impl<L, O, N> Server<L, O, N>
where
    L: Fn(u32, IpAddr) -> Option<Link>,
    O: Fn(&request::Request<'_>) -> Result<Opened, Refusal>,
    N: FnMut(Event<'_>),
{
    fn serve(&mut self, stop: &impl AsFd) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let mut next_tick = TICK;
        loop {
            let timeout = if self.idle() { EpollTimeout::NONE } else { millis(next_tick.saturating_sub(self.now)) };
            let count = match self.epoll.wait(&mut events, timeout) {
                Err(Errno::EINTR) => 0,
                count => count?,
            };
            self.now = self.started.elapsed();
            for event in &events[..count] {
                match event.data() {
                    LISTENER => self.hear(),
                    STOP => {
                        self.epoll.delete(stop)?;
                        self.stopping = Some(self.now + GRACE);
                    }
                    index => self.receive(index as usize),
                }
            }
            if self.now >= next_tick {
                self.tick();
                next_tick = self.now + TICK;
            }
            if self.stopping.is_some_and(|end| self.now >= end || self.idle()) {
                self.cut_off();
                return Ok(());
            }
        }
    }

    fn idle(&self) -> bool {
        self.free.len() == self.sessions.len()
    }

    /// A datagram for the port.
    fn hear(&mut self) {
        let mut buffer = [0; LONGEST_DATAGRAM];
        let Some((arrival, octets)) = self.sockets.listener.receive(&mut buffer) else { return };
        let packet = Packet::read(octets);
        if let (Ok(Packet::Ack { .. } | Packet::Error { .. }), true) = (&packet, self.single_port)
            && let Some(&index) = self.by_client.get(&arrival.client)
        {
            return self.received(index, octets);
        }
        if let Err(reason) = self.request(&arrival, octets, packet) {
            (self.note)(Event::Dropped { client: arrival.client, reason });
        }
    }

    /// Answers a request, or says why not.
    fn request(
        &mut self,
        arrival: &Arrival,
        octets: &[u8],
        packet: Result<Packet<'_>, Malformed>,
    ) -> Result<(), Dropped> {
        let client = arrival.client;
        let link = (self.link)(arrival.link, arrival.to).ok_or(Dropped::Unserved)?;
        check_source(client, &link)?;
        let (request, writes) = match packet.map_err(Dropped::Malformed)? {
            Packet::Read(request) => (request, false),
            Packet::Write(request) => (request, true),
            _ => return Err(Dropped::Stray),
        };
        if self.stopping.is_some() {
            return Err(Dropped::Stopping);
        }
        if !self.clients.may_ask(client.ip(), self.now) {
            return Err(Dropped::TooFast);
        }
        let from = our_address(arrival.to, &link).ok_or(Dropped::Unserved)?;
        if writes {
            self.refuse(client, from, &request, Refused::Write, DENIED);
            return Ok(());
        }
        if let Some(&index) = self.by_client.get(&client)
            && self.asked_again(index, octets)?
        {
            return Ok(());
        }
        if !self.clients.may_begin(client.ip()) {
            return Err(Dropped::TooMany);
        }
        if self.sessions.len() - self.free.len() >= self.most {
            return Err(Dropped::Full);
        }
        if let Some(farewell) = transfer::refuse_mode(request.mode) {
            self.refuse(client, from, &request, Refused::Mode, farewell);
            return Ok(());
        }
        let asked =
            request::Request { door: Door::Tftp, name: request.name, server: from, client, interface: &link.name };
        match (self.open)(&asked) {
            Ok(opened) => self.begin(arrival, from, &link, octets, &request, opened),
            Err(refusal) => {
                if refusal == Refusal::NotFound {
                    // Loaders ask for many files that need not be there: it is normal, and costs us next to nothing.
                    self.clients.give_back(client.ip());
                }
                self.refuse(client, from, &request, Refused::Fetch(refusal), farewell(refusal));
                Ok(())
            }
        }
    }

    /// A request from the port of a running transfer. True if that deals with it: the same again before anything was
    /// acknowledged wants the first answer again. Else the client has begun anew.
    fn asked_again(&mut self, index: usize, octets: &[u8]) -> Result<bool, Dropped> {
        let Some(session) = &self.sessions[index] else { return Ok(false) };
        let same = *session.request == *octets;
        if same && !session.transfer.opened() {
            let first = session.transfer.first();
            self.step(index, first, false);
            return Ok(true);
        }
        if same && self.now < session.transfer.progress() + LATE {
            return Err(Dropped::Late);
        }
        self.step(index, Step::End(Outcome::Gone, None), false);
        Ok(false)
    }

    fn begin(
        &mut self,
        arrival: &Arrival,
        from: IpAddr,
        link: &Link,
        octets: &[u8],
        request: &Request<'_>,
        opened: Opened,
    ) -> Result<(), Dropped> {
        let client = arrival.client;
        let index = self.free.last().copied().unwrap_or(self.sessions.len());
        let path = match self.path(index, from, client) {
            Ok(path) => path,
            Err(error) => {
                (self.note)(Event::Trouble { client, name: request.name, error });
                return Err(Dropped::Full);
            }
        };
        let largest = transfer::largest_block(link.mtu, from.is_ipv6());
        let transfer = Transfer::new(request, opened.size, largest, self.now);
        let first = transfer.first();
        let session = Session {
            client,
            request: octets.into(),
            frames: Frames::new(opened, &transfer),
            transfer,
            path,
            link: link.index,
            began: self.now,
            answered: false,
        };
        if self.free.pop().is_none() {
            self.sessions.push(None);
        }
        self.sessions[index] = Some(session);
        self.by_client.insert(client, index);
        self.clients.began(client.ip());
        self.step(index, first, false);
        Ok(())
    }

    fn path(&mut self, index: usize, from: IpAddr, client: SocketAddr) -> io::Result<Path> {
        if self.single_port {
            return Ok(Path::Shared { client, from });
        }
        let path = Path::own(&mut self.ports, from, client)?;
        if let Path::Own(socket) = &path {
            self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        }
        Ok(path)
    }

    /// A datagram on a transfer's own socket.
    fn receive(&mut self, index: usize) {
        let mut buffer = [0; LONGEST_DATAGRAM];
        let Some(Some(session)) = self.sessions.get(index) else { return };
        match session.path.receive(&mut buffer) {
            Ok(octets) => self.received(index, octets),
            Err(Errno::ECONNREFUSED) => self.step(index, Step::End(Outcome::Gone, None), false),
            Err(_) => {}
        }
    }

    fn received(&mut self, index: usize, octets: &[u8]) {
        let Some(Some(session)) = self.sessions.get_mut(index) else { return };
        let Ok(packet) = Packet::read(octets) else { return };
        let step = session.transfer.received(&packet, self.now);
        if !session.answered && step != Step::Wait {
            session.answered = true;
            self.clients.give_back(session.client.ip());
        }
        self.step(index, step, true);
    }

    /// Does what the transfer says. `heard`: because the client has just been heard of.
    fn step(&mut self, index: usize, step: Step, heard: bool) {
        let Some(session) = self.sessions[index].as_mut() else { return };
        let listener = &self.sockets.listener;
        let done = match step {
            Step::Wait => Ok(()),
            Step::Oack => session.send_oack(listener, heard),
            Step::Blocks(blocks) => session.send_blocks(listener, blocks, heard, &mut self.unsegmented),
            Step::End(outcome, farewell) => return self.end(index, outcome, farewell),
        };
        match done {
            // No room at this moment: the network is slower than the disk.
            Ok(()) | Err(Failure::Lost(Errno::EAGAIN | Errno::ENOBUFS)) => {}
            Err(Failure::Gone) => self.end(index, Outcome::Gone, None),
            Err(Failure::Lost(errno)) => {
                (self.note)(Event::Trouble { client: session.client, name: session.name(), error: errno.into() });
            }
            Err(Failure::Broken(error)) => {
                (self.note)(Event::Trouble { client: session.client, name: session.name(), error });
                let step = session.transfer.broken();
                self.step(index, step, false);
            }
        }
    }

    fn end(&mut self, index: usize, outcome: Outcome, farewell: Option<Farewell>) {
        let Some(session) = self.sessions[index].take() else { return };
        self.free.push(index);
        if self.by_client.get(&session.client) == Some(&index) {
            self.by_client.remove(&session.client);
        }
        self.clients.ended(session.client.ip());
        if let Some(farewell) = farewell {
            session.send_farewell(&self.sockets.listener, farewell);
        }
        (self.note)(Event::Ended {
            client: session.client,
            name: session.name(),
            octets: session.transfer.octets(),
            elapsed: self.now.saturating_sub(session.began),
            outcome,
        });
    }

    /// An ERROR instead of a transfer, no longer than the request and 32 octets.
    fn refuse(&mut self, client: SocketAddr, from: IpAddr, request: &Request<'_>, reason: Refused, farewell: Farewell) {
        let socket = self.sockets.refuser.as_ref().unwrap_or(&self.sockets.listener);
        if let Err(errno) = socket.send(&error(farewell), client, from) {
            (self.note)(Event::Trouble { client, name: request.name, error: errno.into() });
        }
        (self.note)(Event::Refused { client, name: request.name, reason });
    }

    fn tick(&mut self) {
        for index in 0..self.sessions.len() {
            if let Some(session) = &mut self.sessions[index]
                && session.transfer.deadline() <= self.now
            {
                let step = session.transfer.elapsed(self.now);
                self.step(index, step, false);
            }
        }
        self.clients.forget_idle(self.now);
    }

    fn cut_off(&mut self) {
        for index in 0..self.sessions.len() {
            self.end(index, Outcome::Failed, Some((ErrorCode::OTHER, "Server stops")));
        }
    }
}

const DENIED: Farewell = (ErrorCode::DENIED, "Access violation");

fn farewell(refusal: Refusal) -> Farewell {
    match refusal {
        Refusal::NotFound => (ErrorCode::NOT_FOUND, "File not found"),
        Refusal::Denied => DENIED,
        Refusal::BadName => (ErrorCode::OTHER, "Not a file name"),
        Refusal::Failed => (ErrorCode::OTHER, "Server failed"),
    }
}

fn millis(wait: Duration) -> EpollTimeout {
    // Rounded up, or the loop would turn over and over through the last millisecond.
    EpollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO)
}
