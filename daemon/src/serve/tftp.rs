//! TFTP: hears requests, asks what they mean, and drives a transfer for each.
//!
//! One thread and one epoll set, without async: a block in lockstep costs the three system calls that it must (wait,
//! receive, send), a window costs no more, and files are read ahead in large pieces.

mod admission;
mod event;
mod family;
mod frames;
mod limits;
mod listener;
mod open_files;
mod channel;
mod ports;
mod requests;
mod session;
mod eviction;

use crate::files::Opened;
use admission::check_wrong_port;
pub use event::{TftpEvent, TftpRefusal, TftpSilence};
pub use family::Family;
use frames::ReadAhead;
use limits::ClientLimits;
use listener::{LISTENER4, LISTENER6, WAKE};
pub use listener::{TftpListeners, TftpListener, bind};
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};
use open_files::OpenFiles;
use ports::PortPool;
pub use ports::port_guesses;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::request;
use proxydhcpd_core::transfer::{ErrorReply, Outcome, Step};
use proxydhcpd_core::wire::tftp::{ErrorCode, TftpPacket};
use session::{SendError, Session, LinksWithoutGso, error_packet};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use eviction::EvictionQueue;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpSettings {
    pub port: u16,
    /// Local ports for transfers, for a firewall's sake; `None` takes whichever the kernel gives.
    pub ports: Option<RangeInclusive<u16>>,
    /// Everything from `port`, for firewalls and containers that let nothing else through.
    pub single_port: bool,
    /// Transfers at the same time, at most; `None`: as many as `descriptors` allow.
    pub max_transfers: Option<usize>,
    /// Descriptors that transfers may hold together: one or two for each, and never more transfers than this.
    pub descriptors: usize,
}

/// Serves until `stop` becomes readable or its other end is closed, and then lets transfers finish for at most 2 s.
///
/// `link` knows the links that we serve, by index and by the address that was written to; `open` what a name means;
/// `vouched` whether DHCP says that a machine has this address ([`proxydhcpd_core::memory::Memory::is_vouched`]);
/// `note` hears everything.
pub fn run(
    listeners: Arc<TftpListeners>,
    settings: &TftpSettings,
    link: impl Fn(u32, IpAddr) -> Option<Link>,
    open: impl Fn(&request::FileRequest<'_>) -> Result<Opened, Refusal>,
    vouched: impl Fn(IpAddr) -> bool,
    note: impl FnMut(TftpEvent<'_>),
    stop: impl AsFd,
) -> io::Result<()> {
    listeners.epoll.add(&stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
    let mut server = TftpServer {
        max_transfers: settings.max_transfers,
        descriptors: settings.descriptors,
        port_guesses: port_guesses(settings.ports.as_ref(), settings.single_port),
        ports: PortPool::new(settings.ports.clone()),
        single_port: settings.single_port,
        listeners,
        link,
        open,
        is_vouched: vouched,
        on_event: note,
        sessions: Vec::new(),
        free_slots: Vec::new(),
        by_client: HashMap::new(),
        clients: ClientLimits::new(settings.max_transfers.unwrap_or(settings.descriptors / 2)),
        evictions: EvictionQueue::default(),
        turn: 0,
        unsegmented: LinksWithoutGso::default(),
        open_files: OpenFiles::default(),
        read_ahead: ReadAhead::default(),
        started: Instant::now(),
        now: Duration::ZERO,
        stop_at: None,
    };
    server.serve(&stop)
}

/// Beside those of the listeners.
const STOP: u64 = u64::MAX - 2;

/// How exactly timers are kept: all transfers are looked at this often, instead of keeping them sorted by deadline.
const TICK: Duration = Duration::from_millis(100);

/// How long transfers may go on when the server is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// A request of 512 octets and more, to see that it was more; anything else that we read is shorter.
const MAX_DATAGRAM: usize = 1024;

struct TftpServer<L, O, V, N> {
    max_transfers: Option<usize>,
    descriptors: usize,
    ports: PortPool,
    /// How many ports somebody has to try who does not see that of a transfer.
    port_guesses: u32,
    single_port: bool,
    listeners: Arc<TftpListeners>,
    link: L,
    open: O,
    is_vouched: V,
    on_event: N,
    /// The index is what epoll knows a session by. A place is taken again at once: an event of the same turn for its
    /// predecessor then finds nothing to receive.
    sessions: Vec<Option<Session>>,
    free_slots: Vec<usize>,
    /// The newest session of each client port.
    by_client: HashMap<SocketAddr, usize>,
    clients: ClientLimits,
    evictions: EvictionQueue,
    /// Which place the next tick begins with.
    turn: usize,
    unsegmented: LinksWithoutGso,
    open_files: OpenFiles,
    read_ahead: ReadAhead,
    started: Instant,
    /// Since the start, as of this turn of the loop.
    now: Duration,
    /// When the last transfers are cut off.
    stop_at: Option<Duration>,
}

impl<L, O, V, N> TftpServer<L, O, V, N>
where
    L: Fn(u32, IpAddr) -> Option<Link>,
    O: Fn(&request::FileRequest<'_>) -> Result<Opened, Refusal>,
    V: Fn(IpAddr) -> bool,
    N: FnMut(TftpEvent<'_>),
{
    fn serve(&mut self, stop: &impl AsFd) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let mut next_tick = TICK;
        loop {
            let timeout = if self.idle() { EpollTimeout::NONE } else { millis(next_tick.saturating_sub(self.now)) };
            let count = match self.listeners.epoll.wait(&mut events, timeout) {
                Err(Errno::EINTR) => 0,
                count => count?,
            };
            self.listeners.heartbeat.beat();
            self.now = self.started.elapsed();
            for event in &events[..count] {
                match event.data() {
                    LISTENER4 => self.receive_request(Family::V4),
                    LISTENER6 => self.receive_request(Family::V6),
                    STOP => {
                        self.listeners.epoll.delete(stop)?;
                        self.stop_at = Some(self.now + GRACE);
                    }
                    WAKE => {}
                    index => self.receive(index as usize),
                }
            }
            if self.now >= next_tick {
                self.tick();
                next_tick = self.now + TICK;
            }
            if self.stop_at.is_some_and(|end| self.now >= end || self.idle()) {
                self.cut_off();
                return Ok(());
            }
        }
    }

    fn idle(&self) -> bool {
        self.transfer_count() == 0
    }

    fn transfer_count(&self) -> usize {
        self.sessions.len() - self.free_slots.len()
    }

    /// A datagram on a transfer's own socket.
    fn receive(&mut self, index: usize) {
        let mut buffer = [0; MAX_DATAGRAM];
        let Some(Some(session)) = self.sessions.get(index) else { return };
        match session.channel.receive(&mut buffer) {
            Ok((sender, octets)) if sender == session.client() => self.handle_packet(index, octets),
            Ok((sender, octets)) => self.received_from_foreign(index, sender, octets),
            Err(Errno::ECONNREFUSED) => self.perform(index, Step::End(Outcome::Gone, None), false),
            Err(_) => {}
        }
    }

    /// Whoever sends from a port that is not the client's is told so, and the transfer goes on (RFC 1350 section 4).
    fn received_from_foreign(&mut self, index: usize, sender: SocketAddr, octets: &[u8]) {
        let Some(Some(session)) = self.sessions.get_mut(index) else { return };
        let link = (self.link)(session.link, session.channel.local.address);
        let event = match check_wrong_port(sender, octets, link, &mut session.wrong_port_errors, self.now) {
            Err(reason) => TftpEvent::Ignored { client: sender, reason },
            Ok(()) => match session.channel.send_to_other(&error_packet(UNKNOWN_TRANSFER), sender) {
                Ok(()) => TftpEvent::Refused { client: sender, name: session.file_name(), reason: TftpRefusal::UnknownTransfer },
                Err(errno) => TftpEvent::Failed { client: sender, name: session.file_name(), error: errno.into() },
            },
        };
        (self.on_event)(event);
    }

    fn handle_packet(&mut self, index: usize, octets: &[u8]) {
        let Some(Some(session)) = self.sessions.get_mut(index) else { return };
        let packet = match TftpPacket::read(octets) {
            Ok(packet @ (TftpPacket::Ack { .. } | TftpPacket::Error { .. })) => packet,
            useless => {
                let reason = useless.map_or_else(TftpSilence::Malformed, |_| TftpSilence::UnexpectedPacket);
                return (self.on_event)(TftpEvent::Ignored { client: session.client(), reason });
            }
        };
        let address = session.client().ip();
        let before = session.eviction_entry(index);
        let step = session.transfer.handle_packet(&packet, self.now);
        let after = session.eviction_entry(index);
        if let Some(entry) = before
            && before != after
        {
            self.evictions.remove(address, entry);
            match after {
                Some(entry) => self.evictions.insert(address, entry),
                None => self.clients.set_acknowledged(address, self.now),
            }
        }
        self.perform(index, step, true);
    }

    /// Does what the transfer says. `heard`: because the client has just been heard of.
    fn perform(&mut self, index: usize, step: Step, heard: bool) {
        let Some(session) = self.sessions[index].as_mut() else { return };
        let Some(listener) = self.listeners.for_client(session.client()) else { return };
        if session.is_rate_limited && matches!(step, Step::Oack | Step::Blocks(_)) {
            if !listener.has_room_for_unverified() {
                return (self.on_event)(TftpEvent::Ignored { client: session.client(), reason: TftpSilence::SendBufferFull });
            }
            session.deferred = None;
            if let Step::Blocks(blocks) = step
                && !self.clients.take_octets(session.client().ip(), session.wire_size(blocks), self.now)
            {
                session.deferred = Some(blocks);
                return;
            }
        }
        let done = match step {
            Step::Wait => Ok(()),
            Step::Oack => session.send_oack(listener, heard),
            Step::Blocks(blocks) => {
                session.send_blocks(listener, blocks, heard, &mut self.unsegmented, &mut self.read_ahead)
            }
            Step::End(outcome, farewell) => return self.end_transfer(index, outcome, farewell),
        };
        match done {
            Ok(()) => {}
            // No room at this moment: the network is slower than the disk. The timer sends it again.
            Err(SendError::NotSent(Errno::EAGAIN | Errno::ENOBUFS)) => {
                (self.on_event)(TftpEvent::Ignored { client: session.client(), reason: TftpSilence::SendBufferFull });
            }
            Err(SendError::PortClosed) => self.end_transfer(index, Outcome::Gone, None),
            Err(SendError::NotSent(errno)) => {
                (self.on_event)(TftpEvent::Failed { client: session.client(), name: session.file_name(), error: errno.into() });
            }
            Err(SendError::ReadFailed(error)) => {
                (self.on_event)(TftpEvent::Failed { client: session.client(), name: session.file_name(), error });
                let step = session.transfer.file_changed();
                self.perform(index, step, false);
            }
        }
    }

    fn end_transfer(&mut self, index: usize, outcome: Outcome, farewell: Option<ErrorReply>) {
        let Some(mut session) = self.sessions[index].take() else { return };
        self.free_slots.push(index);
        session.frames.release(&mut self.read_ahead);
        self.read_ahead.transfers = self.transfer_count();
        if self.by_client.get(&session.client()) == Some(&index) {
            self.by_client.remove(&session.client());
        }
        self.clients.transfer_ended(session.client().ip());
        if let Some(entry) = session.eviction_entry(index) {
            self.evictions.remove(session.client().ip(), entry);
        }
        if let Some(farewell) = farewell
            && let Some(listener) = self.listeners.for_client(session.client())
        {
            session.send_error(listener, farewell);
        }
        (self.on_event)(TftpEvent::Ended {
            client: session.client(),
            server: session.channel.local.address,
            name: session.file_name(),
            octets: session.transfer.acknowledged_octets(),
            elapsed: self.now.saturating_sub(session.started),
            outcome,
        });
        let file = session.file;
        session.channel.close(&mut self.ports);
        drop(session.frames);
        if let Some(file) = file {
            self.open_files.release(file);
        }
    }

    /// Each time another transfer comes first: several of one address share what may be sent to it.
    fn tick(&mut self) {
        let places = self.sessions.len();
        self.turn = (self.turn + 1) % places.max(1);
        for index in (self.turn..places).chain(0..self.turn) {
            let Some(session) = &mut self.sessions[index] else { continue };
            let step = match session.deferred {
                _ if session.transfer.deadline() <= self.now => session.transfer.handle_timeout(self.now),
                Some(held) => Step::Blocks(held),
                None => continue,
            };
            self.perform(index, step, false);
        }
    }

    fn cut_off(&mut self) {
        for index in 0..self.sessions.len() {
            self.end_transfer(index, Outcome::Failed, Some((ErrorCode::NOT_DEFINED, "Server stops")));
        }
    }
}

const UNKNOWN_TRANSFER: ErrorReply = (ErrorCode::UNKNOWN_TRANSFER_ID, "Unknown transfer ID");

fn millis(wait: Duration) -> EpollTimeout {
    // Rounded up, or the loop would turn over and over through the last millisecond.
    EpollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO)
}
