//! The host's network: a packet socket for DHCP over IPv4, sockets with the addresses of the machines, a relay, and the
//! loop that runs an exchange over one of them.

use crate::address_pool::AddressPool;
use crate::addresses::{Addresses, is_on_link};
use crate::exchange::{Exchange, Step};
use crate::failure::Failure;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, bind, setsockopt, socket, sockopt};
use proxydhcpd_core::wire::dhcp4::{Message, Writer, code};
use socket2::{SockFilter, SockRef};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

/// The longest wait for an address that was added to the interface.
const ADDRESS_WAIT: Duration = Duration::from_secs(3);

/// The wait for the group of an IPv6 address.
const GROUP_WAIT: Duration = Duration::from_millis(20);

/// The most datagrams that wait for a machine; more are lost, as in a receive buffer.
const INBOX_LENGTH: usize = 64;

/// The receive buffer of the packet socket, in octets: for the replies to 10,000 machines at the same moment.
const RECEIVE_BUFFER: usize = 32 << 20;

/// The octets that are read from a connection at once.
const READ_BUFFER: usize = 256 * 1024;

/// The lengths of the headers of Ethernet, of IPv4 without options, and of UDP, in octets.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;

/// A datagram with its source.
type Datagram = (Vec<u8>, SocketAddr);

/// A relay that the player runs for machines in another network (RFC 1542, RFC 3046).
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Its address in the machines' network (`giaddr`). The player adds it to the interface.
    pub address: Ipv4Addr,
    /// The servers to which it forwards.
    pub servers: Vec<Ipv4Addr>,
}

/// The network of a run.
#[derive(Debug)]
pub struct Network {
    index: u32,
    /// A packet socket.
    packets: UdpSocket,
    inboxes: RefCell<HashMap<[u8; 6], mpsc::Sender<Datagram>>>,
    addresses: RefCell<Addresses>,
    relay: Option<(RelayOptions, UdpSocket)>,
    /// The addresses that the player assigns, if no DHCP server does.
    pool: Option<RefCell<AddressPool>>,
    /// Where all machines read what their connections received: one buffer each would need a gigabyte in a storm.
    buffer: RefCell<Vec<u8>>,
    start: Instant,
}

impl Network {
    /// Opens the sockets of the host on this interface. Needs CAP_NET_RAW and CAP_NET_ADMIN, and a runtime.
    pub async fn open(
        interface: &str,
        relay: Option<RelayOptions>,
        assigned: Option<RangeInclusive<Ipv4Addr>>,
    ) -> Result<Network, Failure> {
        let refused = |what: &str, error: &dyn Display| Failure::Host(format!("{what} on {interface}: {error}"));
        let index = nix::net::if_::if_nametoindex(interface).map_err(|error| refused("no interface", &error))?;
        let packets = packet_socket(interface).map_err(|error| refused("cannot open a packet socket", &error))?;
        // The event loop calls only recv(2) and send(2), which are the same for both kinds of sockets.
        let packets = UdpSocket::from_std(std::net::UdpSocket::from(packets))
            .map_err(|error| refused("cannot watch the packet socket", &error))?;
        let addresses = RefCell::new(Addresses::start(interface, assigned.clone())?);
        let buffer = RefCell::new(vec![0; READ_BUFFER]);
        let pool = assigned.as_ref().map(|addresses| RefCell::new(AddressPool::new(addresses)));
        let (inboxes, start) = (RefCell::default(), Instant::now());
        let mut network = Network { index, packets, inboxes, addresses, relay: None, pool, buffer, start };
        if let Some(options) = relay {
            network.add_address(options.address.into()).await;
            let socket = network.bind(options.address.into(), 67).await?;
            network.relay = Some((options, socket));
        }
        Ok(network)
    }

    /// The time since the start of the run.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Delivers the replies of DHCP servers on the link to the machines, for ever: all that have arrived at once, because
    /// in a storm thousands of machines have their turn before this task has its next one.
    pub async fn deliver(&self) {
        let mut buffer = [0; 2048];
        while self.packets.readable().await.is_ok() {
            while let Ok(length) = self.packets.try_recv(&mut buffer) {
                self.deliver_frame(buffer.get(..length).unwrap_or_default());
            }
        }
    }

    /// Delivers the replies to the relay to the machines, for ever; returns at once without a relay.
    pub async fn deliver_relayed(&self) {
        let Some((_, socket)) = &self.relay else { return };
        let mut buffer = [0; 2048];
        loop {
            // An ICMP error is no datagram.
            if let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                self.deliver_message(buffer.get(..length).unwrap_or_default(), from);
            }
        }
    }

    fn deliver_frame(&self, frame: &[u8]) {
        let source = frame.get(ETHERNET + 12..ETHERNET + 16).and_then(|octets| <[u8; 4]>::try_from(octets).ok());
        let header = frame.get(ETHERNET).map_or(IPV4, |octet| usize::from(octet & 15) * 4);
        let udp = frame.get(ETHERNET + header..).unwrap_or_default();
        let (Some(source), &[a, b, _, _, c, d, ..]) = (source, udp) else { return };
        let length = usize::from(u16::from_be_bytes([c, d]));
        let Some(payload) = udp.get(UDP..length) else { return };
        self.deliver_message(payload, (Ipv4Addr::from(source), u16::from_be_bytes([a, b])).into());
    }

    /// Delivers a DHCP message to the machine whose address it contains (`chaddr`).
    fn deliver_message(&self, payload: &[u8], from: SocketAddr) {
        let Some(mac) = payload.get(28..34).and_then(|octets| <[u8; 6]>::try_from(octets).ok()) else { return };
        if let Some(inbox) = self.inboxes.borrow().get(&mac) {
            // A full inbox loses the datagram.
            _ = inbox.try_send((payload.to_vec(), from));
        }
    }

    /// Opens the port of a client without an address, behind the relay or not.
    pub fn dhcp_port(&self, mac: [u8; 6], relayed: bool) -> Port {
        let (sender, inbox) = mpsc::channel(INBOX_LENGTH);
        self.inboxes.borrow_mut().insert(mac, sender);
        Port::Dhcp { mac, relayed, inbox }
    }

    /// Adds an address to the interface. It can be used a moment later, which [`Network::bind`] awaits. The kernel
    /// joins the group in which neighbours ask for an IPv6 address later still, and they ask again only after a second.
    pub async fn add_address(&self, address: IpAddr) {
        self.addresses.borrow_mut().add(address);
        if address.is_ipv6() {
            sleep(GROUP_WAIT).await;
        }
    }

    /// Removes an address from the interface.
    pub fn remove_address(&self, address: IpAddr) {
        self.addresses.borrow_mut().remove(address);
    }

    /// Binds a UDP socket to a machine's address.
    pub async fn bind(&self, address: IpAddr, port: u16) -> Result<UdpSocket, Failure> {
        let local = self.with_scope(SocketAddr::new(address, port));
        let end = self.now() + ADDRESS_WAIT;
        loop {
            match UdpSocket::bind(local).await {
                Ok(socket) => return Ok(socket),
                Err(error) if self.now() > end => return Err(Failure::Host(format!("cannot bind {local}: {error}"))),
                Err(_) => sleep(Duration::from_millis(2)).await,
            }
        }
    }

    /// Connects from a machine's address.
    pub async fn connect(&self, address: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
        let end = self.now() + ADDRESS_WAIT;
        loop {
            let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            match socket.bind(SocketAddr::new(address, 0)) {
                Ok(()) => return socket.connect(to).await,
                Err(error) if self.now() > end => return Err(error),
                Err(_) => sleep(Duration::from_millis(2)).await,
            }
        }
    }

    /// Passes what a connection has received to `take`, without waiting for more. Returns the number of octets; 0 means
    /// that the server closed the connection.
    pub fn read_now(&self, stream: &TcpStream, take: impl FnOnce(&[u8])) -> std::io::Result<usize> {
        let mut buffer = self.buffer.borrow_mut();
        let length = stream.try_read(&mut buffer)?;
        take(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }

    /// Runs an exchange to its end over a port.
    pub async fn run<E: Exchange>(&self, exchange: &mut E, port: &mut Port) -> Result<E::Outcome, Failure> {
        loop {
            match exchange.next(self.now()) {
                Step::Done(result) => return result,
                Step::Send(to, octets) => self.send(port, to, &octets).await?,
                Step::WaitUntil(time) => {
                    if let Ok((octets, from)) = timeout_at(self.start + time, port.receive()).await {
                        exchange.receive(&octets, from, self.now());
                    }
                }
            }
        }
    }

    async fn send(&self, port: &Port, to: SocketAddr, octets: &[u8]) -> Result<(), Failure> {
        let refused = |error: &dyn Display| Failure::Host(format!("cannot send to {to}: {error}"));
        if let (Port::Dhcp { .. }, Some(pool)) = (port, &self.pool)
            && let Some((reply, server)) = pool.borrow_mut().reply(octets)
        {
            self.deliver_message(&reply, (server, 67).into());
        }
        match (port, &self.relay) {
            (Port::Udp(socket), _) => {
                socket.send_to(octets, self.with_scope(to)).await.map_err(|error| refused(&error))?;
            }
            (Port::Dhcp { mac, relayed: true, .. }, Some((options, socket))) => {
                let message = relayed_message(octets, options.address, *mac).ok_or_else(|| refused(&"not DHCP"))?;
                for server in &options.servers {
                    let server = SocketAddr::from((*server, 67));
                    socket.send_to(&message, server).await.map_err(|error| refused(&error))?;
                }
            }
            (Port::Dhcp { relayed: true, .. }, None) => return Err(refused(&"this kind needs a relay (--relay)")),
            (Port::Dhcp { mac, .. }, _) => {
                self.packets.send(&broadcast_frame(*mac, octets)).await.map_err(|error| refused(&error))?;
            }
        }
        Ok(())
    }

    /// Adds the interface to a link-local address or group of IPv6.
    fn with_scope(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V6(address) if is_on_link(address.ip()) => {
                SocketAddrV6::new(*address.ip(), address.port(), 0, self.index).into()
            }
            other => other,
        }
    }
}

/// A port of a played machine.
#[derive(Debug)]
pub enum Port {
    /// Port 68 of a client without an address.
    Dhcp {
        /// The client's address, which is the source of its frames.
        mac: [u8; 6],
        /// Whether a relay forwards its broadcasts.
        relayed: bool,
        /// The messages for it.
        inbox: mpsc::Receiver<Datagram>,
    },
    /// A socket with an address of the machine.
    Udp(UdpSocket),
}

impl Port {
    /// Receives the next datagram, with its source.
    async fn receive(&mut self) -> Datagram {
        loop {
            match self {
                Port::Dhcp { inbox, .. } => match inbox.recv().await {
                    Some(message) => return message,
                    None => std::future::pending::<()>().await,
                },
                Port::Udp(socket) => {
                    let mut buffer = vec![0; 9216];
                    // An ICMP error is no datagram.
                    if let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                        buffer.truncate(length);
                        return (buffer, from);
                    }
                }
            }
        }
    }
}

/// Opens a packet socket that receives UDP datagrams to port 68.
fn packet_socket(interface: &str) -> std::io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let raw = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    let mut links = getifaddrs()?
        .filter(|each| each.interface_name == interface)
        .filter_map(|each| each.address?.as_link_addr().copied());
    let link = links.next().ok_or_else(|| std::io::Error::other("it is no Ethernet interface"))?;
    let sock = SockRef::from(&raw);
    sock.attach_filter(&udp_to_port_68())?;
    setsockopt(&raw, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    bind(raw.as_raw_fd(), &link)?;
    Ok(raw)
}

/// A filter (Linux, filter.rst) that accepts unfragmented IPv4 datagrams to UDP port 68.
fn udp_to_port_68() -> [SockFilter; 11] {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_OCTET: u16 = 0x30;
    const LOAD_HALF_AFTER_HEADER: u16 = 0x48;
    const LOAD_HEADER_LENGTH: u16 = 0xb1;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 6;
    [
        SockFilter::new(LOAD_HALF, 0, 0, 12),
        SockFilter::new(JUMP_IF_EQUAL, 0, 8, 0x0800),
        SockFilter::new(LOAD_OCTET, 0, 0, 23),
        SockFilter::new(JUMP_IF_EQUAL, 0, 6, 17),
        SockFilter::new(LOAD_HALF, 0, 0, 20),
        SockFilter::new(JUMP_IF_SET, 4, 0, 0x1fff),
        SockFilter::new(LOAD_HEADER_LENGTH, 0, 0, 14),
        SockFilter::new(LOAD_HALF_AFTER_HEADER, 0, 0, 16),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 68),
        SockFilter::new(RETURN, 0, 0, 0x40000),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// An Ethernet frame with a broadcast from port 68 of a host without an address to port 67.
fn broadcast_frame(mac: [u8; 6], payload: &[u8]) -> Vec<u8> {
    let total = (IPV4 + UDP + payload.len()) as u16;
    let mut header = [0; IPV4];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    (header[8], header[9]) = (64, 17);
    header[16..20].fill(0xff);
    let words = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    header[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    let mut frame = [&[0xff; 6][..], &mac, &[8, 0], &header].concat();
    // A checksum of 0 means that there is none (RFC 768).
    for field in [68, 67, total - IPV4 as u16, 0] {
        frame.extend_from_slice(&field.to_be_bytes());
    }
    frame.extend_from_slice(payload);
    frame
}

/// A client's message as a relay forwards it: with `giaddr`, one hop more, and option 82 as its last option. Returns
/// `None` if the message is malformed.
fn relayed_message(octets: &[u8], relay: Ipv4Addr, mac: [u8; 6]) -> Option<Vec<u8>> {
    let message = Message::parse(octets).ok()?;
    let mut header = message.header.clone();
    header.giaddr = relay;
    header.hops = header.hops.saturating_add(1);
    let mut out = Vec::new();
    let mut writer = Writer::new(&header, &mut out);
    for (code, value) in message.options() {
        writer.option(code, value);
    }
    // Circuit ID: VLAN 10, module 1, port 2. Remote ID: the machine's port by its MAC address.
    writer.option(code::RELAY_AGENT, &[&[1, 4, 0, 10, 1, 2, 2, 6][..], &mac].concat());
    writer.finish(octets.len());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_checksum_of_its_header() {
        let frame = broadcast_frame([2, 0, 0, 0, 0, 1], &[1, 2, 3]);
        let words =
            frame[ETHERNET..ETHERNET + IPV4].chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum: u32 = words.sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!(frame.len(), ETHERNET + IPV4 + UDP + 3);
    }

    #[test]
    fn a_relay_adds_its_address_and_option_82_and_counts_itself() {
        let mut octets = Vec::new();
        let mut writer = Writer::new(&proxydhcpd_core::wire::dhcp4::Header::default(), &mut octets);
        writer.option(code::MESSAGE_TYPE, &[1]);
        writer.finish(0);
        let relayed = relayed_message(&octets, Ipv4Addr::new(10, 78, 0, 1), [2, 0, 0, 0, 0, 1]).unwrap();
        let message = Message::parse(&relayed).unwrap();
        assert_eq!((message.header.giaddr, message.header.hops), (Ipv4Addr::new(10, 78, 0, 1), 1));
        assert_eq!(message.options().last().unwrap().0, code::RELAY_AGENT);
    }
}
