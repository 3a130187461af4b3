//! The story of every boot, as the events show it: its steps and stages, and the verdict if it failed. A pure function
//! of the events: [`Stories::note`] adds one, [`Stories::expire`] lets time pass.

mod boot;
mod client_kind;
mod draft;
mod judge;
mod names;
mod note;
mod reached;
mod short_text;
mod stage;
mod step;
mod stories;
mod story_event;
mod verdict;
mod verdict_code;

pub use boot::Boot;
pub use client_kind::{ClientKind, Method, ProgramKind};
pub use names::{NameId, Names};
pub use reached::Reached;
pub use short_text::ShortText;
pub use stage::Stage;
pub use step::{FileState, OfferKind, ReportKind, Step, StepKind, StepRole};
pub use stories::{AdoptedBoot, MAX_BOOTS, MAX_MACHINES, MachineStory, Noted, Stories};
pub use story_event::{FileEnd, FileNotes, StoryEvent, StoryFile, StoryReport, StoryWhat};
pub use verdict::{Observation, Remedy, Verdict, VerdictText};
pub use verdict_code::{VERDICTS, VerdictCode, VerdictRow};

#[cfg(test)]
mod tests;
