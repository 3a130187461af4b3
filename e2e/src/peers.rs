//! The other programs on the network, none of them ours: the primary DHCP server, a relay, a TFTP server, a client.

use crate::cache;
use crate::work_dir::WorkDir;
use crate::net::Host;
use crate::process::Process;
use crate::server;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(20);

/// The DHCP server that is already there: addresses, and not a word about booting.
pub fn dhcp_server(lab: &WorkDir, host: &Host, range: &str, options: &[&str]) -> Result<Process> {
    let mut command = dnsmasq();
    command.args(["--dhcp-authoritative", "--no-ping", "--leasefile-ro"]);
    command.arg(format!("--dhcp-range={range}")).args(options);
    start_dnsmasq(lab, host, "primary", &command)
}

/// What makes any dnsmasq send router advertisements for the prefix. iPXE pauses 16 s on a link without (protocol.md
/// 3.6), and would be taken for a slow server of ours.
pub const ADVERTISE: [&str; 2] = ["--enable-ra", "--dhcp-range=fd77::,ra-only"];

/// A DHCPv6 server, with or without router advertisements, and not a word about booting.
pub fn dhcp6_server(lab: &WorkDir, host: &Host, options: &[&str]) -> Result<Process> {
    let mut command = dnsmasq();
    command.arg("--leasefile-ro").args(options);
    start_dnsmasq(lab, host, "primary6", &command)
}

/// A router's own dnsmasq, for the router advertisements of a segment without a DHCP server.
pub fn advertiser(lab: &WorkDir, host: &Host, interface: &str) -> Result<Process> {
    let mut command = dnsmasq();
    command.arg(format!("--interface={interface}")).args(ADVERTISE);
    start_dnsmasq(lab, host, "advertiser", &command)
}

/// A router's radvd: it says that addresses in this network are leased, and does not lease them.
pub fn managed_router(lab: &WorkDir, host: &Host, interface: &str, network: &str) -> Result<Process> {
    let file = lab.file("radvd.conf");
    let prefix = format!("prefix {network} {{ AdvAutonomous off; }};");
    let flags = "AdvSendAdvert on; AdvManagedFlag on; AdvOtherConfigFlag on;";
    fs::write(&file, format!("interface {interface} {{ {flags} {prefix} }};\n"))?;
    let mut command = Command::new(cache::path("tools/radvd")?);
    command.args(["--nodaemon", "--logmethod=stderr", "--debug=1", "--config"]).arg(&file);
    command.arg("--pidfile").arg(lab.socket("radvd.pid"));
    let mut process = Process::start(lab, &host.namespace, "radvd", &command)?;
    process.wait_for("version ", START)?;
    Ok(process)
}

/// A TFTP server that knows nothing of us.
pub fn tftp_server(lab: &WorkDir, host: &Host, root: &Path) -> Result<Process> {
    let mut command = dnsmasq();
    command.arg("--enable-tftp").arg(format!("--tftp-root={}", root.display()));
    start_dnsmasq(lab, host, "tftp-server", &command)
}

fn dnsmasq() -> Command {
    let mut command = Command::new("dnsmasq");
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file"]);
    command.args(["--log-facility=-", "--no-resolv", "--no-hosts"]);
    command
}

fn start_dnsmasq(lab: &WorkDir, host: &Host, name: &str, command: &Command) -> Result<Process> {
    let mut process = Process::start(lab, &host.namespace, name, command)?;
    // Said after its sockets are open.
    process.wait_for("started, version", START)?;
    Ok(process)
}

/// A boot server beside ours that sends UEFI straight to its file, as one does whose port 4011 is taken: EDK2 prefers
/// such an offer to one that asks for a second visit.
pub fn boot_server(lab: &WorkDir, host: &Host, directory: &Path) -> Result<[Process; 2]> {
    let start_one = |name: &str, arguments: &[&str]| -> Result<Process> {
        let mut command = Command::new(server::binary()?);
        command.arg("--boot-dir").arg(directory).args(arguments);
        command.env("STATE_DIRECTORY", lab.file(&format!("state-{name}")));
        let mut process = Process::start(lab, &host.namespace, name, &command)?;
        process.wait_for("ready", START)?;
        Ok(process)
    };
    Ok([start_one("holder", &["--proxy-only", "--no-tftp", "--no-http"])?, start_one("another", &[])?])
}

/// ISC's relay, from the interface `down` to these servers behind `up`. It adds option 82, as relays in switches do.
pub fn relay(lab: &WorkDir, host: &Host, down: &str, up: &str, servers: &[&str]) -> Result<Process> {
    let mut command = Command::new(cache::path("tools/dhcrelay")?);
    command.args(["-4", "-d", "--no-pid", "-a", "-id", down, "-iu", up]).args(servers);
    let mut process = Process::start(lab, &host.namespace, "relay", &command)?;
    process.wait_for("Sending on   Socket/fallback", START)?;
    Ok(process)
}

/// The same for DHCPv6.
pub fn relay6(lab: &WorkDir, host: &Host, down: &str, up: &str, servers: &[&str]) -> Result<Process> {
    let mut command = Command::new(cache::path("tools/dhcrelay")?);
    command.args(["-6", "-d", "--no-pid", "-I", "-l", down]);
    for server in servers {
        command.arg("-u").arg(format!("{server}%{up}"));
    }
    let mut process = Process::start(lab, &host.namespace, "relay6", &command)?;
    process.wait_for("Sending on   Socket/", START)?;
    Ok(process)
}

/// An ordinary DHCP client, asking for an address as any laptop does; returns once it has one.
pub fn plain_client(lab: &WorkDir, host: &Host) -> Result<Process> {
    let mut command = Command::new(cache::path("tools/dhclient")?);
    // Its script would configure the interface; the lease is enough.
    command.args(["-4", "-d", "-v", "-1", "-sf", "/bin/true", "--no-pid", "-lf"]);
    command.arg(lab.file("plain-client.leases")).arg("eth0");
    let mut process = Process::start(lab, &host.namespace, "plain-client", &command)?;
    process.wait_for("bound to ", Duration::from_secs(60))?;
    Ok(process)
}
