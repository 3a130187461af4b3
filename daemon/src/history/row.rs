//! A row of the table of boots, made from a story.

use super::stored::Time;
use crate::story::step_json::StepsJson;
use proxydhcpd_core::identity::MachineKey;
use proxydhcpd_core::story::{Boot, MachineStory, Names, Observation, Remedy};
use std::fmt::{Display, Write};

/// A row of the table of boots. Its texts are buffers, which the row of another boot uses again. An empty text is NULL.
#[derive(Clone, Debug, Default)]
pub struct BootRow {
    /// Whether the history probably has an earlier state of the boot.
    pub is_known: bool,
    pub machine: String,
    pub hardware: String,
    pub entry: String,
    pub address: String,
    pub relay: String,
    pub uuid: String,
    pub interface: String,
    pub profile: String,
    pub client: String,
    pub method: String,
    pub began: Time,
    pub last: Time,
    pub is_over: bool,
    /// The name of the furthest stage.
    pub stage: String,
    /// The time of each stage, in their order.
    pub stages: [Option<Time>; 7],
    pub verdict: String,
    pub judged: Option<Time>,
    pub observation: String,
    pub remedy: String,
    /// A JSON array of objects.
    pub steps: Vec<u8>,
}

impl BootRow {
    /// Makes this the row of a boot. `started` is the wall clock at the start of the server.
    pub fn set(&mut self, key: MachineKey, machine: &MachineStory, boot: &Boot, names: &Names, started: Time) {
        show(&mut self.machine, Some(key));
        show(&mut self.hardware, machine.hardware);
        show(&mut self.entry, Some(names.text(machine.entry)));
        show(&mut self.address, machine.address);
        show(&mut self.relay, machine.relay.map(|relay| relay.shown_address()));
        show(&mut self.uuid, machine.machine_id);
        show(&mut self.interface, Some(names.text(boot.link)));
        show(&mut self.profile, Some(names.text(boot.profile)));
        show(&mut self.client, boot.client);
        show(&mut self.method, boot.client.map(|client| client.method));
        self.began = started.plus(boot.began);
        self.last = started.plus(boot.last);
        self.is_over = boot.is_over;
        show(&mut self.stage, boot.stage().map(|stage| stage.name()));
        self.stages = boot.stages().map(|step| Some(self.began.plus(step?.at.into())));
        let verdict = boot.verdict.as_deref();
        show(&mut self.verdict, verdict.map(|verdict| verdict.code.id()));
        self.judged = verdict.map(|verdict| started.plus(verdict.at));
        show(&mut self.observation, verdict.map(|verdict| Observation(verdict.text(names))));
        show(&mut self.remedy, verdict.map(|verdict| Remedy(verdict.text(names))));
        self.steps.clear();
        // A vector takes any text, so this cannot fail.
        serde_json::to_writer(&mut self.steps, &StepsJson { boot, names, began: self.began.0 }).ok();
    }
}

/// Replaces a text by that of a value.
fn show(text: &mut String, value: Option<impl Display>) {
    text.clear();
    if let Some(value) = value {
        // A string takes any text, so this cannot fail.
        write!(text, "{value}").ok();
    }
}
