//! A transfer with the file that it sends and the way to its client.

use super::frames::{Frames, ReadAhead};
use super::listener::TftpSocket;
use super::open_files::FileIdentity;
use super::channel::Channel;
use super::eviction::EvictionEntry;
use nix::errno::Errno;
use proxydhcpd_core::bounded_cache::TokenBucket;
use proxydhcpd_core::transfer::{Blocks, ErrorReply, Transfer};
use proxydhcpd_core::wire::tftp::{DATA_HEADER_LENGTH, TftpPacket};
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Debug)]
pub struct Session {
    /// The request as it came: the same again asks for the first answer again.
    pub request: Box<[u8]>,
    pub transfer: Transfer,
    pub frames: Frames,
    /// What is sent, unless it is text.
    pub file: Option<FileIdentity>,
    pub channel: Channel,
    /// What goes to this client is counted: nothing is known of its address, and everybody knows the port.
    pub is_rate_limited: bool,
    /// Blocks that were more than may be sent to the address at that moment.
    pub deferred: Option<Blocks>,
    /// Index of the link that the request came by.
    pub link: u32,
    pub started: Duration,
    /// Packets from foreign ports that may still be answered.
    pub wrong_port_errors: TokenBucket,
}

const UDP_AND_IPV4: usize = 28;

/// Why a step could not be done.
#[derive(Debug)]
pub enum SendError {
    /// The client's port is closed.
    PortClosed,
    /// The kernel did not send (no route, no room, a firewall). The packet counts as lost, and the timer sees to it.
    NotSent(Errno),
    /// The file could not be read as it was when it was opened.
    ReadFailed(io::Error),
}

/// Links whose driver cannot cut a send into datagrams: never asked again.
pub type LinksWithoutGso = HashSet<u32>;

impl Session {
    pub fn client(&self) -> SocketAddr {
        self.channel.client
    }

    /// As what it gives way to others; `None`: to none, because somebody is there.
    pub fn eviction_entry(&self, index: usize) -> Option<EvictionEntry> {
        let opened = self.transfer.is_confirmed();
        let acknowledged = opened.then_some(self.transfer.acknowledged_blocks());
        (!opened || self.is_rate_limited).then(|| EvictionEntry::new(acknowledged, self.started, index))
    }

    /// Octets that these blocks are on the way, headers of UDP and IPv4 included.
    pub fn wire_size(&self, blocks: Blocks) -> usize {
        let payload = |block| self.transfer.payload_length(block) + DATA_HEADER_LENGTH + UDP_AND_IPV4;
        (blocks.first..blocks.first + blocks.count).map(payload).sum()
    }

    /// The name that was asked for.
    pub fn file_name(&self) -> &[u8] {
        match TftpPacket::read(&self.request) {
            Ok(TftpPacket::Read(request)) => request.name,
            _ => &[],
        }
    }

    /// `heard`, here and below: because the client has just been heard of.
    pub fn send_oack(&self, listener: &TftpSocket, heard: bool) -> Result<(), SendError> {
        let oack = self.transfer.oack();
        Ok(self.channel.send(listener, oack, oack.len(), false, heard)?)
    }

    pub fn send_blocks(
        &mut self,
        listener: &TftpSocket,
        blocks: Blocks,
        heard: bool,
        unsegmented: &mut LinksWithoutGso,
        read_ahead: &mut ReadAhead,
    ) -> Result<(), SendError> {
        let stride = self.frames.stride();
        let mut rest = blocks;
        while rest.count > 0 {
            let frames = self.frames.packets_from(&self.transfer, rest.first, rest.count, read_ahead);
            let frames = frames.map_err(SendError::ReadFailed)?;
            let segmented = frames.len() > stride && !unsegmented.contains(&self.link);
            match self.channel.send(listener, frames, stride, segmented, heard) {
                // EMSGSIZE is about the way to this client: a narrow link, where only whole datagrams are fragmented.
                Err(errno @ (Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE)) if segmented => {
                    if errno != Errno::EMSGSIZE {
                        unsegmented.insert(self.link);
                    }
                    self.channel.send(listener, frames, stride, false, heard)?;
                }
                sent => sent?,
            }
            let sent = frames.len().div_ceil(stride) as u64;
            rest = Blocks { first: rest.first + sent, count: rest.count - sent };
        }
        Ok(())
    }

    /// Sent once: if it is lost, the client's own timer tells it the same.
    pub fn send_error(&self, listener: &TftpSocket, farewell: ErrorReply) {
        let error = error_packet(farewell);
        let _ = self.channel.send(listener, &error, error.len(), false, false);
    }
}

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
