//! A server under load for a long time: mixed boots, a reload each second, an open page, attacks at a low rate,
//! interfaces that come and go, files that are replaced. It must give no wrong answer and need no more with time. Needs
//! root.
//!
//! As a test, it lasts half a minute. `make soak MINUTES=60` runs it for an hour with the profile `local`.

#[path = "../common/mod.rs"]
mod common;

#[path = "../attacks/attacker.rs"]
mod attacker;
mod page;
mod samples;
#[path = "../attacks/table.rs"]
#[expect(dead_code, reason = "the other test also reads the limits of each attack")]
mod table;

use attacker::{Addresses, Attacker};
use common::played_network::{BOOT_SERVER, PlayedNetwork, all_kinds, run_of};
use common::server::measured_program;
use common::server_process::Usage;
use nix::sys::signal::Signal;
use proxydhcpd_player::driver::{self, Run};
use proxydhcpd_player::kinds::by_name;
use proxydhcpd_testbed::raw::{CLIENT_MAC, SERVER_MAC, format_mac};
use proxydhcpd_testbed::{Host, sandbox};
use samples::Samples;
use std::fs;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use table::{ATTACKS, Attack, Setting};

/// The attacker's address and the first octets of the network are those of the played network.
const ADDRESSES: Addresses =
    Addresses { server: BOOT_SERVER, attacker: Ipv4Addr::new(10, 77, 0, 4), absent: [10, 77, 8] };

/// The minutes of the test.
const MINUTES: f64 = 0.5;
/// After the warm-up, attacks have a fiftieth of their rate.
const SLOWER: u32 = 50;

/// A failure of a boot, or of a request to the page.
type Wrong = Mutex<Vec<String>>;

fn main() -> ExitCode {
    // `cargo test` passes the flags of the usual harness.
    if std::env::args().any(|argument| argument == "--list") {
        println!("soak: test");
        return ExitCode::SUCCESS;
    }
    sandbox::enter();
    let minutes = std::env::var("MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(MINUTES);
    let length = Duration::from_secs_f64(60.0 * minutes);
    let faults = soak(length);
    for fault in &faults {
        println!("wrong: {fault}");
    }
    println!("{}", if faults.is_empty() { "The server held." } else { "The server did not hold." });
    ExitCode::from(u8::from(!faults.is_empty()))
}

/// Runs everything for this time. Returns what is wrong.
fn soak(length: Duration) -> Vec<String> {
    let once = run_of(&[by_name("installs-once").unwrap()], 1, 1);
    let network = start(&once);
    let attacker = Host::without_dad();
    network.segment.plug(&attacker, "eth0", &["10.77.0.4/16"]);
    attacker.run(&format!("ip link set eth0 address {}", format_mac(CLIENT_MAC)));
    let (pid, wrong, stop) = (network.server.pid(), Wrong::default(), AtomicBool::new(false));
    let idle = Usage::of(pid);
    let mut samples = Samples::new(length);
    let warm_up = samples.warm_up();
    thread::scope(|scope| {
        let (network, attacker, wrong, stop) = (&network, &attacker, &wrong, &stop);
        scope.spawn(move || boot_all_kinds(network, wrong, stop));
        scope.spawn(move || install_again_and_again(network, &once, wrong, stop));
        scope.spawn(move || page::watch(network, wrong, stop));
        scope.spawn(move || attack(network, attacker, warm_up, stop));
        scope.spawn(move || reload(network, stop));
        scope.spawn(move || change_interfaces(&network.host, stop));
        scope.spawn(move || replace_files(network, stop));
        // Ends the others also if this thread panics.
        let _stops = Stops(stop);
        samples.take(pid, || wrong.lock().unwrap().len());
    });
    let mut faults = wrong.into_inner().unwrap();
    faults.extend(samples.faults());
    faults.extend(descriptors_and_threads(pid, idle));
    let log = network.server.log();
    // An attack breaks the configuration.
    let is_expected = |line: &str| ["proxydhcpd.toml", "reload failed"].iter().any(|part| line.contains(part));
    let is_wrong = |line: &&str| line.contains(" ERROR ") && !is_expected(line) || line.contains("panicked");
    faults.extend(log.lines().filter(is_wrong).take(20).map(|line| format!("in the log: {line}")));
    faults
}

fn start(once: &Run) -> PlayedNetwork {
    let network = PlayedNetwork::start_program(&measured_program(), once, "", &[]);
    network.host.run(&format!("ip link set eth0 address {}", format_mac(SERVER_MAC)));
    network.host.run("ip route add 198.18.0.0/15 via 10.77.0.4");
    // The attacks are meant for the server under test: the DHCP server would have no address left for honest machines.
    network
        .dhcp_host
        .run("nft add table inet guard\nnft add chain inet guard input { type filter hook input priority 0 ; }");
    network.dhcp_host.run(&format!("nft add rule inet guard input ether saddr {} drop", format_mac(CLIENT_MAC)));
    let big = fs::File::create(network.server.boot.path().join("big.bin")).unwrap();
    big.set_len(64 << 20).unwrap();
    network
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sleeps for this time, or until `stop`. Returns whether to go on.
fn pause(time: Duration, stop: &AtomicBool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
    !stop.load(Ordering::Relaxed)
}

/// Boots a machine of each kind, but for those that install once, again and again.
fn boot_all_kinds(network: &PlayedNetwork, wrong: &Wrong, stop: &AtomicBool) {
    let kinds: Vec<_> = all_kinds().into_iter().filter(|kind| kind.name != "installs-once").collect();
    let mut run = run_of(&kinds, kinds.len(), kinds.len());
    run.timing.restart = Duration::from_secs(3);
    while !stop.load(Ordering::Relaxed) {
        play(network, &run, wrong);
    }
}

/// Installs a machine, lets it boot its disk, and resets its boot-once, again and again.
fn install_again_and_again(network: &PlayedNetwork, once: &Run, wrong: &Wrong, stop: &AtomicBool) {
    let run = Run { relay: None, ..once.clone() };
    // An attack breaks the configuration.
    let directory = network.server.directory.path();
    fs::copy(directory.join("proxydhcpd.toml"), directory.join("kept")).unwrap();
    let kept = directory.join("kept").to_string_lossy().into_owned();
    loop {
        play(network, &run, wrong);
        let rearm = network.server.client(&["-c", &kept, "rearm", "once0"]).output().unwrap();
        if !rearm.status.success() {
            wrong.lock().unwrap().push(format!("rearm: {}", String::from_utf8_lossy(&rearm.stderr)));
        }
        // The server looks for changes of the completions every five seconds.
        if !pause(Duration::from_secs(8), stop) {
            return;
        }
    }
}

fn play(network: &PlayedNetwork, run: &Run, wrong: &Wrong) {
    match network.player.on(|| driver::run(run)) {
        Ok(report) => {
            let failures = report.failures().map(|(boot, failure)| format!("{}: {failure}", boot.kind));
            wrong.lock().unwrap().extend(failures.inspect(|failure| println!("wrong: {failure}")));
        }
        Err(failure) => wrong.lock().unwrap().push(failure.to_string()),
    }
}

/// Each attack at a quarter of its rate within the warm-up, which fills the tables of the server; then each at a low
/// rate.
fn attack(network: &PlayedNetwork, attacker: &Host, warm_up: Duration, stop: &AtomicBool) {
    let attacks: Vec<&'static Attack> =
        ATTACKS.iter().filter(|attack| attack.setting == Setting::Default && attack.rate > 0).collect();
    let for_a_while = |attack: &'static Attack, rate: u32, first: u32, time: Duration| {
        println!("attack: {}, {rate} a second", attack.name);
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let work = || Attacker::new(ADDRESSES, &network.server).run(rate, first, attack.send, &ended);
                attacker.on(work);
            });
            let goes_on = pause(time, stop);
            ended.store(true, Ordering::Relaxed);
            goes_on
        })
    };
    let each = warm_up.div_f64(1.5 * attacks.len() as f64).min(Duration::from_secs(12));
    for attack in &attacks {
        if !for_a_while(attack, attack.rate.div_ceil(4), 0, each) {
            return;
        }
    }
    // Each attack has new machines, as a flood has: those of before have fallen out of the full tables.
    // A burst has no lower rate.
    let steady = attacks.iter().filter(|attack| attack.rate > 1).cycle();
    for (first, attack) in (20_000..).step_by(2000).zip(steady) {
        if !for_a_while(attack, (attack.rate / SLOWER).max(1), first, Duration::from_secs(10)) {
            return;
        }
    }
}

fn reload(network: &PlayedNetwork, stop: &AtomicBool) {
    while pause(Duration::from_secs(1), stop) {
        network.server.signal(Signal::SIGHUP);
    }
}

fn change_interfaces(host: &Host, stop: &AtomicBool) {
    while pause(Duration::from_secs(3), stop) {
        let other = Host::new();
        host.cable("extra0", &other, "eth0");
        host.run("ip address add 10.79.0.1/24 dev extra0");
        pause(Duration::from_secs(2), stop);
        host.run("ip link delete extra0");
    }
}

/// Replaces the kernel by another of the same length, as an upgrade does.
fn replace_files(network: &PlayedNetwork, stop: &AtomicBool) {
    let at = |name: &str| network.server.boot.path().join(name);
    let length = fs::metadata(at("linux")).unwrap().len() as usize;
    let mut octet = 0x4b_u8;
    while pause(Duration::from_secs(5), stop) {
        octet ^= 1;
        fs::write(at("linux.new"), vec![octet; length]).unwrap();
        fs::rename(at("linux.new"), at("linux")).unwrap();
    }
}

/// Compares what the idle server holds with what it held before. Connections that are not read, and idle threads, end
/// within a minute.
fn descriptors_and_threads(pid: u32, before: Usage) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(90);
    // The history opens its file, and the page its sockets, after the start.
    let most = Usage { descriptors: before.descriptors + 16, threads: before.threads + 8, ..before };
    loop {
        let now = Usage::of(pid);
        if now.descriptors <= most.descriptors && now.threads <= most.threads && now.memory > 0 {
            println!("idle: {before:?} before, {now:?} after");
            return Vec::new();
        }
        if Instant::now() > end {
            return vec![format!("the idle server had {before:?}, and has {now:?}")];
        }
        thread::sleep(Duration::from_millis(500));
    }
}
