//! Writes the steps of a boot as JSON, in the format of [`StepRecord`](super::json::StepRecord), without an allocation:
//! the history does this for every boot, each time it changes.

use super::step_names::{port_number, protocol_name, report_name, role_name, stage_of, state_name};
use crate::events::wall_clock::Rfc3339;
use proxydhcpd_core::story::{Boot, Names, Step, StepKind};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::Display;

/// The steps of a boot.
#[derive(Debug)]
pub struct StepsJson<'a> {
    /// The boot.
    pub boot: &'a Boot,
    /// The texts of its steps.
    pub names: &'a Names,
    /// When it began, in milliseconds since 1970 UTC.
    pub began: u64,
}

struct StepJson<'a> {
    step: &'a Step,
    name: &'a str,
    stage: Option<&'static str>,
    began: u64,
}

/// A value as the text that shows it.
struct Shown<T>(T);

impl Serialize for StepsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stages = self.boot.stages();
        serializer.collect_seq(self.boot.steps.iter().map(|step| StepJson {
            step,
            name: self.names.text(step.name),
            stage: stage_of(&stages, step),
            began: self.began,
        }))
    }
}

impl Serialize for StepJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let StepJson { step, name, .. } = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", Rfc3339::new(self.began.saturating_add(step.at.into())).as_str())?;
        map.serialize_entry("after_ms", &step.at)?;
        map.serialize_entry("last_after_ms", &step.last)?;
        map.serialize_entry("times", &step.times)?;
        if let Some(stage) = self.stage {
            map.serialize_entry("stage", stage)?;
        }
        match step.what {
            StepKind::NotAnswered(client) => {
                map.serialize_entry("kind", "not-answered")?;
                map.serialize_entry("client", &Shown(client))?;
                map.serialize_entry("reason", name)?;
            }
            StepKind::Unsent(client, errno) => {
                map.serialize_entry("kind", "not-sent")?;
                map.serialize_entry("client", &Shown(client))?;
                map.serialize_entry("errno", &errno)?;
            }
            StepKind::Replied(client, port, offer) => {
                map.serialize_entry("kind", "replied")?;
                map.serialize_entry("client", &Shown(client))?;
                map.serialize_entry("port", &port_number(client, port))?;
                map.serialize_entry("offer", offer.name())?;
                map.serialize_entry("file", name)?;
            }
            StepKind::MenuChoice(item) => {
                map.serialize_entry("kind", "menu-choice")?;
                map.serialize_entry("item", &item)?;
            }
            StepKind::File { role, over_http, state } => {
                map.serialize_entry("kind", "file")?;
                map.serialize_entry("file", name)?;
                map.serialize_entry("role", role_name(role))?;
                map.serialize_entry("protocol", protocol_name(over_http))?;
                map.serialize_entry("state", state_name(state))?;
                map.serialize_entry("octets", &step.octets)?;
            }
            StepKind::SystemRequest => map.serialize_entry("kind", "system-request")?,
            StepKind::Completed => map.serialize_entry("kind", "boot-once-completed")?,
            StepKind::Reported(report) => {
                map.serialize_entry("kind", "reported")?;
                map.serialize_entry("report", report_name(report))?;
                map.serialize_entry("text", name)?;
                map.serialize_entry("octets", &step.octets)?;
            }
        }
        map.end()
    }
}

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::json::BootRecord;
    use proxydhcpd_core::arch::Arch;
    use proxydhcpd_core::arrival::Port;
    use proxydhcpd_core::story::{ClientKind, FileState, Method, OfferKind, ProgramKind, ReportKind, StepRole};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn the_json_is_that_of_the_records() {
        let firmware = ClientKind { arch: Arch::X64, method: Method::Pxe6, ..ClientKind::default() };
        let ipxe = ClientKind { program: ProgramKind::Ipxe, ..firmware };
        let file = |role, state| StepKind::File { role, over_http: role == StepRole::Kernel, state };
        let kinds = [
            StepKind::NotAnswered(firmware),
            StepKind::Unsent(ipxe, 101),
            StepKind::Replied(ipxe, Port::BootServer, OfferKind::Script),
            StepKind::Replied(firmware, Port::Dhcp, OfferKind::Loader),
            StepKind::MenuChoice(7),
            file(StepRole::Loader, FileState::Complete),
            file(StepRole::Kernel, FileState::Part),
            StepKind::SystemRequest,
            StepKind::Completed,
            StepKind::Reported(ReportKind::Memory),
        ];
        let (mut boot, mut names) = (Boot::new(500), Names::default());
        for (kind, at) in kinds.into_iter().zip((700..).step_by(1234)) {
            boot.add(&mut names, "a \"name\"\n", 1 << 40, kind, at);
        }
        let started = 1_795_996_800_000;
        let clock = |at| UNIX_EPOCH + Duration::from_millis(started + at);
        let record = BootRecord::new(&boot, &names, &clock);
        assert_eq!(record.steps.len(), kinds.len());
        let json = StepsJson { boot: &boot, names: &names, began: started + boot.began };
        assert_eq!(serde_json::to_string(&json).unwrap(), serde_json::to_string(&record.steps).unwrap());
    }
}
