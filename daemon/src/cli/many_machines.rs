//! Runs a command for many machines: asks if conditions choose them, and prints the results.

use super::command::{CommandError, CommandResult};
use super::output::{print, print_diagnostic};
use crate::api::{ApiError, MachineMatch, MachineResult, MachineResults};
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;

/// The largest number of machines that the question names.
const NAMED: usize = 10;
/// The error if a command line chooses machines in two ways.
pub const EITHER: &str = "state machines, or flags that choose them, but not both";
/// The longest answer to the question, in octets.
const MAX_ANSWER: u64 = 1024;

/// Whether the user has agreed to what the command does to several machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The command asks.
    Ask,
    /// The user has agreed.
    Given,
    /// The command does nothing, and shows what it would do.
    DryRun,
}

impl Confirmation {
    /// The confirmation that the flags `--dry-run` and `--yes` state.
    pub fn new(dry_run: bool, yes: bool) -> Confirmation {
        match (dry_run, yes) {
            (true, _) => Confirmation::DryRun,
            (false, true) => Confirmation::Given,
            (false, false) => Confirmation::Ask,
        }
    }
}

/// Sends the request about these machines, or about all that meet the conditions, and prints the results. `action`:
/// what the machines then do. The arguments of `send` are the machines, the conditions, and whether to do nothing.
pub fn run(
    machines: &[String],
    all_that_match: Option<MachineMatch>,
    confirmation: Confirmation,
    action: &str,
    send: impl Fn(Vec<String>, Option<MachineMatch>, bool) -> Result<MachineResults, CommandError>,
) -> CommandResult {
    let is_dry_run = confirmation == Confirmation::DryRun;
    let results = match all_that_match {
        Some(conditions) if confirmation == Confirmation::Ask => {
            let would = send(Vec::new(), Some(conditions), true)?;
            if would.results.len() > 1 && !confirm(&would, action)? {
                print("nothing has changed\n")?;
                return Ok(ExitCode::FAILURE);
            }
            if would.results.is_empty() {
                would
            } else {
                // Exactly those of the question: others may meet the conditions by now.
                send(would.results.into_iter().map(|result| result.machine).collect(), None, false)?
            }
        }
        conditions => send(machines.to_vec(), conditions, is_dry_run)?,
    };
    show(&results, action)?;
    Ok(if results.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks on the terminal.
fn confirm(would: &MachineResults, action: &str) -> Result<bool, CommandError> {
    let count = would.results.len();
    if !io::stdin().is_terminal() {
        let problem =
            format!("the conditions choose {count} machines, and there is no terminal to ask whether you agree");
        let help = "add --yes, or --dry-run to see the machines";
        return Err(CommandError::Control(Diagnostic::error(problem).help(help)));
    }
    let names: Vec<&str> = would.results.iter().take(NAMED).map(name).collect();
    let more = count.saturating_sub(names.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let mut terminal = io::stderr().lock();
    let asked = write!(terminal, "{}{more}\n{count} machines {action}. Do you agree? [y/N] ", names.join(", "));
    let mut answer = String::new();
    let read =
        asked.and_then(|()| terminal.flush()).and_then(|()| io::stdin().lock().take(MAX_ANSWER).read_line(&mut answer));
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn show(results: &MachineResults, action: &str) -> Result<(), CommandError> {
    for result in &results.results {
        match &result.error {
            Some(ApiError { problem, cure, .. }) => {
                print_diagnostic(&Diagnostic::error(format!("{}: {problem}", result.machine)).help(cure.clone()));
            }
            None if results.dry_run => print(format_args!("{}\n", name(result)))?,
            None => {}
        }
    }
    let MachineResults { succeeded, failed, dry_run, .. } = results;
    let would = if *dry_run { "would " } else { "" };
    let machines = if *succeeded == 1 { "machine" } else { "machines" };
    let failures = if *failed == 0 { String::new() } else { format!("; {failed} failed") };
    print(format_args!("{succeeded} {machines} {would}{action}{failures}\n"))?;
    Ok(())
}

fn name(result: &MachineResult) -> &str {
    result.name.as_deref().unwrap_or(&result.machine)
}
