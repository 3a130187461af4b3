//! A transfer that receives any packets at any time stays within its file and its window, sends no more than the
//! packets that it receives are worth, and ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::transfer::{MAX_WINDOW, Step, Transfer, TransferLimits};
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::time::Duration;

/// The number of first packets, with repeats, that the server sends before the client has acknowledged anything.
const MAX_FIRST: u64 = 3;
/// The number of blocks that the server repeats after timeouts following each ACK.
const MAX_REPEATS: u64 = 6;

fuzz_target!(|input: (&[u8], u32, u8, Vec<(u16, u8, [u8; 6])>)| {
    let (request, size, window, received) = input;
    let Ok(TftpPacket::Read(request)) = TftpPacket::read(request) else { return };
    let window = u16::from(window).min(MAX_WINDOW);
    let limits = TransferLimits { block: 1468, window, forgeable: window <= 1 };
    let mut now = Duration::ZERO;
    let mut transfer = Transfer::new(&request, size.into(), limits, now);
    assert!(transfer.windowsize() <= limits.window.max(1), "more than was granted");
    let mut account = Account { forgeable: limits.forgeable, ..Account::default() };
    account.check(&transfer, &transfer.first_step(), size);
    for (milliseconds, opcode, rest) in received {
        now += Duration::from_millis(milliseconds.into());
        let mut octets = vec![0, opcode % 7];
        octets.extend(rest);
        let step = match TftpPacket::read(&octets) {
            Ok(packet) if opcode % 2 == 0 => {
                account.received += 1;
                transfer.handle_packet(&packet, now)
            }
            _ => transfer.handle_timeout(now),
        };
        account.check(&transfer, &step, size);
        if matches!(step, Step::End(..)) {
            return;
        }
    }
    // If no more packets arrive, every transfer ends.
    for _ in 0..100 {
        now = now.max(transfer.deadline());
        let step = transfer.handle_timeout(now);
        account.check(&transfer, &step, size);
        if matches!(step, Step::End(..)) {
            return;
        }
        now += Duration::from_millis(1);
    }
    panic!("the transfer never ends");
});

/// The account of a transfer: the packets that it received, and the blocks that it sent in return.
#[derive(Default)]
struct Account {
    forgeable: bool,
    received: u64,
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
            Step::Wait | Step::End(..) => return,
        };
        assert!((1..=u64::from(transfer.windowsize())).contains(&blocks.count), "{blocks:?}");
        for block in blocks.first..blocks.first + blocks.count {
            assert!(block <= transfer.last_block(), "beyond the last block");
            assert!(
                transfer.offset(block) + transfer.payload_length(block) as u64 <= u64::from(size),
                "beyond the file"
            );
        }
        if !transfer.is_confirmed() {
            assert_eq!(blocks.count, 1, "a window for a client that has acknowledged nothing");
            return self.count_first();
        }
        self.blocks += blocks.count;
        let worth = u64::from(transfer.windowsize()) + MAX_REPEATS;
        let bound = if self.forgeable { self.received * 9 / 8 + 2 } else { self.received * worth };
        assert!(self.blocks <= bound, "{} blocks for {} packets", self.blocks, self.received);
    }

    fn count_first(&mut self) {
        self.first += 1;
        assert!(self.first <= MAX_FIRST, "the first packet was sent {} times", self.first);
    }
}
