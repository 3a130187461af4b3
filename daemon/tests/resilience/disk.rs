//! The disk with the state is full. It is a small file system in the mount namespace of the server, so nothing of it
//! remains after the test.

use crate::common::boot_once::{TestSite, machine_url};
use crate::common::server::{PROGRAM, Server, request_loader};
use proxydhcpd_testbed::{wait_for, wait_up_to};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// The history tries again every minute.
const HISTORY_RETRY: Duration = Duration::from_secs(75);

/// Starts the server with its state on a file system of a mebibyte.
fn start() -> (TestSite, Server) {
    let (site, server) = TestSite::start();
    let state = server.directory.path().join("state");
    let mount = format!("mount -t tmpfs -o size=1m none {} && exec \"$0\" \"$@\"", state.display());
    let server = server.kill_and_restart_by(&["sh", "-c", &mount, PROGRAM], &site.host);
    server.wait_for_line("ready");
    (site, server)
}

/// The state directory, as the server sees it.
fn state_of(server: &Server) -> PathBuf {
    let directory = server.directory.path().strip_prefix("/").unwrap();
    PathBuf::from(format!("/proc/{}/root", server.pid())).join(directory).join("state")
}

#[test]
fn with_a_full_disk_machines_boot_once_and_what_could_not_be_written_is_written_later() {
    let (site, server) = start();
    let state = state_of(&server);
    site.fetch(&machine_url("web1", "linux"), &[]);
    wait_for("the first completion", || state.join("boot-once/web1").exists().then_some(()));
    wait_for("the history", || state.join("history.sqlite").exists().then_some(()));

    let fill = state.join("fill");
    let mut file = File::create(&fill).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    drop(file);
    site.fetch(&machine_url("web2", "linux"), &[]);
    server.wait_for_line("the completed boot-once of web2 is forgotten at a restart");
    assert_eq!(site.boots_kernel(), [false, false, true], "it is completed nevertheless");
    assert!(!state.join("boot-once/.web2").exists(), "the beginning of a file is left");
    assert!(request_loader(&site.machine).is_some());
    server.wait_for_line("No space left on device");
    server.wait_for_line("history.sqlite is not written");
    // Everything is tried again every few seconds, and said once.
    site.fetch(&machine_url("web3", "linux"), &[]);
    std::thread::sleep(Duration::from_secs(11));
    assert_eq!(site.boots_kernel(), [false; 3]);
    let log = server.log();
    assert_eq!(log.matches("is forgotten at a restart").count(), 1, "{log}");
    assert!(server.is_running());

    fs::remove_file(&fill).unwrap();
    for machine in ["web2", "web3"] {
        wait_for("the completions", || state.join("boot-once").join(machine).exists().then_some(()));
        let text = fs::read_to_string(state.join("boot-once").join(machine)).unwrap();
        assert!(text.contains("identities 1"), "it is whole: {text:?}");
    }
    assert_eq!(site.boots_kernel(), [false; 3]);
    wait_up_to(HISTORY_RETRY, "the history", || server.log().contains("sqlite is written again").then_some(()));
}
