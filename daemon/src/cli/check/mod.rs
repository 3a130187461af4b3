//! `check`: shows how the server would serve machines, and reports errors. Opens no port, and sends nothing.

mod boot_dir;
mod content;
mod old_daemon;
mod report;
mod secure_boot;
mod shared_uuids;
mod unread;

use super::boot_once_records;
use super::command::{CommandError, CommandResult, GlobalFlags};
use super::context::{self, CliContext};
use super::output::print_diagnostic;
use crate::config::flags::Flags;
use crate::net::port_owner::{self, Transport};
use crate::settings::keys::render;
use clap::Args;
use content::ContentReport;
use proxydhcpd_core::plan::offer::TftpServer;
use proxydhcpd_reading::diagnostic::Diagnostic;
use report::CheckReport;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show what the server would serve, and report errors in the configuration
///
/// Reads the configuration as `serve` does, and inspects the interfaces, the loaders and the boot directory. Opens no
/// port, sends nothing, and does not need root.
///
/// Checks the content of the offered files: whether kernels and initrds are complete and of the right kind, whether the
/// offered iPXE supports the commands in the scripts, and whether the files of this server that the scripts name exist.
/// Lists the files in the configuration directories that are not read, and other servers that the scripts depend on.
///
/// For each UEFI loader, shows the signer and whether machines with Secure Boot accept it, based on Microsoft's keys
/// and on the certificates that `secure-boot-certificates` lists in the configuration. The server does not know which
/// signatures a machine has revoked (its dbx).
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd check                      the configuration that `serve` reads
  proxydhcpd check proxy.ini            another file, for example the Python daemon's
  proxydhcpd check --json | jq .        for scripts
  proxydhcpd check --keys menu          the configuration keys of menus

Exit status: 0 if the server can start (there may be warnings); 1 if the configuration does not
fit this host; 2 if the configuration is invalid.")]
pub struct Check {
    /// The configuration file, as with --config
    file: Option<PathBuf>,

    /// List the configuration keys and exit: all keys, or those of this name or table
    #[arg(long, value_name = "WORD", num_args = 0..=1, default_missing_value = "", conflicts_with = "json")]
    pub keys: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Check {
    /// The flags, with the file as their configuration file.
    fn with_file(&self, flags: &Flags) -> Result<Flags, CommandError> {
        match (&self.file, &flags.config) {
            (Some(_), Some(_)) => {
                Err(CommandError::Usage("the file to check is specified twice: as an argument and with --config"))
            }
            (Some(file), None) => Ok(Flags { config: Some(file.clone()), ..flags.clone() }),
            (None, _) => Ok(flags.clone()),
        }
    }
}

/// Prints the report as text or JSON, or the table of keys.
pub fn run(check: &Check, flags: &GlobalFlags) -> CommandResult {
    let flags = check.with_file(&flags.settings)?;
    if let Some(word) = &check.keys {
        return Ok(keys(word));
    }
    let (diagnostics, report, status) = match context::load(&flags) {
        Ok(context) => {
            let mut diagnostics = context.loaded.diagnostics.clone();
            diagnostics.extend_from_slice(&context.site.files.warnings);
            diagnostics.extend(context.loaded.missing_addresses(&context.links));
            diagnostics.extend(context::unserved_interfaces(&context.filter));
            diagnostics.extend(ports_in_use(&context));
            diagnostics.extend(boot_once_records::unmatched_records(&context));
            diagnostics.extend(shared_uuids::diagnostics(&context));
            diagnostics.extend(old_daemon::shadowing_unit(Path::new("/")));
            let (programs, warnings) = secure_boot::inspect_programs(&context);
            diagnostics.extend(warnings);
            let ContentReport { diagnostics: warnings, dependencies } = content::inspect(&context);
            diagnostics.extend(warnings);
            diagnostics.extend(unread::empty_directories(&context));
            let unread = unread::files(&context);
            (diagnostics, Some(CheckReport { context, programs, dependencies, unread }), 0)
        }
        Err(error) => (error.0.clone(), None, error.exit_status()),
    };
    if check.json {
        let served = report.as_ref().map(CheckReport::json);
        anstream::println!("{:#}", json!({ "diagnostics": diagnostics, "served": served, "ok": status == 0 }));
    } else {
        diagnostics.iter().for_each(print_diagnostic);
        if let Some(report) = &report {
            anstream::print!("{}", report.text());
        }
    }
    Ok(ExitCode::from(status))
}

/// Prints the help for the keys that have this name or belong to this table.
fn keys(word: &str) -> ExitCode {
    match render::help(word) {
        Ok(text) => {
            anstream::print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            print_diagnostic(&Diagnostic::error(error));
            ExitCode::from(2)
        }
    }
}

/// Warns of ports that another process has bound. This is no error: the port may be free when the server starts, and
/// the server also runs without it.
fn ports_in_use(context: &CliContext) -> Vec<Diagnostic> {
    let plan = &context.site.plan;
    let (any, any6) = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED));
    let mut ports = Vec::new();
    if context.loaded.settings.serves_ipv4() {
        ports.push((Transport::Udp, any, 4011, "boot server port"));
    }
    ports.extend((plan.offer.tftp == Some(TftpServer::Local)).then_some((Transport::Udp, any, 69, "TFTP port")));
    ports.extend(plan.offer.http.map(|port| (Transport::Tcp, any, port, "HTTP port")));
    if context.links.iter().any(|link| !link.ipv6.is_empty()) {
        ports.push((Transport::Udp, any6, 4011, "IPv6 boot server port"));
        ports.extend(plan.offer.dhcp6.tftp.then_some((Transport::Udp, any6, 69, "IPv6 TFTP port")));
    }
    let in_use = ports.into_iter().filter_map(|(transport, address, port, name)| {
        let owner = port_owner::port_owner(transport, address, port)?;
        // No warning: proxydhcpd usually runs while an administrator checks its configuration.
        let is_proxydhcpd = owner.process.as_ref().is_some_and(|process| process.name == "proxydhcpd");
        (!is_proxydhcpd).then(|| Diagnostic::warning(format!("{name} {port} is in use by {owner}")))
    });
    in_use.collect()
}
