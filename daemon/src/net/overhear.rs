//! Overhears the replies that DHCP and boot servers broadcast to clients on port 68. Never sends from that port.
//!
//! This does not affect the DHCP client of this host. The client receives a copy of each broadcast, no unicast reaches
//! this server's socket, and SO_REUSEADDR shares the port, as all common clients do (`tests/overheard_offers.rs`). If
//! a client does not share the port, this module opens a packet socket, which needs CAP_NET_RAW.

use crate::net::packet;
use crate::net::socket::Socket;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockFilter, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// The address of the socket.
pub const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::BROADCAST, 68));

/// Opens a UDP socket, or a packet socket if another process has bound the port exclusively.
pub fn open() -> io::Result<Socket> {
    share().map(Socket::Udp).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse => packet::open_broadcast(ADDRESS.port()).map(Socket::Packet),
        _ => Err(error),
    })
}

/// Opens a UDP socket that shares the port. Its buffer has the default size: if many machines boot at once, the kernel
/// drops the excess packets before they cost CPU time.
fn share() -> io::Result<std::net::UdpSocket> {
    let socket = socket2::Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    // The filter is attached before the bind, so that the kernel queues no packet that the filter rejects.
    socket.attach_filter(&REPLIES_OF_OTHER_SERVERS)?;
    socket.bind(&ADDRESS.into())?;
    Ok(socket.into())
}

/// A filter that accepts replies, except looped-back replies that assign no address: those are this server's own
/// offers. Replies of a DHCP server on this host are looped back, too, and the filter accepts them.
const REPLIES_OF_OTHER_SERVERS: [SockFilter; 8] = {
    const UDP_HEADER: u32 = 8;
    const OP: u32 = UDP_HEADER;
    const YIADDR: u32 = UDP_HEADER + 16;
    const REPLY: u32 = 2;
    const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
    const LOAD: u32 = libc::BPF_LD | libc::BPF_ABS;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_K | libc::BPF_JEQ) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const fn load(size: u32, at: u32) -> SockFilter {
        SockFilter::new((LOAD | size) as u16, 0, 0, at)
    }
    // A jump counts from the next instruction. Instruction 6 accepts the packet, instruction 7 drops it.
    [
        load(libc::BPF_B, OP),
        SockFilter::new(IF_EQUAL, 0, 5, REPLY),
        load(libc::BPF_W, YIADDR),
        SockFilter::new(IF_EQUAL, 0, 2, 0),
        load(libc::BPF_W, PACKET_TYPE),
        SockFilter::new(IF_EQUAL, 1, 0, libc::PACKET_LOOPBACK as u32),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
};
