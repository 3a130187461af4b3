//! A transfer against a client of our own, over a network that loses, doubles, delays and reorders, with a clock that
//! the test moves.

use proptest::prelude::*;
use proxydhcpd_core::transfer::{
    Blocks, LARGEST_WINDOW, Limits, Outcome, Step, Transfer, largest_block, largest_window, refuse_mode,
};
use proxydhcpd_core::wire::tftp::{ErrorCode, Options, Packet, Request};
use std::collections::BTreeMap;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const ETHERNET: Limits = Limits { block: 1468, window: LARGEST_WINDOW, forgeable: false };

// --- Negotiation ---------------------------------------------------------------------------------------------------

#[test]
fn without_a_known_option_data_1_is_the_first_answer() {
    for options in [vec![], vec![("multicast", "")], vec![("blksize", "7")], vec![("blksize", "many")]] {
        let transfer = asked(&options, 1000);
        assert_eq!(transfer.first(), blocks(1, 1), "{options:?}");
        assert_eq!(transfer.blksize(), 512);
    }
}

#[test]
fn an_oack_names_what_was_asked_in_its_order_and_spelling_and_once() {
    let options = [("TSIZE", "0"), ("foo", "1"), ("BlkSize", "1432"), ("tsize", "0"), ("blksize", "512")];
    let transfer = asked(&options, 174080);
    assert_eq!(transfer.first(), Step::Oack);
    assert_eq!(transfer.oack(), b"\0\x06TSIZE\x00174080\0BlkSize\x001432\0");
    assert_eq!(transfer.blksize(), 1432);
}

#[test]
fn a_block_is_never_larger_than_the_link_carries_nor_than_asked() {
    assert_eq!(largest_block(1500, false), 1468);
    assert_eq!(largest_block(1500, true), 1448);
    assert_eq!(largest_block(65536, false), 65464);
    assert_eq!(largest_block(0, false), 8);
    for (asked_for, agreed) in [("65464", 1468), ("1468", 1468), ("1024", 1024), ("8", 8), ("99999999", 1468)] {
        assert_eq!(asked(&[("blksize", asked_for)], 1).blksize(), agreed, "{asked_for}");
    }
}

#[test]
fn a_window_is_at_most_64_and_a_window_of_0_is_left_out() {
    assert_eq!(asked(&[("windowsize", "65535")], 1).windowsize(), 64);
    assert_eq!(asked(&[("windowsize", "4")], 1).windowsize(), 4);
    assert_eq!(asked(&[("windowsize", "0")], 1).oack(), b"");
}

#[test]
fn a_window_that_is_not_granted_is_left_out_of_the_oack_and_the_transfer_goes_block_by_block() {
    let options = [("tsize", "0"), ("blksize", "8192"), ("windowsize", "4")];
    let jumbo = Limits { block: 8192, window: LARGEST_WINDOW, forgeable: false };
    let mut transfer = asked_within(jumbo.for_stranger(1), &options, 100_000);
    assert_eq!(transfer.oack(), b"\0\x06tsize\x00100000\0blksize\x001468\0");
    assert_eq!(ack(&mut transfer, 0, 0), blocks(1, 1));
    assert_eq!(ack(&mut transfer, 1, 0), blocks(2, 1));
    assert_eq!(
        asked_within(Limits { window: 1, ..jumbo }, &[("windowsize", "4")], 1).oack(),
        b"",
        "no OACK for it alone"
    );
    assert_eq!(
        asked_within(Limits { window: 3, ..jumbo }, &[("windowsize", "4")], 1).oack(),
        b"\0\x06windowsize\x003\0"
    );
}

#[test]
fn a_window_has_a_block_for_each_16_ports_that_the_transfer_may_have() {
    let cases = [(1, 0), (2, 0), (31, 1), (32, 2), (64, 4), (1000, 62), (1024, 64), (28_232, 64), (65_535, 64)];
    for (ports, window) in cases {
        assert_eq!(largest_window(ports), window, "{ports} ports");
    }
    let jumbo = Limits { block: 8968, window: LARGEST_WINDOW, forgeable: false };
    assert_eq!(
        jumbo.for_stranger(64),
        Limits { block: 1468, window: 4, forgeable: false },
        "nor a block that is longer than an ACK is worth"
    );
    assert_eq!(jumbo.for_stranger(28_232), jumbo);
}

#[test]
fn a_timeout_is_echoed_or_left_out_and_never_altered() {
    assert_eq!(asked(&[("timeout", "255")], 1).oack(), b"\0\x06timeout\x00255\0");
    assert_eq!(asked(&[("timeout", "005")], 1).oack(), b"\0\x06timeout\x005\0");
    for value in ["0", "256", "-1", "+1", ""] {
        assert_eq!(asked(&[("timeout", value)], 1).oack(), b"", "{value}");
    }
}

#[test]
fn octet_is_sent_netascii_refused_and_mail_illegal() {
    assert_eq!(refuse_mode(b"octet"), None);
    assert_eq!(refuse_mode(b"OcTeT"), None);
    assert_eq!(refuse_mode(b"NetASCII").map(|(code, _)| code), Some(ErrorCode::OTHER));
    assert_eq!(refuse_mode(b"mail").map(|(code, _)| code), Some(ErrorCode::ILLEGAL));
    assert_eq!(refuse_mode(b"").map(|(code, _)| code), Some(ErrorCode::ILLEGAL));
}

// --- Rules of the transfer, one by one -------------------------------------------------------------------------------

#[test]
fn the_window_opens_only_after_the_first_ack() {
    let mut transfer = asked(&[("windowsize", "4")], 100_000);
    assert_eq!(transfer.first(), Step::Oack, "and no DATA beside it: the source may be forged");
    assert_eq!(ack(&mut transfer, 0, 0), blocks(1, 4));
    assert_eq!(ack(&mut transfer, 4, 0), blocks(5, 4));
}

#[test]
fn an_ack_for_what_was_never_sent_is_ignored() {
    let mut transfer = asked(&[("windowsize", "4")], 100_000);
    assert_eq!(ack(&mut transfer, 1, 0), Step::Wait);
    assert_eq!(ack(&mut transfer, 65535, 0), Step::Wait);
    assert!(!transfer.opened());
    ack(&mut transfer, 0, 0);
    assert_eq!(ack(&mut transfer, 5, 0), Step::Wait);
    assert_eq!(ack(&mut transfer, 65535, 0), Step::Wait);
}

#[test]
fn an_ack_inside_the_window_resends_from_the_block_after_it() {
    let mut transfer = asked(&[("windowsize", "4")], 100_000);
    ack(&mut transfer, 0, 0);
    assert_eq!(ack(&mut transfer, 2, 0), blocks(3, 4));
    assert_eq!(ack(&mut transfer, 1, 0), Step::Wait, "an earlier one says nothing new");
}

#[test]
fn a_duplicate_ack_never_resends() {
    let mut transfer = asked(&[], 10_000);
    assert_eq!(ack(&mut transfer, 1, 0), blocks(2, 1));
    for _ in 0..10 {
        assert_eq!(ack(&mut transfer, 1, 0), Step::Wait);
        assert_eq!(ack(&mut transfer, 0, 0), Step::Wait);
    }
    assert_eq!(transfer.deadline(), 1000 * MS, "nor does it put off or bring on the timer in lockstep");
}

#[test]
fn a_missing_first_block_of_a_window_is_resent_after_100_ms_by_the_timer() {
    let mut transfer = asked(&[("windowsize", "4")], 100_000);
    ack(&mut transfer, 0, 0);
    ack(&mut transfer, 4, 10);
    assert_eq!(ack(&mut transfer, 4, 20), Step::Wait);
    assert_eq!(ack(&mut transfer, 4, 50), Step::Wait);
    assert_eq!(transfer.deadline(), 120 * MS);
    assert_eq!(transfer.elapsed(120 * MS), blocks(5, 4));
}

#[test]
fn the_first_packet_is_resent_twice_and_given_up_without_a_word() {
    for options in [vec![], vec![("tsize", "0")]] {
        let mut transfer = asked(&options, 10_000);
        let first = transfer.first();
        for at in [1000, 3000] {
            assert_eq!(transfer.elapsed((at - 1) * MS), Step::Wait);
            assert_eq!(transfer.elapsed(at * MS), first, "{at} ms");
        }
        assert_eq!(transfer.elapsed(6999 * MS), Step::Wait);
        assert_eq!(transfer.elapsed(7000 * MS), Step::End(Outcome::TimedOut, None));
    }
}

#[test]
fn data_is_resent_after_1_s_doubling_to_8_and_given_up_after_30_s_with_one_error() {
    let mut transfer = asked(&[], 10_000);
    ack(&mut transfer, 1, 0);
    for at in [1000, 3000, 7000, 15_000, 23_000] {
        assert_eq!(transfer.deadline(), at * MS);
        assert_eq!(transfer.elapsed(at * MS), blocks(2, 1), "{at} ms");
    }
    assert_eq!(transfer.deadline(), 30_000 * MS);
    let Step::End(Outcome::TimedOut, Some((ErrorCode::OTHER, _))) = transfer.elapsed(30_000 * MS) else {
        panic!("a stalled transfer must end with ERROR 0");
    };
}

#[test]
fn a_client_that_keeps_reporting_a_gap_is_resent_to_at_most_six_times() {
    let mut transfer = asked(&[("windowsize", "4")], 100_000);
    ack(&mut transfer, 0, 0);
    let (mut now, mut resent) = (0, 0);
    loop {
        assert_eq!(ack(&mut transfer, 0, now), Step::Wait);
        now += 100;
        match transfer.elapsed(now * MS) {
            Step::Blocks(Blocks { first: 1, count: 4 }) => resent += 1,
            Step::End(Outcome::TimedOut, Some(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(resent, 6);
}

#[test]
fn a_window_that_nobody_acknowledges_is_repeated_by_one_block_at_a_time() {
    let mut transfer = asked(&[("windowsize", "64")], 1_000_000);
    assert_eq!(ack(&mut transfer, 0, 0), blocks(1, 64));
    for at in [1000, 3000, 7000, 15_000, 23_000] {
        assert_eq!(transfer.elapsed(at * MS), blocks(1, 1), "{at} ms");
    }
    let Step::End(Outcome::TimedOut, Some(_)) = transfer.elapsed(30_000 * MS) else { panic!() };
}

#[test]
fn where_acks_can_be_forged_a_repeat_is_earned_by_them() {
    let stranger = ETHERNET.for_stranger(1);
    let mut transfer = asked_within(stranger, &[("blksize", "1468")], 1_000_000);
    assert_eq!(ack(&mut transfer, 0, 0), blocks(1, 1));
    assert_eq!(transfer.elapsed(1000 * MS), blocks(1, 1));
    assert_eq!(transfer.elapsed(3000 * MS), blocks(1, 1));
    assert_eq!(transfer.elapsed(7000 * MS), Step::Wait);
    // A client that is there says its ACK again.
    assert_eq!(ack(&mut transfer, 0, 8000), Step::Wait);
    assert_eq!(transfer.elapsed(15_000 * MS), blocks(1, 1));
    assert_eq!(transfer.elapsed(23_000 * MS), Step::Wait);
    let Step::End(Outcome::TimedOut, Some(_)) = transfer.elapsed(30_000 * MS) else { panic!() };
}

#[test]
fn one_packet_lost_in_ten_does_not_keep_a_file_from_a_client_that_may_be_forged() {
    let mut run = Run::new(8, 1, 10_000);
    run.transfer = asked_within(ETHERNET.for_stranger(1), &[("blksize", "8")], 10_000);
    run.fates = (0..997).map(|number| (octet(number) % 100).min(94)).collect();
    run.finish();
}

#[test]
fn a_repeated_block_finds_out_what_the_client_is_missing() {
    let mut transfer = asked(&[("windowsize", "4")], 100_000);
    ack(&mut transfer, 0, 0);
    assert_eq!(transfer.elapsed(1000 * MS), blocks(1, 1));
    let mut lost_the_ack = transfer.clone();
    assert_eq!(ack(&mut lost_the_ack, 4, 1001), blocks(5, 4), "it has the window: its ACK was lost");
    assert_eq!(transfer.elapsed(3000 * MS), blocks(1, 1));
    assert_eq!(ack(&mut transfer, 1, 3001), blocks(2, 4), "it has lost the window, and the block came twice");
}

#[test]
fn the_loss_of_a_whole_window_is_made_up() {
    for windowsize in [4, 16, 64] {
        let mut run = Run::new(8, windowsize, 8000);
        // The OACK, its ACK, and then the first window.
        run.fate = |number| if (3..=6).contains(&number) { Fate::Lost } else { Fate::Delivered };
        run.finish();
        assert!(run.now < 4000 * MS, "window {windowsize}: {:?}", run.now);
    }
}

#[test]
fn progress_starts_the_schedule_anew() {
    let mut transfer = asked(&[], 10_000);
    ack(&mut transfer, 1, 0);
    transfer.elapsed(1000 * MS);
    transfer.elapsed(3000 * MS);
    ack(&mut transfer, 2, 3500);
    assert_eq!(transfer.deadline(), 4500 * MS);
}

#[test]
fn the_agreed_timeout_is_the_first_interval() {
    let mut transfer = asked(&[("timeout", "5")], 10_000);
    assert_eq!(transfer.deadline(), 5000 * MS);
    ack(&mut transfer, 0, 100);
    assert_eq!(transfer.deadline(), 5100 * MS);
    transfer.elapsed(5100 * MS);
    assert_eq!(transfer.deadline(), 13_100 * MS, "doubled, and cut at 8 s");
}

#[test]
fn an_error_after_the_oack_is_a_size_probe() {
    let probe = Step::End(Outcome::SizeProbe, None);
    assert_eq!(error(&mut asked(&[("tsize", "0"), ("blksize", "1468")], 1), 8), probe);
    assert_eq!(error(&mut asked(&[("tsize", "0")], 1), 0), probe, "Intel's ROM");
}

#[test]
fn what_an_error_means_depends_on_when_and_which() {
    assert_eq!(error(&mut asked(&[("blksize", "1468")], 1), 8), stopped(8));
    let mut transfer = asked(&[("tsize", "0")], 10_000);
    ack(&mut transfer, 0, 0);
    assert_eq!(error(&mut transfer.clone(), 0), stopped(0), "iPXE has seen enough");
    assert_eq!(error(&mut transfer.clone(), 3), stopped(3), "shim's buffer is full");
    assert_eq!(error(&mut transfer.clone(), 5), Step::End(Outcome::Aborted(ErrorCode(5)), None));
}

#[test]
fn other_packets_do_not_move_a_transfer() {
    let mut transfer = asked(&[], 10_000);
    for packet in [Packet::Data { block: 1, payload: b"x" }, Packet::Oack(Options::default())] {
        assert_eq!(transfer.received(&packet, MS), Step::Wait);
    }
    assert!(!transfer.opened());
}

#[test]
fn a_file_that_fills_its_last_block_ends_with_an_empty_one() {
    for (size, last, payload) in [(0, 1, 0), (1, 1, 1), (511, 1, 511), (512, 2, 0), (1024, 3, 0), (1025, 3, 1)] {
        let mut transfer = asked(&[], size);
        for block in 1..last {
            assert_eq!(transfer.payload(block), 512);
            assert_eq!(ack(&mut transfer, block as u16, 0), blocks(block + 1, 1));
        }
        assert_eq!(transfer.payload(last), payload);
        assert_eq!(ack(&mut transfer, last as u16, 0), Step::End(Outcome::Done, None));
        assert_eq!(transfer.octets(), size);
    }
}

#[test]
fn a_file_that_became_shorter_ends_the_transfer_with_error_0() {
    let Step::End(Outcome::Failed, Some((ErrorCode::OTHER, _))) = asked(&[], 10_000).broken() else { panic!() };
}

#[test]
fn a_file_of_many_gigabytes_is_counted_without_overflow() {
    let transfer = asked(&[("blksize", "8")], 1 << 60);
    assert_eq!(transfer.offset(1 << 57), (1 << 60) - 8);
    assert_eq!(transfer.payload((1 << 57) + 1), 0);
}

// --- Whole transfers over a bad network ------------------------------------------------------------------------------

#[test]
fn every_window_brings_the_file_over_whole() {
    for windowsize in [1, 2, 3, 4, 16, 64] {
        for size in [0, 1, 7, 8, 9, 31, 32, 33, 5000] {
            let mut run = Run::new(8, windowsize, size);
            run.finish();
            assert_eq!(run.data_sent, size / 8 + 1, "nothing twice: window {windowsize}, {size} octets");
        }
    }
}

#[test]
fn the_block_number_rolls_over_past_65535() {
    for windowsize in [1, 7, 64] {
        let mut run = Run::new(8, windowsize, 8 * 140_000 + 3);
        run.finish();
        assert_eq!(run.data_sent, 140_001);
    }
}

#[test]
fn losses_around_the_roll_over_are_made_up() {
    for windowsize in [1, 4] {
        let mut run = Run::new(8, windowsize, 8 * 66_000);
        run.fate = |number| if number % 13 == 0 && number > 65_000 { Fate::Lost } else { Fate::Delivered };
        run.finish();
    }
}

#[test]
fn one_packet_lost_in_ten_does_not_keep_a_file_from_coming_over() {
    for windowsize in [1, 4, 16, 64] {
        let mut run = Run::new(8, windowsize, 40_000);
        run.fates = (0..997).map(|number| (octet(number) % 100).min(94)).collect();
        run.finish();
    }
}

#[test]
fn doubled_packets_do_not_double_the_data() {
    let mut lockstep = Run::new(8, 1, 8000);
    lockstep.fate = |_| Fate::Doubled;
    lockstep.finish();
    assert_eq!(lockstep.data_sent, 1001, "the Sorcerer's Apprentice sends more");
}

#[test]
fn one_doubled_packet_does_not_double_the_rest_of_a_window_transfer() {
    for windowsize in [2, 4, 16] {
        let mut run = Run::new(8, windowsize, 8000);
        run.fate = |number| if number == 100 { Fate::Doubled } else { Fate::Delivered };
        run.finish();
        let most = 1001 + u64::from(windowsize);
        assert!(run.data_sent <= most, "window {windowsize}: {} of at most {most}", run.data_sent);
        assert!(run.now < 2000 * MS, "window {windowsize}: {:?}", run.now);
    }
}

#[test]
fn one_delayed_packet_does_not_double_the_rest() {
    for windowsize in [1, 4] {
        let mut run = Run::new(8, windowsize, 8000);
        run.fate = |number| if number == 100 { Fate::Delayed(1500 * MS) } else { Fate::Delivered };
        run.finish();
        let most = 1001 + 2 * u64::from(windowsize);
        assert!(run.data_sent <= most, "{} of at most {most}", run.data_sent);
    }
}

#[test]
fn the_loss_of_a_whole_windows_head_costs_a_tenth_of_a_second_not_a_second() {
    let mut run = Run::new(8, 4, 4000);
    // 1 is the OACK, 2 its ACK, 3 to 6 the first window, 7 its ACK, 8 the head of the second.
    run.fate = |number| if number == 8 { Fate::Lost } else { Fate::Delivered };
    run.finish();
    assert!(run.now < 500 * MS, "{:?}", run.now);
}

#[test]
fn a_silent_client_does_not_hold_the_transfer_for_more_than_30_s() {
    for cut in [1, 2, 5, 50] {
        let mut run = Run::new(8, 4, 8000);
        run.cut = cut;
        let outcome = run.go();
        assert_eq!(outcome, Outcome::TimedOut);
        assert!(run.now <= 31_000 * MS, "{:?}", run.now);
        assert!(run.data_sent < 60 + 6 * 4, "{} blocks", run.data_sent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_bad_network_delays_a_transfer_or_ends_it_and_never_spoils_it(
        windowsize in 1u16..20, size in 0u64..3000, fates in proptest::collection::vec(0u8..100, 97),
    ) {
        let mut run = Run::new(8, windowsize, size);
        run.fates = fates;
        let outcome = run.go();
        prop_assert!(run.whole || outcome == Outcome::TimedOut, "{:?}", outcome);
    }

    #[test]
    fn no_order_of_packets_and_hours_makes_a_transfer_panic_or_send_what_is_not_there(
        windowsize in 0u64..70, size in 0u64..5000,
        events in proptest::collection::vec((0u16..12, any::<u16>(), 0u64..5000), 0..60),
    ) {
        let value = windowsize.to_string();
        let mut transfer = asked(&[("blksize", "8"), ("windowsize", &value)], size);
        let mut now = Duration::ZERO;
        let mut sent = 0;
        for (kind, number, later) in events {
            let step = match kind {
                0..=5 => ack(&mut transfer, kind, now.as_millis() as u32),
                6..=7 => ack(&mut transfer, number, now.as_millis() as u32),
                8..=10 => { now += Duration::from_millis(later); transfer.elapsed(now) }
                _ => transfer.first(),
            };
            if let Step::End(..) = step {
                break;
            }
            if let Step::Blocks(Blocks { first, count }) = step {
                prop_assert!(first >= 1 && first - 1 + count <= size / 8 + 1);
                prop_assert!((1..=64).contains(&count));
                sent = sent.max(first - 1 + count);
            }
            prop_assert!(transfer.octets() <= sent * 8, "nothing is acknowledged that was not sent");
        }
    }

    /// The fuzz target `transfer` holds the same for whatever it can make up.
    #[test]
    fn what_a_transfer_sends_is_bounded_by_what_it_hears(
        windowsize in 1u16..70, granted in 0u16..70, size in 0u64..50_000,
        events in proptest::collection::vec((0u16..12, any::<u16>(), 0u64..9000), 0..80),
    ) {
        let value = windowsize.to_string();
        let options = [("blksize", "8"), ("windowsize", value.as_str())];
        let mut transfer = asked_within(Limits { block: 1468, window: granted, forgeable: granted <= 1 }, &options, size);
        prop_assert!(transfer.windowsize() <= granted.max(1));
        let (mut now, mut first, mut heard, mut sent) = (Duration::ZERO, 1, 0, 0);
        for (kind, number, later) in events {
            let step = match kind {
                0..=3 => { heard += 1; ack(&mut transfer, kind, now.as_millis() as u32) }
                4..=5 => { heard += 1; ack(&mut transfer, number, now.as_millis() as u32) }
                6 => {
                    let acked = transfer.octets().div_ceil(8) as u16;
                    heard += 1;
                    ack(&mut transfer, acked, now.as_millis() as u32)
                }
                _ => { now += Duration::from_millis(later); transfer.elapsed(now) }
            };
            match step {
                Step::End(..) => break,
                Step::Wait => {}
                Step::Blocks(blocks) if transfer.opened() => sent += blocks.count,
                Step::Oack | Step::Blocks(Blocks { count: 1, .. }) => first += 1,
                Step::Blocks(_) => prop_assert!(false, "a window before the first ACK"),
            }
            prop_assert!(first <= 3, "the first packet was sent {first} times");
            let worth = u64::from(transfer.windowsize()) + 6;
            let bound = if granted <= 1 { heard * 9 / 8 + 2 } else { heard * worth };
            prop_assert!(sent <= bound, "{sent} blocks for {heard} packets");
        }
    }
}

// --- The other side --------------------------------------------------------------------------------------------------

#[derive(Clone, Copy)]
enum Fate {
    Delivered,
    Lost,
    Doubled,
    Delayed(Duration),
}

/// A transfer, a client and the network between them.
struct Run {
    transfer: Transfer,
    size: u64,
    windowsize: u16,
    now: Duration,
    /// What becomes of the n-th packet, counted from 1 and from both sides.
    fate: fn(u64) -> Fate,
    /// Percentages by packet, over and over, where the fate is drawn.
    fates: Vec<u8>,
    /// From this packet on, nothing arrives.
    cut: u64,
    packets: u64,
    data_sent: u64,
    wire: BTreeMap<(Duration, u64), Wire>,
    // The client: blocks taken, those of them since its last ACK, and when it repeats that ACK.
    taken: u64,
    unacked: u16,
    client_timer: Duration,
    whole: bool,
}

enum Wire {
    Oack,
    Data(u16, Vec<u8>),
    Ack(u16),
}

impl Run {
    fn new(blksize: u16, windowsize: u16, size: u64) -> Run {
        let (block, window) = (blksize.to_string(), windowsize.to_string());
        Run {
            transfer: asked(&[("blksize", &block), ("windowsize", &window)], size),
            size,
            windowsize,
            now: Duration::ZERO,
            fate: |_| Fate::Delivered,
            fates: Vec::new(),
            cut: u64::MAX,
            packets: 0,
            data_sent: 0,
            wire: BTreeMap::new(),
            taken: 0,
            unacked: 0,
            client_timer: Duration::MAX,
            whole: false,
        }
    }

    fn finish(&mut self) {
        let outcome = self.go();
        assert!(self.whole, "the client has not got everything: {outcome:?}");
        // The last ACK may be what was lost: then the server cannot know.
        assert!(outcome == Outcome::Done || outcome == Outcome::TimedOut, "{outcome:?}");
    }

    fn go(&mut self) -> Outcome {
        let first = self.transfer.first();
        if let Some(outcome) = self.serve(first) {
            return outcome;
        }
        loop {
            let arrival = self.wire.first_key_value().map_or(Duration::MAX, |(&(at, _), _)| at);
            let deadline = self.transfer.deadline();
            self.now = arrival.min(deadline).min(self.client_timer);
            let step = if self.now == arrival {
                match self.wire.pop_first().unwrap().1 {
                    Wire::Ack(block) => self.transfer.received(&Packet::Ack { block }, self.now),
                    Wire::Oack => {
                        if self.taken == 0 && self.unacked == 0 {
                            self.acknowledge();
                        }
                        continue;
                    }
                    Wire::Data(block, payload) => {
                        self.take(block, &payload);
                        continue;
                    }
                }
            } else if self.now == deadline {
                self.transfer.elapsed(self.now)
            } else {
                self.acknowledge();
                continue;
            };
            if let Some(outcome) = self.serve(step) {
                return outcome;
            }
        }
    }

    fn serve(&mut self, step: Step) -> Option<Outcome> {
        match step {
            Step::Wait => {}
            Step::Oack => self.send(|| Wire::Oack),
            Step::Blocks(Blocks { first, count }) => {
                for block in first..first + count {
                    let offset = self.transfer.offset(block);
                    let payload: Vec<u8> = (offset..offset + self.transfer.payload(block) as u64).map(octet).collect();
                    self.data_sent += 1;
                    self.send(|| Wire::Data(block as u16, payload.clone()));
                }
            }
            Step::End(outcome, _) => return Some(outcome),
        }
        None
    }

    fn take(&mut self, block: u16, payload: &[u8]) {
        if block == (self.taken + 1) as u16 && !self.whole {
            let offset = self.taken * 8;
            assert!(payload.iter().zip(offset..).all(|(&got, at)| got == octet(at)), "block {block} is spoilt");
            self.taken += 1;
            self.unacked += 1;
            self.whole = payload.len() < 8;
            if self.whole {
                assert_eq!(offset + payload.len() as u64, self.size);
            }
            if self.whole || self.unacked == self.windowsize {
                self.acknowledge();
            }
        } else {
            // As EDK2 does: any other block is answered with the last good one.
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        self.unacked = 0;
        self.client_timer = if self.whole { Duration::MAX } else { self.now + 4000 * MS };
        let block = self.taken as u16;
        self.send(|| Wire::Ack(block));
    }

    fn send(&mut self, packet: impl Fn() -> Wire) {
        self.packets += 1;
        let number = self.packets;
        if number >= self.cut {
            return;
        }
        let fate = match self.fates.get(number as usize % self.fates.len().max(1)) {
            Some(90..) => Fate::Lost,
            Some(85..90) => Fate::Doubled,
            Some(80..85) => Fate::Delayed(7 * MS),
            Some(78..80) => Fate::Delayed(1200 * MS),
            Some(_) => Fate::Delivered,
            None => (self.fate)(number),
        };
        let (copies, delay) = match fate {
            Fate::Lost => (0, Duration::ZERO),
            Fate::Delivered => (1, Duration::ZERO),
            Fate::Doubled => (2, Duration::ZERO),
            Fate::Delayed(delay) => (1, delay),
        };
        for copy in 0..copies {
            self.wire.insert((self.now + MS + delay, number * 2 + copy), packet());
        }
    }
}

/// What the file holds at an offset: no period that a block number could share.
fn octet(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn asked(options: &[(&str, &str)], size: u64) -> Transfer {
    asked_within(ETHERNET, options, size)
}

fn asked_within(limits: Limits, options: &[(&str, &str)], size: u64) -> Transfer {
    let mut area = Vec::new();
    for (name, value) in options {
        Options::write(name.as_bytes(), value.as_bytes(), &mut area);
    }
    let options = Options::read(&area).unwrap();
    Transfer::new(&Request { name: b"boot.ipxe", mode: b"octet", options }, size, limits, Duration::ZERO)
}

fn ack(transfer: &mut Transfer, block: u16, at: u32) -> Step {
    transfer.received(&Packet::Ack { block }, at * MS)
}

fn error(transfer: &mut Transfer, code: u16) -> Step {
    transfer.received(&Packet::Error { code: ErrorCode(code), text: b"" }, MS)
}

fn blocks(first: u64, count: u64) -> Step {
    Step::Blocks(Blocks { first, count })
}

fn stopped(code: u16) -> Step {
    Step::End(Outcome::Stopped(ErrorCode(code)), None)
}
