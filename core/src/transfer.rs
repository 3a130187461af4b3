//! One TFTP transfer (RFC 1350, 2347, 2348, 2349, 7440): the next step after each packet and each timeout.
//!
//! The transfer holds neither file nor socket. It names the blocks to send as a range of the file, so that the caller
//! can read ahead and send a window in one system call. The caller supplies all times, counted from any fixed moment.

use crate::round_trip::RoundTrip;
use crate::wire::tftp::{ErrorCode, TftpOptions, TftpPacket, TftpRequest};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

/// A transfer in progress.
#[derive(Clone, Debug)]
pub struct Transfer {
    size: u64,
    options: AgreedOptions,
    /// The OACK, if an option was accepted. Without one, DATA 1 is the first reply.
    oack: Option<Vec<u8>>,
    /// Whether the client has acknowledged something: then its address is not forged, and the server may send a full
    /// window.
    confirmed: bool,
    /// The numbers of the last acknowledged block and of the last sent block. Unlike the numbers in packets, they do
    /// not roll over.
    acked: u64,
    sent: u64,
    /// The server has sent the blocks up to this one again: see [`Transfer::acked`].
    repeated: u64,
    /// Credit for repeats. The client's packets earn credit, and a repeat costs [`RESEND_COST`]. `None` means no limit.
    credit: Option<u32>,
    /// Whether the client has reported, since the server sent the last block, that the first block of the window is
    /// missing.
    has_gap: bool,
    /// How often the client has repeated its last ACK, and its request before the first ACK.
    repeated_acks: u8,
    repeated_requests: u8,
    progress: Duration,
    /// When the server sent the packets that the client has to acknowledge, and how fast its ACKs come. The timeout
    /// follows from it, unless the client has chosen one, or its ACKs can be forged.
    sent_at: Duration,
    round_trip: Option<RoundTrip>,
    /// The time from a packet that was sent twice to its ACK, which may be the ACK of either: see
    /// [`Transfer::measure_round_trip`].
    doubtful_time: Option<Duration>,
    next_resend: Duration,
    timeout: Duration,
    resends: u32,
}

/// The next action of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until a packet comes or [`Transfer::deadline`] is reached.
    Wait,
    /// Send [`Transfer::oack`].
    Oack,
    /// Send these blocks.
    Blocks(Blocks),
    /// The transfer is over. The caller sends the ERROR once, if there is one, and waits for no reply.
    End(Outcome, Option<ErrorReply>),
}

/// A run of DATA packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The first block, counted from 1 without roll-over; the wire carries its low 16 bits.
    pub first: u64,
    /// Number of blocks.
    pub count: u64,
}

/// The code and text of an ERROR that the server sends.
pub type ErrorReply = (ErrorCode, &'static str);

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client acknowledged every octet.
    Completed,
    /// The client requested only the file size, then ended the transfer (EDK2 with ERROR 8, Intel's ROM with another
    /// code).
    SizeProbe,
    /// The client ended the transfer early, but nothing failed: iPXE has read enough (0), shim's buffer is too small
    /// and shim requests the file again (3), or the client rejects the options (8).
    Stopped(ErrorCode),
    /// The client ended the transfer with another error.
    Aborted(ErrorCode),
    /// The client's port is closed, or a new request comes from that port: the machine was reset, or ended the transfer
    /// without an ERROR.
    Gone,
    /// The client stopped responding.
    TimedOut,
    /// The server ended the transfer to make room for another one, because the client had acknowledged almost nothing.
    Evicted,
    /// The server cannot continue: the file changed, or the server stops.
    Failed,
}

/// How far a transfer came: the evidence for the place where its packets are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether the client acknowledged anything.
    pub confirmed: bool,
    /// The block size, in octets.
    pub blksize: u16,
    /// How often the client repeated its last ACK.
    pub repeated_acks: u8,
    /// How often the client repeated its request before it acknowledged anything.
    pub repeated_requests: u8,
}

/// Upper bounds for the options of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferLimits {
    /// Block size, in octets: see [`max_block_size`].
    pub block: u16,
    /// Window size, in blocks: see [`max_window`]. Below 2, the server accepts no `windowsize` and sends block by
    /// block.
    pub window: u16,
    /// Whether ACKs can be forged: the server's port is predictable, so a host that forges the client's address can
    /// guess the port.
    pub forgeable: bool,
}

/// The options that client and server agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AgreedOptions {
    blksize: u16,
    windowsize: u16,
    tsize: bool,
    timeout: Option<u8>,
}

/// The largest window, in blocks. A larger window gains nothing, and some clients fail with it (u-root/u-root#1966).
pub const MAX_WINDOW: u16 = 64;

/// Size of the largest block in an Ethernet packet over IPv4, in octets.
const ETHERNET_BLOCK: u16 = 1468;

/// The number of ports that a transfer needs for each block of its window: see [`max_window`].
const PORTS_PER_BLOCK: u32 = 16;

/// Valid block sizes (RFC 2348).
const BLKSIZE_RANGE: core::ops::RangeInclusive<u16> = 8..=65464;

/// Time until the server repeats a packet for the first time, if no new ACK comes and no round trip has been measured.
/// The time doubles with each repeat, up to [`MAX_TIMEOUT`].
const INITIAL_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(8);
/// Maximum number of repeats without an ACK. A shorter time grows faster, so that the repeats cover many seconds.
const MAX_RESENDS: u32 = 6;
const SHORT_TIMEOUT_FACTOR: u32 = 4;

/// The source address of a request may be forged, so the first packet is repeated less often.
const MAX_INITIAL_RESENDS: u32 = 2;

/// If ACKs can be forged, the server sends one repeat for this many new ACKs, or for one repeated ACK.
const RESEND_COST: u32 = 8;

/// A transfer without progress ends after this time.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Delay until a repeated ACK within a window causes a repeat: see [`Transfer::acked_again`].
const GAP_TIMEOUT: Duration = Duration::from_millis(100);

/// Refuses a transfer mode other than `octet`: returns the ERROR to send, or `None` for `octet`. No boot program
/// requests netascii, and unconverted octets must not be sent under that name.
pub fn refuse_mode(mode: &[u8]) -> Option<ErrorReply> {
    if mode.eq_ignore_ascii_case(b"octet") {
        None
    } else if mode.eq_ignore_ascii_case(b"netascii") {
        Some((ErrorCode::NOT_DEFINED, "Octet mode only"))
    } else {
        Some((ErrorCode::ILLEGAL_OPERATION, "Illegal operation"))
    }
}

/// The largest block that is not fragmented on a link of this MTU, in octets: boot ROMs cannot reassemble. The headers
/// have 32 octets: 20 for IPv4, 8 for UDP and 4 for TFTP. IPv6 needs 20 octets more.
pub fn max_block_size(mtu: u32, ipv6: bool) -> u16 {
    let payload = mtu.saturating_sub(if ipv6 { 52 } else { 32 });
    u16::try_from(payload).unwrap_or(u16::MAX).clamp(*BLKSIZE_RANGE.start(), *BLKSIZE_RANGE.end())
}

/// The largest window for an unknown client, in blocks. Its transfer uses a port drawn at random from this number of
/// `ports`; 1 means that the port is predictable.
///
/// A host that forges the client's address can send a request and ACKs. It never sees the server's port, so it must
/// send its ACK to each port in turn. With 16 ports for each block, it must send 16 ACKs of 32 octets (IPv4 header
/// included) for one block of at most 1500 octets. With fewer than 32 ports, the server sends block by block.
pub fn max_window(ports: u32) -> u16 {
    (ports / PORTS_PER_BLOCK).min(MAX_WINDOW.into()) as u16
}

impl TransferLimits {
    /// These bounds, reduced for an unknown client whose transfer may use this number of ports.
    pub fn for_unknown_client(self, ports: u32) -> TransferLimits {
        match max_window(ports) {
            MAX_WINDOW => self,
            window => TransferLimits { block: self.block.min(ETHERNET_BLOCK), window, forgeable: window <= 1 },
        }
    }
}

impl Transfer {
    /// Accepts a request for a file of this size, in octets. [`Transfer::first_step`] returns the first step.
    pub fn new(request: &TftpRequest<'_>, size: u64, limits: TransferLimits, now: Duration) -> Transfer {
        let (options, area) = AgreedOptions::negotiate(&request.options, size, limits);
        let oack = (!area.is_empty()).then(|| {
            let mut packet = Vec::with_capacity(2 + area.len());
            TftpPacket::Oack(TftpOptions::read(&area).unwrap_or_default()).write(&mut packet);
            packet
        });
        let timeout = options.timeout.map_or(INITIAL_TIMEOUT, |seconds| Duration::from_secs(seconds.into()));
        Transfer {
            size,
            options,
            sent: if oack.is_some() { 0 } else { 1 },
            oack,
            confirmed: false,
            acked: 0,
            repeated: 0,
            credit: limits.forgeable.then_some(MAX_INITIAL_RESENDS * RESEND_COST),
            has_gap: false,
            repeated_acks: 0,
            repeated_requests: 0,
            progress: now,
            sent_at: now,
            round_trip: (options.timeout.is_none() && !limits.forgeable).then(RoundTrip::default),
            doubtful_time: None,
            next_resend: now + timeout,
            timeout,
            resends: 0,
        }
    }

    /// Handles the repetition of the request, before the client acknowledges anything.
    pub fn handle_repeated_request(&mut self) -> Step {
        self.repeated_requests = self.repeated_requests.saturating_add(1);
        self.first_step()
    }

    /// The first step, which the caller performs at the start.
    pub fn first_step(&self) -> Step {
        match self.oack {
            Some(_) => Step::Oack,
            None => Step::Blocks(Blocks { first: 1, count: 1 }),
        }
    }

    /// Handles a packet from the client, and returns the next step.
    pub fn handle_packet(&mut self, packet: &TftpPacket<'_>, now: Duration) -> Step {
        match *packet {
            TftpPacket::Ack { block } => self.acked(block, now),
            TftpPacket::Error { code, .. } => Step::End(self.outcome_of_error(code), None),
            _ => Step::Wait,
        }
    }

    /// Handles the passing of time, and returns the next step. The caller calls this function at
    /// [`Transfer::deadline`].
    pub fn handle_timeout(&mut self, now: Duration) -> Step {
        if now < self.deadline() {
            return Step::Wait;
        }
        if now >= self.progress + STALL_TIMEOUT || !self.confirmed && self.resends >= MAX_INITIAL_RESENDS {
            // If the client has never responded, its address may be forged, and the host with that address must not
            // receive an ERROR.
            let error = self.confirmed.then_some((ErrorCode::NOT_DEFINED, "Timed out"));
            return Step::End(Outcome::TimedOut, error);
        }
        if self.resends >= MAX_RESENDS {
            // Only a packet of the client causes another repeat.
            self.next_resend = self.progress + STALL_TIMEOUT;
            return Step::Wait;
        }
        self.resends += 1;
        let factor = if self.timeout < INITIAL_TIMEOUT { SHORT_TIMEOUT_FACTOR } else { 2 };
        self.timeout = (self.timeout * factor).min(MAX_TIMEOUT.max(self.initial_timeout()));
        self.next_resend = now + self.timeout;
        match (self.confirmed, core::mem::take(&mut self.has_gap)) {
            (false, _) => self.first_step(),
            (true, true) => self.resend_window(),
            (true, false) if self.spend_credit() => self.resend_one(),
            (true, false) => Step::Wait,
        }
    }

    /// Spends the credit for one repeat, and returns whether there was enough. If not, the server waits until the
    /// client's own timer repeats the ACK.
    fn spend_credit(&mut self) -> bool {
        let Some(credit) = &mut self.credit else { return true };
        let left = credit.checked_sub(RESEND_COST);
        *credit = left.unwrap_or(*credit);
        left.is_some()
    }

    fn earn_credit(&mut self, units: u32) {
        self.credit = self.credit.map(|credit| (credit + units).min(MAX_RESENDS * RESEND_COST));
    }

    /// The time at which the caller calls [`Transfer::handle_timeout`], unless a packet comes earlier.
    pub fn deadline(&self) -> Duration {
        self.next_resend.min(self.progress + STALL_TIMEOUT)
    }

    /// Ends the transfer because the file changed, or its disk failed. The server cannot replace the missing octets. A
    /// short block would mark the end of the file, and the client would mistake a mixture of two files for one file.
    pub fn file_changed(&self) -> Step {
        Step::End(Outcome::Failed, Some((ErrorCode::NOT_DEFINED, "File changed")))
    }

    /// The OACK, if it is the first reply; empty otherwise.
    pub fn oack(&self) -> &[u8] {
        self.oack.as_deref().unwrap_or_default()
    }

    /// Whether the client has acknowledged anything.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// How far the transfer came.
    pub fn progress(&self) -> Progress {
        Progress {
            confirmed: self.confirmed,
            blksize: self.options.blksize,
            repeated_acks: self.repeated_acks,
            repeated_requests: self.repeated_requests,
        }
    }

    /// Number of blocks that the client has acknowledged.
    pub fn acknowledged_blocks(&self) -> u64 {
        self.acked
    }

    /// The time of the last new ACK, or of the start.
    pub fn last_progress(&self) -> Duration {
        self.progress
    }

    /// The block size, in octets.
    pub fn blksize(&self) -> u16 {
        self.options.blksize
    }

    /// The window size, in blocks.
    pub fn windowsize(&self) -> u16 {
        self.options.windowsize
    }

    /// Number of octets that the client has acknowledged.
    pub fn acknowledged_octets(&self) -> u64 {
        self.offset(self.acked + 1)
    }

    /// The number of the last block, which is not full and may be empty.
    pub fn last_block(&self) -> u64 {
        self.size / u64::from(self.options.blksize) + 1
    }

    /// The offset of a block in the file, in octets.
    pub fn offset(&self, block: u64) -> u64 {
        (block - 1).saturating_mul(self.options.blksize.into()).min(self.size)
    }

    /// The number of octets in a block. The last block has less than `blksize`, and has 0 if the file fills the block
    /// before it.
    pub fn payload_length(&self, block: u64) -> usize {
        (self.offset(block + 1) - self.offset(block)) as usize
    }

    /// Handles an ACK. An ACK counts if its block is in flight. An ACK for an earlier block is a duplicate, which the
    /// server never answers: otherwise every block would be sent twice from there to the end of the file (the
    /// Sorcerer's Apprentice Syndrome, RFC 1123 4.2.3.1).
    ///
    /// An ACK inside the window means that the block after the acknowledged one is missing, so the server sends
    /// everything from the missing block again (RFC 7440 section 4). EDK2 sends such an ACK for any unexpected block,
    /// and so also for each duplicate. Therefore the server assumes that the blocks that it has just repeated are in
    /// flight; otherwise it would send every block of a window twice, too.
    fn acked(&mut self, block: u16, now: Duration) -> Step {
        let new_blocks = u64::from(block.wrapping_sub(self.acked as u16));
        if new_blocks > self.sent - self.acked {
            return Step::Wait;
        }
        let acknowledges_oack = !self.confirmed && self.sent == 0;
        if new_blocks == 0 && !acknowledges_oack {
            return self.acked_again(now);
        }
        self.acked += new_blocks;
        self.measure_round_trip(now);
        self.confirmed = true;
        self.has_gap = false;
        self.repeated_acks = 0;
        self.earn_credit(1);
        self.progress = now;
        self.sent_at = now;
        self.next_resend = now + self.timeout;
        self.resends = 0;
        if self.acked == self.last_block() {
            Step::End(Outcome::Completed, None)
        } else if self.acked == self.sent || self.acked < self.repeated {
            self.send_window_after(self.sent)
        } else {
            self.resend_window()
        }
    }

    /// Measures the round trip at an ACK, and sets the timeout for the next packets. The ACK of a packet that was sent
    /// twice shows no round trip, because it may be that of either (RFC 6298, Karn's algorithm). If the client then
    /// repeats the ACK, it received both, so the timeout was too short, and the time counts after all.
    fn measure_round_trip(&mut self, now: Duration) {
        let time = now.saturating_sub(self.sent_at);
        let is_repeated = self.resends > 0 || self.repeated_requests > 0 && !self.confirmed;
        self.doubtful_time = is_repeated.then_some(time);
        if !is_repeated && self.acked == self.sent && (self.acked > self.repeated || !self.confirmed) {
            self.measured(time);
        }
        self.timeout = self.initial_timeout();
    }

    fn measured(&mut self, time: Duration) {
        if let Some(round_trip) = &mut self.round_trip {
            round_trip.measure(time);
        }
    }

    /// Handles a repeated ACK, by which a client reports that the first block of a window is missing. The timer then
    /// expires sooner, but only the timer causes a repeat: while packets arrive, an ACK for new blocks comes before the
    /// timer expires, and the server sends nothing twice. If the server has given up repeating, any client causes one
    /// more repeat, because it still responds.
    fn acked_again(&mut self, now: Duration) -> Step {
        self.repeated_acks = self.repeated_acks.saturating_add(1);
        self.earn_credit(RESEND_COST);
        if let Some(time) = self.doubtful_time.take() {
            self.measured(time);
        }
        if self.resends >= MAX_RESENDS && self.sent > self.acked {
            self.resends = MAX_RESENDS - 1;
            self.next_resend = self.next_resend.min(now + GAP_TIMEOUT);
        } else if self.options.windowsize > 1 && self.sent > self.acked {
            self.next_resend = self.next_resend.min(now + GAP_TIMEOUT);
            self.has_gap = true;
        }
        Step::Wait
    }

    /// Sends one block to probe a silent client. A client that already has the block reports which block is missing. A
    /// client that lacks the block reports this when the block comes a second time. In both cases, the server then
    /// sends the rest of the window.
    fn resend_one(&mut self) -> Step {
        self.repeated = self.repeated.max(self.acked + 1);
        Step::Blocks(Blocks { first: self.acked + 1, count: 1 })
    }

    /// Sends the whole window again, although some of its blocks may have arrived.
    fn resend_window(&mut self) -> Step {
        let step = self.send_window_after(self.acked);
        self.repeated = self.sent;
        step
    }

    /// Sends the blocks of the window after `block`.
    fn send_window_after(&mut self, block: u64) -> Step {
        let end = self.last_block().min(self.acked + u64::from(self.options.windowsize));
        if end <= block {
            return Step::Wait;
        }
        self.sent = end;
        Step::Blocks(Blocks { first: block + 1, count: end - block })
    }

    fn outcome_of_error(&self, code: ErrorCode) -> Outcome {
        match code {
            _ if !self.confirmed && self.options.tsize => Outcome::SizeProbe,
            ErrorCode::NOT_DEFINED | ErrorCode::DISK_FULL | ErrorCode::OPTIONS_REFUSED => Outcome::Stopped(code),
            _ => Outcome::Aborted(code),
        }
    }

    /// The first timeout, which the client may choose (RFC 2349).
    fn initial_timeout(&self) -> Duration {
        let measured = self.round_trip.as_ref().and_then(RoundTrip::timeout).map(|timeout| timeout.min(MAX_TIMEOUT));
        let agreed = self.options.timeout.map(|seconds| Duration::from_secs(seconds.into()));
        measured.or(agreed).unwrap_or(INITIAL_TIMEOUT)
    }
}

impl AgreedOptions {
    /// Negotiates the options: returns the agreed options, and the option list for the OACK. The list contains only
    /// requested options, each once, in the client's order and spelling, and no value larger than requested. EDK2
    /// rejects any other OACK.
    fn negotiate(options: &TftpOptions<'_>, size: u64, limits: TransferLimits) -> (AgreedOptions, Vec<u8>) {
        let mut area = Vec::new();
        let mut agreed = AgreedOptions { blksize: 512, windowsize: 1, tsize: false, timeout: None };
        let (mut blksize, mut windowsize) = (None, None);
        for (name, value) in options.iter() {
            let Some(requested) = parse_decimal(value) else { continue };
            let granted = if name.eq_ignore_ascii_case(b"blksize") && blksize.is_none() && requested >= 8 {
                *blksize.insert(requested.min(limits.block.into()))
            } else if name.eq_ignore_ascii_case(b"windowsize")
                && (limits.window > 1 && windowsize.is_none() && requested >= 1)
            {
                *windowsize.insert(requested.min(limits.window.into()))
            } else if name.eq_ignore_ascii_case(b"tsize") && !agreed.tsize {
                agreed.tsize = true;
                size
            } else if name.eq_ignore_ascii_case(b"timeout") && agreed.timeout.is_none() && requested >= 1 {
                let Ok(seconds) = u8::try_from(requested) else { continue };
                u64::from(*agreed.timeout.insert(seconds))
            } else {
                continue;
            };
            TftpOptions::write(name, format!("{granted}").as_bytes(), &mut area);
        }
        // The code above has limited both values to 16 bits.
        agreed.blksize = blksize.map_or(agreed.blksize, |requested| requested as u16);
        agreed.windowsize = windowsize.map_or(agreed.windowsize, |requested| requested as u16);
        (agreed, area)
    }
}

fn parse_decimal(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}
