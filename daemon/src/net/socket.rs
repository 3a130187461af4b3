//! A socket that datagrams come and leave by, whichever way the kernel lets us have them.

use crate::net::packet::PacketSocket;
use crate::net::sys::{Batch, SendBatch};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

#[derive(Debug)]
pub enum Socket {
    Udp(UdpSocket),
    Packet(PacketSocket),
}

impl Socket {
    /// As [`Batch::receive`].
    pub fn receive(&self, batch: &mut Batch) -> io::Result<usize> {
        match self {
            Socket::Udp(socket) => batch.receive(socket.as_fd()),
            Socket::Packet(socket) => socket.receive(batch),
        }
    }

    /// As [`SendBatch::push`]; for this socket's [`Socket::flush`] only.
    pub fn push(&self, out: &mut SendBatch, payload: &[u8], to: SocketAddr, from: IpAddr, link: Option<u32>) {
        match self {
            Socket::Udp(_) => out.push(payload, to, from, link),
            Socket::Packet(socket) => socket.push(out, payload, to, from, link),
        }
    }

    /// As [`SendBatch::flush`].
    pub fn flush(&self, out: &mut SendBatch, refused: impl FnMut(SocketAddr, io::Error)) -> usize {
        match self {
            Socket::Udp(socket) => out.flush(socket.as_fd(), refused),
            Socket::Packet(socket) => socket.flush(out, refused),
        }
    }

    /// The one that joins groups for it.
    pub fn member(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Packet(socket) => socket.member(),
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
