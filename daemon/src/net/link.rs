//! Lists and watches the served interfaces. A notification of the kernel only causes a new listing. Its content is
//! never applied to the list, so that a lost notification, a rename or a burst cannot make the list wrong.

use futures_util::{FutureExt, Stream, StreamExt, TryStreamExt};
use proxydhcpd_core::link::{Link, Network4, Network6};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use rtnetlink::packet_route::link::{InfoPortKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::{Handle, MulticastGroup, new_connection, new_multicast_connection};
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

/// Selects the interfaces to serve. Empty lists select every interface on which machines can boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFilter {
    /// Names of interfaces, in which `*` matches any characters and `?` matches one character.
    pub interfaces: Vec<String>,
    /// Addresses of this host. A link that has none of them is not served. On other links, only these addresses are
    /// served. If this list has no address of a family, all addresses of that family are served. IPv6 link-local
    /// addresses are always served.
    pub addresses: Vec<IpAddr>,
    /// Interfaces to serve over IPv4, as names or patterns like those of `interfaces`. `None` for all.
    pub ipv4: Option<Vec<String>>,
    /// Interfaces to serve over IPv6, as names or patterns like those of `interfaces`. `None` for all.
    pub ipv6: Option<Vec<String>>,
}

/// Publishes the list of served links now and after every change. Never returns: while the kernel does not respond, the
/// last list remains in use, and `report_error` gets each error. A new attempt follows after a second.
pub async fn watch(
    filter: LinkFilter,
    mut publish: impl FnMut(Vec<Link>),
    mut report_error: impl FnMut(io::Error),
) -> Infallible {
    let mut published = None;
    loop {
        let error = match follow(&filter, &mut published, &mut publish).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        report_error(error);
        tokio::time::sleep(RETRY).await;
    }
}

/// Returns the links that are served now. Blocks for some milliseconds, until the kernel replies.
pub fn list(filter: &LinkFilter) -> io::Result<Vec<Link>> {
    run_on_thread(async |handle| served_links(handle, filter).await)
}

/// Runs a netlink query, and waits for the result.
pub(super) fn run_on_thread<T: Send>(ask: impl AsyncFnOnce(&Handle) -> io::Result<T> + Send) -> io::Result<T> {
    let ask = || {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let (connection, handle, _) = new_connection()?;
            tokio::select! {
                _ = connection => Err(closed()),
                answer = ask(&handle) => answer,
            }
        })
    };
    // The query has a separate thread, because a runtime cannot run inside another runtime.
    thread::scope(|scope| scope.spawn(ask).join()).unwrap_or_else(|_| Err(io::Error::other("the listing failed")))
}

/// Notifications within this time cause only one listing: a bridge that comes up causes a dozen notifications.
const BURST: Duration = Duration::from_millis(100);

/// Delay before a new netlink socket replaces a failed one.
const RETRY: Duration = Duration::from_secs(1);

/// Timeout of a listing, after which the query is sent again: the reply may have been lost.
const LISTING_TIMEOUT: Duration = Duration::from_secs(5);

async fn follow(
    filter: &LinkFilter,
    published: &mut Option<Vec<Link>>,
    publish: &mut impl FnMut(Vec<Link>),
) -> io::Result<Infallible> {
    // Subscribes before it lists, so that no change is missed.
    let (connection, handle, mut changes) =
        new_multicast_connection(&[MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr])?;
    let followed = async {
        loop {
            let links = served_links(&handle, filter).await?;
            if published.as_ref() != Some(&links) {
                *published = Some(links.clone());
                publish(links);
            }
            // Any message causes a new listing, including the message that notifications were lost.
            changes.next().await.ok_or_else(closed)?;
            tokio::time::sleep(BURST).await;
            drain(&mut changes).await;
        }
    };
    tokio::select! {
        _ = connection => Err(closed()),
        ended = followed => ended,
    }
}

/// Discards the queued notifications. A later notification causes a new listing.
async fn drain(changes: &mut (impl Stream + Unpin)) {
    while let Some(Some(_)) = changes.next().now_or_never() {}
}

/// All interfaces and all addresses.
pub(super) async fn dump(handle: &Handle) -> io::Result<(Vec<LinkMessage>, Vec<AddressMessage>)> {
    let dumps = async {
        let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
        let addresses: Vec<AddressMessage> = handle.address().get().execute().try_collect().await?;
        Ok::<_, rtnetlink::Error>((links, addresses))
    };
    tokio::time::timeout(LISTING_TIMEOUT, dumps).await?.map_err(io::Error::other)
}

async fn served_links(handle: &Handle, filter: &LinkFilter) -> io::Result<Vec<Link>> {
    let (links, addresses) = dump(handle).await?;
    let mut links: Vec<Link> = links.iter().filter_map(|link| served_link(link, &addresses, filter)).collect();
    links.sort_by_key(|link| link.index);
    Ok(links)
}

pub(super) fn link_name(message: &LinkMessage) -> Option<String> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

/// The link of an interface, with the addresses that are served. `None` if the server does not serve the interface.
pub fn served_link(message: &LinkMessage, addresses: &[AddressMessage], filter: &LinkFilter) -> Option<Link> {
    let index = message.header.index;
    let name = link_name(message)?;
    if !(can_boot_machines(message.header.flags) || filter.interfaces.contains(&name)) || is_bridge_port(message) {
        return None;
    }
    // The flag is the administrative state, not that of the carrier. While the only machine on a cable is off, there is
    // no carrier. When the machine starts, its first DISCOVER follows the carrier sooner than a socket could be opened.
    if !message.header.flags.contains(LinkFlags::Up) {
        return None;
    }
    if !filter.interfaces.is_empty() && !filter.interfaces.iter().any(|pattern| matches_pattern(pattern, &name)) {
        return None;
    }
    let (mut ipv4, mut ipv6) = (networks4(index, addresses), networks6(index, addresses));
    let is_family_filtered = |is_ipv4| filter.addresses.iter().any(move |address| address.is_ipv4() == is_ipv4);
    let is_selected = |address| !is_family_filtered(IpAddr::is_ipv4(&address)) || filter.addresses.contains(&address);
    ipv4.retain(|network| is_selected(network.address.into()));
    ipv6.retain(|network| network.address.is_unicast_link_local() || is_selected(network.address.into()));
    let mut selected =
        ipv4.iter().map(|network| network.address.into()).chain(ipv6.iter().map(|network| network.address.into()));
    if !filter.addresses.is_empty() && !selected.any(|address: IpAddr| filter.addresses.contains(&address)) {
        return None;
    }
    let is_off = |names: &Option<Vec<String>>| {
        names.as_ref().is_some_and(|names| !names.iter().any(|pattern| matches_pattern(pattern, &name)))
    };
    if is_off(&filter.ipv4) {
        ipv4.clear();
    }
    // Without a link-local address, the server has no source address for replies.
    if is_off(&filter.ipv6) || !ipv6.iter().any(|network| network.address.is_unicast_link_local()) {
        ipv6.clear();
    }
    let mtu = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    })?;
    (!ipv4.is_empty() || !ipv6.is_empty()).then_some(Link { index, name, mtu, ipv4, ipv6 })
}

/// Whether machines can boot on an interface with these flags. A DISCOVER is a broadcast, which tunnels and the
/// loopback interface do not support. To have the server serve such an interface nevertheless (relays behind a tunnel,
/// a test), the configuration must contain the interface's full name.
fn can_boot_machines(flags: LinkFlags) -> bool {
    flags.contains(LinkFlags::Broadcast) && !flags.contains(LinkFlags::Loopback)
}

/// Whether the interface is a port of a bridge, bond, team or Open vSwitch. Such a port passes its packets to its
/// master. The server serves only the master: otherwise it would receive each packet twice. A member of a VRF keeps its
/// packets and its addresses, so it does not count as a port.
pub(super) fn is_bridge_port(message: &LinkMessage) -> bool {
    message.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => {
            infos.iter().any(|info| matches!(info, LinkInfo::PortKind(kind) if *kind != InfoPortKind::Vrf))
        }
        _ => false,
    })
}

/// The IPv4 addresses of an interface in the kernel's order, but primary addresses first. The first address identifies
/// the server on the link.
fn networks4(index: u32, addresses: &[AddressMessage]) -> Vec<Network4> {
    let mut messages: Vec<&AddressMessage> = addresses
        .iter()
        .filter(|message| message.header.index == index && message.header.family == AddressFamily::Inet)
        .collect();
    messages.sort_by_key(|message| message.header.flags.contains(AddressHeaderFlags::Secondary));
    messages.into_iter().filter_map(network4).collect()
}

fn network4(message: &AddressMessage) -> Option<Network4> {
    // The attribute Local is the host's address: on a point-to-point link, Address is the address of the peer. Other
    // hosts cannot reach an address of host scope.
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(std::net::IpAddr::V4(address)) => Some(*address),
        _ => None,
    })?;
    let is_usable = message.header.scope != AddressScope::Host || address.is_loopback();
    is_usable.then_some(Network4 { address, prefix: message.header.prefix_len })
}

/// The usable IPv6 addresses, permanent addresses first: a temporary address changes daily (RFC 8981), and a deprecated
/// address expires soon. A tentative address is not usable, because it may be a duplicate. The kernel sends a
/// notification when it becomes usable.
fn networks6(index: u32, addresses: &[AddressMessage]) -> Vec<Network6> {
    let is_usable = |message: &&AddressMessage| {
        let flags = message.header.flags;
        message.header.index == index
            && message.header.family == AddressFamily::Inet6
            && !flags.intersects(AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed)
    };
    let mut usable: Vec<(&AddressMessage, Network6)> =
        addresses.iter().filter(is_usable).filter_map(|message| Some((message, network6(message)?))).collect();
    usable.sort_by_key(|(message, network)| {
        let flags = message.header.flags;
        let (deprecated, temporary) = (AddressHeaderFlags::Deprecated, AddressHeaderFlags::Secondary);
        let expires = !flags.contains(AddressHeaderFlags::Permanent);
        (flags.contains(deprecated), flags.contains(temporary), network.address.is_unicast_link_local(), expires)
    });
    usable.into_iter().map(|(_, network)| network).collect()
}

fn network6(message: &AddressMessage) -> Option<Network6> {
    let find = |select: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(select);
    let local = find(|attribute| if let AddressAttribute::Local(address) = attribute { Some(*address) } else { None });
    // If the address has no peer, the kernel sends only the attribute Address.
    let address = local.or_else(|| {
        find(|attribute| if let AddressAttribute::Address(address) = attribute { Some(*address) } else { None })
    });
    match address? {
        IpAddr::V6(address) if !address.is_loopback() => Some(Network6 { address, prefix: message.header.prefix_len }),
        _ => None,
    }
}

/// Whether a shell pattern with `*` and `?` matches the name. A star matches as few characters as possible, and one
/// more whenever the rest of the pattern does not match.
pub(super) fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&letter) if letter == b'?' || letter == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|&letter| letter == b'*')
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the netlink socket was closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_route::link::LinkHeader;
    use std::net::Ipv4Addr;

    // tests/links.rs tests bridges with the kernel. It does not test VRFs, which few test kernels have.
    #[test]
    fn a_member_of_a_vrf_keeps_its_packets_and_is_served() {
        let address = AddressAttribute::Local(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        let mut addresses = AddressMessage::default();
        addresses.header.index = 7;
        addresses.header.family = AddressFamily::Inet;
        addresses.attributes.push(address);
        let port_of = |kind| {
            let mut link = LinkMessage::default();
            link.header = LinkHeader { index: 7, flags: LinkFlags::Up | LinkFlags::Broadcast, ..Default::default() };
            link.attributes = vec![
                LinkAttribute::IfName("lan".into()),
                LinkAttribute::Mtu(1500),
                LinkAttribute::Controller(9),
                LinkAttribute::LinkInfo(vec![LinkInfo::PortKind(kind)]),
            ];
            served_link(&link, std::slice::from_ref(&addresses), &LinkFilter::default())
        };
        assert!(port_of(InfoPortKind::Vrf).is_some());
        assert_eq!(port_of(InfoPortKind::Other("openvswitch".into())), None);
    }

    #[test]
    fn patterns_match_as_in_the_shell() {
        for (pattern, name) in [
            ("eth0", "eth0"),
            ("eth*", "eth0"),
            ("eth*", "eth"),
            ("*", "lo"),
            ("en*s?", "enp3s0"),
            ("*.10", "eth0.10.10"),
        ] {
            assert!(matches_pattern(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("eth", "eth0"), ("eth0", "eth"), ("eth?", "eth"), ("", "eth0"), ("*.10", "eth0.100"), ("?", "")]
        {
            assert!(!matches_pattern(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_with_many_stars_terminates() {
        assert!(!matches_pattern(&"*a".repeat(40), &"a".repeat(39)));
    }
}
