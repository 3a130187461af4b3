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
use crate::request::{FileRequest, Protocol};
use alloc::format;
use alloc::string::String;

/// A request with this name after `machine/name=.../` reports that the machine has finished its boot.
pub const DONE: &str = "done";

/// A POST to this name after `machine/name=.../token=.../` is a report of the machine.
pub const REPORT: &str = "report";

/// A POST to this name is a report of cloud-init's module `phone_home`.
pub const PHONE_HOME: &str = "report/phone-home";

/// A request for a name that begins so asks for the script of one item of the menu, whose identifier follows.
pub const MENU_ITEM_PREFIX: &str = "menu-item/";

/// A request for a name that begins so reports that a command of a script failed. The command and its file follow.
pub const FAILED_PREFIX: &str = "failed/";

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

    /// The URL to which the machine posts its reports. `None` if no HTTP server runs. `http` is its port. A machine
    /// without an entry has a URL without a token, to which the server accepts no report.
    pub fn report_url(&self, request: &FileRequest<'_>, http: Option<u16>) -> Option<String> {
        let port = match request.protocol {
            Protocol::Http(port) => port,
            Protocol::Tftp => http?,
        };
        let base = Protocol::Http(port).base_url(request.server);
        let path = self.base_url.strip_prefix(&request.protocol.base_url(request.server)).unwrap_or(MACHINE_PREFIX);
        let path = if path.is_empty() { MACHINE_PREFIX } else { path };
        let token = self.token.as_ref().map(|token| format!("token={token}/")).unwrap_or_default();
        Some(format!("{base}{path}{token}{REPORT}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_url_for_reports_is_that_of_the_http_server_also_for_a_template_sent_by_tftp() {
        let report_url = |protocol: Protocol, machine: &str, token: Option<&str>, http| {
            let (server, client) = ("192.0.2.1".parse().unwrap(), "192.0.2.50:1024".parse().unwrap());
            let request = FileRequest { protocol, name: b"x", server, client, interface: "" };
            let base_url = format!("{}{machine}", protocol.base_url(server));
            let context = RenderContext { base_url, token: token.map(ToString::to_string), ..RenderContext::default() };
            context.report_url(&request, http)
        };
        let expected = Some("http://192.0.2.1:8080/machine/name=web1/token=0a/report".to_string());
        for protocol in [Protocol::Tftp, Protocol::Http(8080)] {
            assert_eq!(report_url(protocol, "machine/name=web1/", Some("0a"), Some(8080)), expected, "{protocol:?}");
        }
        assert_eq!(report_url(Protocol::Tftp, "machine/name=web1/", Some("0a"), None), None);
        let unknown = report_url(Protocol::Http(80), "", None, Some(80));
        assert_eq!(unknown.as_deref(), Some("http://192.0.2.1:80/machine/report"));
    }
}
