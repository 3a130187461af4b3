//! A low limit of open files: what is left for clients, and who is told. Through the real binary, in network namespaces. Needs
//! root.

mod netns;

use netns::once::Site;
use netns::server::{PROGRAM, Server};
use nix::sys::signal::Signal;
use std::process::Command;
use std::thread;
use std::time::Duration;

fn limited(files: &str) -> (Site, Server) {
    let (site, server) = Site::start();
    let server = server.killed_and_started_again_by(&["prlimit", files, PROGRAM], &site.host);
    (site, server)
}

#[test]
fn a_start_with_too_few_open_files_to_serve_anybody_fails_with_the_cure() {
    for files in ["--nofile=32", "--nofile=48", "--nofile=64", "--nofile=72"] {
        let (_site, mut server) = limited(files);
        assert_eq!(server.status(), Some(1), "{}", server.log());
        let log = server.log();
        assert!(log.contains("too few open files"), "{files}: {log}");
        assert!(log.contains("LimitNOFILE="), "{files}: {log}");
    }
}

#[test]
fn a_start_with_few_open_files_is_told_and_serves() {
    for (files, told) in [("--nofile=112", true), ("--nofile=256", true), ("--nofile=1024", false)] {
        let (site, server) = limited(files);
        server.wait_for_line("ready");
        let log = server.log();
        assert_eq!(log.contains("leaves too few for clients"), told, "{files}: {log}");
        assert_eq!(log.contains("LimitNOFILE="), told, "{files}: {log}");
        assert_eq!(site.boots(), [true; 3], "{files}: {}", server.log());
    }
}

/// The list that was there stands, and a host that lacks files for an hour does not fill its log.
#[test]
fn interfaces_that_cannot_be_watched_are_a_warning_once_a_minute() {
    let (_site, server) = Site::start();
    let id = server.id().to_string();
    let limit = |files: &str| assert!(Command::new("prlimit").args(["--pid", &id, files]).status().unwrap().success());
    limit("--nofile=16:");
    // A reload watches anew.
    server.signal(Signal::SIGHUP);
    server.wait_for_line("cannot watch the network interfaces");
    thread::sleep(Duration::from_secs(4));
    assert_eq!(server.log().matches("cannot watch the network interfaces").count(), 1, "{}", server.log());
}
