//! The JSON that a call contains, in the words of the API.

use crate::events::wall_clock::rfc3339;
use crate::state::State;
use crate::story::json::{BootRecord, MachineRecord, VerdictRecord};
use crate::story::{Milestone, MilestoneKind};
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;

/// The body of a call.
#[derive(Debug, Serialize)]
struct Body {
    /// `verdict` or `stage`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The time of the verdict, or of this body: RFC 3339, in UTC.
    timestamp: String,
    /// The machine and its boot.
    data: Data,
}

/// The machine and its boot.
#[derive(Debug, Serialize)]
struct Data {
    /// The machine.
    machine: MachineRecord,
    /// The stage that the boot reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    /// The verdict about the boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<VerdictRecord>,
    /// The boot, without its steps and its verdict.
    boot: BootRecord,
}

/// The body for a milestone. `None`: the boot is not remembered, or has lost its verdict.
pub fn text(state: &State, milestone: &Milestone) -> Option<Arc<str>> {
    let clock = |at| state.events.wall_clock(at);
    let stories = state.stories.stories();
    let (story, names) = (stories.machine(milestone.machine)?, stories.names());
    let boot = story.boots.iter().rev().find(|boot| boot.began == milestone.began)?;
    if let MilestoneKind::Verdict { at, code } = milestone.kind {
        boot.verdict.as_ref().filter(|verdict| verdict.at == at && verdict.code == code)?;
    }
    let machine = MachineRecord::new(story, names);
    let BootRecord { verdict, .. } = BootRecord::new(boot, names, &clock);
    let boot = BootRecord { steps: Vec::new(), verdict: None, ..BootRecord::new(boot, names, &clock) };
    drop(stories);
    let (kind, stage, verdict) = match milestone.kind {
        MilestoneKind::Stage(stage) => ("stage", Some(stage.name()), None),
        MilestoneKind::Verdict { .. } => ("verdict", None, verdict),
    };
    let timestamp = verdict.as_ref().map_or_else(|| rfc3339(SystemTime::now()), |verdict| verdict.at.clone());
    let body = Body { kind, timestamp, data: Data { machine, stage, verdict, boot } };
    serde_json::to_string(&body).ok().map(Into::into)
}
