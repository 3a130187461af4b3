//! Tests that the real server detects boot loops. Needs root.

mod common;

use common::server::{Server, one_network, request_loader, vector};
use proxydhcpd_testbed::raw::RawSocket;
use proxydhcpd_testbed::{Host, wait_for};
use std::process::Command;

/// The MAC address that the machine has in its REQUEST, and in its request to port 4011.
const MAC: &str = "02:00:00:00:01:07";

#[test]
fn a_machine_that_fetches_its_loader_for_the_third_time_is_reported_with_the_likely_cause() {
    let (host, machine) = one_network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    loop_three_times(&server, &machine);
    let log = server.log();
    let line = log.lines().find(|line| line.contains("for the third time")).unwrap();
    assert!(line.contains(MAC) && line.contains("ipxe.efi") && line.contains("No iPXE sent a request"), "{line}");
    assert!(request_loader(&machine).is_some(), "the server still answers it");
}

#[test]
fn with_loop_guard_stop_the_machine_gets_no_reply_for_a_while() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "[dhcp]\nloop-guard = \"stop\"\n");
    loop_three_times(&server, &machine);
    assert_eq!(request_loader(&machine), None);
    server.wait_for_line("it gets no reply for five minutes");
}

/// The machine requests its address by broadcast, and fetches the same loader three times.
fn loop_three_times(server: &Server, machine: &Host) {
    wait_for("the server", || request_loader(machine));
    let (from, to) = ("0.0.0.0:68".parse().unwrap(), "255.255.255.255:67".parse().unwrap());
    machine.on(|| RawSocket::open().send(&from, &to, &vector("ovmf-x64-request-to-primary")));
    for _ in 0..3 {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--output",
            "/dev/null",
            "tftp://192.0.2.10/ipxe.efi",
        ]);
        let output = machine.on(|| curl.output().expect("curl is missing: run e2e/setup"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    server.wait_for_line("for the third time");
}
