//! Tests transfers to a simulated client. The network loses, duplicates, delays and reorders packets, and the test
//! moves the clock.

mod bad_network;

use proptest::prelude::*;
use proxydhcpd_core::transfer::{
    Blocks, MAX_WINDOW, Outcome, Step, Transfer, TransferLimits, max_block_size, max_window, refuse_mode,
};
use proxydhcpd_core::wire::tftp::{ErrorCode, TftpOptions, TftpPacket, TftpRequest};
use std::collections::BTreeMap;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const ETHERNET: TransferLimits = TransferLimits { block: 1468, window: MAX_WINDOW, forgeable: false };

/// When the server repeats a block to a silent client whose last ACK came at once at the start, in milliseconds.
const RESENDS: [u32; 6] = [20, 100, 420, 1700, 4260, 9380];

// --- Negotiation ---------------------------------------------------------------------------------------------------

#[test]
fn without_a_known_option_data_1_is_the_first_reply() {
    for options in [vec![], vec![("multicast", "")], vec![("blksize", "7")], vec![("blksize", "many")]] {
        let transfer = new_transfer(&options, 1000);
        assert_eq!(transfer.first_step(), blocks(1, 1), "{options:?}");
        assert_eq!(transfer.blksize(), 512);
    }
}

#[test]
fn an_oack_repeats_the_options_once_in_their_order_and_spelling() {
    let options = [("TSIZE", "0"), ("foo", "1"), ("BlkSize", "1432"), ("tsize", "0"), ("blksize", "512")];
    let transfer = new_transfer(&options, 174080);
    assert_eq!(transfer.first_step(), Step::Oack);
    assert_eq!(transfer.oack(), b"\0\x06TSIZE\x00174080\0BlkSize\x001432\0");
    assert_eq!(transfer.blksize(), 1432);
}

#[test]
fn a_block_is_never_larger_than_the_link_allows_or_the_client_requests() {
    assert_eq!(max_block_size(1500, false), 1468);
    assert_eq!(max_block_size(1500, true), 1448);
    assert_eq!(max_block_size(65536, false), 65464);
    assert_eq!(max_block_size(0, false), 8);
    for (requested, agreed) in [("65464", 1468), ("1468", 1468), ("1024", 1024), ("8", 8), ("99999999", 1468)] {
        assert_eq!(new_transfer(&[("blksize", requested)], 1).blksize(), agreed, "{requested}");
    }
}

#[test]
fn a_window_is_at_most_64_and_a_window_of_0_is_omitted() {
    assert_eq!(new_transfer(&[("windowsize", "65535")], 1).windowsize(), 64);
    assert_eq!(new_transfer(&[("windowsize", "4")], 1).windowsize(), 4);
    assert_eq!(new_transfer(&[("windowsize", "0")], 1).oack(), b"");
}

#[test]
fn a_refused_window_is_omitted_from_the_oack_and_the_transfer_goes_block_by_block() {
    let options = [("tsize", "0"), ("blksize", "8192"), ("windowsize", "4")];
    let jumbo = TransferLimits { block: 8192, window: MAX_WINDOW, forgeable: false };
    let mut transfer = new_transfer_within(jumbo.for_unknown_client(1), &options, 100_000);
    assert_eq!(transfer.oack(), b"\0\x06tsize\x00100000\0blksize\x001468\0");
    assert_eq!(ack(&mut transfer, 0, 0), blocks(1, 1));
    assert_eq!(ack(&mut transfer, 1, 0), blocks(2, 1));
    assert_eq!(
        new_transfer_within(TransferLimits { window: 1, ..jumbo }, &[("windowsize", "4")], 1).oack(),
        b"",
        "no OACK for it alone"
    );
    assert_eq!(
        new_transfer_within(TransferLimits { window: 3, ..jumbo }, &[("windowsize", "4")], 1).oack(),
        b"\0\x06windowsize\x003\0"
    );
}

#[test]
fn a_window_has_a_block_for_each_16_ports_of_the_transfer() {
    let cases = [(1, 0), (2, 0), (31, 1), (32, 2), (64, 4), (1000, 62), (1024, 64), (28_232, 64), (65_535, 64)];
    for (ports, window) in cases {
        assert_eq!(max_window(ports), window, "{ports} ports");
    }
    let jumbo = TransferLimits { block: 8968, window: MAX_WINDOW, forgeable: false };
    assert_eq!(
        jumbo.for_unknown_client(64),
        TransferLimits { block: 1468, window: 4, forgeable: false },
        "no block is longer than an ACK is worth"
    );
    assert_eq!(jumbo.for_unknown_client(28_232), jumbo);
}

#[test]
fn a_timeout_is_echoed_or_omitted_and_never_changed() {
    assert_eq!(new_transfer(&[("timeout", "255")], 1).oack(), b"\0\x06timeout\x00255\0");
    assert_eq!(new_transfer(&[("timeout", "005")], 1).oack(), b"\0\x06timeout\x005\0");
    for value in ["0", "256", "-1", "+1", ""] {
        assert_eq!(new_transfer(&[("timeout", value)], 1).oack(), b"", "{value}");
    }
}

#[test]
fn octet_is_accepted_netascii_refused_and_mail_illegal() {
    assert_eq!(refuse_mode(b"octet"), None);
    assert_eq!(refuse_mode(b"OcTeT"), None);
    assert_eq!(refuse_mode(b"NetASCII").map(|(code, _)| code), Some(ErrorCode::NOT_DEFINED));
    assert_eq!(refuse_mode(b"mail").map(|(code, _)| code), Some(ErrorCode::ILLEGAL_OPERATION));
    assert_eq!(refuse_mode(b"").map(|(code, _)| code), Some(ErrorCode::ILLEGAL_OPERATION));
}

// --- Rules of the transfer, one by one -------------------------------------------------------------------------------

#[test]
fn the_window_opens_only_after_the_first_ack() {
    let mut transfer = new_transfer(&[("windowsize", "4")], 100_000);
    assert_eq!(transfer.first_step(), Step::Oack, "without DATA: the source may be forged");
    assert_eq!(ack(&mut transfer, 0, 0), blocks(1, 4));
    assert_eq!(ack(&mut transfer, 4, 0), blocks(5, 4));
}

#[test]
fn an_ack_for_a_block_that_was_never_sent_is_ignored() {
    let mut transfer = new_transfer(&[("windowsize", "4")], 100_000);
    assert_eq!(ack(&mut transfer, 1, 0), Step::Wait);
    assert_eq!(ack(&mut transfer, 65535, 0), Step::Wait);
    assert!(!transfer.is_confirmed());
    ack(&mut transfer, 0, 0);
    assert_eq!(ack(&mut transfer, 5, 0), Step::Wait);
    assert_eq!(ack(&mut transfer, 65535, 0), Step::Wait);
    // Nor after the client has acknowledged others.
    assert_eq!(ack(&mut transfer, 4, 0), blocks(5, 4));
    for block in [9, 12, 13, 65535] {
        assert_eq!(ack(&mut transfer, block, 0), Step::Wait, "{block}");
    }
}

#[test]
fn an_ack_inside_the_window_resends_from_the_block_after_it() {
    let mut transfer = new_transfer(&[("windowsize", "4")], 100_000);
    ack(&mut transfer, 0, 0);
    assert_eq!(ack(&mut transfer, 2, 0), blocks(3, 4));
    assert_eq!(ack(&mut transfer, 1, 0), Step::Wait, "an earlier ACK is ignored");
}

#[test]
fn a_duplicate_ack_never_resends() {
    let mut transfer = new_transfer(&[], 10_000);
    assert_eq!(ack(&mut transfer, 1, 0), blocks(2, 1));
    for _ in 0..10 {
        assert_eq!(ack(&mut transfer, 1, 0), Step::Wait);
        assert_eq!(ack(&mut transfer, 0, 0), Step::Wait);
    }
    assert_eq!(transfer.deadline(), 20 * MS, "without a window it does not move the timer either");
}

#[test]
fn a_missing_first_block_of_a_window_is_resent_after_100_ms_by_the_timer() {
    let mut transfer = new_transfer(&[("windowsize", "4")], 100_000);
    ack(&mut transfer, 0, 300);
    ack(&mut transfer, 4, 600);
    assert!(transfer.deadline() > 1000 * MS, "the client is slow");
    assert_eq!(ack(&mut transfer, 4, 610), Step::Wait);
    assert_eq!(ack(&mut transfer, 4, 640), Step::Wait);
    assert_eq!(transfer.deadline(), 710 * MS);
    assert_eq!(transfer.handle_timeout(710 * MS), blocks(5, 4));
}

#[test]
fn the_first_packet_is_resent_twice_and_given_up_without_an_error() {
    for options in [vec![], vec![("tsize", "0")]] {
        let mut transfer = new_transfer(&options, 10_000);
        let first = transfer.first_step();
        for at in [1000, 3000] {
            assert_eq!(transfer.handle_timeout((at - 1) * MS), Step::Wait);
            assert_eq!(transfer.handle_timeout(at * MS), first, "{at} ms");
        }
        assert_eq!(transfer.handle_timeout(6999 * MS), Step::Wait);
        assert_eq!(transfer.handle_timeout(7000 * MS), Step::End(Outcome::TimedOut, None));
    }
}

#[test]
fn data_is_resent_six_times_in_ten_seconds_and_given_up_after_30_s_with_one_error() {
    let mut transfer = new_transfer(&[], 10_000);
    ack(&mut transfer, 1, 0);
    for at in RESENDS {
        assert_eq!(transfer.deadline(), at * MS);
        assert_eq!(transfer.handle_timeout(at * MS), blocks(2, 1), "{at} ms");
    }
    assert_eq!(transfer.handle_timeout(transfer.deadline()), Step::Wait);
    assert_eq!(transfer.deadline(), 30_000 * MS);
    let Step::End(Outcome::TimedOut, Some((ErrorCode::NOT_DEFINED, _))) = transfer.handle_timeout(30_000 * MS) else {
        panic!("a stalled transfer must end with ERROR 0");
    };
}

#[test]
fn after_six_repeats_each_packet_of_the_client_causes_one_more() {
    let mut transfer = new_transfer(&[], 10_000);
    ack(&mut transfer, 1, 0);
    for at in RESENDS {
        transfer.handle_timeout(at * MS);
    }
    assert_eq!(transfer.handle_timeout(18_000 * MS), Step::Wait);
    for at in [20_000, 25_000] {
        assert_eq!(ack(&mut transfer, 1, at), Step::Wait);
        assert_eq!(transfer.handle_timeout((at + 100) * MS), blocks(2, 1));
        assert_eq!(transfer.handle_timeout((at + 4000) * MS), Step::Wait);
    }
    assert_eq!(ack(&mut transfer, 2, 29_900), blocks(3, 1));
}

#[test]
fn a_window_is_resent_at_most_six_times_to_a_client_that_reports_a_gap() {
    let mut transfer = new_transfer(&[("windowsize", "4")], 100_000);
    ack(&mut transfer, 0, 0);
    let (mut now, mut windows, mut blocks) = (0, 0, 0);
    loop {
        assert_eq!(ack(&mut transfer, 0, now), Step::Wait);
        now += 100;
        match transfer.handle_timeout(now * MS) {
            Step::Blocks(Blocks { first: 1, count: 4 }) if blocks == 0 => windows += 1,
            Step::Blocks(Blocks { first: 1, count: 1 }) => blocks += 1,
            Step::End(Outcome::TimedOut, Some(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((windows, windows + blocks + 1, now), (6, 300, 30_000), "one block for each later ACK");
}

#[test]
fn the_timeout_follows_the_round_trips() {
    let mut transfer = new_transfer(&[("windowsize", "4")], 1_000_000);
    for window in 0..20 {
        let at = (window + 1) * 400;
        assert!(transfer.deadline() > at * MS, "a slow client gets nothing twice");
        assert_eq!(ack(&mut transfer, window as u16 * 4, at), blocks(u64::from(window) * 4 + 1, 4));
    }
    assert!(transfer.deadline() < 8420 * MS, "even round trips need no reserve");
    for window in 20..60 {
        ack(&mut transfer, window as u16 * 4, 8000 + (window - 19));
    }
    assert_eq!(transfer.deadline(), 8060 * MS);
}

#[test]
fn an_unacknowledged_window_is_repeated_by_one_block_at_a_time() {
    let mut transfer = new_transfer(&[("windowsize", "64")], 1_000_000);
    assert_eq!(ack(&mut transfer, 0, 0), blocks(1, 64));
    for at in RESENDS {
        assert_eq!(transfer.handle_timeout(at * MS), blocks(1, 1), "{at} ms");
    }
    let Step::End(Outcome::TimedOut, Some(_)) = transfer.handle_timeout(30_000 * MS) else { panic!() };
}

#[test]
fn if_acks_can_be_forged_they_earn_each_repeat() {
    let unknown_client = ETHERNET.for_unknown_client(1);
    let mut transfer = new_transfer_within(unknown_client, &[("blksize", "1468")], 1_000_000);
    assert_eq!(ack(&mut transfer, 0, 0), blocks(1, 1));
    assert_eq!(transfer.handle_timeout(1000 * MS), blocks(1, 1));
    assert_eq!(transfer.handle_timeout(3000 * MS), blocks(1, 1));
    assert_eq!(transfer.handle_timeout(7000 * MS), Step::Wait);
    // A client that still loads the file repeats its ACK.
    assert_eq!(ack(&mut transfer, 0, 8000), Step::Wait);
    assert_eq!(transfer.handle_timeout(15_000 * MS), blocks(1, 1));
    assert_eq!(transfer.handle_timeout(23_000 * MS), Step::Wait);
    let Step::End(Outcome::TimedOut, Some(_)) = transfer.handle_timeout(30_000 * MS) else { panic!() };
}

#[test]
fn a_repeated_block_reveals_the_missing_blocks() {
    let mut transfer = new_transfer(&[("windowsize", "4")], 100_000);
    ack(&mut transfer, 0, 0);
    assert_eq!(transfer.handle_timeout(1000 * MS), blocks(1, 1));
    let mut lost_the_ack = transfer.clone();
    assert_eq!(ack(&mut lost_the_ack, 4, 1001), blocks(5, 4), "it has the window; its ACK was lost");
    assert_eq!(transfer.handle_timeout(3000 * MS), blocks(1, 1));
    assert_eq!(ack(&mut transfer, 1, 3001), blocks(2, 4), "it lost the window, and received the block twice");
}

#[test]
fn progress_restarts_the_schedule() {
    let mut transfer = new_transfer(&[], 10_000);
    ack(&mut transfer, 1, 0);
    transfer.handle_timeout(20 * MS);
    transfer.handle_timeout(100 * MS);
    ack(&mut transfer, 2, 150);
    assert_eq!(transfer.deadline(), (150 + 20) * MS, "the ACK may be that of the last repeat");
}

#[test]
fn a_client_that_became_slow_gets_a_few_blocks_twice() {
    let mut transfer = new_transfer(&[], 1_000_000);
    (1..100).for_each(|block| _ = ack(&mut transfer, block, block.into()));
    let (mut now, mut repeats) = (100, 0);
    for block in 100..200 {
        // The client answers each packet after 50 ms.
        let mut copies = 1;
        while transfer.deadline() < (now + 50) * MS {
            assert_eq!(transfer.handle_timeout(transfer.deadline()), blocks(u64::from(block), 1));
            copies += 1;
        }
        now += 50;
        ack(&mut transfer, block, now);
        (1..copies).for_each(|_| assert_eq!(ack(&mut transfer, block, now), Step::Wait));
        repeats += copies - 1;
    }
    assert!((1..10).contains(&repeats), "{repeats}");
}

#[test]
fn the_agreed_timeout_is_the_first_interval() {
    let mut transfer = new_transfer(&[("timeout", "5")], 10_000);
    assert_eq!(transfer.deadline(), 5000 * MS);
    ack(&mut transfer, 0, 100);
    assert_eq!(transfer.deadline(), 5100 * MS);
    transfer.handle_timeout(5100 * MS);
    assert_eq!(transfer.deadline(), 13_100 * MS, "doubled, and limited to 8 s");
}

#[test]
fn an_error_after_the_oack_is_a_size_probe() {
    let probe = Step::End(Outcome::SizeProbe, None);
    assert_eq!(error(&mut new_transfer(&[("tsize", "0"), ("blksize", "1468")], 1), 8), probe);
    assert_eq!(error(&mut new_transfer(&[("tsize", "0")], 1), 0), probe, "Intel's ROM");
}

#[test]
fn the_meaning_of_an_error_depends_on_its_time_and_code() {
    assert_eq!(error(&mut new_transfer(&[("blksize", "1468")], 1), 8), stopped(8));
    let mut transfer = new_transfer(&[("tsize", "0")], 10_000);
    ack(&mut transfer, 0, 0);
    assert_eq!(error(&mut transfer.clone(), 0), stopped(0), "iPXE has read enough");
    assert_eq!(error(&mut transfer.clone(), 3), stopped(3), "shim's buffer is full");
    assert_eq!(error(&mut transfer.clone(), 5), Step::End(Outcome::Aborted(ErrorCode(5)), None));
}

#[test]
fn other_packets_do_not_affect_a_transfer() {
    let mut transfer = new_transfer(&[], 10_000);
    for packet in [TftpPacket::Data { block: 1, payload: b"x" }, TftpPacket::Oack(TftpOptions::default())] {
        assert_eq!(transfer.handle_packet(&packet, MS), Step::Wait);
    }
    assert!(!transfer.is_confirmed());
}

#[test]
fn a_file_that_fills_its_last_block_ends_with_an_empty_one() {
    for (size, last, payload) in [(0, 1, 0), (1, 1, 1), (511, 1, 511), (512, 2, 0), (1024, 3, 0), (1025, 3, 1)] {
        let mut transfer = new_transfer(&[], size);
        for block in 1..last {
            assert_eq!(transfer.payload_length(block), 512);
            assert_eq!(ack(&mut transfer, block as u16, 0), blocks(block + 1, 1));
        }
        assert_eq!(transfer.payload_length(last), payload);
        assert_eq!(ack(&mut transfer, last as u16, 0), Step::End(Outcome::Completed, None));
        assert_eq!(transfer.acknowledged_octets(), size);
    }
}

#[test]
fn a_changed_file_ends_the_transfer_with_error_0() {
    let Step::End(Outcome::Failed, Some((ErrorCode::NOT_DEFINED, _))) = new_transfer(&[], 10_000).file_changed() else {
        panic!()
    };
}

#[test]
fn a_file_of_many_gigabytes_is_counted_without_overflow() {
    let transfer = new_transfer(&[("blksize", "8")], 1 << 60);
    assert_eq!(transfer.offset(1 << 57), (1 << 60) - 8);
    assert_eq!(transfer.payload_length((1 << 57) + 1), 0);
}

/// Returns the octet of the file at this offset. The content has no period that a block number could share.
fn file_octet(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn new_transfer(options: &[(&str, &str)], size: u64) -> Transfer {
    new_transfer_within(ETHERNET, options, size)
}

fn new_transfer_within(limits: TransferLimits, options: &[(&str, &str)], size: u64) -> Transfer {
    let mut area = Vec::new();
    for (name, value) in options {
        TftpOptions::write(name.as_bytes(), value.as_bytes(), &mut area);
    }
    let options = TftpOptions::read(&area).unwrap();
    Transfer::new(&TftpRequest { name: b"boot.ipxe", mode: b"octet", options }, size, limits, Duration::ZERO)
}

fn ack(transfer: &mut Transfer, block: u16, at: u32) -> Step {
    transfer.handle_packet(&TftpPacket::Ack { block }, at * MS)
}

fn error(transfer: &mut Transfer, code: u16) -> Step {
    transfer.handle_packet(&TftpPacket::Error { code: ErrorCode(code), text: b"" }, MS)
}

fn blocks(first: u64, count: u64) -> Step {
    Step::Blocks(Blocks { first, count })
}

fn stopped(code: u16) -> Step {
    Step::End(Outcome::Stopped(ErrorCode(code)), None)
}
