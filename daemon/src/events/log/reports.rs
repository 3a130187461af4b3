//! The lines about the reports of machines. The texts of machines are quotations.

use super::limits::Limits;
use proxydhcpd_core::event::Event;
use proxydhcpd_core::event::report::{Report, ReportRefusal};

/// A report.
pub fn report(event: &Event<'_>, report: &Report<'_>, limits: &mut Limits) {
    let machine = machine(event);
    match report {
        Report::Progress { text } => tracing::info!(MACHINE = machine, "{machine} reports {text}"),
        Report::Installed { source } => tracing::info!(MACHINE = machine, "{machine} is installed, by {source}"),
        Report::InstallFailed { source, text } => {
            tracing::warn!(MACHINE = machine, "the installation of {machine} failed, by {source}: {text}");
        }
        Report::ScriptError { command, error, file } => {
            let failure =
                format!("{machine}: the command `{}` of its script failed for {file}: {error}", command.name());
            if limits.is_new_failure(&failure, event.at) {
                tracing::warn!(MACHINE = machine, "{failure}");
            }
        }
        Report::Memory { mib } => tracing::debug!(MACHINE = machine, "{machine} has {mib} MiB of memory"),
        Report::Syslog { severity, program, text } => {
            tracing::debug!(MACHINE = machine, "{machine}: syslog {severity} of {program}: {text}");
        }
    }
}

/// A refused report.
pub fn refused(event: &Event<'_>, refusal: ReportRefusal, limits: &mut Limits) {
    let machine = machine(event);
    let advice = match refusal {
        ReportRefusal::Token => "; use {{ report_url }} in a template, which has the token",
        ReportRefusal::Rate
        | ReportRefusal::Size
        | ReportRefusal::Incomplete
        | ReportRefusal::Unreadable
        | ReportRefusal::UnknownSender => "",
    };
    limits.warn_once_a_minute(
        refusal.label(),
        format_args!("a report of {machine} was refused: {refusal}{advice}"),
        event.at,
    );
}

/// The name of the machine, or its address.
fn machine(event: &Event<'_>) -> String {
    let address = || event.machine.from.map(|from| from.ip().to_canonical().to_string());
    event.machine.entry.map(str::to_owned).or_else(address).unwrap_or_default()
}
