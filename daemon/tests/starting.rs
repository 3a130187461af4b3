//! Signals that reach a server while it starts. Somebody has a lease on the file of its machines, so a test decides how
//! far it gets. Through the real binary, in network namespaces. Needs root.

mod netns;

use netns::lease::FileLease;
use netns::server::{PROGRAM, Server};
use netns::{Host, Peer};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
fn a_sighup_while_it_starts_is_a_reload_once_it_serves() {
    let (server, lease) = starting(&Host::new());
    lease.wait_until_opened();
    server.signal(Signal::SIGHUP);
    let (new, file) = (server.directory.path().join("new"), server.directory.path().join(MACHINES));
    fs::write(&new, "name,mac\nweb1,52:54:00:00:00:01\nweb2,52:54:00:00:00:02\n").unwrap();
    fs::rename(new, file).unwrap();
    lease.release();
    server.wait_for_line("INFO  reloaded");
    let log = server.log();
    let told = ["1 machine in 1 file", "ready", "2 machines in 1 file", "reloaded"].map(|part| log.find(part));
    assert!(told.is_sorted() && told[0].is_some(), "{log}");
}

#[test]
fn sigterm_and_sigint_end_a_server_that_is_still_reading() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut server, lease) = starting(&Host::new());
        lease.wait_until_opened();
        server.signal(signal);
        assert_eq!(server.exit_code(), Some(0), "{signal}: {}", server.log());
        assert!(!server.log().contains("ready"), "{}", server.log());
    }
}

/// From the first process of a container the kernel keeps signals for which it has no handler.
#[test]
fn sigterm_ends_the_first_process_of_a_container_while_it_starts() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", PROGRAM, "-c"]).arg(configured(directory.path()));
    assert_eq!(status_of_the_caller_of_one_that_is_ended(command, directory.path()), Some(0));
}

#[test]
fn a_background_process_that_is_ended_before_it_serves_is_told_by_the_callers_status() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-d", "-c"]).arg(configured(directory.path()));
    assert_eq!(status_of_the_caller_of_one_that_is_ended(command, directory.path()), Some(1));
}

/// A server that waits for the file of its machines.
fn starting(host: &Host) -> (Server, FileLease) {
    let directory = tempfile::tempdir().unwrap();
    let (machines, lease) = leased_in(directory.path());
    let lines = format!("machine-files = {machines:?}\n");
    (Server::start_configured(host, directory, &lines), lease)
}

/// The file for such a server.
fn configured(directory: &Path) -> PathBuf {
    let config = directory.join("proxydhcpd.toml");
    let [state, machines] = ["state", MACHINES].map(|name| directory.join(name));
    let text = format!("boot-dir = {directory:?}\nstate-dir = {state:?}\nmachine-files = {machines:?}\n");
    fs::write(&config, text).unwrap();
    config
}

fn status_of_the_caller_of_one_that_is_ended(mut command: Command, directory: &Path) -> Option<i32> {
    let (_, lease) = leased_in(directory);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut caller = Peer(Host::new().on(|| command.spawn().unwrap()));
    lease.wait_until_opened();
    let id = caller.0.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    kill(Pid::from_raw(children.trim().parse().unwrap()), Signal::SIGTERM).unwrap();
    caller.0.wait().unwrap().code()
}

const MACHINES: &str = "machines.csv";

fn leased_in(directory: &Path) -> (PathBuf, FileLease) {
    let machines = directory.join(MACHINES);
    fs::write(&machines, "name,mac\nweb1,52:54:00:00:00:01\n").unwrap();
    let lease = FileLease::take(&machines, directory.join("lease"));
    (machines, lease)
}
