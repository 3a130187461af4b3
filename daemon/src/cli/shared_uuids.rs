//! What the server has learnt of UUIDs that several machines have, with what to do.

use super::context::CliContext;
use crate::config::diagnostic::Diagnostic;
use crate::report::{UuidUse, UnconfirmedMatch, SharedUuidWarning};
use crate::shared_uuids::SharedUuidsFile;
use proxydhcpd_core::client::HardwareAddress;
use proxydhcpd_core::observations::shared_uuids::SharedUuid;
use proxydhcpd_core::plan::machines::{IdentityKind, Machine, DoubtReason};
use proxydhcpd_core::wire::pxe::MachineId;

/// Lines of each kind; the others are counted.
const MOST: usize = 20;
const FORGET: &str = "to have the server forget a UUID, stop it, remove the line, and start it again";

/// Those that no entry explains. Of those that nothing names nothing follows, so they share a line.
pub fn diagnostics(setting: &CliContext) -> Vec<Diagnostic> {
    let plan = &setting.site.plan;
    let file = SharedUuidsFile::new(&setting.loaded.settings.state_dir);
    let mut known = match file.read() {
        Ok(known) => known,
        Err(error) => return vec![Diagnostic::warning(error).help("mend or remove it, then restart the server")],
    };
    known.retain(|SharedUuid { uuid, macs }| !plan.machines.explains_shared_uuid(uuid, macs));
    let (named, others): (Vec<_>, Vec<_>) = known.into_iter().partition(|shared| plan.names_uuid(&shared.uuid));
    let entry = |uuid: &[u8; 16]| plan.machines.iter().find(|entry| entry.uuid.as_ref() == Some(uuid));
    let mut told: Vec<String> = named.iter().take(MOST).map(|shared| of_named(*shared, entry(&shared.uuid))).collect();
    if named.len() > MOST {
        told.push(format!("{} more UUIDs that the configuration names are in doubt", named.len() - MOST));
    }
    if !others.is_empty() {
        let shown = others.iter().take(MOST).map(|SharedUuid { uuid, macs: [one, other] }| {
            let [one, other] = [one, other].map(|mac| HardwareAddress::from_mac(*mac));
            format!("{} ({one}, {other})", MachineId::from_uuid(*uuid))
        });
        let shown: Vec<String> = shown.collect();
        let more = if others.len() > MOST { format!(" and {} more", others.len() - MOST) } else { String::new() };
        told.push(format!(
            "these UUIDs are heard from two hardware addresses each, and nothing here names them, so nothing follows: \
             {}{more}",
            shown.join(", ")
        ));
    }
    let file = file.path().display().to_string();
    told.into_iter().map(|message| Diagnostic::warning(message).in_file(&file).help(FORGET)).collect()
}

/// As the log of the server says it.
fn of_named(shared: SharedUuid, entry: Option<Machine<'_>>) -> String {
    let Some(entry) = entry else { return format!("a machine {}", SharedUuidWarning { shared, used_by: UuidUse::Rule }) };
    if entry.macs.is_empty() {
        return format!("a machine {}", SharedUuidWarning { shared, used_by: UuidUse::Entry(entry.name) });
    }
    let stranger = shared.macs.into_iter().find(|mac| !entry.macs.contains(mac)).unwrap_or(shared.macs[0]);
    let hardware = &HardwareAddress::from_mac(stranger);
    let not_taken = UnconfirmedMatch { hardware, name: entry.name, by: IdentityKind::Uuid, reason: DoubtReason::OtherAddress, is_restricted: false };
    format!("{hardware} {not_taken}")
}
