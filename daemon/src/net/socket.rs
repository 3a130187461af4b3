//! A socket that receives datagrams: a UDP socket or a packet socket. A [`ReplySender`] sends the replies.
//!
//! [`ReplySender`]: crate::net::reply_sender::ReplySender

use crate::net::packet::PacketSocket;
use crate::net::sys::ReceiveBatch;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};

/// A receiving socket.
#[derive(Debug)]
pub enum Socket {
    /// A UDP socket.
    Udp(UdpSocket),
    /// A packet socket, because another process has bound the port exclusively.
    Packet(PacketSocket),
}

impl Socket {
    /// Receives queued datagrams and returns their number, as [`ReceiveBatch::receive`] does.
    pub fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        match self {
            Socket::Udp(socket) => batch.receive(socket.as_fd()),
            Socket::Packet(socket) => socket.receive(batch),
        }
    }

    /// The socket with which to join multicast groups.
    pub fn membership_socket(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Packet(socket) => socket.membership_socket(),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Packet(socket) => socket.as_fd(),
        }
    }
}
