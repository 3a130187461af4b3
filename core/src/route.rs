//! Determines the destination and the source address of a DHCPv4 reply: RFC 2131 4.1 for a proxy (protocol.md 2.2),
//! with the refusals of protocol.md 9. The sender of a forged request cannot aim a reply at another host.

use crate::arrival::{Arrival, Port};
use crate::client::Client;
use crate::plan::Plan;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

const CLIENT_PORT: u16 = 68;

/// Ports to which a reply could do harm: 0 (no valid port), echo, chargen, DNS, and the port of a DHCP server.
pub const HARMFUL_PORTS: [u16; 5] = [0, 7, 19, 53, 67];

/// The addresses of one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The destination address and port.
    pub to: SocketAddr,
    /// The source address and port of the reply. In DHCPv4, the address is the server identifier, and on port 4011 also
    /// the destination of the request.
    pub from: SocketAddr,
    /// The index of the outgoing interface, if the destination address does not determine it: a broadcast or link-local
    /// address.
    pub interface_index: Option<u32>,
}

/// Why the server refuses to answer a request that is meant for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefuseReason {
    /// The interface is not served, has no address of this family, or has none that the client can reach.
    NoAddress,
    /// A source address that no client has: broadcast, multicast, loopback, or an address of the server.
    Source(IpAddr),
    /// The request comes from a port to which a reply could do harm.
    SourcePort(u16),
    /// ciaddr differs from the source address: the reply could be aimed at a third host.
    Ciaddr {
        /// ciaddr in the packet.
        ciaddr: Ipv4Addr,
        /// The source address of the packet.
        source: Ipv4Addr,
    },
    /// A request on port 4011 from a network that is not served, by a machine to which the server sent no recent OFFER.
    UnservedNetwork(IpAddr),
    /// The packet came without a relay, by an interface that is not served.
    UnservedInterface,
    /// giaddr is not a unicast address, or is an address of the server.
    Giaddr(Ipv4Addr),
    /// The plan lists relays, and this relay is not among them.
    RelayNotListed(IpAddr),
    /// More than 8 requests at once or 2 a second from one machine, by the same protocol and to the same port.
    TooManyFromClient,
    /// More than 8 requests at once or 2 a second from one source address on port 4011.
    TooManyFromSource,
    /// Too many requests from all networks that are not served. The server cannot know to which of their machines it
    /// sent an OFFER, so it limits only the rate of their requests.
    TooManyFromUnserved,
    /// More requests than the plan allows for the interface.
    TooManyOnLink,
    /// The machine is in a boot loop, and the plan requires that the server does not answer such machines for some
    /// minutes.
    BootLoop,
    /// The reply, with the relay's option 82, would be larger than the client accepts.
    TooLarge {
        /// Length of the reply, in octets.
        octets: usize,
        /// Maximum length that the client accepts, in octets.
        max: usize,
    },
}

/// Returns the destination of a reply and the server's address as the client reaches it, or the reason why the server
/// refuses to reply. `was_offered` returns whether the server sent this machine an OFFER recently.
pub fn route(
    plan: &Plan,
    arrival: &Arrival<'_>,
    from: SocketAddrV4,
    client: &Client,
    was_offered: impl FnOnce() -> bool,
) -> Result<(Destination, Ipv4Addr), RefuseReason> {
    let local_addr = arrival.server_address4().ok_or(RefuseReason::NoAddress)?;
    let source = *from.ip();
    // The probe of this host sends from an address of this host.
    let is_forged = arrival.is_local(source) && !client.machine.is_probe();
    if source.is_broadcast() || source.is_multicast() || source.is_loopback() || is_forged {
        return Err(RefuseReason::Source(source.into()));
    }
    let (to, interface_index) = match client.port {
        Port::Dhcp => dhcp(plan, arrival, source, client)?,
        Port::BootServer => {
            boot_server(arrival, from, client, || plan.offer.ignores_relays || was_offered())?;
            // The reply goes to the source port of the request: EDK2 sends from port 4011 and listens only there, iPXE
            // sends from port 68. The broadcast flag has no meaning here, because the client has an address. Relays do
            // not forward packets to port 4011.
            (from, None)
        }
    };
    let from = SocketAddr::new(local_addr.into(), client.port.number());
    Ok((Destination { to: to.into(), from, interface_index }, local_addr))
}

fn dhcp(
    plan: &Plan,
    arrival: &Arrival<'_>,
    source: Ipv4Addr,
    client: &Client,
) -> Result<(SocketAddrV4, Option<u32>), RefuseReason> {
    if let Some(relay) = client.machine.relay
        && let IpAddr::V4(giaddr) = relay.address
    {
        // The probe of this host requests the reply at an address of this host. The server ignores that reply on its
        // port 67, because it is no request.
        let is_own = arrival.is_local(giaddr) && !client.machine.is_probe();
        if !is_unicast(giaddr) || arrival.is_broadcast(giaddr) || is_own {
            return Err(RefuseReason::Giaddr(giaddr));
        }
        if !plan.policy.relays.is_empty() && !relay.is_listed(&plan.policy.relays) {
            return Err(RefuseReason::RelayNotListed(relay.address));
        }
        // Port 67 is harmless here: a relay that requests replies at its source port may use that port.
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
        // yiaddr is 0, so the server has no address for a unicast, even if the broadcast flag is not set.
        None => Ok((SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT), Some(arrival.link().index))),
        Some(ciaddr) if ciaddr == source => Ok((SocketAddrV4::new(ciaddr, CLIENT_PORT), None)),
        Some(ciaddr) => Err(RefuseReason::Ciaddr { ciaddr, source }),
    }
}

fn ciaddr(client: &Client) -> Option<Ipv4Addr> {
    match client.machine.address {
        Some(IpAddr::V4(ciaddr)) => Some(ciaddr),
        _ => None,
    }
}

/// Returns an error if the server must not answer this request on port 4011. `is_remote` returns whether the machine
/// may be in a network that is not served: behind a relay, or in another network on the same cable.
fn boot_server(
    arrival: &Arrival<'_>,
    from: SocketAddrV4,
    client: &Client,
    is_remote: impl FnOnce() -> bool,
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
    let is_reachable = arrival.reaches(source) || ciaddr.is_some() && is_remote();
    if is_reachable { Ok(()) } else { Err(RefuseReason::UnservedNetwork(source.into())) }
}

/// Whether the address is unicast: outside 0/8 ("this network"), loopback, multicast (224/4) and the reserved range
/// (240/4).
fn is_unicast(address: Ipv4Addr) -> bool {
    (1..224).contains(&address.octets()[0]) && !address.is_loopback()
}

impl RefuseReason {
    /// The label for counters, logs and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoAddress => "refused:no-address",
            Self::Source(_) => "refused:source",
            Self::SourcePort(_) => "refused:source-port",
            Self::Ciaddr { .. } => "refused:ciaddr",
            Self::UnservedNetwork(_) => "refused:unserved-network",
            Self::UnservedInterface => "refused:unserved-interface",
            Self::Giaddr(_) => "refused:giaddr",
            Self::RelayNotListed(_) => "refused:relay-not-listed",
            Self::TooManyFromClient => "refused:too-many-from-client",
            Self::TooManyFromSource => "refused:too-many-from-source",
            Self::TooManyFromUnserved => "refused:too-many-from-unserved-networks",
            Self::TooManyOnLink => "refused:too-many-on-link",
            Self::BootLoop => "refused:boot-loop",
            Self::TooLarge { .. } => "refused:too-large",
        }
    }
}

impl fmt::Display for RefuseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the interface has no address that this client can reach"),
            Self::Source(source) => write!(f, "source {source} is not a client's address"),
            Self::SourcePort(port) => write!(f, "a reply to port {port} could do harm"),
            Self::Ciaddr { ciaddr, source } => {
                write!(f, "ciaddr {ciaddr} differs from source {source}: the reply could be aimed at a third host")
            }
            Self::UnservedNetwork(source) => {
                write!(
                    f,
                    "{source} is in no served network, and the server sent this machine no offer in the last ten \
                     minutes"
                )
            }
            Self::UnservedInterface => f.write_str("it came by an interface that is not served"),
            Self::Giaddr(giaddr) => write!(f, "giaddr {giaddr} is not a relay's address"),
            Self::RelayNotListed(giaddr) => write!(f, "relay {giaddr} is not in the list of relays"),
            Self::TooManyFromClient => {
                f.write_str("too many requests from this machine (limit: 8 at once, 2 a second)")
            }
            Self::TooManyFromSource => {
                f.write_str("too many requests from this address (limit: 8 at once, 2 a second)")
            }
            Self::TooManyFromUnserved => {
                f.write_str("too many requests from networks that are not served (limit: 500 a second)")
            }
            Self::TooManyOnLink => f.write_str("too many requests on this interface (max-requests-per-second)"),
            Self::BootLoop => f.write_str(
                "boot loop: it fetches its loader again and again; the server answers it again after five minutes",
            ),
            Self::TooLarge { octets, max } => {
                write!(f, "the reply would have {octets} octets, the client accepts {max}")
            }
        }
    }
}
