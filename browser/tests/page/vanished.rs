//! Browsers that stop to read, or that vanish, delay neither boots nor other users.

use anyhow::{Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proxydhcpd_browser::board::{ADDRESS, Board};
use proxydhcpd_browser::browser::{Browser, Options, is_running};
use proxydhcpd_browser::played_site::{self, PlayedSite, RULES};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_testbed::{wait_for, wait_up_to};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

cases![
    a_browser_that_stops_or_vanishes_with_50_streams_delays_nothing,
    nothing_of_a_browser_remains_if_its_case_panics,
];

/// The names of the server. A browser opens at most six connections to each, and the page itself has one.
const NAMES: usize = 9;
const STREAMS_OF_NAME: usize = 5;
/// The time for which the browser stops.
const STOPPED: Duration = Duration::from_secs(20);

/// Opens streams of events that nothing reads.
const OPEN_STREAMS: &str = "\
window.streams = [];
for (let number = 0; number < arguments[0]; number += 1) {
  fetch('/api/v1/events').then((response) => { window.streams.push(response.body.getReader()); });
}";

fn a_browser_that_stops_or_vanishes_with_50_streams_delays_nothing(work: &WorkDir) -> Result<()> {
    let names: Vec<String> = (1..=NAMES).map(|number| format!("n{number}.example")).collect();
    let run = played_site::run_of(played_site::kinds(&["uefi-x64", "bios", "uefi-http"])?, 30, 7);
    let site = PlayedSite::new()?;
    let lines = format!("{RULES}[web]\nlisten = [\"{ADDRESS}:8067\"]\nnames = {names:?}\n");
    let mut board = Board::start(work, &site.segment, &site.server, &site.boot, &lines)?;
    let rules: Vec<String> = names.iter().map(|name| format!("MAP {name} {ADDRESS}")).collect();
    let rules = format!("--host-resolver-rules={}", rules.join(", "));
    let options = Options { arguments: &[&rules], ..Options::default() };
    let browser = Browser::with_options(work, &board.desk, "browser", options)?;
    for name in &names {
        browser.open_tab()?;
        enter(&board, &browser, name)?;
        browser.call(OPEN_STREAMS, &[STREAMS_OF_NAME.into()])?;
        browser.wait_for(&format!("window.streams.length === {}", STREAMS_OF_NAME))?;
    }
    let streams = connections(&board);
    ensure!(streams >= 50, "only {streams} streams are open");
    work.log_progress(&format!("{streams} connections"));
    let undisturbed = slowest(&site, &run)?;

    let processes = browser.processes();
    signal(&processes, Signal::SIGSTOP);
    let start = Instant::now();
    let stopped = slowest(&site, &run)?;
    wait_up_to(STOPPED * 2, "the time of the stop", || (start.elapsed() > STOPPED).then_some(()));
    let still_stopped = slowest(&site, &run)?;
    signal(&processes, Signal::SIGCONT);
    signal(&browser.processes(), Signal::SIGKILL);
    let vanished = slowest(&site, &run)?;
    work.log_progress(&format!("slowest boots: {undisturbed:?} {stopped:?} {still_stopped:?} {vanished:?}"));
    for delayed in [stopped, still_stopped, vanished] {
        ensure!(
            delayed < undisturbed * 2 + Duration::from_secs(2),
            "a boot took {delayed:?}, and {undisturbed:?} before"
        );
    }
    wait_for("the end of the connections", || (connections(&board) == 0).then_some(()));
    drop(browser);

    // Another browser is served, and the server stops at once although that one vanishes, too.
    let browser = Browser::start(work, &board.desk, "other")?;
    enter(&board, &browser, ADDRESS)?;
    signal(&browser.processes(), Signal::SIGSTOP);
    let start = Instant::now();
    board.process.signal(Signal::SIGTERM);
    board.process.wait_for_success(Duration::from_secs(10))?;
    ensure!(start.elapsed() < Duration::from_secs(3), "the server stopped after {:?}", start.elapsed());
    Ok(())
}

/// Lets the browser in under this name of the server, and waits until the board is live.
fn enter(board: &Board<'_>, browser: &Browser<'_>, name: &str) -> Result<()> {
    let link = board.command(&["web", "link"])?;
    let Some((_, secret)) = link.split_once("/start/") else { bail!("no link: {link}") };
    browser.open(&format!("https://{name}:8067/start/{}", &secret[..64]))?;
    browser.click_on("Continue without")?;
    browser.wait_for("location.pathname === '/' && document.querySelector('[data-live]').innerText.includes('live')")
}

/// Plays the boots, and returns the duration of the slowest.
fn slowest(site: &PlayedSite, run: &proxydhcpd_player::driver::Run) -> Result<Duration> {
    let report = site.play(run)?;
    let failures: Vec<String> = report.failures().map(|(boot, failure)| format!("{}: {failure}", boot.kind)).collect();
    ensure!(failures.is_empty(), "{failures:#?}");
    Ok(report.boots.iter().map(|boot| boot.duration).max().unwrap_or_default())
}

/// The connections to the page that the server has (state 01, Linux's Documentation/networking/proc_net_tcp.rst).
fn connections(board: &Board<'_>) -> usize {
    let tables =
        board.host.on(|| ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/thread-self/net/{table}"))));
    let is_open = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|local| local.ends_with(":1F83")) && fields.get(3) == Some(&"01")
    };
    tables.iter().flatten().map(|table| table.lines().filter(is_open).count()).sum()
}

fn signal(processes: &[u32], signal: Signal) {
    for process in processes {
        // It may have ended since.
        let _ = kill(Pid::from_raw(*process as i32), signal);
    }
}

fn nothing_of_a_browser_remains_if_its_case_panics(work: &WorkDir) -> Result<()> {
    let host = proxydhcpd_testbed::Host::new();
    let mut processes = Vec::new();
    let profile = work.socket("browser");
    let panics = || {
        let browser = Browser::start(work, &host, "browser").unwrap();
        processes = browser.processes();
        assert!(profile.exists());
        panic!("as a case that fails");
    };
    ensure!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "the case did not panic");
    ensure!(processes.len() > 3 && !profile.exists(), "the profile remains");
    ensure!(!processes.iter().any(|process| is_running(*process)), "a process of {processes:?} remains");
    Ok(())
}
