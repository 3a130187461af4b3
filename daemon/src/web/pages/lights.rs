//! The lights of a boot: one for each stage, which shows how far the boot came.

use crate::events::wall_clock::rfc3339;
use crate::story::json::BootRecord;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::story::Stage;
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// A boot without a step for this time no longer runs. Firmware pauses at most 32 s (protocol.md 2.10), and a kernel
/// that starts says nothing for a while.
const RUNS: Duration = Duration::from_secs(120);

/// A light.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Light {
    /// The name of the stage.
    pub name: &'static str,
    /// The state.
    pub state: LightState,
    /// The time since the boot began, in milliseconds, at which it reached the stage.
    pub after_ms: Option<u32>,
}

/// The state of a light.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LightState {
    /// The boot has not reached the stage.
    Waiting,
    /// The boot reached the stage.
    Done,
    /// The boot reached a later stage, and the server did not see this one.
    Skipped,
    /// The next stage of a boot that runs.
    Running,
    /// The boot failed before it reached the stage.
    Failed,
}

/// The lights of a boot, in the order of the stages. A stage that the server did not see, before one that it saw, is
/// skipped: a firmware that boots a kernel itself has no script. `is_disk`: the machine boots its disk, after which the
/// server sees nothing more.
pub fn lights(boot: &BootRecord, is_disk: bool, now: SystemTime) -> Vec<Light> {
    let reached = |stage: Stage| boot.stages.iter().find(|record| record.name == stage.name());
    let furthest = Stage::ALL.into_iter().rposition(|stage| reached(stage).is_some());
    let next = furthest.map_or(0, |furthest| furthest + 1);
    // These texts sort like the times.
    let runs = boot.last > rfc3339(now - RUNS);
    let state = |(index, stage): (usize, Stage)| match reached(stage) {
        Some(_) => LightState::Done,
        None if index < next => LightState::Skipped,
        None if index == next && boot.verdict.is_some() => LightState::Failed,
        None if index == next && runs && !is_disk && !is_over(boot) => LightState::Running,
        None => LightState::Waiting,
    };
    let light = |(index, stage): (usize, Stage)| Light {
        name: stage.name(),
        state: state((index, stage)),
        after_ms: reached(stage).map(|record| record.after_ms),
    };
    Stage::ALL.into_iter().enumerate().map(light).collect()
}

/// Whether a machine with the profile of this name boots its disk.
pub fn is_local_disk(plan: &Plan, profile: Option<&str>) -> bool {
    profile.and_then(|name| plan.profile(name)).is_some_and(|profile| profile.boots == BootTarget::LocalDisk)
}

/// Whether nothing more is expected: the system runs.
fn is_over(boot: &BootRecord) -> bool {
    boot.stages.iter().any(|record| [Stage::System, Stage::Installed].iter().any(|stage| stage.name() == record.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::json::{StageRecord, VerdictRecord};
    use std::time::UNIX_EPOCH;

    /// A boot that began at the second 1000 and took a second for each of these stages.
    fn boot(stages: &[&str]) -> BootRecord {
        let at = |second: u64| rfc3339(UNIX_EPOCH + Duration::from_secs(1000 + second));
        let stages: Vec<StageRecord> = (0..)
            .zip(stages)
            .map(|(second, name)| StageRecord {
                name: (*name).to_owned(),
                at: at(second.into()),
                after_ms: second * 1000,
            })
            .collect();
        let last = at(stages.len() as u64);
        BootRecord { began: at(0), last, stages, ..BootRecord::default() }
    }

    fn letters(boot: &BootRecord, is_disk: bool, second: u64) -> String {
        let letter = |light: Light| match light.state {
            LightState::Waiting => '-',
            LightState::Done => 'D',
            LightState::Skipped => 'S',
            LightState::Running => 'R',
            LightState::Failed => 'F',
        };
        let now = UNIX_EPOCH + Duration::from_secs(1000 + second);
        lights(boot, is_disk, now).into_iter().map(letter).collect()
    }

    fn states(boot: &BootRecord, second: u64) -> String {
        letters(boot, false, second)
    }

    #[test]
    fn a_machine_that_boots_its_disk_is_not_shown_as_running() {
        assert_eq!(letters(&boot(&["asked", "offered", "loader"]), true, 10), "DDD----");
    }

    #[test]
    fn the_light_after_the_last_stage_says_whether_the_boot_runs_failed_or_paused() {
        let mut boot = boot(&["asked", "offered", "loader"]);
        assert_eq!(states(&boot, 10), "DDDR---");
        assert_eq!(states(&boot, 500), "DDD----");
        let (at, code) = (String::new(), "loader-unsigned".to_owned());
        let (title, observation, remedy) = Default::default();
        boot.verdict = Some(VerdictRecord { at, code, title, observation, remedy });
        assert_eq!(states(&boot, 10), "DDDF---");
    }

    #[test]
    fn a_stage_that_the_boot_skipped_is_neither_reached_nor_to_come() {
        assert_eq!(states(&boot(&["asked", "offered", "loader", "kernel"]), 10), "DDDSDR-");
        assert_eq!(states(&boot(&["asked", "system"]), 10), "DSSSSD-");
    }
}
