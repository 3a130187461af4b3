//! The history of boots, in the file that a real server writes. Needs root.

mod common;

use common::played_network::{PlayedNetwork, all_kinds, run_of};
use common::server::{Server, one_network, request_loader, vector};
use nix::sys::signal::Signal;
use proxydhcpd::events::wall_clock::rfc3339;
use proxydhcpd::history::{BootFilter, FILE, History, StoredBoot, VerdictFilter};
use proxydhcpd::settings::HistoryConfig;
use proxydhcpd::story::json::StepWhat;
use proxydhcpd_player::report::Stage;
use proxydhcpd_testbed::{wait_for, wait_up_to};
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// The stages that the player reaches and the stories do not know: kernels and scripts with names that are in no
/// profile, too short to be recognised by their length, and the first part of a loader.
const UNKNOWN_STAGES: &[(&str, &str)] = &[
    ("raspberry-pi-3", "kernel"),
    ("raspberry-pi-4", "kernel"),
    ("secure-boot", "script"),
    ("secure-boot", "kernel"),
    ("uefi-menu", "kernel"),
    ("bios-menu", "kernel"),
    ("power-cut", "loader"),
];

/// The path of the history of a server that `Server::start_configured` started.
fn file(server: &Server) -> PathBuf {
    server.directory.path().join("state").join(FILE)
}

/// All boots in a file, the latest first.
fn boots(file: &Path) -> Vec<StoredBoot> {
    History::new(file.parent().unwrap(), &HistoryConfig::default()).boots(&BootFilter::default()).unwrap_or_default()
}

/// Waits until the history has a boot that began after this time.
fn wait_for_boot(file: &Path, since: SystemTime) -> StoredBoot {
    let is_new = |boot: &StoredBoot| boot.record.last >= rfc3339(since);
    wait_for("a boot in the history", || boots(file).into_iter().find(is_new))
}

fn warnings(server: &Server) -> Vec<String> {
    server.log().lines().filter(|line| line.contains(" WARN ") && line.contains("history")).map(str::to_owned).collect()
}

/// The queries of docs/operation.md.
fn documented_queries() -> Vec<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operation.md")).unwrap();
    let blocks = page.split("```sql\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// The lines that the program `sqlite3` prints for a query of this file.
fn sqlite3(file: &Path, query: &str) -> Vec<String> {
    let output = Command::new("sqlite3").arg("-readonly").arg(file).arg(query).output().unwrap();
    assert!(output.status.success(), "{query}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_boot_of_a_played_site_is_in_the_file_with_its_stages() {
    let kinds = all_kinds();
    let run = run_of(&kinds, kinds.len(), kinds.len());
    let network = PlayedNetwork::start(&run);
    let report = network.play(&run);
    // Stopped at once: nothing that was queued is lost.
    network.server.signal(Signal::SIGTERM);
    network.server.wait_for_line("stopped");
    let file = file(&network.server);
    let stored = boots(&file);
    let mut by_machine: BTreeMap<&str, Vec<&StoredBoot>> = BTreeMap::new();
    for boot in stored.iter().rev() {
        by_machine.entry(&boot.machine).or_default().push(boot);
    }
    let mut missing = Vec::new();
    for played in &report.boots {
        let mac = played.mac.map(|octet| format!("{octet:02x}")).join(":");
        let of_machine = by_machine.get(&*mac).unwrap_or_else(|| panic!("{} {mac} has no boot", played.kind));
        let expected = played.stages.iter().filter_map(|(stage, _)| match stage {
            Stage::Offered => Some("offered"),
            Stage::Loaded => Some("loader"),
            Stage::Script => Some("script"),
            Stage::Kernel => Some("kernel"),
            Stage::IpxeAddress | Stage::System => None,
        });
        for stage in expected {
            let is_known = of_machine.iter().flat_map(|boot| &boot.record.stages).any(|reached| reached.name == stage);
            if !is_known && !UNKNOWN_STAGES.contains(&(played.kind, stage)) {
                missing.push(format!("{} {mac}: no boot reached {stage}", played.kind));
            }
        }
    }
    // A machine whose DHCP packets the server has not heard is known by its IP address.
    let by_address: Vec<_> = stored.iter().filter(|boot| boot.hardware.is_none()).collect();
    assert!(missing.is_empty(), "{missing:#?}; by address: {by_address:#?}");
    for boot in &stored {
        let record = &boot.record;
        assert!(!record.steps.is_empty() && record.began <= record.last, "{boot:#?}");
        assert!(record.stages.iter().all(|stage| (&record.began..=&record.last).contains(&&stage.at)), "{boot:#?}");
        assert_eq!(record.interface.as_deref(), Some("eth0"));
    }
    let queries = documented_queries();
    assert!(queries.len() >= 3);
    for query in queries {
        println!("{query}{:#?}", sqlite3(&file, &query));
    }
    let rows = sqlite3(&file, "SELECT count(*) FROM boots WHERE json_array_length(steps) > 0");
    assert_eq!(rows, [stored.len().to_string()]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_kill_in_the_middle_of_boots_loses_at_most_the_last_second() {
    let kinds = all_kinds();
    let mut run = run_of(&kinds, 2 * kinds.len(), kinds.len());
    // The machines give up soon after the kill.
    run.timing.limit = Duration::from_secs(10);
    let network = PlayedNetwork::start(&run);
    let server = &network.server;
    let killed = std::thread::scope(|scope| {
        scope.spawn(|| network.play(&run));
        std::thread::sleep(Duration::from_secs(7));
        let killed = SystemTime::now();
        server.signal(Signal::SIGKILL);
        killed
    });
    // The thread of stories looks at events every 25 ms; a machine with two cores may be late.
    let kept = rfc3339(killed - Duration::from_millis(1250));
    let stored = boots(&file(server));
    let log = server.log();
    let ends =
        log.lines().filter(|line| line.contains(" octets in ") && line.get(..19).is_some_and(|at| at < &kept[..19]));
    let mut checked = 0;
    for line in ends {
        let [at, _, client, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { continue };
        let Ok(client) = client.trim_end_matches(':').parse::<SocketAddr>() else { continue };
        let address = Some(client.ip().to_canonical().to_string());
        // The history has the last address of a machine; a loader may have used another one.
        let of_machine: Vec<_> = stored.iter().filter(|boot| boot.address == address).collect();
        if of_machine.is_empty() {
            continue;
        }
        let has_it = of_machine.iter().any(|boot| boot.record.last[..19] >= at[..19]);
        assert!(has_it, "{line}\n{of_machine:#?}");
        checked += 1;
    }
    assert!(checked > 50, "{checked} files\n{log}");
    assert_eq!(sqlite3(&file(server), "PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn a_damaged_file_is_set_aside_with_one_warning_and_boots_go_on() {
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join(FILE), "SQLite format 3\0 and then something else".repeat(500)).unwrap();
    let server = Server::start_configured(&host, directory, "");
    server.wait_for_line("ready");
    let began = SystemTime::now();
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    let boot = wait_for_boot(&file(&server), began);
    assert_eq!(boot.record.stage.as_deref(), Some("offered"));
    let warnings = warnings(&server);
    assert!(warnings.len() == 1 && warnings[0].contains("is damaged"), "{warnings:?}");
    let kept = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(kept.filter(|name| name.starts_with("history.sqlite.damaged-")).count(), 1);
}

#[test]
fn a_later_version_of_the_file_is_not_touched() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    let file = file(&server);
    server.wait_for_line("ready");
    request_loader(&machine).unwrap();
    wait_for("a boot in the history", || (!boots(&file).is_empty()).then_some(()));
    let server = {
        server.signal(Signal::SIGTERM);
        server.wait_for_line("stopped");
        Command::new("sqlite3").arg(&file).arg("PRAGMA user_version = 99").status().unwrap();
        server.kill_and_restart(&host)
    };
    let before = fs::read(&file).unwrap();
    server.wait_for_line("its version 99 is that of a later proxydhcpd");
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(warnings(&server).len(), 1);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_full_disk_delays_no_boot_and_loses_no_boot_that_waits() {
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    // A file system of the server's mount namespace, which ends with the server.
    let script = format!(
        "mount -t tmpfs -o size=1m,mode=755 tmpfs {state:?} && exec {} -v -c {:?}",
        common::server::PROGRAM,
        directory.path().join("proxydhcpd.toml")
    );
    let boot_dir = common::loaders::boot_dir();
    let text = format!("boot-dir = {:?}\nstate-dir = {state:?}\n", boot_dir.path());
    fs::write(directory.path().join("proxydhcpd.toml"), text).unwrap();
    let mut command = proxydhcpd_testbed::Process::command("unshare");
    let log = directory.path().join("log");
    let runtime = common::server::state_dir();
    command.args(["--mount", "sh", "-c", &script]).stderr(fs::File::create(&log).unwrap());
    command.env("RUNTIME_DIRECTORY", runtime.path());
    let process = host.on(|| proxydhcpd_testbed::Process::spawn(&mut command));
    let log = || fs::read_to_string(&log).unwrap();
    wait_for("ready in the log", || log().contains("ready").then_some(()));
    let seen = PathBuf::from(format!("/proc/{}/root{}", process.id(), state.display()));
    let file = seen.join(FILE);
    wait_for("the history", || file.exists().then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    let filler = seen.join("filler");
    let is_full = || {
        let octets = fs::read(&filler).unwrap_or_default().len();
        fs::write(&filler, vec![1; octets + 4096]).is_err()
    };
    while !is_full() {}
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    wait_for("a warning in the log", || log().contains("is not written").then_some(()));
    for _ in 0..3 {
        assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    }
    fs::remove_file(&filler).unwrap();
    // The program reads the file in the mount namespace of the server.
    let count = || {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", process.id())).args(["sqlite3", "-readonly"]);
        let output = command.arg(state.join(FILE)).arg("SELECT count(*) FROM boots").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let removed = Instant::now();
    while count() != "1\n" {
        assert!(removed.elapsed() < Duration::from_secs(75), "{}\n{}", count(), log());
        std::thread::sleep(Duration::from_millis(200));
    }
    wait_for("an end of the warning", || log().contains("is written again").then_some(()));
    let warnings = log().lines().filter(|line| line.contains("WARN") && line.contains("history")).count();
    assert_eq!(warnings, 1, "{}", log());
}

/// The request for a file overtakes the packet that shows whose address it comes from.
#[test]
fn the_boot_of_an_address_ends_in_that_of_its_machine_once_the_machine_is_known() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    fs::write(server.boot.path().join("notes"), "x").unwrap();
    server.wait_for_line("ready");
    machine.run("ip route add 255.255.255.255 dev eth0");
    let socket = machine.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    socket.set_broadcast(true).unwrap();
    machine.on(|| socket.send_to(&vector("ovmf-x64-discover"), "255.255.255.255:67").unwrap());
    let file = file(&server);
    let has_boot_of = |machine: fn(&StoredBoot) -> bool| boots(&file).iter().any(machine).then_some(());
    wait_for("a boot of the machine", || has_boot_of(|boot| boot.hardware.is_some()));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "http://192.0.2.10:8080/notes"]);
    assert!(machine.on(|| curl.status().unwrap()).success());
    wait_for("a boot of the address", || has_boot_of(|boot| boot.machine == "192.0.2.107"));
    request_loader(&machine).unwrap();
    let has_both = |boot: &StoredBoot| {
        let files = boot
            .record
            .steps
            .iter()
            .filter(|step| matches!(&step.what, StepWhat::File { file, .. } if file == "notes"));
        boot.hardware.is_some() && files.count() == 1
    };
    wait_for("one boot", || matches!(&boots(&file)[..], [boot] if has_both(boot)).then_some(()));
}

#[test]
fn a_history_that_is_off_has_no_file() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "[history]\nenabled = false\n");
    server.wait_for_line("ready");
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    std::thread::sleep(Duration::from_secs(2));
    assert!(!file(&server).exists());
}

#[test]
fn a_verdict_is_in_the_file_with_its_sentence_and_its_cure() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    // The machine accepts the offer, and requests no file.
    request_loader(&machine).unwrap();
    let filter = BootFilter { verdict: Some(VerdictFilter::Any), ..BootFilter::default() };
    let history = History::new(file(&server).parent().unwrap(), &HistoryConfig::default());
    let find = || history.boots(&filter).unwrap_or_default().into_iter().next();
    // A firmware has given up after 25 seconds.
    let boot = wait_up_to(Duration::from_secs(40), "a verdict", find);
    let verdict = boot.record.verdict.unwrap();
    assert_eq!(verdict.code, "tftp-requests-blocked");
    assert!(!verdict.observation.is_empty() && !verdict.remedy.is_empty(), "{verdict:?}");
}
