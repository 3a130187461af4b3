//! Sends single datagrams that are no reply, such as those that wake a machine.

use super::sys::SendBatch;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

/// Sends a datagram from a port that the kernel chooses. `from` and `link` are as in [`SendBatch::push`]. Never blocks,
/// and needs no privilege.
pub fn send_once(datagram: &[u8], to: SocketAddr, from: IpAddr, link: Option<u32>) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
    if to.is_ipv4() {
        socket.set_broadcast(true)?;
    }
    let mut batch = SendBatch::new();
    batch.push(datagram, to, from, link, 0);
    let mut refused = None;
    batch.flush(socket.as_fd(), |_, _, error| refused = Some(error));
    refused.map_or(Ok(()), Err)
}
