//! Tests whole transfers to a simulated client, over a network that loses, duplicates, delays and reorders packets.

use super::*;

#[test]
fn every_window_transfers_the_whole_file() {
    for windowsize in [1, 2, 3, 4, 16, 64] {
        for size in [0, 1, 7, 8, 9, 31, 32, 33, 5000] {
            let mut run = Run::new(8, windowsize, size);
            run.finish();
            assert_eq!(run.data_sent, size / 8 + 1, "no block twice: window {windowsize}, {size} octets");
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
fn losses_around_the_roll_over_are_repaired() {
    for windowsize in [1, 4] {
        let mut run = Run::new(8, windowsize, 8 * 66_000);
        run.delivery = |number| if number % 13 == 0 && number > 65_000 { Delivery::Lost } else { Delivery::Delivered };
        run.finish();
    }
}

#[test]
fn a_file_arrives_with_one_packet_lost_in_ten() {
    for windowsize in [1, 4, 16, 64] {
        let mut run = Run::new(8, windowsize, 40_000);
        run.delivery_percentages = (0..997).map(|number| (file_octet(number) % 100).min(94)).collect();
        run.finish();
    }
}

#[test]
fn a_file_arrives_at_an_unknown_client_with_one_packet_lost_in_ten() {
    let mut run = Run::new(8, 1, 10_000);
    run.transfer = new_transfer_within(ETHERNET.for_unknown_client(1), &[("blksize", "8")], 10_000);
    run.delivery_percentages = (0..997).map(|number| (file_octet(number) % 100).min(94)).collect();
    run.finish();
}

#[test]
fn the_loss_of_a_whole_window_is_repaired() {
    for windowsize in [4, 16, 64] {
        let mut run = Run::new(8, windowsize, 8000);
        // Packet 1 is the OACK and packet 2 its ACK. The next packets are the first window.
        run.delivery = |number| if (3..=6).contains(&number) { Delivery::Lost } else { Delivery::Delivered };
        run.finish();
        assert!(run.now < 4000 * MS, "window {windowsize}: {:?}", run.now);
    }
}

#[test]
fn duplicated_packets_do_not_duplicate_the_data() {
    let mut lockstep = Run::new(8, 1, 8000);
    lockstep.delivery = |_| Delivery::Duplicated;
    lockstep.finish();
    assert_eq!(lockstep.data_sent, 1001, "the Sorcerer's Apprentice sends more");
}

#[test]
fn one_duplicated_packet_does_not_duplicate_the_rest_of_a_transfer() {
    for windowsize in [2, 4, 16] {
        let mut run = Run::new(8, windowsize, 8000);
        run.delivery = |number| if number == 100 { Delivery::Duplicated } else { Delivery::Delivered };
        run.finish();
        let max = 1001 + u64::from(windowsize);
        assert!(run.data_sent <= max, "window {windowsize}: {} of at most {max}", run.data_sent);
        assert!(run.now < 2000 * MS, "window {windowsize}: {:?}", run.now);
    }
}

#[test]
fn one_delayed_packet_does_not_duplicate_the_rest() {
    for windowsize in [1, 4] {
        let mut run = Run::new(8, windowsize, 8000);
        run.delivery = |number| if number == 100 { Delivery::Delayed(1500 * MS) } else { Delivery::Delivered };
        run.finish();
        let max = 1001 + 2 * u64::from(windowsize);
        assert!(run.data_sent <= max, "{} of at most {max}", run.data_sent);
    }
}

#[test]
fn the_loss_of_a_windows_first_block_costs_a_tenth_of_a_second() {
    let mut run = Run::new(8, 4, 4000);
    // Packet 1 is the OACK, 2 its ACK, 3 to 6 the first window, 7 its ACK, and 8 the first block of the second window.
    run.delivery = |number| if number == 8 { Delivery::Lost } else { Delivery::Delivered };
    run.finish();
    assert!(run.now < 500 * MS, "{:?}", run.now);
}

#[test]
fn a_silent_client_holds_a_transfer_for_at_most_30_s() {
    for cut in [1, 2, 5, 50] {
        let mut run = Run::new(8, 4, 8000);
        run.cut = cut;
        let outcome = run.run();
        assert_eq!(outcome, Outcome::TimedOut);
        assert!(run.now <= 31_000 * MS, "{:?}", run.now);
        assert!(run.data_sent < 60 + 6 * 4, "{} blocks", run.data_sent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_bad_network_delays_or_ends_a_transfer_and_never_corrupts_it(
        windowsize in 1u16..20, size in 0u64..3000, delivery_percentages in proptest::collection::vec(0u8..100, 97),
    ) {
        let mut run = Run::new(8, windowsize, size);
        run.delivery_percentages = delivery_percentages;
        let outcome = run.run();
        prop_assert!(run.is_complete || outcome == Outcome::TimedOut, "{:?}", outcome);
    }

    #[test]
    fn no_order_of_packets_and_times_makes_a_transfer_panic_or_exceed_its_file(
        windowsize in 0u64..70, size in 0u64..5000,
        events in proptest::collection::vec((0u16..12, any::<u16>(), 0u64..5000), 0..60),
    ) {
        let value = windowsize.to_string();
        let mut transfer = new_transfer(&[("blksize", "8"), ("windowsize", &value)], size);
        let mut now = Duration::ZERO;
        let mut sent = 0;
        for (kind, number, delay) in events {
            let step = match kind {
                0..=5 => ack(&mut transfer, kind, now.as_millis() as u32),
                6..=7 => ack(&mut transfer, number, now.as_millis() as u32),
                8..=10 => { now += Duration::from_millis(delay); transfer.handle_timeout(now) }
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
            prop_assert!(transfer.acknowledged_octets() <= sent * 8, "acknowledged octets were sent before");
        }
    }

    /// The fuzz target `transfer` checks the same property for arbitrary input.
    #[test]
    fn the_packets_that_it_receives_bound_what_a_transfer_sends(
        windowsize in 1u16..70, granted in 0u16..70, size in 0u64..50_000,
        events in proptest::collection::vec((0u16..12, any::<u16>(), 0u64..9000), 0..80),
    ) {
        let value = windowsize.to_string();
        let options = [("blksize", "8"), ("windowsize", value.as_str())];
        let limits = TransferLimits { block: 1468, window: granted, forgeable: granted <= 1 };
        let mut transfer = new_transfer_within(limits, &options, size);
        prop_assert!(transfer.windowsize() <= granted.max(1));
        let (mut now, mut first, mut received_packets, mut sent) = (Duration::ZERO, 1, 0, 0);
        for (kind, number, delay) in events {
            let step = match kind {
                0..=3 => { received_packets += 1; ack(&mut transfer, kind, now.as_millis() as u32) }
                4..=5 => { received_packets += 1; ack(&mut transfer, number, now.as_millis() as u32) }
                6 => {
                    let acked = transfer.acknowledged_octets().div_ceil(8) as u16;
                    received_packets += 1;
                    ack(&mut transfer, acked, now.as_millis() as u32)
                }
                _ => { now += Duration::from_millis(delay); transfer.handle_timeout(now) }
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
            let bound = if granted <= 1 { received_packets * 9 / 8 + 2 } else { received_packets * worth };
            prop_assert!(sent <= bound, "{sent} blocks for {received_packets} packets");
        }
    }
}

#[derive(Clone, Copy)]
enum Delivery {
    Delivered,
    Lost,
    Duplicated,
    Delayed(Duration),
}

/// A transfer, a client and the network between them.
struct Run {
    transfer: Transfer,
    size: u64,
    windowsize: u16,
    now: Duration,
    /// Returns the delivery of the packet with this number, counted from 1 over both directions.
    delivery: fn(u64) -> Delivery,
    /// Percentages, one for each packet, repeated cyclically. If there are any, the delivery of a packet follows from
    /// them.
    delivery_percentages: Vec<u8>,
    /// The number of the first packet that does not arrive. No later packet arrives either.
    cut: u64,
    packets: u64,
    data_sent: u64,
    in_flight: BTreeMap<(Duration, u64), InFlight>,
    // The state of the client: the blocks received, the blocks since its last ACK, and the time at which it repeats
    // that ACK.
    received_blocks: u64,
    unacked: u16,
    client_timer: Duration,
    is_complete: bool,
}

enum InFlight {
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
            delivery: |_| Delivery::Delivered,
            delivery_percentages: Vec::new(),
            cut: u64::MAX,
            packets: 0,
            data_sent: 0,
            in_flight: BTreeMap::new(),
            received_blocks: 0,
            unacked: 0,
            client_timer: Duration::MAX,
            is_complete: false,
        }
    }

    fn finish(&mut self) {
        let outcome = self.run();
        assert!(self.is_complete, "the client did not receive the whole file: {outcome:?}");
        // If the last ACK was lost, the server cannot know that the client is complete.
        assert!(outcome == Outcome::Completed || outcome == Outcome::TimedOut, "{outcome:?}");
    }

    fn run(&mut self) -> Outcome {
        let first = self.transfer.first_step();
        if let Some(outcome) = self.serve(first) {
            return outcome;
        }
        loop {
            let arrival = self.in_flight.first_key_value().map_or(Duration::MAX, |(&(at, _), _)| at);
            let deadline = self.transfer.deadline();
            self.now = arrival.min(deadline).min(self.client_timer);
            let step = if self.now == arrival {
                match self.in_flight.pop_first().unwrap().1 {
                    InFlight::Ack(block) => self.transfer.handle_packet(&TftpPacket::Ack { block }, self.now),
                    InFlight::Oack => {
                        if self.received_blocks == 0 && self.unacked == 0 {
                            self.acknowledge();
                        }
                        continue;
                    }
                    InFlight::Data(block, payload) => {
                        self.receive(block, &payload);
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
            Step::Oack => self.send(|| InFlight::Oack),
            Step::Blocks(Blocks { first, count }) => {
                for block in first..first + count {
                    let offset = self.transfer.offset(block);
                    let payload: Vec<u8> =
                        (offset..offset + self.transfer.payload_length(block) as u64).map(file_octet).collect();
                    self.data_sent += 1;
                    self.send(|| InFlight::Data(block as u16, payload.clone()));
                }
            }
            Step::End(outcome, _) => return Some(outcome),
        }
        None
    }

    fn receive(&mut self, block: u16, payload: &[u8]) {
        if block == (self.received_blocks + 1) as u16 && !self.is_complete {
            let offset = self.received_blocks * 8;
            assert!(payload.iter().zip(offset..).all(|(&got, at)| got == file_octet(at)), "block {block} is corrupt");
            self.received_blocks += 1;
            self.unacked += 1;
            self.is_complete = payload.len() < 8;
            if self.is_complete {
                assert_eq!(offset + payload.len() as u64, self.size);
            }
            if self.is_complete || self.unacked == self.windowsize {
                self.acknowledge();
            }
        } else {
            // As EDK2 does, the client answers any other block with the ACK of the last good block.
            self.acknowledge();
        }
    }

    fn acknowledge(&mut self) {
        self.unacked = 0;
        self.client_timer = if self.is_complete { Duration::MAX } else { self.now + 4000 * MS };
        let block = self.received_blocks as u16;
        self.send(|| InFlight::Ack(block));
    }

    fn send(&mut self, packet: impl Fn() -> InFlight) {
        self.packets += 1;
        let number = self.packets;
        if number >= self.cut {
            return;
        }
        let delivery = match self.delivery_percentages.get(number as usize % self.delivery_percentages.len().max(1)) {
            Some(90..) => Delivery::Lost,
            Some(85..90) => Delivery::Duplicated,
            Some(80..85) => Delivery::Delayed(7 * MS),
            Some(78..80) => Delivery::Delayed(1200 * MS),
            Some(_) => Delivery::Delivered,
            None => (self.delivery)(number),
        };
        let (copies, delay) = match delivery {
            Delivery::Lost => (0, Duration::ZERO),
            Delivery::Delivered => (1, Duration::ZERO),
            Delivery::Duplicated => (2, Duration::ZERO),
            Delivery::Delayed(delay) => (1, delay),
        };
        for copy in 0..copies {
            self.in_flight.insert((self.now + MS + delay, number * 2 + copy), packet());
        }
    }
}
