//! Samples of what the server uses, and the verdict about them.

use crate::common::server_process::Usage;
use std::thread;
use std::time::{Duration, Instant};

/// The time between two samples, and the smallest number of samples.
const EVERY: Duration = Duration::from_secs(10);
const FEWEST: u32 = 30;
/// The shortest warm-up of a long run: the server keeps sixteen boots of each machine, and each machine must have had
/// as many.
const SHORTEST_WARM_UP: Duration = Duration::from_secs(6 * 60);
/// From this length on, the memory counts.
const LONG: Duration = Duration::from_secs(10 * 60);
/// How much more memory the server may need at the end than after the warm-up, in KiB: in a long run, and in a short
/// one, in which its tables still fill.
const MOST: u64 = 1024;
const MOST_IN_A_SHORT_RUN: u64 = 32 * 1024;

/// The samples of a run.
#[derive(Clone)]
pub struct Samples {
    length: Duration,
    /// Those after the warm-up.
    taken: Vec<Usage>,
}

impl Samples {
    pub fn new(length: Duration) -> Samples {
        Samples { length, taken: Vec::new() }
    }

    /// The time after which the memory counts: a tenth of the run, or what a short one needs.
    pub fn warm_up(&self) -> Duration {
        (self.length / 10).max(SHORTEST_WARM_UP.min(self.length / 2))
    }

    /// Takes samples until the end of the run, and prints them, with the number of wrong answers.
    pub fn take(&mut self, pid: u32, wrong: impl Fn() -> usize) {
        let (began, every) = (Instant::now(), EVERY.min(self.length / FEWEST));
        while began.elapsed() < self.length {
            thread::sleep(every);
            let usage = Usage::of(pid);
            let Usage { memory, descriptors, threads } = usage;
            let seconds = began.elapsed().as_secs();
            let wrong = wrong();
            println!("{seconds:>5} s: {memory} KiB, {descriptors} descriptors, {threads} threads, {wrong} wrong");
            if began.elapsed() >= self.warm_up() {
                self.taken.push(usage);
            }
            if memory == 0 {
                return;
            }
        }
    }

    /// Returns the faults. Compares the medians of the first and of the last fifth.
    pub fn faults(&self) -> Vec<String> {
        if self.taken.last().is_none_or(|usage| usage.memory == 0) {
            return vec!["the server has ended".to_owned()];
        }
        let fifth = (self.taken.len() / 5).max(1);
        let [first, last] = [&self.taken[..fifth], &self.taken[self.taken.len() - fifth..]]
            .map(|part| median(part, |usage| usage.memory));
        let most = if self.length >= LONG { MOST } else { MOST_IN_A_SHORT_RUN };
        println!("memory: {first} KiB after the warm-up, {last} KiB at the end; at most {most} KiB more");
        let grows = last > first + most;
        grows.then(|| format!("the memory grew by {} KiB", last - first)).into_iter().collect()
    }
}

fn median(part: &[Usage], of: impl Fn(&Usage) -> u64) -> u64 {
    let mut values: Vec<u64> = part.iter().map(of).collect();
    values.sort();
    values[values.len() / 2]
}
