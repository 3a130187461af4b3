//! Whole transfers over a network that loses, doubles, delays and reorders, against a client of our own.

use super::*;

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
        run.fates = (0..997).map(|number| (file_octet(number) % 100).min(94)).collect();
        run.finish();
    }
}

#[test]
fn one_packet_lost_in_ten_does_not_keep_a_file_from_a_client_that_may_be_forged() {
    let mut run = Run::new(8, 1, 10_000);
    run.transfer = new_transfer_within(ETHERNET.for_unknown_client(1), &[("blksize", "8")], 10_000);
    run.fates = (0..997).map(|number| (file_octet(number) % 100).min(94)).collect();
    run.finish();
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
        let mut transfer = new_transfer(&[("blksize", "8"), ("windowsize", &value)], size);
        let mut now = Duration::ZERO;
        let mut sent = 0;
        for (kind, number, later) in events {
            let step = match kind {
                0..=5 => ack(&mut transfer, kind, now.as_millis() as u32),
                6..=7 => ack(&mut transfer, number, now.as_millis() as u32),
                8..=10 => { now += Duration::from_millis(later); transfer.handle_timeout(now) }
                _ => transfer.first_step(),
            };
            if let Step::End(..) = step {
                break;
            }
            if let Step::Blocks(Blocks { first, count }) = step {
                prop_assert!(first >= 1 && first - 1 + count <= size / 8 + 1);
                prop_assert!((1..=64).contains(&count));
                sent = sent.max(first - 1 + count);
            }
            prop_assert!(transfer.acknowledged_octets() <= sent * 8, "nothing is acknowledged that was not sent");
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
        let mut transfer = new_transfer_within(TransferLimits { block: 1468, window: granted, forgeable: granted <= 1 }, &options, size);
        prop_assert!(transfer.windowsize() <= granted.max(1));
        let (mut now, mut first, mut heard, mut sent) = (Duration::ZERO, 1, 0, 0);
        for (kind, number, later) in events {
            let step = match kind {
                0..=3 => { heard += 1; ack(&mut transfer, kind, now.as_millis() as u32) }
                4..=5 => { heard += 1; ack(&mut transfer, number, now.as_millis() as u32) }
                6 => {
                    let acked = transfer.acknowledged_octets().div_ceil(8) as u16;
                    heard += 1;
                    ack(&mut transfer, acked, now.as_millis() as u32)
                }
                _ => { now += Duration::from_millis(later); transfer.handle_timeout(now) }
            };
            match step {
                Step::End(..) => break,
                Step::Wait => {}
                Step::Blocks(blocks) if transfer.is_confirmed() => sent += blocks.count,
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
            transfer: new_transfer(&[("blksize", &block), ("windowsize", &window)], size),
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
        assert!(outcome == Outcome::Completed || outcome == Outcome::TimedOut, "{outcome:?}");
    }

    fn go(&mut self) -> Outcome {
        let first = self.transfer.first_step();
        if let Some(outcome) = self.serve(first) {
            return outcome;
        }
        loop {
            let arrival = self.wire.first_key_value().map_or(Duration::MAX, |(&(at, _), _)| at);
            let deadline = self.transfer.deadline();
            self.now = arrival.min(deadline).min(self.client_timer);
            let step = if self.now == arrival {
                match self.wire.pop_first().unwrap().1 {
                    Wire::Ack(block) => self.transfer.handle_packet(&TftpPacket::Ack { block }, self.now),
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
                self.transfer.handle_timeout(self.now)
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
                    let payload: Vec<u8> = (offset..offset + self.transfer.payload_length(block) as u64).map(file_octet).collect();
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
            assert!(payload.iter().zip(offset..).all(|(&got, at)| got == file_octet(at)), "block {block} is spoilt");
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
