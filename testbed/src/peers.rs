//! Other programs for DHCP, which share a network or a host with the server under test.

use crate::{Host, Process, cache, wait_for};
use std::process::Command;

/// Returns a command that runs dnsmasq in the foreground without files of this host: no configuration, no leases.
pub fn dnsmasq() -> Command {
    let mut command = Process::command("dnsmasq");
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="]);
    command.arg("--leasefile-ro");
    command
}

/// Starts dnsmasq on a host with more options, and returns when it has opened its sockets on this UDP port.
pub fn start_dnsmasq(host: &Host, port: u16, options: &str) -> Process {
    let before = host.udp_sockets(port);
    let dnsmasq = host.on(|| Process::spawn(dnsmasq().args(options.split_whitespace())));
    wait_for("dnsmasq", || (host.udp_sockets(port) > before).then_some(()));
    dnsmasq
}

/// Returns a command that runs ISC's dhclient on eth0 as an ordinary client. It prints `bound to` and its lease on
/// standard error.
pub fn dhclient() -> Command {
    let mut command = Process::command(cache::path("tools/dhclient"));
    // The script of dhclient would configure the interface. The tests need only the lease.
    command.args(["-4", "-d", "-v", "-1", "-sf", "/bin/true", "--no-pid", "-lf", "/dev/null", "eth0"]);
    command
}
