//! The names in the JSON of steps.

use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::story::{ClientKind, FileState, Method, ReportKind, Stage, Step, StepRole};
use std::ptr;

/// The name of the stage that a boot reached with a step. `stages` are the first steps of all stages of the boot.
pub fn stage_of(stages: &[Option<&Step>; 7], step: &Step) -> Option<&'static str> {
    // A reply reaches two stages at once.
    let mut stages = Stage::ALL.into_iter().zip(stages);
    let stage = stages.rfind(|(_, first)| first.is_some_and(|first| ptr::eq(first, step)));
    stage.map(|(stage, _)| stage.name())
}

/// The name of the protocol of a request for a file.
pub fn protocol_name(over_http: bool) -> &'static str {
    if over_http { "http" } else { "tftp" }
}

/// The number of the port on which a request of this client arrived.
pub fn port_number(client: ClientKind, port: Port) -> u16 {
    match client.method {
        Method::Pxe4 | Method::Http4 => port.number(),
        Method::Pxe6 | Method::Http6 => port.number6(),
    }
}

/// The name of a kind of report.
pub fn report_name(report: ReportKind) -> &'static str {
    match report {
        ReportKind::Progress => "progress",
        ReportKind::Installed => "installed",
        ReportKind::InstallFailed => "install-failed",
        ReportKind::ScriptError => "script-error",
        ReportKind::Memory => "memory",
        ReportKind::Syslog => "syslog",
    }
}

/// The name of the part of a file in a boot.
pub fn role_name(role: StepRole) -> &'static str {
    match role {
        StepRole::Loader => "loader",
        StepRole::Script | StepRole::NeededScript => "script",
        StepRole::Kernel => "kernel",
        StepRole::Initrd => "initrd",
        StepRole::Done => "done",
        StepRole::Other => "other",
    }
}

/// The name of the state of a transfer.
pub fn state_name(state: FileState) -> &'static str {
    match state {
        FileState::Running => "running",
        FileState::Complete => "complete",
        FileState::Part => "part",
        FileState::SizeProbe => "size-probe",
        FileState::Stopped => "stopped",
        FileState::TimedOut(_) => "timed-out",
        FileState::Refused => "refused",
        FileState::Failed => "failed",
    }
}
