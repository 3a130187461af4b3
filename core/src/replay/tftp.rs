//! TFTP transfers (RFC 1350, 2347, 2348, 2349, 7440), as the packets of both sides show them.

use super::addresses::TFTP_PORT;
use super::context::Context;
use super::dhcp::client_and_server;
use super::download::Download;
use crate::capture::Packet;
use crate::fetch::fetch;
use crate::identity::MachineKey;
use crate::request::{FileRequest, Protocol};
use crate::story::FileEnd;
use crate::transfer::Progress;
use crate::wire::tftp::{DATA_HEADER_LENGTH, ErrorCode, TftpOptions, TftpPacket};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// The maximum number of transfers at a time. The oldest one makes room.
const MAX_TRANSFERS: usize = 4096;
/// How often transfers are checked for their end, in milliseconds.
const CHECK: u64 = 250;
/// The server repeats a packet after this time, in milliseconds, and then after twice the time, up to the maximum.
const FIRST_TIMEOUT: u64 = 1000;
const MAX_TIMEOUT: u64 = 8000;
/// The number of waits before the server gives up a transfer of which nothing was acknowledged.
const WAITS: u32 = 3;
/// A transfer without progress ends after this time, in milliseconds.
const STALL: u64 = 30_000;
/// The block size without the option (RFC 1350).
const USUAL_BLOCK: u16 = 512;

/// The maximum number of lengths of files that are known.
const MAX_SIZES: usize = 4096;
/// The number of read requests without a reply by which a machine shows that none arrives.
const UNANSWERED: u8 = 3;
/// The time that the server waits for a read request, in milliseconds, with a margin.
const READ_REQUEST_WAIT: u64 = 30_000;

/// The transfers, by the address of the client and that of the server.
#[derive(Default)]
pub struct Transfers {
    transfers: BTreeMap<(SocketAddr, IpAddr), Transfer>,
    /// The lengths of files by their names, from the replies to machines that requested the length.
    sizes: BTreeMap<Vec<u8>, u64>,
    checked: u64,
}

/// A transfer.
struct Transfer {
    /// The request, as sent.
    request: Vec<u8>,
    name: Vec<u8>,
    /// The time of the request and of the last progress, in milliseconds.
    requested: u64,
    progressed: u64,
    /// The file, after the first reply of the server.
    download: Option<Download>,
    blksize: u16,
    /// The time until the first repeat, in milliseconds.
    timeout: u64,
    has_oack: bool,
    has_tsize: bool,
    confirmed: bool,
    acked: u64,
    sent: u64,
    /// The number of blocks whose content was added.
    added: u64,
    last_block: Option<u64>,
    size: Option<u64>,
    repeated_acks: u8,
    repeated_requests: u8,
    /// The number of requests before the first reply.
    requests: u8,
    /// The number of first replies of the server.
    replies: u8,
}

impl Transfers {
    /// Adds a UDP packet.
    pub fn packet(&mut self, context: &mut Context, packet: &Packet<'_>) {
        let Some((client, server, is_request)) = client_and_server(context, packet) else { return };
        let key = (client, server.ip().to_canonical());
        if is_request
            && server.port() == TFTP_PORT
            && let Ok(TftpPacket::Read(request)) = TftpPacket::read(packet.payload)
        {
            self.request(context, key, packet.payload, request.name);
            return;
        }
        let Some(transfer) = self.transfers.get_mut(&key) else { return };
        let end = match is_request {
            true => transfer.receive_from_client(context.now, packet),
            false => transfer.receive_from_server(context, key, packet),
        };
        match transfer.size {
            None => transfer.size = self.sizes.get(&transfer.name).copied(),
            Some(size) if self.sizes.len() < MAX_SIZES && !self.sizes.contains_key(&transfer.name) => {
                self.sizes.insert(transfer.name.clone(), size);
            }
            Some(_) => {}
        }
        transfer.note_size(context);
        if let Some(end) = end
            && let Some(transfer) = self.transfers.remove(&key)
        {
            let now = context.now;
            transfer.end(context, now, end);
        }
    }

    /// Ends the transfers that the server has given up by now.
    pub fn expire(&mut self, context: &mut Context, now: u64) {
        if now.saturating_sub(self.checked) < CHECK {
            return;
        }
        self.checked = now;
        let is_due = |transfer: &Transfer| transfer.deadline() <= now;
        for transfer in self.take(|_, transfer| is_due(transfer)) {
            let (at, end) = (transfer.deadline(), transfer.silent_end());
            transfer.end(context, at, end);
        }
    }

    /// A machine sends another request. If the capture lacks the packets of its last transfer, that transfer was
    /// successful: otherwise the server would have repeated its reply.
    pub fn settle(&mut self, context: &mut Context, is_same: impl Fn(MachineKey) -> bool) {
        let is_over = |transfer: &Transfer| {
            let machine = transfer.download.as_ref().map(|download| download.machine().key);
            transfer.is_unseen() && machine.is_some_and(&is_same)
        };
        let now = context.now;
        for transfer in self.take(|_, transfer| is_over(transfer)) {
            transfer.end(context, now, FileEnd::Complete);
        }
    }

    /// As [`Transfers::settle`], for the machine with this address.
    pub fn settle_address(&mut self, context: &mut Context, address: IpAddr) {
        let now = context.now;
        let is_over = |client: &SocketAddr, transfer: &Transfer| client.ip() == address && transfer.is_unseen();
        for transfer in self.take(is_over) {
            transfer.end(context, now, FileEnd::Complete);
        }
    }

    /// Adds the transfers that run at the end of the capture.
    pub fn finish(&mut self, context: &mut Context) {
        for ((client, server), transfer) in core::mem::take(&mut self.transfers) {
            match transfer.download {
                Some(download) => download.unfinished(context),
                // The capture proves that no reply came, so the server's wait is over.
                None if transfer.requests >= UNANSWERED => {
                    let request = file_request(&transfer.name, client, server);
                    let machine = fetch(&context.plan, &context.observations, &request).ticket.machine;
                    let now = context.now.saturating_add(READ_REQUEST_WAIT);
                    context.stories.expire_machine(machine.key, now);
                }
                None => {}
            }
        }
    }

    /// Removes the transfers with this property.
    fn take(&mut self, has: impl Fn(&SocketAddr, &Transfer) -> bool) -> Vec<Transfer> {
        let keys: Vec<_> = self.transfers.iter().filter(|((client, _), transfer)| has(client, transfer)).collect();
        let keys: Vec<_> = keys.into_iter().map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.transfers.remove(key)).collect()
    }

    fn request(&mut self, context: &mut Context, key: (SocketAddr, IpAddr), octets: &[u8], name: &[u8]) {
        let mut requests = 1;
        if let Some(known) = self.transfers.get_mut(&key) {
            if known.request == octets && known.download.is_none() {
                requests = known.requests.saturating_add(1);
            }
            if known.request == octets && known.download.is_some() && !known.confirmed {
                known.repeated_requests = known.repeated_requests.saturating_add(1);
                return;
            }
            // A new request from the same port: the machine ended the transfer without an ERROR.
            if let Some(known) = self.transfers.remove(&key) {
                let now = context.now;
                known.end(context, now, FileEnd::Stopped);
            }
        }
        self.settle_address(context, key.0.ip());
        if self.transfers.len() >= MAX_TRANSFERS {
            let oldest = self.transfers.iter().min_by_key(|(_, transfer)| transfer.progressed).map(|(key, _)| *key);
            let oldest = oldest.and_then(|oldest| self.transfers.remove(&oldest));
            oldest.and_then(|oldest| oldest.download).into_iter().for_each(|download| download.unfinished(context));
        }
        self.transfers.insert(key, Transfer { requests, ..Transfer::new(octets, name, context.now) });
    }
}

impl Transfer {
    fn new(request: &[u8], name: &[u8], now: u64) -> Transfer {
        Transfer {
            request: request.to_vec(),
            name: name.to_vec(),
            requested: now,
            progressed: now,
            download: None,
            blksize: USUAL_BLOCK,
            timeout: FIRST_TIMEOUT,
            has_oack: false,
            has_tsize: false,
            confirmed: false,
            acked: 0,
            sent: 0,
            added: 0,
            last_block: None,
            size: None,
            repeated_acks: 0,
            repeated_requests: 0,
            requests: 1,
            replies: 0,
        }
    }

    /// Handles a packet of the client. Returns how it ends the transfer, if it does.
    fn receive_from_client(&mut self, now: u64, packet: &Packet<'_>) -> Option<FileEnd> {
        self.download.as_ref()?;
        match TftpPacket::read(packet.payload).ok()? {
            TftpPacket::Ack { block } => self.acked(block, now),
            TftpPacket::Error { .. } if !self.confirmed && self.has_tsize => Some(FileEnd::SizeProbe),
            TftpPacket::Error { .. } => Some(FileEnd::Stopped),
            _ => None,
        }
    }

    fn acked(&mut self, block: u16, now: u64) -> Option<FileEnd> {
        let new_blocks = u64::from(block.wrapping_sub(self.acked as u16));
        if new_blocks > self.sent.saturating_sub(self.acked) {
            return None;
        }
        let acknowledges_oack = !self.confirmed && self.has_oack && self.acked == 0;
        if new_blocks == 0 && !acknowledges_oack {
            self.repeated_acks = self.repeated_acks.saturating_add(1);
            return None;
        }
        self.confirmed = true;
        self.repeated_acks = 0;
        self.acked += new_blocks;
        self.progressed = now;
        (self.last_block == Some(self.acked)).then_some(FileEnd::Complete)
    }

    /// Handles a packet of the server. Returns how it ends the transfer, if it does.
    fn receive_from_server(
        &mut self,
        context: &mut Context,
        (client, server): (SocketAddr, IpAddr),
        packet: &Packet<'_>,
    ) -> Option<FileEnd> {
        let parsed = TftpPacket::read(packet.payload).ok()?;
        let is_first = self.download.is_none();
        if is_first {
            let request = file_request(&self.name, client, server);
            self.download = Some(Download::new(context, &request, self.requested));
        }
        match parsed {
            TftpPacket::Error { code, text } if is_first => {
                let label = refusal_label(code, text);
                self.download.take().into_iter().for_each(|download| download.refused(context, label));
                Some(FileEnd::Refused)
            }
            TftpPacket::Error { text, .. } if self.confirmed && text.ends_with(b"imed out") => {
                Some(FileEnd::TimedOut(self.progress()))
            }
            TftpPacket::Error { .. } => Some(FileEnd::Failed),
            TftpPacket::Oack(options) => {
                self.replies = self.replies.saturating_add(1);
                self.has_oack = true;
                self.agree(&options);
                None
            }
            TftpPacket::Data { block: 1, .. } if !self.has_oack => {
                self.replies = self.replies.saturating_add(1);
                self.data(context, packet);
                None
            }
            TftpPacket::Data { .. } => {
                self.data(context, packet);
                None
            }
            _ => None,
        }
    }

    fn agree(&mut self, options: &TftpOptions<'_>) {
        for (name, value) in options.iter() {
            let Some(number) = core::str::from_utf8(value).ok().and_then(|value| value.parse::<u64>().ok()) else {
                continue;
            };
            if name.eq_ignore_ascii_case(b"blksize") {
                self.blksize = u16::try_from(number).unwrap_or(u16::MAX).max(1);
            } else if name.eq_ignore_ascii_case(b"timeout") {
                self.timeout = number.clamp(1, 255) * 1000;
            } else if name.eq_ignore_ascii_case(b"tsize") {
                self.has_tsize = true;
                self.size = Some(number);
            }
        }
    }

    /// Notes the length of the file, once the client acknowledges something. A client that requests only the length
    /// ends the transfer before that.
    fn note_size(&mut self, context: &mut Context) {
        if self.confirmed
            && let (Some(size), Some(download)) = (self.size, &mut self.download)
            && download.size() != Some(size)
        {
            download.set_size(context, size);
        }
    }

    /// Handles the blocks of a packet. The kernel of a server may capture several DATA packets as one.
    fn data(&mut self, context: &mut Context, packet: &Packet<'_>) {
        let full = usize::from(self.blksize) + DATA_HEADER_LENGTH;
        let (mut octets, mut left) = (packet.payload, packet.length);
        while left >= DATA_HEADER_LENGTH {
            let length = left.min(full);
            let captured = octets.get(..length).unwrap_or(octets);
            let Ok(TftpPacket::Data { block, payload }) = TftpPacket::read(captured) else { return };
            self.block(context, block, payload, length - DATA_HEADER_LENGTH);
            octets = octets.get(length..).unwrap_or_default();
            left -= length;
        }
    }

    fn block(&mut self, context: &mut Context, block: u16, payload: &[u8], length: usize) {
        let ahead = block.wrapping_sub(self.sent as u16) as i16;
        let number = self.sent.saturating_add_signed(ahead.into());
        self.sent = self.sent.max(number);
        if length < usize::from(self.blksize) && number > 0 {
            self.last_block = Some(number);
            self.size = Some((number - 1).saturating_mul(self.blksize.into()) + length as u64);
        }
        if number == self.added + 1
            && let Some(download) = &mut self.download
        {
            self.added = number;
            self.size.into_iter().for_each(|size| download.set_size(context, size));
            download.add(context, payload);
            download.add_missing(length.saturating_sub(payload.len()));
        }
    }

    fn progress(&self) -> Progress {
        Progress {
            confirmed: self.confirmed,
            blksize: self.blksize,
            repeated_acks: self.repeated_acks,
            repeated_requests: self.repeated_requests,
        }
    }

    /// Whether the capture has only the first reply of the server.
    fn is_unseen(&self) -> bool {
        self.replies == 1 && !self.confirmed && self.sent <= 1 && self.repeated_requests == 0
    }

    /// How the transfer ends if no other packet follows.
    fn silent_end(&self) -> FileEnd {
        if self.is_unseen() { FileEnd::Complete } else { FileEnd::TimedOut(self.progress()) }
    }

    /// The time at which the server gives up, if the client remains silent.
    fn deadline(&self) -> u64 {
        let max = MAX_TIMEOUT.max(self.timeout);
        let waits: u64 = (0..WAITS).map(|wait| (self.timeout << wait).min(max)).sum();
        self.progressed + if self.confirmed { STALL } else { waits.min(STALL) }
    }

    fn end(self, context: &mut Context, at: u64, end: FileEnd) {
        let Some(mut download) = self.download else { return };
        let octets = match (end, self.size) {
            (FileEnd::Complete, Some(size)) => size,
            (_, Some(size)) => self.acked.saturating_mul(self.blksize.into()).min(size),
            (_, None) => self.acked.saturating_mul(self.blksize.into()),
        };
        if let Some(size) = self.size {
            download.set_size(context, size);
        }
        download.ended(context, at, octets, end);
    }
}

fn file_request(name: &[u8], client: SocketAddr, server: IpAddr) -> FileRequest<'_> {
    FileRequest { protocol: Protocol::Tftp, name, server, client, interface: "" }
}

/// The label of the reason for which a server refuses a file. Some servers send code 0 with a text.
fn refusal_label(code: ErrorCode, text: &[u8]) -> &'static str {
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    match code {
        ErrorCode::FILE_NOT_FOUND => "tftp:refused:not-found",
        ErrorCode::ACCESS_VIOLATION => "tftp:refused:denied",
        _ if has(b"not found") || has(b"no such file") => "tftp:refused:not-found",
        _ => "tftp:refused:failed",
    }
}
