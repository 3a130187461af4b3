//! The command line of the player.

use clap::Parser;
use proxydhcpd_player::driver::{self, Run};
use proxydhcpd_player::kinds::{KINDS, Kind, by_name};
use proxydhcpd_player::network::RelayOptions;
use proxydhcpd_player::play::Timing;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Duration;

/// Plays whole network boots against the servers of a network.
///
/// Each played machine sends what real firmware, iPXE and an operating system send, with its own MAC address, UUID and
/// IP addresses. The network needs a DHCP server that assigns addresses, and a boot server. Needs root: the player
/// opens a packet socket, and adds the addresses of the machines to the interface while they boot.
///
/// The exit code is 0 if each boot ended as its kind says, 1 if one did not, and 2 if the player cannot run.
#[derive(Debug, Parser)]
#[command(name = "proxydhcpd-player", version)]
struct Arguments {
    /// The interface on which the machines are.
    #[arg(short, long, default_value = "eth0")]
    interface: String,
    /// A kind of boot; may be repeated. Default: all that the network allows.
    #[arg(short, long = "kind", value_parser = parse_kind)]
    kinds: Vec<&'static Kind>,
    /// The number of machines, which take turns among the kinds. Default: one of each kind.
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u32).range(1..=driver::MAX_MACHINES as i64))]
    machines: Option<u32>,
    /// The number of machines that boot at the same time.
    #[arg(long, default_value_t = 50)]
    at_once: usize,
    /// The seed of the machines' identities: the same seed plays the same machines.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The address of a relay that the player runs, in the network of the machines behind it.
    #[arg(long, requires = "servers")]
    relay: Option<Ipv4Addr>,
    /// A server to which the relay forwards; may be repeated.
    #[arg(long = "relay-server")]
    servers: Vec<Ipv4Addr>,
    /// Assign these IPv4 addresses to the machines, FIRST-LAST, instead of a DHCP server of the network. The first one
    /// stands for the DHCP server.
    #[arg(long, value_parser = parse_range)]
    assign: Option<RangeInclusive<Ipv4Addr>>,
    /// End a wait for more offers as soon as all that is needed has arrived. Real firmware waits some seconds.
    #[arg(long)]
    hurry: bool,
    /// The time between two boots of a machine, in seconds.
    #[arg(long, default_value_t = 20)]
    restart: u64,
    /// The limit of one boot, in seconds.
    #[arg(long, default_value_t = 120)]
    limit: u64,
    /// Print the report as JSON: numbers, and durations in seconds.
    #[arg(long)]
    json: bool,
    /// List the kinds of boots, and why each is a good boot.
    #[arg(long)]
    list: bool,
}

fn parse_kind(name: &str) -> Result<&'static Kind, String> {
    by_name(name).ok_or_else(|| format!("no kind has the name {name}; --list shows them"))
}

fn parse_range(text: &str) -> Result<RangeInclusive<Ipv4Addr>, String> {
    let address = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| format!("{text:?} is no IPv4 address"));
    let (first, last) = text.split_once('-').ok_or("write FIRST-LAST, for example 10.0.16.0-10.0.31.255")?;
    let range = address(first)?..=address(last)?;
    (!range.is_empty()).then_some(range).ok_or_else(|| format!("{last} comes before {first}"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for kind in KINDS {
            println!("{:<20} {}", kind.name, kind.why_good);
        }
        return ExitCode::SUCCESS;
    }
    let has_relay = arguments.relay.is_some();
    let kinds = match arguments.kinds.is_empty() {
        true => KINDS.iter().filter(|kind| has_relay || !kind.relayed).collect(),
        false => arguments.kinds,
    };
    let run = Run {
        interface: arguments.interface,
        machines: arguments.machines.map_or(kinds.len(), |count| count as usize),
        kinds,
        at_once: arguments.at_once,
        seed: arguments.seed,
        relay: arguments.relay.map(|address| RelayOptions { address, servers: arguments.servers }),
        assigned: arguments.assign,
        timing: Timing {
            hurries: arguments.hurry,
            restart: Duration::from_secs(arguments.restart),
            limit: Duration::from_secs(arguments.limit),
        },
    };
    match driver::run(&run) {
        Ok(report) => {
            match arguments.json {
                true => println!("{:#}", report.to_json()),
                false => print!("{report}"),
            }
            ExitCode::from(u8::from(report.failures().next().is_some()))
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}
