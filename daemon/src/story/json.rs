//! The story of a machine as JSON, for programs and for commands that receive it from the running server.

use super::step_names::{port_number, protocol_name, report_name, role_name, stage_of, state_name};
use crate::events::wall_clock::rfc3339;
use crate::vendors::vendor;
use proxydhcpd_core::story::{Boot, MachineStory, Names, Observation, Remedy, Stage, Step, StepKind, Verdict};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;
use utoipa::ToSchema;

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MachineRecord {
    /// The hardware address, such as `52:54:00:12:34:56`; absent if no packet shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// The last known IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The name of the machine's entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The maker of its network card or of its hypervisor, as its MAC address shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The address of the relay through which it last requested a boot: giaddr, or the link-address over IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// Its UUID, unless that is a placeholder which many machines have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// A machine and its latest boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoryRecord {
    /// The machine.
    #[serde(flatten)]
    pub machine: MachineRecord,
    /// The boots, oldest first.
    pub boots: Vec<BootRecord>,
}

/// A boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BootRecord {
    /// The time of the first step: RFC 3339, in UTC.
    pub began: String,
    /// The time of the last step: RFC 3339, in UTC.
    pub last: String,
    /// The client that began the boot, such as `x64 UEFI`; absent if no DHCP packet shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How that client boots, such as `PXE over IPv4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The furthest stage that the boot reached: `asked`, `offered`, `loader`, `script`, `kernel`, `system` or
    /// `installed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The stages that the boot reached, in their order.
    pub stages: Vec<StageRecord>,
    /// The steps, in the order in which they began.
    pub steps: Vec<StepRecord>,
    /// The verdict; absent if nothing proves that the boot failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictRecord>,
}

/// A stage that a boot reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageRecord {
    /// Its name.
    pub name: String,
    /// The time: RFC 3339, in UTC.
    pub at: String,
    /// The time since the boot began, in milliseconds.
    pub after_ms: u32,
}

/// A step of a boot. Repeats of a step are one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepRecord {
    /// The time of the first occurrence: RFC 3339, in UTC.
    pub at: String,
    /// The time of the first occurrence since the boot began, in milliseconds.
    pub after_ms: u32,
    /// The time of the last occurrence since the boot began, in milliseconds.
    pub last_after_ms: u32,
    /// The number of occurrences.
    pub times: u16,
    /// The stage that the boot reached with this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The thing that happened.
    #[serde(flatten)]
    pub what: StepWhat,
}

/// The thing that happened in a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StepWhat {
    /// The machine requested a boot, and the server did not reply.
    NotAnswered {
        /// The client.
        client: String,
        /// The label of the reason.
        reason: String,
    },
    /// The machine requested a boot, and the kernel of the server did not send the reply.
    NotSent {
        /// The client.
        client: String,
        /// The number of the kernel's error (errno).
        errno: u16,
    },
    /// The machine requested a boot, and the server replied.
    Replied {
        /// The client.
        client: String,
        /// The UDP port on which the request arrived.
        port: u16,
        /// The kind of file that the reply names: `loader`, `script`, `local-disk`, `menu` or `fixed-names`.
        offer: String,
        /// The file that the reply names.
        file: String,
    },
    /// The user chose an item of the firmware's menu.
    MenuChoice {
        /// The number of the item.
        item: u16,
    },
    /// The machine requested a file.
    File {
        /// The name of the file.
        file: String,
        /// Its part in the boot: `loader`, `script`, `kernel`, `initrd`, `done` or `other`.
        role: String,
        /// `tftp` or `http`.
        protocol: String,
        /// The state of the transfer: `running`, `complete`, `part`, `size-probe`, `stopped`, `timed-out`, `refused` or
        /// `failed`.
        state: String,
        /// The number of octets that the machine received or, while the transfer runs, the length of the file.
        octets: u64,
    },
    /// A system on the machine requested an address.
    SystemRequest,
    /// The machine completed its boot-once.
    BootOnceCompleted,
    /// The machine reported something. The words are its own.
    Reported {
        /// The kind of report: `progress`, `installed`, `install-failed`, `script-error`, `memory` or `syslog`.
        report: String,
        /// The words; empty if the report has none.
        text: String,
        /// The size of the memory in octets, for a report of that; otherwise 0.
        octets: u64,
    },
}

/// The verdict about a boot that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerdictRecord {
    /// The time: RFC 3339, in UTC.
    pub at: String,
    /// The stable name of the kind of failure, such as `kernel-missing`.
    pub code: String,
    /// A title, without a full stop.
    pub title: String,
    /// The observation, without a full stop.
    pub observation: String,
    /// The causes and what to do, without a full stop.
    pub remedy: String,
}

/// Makes records of one story.
struct Recorder<'a> {
    names: &'a Names,
    clock: &'a dyn Fn(u64) -> SystemTime,
}

impl MachineRecord {
    /// The record of the machine of a story.
    pub fn new(machine: &MachineStory, names: &Names) -> MachineRecord {
        MachineRecord {
            hardware: machine.hardware.map(|hardware| hardware.to_string()),
            address: machine.address.map(|address| address.to_string()),
            entry: some_text(names.text(machine.entry)),
            vendor: machine.hardware.and_then(|hardware| hardware.mac()).and_then(vendor).map(str::to_owned),
            relay: machine.relay.map(|relay| relay.shown_address().to_string()),
            uuid: machine.machine_id.map(|machine_id| machine_id.to_string()),
        }
    }
}

impl StoryRecord {
    /// The record of a machine's story. `clock` returns the wall-clock time for a time in the story, in milliseconds
    /// since the start of the server.
    pub fn new(machine: &MachineStory, names: &Names, clock: &dyn Fn(u64) -> SystemTime) -> StoryRecord {
        let recorder = Recorder { names, clock };
        StoryRecord {
            machine: MachineRecord::new(machine, names),
            boots: machine.boots.iter().map(|boot| recorder.boot(boot)).collect(),
        }
    }
}

impl BootRecord {
    /// The record of a boot. `clock` returns the wall-clock time for a time in the story, in milliseconds since the
    /// start of the server.
    pub fn new(boot: &Boot, names: &Names, clock: &dyn Fn(u64) -> SystemTime) -> BootRecord {
        Recorder { names, clock }.boot(boot)
    }
}

impl Recorder<'_> {
    fn time(&self, at: u64) -> String {
        rfc3339((self.clock)(at))
    }

    fn boot(&self, boot: &Boot) -> BootRecord {
        let reached = boot.stages();
        let stages = Stage::ALL.into_iter().zip(reached);
        BootRecord {
            began: self.time(boot.began),
            last: self.time(boot.last),
            client: boot.client.map(|client| client.to_string()),
            method: boot.client.map(|client| client.method.to_string()),
            interface: some_text(self.names.text(boot.link)),
            profile: some_text(self.names.text(boot.profile)),
            stage: boot.stage().map(|stage| stage.name().to_owned()),
            stages: stages
                .filter_map(|(stage, step)| {
                    let after_ms = step?.at;
                    let at = self.time(boot.began + u64::from(after_ms));
                    Some(StageRecord { name: stage.name().to_owned(), at, after_ms })
                })
                .collect(),
            steps: boot.steps.iter().map(|step| self.step(boot, step, stage_of(&reached, step))).collect(),
            verdict: boot.verdict.as_deref().map(|verdict| self.verdict(verdict)),
        }
    }

    fn step(&self, boot: &Boot, step: &Step, stage: Option<&'static str>) -> StepRecord {
        StepRecord {
            at: self.time(boot.began + u64::from(step.at)),
            after_ms: step.at,
            last_after_ms: step.last,
            times: step.times,
            stage: stage.map(str::to_owned),
            what: StepWhat::new(step, self.names.text(step.name)),
        }
    }

    fn verdict(&self, verdict: &Verdict) -> VerdictRecord {
        let (text, row) = (verdict.text(self.names), verdict.code.row());
        VerdictRecord {
            at: self.time(verdict.at),
            code: row.id.to_owned(),
            title: row.title.to_owned(),
            observation: Observation(text).to_string(),
            remedy: Remedy(text).to_string(),
        }
    }
}

impl StepWhat {
    fn new(step: &Step, name: &str) -> StepWhat {
        let name = name.to_owned();
        match step.what {
            StepKind::NotAnswered(client) => StepWhat::NotAnswered { client: client.to_string(), reason: name },
            StepKind::Unsent(client, errno) => StepWhat::NotSent { client: client.to_string(), errno },
            StepKind::Replied(client, port, offer) => StepWhat::Replied {
                client: client.to_string(),
                port: port_number(client, port),
                offer: offer.name().to_owned(),
                file: name,
            },
            StepKind::MenuChoice(item) => StepWhat::MenuChoice { item },
            StepKind::File { role, over_http, state } => StepWhat::File {
                file: name,
                role: role_name(role).to_owned(),
                protocol: protocol_name(over_http).to_owned(),
                state: state_name(state).to_owned(),
                octets: step.octets,
            },
            StepKind::SystemRequest => StepWhat::SystemRequest,
            StepKind::Completed => StepWhat::BootOnceCompleted,
            StepKind::Reported(report) => {
                StepWhat::Reported { report: report_name(report).to_owned(), text: name, octets: step.octets }
            }
        }
    }
}

/// The text; `None` if it is empty.
fn some_text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
