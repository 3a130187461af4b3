//! The unsafe part of the setup of packet sockets. `net/packet.rs` does the rest.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Enables the status that shows whether a frame's checksum has been computed ([`super::Frame::is_checksum_pending`]).
pub fn enable_checksum_status(socket: BorrowedFd<'_>) -> io::Result<()> {
    let yes: libc::c_int = 1;
    // SAFETY: the option takes an int, and the pointer and the length are those of one.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_AUXDATA,
            ptr::from_ref(&yes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    checked(done)
}

/// Starts to receive packets of this protocol, an EtherType, from all interfaces, including later ones. Packets that
/// this host sends are not received: the kernel passes them only to sockets for all protocols.
pub fn bind_to_all_links(socket: BorrowedFd<'_>, protocol: u16) -> io::Result<()> {
    // SAFETY: a sockaddr_ll contains only integers, for which zero is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as libc::c_ushort;
    address.sll_protocol = protocol.to_be();
    // SAFETY: the pointer and the length are those of a sockaddr_ll, which outlives the call.
    let done = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    checked(done)
}

/// Makes a network card pass frames to this unicast address to the host, in addition to those to its address. The
/// kernel removes the address when the socket is closed.
pub fn accept_hardware_address(socket: BorrowedFd<'_>, link: u32, mac: [u8; 6]) -> io::Result<()> {
    let index = libc::c_int::try_from(link).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut address = [0; 8];
    address[..6].copy_from_slice(&mac);
    let request = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: libc::PACKET_MR_UNICAST as libc::c_ushort,
        mr_alen: 6,
        mr_address: address,
    };
    // SAFETY: the option takes a packet_mreq, and the pointer and the length are those of one.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            ptr::from_ref(&request).cast(),
            size_of::<libc::packet_mreq>() as libc::socklen_t,
        )
    };
    checked(done)
}

fn checked(done: libc::c_int) -> io::Result<()> {
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
