//! A transfer that receives any packets at any time stays within its file and its window, sends no more than the
//! packets that it receives are worth, and ends.

use crate::input::{Input, sized};
use crate::seeds;
use proxydhcpd_core::transfer::{MAX_WINDOW, Outcome, Step, Transfer, TransferLimits};
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::time::Duration;

/// How often the server sends its first packet before the client has acknowledged anything.
const MAX_FIRST: u64 = 3;
/// The number of blocks that the server repeats after timeouts following each ACK.
const MAX_REPEATS: u64 = 6;
/// A transfer without progress for this time has ended.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// Reads the limits, the size of the file, the request, and what happens: after which pause, what kind of packet, and
/// its content.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (window, size): (u8, u32) = (input.next(), input.next());
    let Ok(TftpPacket::Read(request)) = TftpPacket::read(input.octets()) else { return };
    let window = u16::from(window).min(MAX_WINDOW);
    let limits = TransferLimits { block: 1468, window, forgeable: window <= 1 };
    let mut now = Duration::ZERO;
    let mut transfer = Transfer::new(&request, size.into(), limits, now);
    assert!(transfer.windowsize() <= limits.window.max(1), "more than was granted");
    let mut account = Account { forgeable: limits.forgeable, ..Account::default() };
    account.check(&transfer, &transfer.first_step(), size);
    while !input.is_empty() {
        let (milliseconds, opcode, rest): (u16, u8, [u8; 6]) = (input.next(), input.next(), input.next());
        now += Duration::from_millis(milliseconds.into());
        let octets = [&[0, opcode % 7], &rest[..]].concat();
        let step = match TftpPacket::read(&octets) {
            Ok(packet) if opcode % 2 == 0 => {
                account.received += 1;
                transfer.handle_packet(&packet, now)
            }
            // The caller repeats the first packet only for a client that has acknowledged nothing.
            _ if opcode % 16 == 15 && !transfer.is_confirmed() => {
                account.repeated_requests += 1;
                transfer.handle_repeated_request()
            }
            _ => transfer.handle_timeout(now),
        };
        account.check(&transfer, &step, size);
        if matches!(step, Step::End(..)) {
            return;
        }
    }
    // If no more packets arrive, every transfer ends.
    let silent_since = now;
    for _ in 0..100 {
        now = now.max(transfer.deadline());
        assert!(now <= silent_since + MAX_SILENCE, "no end for {:?}", now - silent_since);
        let step = transfer.handle_timeout(now);
        account.check(&transfer, &step, size);
        if matches!(step, Step::End(..)) {
            return;
        }
        now += Duration::from_millis(1);
    }
    panic!("the transfer never ends");
}

/// The account of a transfer: the packets that it received, and the blocks that it sent in return.
#[derive(Default)]
struct Account {
    forgeable: bool,
    received: u64,
    repeated_requests: u64,
    first: u64,
    blocks: u64,
}

impl Account {
    fn check(&mut self, transfer: &Transfer, step: &Step, size: u32) {
        let blocks = match step {
            Step::Blocks(blocks) => *blocks,
            Step::Oack => {
                assert!(!transfer.is_confirmed(), "an acknowledged OACK is sent again");
                return self.count_first();
            }
            Step::End(Outcome::TimedOut, error) => {
                return assert!(
                    transfer.is_confirmed() || error.is_none(),
                    "an ERROR to an address that may be forged"
                );
            }
            Step::Wait | Step::End(..) => return,
        };
        assert!((1..=u64::from(transfer.windowsize())).contains(&blocks.count), "{blocks:?}");
        for block in blocks.first..blocks.first + blocks.count {
            assert!(block <= transfer.last_block(), "beyond the last block");
            let end = transfer.offset(block) + transfer.payload_length(block) as u64;
            assert!(end <= u64::from(size), "beyond the file");
        }
        if !transfer.is_confirmed() {
            assert_eq!((blocks.first, blocks.count), (1, 1), "more than one block for a client without an ACK");
            assert!(transfer.oack().is_empty(), "data before the OACK is acknowledged");
            return self.count_first();
        }
        self.blocks += blocks.count;
        let worth = u64::from(transfer.windowsize()) + MAX_REPEATS;
        let bound = if self.forgeable { self.received * 9 / 8 + 2 } else { self.received * worth };
        assert!(self.blocks <= bound, "{} blocks for {} packets", self.blocks, self.received);
    }

    fn count_first(&mut self) {
        self.first += 1;
        let allowed = MAX_FIRST + self.repeated_requests;
        assert!(self.first <= allowed, "the first packet was sent {} times", self.first);
    }
}

/// The requests of vectors and captures, each with ACKs, pauses and repetitions.
pub fn seeds() -> Vec<Vec<u8>> {
    let packets = seeds::vectors(&["tftp"]).into_iter().chain(seeds::captured(&[69]));
    let ack = |pause: u16, block: u16| [&pause.to_le_bytes()[..], &[4], &block.to_be_bytes(), &[0; 4]].concat();
    let events =
        [ack(3, 0), ack(3, 1), ack(200, 1), ack(9, 4), [5, 0, 15, 0, 0, 0, 0, 0, 0].into(), ack(1200, 5)].concat();
    let with = move |request: Vec<u8>| {
        let input = |window: u8| [&[window], &5000_u32.to_le_bytes()[..], &sized(&request), &events].concat();
        [0, 8].map(input)
    };
    packets.flat_map(move |packet| with(packet.octets)).collect()
}
