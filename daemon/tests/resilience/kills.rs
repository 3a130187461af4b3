//! The server is killed again and again while machines install themselves.

use crate::common::played_network::{PlayedNetwork, run_of};
use crate::common::server::measured_program;
use proxydhcpd_player::driver::{self, Run};
use proxydhcpd_player::failure::Failure;
use proxydhcpd_player::kinds::{End, by_name};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

const MACHINES: usize = 100;
/// The number of rounds with kills. In each, all machines that are not on their disks are switched on.
const ROUNDS: usize = 3;
/// The times of the kills in a round, and the time after a kill until which its machines may still install again: the
/// completion of a machine is on the disk some milliseconds after its installer requested the `done_url`
/// (docs/first-machine.md).
const KILLS: [u64; 4] = [700, 1600, 2300, 3500];
const NOT_YET_WRITTEN: Duration = Duration::from_millis(300);

/// The boots of a machine so far.
#[derive(Default, Debug)]
struct History {
    /// When each of its installations ended.
    installed: Vec<Instant>,
    /// Whether its last request for the `done_url` had no answer: the server may have noted it.
    is_unsure: bool,
    /// Whether it ended at its disk.
    is_on_disk: bool,
    /// Why its boots ended otherwise.
    failures: Vec<String>,
}

#[test]
fn a_server_that_is_killed_in_a_storm_installs_each_machine_once_and_loses_none() {
    let mut run = run_of(&[by_name("installs-once").unwrap()], MACHINES, MACHINES);
    (run.timing.restart, run.timing.limit) = (Duration::from_secs(1), Duration::from_secs(20));
    let program = measured_program();
    let mut network = PlayedNetwork::start_program(&program, &run, "", &["-v"]);
    let (mut machines, mut kills) = (BTreeMap::<[u8; 6], History>::new(), Vec::new());
    for round in 0..ROUNDS + 2 {
        let with_kills = round < ROUNDS;
        let PlayedNetwork { player, server, host, .. } = &mut network;
        thread::scope(|scope| {
            let (player, run) = (&*player, &run);
            let boots = scope.spawn(move || player.on(|| play(run)));
            if with_kills {
                let began = Instant::now();
                for after in KILLS {
                    thread::sleep((began + Duration::from_millis(after)).saturating_duration_since(Instant::now()));
                    kills.push(Instant::now());
                    server.restart_killed(&program, host);
                }
            }
            note(&mut machines, boots.join().unwrap(), &format!("round {round}"));
        });
    }
    assert_eq!(machines.len(), MACHINES);
    let may_be_lost = |end: &Instant| kills.iter().any(|kill| *kill >= *end && *kill - *end < NOT_YET_WRITTEN);
    let mut again = 0;
    for (mac, machine) in &machines {
        let History { installed, is_on_disk, .. } = machine;
        assert!(is_on_disk, "{mac:02x?} never came to its disk: {machine:?}");
        let (last, earlier) = installed.split_last().map_or((None, &[][..]), |(last, rest)| (Some(last), rest));
        assert!(last.is_some() || machine.is_unsure, "{mac:02x?} was never installed: {machine:?}");
        assert!(earlier.iter().all(may_be_lost), "{mac:02x?} was installed {} times: {machine:?}", installed.len());
        again += earlier.len();
    }
    println!("{} kills, {MACHINES} machines, {again} installed again within the window of a kill", kills.len());
}

/// When the run began, and its results.
fn play(run: &Run) -> (Instant, proxydhcpd_player::report::Report) {
    let began = Instant::now();
    (began, driver::run(run).unwrap())
}

fn note(
    machines: &mut BTreeMap<[u8; 6], History>,
    (began, report): (Instant, proxydhcpd_player::report::Report),
    round: &str,
) {
    for boot in &report.boots {
        let machine = machines.entry(boot.mac).or_default();
        machine.failures.extend(boot.outcome.as_ref().err().map(|failure| format!("{round}: {failure}")));
        let ended = match (&boot.outcome, boot.boot) {
            (Ok(end), _) => *end,
            // It is on its disk already, or was installed although this boot was to lead to the disk.
            (Err(Failure::Ended(_, end)), _) if *end == End::LocalDisk.name() => End::LocalDisk,
            (Err(Failure::Ended(..)), _) => End::System,
            (Err(Failure::Http(url, _)), _) if url.contains("/done") => {
                machine.is_unsure = true;
                continue;
            }
            // The server was gone.
            (Err(_), _) => continue,
        };
        machine.is_on_disk = ended == End::LocalDisk;
        if ended == End::System {
            machine.installed.push(began + boot.began + boot.duration);
        }
    }
    let failed = report.failures().count();
    println!("{round}: {} boots, {failed} without the end of their row", report.boots.len());
}
