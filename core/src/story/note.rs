//! Adds an event to a boot: the step that it is, and what it shows of files.

use super::boot::{Boot, BootNotes};
use super::names::Names;
use super::stage::Stage;
use super::step::{FileState, ReportKind, StepKind, StepRole};
use super::story_event::{FileEnd, FileNotes, StoryEvent, StoryFile, StoryReport, StoryWhat};
use crate::event::ContentKind;
use crate::file_ticket::FileRole;
use alloc::format;
use core::mem;

/// The maximum number of files that the scripts of a boot need.
const MAX_NEEDED: usize = 64;
/// A file of at least this length, in octets, that an iPXE requests after its script is the kernel.
const KERNEL_LENGTH: u64 = 1 << 20;

impl Boot {
    /// Adds the step of an event.
    pub(super) fn note(&mut self, names: &mut Names, event: &StoryEvent) {
        let now = event.at;
        if self.client.is_none() {
            self.client = event.what.client();
        }
        match &event.what {
            StoryWhat::Replied { client, port, file, offer, profile, .. } => {
                let profile = profile.as_str();
                if !profile.is_empty() && names.text(self.profile) != profile {
                    names.release(mem::take(&mut self.profile));
                    self.profile = names.store(profile);
                }
                self.add(names, file.as_str(), 0, StepKind::Replied(*client, *port, *offer), now);
            }
            StoryWhat::Unsent { client, errno, .. } => {
                self.add(names, "", 0, StepKind::Unsent(*client, u16::try_from(*errno).unwrap_or_default()), now)
            }
            StoryWhat::NotAnswered { client, reason, remedy, .. } => {
                self.add(names, reason.label(), 0, StepKind::NotAnswered(*client), now);
                if !event.what.is_limited() {
                    self.notes_mut().no_reply = Some((*reason, remedy.clone()));
                }
            }
            StoryWhat::UnservedInterface { client } => {
                self.notes_mut().is_unserved = true;
                self.add(names, "refused:unserved-interface", 0, StepKind::NotAnswered(*client), now);
            }
            StoryWhat::NoReply { client } => self.add(names, "no-reply", 0, StepKind::NotAnswered(*client), now),
            StoryWhat::SystemRequest => self.add(names, "", 0, StepKind::SystemRequest, now),
            StoryWhat::MenuChoice(item) => self.add(names, "", 0, StepKind::MenuChoice(*item), now),
            StoryWhat::FileOpened { file, size, content, notes, .. } => {
                let role = self.role(file, *size, *content);
                if let Some(notes) = notes {
                    self.notes_mut().add(file, role, notes);
                }
                self.boots = file.boots;
                self.add_file(names, file, role, *size, FileState::Running, now);
            }
            StoryWhat::FileRefused { file, .. } => {
                let role = self.role(file, 0, ContentKind::File);
                self.add_file(names, file, role, 0, FileState::Refused, now);
            }
            StoryWhat::FileEnded { end: FileEnd::Refused, .. } => self.last = now,
            StoryWhat::FileEnded { file, octets, end, .. } => {
                let role =
                    self.running_role(names, file).unwrap_or_else(|| self.role(file, *octets, ContentKind::File));
                self.add_file(names, file, role, *octets, FileState::from(*end), now);
            }
            StoryWhat::BootOnceCompleted => self.add(names, "", 0, StepKind::Completed, now),
            StoryWhat::Report(report) => self.note_report(names, report, now),
            StoryWhat::OfferedFileRefused { .. }
            | StoryWhat::TemplateFailed { .. }
            | StoryWhat::BootLoop(_)
            | StoryWhat::Finding(_)
            | StoryWhat::BootOnceReset(_) => {}
        }
    }

    fn note_report(&mut self, names: &mut Names, report: &StoryReport, now: u64) {
        let (kind, text, octets) = match report {
            StoryReport::Progress { text } => (ReportKind::Progress, &**text, 0),
            StoryReport::Installed => (ReportKind::Installed, "", 0),
            StoryReport::InstallFailed { text } => (ReportKind::InstallFailed, &**text, 0),
            StoryReport::ScriptError { command, error, file } => {
                let text = format!("`{} {}`: {error}", command.name(), file.as_str());
                return self.add(names, &text, 0, StepKind::Reported(ReportKind::ScriptError), now);
            }
            StoryReport::Memory(mib) => {
                self.notes_mut().memory = Some(*mib);
                (ReportKind::Memory, "", u64::from(*mib) << 20)
            }
            StoryReport::Syslog { text } => (ReportKind::Syslog, &**text, 0),
        };
        self.add(names, text, octets, StepKind::Reported(kind), now);
    }

    fn add_file(
        &mut self,
        names: &mut Names,
        file: &StoryFile,
        role: StepRole,
        octets: u64,
        state: FileState,
        now: u64,
    ) {
        let what = StepKind::File { role, over_http: file.over_http, state };
        self.add(names, file.name.as_str(), octets, what, now);
    }

    /// The part of a file in this boot. A script may need the file. The first large file after a script is the kernel,
    /// if the plan does not know the kernel.
    pub(super) fn role(&self, file: &StoryFile, size: u64, content: ContentKind) -> StepRole {
        let role = StepRole::new(file.role, content, file.name.as_str());
        let needed = self.notes.iter().flat_map(|notes| &notes.needed).find(|(name, _)| *name == file.name);
        if let (FileRole::Other, Some((_, role))) = (file.role, needed) {
            return *role;
        }
        let is_kernel = role == StepRole::Other
            && size >= KERNEL_LENGTH
            && self.has_reached(Stage::Script)
            && !self.files().any(|(_, role, _)| role == StepRole::Kernel);
        if is_kernel { StepRole::Kernel } else { role }
    }

    /// The part of the file whose transfer runs.
    fn running_role(&self, names: &Names, file: &StoryFile) -> Option<StepRole> {
        let name = file.name.as_str();
        self.files().rev().find(|(step, ..)| names.text(step.name) == name).map(|(_, role, _)| role)
    }

    /// The notes.
    pub(super) fn notes_mut(&mut self) -> &mut BootNotes {
        self.notes.get_or_insert_default()
    }
}

impl BootNotes {
    fn add(&mut self, file: &StoryFile, role: StepRole, notes: &FileNotes) {
        if role == StepRole::Loader {
            self.is_unsigned = notes.is_unsigned;
        }
        if notes.asks_dhcp_server {
            self.grub = Some(file.name);
        }
        if let Some(error) = &notes.script_error {
            self.script_error = Some((file.name, error.clone()));
        }
        let room = MAX_NEEDED.saturating_sub(self.needed.len());
        self.needed.extend(notes.needed.iter().take(room));
    }
}

impl From<FileEnd> for FileState {
    fn from(end: FileEnd) -> Self {
        match end {
            FileEnd::Complete => FileState::Complete,
            FileEnd::Part => FileState::Part,
            FileEnd::SizeProbe => FileState::SizeProbe,
            FileEnd::Refused => FileState::Refused,
            FileEnd::Stopped => FileState::Stopped,
            FileEnd::TimedOut(progress) => FileState::TimedOut(progress),
            FileEnd::Failed => FileState::Failed,
        }
    }
}
