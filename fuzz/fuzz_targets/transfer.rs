//! A transfer that hears anything at any time stays within its file and its window, and ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::transfer::{Step, Transfer};
use proxydhcpd_core::wire::tftp::Packet;
use std::time::Duration;

fuzz_target!(|input: (&[u8], u32, Vec<(u16, u8, [u8; 6])>)| {
    let (request, size, heard) = input;
    let Ok(Packet::Read(request)) = Packet::read(request) else { return };
    let mut now = Duration::ZERO;
    let mut transfer = Transfer::new(&request, size.into(), 1468, now);
    check(&transfer, &transfer.first(), size);
    for (milliseconds, opcode, rest) in heard {
        now += Duration::from_millis(milliseconds.into());
        let mut octets = vec![0, opcode % 7];
        octets.extend(rest);
        let step = match Packet::read(&octets) {
            Ok(packet) if opcode % 2 == 0 => transfer.received(&packet, now),
            _ => transfer.elapsed(now),
        };
        check(&transfer, &step, size);
        if matches!(step, Step::End(..)) {
            return;
        }
    }
    // Whatever it heard: left alone it ends.
    for _ in 0..100 {
        now = now.max(transfer.deadline());
        let step = transfer.elapsed(now);
        check(&transfer, &step, size);
        if matches!(step, Step::End(..)) {
            return;
        }
        now += Duration::from_millis(1);
    }
    panic!("it never ends");
});

fn check(transfer: &Transfer, step: &Step, size: u32) {
    let Step::Blocks(blocks) = step else { return };
    assert!((1..=u64::from(transfer.windowsize())).contains(&u64::from(blocks.count)), "{blocks:?}");
    for block in blocks.first..blocks.first + u64::from(blocks.count) {
        assert!(block <= transfer.last(), "beyond the last block");
        assert!(transfer.offset(block) + transfer.payload(block) as u64 <= u64::from(size), "beyond the file");
    }
}
