//! The TFTP server (RFC 1350, 2347 to 2349, 7440): receives requests, opens the requested files, and runs a transfer
//! for each.
//!
//! One thread with one epoll set serves all transfers, without async. A block in lockstep, or a whole window, costs
//! three system calls (wait, receive, send). Files are read ahead in large pieces.

mod admission;
mod channel;
mod event;
mod eviction;
mod family;
mod frames;
mod limits;
mod listener;
mod ports;
mod requests;
mod session;
mod timers;

use crate::files::{OpenFiles, ResolvedFile};
use crate::settings::TftpConfig;
use admission::check_wrong_port;
pub use event::{TftpEvent, TftpRefusal, TftpSilence};
use eviction::EvictionQueue;
pub use family::Family;
use frames::ReadAhead;
use limits::ClientLimits;
use listener::{LISTENER4, LISTENER6, WAKE};
pub use listener::{TftpListener, TftpListeners, bind};
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags, EpollTimeout};
use ports::PortPool;
pub use ports::port_guesses;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::request;
use proxydhcpd_core::transfer::{ErrorReply, Outcome, Step};
use proxydhcpd_core::wire::tftp::{ErrorCode, TftpPacket};
use session::{LinksWithoutGso, SendError, Session, error_packet};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::Timers;

/// Serves until `stop` becomes readable or its other end is closed, and then lets transfers finish for at most 2 s.
///
/// `link` receives the index of a link and the destination address of a packet, and returns the served link for that
/// packet. `open` opens the requested file. `is_vouched` returns whether DHCP traffic shows that a machine has an
/// address ([`proxydhcpd_core::observations::Observations::is_vouched`]). `on_event` is called for every event.
pub fn run(
    listeners: Arc<TftpListeners>,
    settings: &TftpConfig,
    link: impl Fn(u32, IpAddr) -> Option<Link>,
    open: impl Fn(&request::FileRequest<'_>) -> ResolvedFile,
    is_vouched: impl Fn(IpAddr) -> bool,
    on_event: impl FnMut(TftpEvent<'_>),
    stop: impl AsFd,
) -> io::Result<()> {
    listeners.epoll.add(&stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP_EVENT))?;
    let descriptors = listeners.descriptors;
    let mut server = TftpServer {
        settings,
        descriptors,
        port_guesses: port_guesses(settings.ports.as_ref(), settings.single_port),
        ports: PortPool::new(settings.ports.clone()),
        listeners,
        link,
        open,
        is_vouched,
        on_event,
        sessions: Vec::new(),
        free_slots: Vec::new(),
        by_client: HashMap::new(),
        clients: ClientLimits::new(settings.max_transfers.map_or(descriptors / 2, |max| max as usize)),
        evictions: EvictionQueue::default(),
        first_slot: 0,
        unsegmented: LinksWithoutGso::default(),
        timers: Timers::default(),
        open_files: OpenFiles::default(),
        read_ahead: ReadAhead::default(),
        started: Instant::now(),
        now: Duration::ZERO,
        stop_at: None,
    };
    server.serve(&stop)
}

/// The epoll data of `stop`, which differs from that of the listeners and of every session.
const STOP_EVENT: u64 = u64::MAX - 2;

/// How often the server looks for transfers whose rate limit allows them to go on.
const TICK: Duration = Duration::from_millis(100);

/// How long transfers may go on when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Length of the receive buffer. A request has at most 512 octets. The buffer is longer, so that the server notices a
/// request that is too long.
const MAX_DATAGRAM: usize = 1024;

struct TftpServer<'a, L, O, V, E> {
    settings: &'a TftpConfig,
    descriptors: usize,
    ports: PortPool,
    /// The number of ports that a forger must try to hit the port of a transfer, which the forger does not see.
    port_guesses: u32,
    listeners: Arc<TftpListeners>,
    link: L,
    open: O,
    is_vouched: V,
    on_event: E,
    /// The sessions. The index of a session is its epoll data. A slot is reused at once: after an epoll event for the
    /// previous session of the slot, there is nothing to receive.
    sessions: Vec<Option<Session>>,
    free_slots: Vec<usize>,
    /// The index of the newest session of each client address and port.
    by_client: HashMap<SocketAddr, usize>,
    clients: ClientLimits,
    evictions: EvictionQueue,
    /// The slot with which the next tick begins.
    first_slot: usize,
    unsegmented: LinksWithoutGso,
    timers: Timers,
    open_files: OpenFiles,
    read_ahead: ReadAhead,
    started: Instant,
    /// Time since the start, set once in each iteration of the loop.
    now: Duration,
    /// When the server aborts the transfers that remain. `None` unless the server is stopping.
    stop_at: Option<Duration>,
}

impl<L, O, V, E> TftpServer<'_, L, O, V, E>
where
    L: Fn(u32, IpAddr) -> Option<Link>,
    O: Fn(&request::FileRequest<'_>) -> ResolvedFile,
    V: Fn(IpAddr) -> bool,
    E: FnMut(TftpEvent<'_>),
{
    fn serve(&mut self, stop: &impl AsFd) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let mut next_tick = TICK;
        loop {
            let next = self.timers.next().map_or(next_tick, |(timer, _)| timer.min(next_tick));
            let timeout =
                if self.is_idle() { EpollTimeout::NONE } else { epoll_timeout(next.saturating_sub(self.now)) };
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
                    STOP_EVENT => {
                        self.listeners.epoll.delete(stop)?;
                        self.stop_at = Some(self.now + GRACE);
                    }
                    WAKE => {}
                    index => self.receive(index as usize),
                }
            }
            self.handle_timeouts();
            if self.now >= next_tick {
                self.tick();
                next_tick = self.now + TICK;
            }
            if self.stop_at.is_some_and(|end| self.now >= end || self.is_idle()) {
                self.abort_all();
                return Ok(());
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.transfer_count() == 0
    }

    fn transfer_count(&self) -> usize {
        self.sessions.len() - self.free_slots.len()
    }

    /// Receives and handles a datagram on the socket of a transfer.
    fn receive(&mut self, index: usize) {
        let mut buffer = [0; MAX_DATAGRAM];
        let Some(Some(session)) = self.sessions.get(index) else { return };
        match session.channel.receive(&mut buffer) {
            Ok((sender, octets)) if sender == session.client() => self.handle_packet(index, octets),
            Ok((sender, octets)) => self.receive_from_wrong_port(index, sender, octets),
            Err(Errno::ECONNREFUSED) => self.perform(index, Step::End(Outcome::Gone, None), false),
            Err(_) => {}
        }
    }

    /// Replies with ERROR 5 to a packet from a port other than the client's; the transfer goes on (RFC 1350 section 4).
    fn receive_from_wrong_port(&mut self, index: usize, sender: SocketAddr, octets: &[u8]) {
        let Some(Some(session)) = self.sessions.get_mut(index) else { return };
        let link = (self.link)(session.link, session.channel.local.address);
        let event = match check_wrong_port(sender, octets, link, &mut session.wrong_port_errors, self.now) {
            Err(reason) => TftpEvent::Ignored { client: sender, reason },
            Ok(()) => match session.channel.send_to_other(&error_packet(UNKNOWN_TRANSFER), sender) {
                Ok(()) => TftpEvent::Refused {
                    client: sender,
                    name: session.file_name(),
                    ticket: &session.ticket,
                    reason: TftpRefusal::UnknownTransfer,
                },
                Err(errno) => TftpEvent::Failed {
                    client: sender,
                    name: session.file_name(),
                    ticket: &session.ticket,
                    error: errno.into(),
                },
            },
        };
        (self.on_event)(event);
    }

    /// Handles a packet from the transfer's client.
    fn handle_packet(&mut self, index: usize, octets: &[u8]) {
        let Some(Some(session)) = self.sessions.get_mut(index) else { return };
        let packet = match TftpPacket::read(octets) {
            Ok(packet @ (TftpPacket::Ack { .. } | TftpPacket::Error { .. })) => packet,
            other => {
                let reason = other.map_or_else(TftpSilence::Malformed, |_| TftpSilence::UnexpectedPacket);
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
        self.set_timer(index);
    }

    /// Handles the timeouts of the transfers whose deadline is reached. A deadline that an ACK has moved gets a new
    /// timer only now, so that an ACK costs none.
    fn handle_timeouts(&mut self) {
        while let Some((_, index)) = self.timers.next().filter(|(timer, _)| *timer <= self.now) {
            let Some(session) = &mut self.sessions[index] else { return };
            self.timers.remove(index, &mut session.timer);
            let step = session.transfer.handle_timeout(self.now);
            self.perform(index, step, false);
            self.set_timer(index);
        }
    }

    /// Sets a timer for the deadline of a transfer, unless an earlier one is set.
    fn set_timer(&mut self, index: usize) {
        let Some(session) = &mut self.sessions[index] else { return };
        self.timers.set(index, &mut session.timer, session.transfer.deadline());
    }

    /// Performs a step of a transfer. `is_client_alive` is true if a packet from the client has just arrived.
    fn perform(&mut self, index: usize, step: Step, is_client_alive: bool) {
        let Some(session) = self.sessions[index].as_mut() else { return };
        let Some(listener) = self.listeners.for_client(session.client()) else { return };
        if session.is_rate_limited && matches!(step, Step::Oack | Step::Blocks(_)) {
            if !listener.has_room_for_unverified() {
                return (self.on_event)(TftpEvent::Ignored {
                    client: session.client(),
                    reason: TftpSilence::SendBufferFull,
                });
            }
            session.deferred = None;
            if let Step::Blocks(blocks) = step
                && !self.clients.take_octets(session.client().ip(), session.wire_size(blocks), self.now)
            {
                session.deferred = Some(blocks);
                return;
            }
        }
        let result = match step {
            Step::Wait => Ok(()),
            Step::Oack => session.send_oack(listener, is_client_alive),
            Step::Blocks(blocks) => {
                session.send_blocks(listener, blocks, is_client_alive, &mut self.unsegmented, &mut self.read_ahead)
            }
            Step::End(outcome, error_reply) => return self.end_transfer(index, outcome, error_reply),
        };
        match result {
            Ok(()) => {}
            // The send buffer is full, because the network is slower than the disk. The timer causes the packet to be
            // sent again.
            Err(SendError::NotSent(Errno::EAGAIN | Errno::ENOBUFS)) => {
                (self.on_event)(TftpEvent::Ignored { client: session.client(), reason: TftpSilence::SendBufferFull });
            }
            Err(SendError::PortClosed) => self.end_transfer(index, Outcome::Gone, None),
            Err(SendError::NotSent(errno)) => {
                (self.on_event)(TftpEvent::Failed {
                    client: session.client(),
                    name: session.file_name(),
                    ticket: &session.ticket,
                    error: errno.into(),
                });
            }
            Err(SendError::ReadFailed(error)) => {
                (self.on_event)(TftpEvent::Failed {
                    client: session.client(),
                    name: session.file_name(),
                    ticket: &session.ticket,
                    error,
                });
                let step = session.transfer.file_changed();
                self.perform(index, step, false);
            }
        }
    }

    /// Ends a transfer, and sends `error_reply` to the client if there is one.
    fn end_transfer(&mut self, index: usize, outcome: Outcome, error_reply: Option<ErrorReply>) {
        let Some(mut session) = self.sessions[index].take() else { return };
        self.free_slots.push(index);
        self.timers.remove(index, &mut session.timer);
        session.frames.release(&mut self.read_ahead);
        self.read_ahead.transfers = self.transfer_count();
        if self.by_client.get(&session.client()) == Some(&index) {
            self.by_client.remove(&session.client());
        }
        self.clients.transfer_ended(session.client().ip());
        if let Some(entry) = session.eviction_entry(index) {
            self.evictions.remove(session.client().ip(), entry);
        }
        if let Some(error_reply) = error_reply
            && let Some(listener) = self.listeners.for_client(session.client())
        {
            session.send_error(listener, error_reply);
        }
        (self.on_event)(TftpEvent::Ended {
            client: session.client(),
            name: session.file_name(),
            ticket: &session.ticket,
            octets: session.transfer.acknowledged_octets(),
            elapsed: self.now.saturating_sub(session.started),
            outcome,
            progress: session.transfer.progress(),
        });
        let file = session.file;
        session.channel.close(&mut self.ports);
        drop(session.frames);
        if let Some(file) = file {
            self.open_files.release(file);
        }
    }

    /// Handles the deferred blocks of all transfers. Each tick begins with a different transfer, because all transfers
    /// to one address share a rate limit, and the first transfer in a tick could use it up.
    fn tick(&mut self) {
        let slots = self.sessions.len();
        self.first_slot = (self.first_slot + 1) % slots.max(1);
        for index in (self.first_slot..slots).chain(0..self.first_slot) {
            let Some(deferred) = self.sessions[index].as_ref().and_then(|session| session.deferred) else { continue };
            self.perform(index, Step::Blocks(deferred), false);
        }
    }

    fn abort_all(&mut self) {
        for index in 0..self.sessions.len() {
            self.end_transfer(index, Outcome::Failed, Some((ErrorCode::NOT_DEFINED, "Server stops")));
        }
    }
}

const UNKNOWN_TRANSFER: ErrorReply = (ErrorCode::UNKNOWN_TRANSFER_ID, "Unknown transfer ID");

fn epoll_timeout(wait: Duration) -> EpollTimeout {
    // The wait is rounded up, otherwise the loop would spin during the last millisecond.
    EpollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO)
}
