//! Hears what DHCP and boot servers broadcast to their clients, on port 68, and never sends from there. The DHCP client
//! of this host loses nothing: it gets its own copy of every broadcast, unicast never comes to our socket, and by
//! SO_REUSEADDR we share the port as all the usual clients do (`tests/offers.rs`). Beside one that does not share it
//! there is a packet socket, where we may have one.

use crate::net::packet;
use crate::net::socket::Socket;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockFilter, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Where they are heard.
pub const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::BROADCAST, 68));

pub fn open() -> io::Result<Socket> {
    share().map(Socket::Udp).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse => packet::open_broadcast(ADDRESS.port()).map(Socket::Packet),
        _ => Err(error),
    })
}

/// Its buffer is of the usual size: in a storm of machines the kernel throws away what is too much, before it costs us
/// more.
fn share() -> io::Result<std::net::UdpSocket> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    // Before it has a port, so that nothing else comes in.
    socket.attach_filter(&OF_OTHER_SERVERS)?;
    socket.bind(&ADDRESS.into())?;
    Ok(socket.into())
}

/// Replies, but not those without an address that come from this host: our own offers. What the DHCP server of this
/// host broadcasts comes back to us, too, and counts.
const OF_OTHER_SERVERS: [SockFilter; 8] = {
    const UDP_HEADER: u32 = 8;
    const OP: u32 = UDP_HEADER;
    const YIADDR: u32 = UDP_HEADER + 16;
    const REPLY: u32 = 2;
    const KIND_OF_PACKET: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
    const LOAD: u32 = libc::BPF_LD | libc::BPF_ABS;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_K | libc::BPF_JEQ) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const fn load(size: u32, at: u32) -> SockFilter {
        SockFilter::new((LOAD | size) as u16, 0, 0, at)
    }
    // Jumps count from the step after them: number 6 takes the packet, number 7 drops it.
    [
        load(libc::BPF_B, OP),
        SockFilter::new(IF_EQUAL, 0, 5, REPLY),
        load(libc::BPF_W, YIADDR),
        SockFilter::new(IF_EQUAL, 0, 2, 0),
        load(libc::BPF_W, KIND_OF_PACKET),
        SockFilter::new(IF_EQUAL, 1, 0, libc::PACKET_LOOPBACK as u32),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
};
