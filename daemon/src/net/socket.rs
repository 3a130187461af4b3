//! A socket that datagrams come by, whichever way the kernel lets us have them. Replies leave by an [`Outlet`].
//!
//! [`Outlet`]: crate::net::outlet::Outlet

use crate::net::packet::PacketSocket;
use crate::net::sys::ReceiveBatch;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};

#[derive(Debug)]
pub enum Socket {
    Udp(UdpSocket),
    Packet(PacketSocket),
}

impl Socket {
    /// As [`Batch::receive`].
    pub fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        match self {
            Socket::Udp(socket) => batch.receive(socket.as_fd()),
            Socket::Packet(socket) => socket.receive(batch),
        }
    }

    /// The one that joins groups for it.
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
