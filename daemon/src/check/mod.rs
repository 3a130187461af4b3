//! Examines how the server would serve machines, and reports errors. Opens no port, and sends nothing.

mod boot_dir;
mod content;
mod old_daemon;
mod report;
mod secure_boot;
mod shared_uuids;
mod unread;

use crate::config::flags::Flags;
use crate::preview::{self, Preview, boot_once_records, ports};
use content::ContentReport;
use proxydhcpd_reading::diagnostic::Diagnostic;
pub use report::CheckReport;
use std::path::Path;

/// The result of an examination.
#[derive(Debug)]
pub struct Examination {
    /// The errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// How the server would serve machines; `None` if it cannot start.
    pub report: Option<CheckReport>,
    /// The exit status of the command: 0 if the server can start.
    pub status: u8,
}

/// Examines the configuration of these flags and this host. May wait for the disk and the network.
pub fn examine(flags: &Flags) -> Examination {
    match preview::load(flags) {
        Ok(context) => {
            let (mut diagnostics, report) = inspect(context);
            diagnostics.extend(ports_in_use(&report.context));
            Examination { diagnostics, report: Some(report), status: 0 }
        }
        Err(error) => Examination { status: error.exit_status(), diagnostics: error.0, report: None },
    }
}

/// Inspects the configuration, the loaders and the boot directory. Returns the diagnostics, except those of ports, and
/// the report.
pub fn inspect(context: Preview) -> (Vec<Diagnostic>, CheckReport) {
    let mut diagnostics = context.loaded.diagnostics.clone();
    diagnostics.extend_from_slice(&context.site.files.warnings);
    diagnostics.extend(context.loaded.missing_addresses(&context.links));
    diagnostics.extend(preview::unserved_interfaces(&context.filter));
    diagnostics.extend(boot_once_records::unmatched_records(&context));
    diagnostics.extend(shared_uuids::diagnostics(&context));
    diagnostics.extend(old_daemon::shadowing_units(Path::new("/")));
    let (programs, warnings) = secure_boot::inspect_programs(&context);
    diagnostics.extend(warnings);
    let ContentReport { diagnostics: warnings, dependencies } = content::inspect(&context);
    diagnostics.extend(warnings);
    diagnostics.extend(unread::empty_directories(&context));
    let unread = unread::files(&context);
    (diagnostics, CheckReport { context, programs, dependencies, unread })
}

/// Warns of ports that another process has bound. This is no error: the port may be free when the server starts, and
/// the server also runs without it.
fn ports_in_use(context: &Preview) -> Vec<Diagnostic> {
    let in_use = ports::needed(context).into_iter().filter_map(|needed| {
        let owner = needed.owner()?;
        // No warning: proxydhcpd usually runs while an administrator checks its configuration.
        (!ports::is_proxydhcpd(&owner))
            .then(|| Diagnostic::warning(format!("{} {} is in use by {owner}", needed.name, needed.port)))
    });
    in_use.collect()
}
