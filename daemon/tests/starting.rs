//! Signals that reach a server while it starts. Its machines come from a pipe, so a test decides how far it gets. Through
//! the real binary, in network namespaces. Needs root.

mod netns;

use netns::server::{PROGRAM, Server};
use netns::{Host, Peer, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
fn a_sighup_while_it_starts_is_a_reload_once_it_serves() {
    let (server, pipe) = starting(&Host::new());
    let machines = opened(&pipe);
    server.signal(Signal::SIGHUP);
    write(machines, "name,mac\nweb1,52:54:00:00:00:01\n");
    server.wait_for_line("ready");
    write(opened(&pipe), "name,mac\nweb1,52:54:00:00:00:01\nweb2,52:54:00:00:00:02\n");
    server.wait_for_line("INFO  reloaded");
    let log = server.log();
    let told = ["1 machine in 1 file", "ready", "2 machines in 1 file", "reloaded"].map(|part| log.find(part));
    assert!(told.is_sorted() && told[0].is_some(), "{log}");
}

#[test]
fn sigterm_and_sigint_end_a_server_that_is_still_reading() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut server, pipe) = starting(&Host::new());
        let _machines = opened(&pipe);
        server.signal(signal);
        assert_eq!(server.status(), Some(0), "{signal}: {}", server.log());
        assert!(!server.log().contains("ready"), "{}", server.log());
    }
}

/// From the first process of a container the kernel keeps signals for which it has no handler.
#[test]
fn sigterm_ends_the_first_process_of_a_container_while_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", PROGRAM, "-c"]).arg(configured(folder.path()));
    assert_eq!(status_of_the_caller_of_one_that_is_ended(command, folder.path()), Some(0));
}

#[test]
fn a_background_process_that_is_ended_before_it_serves_is_told_by_the_callers_status() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-d", "-c"]).arg(configured(folder.path()));
    assert_eq!(status_of_the_caller_of_one_that_is_ended(command, folder.path()), Some(1));
}

/// A server whose machines come from a pipe.
fn starting(host: &Host) -> (Server, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe_in(folder.path());
    let lines = format!("machine-files = {pipe:?}\n");
    (Server::configured(host, folder, &lines), pipe)
}

/// The file for such a server.
fn configured(folder: &Path) -> PathBuf {
    let config = folder.join("proxydhcpd.toml");
    fs::write(&config, format!("boot-dir = {folder:?}\nmachine-files = {:?}\n", pipe_in(folder))).unwrap();
    config
}

fn status_of_the_caller_of_one_that_is_ended(mut command: Command, folder: &Path) -> Option<i32> {
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut caller = Peer(Host::new().on(|| command.spawn().unwrap()));
    let _machines = opened(&folder.join(PIPE));
    let id = caller.0.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    kill(Pid::from_raw(children.trim().parse().unwrap()), Signal::SIGTERM).unwrap();
    caller.0.wait().unwrap().code()
}

const PIPE: &str = "machines.csv";

fn pipe_in(folder: &Path) -> PathBuf {
    let pipe = folder.join(PIPE);
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    pipe
}

/// The end for writing, when somebody has the other: from then on he waits for what is written.
fn opened(pipe: &Path) -> File {
    let open = || File::options().write(true).custom_flags(libc::O_NONBLOCK).open(pipe).ok();
    wait_for("the reader of the pipe", open)
}

/// And closes it.
fn write(mut pipe: File, text: &str) {
    pipe.write_all(text.as_bytes()).unwrap();
}
