//! Verdicts and stages of boots, for one reader that learns of each when it happens.

use proxydhcpd_core::identity::MachineKey;
use proxydhcpd_core::story::{Reached, Stage, VerdictCode};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The number of milestones that may wait for their reader.
const WAITING: usize = 4096;

/// Something that happened in a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// The machine.
    pub machine: MachineKey,
    /// The time of the first step of the boot, in milliseconds since the start of the server.
    pub began: u64,
    /// The thing that happened.
    pub kind: MilestoneKind,
}

/// The things that happen in boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MilestoneKind {
    /// The boot reached a stage.
    Stage(Stage),
    /// The boot received a verdict, which it may lose again.
    Verdict {
        /// The time of the verdict, in milliseconds since the start of the server.
        at: u64,
        /// The kind of failure.
        code: VerdictCode,
    },
}

/// The queue to the reader, if there is one. Nothing waits for it.
#[derive(Debug, Default)]
pub struct Milestones {
    sender: Mutex<Option<Sender<Milestone>>>,
    lost: AtomicU64,
}

impl Milestones {
    /// Begins to queue milestones for a reader. An earlier reader gets no more.
    pub fn watch(&self) -> Receiver<Milestone> {
        let (sender, receiver) = channel(WAITING);
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// The number of milestones that found no room since the last call.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Relaxed)
    }

    /// Queues the stages that a boot reached with an event at this time.
    pub fn reached(&self, machine: MachineKey, reached: &Reached, at: u64) {
        let began = at.saturating_sub(reached.after);
        let stages = Stage::ALL.into_iter().filter(|stage| reached.has(*stage));
        stages.for_each(|stage| self.send(Milestone { machine, began, kind: MilestoneKind::Stage(stage) }));
    }

    /// Queues a milestone.
    pub fn send(&self, milestone: Milestone) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.as_ref().is_some_and(|sender| sender.try_send(milestone).is_err()) {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}
