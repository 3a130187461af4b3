//! A copy of this host's firewall in a temporary network namespace, with a neighbour that sends packets to it.
//!
//! The copy has an interface with the name and the addresses of a served link, and the rules of `nft list ruleset`. So
//! a packet meets the same rules as on the host, but no rule, no interface and no connection of the host changes.

use super::command::{input_to, output_of};
use crate::net::namespace::Namespace;
use nix::net::if_::if_nameindex;
use proxydhcpd_core::link::Link;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The interface of the neighbour.
pub const NEIGHBOUR: &str = "neighbour";
/// The link-local address of the neighbour.
pub const NEIGHBOUR6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x50, 0x58ff, 0xfe45, 1);

/// The two ends of a cable.
pub struct Replica {
    /// The copy of this host.
    pub host: Namespace,
    /// Its neighbour on the link. It has no IPv4 address at first, as a machine that boots.
    pub neighbour: Namespace,
}

impl Replica {
    /// Copies the rules and one link of this host.
    ///
    /// # Errors
    /// The kernel or `ip` refuses a part of it, or `nft` does not accept the rules that it has listed.
    pub fn new(link: &Link, ruleset: &str) -> io::Result<Replica> {
        let others = if_nameindex()?;
        let others: Vec<String> =
            others.into_iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect();
        let (host, neighbour) = (Namespace::new()?, Namespace::new()?);
        host.on(|| {
            without_duplicate_detection();
            ip("link set lo up")?;
            let (name, path) = (&link.name, neighbour.path());
            ip(&format!("link add {name} type veth peer name {NEIGHBOUR} netns {}", path.display()))?;
            // Rules may name other interfaces, which must exist when the rules are loaded.
            for (number, other) in others.iter().enumerate().filter(|(_, other)| *other != "lo" && **other != **name) {
                ip(&format!("link add {other} type veth peer name doctor-{number}")).ok();
            }
            for network in &link.ipv4 {
                ip(&format!("address add {}/{} dev {name}", network.address, network.prefix))?;
            }
            for network in &link.ipv6 {
                // A host without IPv6 in this namespace still tests IPv4.
                ip(&format!("address add {}/{} dev {name} nodad", network.address, network.prefix)).ok();
            }
            ip(&format!("link set {name} mtu {} up", link.mtu.max(1280)))?;
            input_to("nft", &["-f", "-"], ruleset)
        })?;
        neighbour.on(|| {
            without_duplicate_detection();
            ip(&format!("link set {NEIGHBOUR} mtu {} up", link.mtu.max(1280)))?;
            ip(&format!("address add {NEIGHBOUR6}/64 dev {NEIGHBOUR} nodad")).ok();
            Ok(())
        })?;
        Ok(Replica { host, neighbour })
    }

    /// Gives the neighbour an IPv4 address, as a DHCP server does.
    ///
    /// # Errors
    /// `ip` refuses the address.
    pub fn assign_address(&self, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        self.neighbour.on(|| ip(&format!("address add {address}/{prefix} dev {NEIGHBOUR}")))
    }
}

/// Lets this namespace use IPv6 addresses at once. /proc/sys may be read-only in a container; the addresses of the copy
/// have the flag `nodad`, too.
fn without_duplicate_detection() {
    fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").ok();
}

fn ip(words: &str) -> io::Result<()> {
    output_of("ip", &words.split(' ').collect::<Vec<_>>()).map(drop)
}
