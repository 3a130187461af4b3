//! Warns in `check` of shared UUIDs, which the server has received from several machines, and names the remedy.

use crate::preview::Preview;
use crate::shared_uuids::SharedUuidsFile;
use proxydhcpd_core::ambiguous_identity::{SharedUuidWarning, UnconfirmedMatch, UuidUse};
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::observations::shared_uuids::SharedUuid;
use proxydhcpd_core::plan::inventory::{DoubtReason, IdentityKind, Machine};
use proxydhcpd_core::wire::pxe::MachineId;
use proxydhcpd_reading::diagnostic::Diagnostic;

/// Limit of the lines of each kind. UUIDs beyond it are only counted.
const MAX_LINES: usize = 20;
/// The remedy in each warning.
const FORGET: &str = "to make the server forget a UUID, stop it, remove the line, and start it again";

/// Warns of the shared UUIDs that no entry explains. UUIDs that the configuration does not name have no effect, so one
/// warning lists all of them.
pub fn diagnostics(context: &Preview) -> Vec<Diagnostic> {
    let plan = &context.site.plan;
    let file = SharedUuidsFile::new(&context.loaded.settings.state_dir);
    let mut known = match file.read() {
        Ok(known) => known,
        Err(error) => return vec![Diagnostic::warning(error).help("fix or remove the file, then restart the server")],
    };
    known.retain(|SharedUuid { uuid, macs }| !plan.inventory.explains_shared_uuid(uuid, macs));
    let (named, others): (Vec<_>, Vec<_>) = known.into_iter().partition(|shared| plan.names_uuid(&shared.uuid));
    let entry = |uuid: &[u8; 16]| plan.inventory.iter().find(|entry| entry.uuid.as_ref() == Some(uuid));
    let mut messages: Vec<String> =
        named.iter().take(MAX_LINES).map(|shared| named_message(*shared, entry(&shared.uuid))).collect();
    if named.len() > MAX_LINES {
        messages.push(format!("{} more UUIDs in the configuration are shared", named.len() - MAX_LINES));
    }
    if !others.is_empty() {
        let shown = others.iter().take(MAX_LINES).map(|SharedUuid { uuid, macs: [one, other] }| {
            let [one, other] = [one, other].map(|mac| HardwareAddress::from_mac(*mac));
            format!("{} ({one}, {other})", MachineId::from_uuid(*uuid))
        });
        let shown: Vec<String> = shown.collect();
        let more =
            if others.len() > MAX_LINES { format!(" and {} more", others.len() - MAX_LINES) } else { String::new() };
        messages.push(format!(
            "each of these UUIDs came from two hardware addresses; the configuration does not name them, so this has \
             no effect: {}{more}",
            shown.join(", ")
        ));
    }
    let file = file.path().display().to_string();
    messages.into_iter().map(|message| Diagnostic::warning(message).in_file(&file).help(FORGET)).collect()
}

/// The message about a shared UUID that the configuration names. The server's log has the same message.
fn named_message(shared: SharedUuid, entry: Option<Machine<'_>>) -> String {
    let Some(entry) = entry else {
        return format!("a machine {}", SharedUuidWarning { shared, used_by: UuidUse::Rule });
    };
    if entry.macs.is_empty() {
        return format!("a machine {}", SharedUuidWarning { shared, used_by: UuidUse::Entry(entry.name) });
    }
    let unlisted = shared.macs.into_iter().find(|mac| !entry.macs.contains(mac)).unwrap_or(shared.macs[0]);
    let hardware = HardwareAddress::from_mac(unlisted);
    let not_taken = UnconfirmedMatch {
        hardware,
        name: entry.name,
        by: IdentityKind::Uuid,
        reason: DoubtReason::OtherAddress,
        is_restricted: false,
    };
    format!("{hardware} {not_taken}")
}
