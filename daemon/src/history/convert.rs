//! The reports of the history from those of events. The match has no wildcard, so that the compiler finds what is new.

use super::stored::{StoredReport, Time};
use proxydhcpd_core::event::EventMachine;
use proxydhcpd_core::event::report::Report;
use proxydhcpd_core::identity::MachineKey;
use std::borrow::Cow;

/// A report of this machine at this time; `None` if the event shows no machine.
pub fn report(machine: EventMachine<'_>, report: &Report<'_>, time: Time) -> Option<StoredReport> {
    let from = machine.from.map(|from| from.ip().to_canonical());
    let key = machine.identity.map(|identity| identity.key).or(from.map(MachineKey::from_address))?;
    let (kind, severity, text) = match report {
        Report::Progress { text } => ("progress", None, text.shown().to_string()),
        Report::Installed { source } => ("installed", None, format!("by {source}")),
        Report::InstallFailed { source, text } => ("install-failed", None, format!("by {source}: {}", text.shown())),
        Report::ScriptError { command, error, file } => {
            ("script-error", None, format!("`{}` failed for {file}: {error}", command.name()))
        }
        Report::Memory { mib } => ("memory", None, format!("{mib} MiB")),
        Report::Syslog { severity, program, text } if program.is_empty() => {
            ("syslog", Some(*severity), text.shown().to_string())
        }
        Report::Syslog { severity, program, text } => {
            ("syslog", Some(*severity), format!("{}: {}", program.shown(), text.shown()))
        }
    };
    Some(StoredReport {
        id: 0,
        machine: key.to_string(),
        entry: machine.entry.map(str::to_owned),
        address: from.or(machine.identity.and_then(|identity| identity.address)).map(|address| address.to_string()),
        time,
        times: 1,
        kind: Cow::Borrowed(kind),
        severity,
        text,
    })
}
