//! `status`: what the running server is, where it serves, and what it has seen.

use super::command::{CommandResult, GlobalFlags};
use super::control_client::show;
use crate::api::{HeardServerStatus, Status as Report};
use clap::Args;
use owo_colors::OwoColorize;
use std::fmt::{self, Display};

/// Show the state of the running server
///
/// Its version and uptime, the served interfaces and open ports, the other DHCP and boot servers that it has heard and
/// their effect on it, and how often it did not reply, and why.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd status                          show the state
  proxydhcpd status --json | jq .servers     the other DHCP and boot servers, for a program

Exit status: 0 on success; 1 if the server does not run or this user may not ask it.")]
pub struct Status {
    /// Print JSON: the resource /api/v1/status
    #[arg(long)]
    pub json: bool,
}

/// Prints the state of the running server.
pub fn run(arguments: &Status, flags: &GlobalFlags) -> CommandResult {
    show(flags, "/api/v1/status", arguments.json, |report: &Report| Text(report).to_string())
}

/// The state as text.
struct Text<'a>(&'a Report);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { version, started, uptime_seconds, interfaces, ports, servers, machines, counters } = self.0;
        let started = started.get(.."2026-01-01T00:00:00".len()).unwrap_or(started);
        writeln!(f, "{} {version}, running for {} since {started}Z", "proxydhcpd".bold(), duration(*uptime_seconds))?;
        heading(f, "interfaces")?;
        for interface in interfaces {
            writeln!(f, "  {}  {}", interface.name, interface.addresses.join(", "))?;
        }
        if interfaces.is_empty() {
            writeln!(
                f,
                "  {}",
                "none yet: no interface that the configuration selects is up and has an address".yellow()
            )?;
        }
        heading(f, "ports")?;
        for port in ports {
            writeln!(f, "  {:<5} {}  {}", port.port, port.transport, port.service)?;
        }
        heading(f, "other DHCP and boot servers")?;
        servers.iter().try_for_each(|server| write_server(f, server))?;
        if servers.is_empty() {
            writeln!(f, "  none heard: a machine that boots makes them send offers")?;
        }
        heading(f, "machines")?;
        writeln!(f, "  {machines} with an entry")?;
        heading(f, "not answered, refused or failed, by reason")?;
        for (label, count) in counters {
            writeln!(f, "  {count:>8}  {label}")?;
        }
        if counters.is_empty() {
            writeln!(f, "  none")?;
        }
        Ok(())
    }
}

fn heading(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    writeln!(f, "{}", text.bold())
}

fn write_server(f: &mut fmt::Formatter<'_>, server: &HeardServerStatus) -> fmt::Result {
    let HeardServerStatus { address, interface, effect, interferes, .. } = server;
    write!(f, "  {address}")?;
    if let Some(interface) = interface {
        write!(f, " on {interface}")?;
    }
    if *interferes { writeln!(f, " {}", effect.yellow()) } else { writeln!(f, " {effect}") }
}

/// A duration in its two largest units, such as `3 d 4 h`.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units() {
        let texts = [59, 61, 7265, 100_000].map(duration);
        assert_eq!(texts, ["59 s", "1 min 1 s", "2 h 1 min", "1 d 3 h"]);
    }
}
