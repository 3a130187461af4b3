//! Tests with a low limit of open files: how many the server leaves for clients, and the warnings. Runs the real binary
//! in network namespaces. Needs root.

mod common;

use common::boot_once::TestSite;
use common::server::{PROGRAM, Server};
use nix::sys::signal::Signal;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::Duration;

fn start_limited(files: &str) -> (TestSite, Server) {
    let (site, server) = TestSite::start();
    let server = server.kill_and_restart_by(&["prlimit", files, PROGRAM], &site.host);
    (site, server)
}

#[test]
fn a_start_with_too_few_open_files_fails_with_advice() {
    for files in
        ["--nofile=12", "--nofile=16", "--nofile=20", "--nofile=32", "--nofile=48", "--nofile=64", "--nofile=72"]
    {
        let (_site, mut server) = start_limited(files);
        assert_eq!(server.exit_code(), Some(1), "{}", server.log());
        let log = server.log();
        assert!(log.contains("too few open files"), "{files}: {log}");
        assert!(log.contains("LimitNOFILE="), "{files}: {log}");
    }
}

#[test]
fn a_start_with_few_open_files_logs_a_warning_and_serves() {
    for (files, warned) in [("--nofile=112", true), ("--nofile=256", true), ("--nofile=1024", false)] {
        let (site, server) = start_limited(files);
        server.wait_for_line("ready");
        let log = server.log();
        assert_eq!(log.contains("leaves too few for clients"), warned, "{files}: {log}");
        assert_eq!(log.contains("LimitNOFILE="), warned, "{files}: {log}");
        assert_eq!(site.boots_kernel(), [true; 3], "{files}: {}", server.log());
    }
}

#[test]
fn clients_without_room_are_counted_in_the_last_line_of_the_log() {
    let (site, mut server) = start_limited("--nofile=112");
    server.wait_for_line("ready");
    let (requests, pages): (Vec<UdpSocket>, Vec<TcpStream>) = site.machine.on(|| {
        let request = |_| {
            let socket = UdpSocket::bind("192.0.2.107:0").unwrap();
            socket.send_to(b"\0\x01linux\0octet\0", "192.0.2.10:69").unwrap();
            socket
        };
        let fetch = |_| {
            let mut page = TcpStream::connect("192.0.2.10:8080").unwrap();
            let _ = page.write_all(b"GET /linux HTTP/1.1\r\nHost: x\r\n\r\n");
            page
        };
        ((0..9).map(request).collect(), (0..9).map(fetch).collect())
    });
    server.wait_for_line("the limit of open files allows no more transfers");
    server.wait_for_line("HTTP connections are in use: closed one from 192.0.2.107");
    drop((requests, pages));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), Some(0));
    let log = server.log();
    let last = log.lines().last().unwrap();
    assert!(last.contains("stopped; not answered: "), "{last}");
    for label in ["tftp:open-file-limit 3", "http:connection-limit 2"] {
        assert!(last.contains(label), "{label}: {last}");
    }
}

/// The server keeps its list of interfaces, and does not flood the log while no descriptor is free.
#[test]
fn a_failure_to_watch_the_interfaces_causes_one_warning_a_minute() {
    let (_site, server) = TestSite::start();
    let id = server.pid().to_string();
    let limit = |files: &str| assert!(Command::new("prlimit").args(["--pid", &id, files]).status().unwrap().success());
    limit("--nofile=16:");
    // A reload makes the server watch the interfaces anew.
    server.signal(Signal::SIGHUP);
    server.wait_for_line("cannot watch the network interfaces");
    thread::sleep(Duration::from_secs(4));
    assert_eq!(server.log().matches("cannot watch the network interfaces").count(), 1, "{}", server.log());
}
