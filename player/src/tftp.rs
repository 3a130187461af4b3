//! A TFTP client with the options of firmware (RFC 1350, RFC 2347, RFC 7440).

use crate::content::Content;
use crate::exchange::{Exchange, Retries, Step};
use crate::failure::Failure;
use proxydhcpd_core::wire::tftp::{ErrorCode, TftpOptions, TftpPacket, TftpRequest};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// The port of a TFTP server.
pub const PORT: u16 = 69;

/// The block size without options (RFC 1350).
const DEFAULT_BLOCK_SIZE: usize = 512;

/// How a firmware requests a file.
#[derive(Debug)]
pub struct TftpDialect {
    /// The options of a first request, by which the firmware learns the size and which it then ends with an ERROR;
    /// empty if it does not.
    pub probe: &'static [(&'static str, &'static str)],
    /// The text and the code of that ERROR.
    pub abort: (u16, &'static str),
    /// The options of the request for the file.
    pub read: &'static [(&'static str, &'static str)],
    /// The waits before the client repeats its last packet, in milliseconds.
    pub waits: &'static [u64],
}

const EDK2_ABORT: (u16, &str) = (8, "User aborted the transfer");
const SLOW: &[u64] = &[4000; 6];

/// EDK2 since 2018.
pub static EDK2: TftpDialect = TftpDialect {
    probe: &[("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")],
    abort: EDK2_ABORT,
    read: &[("blksize", "1468"), ("windowsize", "4")],
    waits: SLOW,
};

/// EDK2 over IPv6.
pub static EDK2_IPV6: TftpDialect = TftpDialect {
    probe: &[("tsize", "0"), ("blksize", "1228"), ("windowsize", "4")],
    abort: EDK2_ABORT,
    read: &[("blksize", "1228"), ("windowsize", "4")],
    waits: SLOW,
};

/// The PXE ROM of a BIOS machine.
pub static BIOS_ROM: TftpDialect =
    TftpDialect { probe: &[("tsize", "0")], abort: (0, "TFTP Aborted"), read: &[("blksize", "1456")], waits: SLOW };

/// iPXE.
pub static IPXE: TftpDialect = TftpDialect {
    probe: &[],
    abort: EDK2_ABORT,
    read: &[("blksize", "1432"), ("tsize", "0")],
    waits: &[250, 500, 1000, 2000, 4000, 8000],
};

/// shim, through the firmware.
pub static SHIM: TftpDialect =
    TftpDialect { probe: &[], abort: EDK2_ABORT, read: &[("blksize", "512"), ("windowsize", "4")], waits: SLOW };

/// GRUB.
pub static GRUB: TftpDialect =
    TftpDialect { probe: &[], abort: EDK2_ABORT, read: &[("blksize", "1024"), ("tsize", "0")], waits: SLOW };

/// The Raspberry Pi.
pub static RASPBERRY_PI: TftpDialect =
    TftpDialect { probe: &[], abort: EDK2_ABORT, read: &[("tsize", "0"), ("blksize", "1024")], waits: SLOW };

/// The purpose of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The size of the file; the client ends the transfer after the OACK.
    Probe,
    /// The file.
    Read,
    /// The file; the request arrives twice.
    RepeatedRead,
    /// The first blocks; the client then falls silent, because its power failed.
    CutShort,
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transferred {
    /// The file: its first octets, and its length in octets. A probe has no content.
    File(Vec<u8>, u64),
    /// The server refused: the error code and the text.
    Refused(u16, String),
}

/// The client of one transfer.
#[derive(Debug)]
pub struct TftpClient {
    name: String,
    purpose: Purpose,
    abort: (u16, &'static str),
    request: Vec<u8>,
    server: SocketAddr,
    /// The address from which the server sends, since its first packet.
    peer: Option<SocketAddr>,
    retries: Retries,
    waits: &'static [u64],
    queue: VecDeque<(SocketAddr, Vec<u8>)>,
    last: Vec<u8>,
    block_size: usize,
    window: u16,
    in_window: u16,
    block: u16,
    content: Content,
    end: Option<Transferred>,
}

impl TftpClient {
    /// Creates a client for a file on the server at `server`.
    pub fn new(
        dialect: &'static TftpDialect,
        purpose: Purpose,
        server: SocketAddr,
        name: &str,
        now: Duration,
    ) -> TftpClient {
        let options = if purpose == Purpose::Probe { dialect.probe } else { dialect.read };
        let mut area = Vec::new();
        for (name, value) in options {
            TftpOptions::write(name.as_bytes(), value.as_bytes(), &mut area);
        }
        let options = TftpOptions::read(&area).unwrap_or_default();
        let mut request = Vec::new();
        TftpPacket::Read(TftpRequest { name: name.as_bytes(), mode: b"octet", options }).write(&mut request);
        TftpClient {
            name: name.to_owned(),
            purpose,
            abort: dialect.abort,
            last: request.clone(),
            request,
            server,
            peer: None,
            retries: Retries::new(dialect.waits, now),
            waits: dialect.waits,
            queue: VecDeque::new(),
            block_size: DEFAULT_BLOCK_SIZE,
            window: 1,
            in_window: 0,
            block: 0,
            content: Content::default(),
            end: None,
        }
    }

    fn send(&mut self, packet: TftpPacket<'_>, now: Duration) {
        let Some(peer) = self.peer else { return };
        let mut octets = Vec::new();
        packet.write(&mut octets);
        self.last.clone_from(&octets);
        self.queue.push_back((peer, octets));
        self.retries = Retries::new(self.waits, now);
        self.retries.send(now);
    }

    fn receive_oack(&mut self, options: TftpOptions<'_>, now: Duration) {
        let mut size = 0;
        for (name, value) in options.iter() {
            let Some(value) = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok()) else {
                continue;
            };
            match name {
                b"blksize" => self.block_size = usize::try_from(value).unwrap_or(DEFAULT_BLOCK_SIZE),
                b"windowsize" => self.window = u16::try_from(value).unwrap_or(1).max(1),
                b"tsize" => size = value,
                _ => {}
            }
        }
        if self.purpose == Purpose::Probe {
            let (code, text) = self.abort;
            self.send(TftpPacket::Error { code: ErrorCode(code), text: text.as_bytes() }, now);
            self.end = Some(Transferred::File(Vec::new(), size));
        } else if self.block == 0 {
            self.send(TftpPacket::Ack { block: 0 }, now);
        }
    }

    fn receive_data(&mut self, block: u16, payload: &[u8], now: Duration) {
        if block != self.block.wrapping_add(1) {
            // A block is missing: the client acknowledges the last one in order (RFC 7440 4). It ignores a block that
            // it has already.
            if block.wrapping_sub(self.block) < 0x8000 && block != self.block {
                self.in_window = 0;
                self.send(TftpPacket::Ack { block: self.block }, now);
            }
            return;
        }
        self.block = block;
        self.in_window += 1;
        self.content.push(payload);
        let is_last = payload.len() < self.block_size;
        if is_last || self.in_window >= self.window {
            self.in_window = 0;
            self.send(TftpPacket::Ack { block }, now);
        }
        if is_last || self.purpose == Purpose::CutShort && self.block >= 2 {
            let content = std::mem::take(&mut self.content);
            let length = content.length();
            self.end = Some(Transferred::File(content.into_kept(), length));
        }
    }
}

impl Exchange for TftpClient {
    type Outcome = Transferred;

    fn next(&mut self, now: Duration) -> Step<Transferred> {
        if let Some((to, octets)) = self.queue.pop_front() {
            return Step::Send(to, octets);
        }
        if let Some(end) = self.end.take() {
            return Step::Done(Ok(end));
        }
        if !self.retries.is_due(now) {
            return Step::WaitUntil(self.retries.due());
        }
        if !self.retries.send(now) {
            return Step::Done(Err(Failure::TftpSilent(self.name.clone())));
        }
        if self.purpose == Purpose::RepeatedRead && self.peer.is_none() && self.retries.sent() == 1 {
            self.queue.push_back((self.server, self.request.clone()));
        }
        Step::Send(self.peer.unwrap_or(self.server), self.last.clone())
    }

    fn receive(&mut self, payload: &[u8], from: SocketAddr, now: Duration) {
        let is_peer = self.peer.map_or(from.ip() == self.server.ip(), |peer| peer == from);
        let Ok(packet) = TftpPacket::read(payload) else { return };
        if !is_peer || self.end.is_some() {
            return;
        }
        self.peer = Some(from);
        match packet {
            TftpPacket::Oack(options) => self.receive_oack(options, now),
            TftpPacket::Data { block, payload } => self.receive_data(block, payload, now),
            TftpPacket::Error { code, text } => {
                self.end = Some(Transferred::Refused(code.0, String::from_utf8_lossy(text).into_owned()));
            }
            TftpPacket::Read(_) | TftpPacket::Write(_) | TftpPacket::Ack { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn sent(client: &mut TftpClient, now: Duration) -> Vec<u8> {
        match client.next(now) {
            Step::Send(_, octets) => octets,
            other => panic!("{other:?}"),
        }
    }

    fn oack(options: &[(&str, &str)]) -> Vec<u8> {
        let (mut area, mut packet) = (Vec::new(), Vec::new());
        options.iter().for_each(|(name, value)| TftpOptions::write(name.as_bytes(), value.as_bytes(), &mut area));
        TftpPacket::Oack(TftpOptions::read(&area).unwrap()).write(&mut packet);
        packet
    }

    fn data(block: u16, length: usize) -> Vec<u8> {
        let mut packet = Vec::new();
        TftpPacket::Data { block, payload: &vec![7; length] }.write(&mut packet);
        packet
    }

    fn addresses() -> (SocketAddr, SocketAddr) {
        ("10.77.0.2:69".parse().unwrap(), "10.77.0.2:40000".parse().unwrap())
    }

    #[test]
    fn edk2_probes_the_size_and_ends_the_transfer_with_an_error() {
        let (server, peer) = addresses();
        let mut client = TftpClient::new(&EDK2, Purpose::Probe, server, "ipxe.efi", NOW);
        assert_eq!(sent(&mut client, NOW), b"\0\x01ipxe.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0");
        client.receive(&oack(&[("tsize", "996864"), ("blksize", "1468")]), peer, NOW);
        assert_eq!(sent(&mut client, NOW), b"\0\x05\0\x08User aborted the transfer\0");
        assert!(matches!(client.next(NOW), Step::Done(Ok(Transferred::File(_, 996_864)))));
    }

    #[test]
    fn the_client_acknowledges_each_window_and_a_missing_block_and_ends_at_a_short_block() {
        let (server, peer) = addresses();
        let mut client = TftpClient::new(&EDK2, Purpose::Read, server, "ipxe.efi", NOW);
        sent(&mut client, NOW);
        client.receive(&oack(&[("blksize", "8"), ("windowsize", "2")]), peer, NOW);
        assert_eq!(sent(&mut client, NOW), [0, 4, 0, 0]);
        client.receive(&data(1, 8), peer, NOW);
        assert!(matches!(client.next(NOW), Step::WaitUntil(_)));
        client.receive(&data(2, 8), peer, NOW);
        assert_eq!(sent(&mut client, NOW), [0, 4, 0, 2]);
        client.receive(&data(4, 3), peer, NOW);
        assert_eq!(sent(&mut client, NOW), [0, 4, 0, 2], "block 3 is missing");
        client.receive(&data(3, 8), peer, NOW);
        client.receive(&data(4, 3), peer, NOW);
        assert_eq!(sent(&mut client, NOW), [0, 4, 0, 4]);
        assert!(matches!(client.next(NOW), Step::Done(Ok(Transferred::File(_, 27)))));
    }

    #[test]
    fn a_silent_server_is_asked_six_times() {
        let (server, _) = addresses();
        let mut client = TftpClient::new(&EDK2, Purpose::Read, server, "ipxe.efi", NOW);
        let mut now = NOW;
        for _ in 0..6 {
            sent(&mut client, now);
            now += Duration::from_secs(4);
        }
        assert!(matches!(client.next(now), Step::Done(Err(Failure::TftpSilent(_)))));
    }
}
