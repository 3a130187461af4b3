//! The structures of the kernel that sending and receiving share.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddr};

/// How many datagrams one system call receives or sends at most.
pub const BATCH_SIZE: usize = 32;

/// Limit of a received datagram's length, in octets. A longer datagram is truncated. A DHCP message over Ethernet has
/// fewer than 1500 octets, to which a relay may add options.
pub(super) const MAX_DATAGRAM_SIZE: usize = 4096;

// SAFETY: CMSG_LEN only calculates with its argument, and accesses no memory.
pub(super) const PACKET_INFO4_LEN: usize = unsafe { libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) } as usize;
// SAFETY: as above.
pub(super) const PACKET_INFO6_LEN: usize = unsafe { libc::CMSG_LEN(size_of::<libc::in6_pktinfo>() as u32) } as usize;

/// The address of a UDP socket, of either family.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union SockAddr {
    pub(super) v4: libc::sockaddr_in,
    pub(super) v6: libc::sockaddr_in6,
}

pub(super) fn message_header<Address>(
    (name, name_octets): (*mut Address, usize),
    vector: *mut libc::iovec,
    control: *mut libc::c_void,
    control_octets: usize,
) -> libc::mmsghdr {
    // SAFETY: an mmsghdr contains only integers and pointers, for which zero is a valid value. In some C libraries its
    // padding is private, so that a struct literal is not possible.
    let mut message: libc::mmsghdr = unsafe { zeroed() };
    message.msg_hdr.msg_name = name.cast();
    message.msg_hdr.msg_namelen = name_octets as libc::socklen_t;
    message.msg_hdr.msg_iov = vector;
    message.msg_hdr.msg_iovlen = 1;
    message.msg_hdr.msg_control = control;
    message.msg_hdr.msg_controllen = control_octets as _;
    message
}

/// Repeats a system call as long as signals interrupt it, because another thread handles signals. Returns the call's
/// result, or its error.
pub(super) fn retry_interrupted(mut call: impl FnMut() -> libc::c_int) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The address in the kernel's format, and the length of that format in octets.
pub(super) fn sockaddr(address: SocketAddr) -> (SockAddr, usize) {
    match address {
        SocketAddr::V4(address) => {
            let v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: to_in_addr(*address.ip()),
                sin_zero: [0; 8],
            };
            (SockAddr { v4 }, size_of::<libc::sockaddr_in>())
        }
        SocketAddr::V6(address) => {
            let v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            (SockAddr { v6 }, size_of::<libc::sockaddr_in6>())
        }
    }
}

pub(super) fn to_in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) }
}

pub(super) fn from_in_addr(address: libc::in_addr) -> Ipv4Addr {
    Ipv4Addr::from(address.s_addr.to_ne_bytes())
}
