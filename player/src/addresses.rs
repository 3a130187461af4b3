//! The addresses of the machines on the interface of the player.

use crate::failure::Failure;
use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::process::{Child, Command, Stdio};

/// Adds addresses to the interface, by one process of ip(8), which reads commands from the player.
///
/// The kernel needs some milliseconds for each address if there are thousands. So a range of which the player assigns
/// the addresses is local by routes, a few for all: the kernel then accepts packets to all of them, and answers ARP.
#[derive(Debug)]
pub struct Addresses {
    interface: String,
    process: Child,
    users: HashMap<IpAddr, usize>,
    assigned: Option<RangeInclusive<Ipv4Addr>>,
}

impl Addresses {
    /// With the range of the addresses that the player assigns.
    pub fn start(interface: &str, assigned: Option<RangeInclusive<Ipv4Addr>>) -> Result<Addresses, Failure> {
        let mut command = Command::new("ip");
        command.args(["-force", "-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command
            .spawn()
            .map_err(|error| Failure::Host(format!("cannot run ip, which iproute2 provides: {error}")))?;
        let mut addresses = Addresses { interface: interface.to_owned(), process, users: HashMap::new(), assigned };
        addresses.change_routes("add");
        // A DHCP server sends unicast frames to the MAC addresses of the machines.
        addresses.command(&format!("link set dev {interface} promisc on"));
        Ok(addresses)
    }

    /// Adds an address, or a user of it.
    pub fn add(&mut self, address: IpAddr) {
        if self.is_assigned(address) {
            return;
        }
        let users = self.users.entry(address).or_default();
        *users += 1;
        if *users == 1 {
            self.command(&format!("address add {} dev {}", entry(address), self.interface));
        }
    }

    /// Removes a user of an address, and with the last one the address.
    pub fn remove(&mut self, address: IpAddr) {
        let Some(users) = self.users.get_mut(&address) else { return };
        *users -= 1;
        if *users == 0 {
            self.users.remove(&address);
            let plain = entry(address).replace(" nodad", "");
            self.command(&format!("address delete {plain} dev {}", self.interface));
        }
    }

    fn is_assigned(&self, address: IpAddr) -> bool {
        matches!((&self.assigned, address), (Some(assigned), IpAddr::V4(address)) if assigned.contains(&address))
    }

    fn change_routes(&mut self, verb: &str) {
        for (network, length) in self.assigned.as_ref().map(networks).unwrap_or_default() {
            self.command(&format!("route {verb} local {network}/{length} dev {}", self.interface));
        }
    }

    /// If ip(8) has ended, the socket that needs the address reports it.
    fn command(&mut self, line: &str) {
        if let Some(stdin) = &mut self.process.stdin {
            _ = writeln!(stdin, "{line}");
        }
    }
}

/// Removes the addresses that are left, and the routes.
impl Drop for Addresses {
    fn drop(&mut self) {
        let left: Vec<IpAddr> = self.users.keys().copied().collect();
        for address in left {
            self.users.insert(address, 1);
            self.remove(address);
        }
        self.change_routes("delete");
        self.command(&format!("link set dev {} promisc off", self.interface));
        drop(self.process.stdin.take());
        _ = self.process.wait();
    }
}

/// An address with its prefix length, for ip(8): a link-local address has that of the link.
fn entry(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) if is_on_link(&address) => format!("{address}/64 nodad"),
        IpAddr::V6(address) => format!("{address}/128 nodad"),
    }
}

/// Whether an address belongs to a link, so that it needs the name of the interface, too.
pub fn is_on_link(address: &Ipv6Addr) -> bool {
    address.is_multicast() || address.is_unicast_link_local()
}

/// The fewest networks that have these addresses and no others, with the length of their prefix.
fn networks(range: &RangeInclusive<Ipv4Addr>) -> Vec<(Ipv4Addr, u32)> {
    let (mut next, last) = (u64::from(u32::from(*range.start())), u64::from(u32::from(*range.end())));
    let mut networks = Vec::new();
    while next <= last {
        // The network begins at `next` and does not reach beyond `last`.
        let bits = (next.trailing_zeros().min(32)).min((last - next + 1).ilog2());
        networks.push((Ipv4Addr::from(next as u32), 32 - bits));
        next += 1 << bits;
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_the_addresses_of_a_range_and_no_others() {
        let networks = |first: &str, last: &str| {
            let networks = networks(&(first.parse().unwrap()..=last.parse().unwrap()));
            networks.iter().map(|(network, length)| format!("{network}/{length}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(networks("10.90.16.0", "10.90.31.255"), "10.90.16.0/20");
        assert_eq!(networks("10.0.0.3", "10.0.0.8"), "10.0.0.3/32 10.0.0.4/30 10.0.0.8/32");
        assert_eq!(networks("0.0.0.0", "255.255.255.255"), "0.0.0.0/0");
        assert_eq!(networks("255.255.255.255", "255.255.255.255"), "255.255.255.255/32");
    }
}
