//! The machine for which a script or a template is rendered, with the decision about it.

use crate::choose::BootChoice;
use crate::choose::MACHINE_PREFIX;
use crate::claimed_identity::ClaimedIdentity;
use crate::decide::{Decision, decide};
use crate::identity::MachineIdentity;
use crate::observations::{FirmwareInfo, Observations};
use crate::plan::Plan;
use crate::plan::profile::{BootTarget, ItemTarget};
use crate::plan::rule::{Firmware, Subject};
use crate::request::FileRequest;
use alloc::format;
use alloc::string::String;

/// A request with this name after `machine/name=.../` reports that the machine has finished its boot.
pub const DONE: &str = "done";

/// The machine that sent a request, and the decision about it, for a text that is rendered for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderContext {
    /// The machine.
    pub machine: MachineIdentity,
    /// The architecture and the features of its iPXE.
    pub firmware: FirmwareInfo,
    /// The rule that its DHCP packet matched, and the menu item that its user chose.
    pub choice: BootChoice,
    /// The decision about the machine.
    pub decision: Decision,
    /// The prefix of this server's URLs. It contains the name of the machine's entry, if the machine has one.
    pub base_url: String,
    /// The token for a report that the machine has finished its boot.
    pub token: Option<String>,
}

impl RenderContext {
    /// The context for a request with this claim in its name.
    pub fn new(plan: &Plan, observations: &Observations, request: &FileRequest<'_>, claimed: ClaimedIdentity) -> Self {
        let (machine, firmware) = claimed.resolve(observations, request.client.ip());
        let choice = claimed.choice;
        let kind = firmware.arch.map(|arch| if arch.is_efi() { Firmware::Uefi } else { Firmware::Bios });
        let subject = Subject {
            shown: machine.shown(),
            arch: firmware.arch,
            firmware: [kind, Some(Firmware::Ipxe)],
            interface: request.interface,
            subnet: machine.address,
            dhcp_rule: choice.rule.and_then(|rule| plan.policy.resolve_rule(rule)),
            is_file_request: true,
            ..Subject::default()
        };
        let mut decision = decide(plan, observations, &subject);
        if let BootTarget::Menu(menu) = decision.boots(plan)
            && let Some(ItemTarget::Profile(profile)) =
                choice.item.and_then(|kind| menu.item(kind)).map(|item| &item.target)
        {
            decision = decision.with_profile(plan, profile.as_deref());
        }
        let base_url = request.protocol.base_url(request.server);
        let base_url = match decision.machine(plan) {
            Some(entry) => format!("{base_url}{MACHINE_PREFIX}name={}/", entry.name),
            None => base_url,
        };
        RenderContext { machine, firmware, choice, decision, base_url, token: None }
    }

    /// The URL that the machine fetches to report that it has finished its boot.
    pub fn done_url(&self) -> String {
        let token = self.token.as_ref().map(|token| format!("token={token}/")).unwrap_or_default();
        format!("{}{token}{DONE}", self.base_url)
    }
}
