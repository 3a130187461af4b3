//! `probe`: plays clients on the network, and shows which servers answer them.

mod exchange;
mod faults;
mod heard;
mod report;
mod role;

use super::command::{CommandResult, GlobalFlags};
use super::found_fault::{self, FoundFault};
use super::output::{print, print_diagnostic};
use super::progress::Progress;
use crate::config::ConfigError;
use crate::preview::ports;
use crate::preview::{self, Preview};
use clap::Args;
use exchange::Question;
use faults::Circumstances;
pub use faults::NO_BOOT_SERVER;
use proxydhcpd_core::link::Link;
use proxydhcpd_reading::diagnostic::Diagnostic;
pub use role::FIRMWARE;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// The usual time to wait for replies. dnsmasq and ISC dhcpd look for up to three seconds whether another host has the
/// address that they are about to offer.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);

/// Ask the network as machines do, and show which servers answer
///
/// Plays a BIOS, an x64 UEFI (PXE and HTTP boot), an iPXE and a client that does not boot, on every interface that the
/// server would serve, or on those of --interface; over IPv6 an x64 UEFI (PXE and HTTP boot). Shows each offer, and
/// reports what prevents machines from booting: no DHCP server, two boot servers, a DHCP server with option 60 or a
/// boot file, a client that this server does not answer.
///
/// This is harmless: it sends only DHCPDISCOVERs and DHCPv6 SOLICITs, at most two of each kind of client, one kind a
/// second. It never requests an address, so that it takes no lease. All its requests have the MAC address
/// 02:50:58:45:00:01, which is locally administered; the server knows it, and shows no boot of it. A switch with
/// DHCP snooping that compares this address with that of the network card drops the requests.
///
/// Needs root, or CAP_NET_RAW.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd probe                          ask on every interface that is served
  proxydhcpd probe -i eth1                  ask on one interface
  proxydhcpd probe --server 192.0.2.10      ask this server, as a relay and on port 4011
  proxydhcpd probe --json | jq .findings    for scripts

Exit status: 0 if all is well; 1 if there are findings; 2 for wrong usage, an invalid configuration
or missing permissions.")]
pub struct Probe {
    /// Ask only this server: on port 67 as a relay does, and on port 4011
    #[arg(long, value_name = "ADDRESS")]
    server: Option<Ipv4Addr>,

    /// Time to wait for replies to the last request, from 1 to 60 seconds
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_TIMEOUT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The replies that the probe received, and the faults that they prove.
pub struct Probed {
    questions: Vec<Question>,
    links: Vec<Link>,
    /// The faults.
    pub faults: Vec<FoundFault>,
}

/// Probes, prints the replies and the faults, and returns the exit status.
pub fn run(probe: &Probe, flags: &GlobalFlags) -> CommandResult {
    let context = preview::load(&flags.settings)?;
    if probe.server.is_none() && context.links.is_empty() {
        let unserved = preview::unserved_interfaces(&context.filter);
        unserved.iter().for_each(print_diagnostic);
        return Err(refusal("there is no interface to probe: none that is served is up and has an address").into());
    }
    let mut progress = Progress::new();
    let probed = ask(&context, probe.server, Duration::from_secs(probe.timeout), &mut progress);
    progress.clear();
    let Probed { questions, links, faults } = probed.map_err(|error| refusal(&error_text(&error)))?;
    if probe.json {
        print(format_args!("{:#}\n", report::json(&questions, &links, &faults)))?;
    } else {
        let server = probe.server.map(|server| server.to_string());
        print(format_args!("{}\n", report::text(&questions, &links, server.as_deref())))?;
        found_fault::print_all(&faults)?;
    }
    Ok(found_fault::exit_status(&faults))
}

/// Sends the requests to the links that the server would serve, or to this server, and finds the faults.
///
/// # Errors
/// The kernel refuses the sockets.
pub fn ask(
    context: &Preview,
    server: Option<Ipv4Addr>,
    timeout: Duration,
    progress: &mut Progress,
) -> io::Result<Probed> {
    let links = context.links.clone();
    let mut questions = match server {
        None => exchange::on_links(&links),
        Some(server) => exchange::to_server(server, source_address(server)?),
    };
    let is_own = |address: IpAddr| context.all_links.iter().any(|link| link.owns(address));
    exchange::run(&mut questions, &links, timeout, progress, &is_own)?;
    let faults = faults::find(
        &questions,
        &Circumstances {
            site: &context.site,
            links: &links,
            server,
            is_running: ports::is_running(),
            proxy_only: context.loaded.settings.proxy_only,
        },
    );
    Ok(Probed { questions, links, faults })
}

/// Why the probe could not send, with the remedy.
pub fn error_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("cannot open the sockets of the probe: {error}; run it as root, or with CAP_NET_RAW")
        }
        _ => format!("cannot probe: {error}"),
    }
}

fn refusal(message: &str) -> ConfigError {
    ConfigError(vec![Diagnostic::error(message)])
}

/// The address of this host from which packets to the server come.
fn source_address(server: Ipv4Addr) -> io::Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // This sends nothing: it only chooses a route.
    socket.connect((server, 67))?;
    match socket.local_addr()? {
        SocketAddr::V4(address) => Ok(*address.ip()),
        SocketAddr::V6(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}
