//! Wakes machines: the magic packet, and where it has to go.

use crate::link::{Link, Network, Network4};
use crate::plan::policy::Policy;
use crate::relay::Relay;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The UDP port of the magic packet: `discard` (RFC 863), which a host that already runs ignores. A network card
/// searches the whole frame, and looks at no port.
pub const PORT: u16 = 9;

/// All nodes of a link (RFC 4291 2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The packet that wakes the network card with this MAC address: six octets of ones, and sixteen times the address (AMD
/// publication 20213).
pub fn magic_packet(mac: [u8; 6]) -> [u8; 102] {
    let mut packet = [0xff; 102];
    packet.chunks_exact_mut(6).skip(1).for_each(|place| place.copy_from_slice(&mac));
    packet
}

/// Where a machine was last seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The name of the interface; empty if it is unknown.
    pub link: &'a str,
    /// The relay that forwarded the machine's last DHCP request.
    pub relay: Option<Relay>,
    /// The last known IP address.
    pub address: Option<IpAddr>,
    /// Whether a DHCP request is known, so that the machine was on the link if no relay forwarded that.
    pub by_dhcp: bool,
}

/// A place to which a magic packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The link on which the packet is sent. `None`: the routing table of the host decides.
    pub link: Option<&'a Link>,
    /// The relay of the machine, if the packet goes to the subnet behind it.
    pub relay: Option<IpAddr>,
    /// The destination address.
    pub to: IpAddr,
    /// The source address; unspecified if the kernel is to choose it.
    pub from: IpAddr,
}

/// Why a magic packet cannot reach the place where a machine was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle<'a> {
    /// The server serves no link.
    NoLink,
    /// The link is not served now. The value is its name.
    LinkGone(&'a str),
    /// The machine is in another subnet, and the server does not know how large that is.
    UnknownSubnet {
        /// The relay, if it is known.
        relay: Option<IpAddr>,
        /// An address in the subnet.
        address: Ipv4Addr,
    },
    /// The machine is in another subnet, of which only IPv6 addresses are known. IPv6 has no directed broadcast.
    OnlyIpv6 {
        /// The relay.
        relay: IpAddr,
    },
}

/// The place to send a magic packet to, or the obstacle, for each place where the machine was seen. A machine that was
/// never seen may be on any served link.
pub fn destinations<'a>(
    policy: &Policy,
    links: &'a [Link],
    seen: &[Seen<'a>],
) -> Vec<Result<Destination<'a>, Obstacle<'a>>> {
    if links.is_empty() {
        return [Err(Obstacle::NoLink)].into();
    }
    let mut found = Vec::new();
    for destination in seen.iter().filter_map(|seen| destination(policy, links, seen)) {
        if !found.contains(&destination) {
            found.push(destination);
        }
    }
    if found.is_empty() { links.iter().filter_map(on_link).map(Ok).collect() } else { found }
}

/// The place for a machine that was seen there; `None` if nothing shows where that is.
fn destination<'a>(
    policy: &Policy,
    links: &'a [Link],
    seen: &Seen<'a>,
) -> Option<Result<Destination<'a>, Obstacle<'a>>> {
    let relay = seen.relay.map(|relay| relay.address);
    Some(match (remote_address(links, seen), relay) {
        (Some(address), _) => beyond_links(policy, links, relay, address),
        (None, Some(relay)) => Err(Obstacle::OnlyIpv6 { relay }),
        (None, None) if seen.link.is_empty() => return None,
        (None, None) => {
            let link = links.iter().find(|link| link.name == seen.link);
            link.and_then(on_link).ok_or(Obstacle::LinkGone(seen.link))
        }
    })
}

/// The place for a machine behind a relay, in the subnet of this address.
fn beyond_links<'a>(
    policy: &Policy,
    links: &'a [Link],
    relay: Option<IpAddr>,
    address: Ipv4Addr,
) -> Result<Destination<'a>, Obstacle<'a>> {
    // The relay is in a network of this host, and so is the machine.
    if let Some(link) = links.iter().find(|link| link.reaches(address)) {
        return on_link(link).ok_or(Obstacle::LinkGone(&link.name));
    }
    let to = subnet(policy, address).and_then(|subnet| subnet.broadcast());
    let to = to.ok_or(Obstacle::UnknownSubnet { relay, address })?;
    Ok(Destination { link: None, relay, to: to.into(), from: Ipv4Addr::UNSPECIFIED.into() })
}

/// An IPv4 address in the machine's subnet, if the machine is beyond the links of this host. The relay states one, or
/// else the machine has one.
fn remote_address(links: &[Link], seen: &Seen<'_>) -> Option<Ipv4Addr> {
    let ipv4 = |address: IpAddr| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    match seen.relay {
        Some(Relay { address, subnet, .. }) => {
            subnet.and_then(ipv4).or_else(|| ipv4(address)).or_else(|| seen.address.and_then(ipv4))
        }
        None if seen.by_dhcp => None,
        None => seen.address.and_then(ipv4).filter(|address| !links.iter().any(|link| link.reaches(*address))),
    }
}

/// The whole of a link.
fn on_link(link: &Link) -> Option<Destination<'_>> {
    let to_all = |to: IpAddr, from: IpAddr| Destination { link: Some(link), relay: None, to, from };
    let ipv4 = link.address().map(|from| to_all(Ipv4Addr::BROADCAST.into(), from.into()));
    ipv4.or_else(|| link.link_local().map(|from| to_all(ALL_NODES.into(), from.into())))
}

/// The subnet of an address, as the configuration states it: in `relayed-subnets`, or else as the condition of a rule.
/// Of several, it is the smallest one, because a rule may be about many subnets together.
fn subnet(policy: &Policy, address: Ipv4Addr) -> Option<Network4> {
    let smallest = |networks: &mut dyn Iterator<Item = &Network>| {
        let containing = networks.filter_map(|network| match network {
            Network::V4(network) if network.contains(address) && network.broadcast().is_some() => Some(*network),
            _ => None,
        });
        containing.max_by_key(|network| network.prefix)
    };
    let rules = || policy.rules.iter().flat_map(|rule| &rule.when.subnets);
    smallest(&mut policy.relayed_subnets.iter()).or_else(|| smallest(&mut rules()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Network6;
    use crate::plan::rule::{Conditions, Rule};

    fn network(address: [u8; 4], prefix: u8) -> Network4 {
        Network4 { address: address.into(), prefix }
    }

    fn links() -> [Link; 2] {
        let link = |index, name: &str, ipv4, ipv6| Link { index, name: name.into(), mtu: 1500, ipv4, ipv6 };
        let local = Network6 { address: "fe80::10".parse().unwrap(), prefix: 64 };
        [
            link(2, "eth0", Vec::from([network([192, 0, 2, 10], 24)]), Vec::from([local])),
            link(3, "eth1", Vec::new(), Vec::from([local])),
        ]
    }

    fn relayed(address: &str, subnet: Option<&str>) -> Seen<'static> {
        let subnet = subnet.map(|subnet| subnet.parse().unwrap());
        let relay = Relay { address: address.parse().unwrap(), reply_to_source_port: false, subnet };
        Seen { link: "eth0", relay: Some(relay), address: None, by_dhcp: true }
    }

    fn policy(subnets: &[Network4], of_rules: &[Network4]) -> Policy {
        let rule = |subnet: &Network4| {
            let when = Conditions { subnets: Vec::from([Network::V4(*subnet)]), ..Conditions::default() };
            Rule { when, ..Rule::default() }
        };
        Policy {
            relayed_subnets: subnets.iter().copied().map(Network::V4).collect(),
            rules: of_rules.iter().map(rule).collect(),
            ..Policy::default()
        }
    }

    /// The destination of the packet for a machine that was seen there.
    fn sent_to(policy: &Policy, seen: Seen<'_>) -> Option<IpAddr> {
        destinations(policy, &links(), &[seen])[0].map(|destination| destination.to).ok()
    }

    #[test]
    fn the_packet_has_ones_and_then_the_address_sixteen_times() {
        let packet = magic_packet([2, 0, 0, 0, 0, 9]);
        assert_eq!((&packet[..12], &packet[96..]), (&b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x09"[..], &packet[6..12]));
        assert!(packet[6..].chunks(6).all(|address| address == [2, 0, 0, 0, 0, 9]));
    }

    #[test]
    fn a_machine_is_woken_on_its_link_or_on_all_links_if_it_was_never_seen() {
        let (links, policy) = (links(), Policy::default());
        let all: Vec<_> = destinations(&policy, &links, &[]).into_iter().map(Result::unwrap).collect();
        let [first, second] = all[..] else { panic!("{all:?}") };
        assert_eq!((first.link, first.to, first.from), (Some(&links[0]), [255; 4].into(), [192, 0, 2, 10].into()));
        assert_eq!((second.link, second.to), (Some(&links[1]), "ff02::1".parse().unwrap()));
        let seen = Seen { link: "eth1", by_dhcp: true, ..Seen::default() };
        assert_eq!(destinations(&policy, &links, &[seen, seen]), [Ok(second)]);
        let gone = Seen { link: "eth9", ..seen };
        assert_eq!(destinations(&policy, &links, &[gone]), [Err(Obstacle::LinkGone("eth9"))]);
        assert_eq!(destinations(&policy, &[], &[seen]), [Err(Obstacle::NoLink)]);
    }

    #[test]
    fn a_machine_behind_a_relay_is_woken_in_its_subnet_if_that_is_known() {
        let building = network([10, 1, 0, 0], 16);
        let room = network([10, 1, 2, 0], 25);
        let broadcast = |octets: [u8; 4]| Some(IpAddr::from(octets));
        assert_eq!(sent_to(&policy(&[building], &[room]), relayed("10.1.2.1", None)), broadcast([10, 1, 255, 255]));
        assert_eq!(sent_to(&policy(&[], &[building, room]), relayed("10.1.2.1", None)), broadcast([10, 1, 2, 127]));
        // The machine's subnet is not that of the relay's own address.
        let elsewhere = relayed("10.1.2.1", Some("10.9.0.1"));
        assert_eq!(
            sent_to(&policy(&[building, network([10, 9, 0, 0], 20)], &[]), elsewhere),
            broadcast([10, 9, 15, 255])
        );
        assert_eq!(sent_to(&policy(&[building], &[]), elsewhere), None);
        // A relay in a network of this host.
        assert_eq!(sent_to(&Policy::default(), relayed("192.0.2.1", None)), broadcast([255; 4]));
    }

    #[test]
    fn a_subnet_that_is_unknown_or_has_no_broadcast_is_an_obstacle() {
        let links = links();
        let unknown = |seen| destinations(&policy(&[network([10, 1, 2, 0], 31)], &[]), &links, &[seen]);
        let relay: IpAddr = "10.1.2.1".parse().unwrap();
        let address = Ipv4Addr::new(10, 1, 2, 1);
        assert_eq!(unknown(relayed("10.1.2.1", None)), [Err(Obstacle::UnknownSubnet { relay: Some(relay), address })]);
        let relay: IpAddr = "2001:db8:1::1".parse().unwrap();
        assert_eq!(unknown(relayed("2001:db8:1::1", None)), [Err(Obstacle::OnlyIpv6 { relay })]);
    }

    #[test]
    fn an_address_beyond_the_links_shows_where_a_machine_of_the_history_is() {
        let seen = Seen { link: "eth0", address: Some([10, 1, 2, 7].into()), ..Seen::default() };
        let known = policy(&[network([10, 1, 2, 0], 24)], &[]);
        assert_eq!(sent_to(&known, seen), Some([10, 1, 2, 255].into()));
        // Its request came without a relay, so that its address belongs to another network of the same link.
        assert_eq!(sent_to(&known, Seen { by_dhcp: true, ..seen }), Some([255; 4].into()));
    }
}
