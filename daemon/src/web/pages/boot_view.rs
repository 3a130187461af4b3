//! A boot on the page of its machine: its steps with their packets, its files, and what the machine reported.

use super::boot_packets::{PacketView, is_packet};
use super::lights::{Light, lights};
use crate::story::json::{BootRecord, StepRecord, StepWhat};
use crate::story::render::StepText;
use serde::Serialize;
use std::time::SystemTime;

/// A boot on the page.
#[derive(Debug, Serialize)]
pub struct BootView {
    #[serde(flatten)]
    boot: BootRecord,
    lights: Vec<Light>,
    lines: Vec<StepLine>,
    files: Vec<FileLine>,
    messages: Vec<MessageLine>,
    /// Whether the boot has packets, and none is kept any more.
    has_lost_packets: bool,
}

/// A step in words.
#[derive(Debug, Serialize)]
struct StepLine {
    after_ms: u32,
    stage: Option<String>,
    text: String,
    packets: Vec<PacketView>,
}

/// A file that the machine requested.
#[derive(Debug, Serialize)]
struct FileLine {
    name: String,
    role: String,
    protocol: String,
    state: String,
    octets: u64,
    times: u16,
}

/// A report of the machine.
#[derive(Debug, Serialize)]
struct MessageLine {
    after_ms: u32,
    report: String,
    text: String,
}

impl BootView {
    /// The boot with the packets of each step. `is_disk`: its profile starts the local disk.
    pub fn new(boot: BootRecord, packets: Vec<Vec<PacketView>>, is_disk: bool, now: SystemTime) -> BootView {
        let has_packet = packets.iter().any(|packets| !packets.is_empty());
        let has_lost_packets = !has_packet && boot.steps.iter().any(is_packet);
        let packets = packets.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        BootView {
            lights: lights(&boot, is_disk, now),
            lines: boot.steps.iter().zip(packets).map(|(step, packets)| StepLine::new(step, packets)).collect(),
            files: boot.steps.iter().filter_map(FileLine::new).collect(),
            messages: boot.steps.iter().filter_map(MessageLine::new).collect(),
            has_lost_packets,
            boot,
        }
    }
}

impl StepLine {
    fn new(step: &StepRecord, packets: Option<Vec<PacketView>>) -> StepLine {
        StepLine {
            after_ms: step.after_ms,
            stage: step.stage.clone(),
            text: StepText(step).to_string(),
            packets: packets.unwrap_or_default(),
        }
    }
}

impl FileLine {
    fn new(step: &StepRecord) -> Option<FileLine> {
        let StepWhat::File { file, role, protocol, state, octets } = &step.what else { return None };
        Some(FileLine {
            name: file.clone(),
            role: role.clone(),
            protocol: protocol.to_uppercase(),
            state: state.clone(),
            octets: *octets,
            times: step.times,
        })
    }
}

impl MessageLine {
    fn new(step: &StepRecord) -> Option<MessageLine> {
        let StepWhat::Reported { report, text, .. } = &step.what else { return None };
        let is_shown = report != "memory" && !text.is_empty();
        is_shown.then(|| MessageLine { after_ms: step.after_ms, report: report.clone(), text: text.clone() })
    }
}
