//! Attacks on the server, with honest machines on the same link: what they see is measured. Needs root.
//!
//! As a test, each attack lasts a second. `make attacks` lets each last six seconds, against a new server of the
//! profile `local`, and writes the table of docs/attacks.md.

#[path = "../common/mod.rs"]
mod common;

mod attacker;
mod honest;
mod measured;
mod network;
mod table;

use libtest_mimic::{Arguments, Failed, Trial};
use measured::{LONG, Measured, SHORT};
use network::Network;
use proxydhcpd_testbed::{sandbox, wait_up_to};
use std::fs;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use table::{ATTACKS, Attack, Setting};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/attacks.md");
/// The lines of the page before and after its table.
const BEGIN: &str = "<!-- The table: `make attacks` writes it. -->\n";
const END: &str = "<!-- The end of the table. -->\n";
const HEAD: &str = "\
| attack | a second | offers | 99 %, ms | longest, ms | boots | slowest, ms | factor | memory, MiB | descriptors |
|---|---|---|---|---|---|---|---|---|---|
";

/// The networks and the results, which the attacks share.
#[derive(Default)]
struct Siege {
    /// The networks, each with the number of descriptors of its idle server.
    networks: Vec<(Setting, Network, usize)>,
    attacks: u32,
    rows: Vec<String>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One after the other, on this thread, which lives as long as the servers.
    arguments.test_threads = Some(1);
    if !arguments.list {
        sandbox::enter();
    }
    let is_long = std::env::var("ATTACKS").is_ok_and(|length| length == "long");
    let siege = Arc::new(Mutex::new(Siege::default()));
    let mut trials: Vec<Trial> = ATTACKS.iter().map(|attack| trial(attack, is_long, &siege)).collect();
    trials.push(Trial::test("after_all_attacks_the_servers_hold_no_more_descriptors", {
        let siege = Arc::clone(&siege);
        move || siege.lock().map_err(|_| Failed::from("an attack panicked"))?.descriptors_are_closed()
    }));
    // The long form writes the page.
    if !is_long {
        trials.push(Trial::test("the_page_has_a_row_for_each_attack", the_page_has_a_row_for_each_attack));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let siege = Arc::into_inner(siege).and_then(|siege| siege.into_inner().ok());
    if let Some(siege) = siege.filter(|siege| is_long && siege.rows.len() == ATTACKS.len() && !conclusion.has_failed())
    {
        write_table(&siege.rows);
    }
    conclusion.exit_code()
}

fn trial(attack: &'static Attack, is_long: bool, siege: &Arc<Mutex<Siege>>) -> Trial {
    let siege = Arc::clone(siege);
    Trial::test(attack.name, move || {
        let mut siege = siege.lock().map_err(|_| "an attack panicked")?;
        if is_long {
            siege.networks.clear();
        }
        let measured = siege.attack(attack, is_long);
        let row = measured.row();
        println!("{row}");
        siege.rows.push(row);
        let faults = measured.faults();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ").into()) }
    })
}

impl Siege {
    fn attack(&mut self, attack: &'static Attack, is_long: bool) -> Measured {
        self.attacks += 1;
        if !self.networks.iter().any(|(setting, ..)| *setting == attack.setting) {
            let network = Network::start(attack.setting);
            let descriptors = common::server_process::Usage::of(network.server.pid()).descriptors;
            self.networks.push((attack.setting, network, descriptors));
        }
        let (_, network, _) = self.networks.iter().find(|(setting, ..)| *setting == attack.setting).unwrap();
        measured::measure(attack, network, if is_long { LONG } else { SHORT }, self.attacks)
    }

    /// Forged transfers end after seven seconds, and connections that are not read after a minute; the attacker has
    /// closed those.
    fn descriptors_are_closed(&self) -> Result<(), Failed> {
        for (setting, network, before) in &self.networks {
            let pid = network.server.pid();
            // The history opens its file after the start, and the page its socket.
            let most = before + 12;
            let is_idle = || common::server_process::Usage::of(pid).descriptors <= most;
            wait_up_to(Duration::from_secs(30), &format!("{setting:?}: at most {most} descriptors"), || {
                is_idle().then_some(())
            });
        }
        Ok(())
    }
}

fn the_page_has_a_row_for_each_attack() -> Result<(), Failed> {
    let page = fs::read_to_string(PAGE)?;
    let missing = ATTACKS.iter().filter(|attack| !page.contains(&format!("| {} |", attack.what)));
    let missing: Vec<&str> = missing.map(|attack| attack.what).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("run `make attacks`: no row for {missing:?}").into()) }
}

/// Writes the table of the page, and the machine on which it was measured.
fn write_table(rows: &[String]) {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the line before the table");
    let (_, after) = rest.split_once(END).expect("the line after the table");
    let rows = rows.join("\n");
    let machine = machine();
    fs::write(PAGE, format!("{before}{BEGIN}\n{machine}\n\n{HEAD}{rows}\n\n{END}{after}")).unwrap();
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Measured on {cores} cores ({model}), Linux {}, proxydhcpd {}.", kernel.trim(), env!("CARGO_PKG_VERSION"))
}
