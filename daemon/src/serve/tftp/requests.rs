//! Requests: who is heard, and what becomes of a request.

use super::admission::{check_source, our_address};
use super::event::{Event, Refused, Silence};
use super::family::{Family, Source};
use super::frames::Frames;
use super::limits::FOREIGN;
use super::listener::Arrival;
use super::path::Path;
use super::session::{Session, error};
use super::{LONGEST_DATAGRAM, Server};
use crate::files::Opened;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::socket::MsgFlags;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::request::{self, Door};
use proxydhcpd_core::transfer::{self, Farewell, LARGEST_WINDOW, Limits, Outcome, Step, Transfer};
use proxydhcpd_core::wire::tftp::{ErrorCode, Malformed, Packet, Request};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long after progress the same request again is the network's doing; later, the machine has begun anew.
const LATE: Duration = Duration::from_secs(1);

/// Descriptors of a transfer: its socket, and its file where no other transfer has that open.
const DESCRIPTORS_EACH: usize = 2;

impl<L, O, N> Server<L, O, N>
where
    L: Fn(u32, IpAddr) -> Option<Link>,
    O: Fn(&request::Request<'_>) -> Result<Opened, Refusal>,
    N: FnMut(Event<'_>),
{
    /// A datagram for the port.
    pub(super) fn hear(&mut self, family: Family) {
        let mut buffer = [0; LONGEST_DATAGRAM];
        let heard = self.listeners.of(family).and_then(|sockets| sockets.listener.receive(&mut buffer));
        let Some((arrival, octets)) = heard else { return };
        let packet = Packet::read(octets);
        if let (Ok(Packet::Ack { .. } | Packet::Error { .. }), true) = (&packet, self.single_port)
            && let Some(&index) = self.by_client.get(&arrival.client)
        {
            return self.received(index, octets);
        }
        if let Err(reason) = self.request(&arrival, octets, packet) {
            (self.note)(Event::Silent { client: arrival.client, reason });
        }
    }

    /// Answers a request, or says why not.
    fn request(
        &mut self,
        arrival: &Arrival,
        octets: &[u8],
        packet: Result<Packet<'_>, Malformed>,
    ) -> Result<(), Silence> {
        let client = arrival.client;
        let link = (self.link)(arrival.link, arrival.to).ok_or(Silence::Unserved)?;
        check_source(client, &link)?;
        let server = our_address(arrival.to, &link)?;
        let (request, writes) = match packet.map_err(Silence::Malformed)? {
            Packet::Read(request) => (request, false),
            Packet::Write(request) => (request, true),
            _ => return Err(Silence::Stray),
        };
        if self.stopping.is_some() {
            return Err(Silence::Stopping);
        }
        if !self.clients.may_ask(client.ip(), self.now) {
            return Err(Silence::TooManyNames);
        }
        if let Some(&index) = self.by_client.get(&client)
            && !writes
            && self.asked_again(index, octets)?
        {
            return Ok(());
        }
        let from = Source::new(server, arrival.link);
        let asked = request::Request { door: Door::Tftp, name: request.name, server, client, interface: &link.name };
        match self.look_up(&request, writes, &asked) {
            Ok(opened) => {
                self.check_room(client.ip())?;
                self.count_file(client.ip())?;
                self.begin(arrival, from, &link, octets, &request, opened)
            }
            Err((reason, farewell)) => {
                // Loaders ask for many files that need not be there: it is normal, and costs us next to nothing.
                if reason != Refused::Fetch(Refusal::NotFound) {
                    self.count_file(client.ip())?;
                }
                self.refuse(client, from, &request, reason, farewell);
                Ok(())
            }
        }
    }

    fn look_up(
        &self,
        request: &Request<'_>,
        writes: bool,
        asked: &request::Request<'_>,
    ) -> Result<Opened, (Refused, Farewell)> {
        if writes {
            return Err((Refused::Write, DENIED));
        }
        if let Some(farewell) = transfer::refuse_mode(request.mode) {
            return Err((Refused::Mode, farewell));
        }
        (self.open)(asked).map_err(|refusal| (Refused::Fetch(refusal), farewell(refusal)))
    }

    /// Whether there is room for one transfer more.
    fn check_room(&self, client: IpAddr) -> Result<(), Silence> {
        if !self.clients.may_begin(client) {
            return Err(Silence::TooManyTransfers);
        }
        let transfers = self.transfers();
        if self.most.is_some_and(|most| transfers >= most) {
            return Err(Silence::Full);
        }
        // Those over the single port have no socket, and rendered text no file; still the table has to end somewhere.
        let sockets = if self.single_port { 0 } else { transfers };
        if transfers >= self.descriptors || sockets + self.open_files.count() + DESCRIPTORS_EACH > self.descriptors {
            return Err(Silence::NoDescriptors);
        }
        Ok(())
    }

    fn count_file(&mut self, client: IpAddr) -> Result<(), Silence> {
        if self.clients.may_have(client, self.now) { Ok(()) } else { Err(Silence::TooManyFiles) }
    }

    /// A request from the port of a running transfer. True if that deals with it: the same again before anything was
    /// acknowledged wants the first answer again. Else the client has begun anew.
    fn asked_again(&mut self, index: usize, octets: &[u8]) -> Result<bool, Silence> {
        let Some(session) = &self.sessions[index] else { return Ok(false) };
        let same = *session.request == *octets;
        if same && !session.transfer.opened() {
            let first = session.transfer.first();
            self.count_file(session.client().ip())?;
            self.step(index, first, false);
            return Ok(true);
        }
        if same && self.now < session.transfer.progress() + LATE {
            return Err(Silence::Late);
        }
        self.step(index, Step::End(Outcome::Gone, None), false);
        Ok(false)
    }

    fn begin(
        &mut self,
        arrival: &Arrival,
        from: Source,
        link: &Link,
        octets: &[u8],
        request: &Request<'_>,
        opened: Opened,
    ) -> Result<(), Silence> {
        let client = arrival.client;
        let index = self.free.last().copied().unwrap_or(self.sessions.len());
        let path = match self.path(index, from, client) {
            Ok(path) => path,
            Err(error) => {
                (self.note)(Event::Trouble { client, name: request.name, error });
                return Err(Silence::NoSocket);
            }
        };
        let block = transfer::largest_block(link.mtu, client.is_ipv6());
        let limits = Limits { block, window: LARGEST_WINDOW };
        let transfer = Transfer::new(request, opened.size, limits, self.now);
        let first = transfer.first();
        let (opened, file) = self.open_files.share(opened);
        let session = Session {
            request: octets.into(),
            frames: Frames::new(opened, &transfer),
            file,
            transfer,
            path,
            link: link.index,
            began: self.now,
            foreign: FOREIGN.full(self.now),
        };
        if self.free.pop().is_none() {
            self.sessions.push(None);
        }
        self.sessions[index] = Some(session);
        self.by_client.insert(client, index);
        self.clients.began(client.ip());
        self.read_ahead.transfers = self.transfers();
        self.step(index, first, false);
        Ok(())
    }

    fn path(&mut self, index: usize, from: Source, client: SocketAddr) -> io::Result<Path> {
        if self.single_port {
            return Ok(Path::shared(from, client));
        }
        let path = Path::own(&mut self.ports, from, client)?;
        if let Some(socket) = path.socket() {
            self.listeners.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        }
        Ok(path)
    }

    /// An ERROR instead of a transfer, no longer than the request and 32 octets.
    fn refuse(&mut self, client: SocketAddr, from: Source, request: &Request<'_>, reason: Refused, farewell: Farewell) {
        let Some(sockets) = self.listeners.of(Family::of(client.ip())) else { return };
        if let Err(errno) = sockets.refuser().send(&error(farewell), None, MsgFlags::empty(), client, from) {
            (self.note)(Event::Trouble { client, name: request.name, error: errno.into() });
        }
        (self.note)(Event::Refused { client, name: request.name, reason });
    }
}

const DENIED: Farewell = (ErrorCode::DENIED, "Access violation");

fn farewell(refusal: Refusal) -> Farewell {
    match refusal {
        Refusal::NotFound => (ErrorCode::NOT_FOUND, "File not found"),
        Refusal::Denied => DENIED,
        Refusal::BadName => (ErrorCode::OTHER, "Not a file name"),
        Refusal::Failed => (ErrorCode::OTHER, "Server failed"),
        Refusal::Unrendered => (ErrorCode::OTHER, "Template failed, see its log"),
    }
}
