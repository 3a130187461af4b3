//! Writes the boots that changed: a boot at most once a second, and one in which a machine only repeats itself at most
//! every ten seconds.

use super::row::BootRow;
use super::store::Rows;
use super::stored::Time;
use crate::story::StoryBook;
use proxydhcpd_core::identity::MachineKey;
use proxydhcpd_core::story::{Boot, FileState, MachineStory, Stories};
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// The time, in milliseconds, for which repeats of a machine wait.
pub const REPEATS: u64 = 10_000;
/// The time, in milliseconds, for which it is known what the history has of a machine.
const KNOWN: u64 = 60_000;
/// The number of latest boots of a machine to write if it is not known what the history has of it: the last one, and
/// the one that it ended.
const UNKNOWN_BOOTS: usize = 2;
/// After this number of machines, the thread sleeps, so that those that serve machines wait at most half a millisecond
/// for its processor. Niceness would need `setpriority`, which the systemd unit denies.
const PIECE: usize = 32;
const PAUSE: Duration = Duration::from_micros(500);

/// The boots of the last minute, as the history has them.
#[derive(Debug, Default)]
pub struct Written {
    machines: BTreeMap<MachineKey, WrittenBoot>,
    /// The buffers of the rows, which every round uses again.
    rows: Vec<BootRow>,
}

/// The last boot of a machine, as the history has it.
#[derive(Debug)]
struct WrittenBoot {
    at: u64,
    began: u64,
    outline: Outline,
    /// The number of verdicts about earlier boots. Such a boot may receive one after the last boot began.
    earlier_verdicts: usize,
}

/// The parts of a boot that repeats do not change.
#[derive(Debug, PartialEq, Eq)]
struct Outline {
    steps: usize,
    ended_files: usize,
    has_verdict: bool,
    is_over: bool,
}

/// The result of a round: the machines whose boots it wrote, and those whose repeats wait.
#[derive(Debug, Default)]
pub struct Round {
    written: Vec<(MachineKey, WrittenBoot)>,
    waiting: Vec<MachineKey>,
}

impl Outline {
    fn new(boot: &Boot) -> Outline {
        Outline {
            steps: boot.steps.len(),
            ended_files: boot.files().filter(|(_, _, state)| *state != FileState::Running).count(),
            has_verdict: boot.verdict.is_some(),
            is_over: boot.is_over,
        }
    }
}

impl Written {
    /// Writes the boots of these machines that are due now. Repeats that the history has since less than `repeats`
    /// milliseconds wait. `started` is the wall clock at the start of the server.
    pub fn write(
        &mut self,
        machines: impl IntoIterator<Item = MachineKey>,
        stories: &StoryBook,
        rows: &Rows<'_>,
        (now, repeats): (u64, u64),
        started: Time,
    ) -> rusqlite::Result<Round> {
        let mut round = Round::default();
        for (index, key) in machines.into_iter().enumerate() {
            if index % PIECE == PIECE - 1 {
                thread::sleep(PAUSE);
            }
            // The lock is released after each machine, and while SQLite writes: other threads need the stories.
            let count = self.read(&mut round, key, &stories.stories(), (now, repeats), started);
            for row in self.rows.iter().take(count) {
                rows.write_boot(row)?;
            }
        }
        Ok(round)
    }

    /// Remembers what a round wrote, once it is committed. Returns the machines that wait.
    pub fn commit(&mut self, round: Round, now: u64) -> Vec<MachineKey> {
        self.machines.extend(round.written);
        self.machines.retain(|_, boot| now < boot.at + KNOWN);
        round.waiting
    }

    /// Makes the rows of a machine's boots, and returns their number.
    fn read(
        &mut self,
        round: &mut Round,
        key: MachineKey,
        stories: &Stories,
        (now, repeats): (u64, u64),
        started: Time,
    ) -> usize {
        let Some((machine, last)) = stories.machine(key).and_then(|machine| Some((machine, machine.last_boot()?)))
        else {
            return 0;
        };
        let outline = Outline::new(last);
        let earlier_verdicts = machine.boots.iter().rev().skip(1).filter(|boot| boot.verdict.is_some()).count();
        let is_known = |it: &&WrittenBoot| it.began != last.began || it.earlier_verdicts == earlier_verdicts;
        let known = self.machines.get(&key).filter(is_known);
        if known.is_some_and(|it| it.began == last.began && it.outline == outline && now < it.at + repeats) {
            round.waiting.push(key);
            return 0;
        }
        let began = known.map(|known| known.began);
        let mut count = 0;
        for boot in changed_boots(machine, began) {
            if count == self.rows.len() {
                self.rows.push(BootRow::default());
            }
            if let Some(row) = self.rows.get_mut(count) {
                row.set(key, machine, boot, stories.names(), started);
                row.is_known = began == Some(boot.began);
            }
            count += 1;
        }
        round.written.push((key, WrittenBoot { at: now, began: last.began, outline, earlier_verdicts }));
        count
    }
}

/// The boots that may have changed since one that began then was written. An earlier one changes only by a verdict.
fn changed_boots(machine: &MachineStory, began: Option<u64>) -> impl Iterator<Item = &Boot> {
    let latest = machine.boots.iter().rev().enumerate();
    let changed = latest.take_while(move |(index, boot)| match began {
        Some(began) => boot.began >= began,
        None => *index < UNKNOWN_BOOTS,
    });
    changed.map(|(_, boot)| boot)
}
