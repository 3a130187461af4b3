//! Requests: which ones the server accepts, and how it replies.

use super::admission::{check_source, reply_address};
use super::channel::Channel;
use super::event::{TftpEvent, TftpRefusal, TftpSilence};
use super::family::{Family, LocalAddress};
use super::frames::Frames;
use super::limits::{MAX_UNACKNOWLEDGED, WRONG_PORT_ERRORS};
use super::listener::DatagramInfo;
use super::session::{Session, error_packet};
use super::{MAX_DATAGRAM, TftpServer};
use crate::files::{Opened, ResolvedFile};
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::socket::MsgFlags;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::file_ticket::FileTicket;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::request::{self, Protocol};
use proxydhcpd_core::transfer::{self, ErrorReply, MAX_WINDOW, Outcome, Step, Transfer, TransferLimits};
use proxydhcpd_core::wire::tftp::{self, ErrorCode, MalformedTftp, TftpPacket, TftpRequest};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// If a request is repeated within this time after the last progress of its transfer, the network has duplicated the
/// packet. If a request is repeated later, the machine has started over.
const DUPLICATE_TIME: Duration = Duration::from_secs(1);

/// Maximum number of descriptors of a transfer: its socket, and its file unless another transfer has that file open.
const DESCRIPTORS_EACH: usize = 2;

/// A request that gets an ERROR.
struct RefusedRequest {
    reason: TftpRefusal,
    error_reply: ErrorReply,
    /// The decisions about the request.
    ticket: Arc<FileTicket>,
}

impl RefusedRequest {
    /// A request that is refused before its name is resolved.
    fn new(reason: TftpRefusal, error_reply: ErrorReply) -> RefusedRequest {
        RefusedRequest { reason, error_reply, ticket: Arc::default() }
    }
}

impl<L, O, V, E> TftpServer<'_, L, O, V, E>
where
    L: Fn(u32, IpAddr) -> Option<Link>,
    O: Fn(&request::FileRequest<'_>) -> ResolvedFile,
    V: Fn(IpAddr) -> bool,
    E: FnMut(TftpEvent<'_>),
{
    /// Handles a datagram on the request port.
    pub(super) fn receive_request(&mut self, family: Family) {
        let mut buffer = [0; MAX_DATAGRAM];
        let received =
            self.listeners.for_family(family).and_then(|sockets| sockets.request_socket.receive(&mut buffer));
        let Some((arrival, octets)) = received else { return };
        let packet = TftpPacket::read(octets);
        if let (Ok(TftpPacket::Ack { .. } | TftpPacket::Error { .. }), true) = (&packet, self.settings.single_port)
            && let Some(&index) = self.by_client.get(&arrival.client)
        {
            return self.handle_packet(index, octets);
        }
        if let Err(reason) = self.handle_request(&arrival, octets, packet) {
            (self.on_event)(TftpEvent::Ignored { client: arrival.client, reason });
        }
    }

    /// Replies to a request, or returns the reason for silence.
    fn handle_request(
        &mut self,
        arrival: &DatagramInfo,
        octets: &[u8],
        packet: Result<TftpPacket<'_>, MalformedTftp>,
    ) -> Result<(), TftpSilence> {
        let client = arrival.client;
        let link = (self.link)(arrival.link, arrival.to).ok_or(TftpSilence::UnservedInterface)?;
        check_source(client, &link)?;
        let server = reply_address(arrival.to, &link)?;
        let from = LocalAddress::new(server, arrival.link);
        let (request, is_write) = match packet {
            Ok(TftpPacket::Read(request)) => (request, false),
            Ok(TftpPacket::Write(request)) => (request, true),
            Ok(_) => return Err(TftpSilence::UnexpectedPacket),
            Err(reason) if is_incomplete(octets, reason) => {
                self.check_request_rate(client.ip())?;
                self.check_file_rate(client.ip())?;
                let refused = RefusedRequest::new(TftpRefusal::Malformed(reason), MALFORMED);
                self.refuse(client, from, &[], &refused);
                return Ok(());
            }
            Err(reason) => return Err(TftpSilence::Malformed(reason)),
        };
        self.check_request_rate(client.ip())?;
        if let Some(&index) = self.by_client.get(&client)
            && !is_write
            && self.repeats_request(index, octets)?
        {
            return Ok(());
        }
        let file_request = request::FileRequest {
            protocol: Protocol::Tftp,
            name: request.name,
            server,
            client,
            interface: &link.name,
        };
        match self.open_file(&request, is_write, &file_request) {
            Ok(file) => {
                self.check_file_rate(client.ip())?;
                self.make_room(client.ip(), server)?;
                self.start_transfer(arrival, from, &link, octets, &request, file)
            }
            Err(refused) => {
                // Loaders normally request many files that need not exist, and a reply costs almost nothing.
                if refused.reason != TftpRefusal::Fetch(Refusal::NotFound) {
                    self.check_file_rate(client.ip())?;
                }
                self.refuse(client, from, request.name, &refused);
                Ok(())
            }
        }
    }

    fn open_file(
        &self,
        request: &TftpRequest<'_>,
        is_write: bool,
        file_request: &request::FileRequest<'_>,
    ) -> Result<(Opened, Arc<FileTicket>), RefusedRequest> {
        if is_write {
            return Err(RefusedRequest::new(TftpRefusal::Write, DENIED));
        }
        if let Some(error_reply) = transfer::refuse_mode(request.mode) {
            return Err(RefusedRequest::new(TftpRefusal::Mode, error_reply));
        }
        let ResolvedFile { opened, ticket } = (self.open)(file_request);
        match opened {
            Ok(opened) => Ok((opened, ticket)),
            Err(refusal) => {
                let (reason, error_reply) = (TftpRefusal::Fetch(refusal), error_reply(refusal));
                Err(RefusedRequest { reason, error_reply, ticket })
            }
        }
    }

    /// Makes room for one more transfer. If there is no room, evicts transfers whose request may be forged
    /// ([`super::eviction`]): of the same address if that address has its maximum, otherwise of any address. If there
    /// is still no room, returns the reason for silence.
    fn make_room(&mut self, client: IpAddr, server: IpAddr) -> Result<(), TftpSilence> {
        if !self.clients.can_start_transfer(client) || self.evictions.unacknowledged(client) >= MAX_UNACKNOWLEDGED {
            let first = self.evictions.first_for(client, self.now).ok_or(TftpSilence::ClientTransfers)?;
            self.end_transfer(first, Outcome::Evicted, None);
        }
        if self.ports.is_exhausted(server)
            && let Some(first) = self.evictions.first(self.now)
        {
            self.end_transfer(first, Outcome::Evicted, None);
        }
        for _ in 0..DESCRIPTORS_EACH {
            let Err(silence) = self.check_room() else { return Ok(()) };
            let first = self.evictions.first(self.now).ok_or(silence)?;
            self.end_transfer(first, Outcome::Evicted, None);
        }
        self.check_room()
    }

    fn check_room(&self) -> Result<(), TftpSilence> {
        let transfers = self.transfer_count();
        if self.settings.max_transfers.is_some_and(|max| transfers >= max as usize) {
            return Err(TftpSilence::MaxTransfers);
        }
        // Transfers over the single port have no socket, and rendered text has no file. So the number of transfers
        // needs a limit as well as the number of descriptors.
        let sockets = if self.settings.single_port { 0 } else { transfers };
        if transfers >= self.descriptors || sockets + self.open_files.count() + DESCRIPTORS_EACH > self.descriptors {
            return Err(TftpSilence::OpenFileLimit);
        }
        Ok(())
    }

    fn check_request_rate(&mut self, client: IpAddr) -> Result<(), TftpSilence> {
        if self.stop_at.is_some() {
            return Err(TftpSilence::Stopping);
        }
        if self.clients.take_request(client, self.now) { Ok(()) } else { Err(TftpSilence::RequestRate) }
    }

    fn check_file_rate(&mut self, client: IpAddr) -> Result<(), TftpSilence> {
        if self.clients.take_file(client, self.now) { Ok(()) } else { Err(TftpSilence::FileRate) }
    }

    /// Handles a request from the client port of a running transfer. If the request is a repetition before the first
    /// ACK, sends the first reply again and returns true. If the network has duplicated the request, returns the reason
    /// for silence. Otherwise the client has started over: ends the transfer and returns false.
    fn repeats_request(&mut self, index: usize, octets: &[u8]) -> Result<bool, TftpSilence> {
        let Some(session) = &mut self.sessions[index] else { return Ok(false) };
        let same = *session.request == *octets;
        if same && !session.transfer.is_confirmed() {
            let first = session.transfer.handle_repeated_request();
            let client = session.client().ip();
            self.check_file_rate(client)?;
            self.perform(index, first, false);
            return Ok(true);
        }
        if same && self.now < session.transfer.last_progress() + DUPLICATE_TIME {
            return Err(TftpSilence::Duplicate);
        }
        self.perform(index, Step::End(Outcome::Gone, None), false);
        Ok(false)
    }

    fn start_transfer(
        &mut self,
        arrival: &DatagramInfo,
        from: LocalAddress,
        link: &Link,
        octets: &[u8],
        request: &TftpRequest<'_>,
        (mut opened, ticket): (Opened, Arc<FileTicket>),
    ) -> Result<(), TftpSilence> {
        let client = arrival.client;
        let index = self.free_slots.last().copied().unwrap_or(self.sessions.len());
        let channel = match self.channel(index, from, client) {
            Ok(channel) => channel,
            Err(error) => {
                (self.on_event)(TftpEvent::Failed { client, name: request.name, ticket: &ticket, error });
                return Err(TftpSilence::NoSocket);
            }
        };
        let limits = self.transfer_limits(client.ip(), link);
        let transfer = Transfer::new(request, opened.size(), limits, self.now);
        let first = transfer.first_step();
        let file = self.open_files.share(&mut opened);
        let session = Session {
            request: octets.into(),
            frames: Frames::new(opened, &transfer),
            ticket,
            file,
            transfer,
            channel,
            is_rate_limited: limits.forgeable,
            deferred: None,
            timer: None,
            link: link.index,
            started: self.now,
            wrong_port_errors: WRONG_PORT_ERRORS.full_bucket(self.now),
        };
        if self.free_slots.pop().is_none() {
            self.sessions.push(None);
        }
        if let Some(entry) = session.eviction_entry(index) {
            self.evictions.insert(client.ip(), entry);
        }
        self.sessions[index] = Some(session);
        self.by_client.insert(client, index);
        self.clients.transfer_started(client.ip());
        self.read_ahead.transfers = self.transfer_count();
        self.perform(index, first, false);
        self.set_timer(index);
        Ok(())
    }

    /// The limits for a transfer to this client. The request of an unverified client may be forged, so the transfer is
    /// slower than others if a forger can guess its port.
    fn transfer_limits(&self, client: IpAddr, link: &Link) -> TransferLimits {
        let block = transfer::max_block_size(link.mtu, client.is_ipv6());
        let unlimited = TransferLimits { block, window: MAX_WINDOW, forgeable: false };
        let granted = unlimited.for_unknown_client(self.port_guesses);
        if granted != unlimited && (self.is_vouched)(client) { unlimited } else { granted }
    }

    fn channel(&mut self, index: usize, from: LocalAddress, client: SocketAddr) -> io::Result<Channel> {
        if self.settings.single_port {
            return Ok(Channel::shared(from, client));
        }
        let channel = Channel::bind(&mut self.ports, from, client)?;
        if let Some(socket) = channel.socket()
            && let Err(errno) = self.listeners.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))
        {
            channel.close(&mut self.ports);
            return Err(errno.into());
        }
        Ok(channel)
    }

    /// Sends an ERROR instead of starting a transfer. The ERROR is at most 32 octets longer than the request.
    fn refuse(&mut self, client: SocketAddr, from: LocalAddress, name: &[u8], refused: &RefusedRequest) {
        let RefusedRequest { reason, error_reply, ticket } = refused;
        let Some(sockets) = self.listeners.for_family(Family::from_ip(client.ip())) else { return };
        let socket = sockets.error_socket();
        let is_known = self.clients.has_acknowledged(client.ip()) || (self.is_vouched)(client.ip());
        let sent = match is_known || socket.has_room_for_unverified() {
            true => socket.send(&error_packet(*error_reply), None, MsgFlags::empty(), client, from),
            false => Err(Errno::EAGAIN),
        };
        match sent {
            Ok(()) => {}
            Err(Errno::EAGAIN | Errno::ENOBUFS) => {
                (self.on_event)(TftpEvent::Ignored { client, reason: TftpSilence::SendBufferFull })
            }
            Err(errno) => (self.on_event)(TftpEvent::Failed { client, name, ticket, error: errno.into() }),
        }
        (self.on_event)(TftpEvent::Refused { client, name, ticket, reason: *reason });
    }
}

const DENIED: ErrorReply = (ErrorCode::ACCESS_VIOLATION, "Access violation");
const MALFORMED: ErrorReply = (ErrorCode::ILLEGAL_OPERATION, "Malformed request");

/// Whether the packet is a request whose end is missing or malformed. The server replies with an ERROR, because silence
/// would cost the client a timeout.
fn is_incomplete(octets: &[u8], reason: MalformedTftp) -> bool {
    let known = matches!(reason, MalformedTftp::Unterminated | MalformedTftp::NoValue | MalformedTftp::AfterPadding);
    known && tftp::is_request(octets)
}

fn error_reply(refusal: Refusal) -> ErrorReply {
    match refusal {
        Refusal::NotFound => (ErrorCode::FILE_NOT_FOUND, "File not found"),
        Refusal::Denied => DENIED,
        Refusal::BadName => (ErrorCode::NOT_DEFINED, "Not a file name"),
        Refusal::Failed(_) => (ErrorCode::NOT_DEFINED, "Server failed"),
        Refusal::TemplateError => (ErrorCode::NOT_DEFINED, "Template failed, see its log"),
    }
}
