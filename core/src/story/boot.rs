//! One boot of one machine: its steps in the order in which they began, and its verdict.

use super::client_kind::ClientKind;
use super::draft::PossibleFault;
use super::names::{NameId, Names};
use super::reached::Reached;
use super::short_text::ShortText;
use super::stage::Stage;
use super::step::{FileState, ReportKind, Step, StepKind, StepRole};
use super::verdict::Verdict;
use crate::answer::Silence;
use crate::file_ticket::BootKind;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The maximum number of steps of a boot. Later steps only count as repeats of known ones.
const MAX_STEPS: usize = 48;
/// The number of lines of syslog that a boot keeps, the latest ones.
const MAX_SYSLOG_LINES: usize = 12;
/// The number of latest steps among which a repeat is sought.
const REPEAT_WINDOW: usize = 12;
/// The server records a reply after it has sent it. In a storm of requests, a fast machine has loaded its file before
/// that. Within this time, in milliseconds, a reply may belong to a file that stands before it.
pub(super) const LATE_REPLY: u64 = 2_000;

/// A boot.
#[derive(Debug, Default)]
pub struct Boot {
    /// The time of the first step, in milliseconds since the start of the server.
    pub began: u64,
    /// The time of the last step, in milliseconds since the start of the server.
    pub last: u64,
    /// The steps.
    pub steps: Vec<Step>,
    /// The client that began the boot. `None`: the first step shows no DHCP client.
    pub client: Option<ClientKind>,
    /// The interface.
    pub link: NameId,
    /// The profile.
    pub profile: NameId,
    /// The kind of boot that the server chose, as far as requests for files show it.
    pub boots: BootKind,
    /// Whether the next step of the machine begins another boot.
    pub is_over: bool,
    /// The properties of its files that matter if it fails.
    pub notes: Option<Box<BootNotes>>,
    /// The verdict, if the boot failed.
    pub verdict: Option<Box<Verdict>>,
    /// How far the boot had come when it received its verdict, as its files show it.
    pub failed_after: Option<Stage>,
    /// The stages whose first step has been reported ([`Boot::newly_reached`]), a bit each.
    pub(super) reported: u8,
}

/// The properties of the files of a boot that matter if the boot fails.
#[derive(Debug, Default)]
pub struct BootNotes {
    /// Whether the loader is an EFI program without a signature.
    pub is_unsigned: bool,
    /// The name of a GRUB that requests its files from the DHCP server.
    pub grub: Option<ShortText>,
    /// The name of a script with an error, and the error with its line.
    pub script_error: Option<(ShortText, Box<str>)>,
    /// The size of the machine's memory, in MiB, as its iPXE reports it.
    pub memory: Option<u32>,
    /// The files without which the scripts of the boot cannot go on.
    pub needed: Vec<(ShortText, StepRole)>,
    /// Whether a request arrived on an interface that is not served.
    pub is_unserved: bool,
    /// The reason for which the server did not reply, and how to fix it.
    pub no_reply: Option<(Silence, Option<Box<str>>)>,
    /// A fault after which the machine has not gone on yet.
    pub fault: Option<Box<PossibleFault>>,
}

/// Whether a repeat counts: the end of a transfer does not, and neither does the transfer after a request for the size.
fn is_new_occurrence(before: StepKind, now: StepKind) -> bool {
    match (before, now) {
        (StepKind::File { state: FileState::SizeProbe, .. }, StepKind::File { .. }) => false,
        (_, StepKind::File { state, .. }) => matches!(state, FileState::Running | FileState::Refused),
        _ => true,
    }
}

impl Boot {
    /// A boot that begins now.
    pub fn new(now: u64) -> Boot {
        Boot { began: now, last: now, ..Boot::default() }
    }

    /// Adds a step that happens now, or counts it as a repeat. `name` counts as a use of the text, which this boot then
    /// holds.
    pub fn add(&mut self, names: &mut Names, name: &str, octets: u64, what: StepKind, now: u64) {
        self.last = self.last.max(now);
        let at = u32::try_from(now.saturating_sub(self.began)).unwrap_or(u32::MAX);
        let from = self.steps.len().saturating_sub(REPEAT_WINDOW);
        let is_repeat = |step: &&mut Step| step.what.is_repeated_by(what) && names.text(step.name) == name;
        if let Some(step) = self.steps.iter_mut().skip(from).rev().find(is_repeat) {
            step.last = at;
            step.times = step.times.saturating_add(is_new_occurrence(step.what, what).into());
            // The next request may arrive before the end of the one for the size.
            if matches!(what, StepKind::File { state: FileState::SizeProbe, .. }) {
                step.times = step.times.saturating_sub(1).max(1);
            }
            step.octets = octets;
            step.what = what;
            return;
        }
        if what == StepKind::Reported(ReportKind::Syslog) {
            self.make_room_for_syslog(names);
        }
        if self.steps.len() < MAX_STEPS {
            let name = names.store(name);
            self.steps.push(Step { at, last: at, times: 1, name, octets, what });
        }
    }

    /// Moves the steps of a part of this boot to it. The part began after the boot.
    pub fn adopt(&mut self, part: &mut Boot) {
        let shift = u32::try_from(part.began.saturating_sub(self.began)).unwrap_or(u32::MAX);
        let room = MAX_STEPS.saturating_sub(self.steps.len()).min(part.steps.len());
        let moved = part.steps.drain(..room).map(|step| Step {
            at: step.at.saturating_add(shift),
            last: step.last.saturating_add(shift),
            ..step
        });
        self.steps.extend(moved);
        self.steps.sort_by_key(|step| step.at);
        self.last = self.last.max(part.last);
        self.reported |= part.reported;
    }

    /// Removes the oldest line of syslog if there are too many.
    fn make_room_for_syslog(&mut self, names: &mut Names) {
        let is_line = |step: &Step| step.what == StepKind::Reported(ReportKind::Syslog);
        if self.steps.iter().filter(|step| is_line(step)).count() < MAX_SYSLOG_LINES {
            return;
        }
        if let Some(oldest) = self.steps.iter().position(is_line) {
            names.release(self.steps.remove(oldest).name);
        }
    }

    /// The stage that a step reaches.
    fn stage_of(&self, step: &Step) -> Option<Stage> {
        Some(match step.what {
            StepKind::NotAnswered(_) | StepKind::Unsent(..) => Stage::Asked,
            StepKind::Replied(..) => Stage::Offered,
            StepKind::MenuChoice(_) => Stage::Script,
            StepKind::SystemRequest => Stage::System,
            StepKind::Reported(ReportKind::Installed) => Stage::Installed,
            StepKind::Reported(ReportKind::Progress | ReportKind::InstallFailed) => Stage::System,
            // Most boot-onces are complete as soon as the machine has its kernel, long before it is installed.
            StepKind::Completed => return None,
            StepKind::Reported(ReportKind::ScriptError | ReportKind::Memory | ReportKind::Syslog) => return None,
            StepKind::File { role, state, .. } if state.is_received() => match role {
                StepRole::Loader => Stage::Loader,
                StepRole::Script | StepRole::NeededScript => Stage::Script,
                StepRole::Kernel => Stage::Kernel,
                StepRole::Done => Stage::Installed,
                StepRole::Initrd | StepRole::Other => return None,
            },
            StepKind::File { .. } => return None,
        })
    }

    /// The first step of each stage that the boot has reached.
    pub fn stages(&self) -> [Option<&Step>; 7] {
        let mut stages = [None; 7];
        for step in &self.steps {
            let Some(stage) = self.stage_of(step) else { continue };
            if let Some(place) = stages.get_mut(stage as usize) {
                place.get_or_insert(step);
            }
        }
        // A reply shows that the machine asked.
        if let [asked @ None, offered, ..] = &mut stages {
            *asked = *offered;
        }
        stages
    }

    /// The furthest stage that the boot has reached.
    pub fn stage(&self) -> Option<Stage> {
        self.steps.iter().filter_map(|step| self.stage_of(step)).max()
    }

    /// Whether the machine received something from this server that may start a system.
    pub fn has_loaded(&self) -> bool {
        [Stage::Loader, Stage::Script, Stage::Kernel].into_iter().any(|stage| self.has_reached(stage))
    }

    /// The stages that the boot has reached since the last call.
    pub(super) fn newly_reached(&mut self, now: u64) -> Reached {
        let reached = self.stages().iter().rev().fold(0, |bits, step| bits << 1 | u8::from(step.is_some()));
        let stages = reached & !self.reported;
        self.reported |= stages;
        Reached { client: self.client, after: now.saturating_sub(self.began), stages }
    }

    /// Whether the boot has reached this stage or a later one.
    pub fn has_reached(&self, stage: Stage) -> bool {
        self.stage().is_some_and(|reached| reached >= stage)
    }

    /// How far the boot has come, as its files show it. A system that requests an address shows nothing, because a
    /// machine whose network boot failed starts its disk.
    pub fn progress(&self) -> Option<Stage> {
        let is_of_files =
            |stage: &Stage| matches!(stage, Stage::Loader | Stage::Script | Stage::Kernel | Stage::Installed);
        self.steps.iter().filter_map(|step| self.stage_of(step)).filter(is_of_files).max()
    }

    /// Whether the machine has come further than `progress`, or has received another kernel since `at`.
    pub fn has_gone_on_since(&self, progress: Option<Stage>, at: u64) -> bool {
        let is_new = |step: &Step| self.began.saturating_add(step.at.into()) > at;
        let is_kernel = |role, state: FileState| role == StepRole::Kernel && state.is_received();
        self.progress() > progress || self.files().any(|(step, role, state)| is_kernel(role, state) && is_new(step))
    }

    /// Whether the machine has received a file since `at`.
    pub fn has_received_any_since(&self, at: u64) -> bool {
        let is_later = |step: &Step| self.began.saturating_add(step.last.into()) > at;
        self.files().any(|(step, _, state)| state.is_received() && is_later(step))
    }

    /// Whether the machine has received this file since `at`.
    pub fn has_received_since(&self, names: &Names, name: &str, at: u64) -> bool {
        let is_later = |step: &Step| self.began.saturating_add(step.last.into()) > at;
        self.files().any(|(step, _, state)| state.is_received() && is_later(step) && names.text(step.name) == name)
    }

    /// Whether the firmware sent every DHCP request, so that no loader showed that it runs.
    pub fn is_of_firmware_alone(&self) -> bool {
        self.steps.iter().filter_map(|step| step.what.client()).all(ClientKind::is_firmware)
    }

    /// The requests for files, in their order.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = (&Step, StepRole, FileState)> {
        self.steps.iter().filter_map(|step| match step.what {
            StepKind::File { role, state, .. } => Some((step, role, state)),
            _ => None,
        })
    }

    /// The last request for a file.
    pub fn last_file(&self) -> Option<(&Step, StepRole, FileState)> {
        self.files().max_by_key(|(step, ..)| step.last)
    }

    /// The size of the kernel and the initrds that the machine requested, in octets.
    pub fn loaded_size(&self) -> u64 {
        let is_loaded = |role: &StepRole| matches!(role, StepRole::Kernel | StepRole::Initrd);
        self.files().filter(|(_, role, _)| is_loaded(role)).map(|(step, ..)| step.octets).sum()
    }

    /// Ends the boot: it needs no room for further steps.
    pub fn end(&mut self) {
        self.is_over = true;
        self.notes = None;
        self.steps.shrink_to_fit();
    }

    /// Ends the uses of the boot's texts.
    pub fn release(&self, names: &mut Names) {
        self.steps.iter().for_each(|step| names.release(step.name));
        [self.link, self.profile].into_iter().for_each(|name| names.release(name));
        if let Some(verdict) = &self.verdict {
            verdict.release(names);
        }
    }
}
