//! `check`: shows how the server would serve machines, and reports errors. Opens no port, and sends nothing.

use super::command::{CommandError, CommandResult, GlobalFlags};
use super::output::{print, print_diagnostic};
use crate::check::{CheckReport, Examination, examine};
use crate::config::flags::Flags;
use crate::settings::keys::render;
use clap::Args;
use proxydhcpd_reading::diagnostic::Diagnostic;
use serde_json::json;
use std::path::PathBuf;
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
        return keys(word);
    }
    let Examination { diagnostics, report, status } = examine(&flags);
    if check.json {
        let served = report.as_ref().map(CheckReport::json);
        let report = json!({ "diagnostics": diagnostics, "served": served, "ok": status == 0 });
        print(format_args!("{report:#}\n"))?;
    } else {
        diagnostics.iter().for_each(print_diagnostic);
        if let Some(report) = &report {
            print(report.text())?;
        }
    }
    Ok(ExitCode::from(status))
}

/// Prints the help for the keys that have this name or belong to this table.
fn keys(word: &str) -> CommandResult {
    match render::help(word) {
        Ok(text) => {
            print(text)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            print_diagnostic(&Diagnostic::error(error));
            Ok(ExitCode::from(2))
        }
    }
}
