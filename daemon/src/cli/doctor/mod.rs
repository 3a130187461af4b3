//! `doctor`: looks for everything on this host and in its networks that keeps machines from booting.

mod access;
mod checks;
mod firewall;
mod mtu;
mod server;
mod service;

use super::command::{CommandResult, GlobalFlags};
use super::found_fault::{self, FoundFault};
use super::output::print;
use super::probe;
use super::progress::Progress;
use crate::config::flags::Flags;
use crate::preview;
use clap::Args;
use serde_json::Value;
use service::Unit;

/// Find the faults of this host and its networks that keep machines from booting
///
/// Looks whether the server runs, which processes have its ports, what the firewall drops, the MTU of links and paths,
/// the systemd unit, whether the server's user can read the boot directory, everything that `check` inspects, and which
/// servers answer on the networks (see `probe`). Each finding is one sentence with its cure.
///
/// The firewall is tried with packets: the doctor copies its rules into a temporary network namespace, with an
/// interface of the same name and addresses, and sends packets there. Nothing on the host changes. Where that is not
/// possible, it reads the rules of nftables.
///
/// Needs root for complete results.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd doctor                  look for faults
  proxydhcpd doctor -i eth1          look at one interface
  proxydhcpd doctor --json | jq .    for scripts: an array of findings

Exit status: 0 if there is no fault; 1 if there are findings; 2 for wrong usage.")]
pub struct Doctor {
    /// Print JSON: an array of findings, each with `code`, `summary`, `cure` and `where`
    #[arg(long)]
    json: bool,
}

/// The results of all examinations.
#[derive(Default)]
struct Diagnosis {
    faults: Vec<FoundFault>,
    /// The examined parts, and how they were examined: a line each.
    notes: Vec<String>,
}

/// Examines everything, prints the findings, and returns the exit status.
pub fn run(doctor: &Doctor, flags: &GlobalFlags) -> CommandResult {
    let mut progress = Progress::new();
    let Diagnosis { faults, notes } = examine(&flags.settings, &mut progress);
    progress.clear();
    if doctor.json {
        let faults: Vec<Value> = faults.iter().map(FoundFault::json).collect();
        notes.iter().for_each(|note| anstream::eprintln!("{note}"));
        print(format_args!("{:#}\n", Value::Array(faults)))?;
    } else {
        notes.iter().try_for_each(|note| print(format_args!("{note}\n")))?;
        print("\n")?;
        found_fault::print_all(&faults)?;
    }
    Ok(found_fault::exit_status(&faults))
}

/// Examines one part after the other. The faults of the host come first, because those of the network may be their
/// effect, and those of single files last, because most machines boot in spite of them.
fn examine(flags: &Flags, progress: &mut Progress) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    let Diagnosis { faults, notes } = &mut diagnosis;
    progress.show("configuration, loaders and boot directory".to_owned());
    let unit = Unit::query();
    faults.extend(unit.faults());
    let context = match preview::load(flags) {
        Ok(context) => context,
        Err(error) => {
            faults.extend(checks::invalid(&error));
            notes.push("only the configuration was examined, because it is invalid".to_owned());
            return diagnosis;
        }
    };
    let (of_files, context) = checks::examine(context);
    let mut add = |(found, lines): (Vec<FoundFault>, Vec<String>)| {
        faults.extend(found);
        notes.extend(lines);
    };
    add(server::examine(&context));
    let of_mtu = mtu::examine(&context);
    let (found, line) = access::examine(&context, &unit);
    add((found, line.into_iter().collect()));
    let report = firewall::examine(&context, progress);
    add((report.faults, vec![report.method]));
    add((Vec::new(), of_mtu.1));
    match probe::ask(&context, None, probe::DEFAULT_TIMEOUT, progress) {
        Ok(probed) => add((probed.faults, vec!["network: asked with the requests of `probe`".to_owned()])),
        Err(error) => {
            let summary = format!("the network was not examined: {}", probe::error_text(&error));
            let cure = "run `proxydhcpd doctor` as root";
            add((vec![FoundFault::new("not-probed", "this host", summary, cure)], Vec::new()));
        }
    }
    faults.extend(of_mtu.0);
    faults.extend(of_files);
    without_repetitions(faults);
    diagnosis
}

/// Removes faults of which another one is the cause.
fn without_repetitions(faults: &mut Vec<FoundFault>) {
    let has = |faults: &[FoundFault], code: &str| faults.iter().any(|fault| fault.code == code);
    if has(faults, "server-not-running") {
        faults.retain(|fault| fault.code != probe::NO_BOOT_SERVER);
    }
    // A missing loader, a port or a firewall is why the server does not answer.
    if ["no-loader", "port-held", "firewall-drops"].iter().any(|code| has(faults, code)) {
        faults.retain(|fault| fault.code != "this-server-silent");
    }
}
