//! Tests signals during the start. The server blocks when it opens its machine file, because the file has a lease, so
//! the test controls the progress of the start. Runs the real binary in network namespaces. Needs root.

mod common;

use common::lease::FileLease;
use common::server::{PROGRAM, Server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proxydhcpd_testbed::{Host, Process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
fn sighup_during_the_start_causes_a_reload_after_the_start() {
    let (server, lease) = start_blocked(&Host::new());
    lease.wait_until_opened();
    server.signal(Signal::SIGHUP);
    let (new, file) = (server.directory.path().join("new"), server.directory.path().join(MACHINES));
    fs::write(&new, "name,mac\nweb1,52:54:00:00:00:01\nweb2,52:54:00:00:00:02\n").unwrap();
    fs::rename(new, file).unwrap();
    lease.release();
    server.wait_for_line("INFO  reloaded");
    let log = server.log();
    let positions = ["1 machine in 1 file", "ready", "2 machines in 1 file", "reloaded"].map(|part| log.find(part));
    assert!(positions.is_sorted() && positions[0].is_some(), "{log}");
}

#[test]
fn sigterm_and_sigint_stop_a_server_that_is_still_reading() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut server, lease) = start_blocked(&Host::new());
        lease.wait_until_opened();
        server.signal(signal);
        assert_eq!(server.exit_code(), Some(0), "{signal}: {}", server.log());
        assert!(!server.log().contains("ready"), "{}", server.log());
    }
}

/// The kernel does not deliver a signal to the first process of a container if the process has no handler for it.
#[test]
fn sigterm_stops_the_first_process_of_a_container_during_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Process::command("unshare");
    command.args(["--pid", "--fork", "--kill-child", PROGRAM, "-c"]).arg(write_config(directory.path()));
    assert_eq!(parent_status_after_sigterm(command, directory.path()), Some(0));
}

#[test]
fn the_parent_exits_with_1_if_its_background_process_is_stopped_before_it_serves() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Process::command(PROGRAM);
    command.args(["-d", "-c"]).arg(write_config(directory.path()));
    assert_eq!(parent_status_after_sigterm(command, directory.path()), Some(1));
}

/// Starts a server that blocks, because its machine file has a lease. Returns the server and the lease.
fn start_blocked(host: &Host) -> (Server, FileLease) {
    let directory = tempfile::tempdir().unwrap();
    let (machines, lease) = take_lease(directory.path());
    let lines = format!("machine-files = {machines:?}\n");
    (Server::start_configured(host, directory, &lines), lease)
}

/// Writes a configuration with the machine file [`MACHINES`], and returns the path of the configuration.
fn write_config(directory: &Path) -> PathBuf {
    let config = directory.join("proxydhcpd.toml");
    let [state, machines] = ["state", MACHINES].map(|name| directory.join(name));
    let text = format!("boot-dir = {directory:?}\nstate-dir = {state:?}\nmachine-files = {machines:?}\n");
    fs::write(&config, text).unwrap();
    config
}

fn parent_status_after_sigterm(mut command: Command, directory: &Path) -> Option<i32> {
    let (_, lease) = take_lease(directory);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut parent = Host::new().on(|| Process::spawn(&mut command));
    lease.wait_until_opened();
    let id = parent.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    kill(Pid::from_raw(children.trim().parse().unwrap()), Signal::SIGTERM).unwrap();
    parent.wait().code()
}

const MACHINES: &str = "machines.csv";

fn take_lease(directory: &Path) -> (PathBuf, FileLease) {
    let machines = directory.join(MACHINES);
    fs::write(&machines, "name,mac\nweb1,52:54:00:00:00:01\n").unwrap();
    let lease = FileLease::take(&machines, directory.join("lease"));
    (machines, lease)
}
