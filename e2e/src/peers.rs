//! The programs on the test network besides proxydhcpd: the site's DHCP server, a relay, a TFTP server, a client.

use crate::process::Process;
use crate::server;
use crate::work_dir::WorkDir;
use anyhow::Result;
use proxydhcpd_testbed::{Host, cache, peers};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Starts the site's DHCP server, which assigns addresses and sends no boot options.
pub fn dhcp_server(work: &WorkDir, host: &Host, range: &str, options: &[&str]) -> Result<Process> {
    let mut command = dnsmasq();
    command.args(["--dhcp-authoritative", "--no-ping"]);
    command.arg(format!("--dhcp-range={range}")).args(options);
    start_dnsmasq(work, host, "dhcp-server", &mut command)
}

/// The options with which dnsmasq sends router advertisements for the prefix. Without advertisements, iPXE pauses for
/// 16 s (protocol.md 3.6), and the server would seem to be slow.
pub const ADVERTISE: [&str; 2] = ["--enable-ra", "--dhcp-range=fd77::,ra-only"];

/// Starts a DHCPv6 server that sends no boot options. `options` decide whether it sends router advertisements.
pub fn dhcp6_server(work: &WorkDir, host: &Host, options: &[&str]) -> Result<Process> {
    let mut command = dnsmasq();
    command.args(options);
    start_dnsmasq(work, host, "dhcp6-server", &mut command)
}

/// Starts a dnsmasq on a router. It sends the router advertisements of a segment without a DHCP server.
pub fn advertiser(work: &WorkDir, host: &Host, interface: &str) -> Result<Process> {
    let mut command = dnsmasq();
    command.arg(format!("--interface={interface}")).args(ADVERTISE);
    start_dnsmasq(work, host, "advertiser", &mut command)
}

/// Starts radvd on a router, with the managed flag: another server leases the addresses of this network.
pub fn managed_router(work: &WorkDir, host: &Host, interface: &str, network: &str) -> Result<Process> {
    let file = work.file("radvd.conf");
    let prefix = format!("prefix {network} {{ AdvAutonomous off; }};");
    let flags = "AdvSendAdvert on; AdvManagedFlag on; AdvOtherConfigFlag on;";
    fs::write(&file, format!("interface {interface} {{ {flags} {prefix} }};\n"))?;
    let mut command = Process::command(cache::path("tools/radvd"));
    command.args(["--nodaemon", "--logmethod=stderr", "--debug=1", "--config"]).arg(&file);
    command.arg("--pidfile").arg(work.socket("radvd.pid"));
    let mut process = Process::start(work, host, "radvd", &mut command)?;
    process.wait_for("version ", START_TIMEOUT)?;
    Ok(process)
}

/// Starts a TFTP server that is independent of the server under test.
pub fn tftp_server(work: &WorkDir, host: &Host, root: &Path) -> Result<Process> {
    let mut command = dnsmasq();
    command.arg("--enable-tftp").arg(format!("--tftp-root={}", root.display()));
    start_dnsmasq(work, host, "tftp-server", &mut command)
}

/// dnsmasq without files of this host, which logs to standard error.
fn dnsmasq() -> Command {
    let mut command = peers::dnsmasq();
    command.args(["--log-facility=-", "--no-resolv", "--no-hosts"]);
    command
}

fn start_dnsmasq(work: &WorkDir, host: &Host, name: &str, command: &mut Command) -> Result<Process> {
    let mut process = Process::start(work, host, name, command)?;
    // dnsmasq prints this line after it has opened its sockets.
    process.wait_for("started, version", START_TIMEOUT)?;
    Ok(process)
}

/// Starts another boot server. Its port 4011 is in use, so it names the file in its offer. EDK2 prefers such an offer
/// to an offer that requires a second request.
pub fn boot_server(work: &WorkDir, host: &Host, directory: &Path) -> Result<[Process; 2]> {
    let start_one = |name: &str, arguments: &[&str]| -> Result<Process> {
        let mut command = Process::command(server::binary()?);
        command.arg("--boot-dir").arg(directory).args(arguments);
        let state = work.file(&format!("state-{name}"));
        command.env("STATE_DIRECTORY", &state).env("RUNTIME_DIRECTORY", state);
        let mut process = Process::start(work, host, name, &mut command)?;
        process.wait_for("ready", START_TIMEOUT)?;
        Ok(process)
    };
    Ok([start_one("port-owner", &["--proxy-only", "--no-tftp", "--no-http"])?, start_one("another", &[])?])
}

/// Starts ISC's relay from the interface `down` to these servers on `up`. The relay adds option 82, as relays in
/// switches do.
pub fn relay(work: &WorkDir, host: &Host, down: &str, up: &str, servers: &[&str]) -> Result<Process> {
    let mut command = Process::command(cache::path("tools/dhcrelay"));
    command.args(["-4", "-d", "--no-pid", "-a", "-id", down, "-iu", up]).args(servers);
    let mut process = Process::start(work, host, "relay", &mut command)?;
    process.wait_for("Sending on   Socket/fallback", START_TIMEOUT)?;
    Ok(process)
}

/// Starts ISC's relay for DHCPv6.
pub fn relay6(work: &WorkDir, host: &Host, down: &str, up: &str, servers: &[&str]) -> Result<Process> {
    let mut command = Process::command(cache::path("tools/dhcrelay"));
    command.args(["-6", "-d", "--no-pid", "-I", "-l", down]);
    for server in servers {
        command.arg("-u").arg(format!("{server}%{up}"));
    }
    let mut process = Process::start(work, host, "relay6", &mut command)?;
    process.wait_for("Sending on   Socket/", START_TIMEOUT)?;
    Ok(process)
}

/// Starts an ordinary DHCP client, as on a laptop. Returns when the client has an address.
pub fn plain_client(work: &WorkDir, host: &Host) -> Result<Process> {
    let mut process = Process::start(work, host, "plain-client", &mut peers::dhclient())?;
    process.wait_for("bound to ", Duration::from_secs(60))?;
    Ok(process)
}
