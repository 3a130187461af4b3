//! Where a reply goes, and from which address: RFC 2131 4.1 in a proxy's situation (protocol.md 2.2), with the
//! refusals of protocol.md 9. An answer never goes where a liar could aim it.

use crate::arrival::{Arrival, Port};
use crate::client::Client;
use crate::plan::Plan;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

const CLIENT_PORT: u16 = 68;

/// Ports to which an answer could do harm: none at all, echo, chargen, DNS, a DHCP server.
pub const HARMFUL_PORTS: [u16; 5] = [0, 7, 19, 53, 67];

/// The addresses of one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    pub to: SocketAddr,
    /// Our address and port: what option 54 says, and for 4011 also what the request was sent to.
    pub from: SocketAddr,
    /// The interface to leave by, where the address alone does not tell (a broadcast).
    pub interface_index: Option<u32>,
}

/// Why an otherwise good request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefuseReason {
    /// The interface has no address of this family, or none that the client can reach, or is not served.
    NoAddress,
    /// A source that no client has: broadcast, multicast, loopback, or our own address.
    Source(IpAddr),
    /// A source port that a reflected answer would harm.
    SourcePort(u16),
    /// ciaddr is not the source address: the answer could be aimed at a third host.
    Ciaddr { ciaddr: Ipv4Addr, source: Ipv4Addr },
    /// 4011 from a network that we do not serve, and no OFFER of ours went to that machine.
    UnservedNetwork(IpAddr),
    /// It came by an interface that we do not serve, and no relay stands between us and the client.
    UnservedInterface,
    /// giaddr is no unicast address, or is our own.
    Giaddr(Ipv4Addr),
    /// The plan lists relays, and this is none of them.
    RelayNotListed(IpAddr),
    /// More than 8 at once or 2 a second from one machine by one way.
    TooManyFromClient,
    /// The same from one source address on 4011.
    TooManyFromSource,
    /// Too many from networks that we do not serve, where only their rate keeps them from us.
    TooManyFromUnserved,
    /// More than the plan allows for the interface.
    TooManyOnLink,
    /// It goes round in a circle, and the plan says that such a machine is left alone for some minutes.
    BootLoop,
    /// The reply with the relay's option 82 would be larger than the client takes.
    TooLarge { octets: usize, most: usize },
}

/// `offered` says whether an OFFER went to this machine lately.
pub fn route(
    plan: &Plan,
    arrival: &Arrival<'_>,
    from: SocketAddrV4,
    client: &Client,
    offered: impl FnOnce() -> bool,
) -> Result<(Destination, Ipv4Addr), RefuseReason> {
    let here = arrival.server_address4().ok_or(RefuseReason::NoAddress)?;
    let source = *from.ip();
    if source.is_broadcast() || source.is_multicast() || source.is_loopback() || arrival.is_local(source) {
        return Err(RefuseReason::Source(source.into()));
    }
    let (to, link) = match client.port {
        Port::Dhcp => dhcp(plan, arrival, source, client)?,
        Port::BootServer => {
            boot_server(arrival, from, client, || plan.ignores_relays || offered())?;
            // EDK2 listens on 4011 only, iPXE asks from 68: the source port, never a fixed one. The broadcast flag
            // means nothing here, the client has an address. A relay never carries 4011.
            (from, None)
        }
    };
    let from = SocketAddr::new(here.into(), client.port.number());
    Ok((Destination { to: to.into(), from, interface_index: link }, here))
}

fn dhcp(
    plan: &Plan,
    arrival: &Arrival<'_>,
    source: Ipv4Addr,
    client: &Client,
) -> Result<(SocketAddrV4, Option<u32>), RefuseReason> {
    if let Some(relay) = client.relay
        && let IpAddr::V4(giaddr) = relay.address
    {
        if !is_unicast(giaddr) || arrival.is_broadcast(giaddr) || arrival.is_local(giaddr) {
            return Err(RefuseReason::Giaddr(giaddr));
        }
        if !plan.relays.is_empty() && !relay.is_listed(&plan.relays) {
            return Err(RefuseReason::RelayNotListed(relay.address));
        }
        // A relay that names its port may name 67.
        let port = if relay.reply_to_source_port { arrival.from.port() } else { Port::Dhcp.number() };
        if port != Port::Dhcp.number() && HARMFUL_PORTS.contains(&port) {
            return Err(RefuseReason::SourcePort(port));
        }
        return Ok((SocketAddrV4::new(giaddr, port), None));
    }
    if arrival.via_other_link {
        return Err(RefuseReason::UnservedInterface);
    }
    match ciaddr(client) {
        // yiaddr is 0, there is no address to unicast to, whatever the broadcast flag says.
        None => Ok((SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT), Some(arrival.link().index))),
        Some(ciaddr) if ciaddr == source => Ok((SocketAddrV4::new(ciaddr, CLIENT_PORT), None)),
        Some(ciaddr) => Err(RefuseReason::Ciaddr { ciaddr, source }),
    }
}

fn ciaddr(client: &Client) -> Option<Ipv4Addr> {
    match client.address {
        Some(IpAddr::V4(ciaddr)) => Some(ciaddr),
        _ => None,
    }
}

/// `from_afar` says whether the machine may be in a network that we do not serve: behind a relay, or in another network
/// on the same cable.
fn boot_server(
    arrival: &Arrival<'_>,
    from: SocketAddrV4,
    client: &Client,
    from_afar: impl FnOnce() -> bool,
) -> Result<(), RefuseReason> {
    let (source, port) = (*from.ip(), from.port());
    if source.is_unspecified() || arrival.is_broadcast(source) {
        return Err(RefuseReason::Source(source.into()));
    }
    if HARMFUL_PORTS.contains(&port) {
        return Err(RefuseReason::SourcePort(port));
    }
    let ciaddr = ciaddr(client);
    if let Some(ciaddr) = ciaddr.filter(|ciaddr| *ciaddr != source) {
        return Err(RefuseReason::Ciaddr { ciaddr, source });
    }
    let is_known = arrival.reaches(source) || ciaddr.is_some() && from_afar();
    if is_known { Ok(()) } else { Err(RefuseReason::UnservedNetwork(source.into())) }
}

/// Not this network (0/8), this host, a group, or what nobody may have (240/4).
fn is_unicast(address: Ipv4Addr) -> bool {
    (1..224).contains(&address.octets()[0]) && !address.is_loopback()
}

impl RefuseReason {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoAddress => "refused:no-address",
            Self::Source(_) => "refused:source",
            Self::SourcePort(_) => "refused:source-port",
            Self::Ciaddr { .. } => "refused:ciaddr",
            Self::UnservedNetwork(_) => "refused:unserved-network",
            Self::UnservedInterface => "refused:foreign-link",
            Self::Giaddr(_) => "refused:giaddr",
            Self::RelayNotListed(_) => "refused:relay-not-listed",
            Self::TooManyFromClient => "refused:too-many-from-client",
            Self::TooManyFromSource => "refused:too-many-from-source",
            Self::TooManyFromUnserved => "refused:too-many-from-elsewhere",
            Self::TooManyOnLink => "refused:too-many-on-link",
            Self::BootLoop => "refused:looping",
            Self::TooLarge { .. } => "refused:too-large",
        }
    }
}

impl fmt::Display for RefuseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the interface has no address of ours that this client can reach"),
            Self::Source(source) => write!(f, "{source} is no client's address"),
            Self::SourcePort(port) => write!(f, "an answer to port {port} could do harm"),
            Self::Ciaddr { ciaddr, source } => {
                write!(f, "ciaddr {ciaddr} is not the source {source}: the answer could be aimed at a third host")
            }
            Self::UnservedNetwork(source) => {
                write!(
                    f,
                    "{source} is in no network that we serve, and this machine was offered nothing in the last ten minutes"
                )
            }
            Self::UnservedInterface => f.write_str("it came by an interface that we do not serve"),
            Self::Giaddr(giaddr) => write!(f, "giaddr {giaddr} is no relay's address"),
            Self::RelayNotListed(giaddr) => write!(f, "relay {giaddr} is not among those that may ask"),
            Self::TooManyFromClient => {
                f.write_str("more than this machine may ask by this way (8 at once, 2 a second)")
            }
            Self::TooManyFromSource => f.write_str("more than this address may ask (8 at once, 2 a second)"),
            Self::TooManyFromUnserved => {
                f.write_str("more than all machines may ask together from networks that we do not serve (500 a second)")
            }
            Self::TooManyOnLink => f.write_str("more than the configuration allows for this interface"),
            Self::BootLoop => f.write_str("it fetches its loader again and again; after five minutes it may try anew"),
            Self::TooLarge { octets, most } => {
                write!(f, "the reply would have {octets} octets, the client takes {most}")
            }
        }
    }
}
