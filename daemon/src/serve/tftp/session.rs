//! A session: a transfer with its file and the channel to its client.

use super::channel::Channel;
use super::eviction::EvictionEntry;
use super::frames::{Frames, ReadAhead};
use super::listener::TftpSocket;
use crate::files::FileIdentity;
use nix::errno::Errno;
use proxydhcpd_core::bounded_cache::TokenBucket;
use proxydhcpd_core::file_ticket::FileTicket;
use proxydhcpd_core::transfer::{Blocks, ErrorReply, Transfer};
use proxydhcpd_core::wire::tftp::{DATA_HEADER_LENGTH, TftpPacket};
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A transfer in progress.
#[derive(Debug)]
pub struct Session {
    /// The datagram with the request, with which the server compares later requests to recognise a repetition.
    pub request: Box<[u8]>,
    /// The protocol state.
    pub transfer: Transfer,
    /// The decisions about the request.
    pub ticket: Arc<FileTicket>,
    /// The DATA packets that are read ahead.
    pub frames: Frames,
    /// The identity of the open file, or `None` for rendered text.
    pub file: Option<FileIdentity>,
    /// The channel to the client.
    pub channel: Channel,
    /// Whether the rate limit for unverified clients applies: the client's address is unverified, and the port of the
    /// transfer is easy to guess.
    pub is_rate_limited: bool,
    /// Blocks that exceeded the rate limit, and that the server sends later.
    pub deferred: Option<Blocks>,
    /// The time of the session's timer in [`super::timers::Timers`].
    pub timer: Option<Duration>,
    /// Index of the link on which the request arrived.
    pub link: u32,
    /// The time at which the request arrived, counted from the start of the server.
    pub started: Duration,
    /// Limits the ERRORs to ports other than the client's.
    pub wrong_port_errors: TokenBucket,
}

const UDP_IPV4_HEADERS: usize = 28;

/// Why a packet was not sent.
#[derive(Debug)]
pub enum SendError {
    /// The client's port is closed.
    PortClosed,
    /// The kernel did not send the packet (no route, full buffer, firewall). The packet counts as lost, and the timer
    /// causes it to be sent again.
    NotSent(Errno),
    /// The file cannot be read, or has changed since it was opened.
    ReadFailed(io::Error),
}

/// The links whose driver does not support UDP_SEGMENT.
pub type LinksWithoutGso = HashSet<u32>;

impl Session {
    /// The client's address and port.
    pub fn client(&self) -> SocketAddr {
        self.channel.client
    }

    /// The session's entry in the eviction queue; `None` if its client is known to exist.
    pub fn eviction_entry(&self, index: usize) -> Option<EvictionEntry> {
        let is_confirmed = self.transfer.is_confirmed();
        let acknowledged = is_confirmed.then_some(self.transfer.acknowledged_blocks());
        (!is_confirmed || self.is_rate_limited).then(|| EvictionEntry::new(acknowledged, self.started, index))
    }

    /// Length of these blocks on the wire, headers of UDP and IPv4 included.
    pub fn wire_size(&self, blocks: Blocks) -> usize {
        let payload = |block| self.transfer.payload_length(block) + DATA_HEADER_LENGTH + UDP_IPV4_HEADERS;
        (blocks.first..blocks.first + blocks.count).map(payload).sum()
    }

    /// The name of the requested file.
    pub fn file_name(&self) -> &[u8] {
        match TftpPacket::read(&self.request) {
            Ok(TftpPacket::Read(request)) => request.name,
            _ => &[],
        }
    }

    /// Sends the OACK. Here and below, `is_client_alive` is true if a packet from the client has just arrived.
    pub fn send_oack(&self, listener: &TftpSocket, is_client_alive: bool) -> Result<(), SendError> {
        let oack = self.transfer.oack();
        Ok(self.channel.send(listener, oack, oack.len(), false, is_client_alive)?)
    }

    /// Sends these blocks, with as few system calls as the link permits.
    pub fn send_blocks(
        &mut self,
        listener: &TftpSocket,
        blocks: Blocks,
        is_client_alive: bool,
        unsegmented: &mut LinksWithoutGso,
        read_ahead: &mut ReadAhead,
    ) -> Result<(), SendError> {
        let packet_size = self.frames.stride();
        let mut rest = blocks;
        while rest.count > 0 {
            let frames = self.frames.packets_from(&self.transfer, rest.first, rest.count, read_ahead);
            let frames = frames.map_err(SendError::ReadFailed)?;
            let segmented = frames.len() > packet_size && !unsegmented.contains(&self.link);
            match self.channel.send(listener, frames, packet_size, segmented, is_client_alive) {
                // EMSGSIZE concerns only the path to this client: the path MTU is too small, and the kernel fragments
                // whole datagrams, but not segments.
                Err(errno @ (Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE)) if segmented => {
                    if errno != Errno::EMSGSIZE {
                        unsegmented.insert(self.link);
                    }
                    self.channel.send(listener, frames, packet_size, false, is_client_alive)?;
                }
                sent => sent?,
            }
            let sent = frames.len().div_ceil(packet_size) as u64;
            rest = Blocks { first: rest.first + sent, count: rest.count - sent };
        }
        Ok(())
    }

    /// Sends an ERROR, and does not repeat it: if the ERROR is lost, the client's timeout has the same effect.
    pub fn send_error(&self, listener: &TftpSocket, reply: ErrorReply) {
        let error = error_packet(reply);
        let _ = self.channel.send(listener, &error, error.len(), false, false);
    }
}

/// Encodes an ERROR packet.
pub fn error_packet((code, text): ErrorReply) -> Vec<u8> {
    let mut packet = Vec::new();
    TftpPacket::Error { code, text: text.as_bytes() }.write(&mut packet);
    packet
}

impl From<Errno> for SendError {
    fn from(errno: Errno) -> SendError {
        if errno == Errno::ECONNREFUSED { SendError::PortClosed } else { SendError::NotSent(errno) }
    }
}
