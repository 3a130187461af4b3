//! One TFTP transfer (RFC 1350, 2347, 2348, 2349, 7440): what to send next, after a packet or after time has passed.
//!
//! The transfer holds neither file nor socket. It names the blocks that go out as a range of the file, so that whoever
//! drives it can read ahead and send a window in one system call. Time is whatever the caller's clock says, counted
//! from any fixed moment.

use crate::wire::tftp::{ErrorCode, TftpOptions, TftpPacket, TftpRequest};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

/// A transfer under way.
#[derive(Clone, Debug)]
pub struct Transfer {
    size: u64,
    terms: Terms,
    /// The OACK, if an option was agreed on. Without one, DATA 1 is the first answer.
    oack: Option<Vec<u8>>,
    /// The client has acknowledged something, so its address is no forgery and a full window may go out.
    opened: bool,
    /// Blocks acknowledged and blocks sent, counted without the roll-over of the wire.
    acked: u64,
    sent: u64,
    /// Blocks up to this one went out for a second time: see [`Transfer::acked`].
    repeated: u64,
    /// Repeats that the client's packets have earned, in [`SHARES`] of one; `None`: as many as it takes.
    credit: Option<u32>,
    /// The client has reported since the last block went out that the first block of the window is missing.
    gap: bool,
    progress: Duration,
    resend: Duration,
    wait: Duration,
    resent: u32,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until a packet comes or [`Transfer::deadline`] is reached.
    Wait,
    /// Send [`Transfer::oack`].
    Oack,
    Blocks(Blocks),
    /// The transfer is over. The packet, if there is one, is sent once and not waited on.
    End(Outcome, Option<ErrorReply>),
}

/// A run of DATA packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// The first block, counted from 1 and on past 65535; the wire carries its low 16 bits.
    pub first: u64,
    pub count: u64,
}

/// An ERROR that we send.
pub type ErrorReply = (ErrorCode, &'static str);

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every octet was acknowledged.
    Completed,
    /// The client asked for the size, got it and left (EDK2 with ERROR 8, Intel's ROM with another).
    SizeProbe,
    /// The client left before the end in a way that means no harm: iPXE has seen enough (0), shim's buffer is too
    /// small and it starts again (3), somebody wants other options (8).
    Stopped(ErrorCode),
    /// The client ended it for another reason.
    Aborted(ErrorCode),
    /// The client's port is closed, or a new request comes from it: the machine was reset, or left without a word.
    Gone,
    /// The client fell silent.
    TimedOut,
    /// The client had acknowledged nothing, or next to nothing, when another needed the place.
    Evicted,
    /// We could not go on: the file was written to, or the server stops.
    Failed,
}

/// The most that a client may be granted, whatever it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferLimits {
    /// Octets of a block: see [`largest_block`].
    pub block: u16,
    /// Blocks of a window: see [`largest_window`]. Without room for two, no window is agreed on and the transfer goes
    /// block by block.
    pub window: u16,
    /// Whoever forges the client's address can forge its ACKs, too, because everybody knows the port.
    pub forgeable: bool,
}

/// What client and server agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Terms {
    blksize: u16,
    windowsize: u16,
    tsize: bool,
    timeout: Option<u8>,
}

/// Beyond this there is no gain, and some peers fail (u-root 1966).
pub const MAX_WINDOW: u16 = 64;

/// A block that fits into an Ethernet packet over IPv4.
const ETHERNET_BLOCK: u16 = 1468;

/// So many ports must a stranger try for each block of a window: see [`largest_window`].
const PORTS_FOR_A_BLOCK: u32 = 16;

/// RFC 2348.
const BLKSIZE_RANGE: core::ops::RangeInclusive<u16> = 8..=65464;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
const MOST_RESENDS: u32 = 6;

/// The first packet goes to whoever the request claims to come from, which may be forged: it is repeated less often.
const MOST_FIRST_RESENDS: u32 = 2;

/// Where ACKs can be forged, a repeat costs as much as so many of them, or as the same one again.
const SHARES: u32 = 8;

/// The longest that a transfer may stand still.
const STALL: Duration = Duration::from_secs(30);

/// How soon a repeated ACK within a window brings the resending: see [`Transfer::acked_again`].
const GAP_WAIT: Duration = Duration::from_millis(100);

/// Whether a file can be sent in the mode that a request names. Only `octet` can: no boot program asks for netascii,
/// and octets as they are must not go out under that name.
pub fn refuse_mode(mode: &[u8]) -> Option<ErrorReply> {
    if mode.eq_ignore_ascii_case(b"octet") {
        None
    } else if mode.eq_ignore_ascii_case(b"netascii") {
        Some((ErrorCode::NOT_DEFINED, "Octet mode only"))
    } else {
        Some((ErrorCode::ILLEGAL_OPERATION, "Illegal operation"))
    }
}

/// The largest block that leaves unfragmented on a link of this MTU: boot ROMs cannot reassemble. 32 is 20 for IPv4, 8
/// for UDP and 4 for TFTP; IPv6 takes 20 more.
pub fn max_block_size(mtu: u32, ipv6: bool) -> u16 {
    let payload = mtu.saturating_sub(if ipv6 { 52 } else { 32 });
    u16::try_from(payload).unwrap_or(u16::MAX).clamp(*BLKSIZE_RANGE.start(), *BLKSIZE_RANGE.end())
}

/// The largest window for a client of which nothing is known, where the port of its transfer was drawn at random from
/// so many (1: everybody knows it).
///
/// The request and its ACKs may come from somebody who forges the client's address. Such a sender never sees the port
/// and has to send its ACK to all of them in turn; with 16 ports for each block, 16 ACKs of 32 octets (IPv4 header
/// included) bring one block of at most 1500. Fewer than 32 ports give no window.
pub fn max_window(ports: u32) -> u16 {
    (ports / PORTS_FOR_A_BLOCK).min(MAX_WINDOW.into()) as u16
}

impl TransferLimits {
    /// What of it a client is granted of which nothing is known, by the number of ports that the transfer may have.
    pub fn for_unknown_client(self, ports: u32) -> TransferLimits {
        match max_window(ports) {
            MAX_WINDOW => self,
            window => TransferLimits { block: self.block.min(ETHERNET_BLOCK), window, forgeable: window <= 1 },
        }
    }
}

impl Transfer {
    /// Accepts a request for something of this size. What to do first is [`Transfer::first`].
    pub fn new(request: &TftpRequest<'_>, size: u64, limits: TransferLimits, now: Duration) -> Transfer {
        let (terms, area) = Terms::negotiate(&request.options, size, limits);
        let oack = (!area.is_empty()).then(|| {
            let mut packet = Vec::with_capacity(2 + area.len());
            TftpPacket::Oack(TftpOptions::read(&area).unwrap_or_default()).write(&mut packet);
            packet
        });
        let wait = terms.timeout.map_or(FIRST_WAIT, |seconds| Duration::from_secs(seconds.into()));
        Transfer {
            size,
            terms,
            sent: if oack.is_some() { 0 } else { 1 },
            oack,
            opened: false,
            acked: 0,
            repeated: 0,
            credit: limits.forgeable.then_some(MOST_FIRST_RESENDS * SHARES),
            gap: false,
            progress: now,
            resend: now + wait,
            wait,
            resent: 0,
        }
    }

    /// The first answer: once at the start, and again whenever the same request comes before it is acknowledged.
    pub fn first_step(&self) -> Step {
        match self.oack {
            Some(_) => Step::Oack,
            None => Step::Blocks(Blocks { first: 1, count: 1 }),
        }
    }

    /// A packet from the client.
    pub fn handle_packet(&mut self, packet: &TftpPacket<'_>, now: Duration) -> Step {
        match *packet {
            TftpPacket::Ack { block } => self.acked(block, now),
            TftpPacket::Error { code, .. } => Step::End(self.ended_by(code), None),
            _ => Step::Wait,
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) -> Step {
        if now < self.deadline() {
            return Step::Wait;
        }
        let most = if self.opened { MOST_RESENDS } else { MOST_FIRST_RESENDS };
        if self.resent >= most || now >= self.progress + STALL {
            // Nobody has answered yet: the address may be forged, and a stranger need not hear that we give up.
            let farewell = self.opened.then_some((ErrorCode::NOT_DEFINED, "Timed out"));
            return Step::End(Outcome::TimedOut, farewell);
        }
        self.resent += 1;
        self.wait = (self.wait * 2).min(LONGEST_WAIT.max(self.first_wait()));
        self.resend = now + self.wait;
        match (self.opened, core::mem::take(&mut self.gap)) {
            (false, _) => self.first_step(),
            (true, true) => self.again(),
            (true, false) if self.spend() => self.one_again(),
            (true, false) => Step::Wait,
        }
    }

    /// Whether a repeat is paid for. Where it is not, the client's own timer has it say its ACK again.
    fn spend(&mut self) -> bool {
        let Some(credit) = &mut self.credit else { return true };
        let left = credit.checked_sub(SHARES);
        *credit = left.unwrap_or(*credit);
        left.is_some()
    }

    fn earn(&mut self, shares: u32) {
        self.credit = self.credit.map(|credit| (credit + shares).min(MOST_RESENDS * SHARES));
    }

    /// When [`Transfer::elapsed`] has something to do, unless a packet comes before.
    pub fn deadline(&self) -> Duration {
        self.resend.min(self.progress + STALL)
    }

    /// The file cannot be read any more as it was: it was written to, or its disk fails. What is missing cannot be made
    /// up, a short block would pass for the end, and a mixture of two files for one.
    pub fn file_changed(&self) -> Step {
        Step::End(Outcome::Failed, Some((ErrorCode::NOT_DEFINED, "File changed")))
    }

    /// The OACK, where one is the first answer.
    pub fn oack(&self) -> &[u8] {
        self.oack.as_deref().unwrap_or_default()
    }

    pub fn is_confirmed(&self) -> bool {
        self.opened
    }

    /// Blocks that the client has acknowledged.
    pub fn acknowledged_blocks(&self) -> u64 {
        self.acked
    }

    /// When the client last acknowledged something new, or the start.
    pub fn last_progress(&self) -> Duration {
        self.progress
    }

    pub fn blksize(&self) -> u16 {
        self.terms.blksize
    }

    pub fn windowsize(&self) -> u16 {
        self.terms.windowsize
    }

    /// Octets that the client has acknowledged.
    pub fn acknowledged_octets(&self) -> u64 {
        self.offset(self.acked + 1)
    }

    /// The last block: the one that is not full, if only because it is empty.
    pub fn last_block(&self) -> u64 {
        self.size / u64::from(self.terms.blksize) + 1
    }

    /// Where a block begins in the file.
    pub fn offset(&self, block: u64) -> u64 {
        (block - 1).saturating_mul(self.terms.blksize.into()).min(self.size)
    }

    /// How many octets a block carries: less than `blksize` for the last, and none if the file fills the one before.
    pub fn payload_length(&self, block: u64) -> usize {
        (self.offset(block + 1) - self.offset(block)) as usize
    }

    /// An ACK counts if it is for a block that is under way. One for an earlier block is a duplicate and is never
    /// answered: if it were, every block would go out twice from there on, up to the end of the file (RFC 1123
    /// 4.2.3.1).
    ///
    /// An ACK inside the window says that the block after it is missing, and all from there goes out again (RFC 7440
    /// section 4). EDK2 sends one for any block that it does not expect, so also for each that comes twice; blocks that
    /// we have just repeated are therefore taken to be under way, or the window would have an apprentice of its own.
    fn acked(&mut self, block: u16, now: Duration) -> Step {
        let newly = u64::from(block.wrapping_sub(self.acked as u16));
        if newly > self.sent - self.acked {
            return Step::Wait;
        }
        let answers_oack = !self.opened && self.sent == 0;
        if newly == 0 && !answers_oack {
            return self.acked_again(now);
        }
        self.opened = true;
        self.gap = false;
        self.earn(1);
        self.acked += newly;
        self.progress = now;
        self.wait = self.first_wait();
        self.resend = now + self.wait;
        self.resent = 0;
        if self.acked == self.last_block() {
            Step::End(Outcome::Completed, None)
        } else if self.acked == self.sent || self.acked < self.repeated {
            self.send_after(self.sent)
        } else {
            self.again()
        }
    }

    /// The same ACK over and over is how a client reports that the first block of a window is missing. That makes us
    /// look sooner whether anything arrives, and still resends by the timer alone: wherever packets flow, an ACK for
    /// new blocks comes first and nothing is sent twice.
    fn acked_again(&mut self, now: Duration) -> Step {
        self.earn(SHARES);
        if self.terms.windowsize > 1 && self.sent > self.acked {
            self.resend = self.resend.min(now + GAP_WAIT);
            self.gap = true;
        }
        Step::Wait
    }

    /// Nothing was heard: one block asks whether anybody is there. A client that has the block says which one it is
    /// missing, and one that has not says so when the block comes a second time; both bring the rest of the window.
    fn one_again(&mut self) -> Step {
        self.repeated = self.repeated.max(self.acked + 1);
        Step::Blocks(Blocks { first: self.acked + 1, count: 1 })
    }

    /// The whole window, though some of it may have arrived.
    fn again(&mut self) -> Step {
        let step = self.send_after(self.acked);
        self.repeated = self.sent;
        step
    }

    /// What the window holds behind this block.
    fn send_after(&mut self, block: u64) -> Step {
        let end = self.last_block().min(self.acked + u64::from(self.terms.windowsize));
        if end <= block {
            return Step::Wait;
        }
        self.sent = end;
        Step::Blocks(Blocks { first: block + 1, count: end - block })
    }

    fn ended_by(&self, code: ErrorCode) -> Outcome {
        match code {
            _ if !self.opened && self.terms.tsize => Outcome::SizeProbe,
            ErrorCode::NOT_DEFINED | ErrorCode::DISK_FULL | ErrorCode::OPTIONS_REFUSED => Outcome::Stopped(code),
            _ => Outcome::Aborted(code),
        }
    }

    /// RFC 2349 gives the client a say in when we resend.
    fn first_wait(&self) -> Duration {
        self.terms.timeout.map_or(FIRST_WAIT, |seconds| Duration::from_secs(seconds.into()))
    }
}

impl Terms {
    /// What is agreed on, and the area of the OACK that says so: only options that were asked for, each once, in the
    /// client's order and spelling, and nothing larger than asked. EDK2 refuses any other OACK.
    fn negotiate(options: &TftpOptions<'_>, size: u64, limits: TransferLimits) -> (Terms, Vec<u8>) {
        let mut area = Vec::new();
        let mut terms = Terms { blksize: 512, windowsize: 1, tsize: false, timeout: None };
        let (mut blksize, mut windowsize) = (None, None);
        for (name, value) in options.iter() {
            let Some(asked) = decimal(value) else { continue };
            let answer = if name.eq_ignore_ascii_case(b"blksize") && blksize.is_none() && asked >= 8 {
                *blksize.insert(asked.min(limits.block.into()))
            } else if name.eq_ignore_ascii_case(b"windowsize")
                && (limits.window > 1 && windowsize.is_none() && asked >= 1)
            {
                *windowsize.insert(asked.min(limits.window.into()))
            } else if name.eq_ignore_ascii_case(b"tsize") && !terms.tsize {
                terms.tsize = true;
                size
            } else if name.eq_ignore_ascii_case(b"timeout") && terms.timeout.is_none() && asked >= 1 {
                let Ok(seconds) = u8::try_from(asked) else { continue };
                u64::from(*terms.timeout.insert(seconds))
            } else {
                continue;
            };
            TftpOptions::write(name, format!("{answer}").as_bytes(), &mut area);
        }
        // Both were cut to 16 bits above.
        terms.blksize = blksize.map_or(terms.blksize, |asked| asked as u16);
        terms.windowsize = windowsize.map_or(terms.windowsize, |asked| asked as u16);
        (terms, area)
    }
}

fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}
