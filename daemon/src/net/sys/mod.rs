//! System calls for which no crate has a safe function: to receive or send many datagrams with one call, each with its
//! link and its local address, to set up packet sockets, to measure a send queue, and to limit the memory of the
//! allocator. The daemon has no other unsafe code.
//!
//! No pointer is kept between calls. Each call builds its headers on the stack, and they point into plain arrays, so
//! that a batch can be moved and sent between threads. To build the headers takes some twenty nanoseconds a call. The
//! system call itself takes some microseconds.

mod allocator;
mod frames;
mod message;
mod queue;
mod receive;
mod send;

pub use allocator::share_arenas;
pub use frames::{accept_hardware_address, bind_to_all_links, enable_checksum_status};
pub use message::BATCH_SIZE;
pub use queue::unacknowledged;
pub use receive::{Datagram, Frame, ParsedDatagram, ReceiveBatch};
pub use send::SendBatch;

#[cfg(test)]
mod tests {
    use super::message::MAX_DATAGRAM_SIZE;
    use super::*;
    use nix::poll::{PollFd, PollFlags, poll};
    use nix::sys::socket::{setsockopt, sockopt};
    use std::io;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, UdpSocket};
    use std::os::fd::AsFd;

    const UNSPECIFIED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn socket() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())
    }

    /// Waits until datagrams arrive, receives a batch, and returns their number.
    fn receive(batch: &mut ReceiveBatch, socket: &UdpSocket) -> usize {
        let mut readable = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut readable, 10_000_u16), Ok(1), "no datagram arrived");
        batch.receive(socket.as_fd()).unwrap()
    }

    #[test]
    fn a_datagram_has_its_destination_and_its_interface() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        let mut out = SendBatch::new();
        let lo = nix::net::if_::if_nametoindex("lo").unwrap();
        let second = SocketAddr::from(([127, 0, 0, 9], at.port()));
        out.push(b"one", at, UNSPECIFIED, None, 0);
        out.push(b"second", second, [127, 0, 0, 5].into(), Some(lo), 0);
        assert_eq!(out.flush(sender.as_fd(), |_, to, error| panic!("{to}: {error}")), 2);
        assert!(out.is_empty());

        let mut batch = ReceiveBatch::new();
        assert_eq!(receive(&mut batch, &receiver), 2);
        let port = sender.local_addr().unwrap().port();
        let expected = |payload, from, to| Datagram {
            payload,
            from: SocketAddr::from((from, port)),
            to,
            link: lo,
            truncated: false,
        };
        let received: Vec<_> = batch.iter().collect();
        assert_eq!(received[0], expected(&b"one"[..], Ipv4Addr::LOCALHOST, at.ip()));
        assert_eq!(received[1], expected(&b"second"[..], Ipv4Addr::new(127, 0, 0, 5), second.ip()));
    }

    #[test]
    fn several_batches_arrive_complete_and_in_order() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        let mut out = SendBatch::new();
        for number in 0..100_u8 {
            out.push(&vec![number; usize::from(number)], at, UNSPECIFIED, None, 0);
        }
        assert_eq!(out.flush(sender.as_fd(), |_, to, error| panic!("{to}: {error}")), 100);
        let mut batch = ReceiveBatch::new();
        let mut next = 0..100_u8;
        let mut calls = 0;
        while !next.is_empty() {
            receive(&mut batch, &receiver);
            calls += 1;
            for datagram in batch.iter() {
                let number = next.next().unwrap();
                assert_eq!(datagram.payload, vec![number; usize::from(number)]);
            }
        }
        assert_eq!(calls, 4);
    }

    #[test]
    fn a_refused_datagram_does_not_block_the_others() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        let mut out = SendBatch::new();
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        out.push(b"first of all", nowhere, UNSPECIFIED, None, 0);
        out.push(b"a", at, UNSPECIFIED, None, 0);
        out.push(&[0; 70_000], at, UNSPECIFIED, None, 0);
        out.push(b"b", at, UNSPECIFIED, None, 0);
        out.push(b"foreign source", at, [192, 0, 2, 77].into(), None, 0);
        out.push(b"no such link", at, UNSPECIFIED, Some(1_000_000), 0);
        out.push(b"c", at, UNSPECIFIED, None, 0);
        out.push(b"last of all", nowhere, UNSPECIFIED, None, 0);
        let mut refused = Vec::new();
        let sent = out.flush(sender.as_fd(), |_, to, error| refused.push((to, error.raw_os_error().unwrap())));
        assert_eq!(sent, 3);
        assert_eq!(refused.len(), 5, "{refused:?}");
        assert_eq!(refused[0], (nowhere, libc::EINVAL));
        assert_eq!(refused[1], (at, libc::EMSGSIZE));
        assert_eq!(refused[4], (nowhere, libc::EINVAL));

        let mut batch = ReceiveBatch::new();
        receive(&mut batch, &receiver);
        assert_eq!(batch.iter().map(|datagram| datagram.payload).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    }

    #[test]
    fn only_a_datagram_that_is_too_long_is_marked_as_truncated() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        sender.send_to(&[7; MAX_DATAGRAM_SIZE + 1], at).unwrap();
        sender.send_to(&[8; MAX_DATAGRAM_SIZE], at).unwrap();
        sender.send_to(&[], at).unwrap();
        let mut batch = ReceiveBatch::new();
        assert_eq!(receive(&mut batch, &receiver), 3);
        let received: Vec<_> = batch.iter().map(|datagram| (datagram.payload.len(), datagram.truncated)).collect();
        assert_eq!(received, [(MAX_DATAGRAM_SIZE, true), (MAX_DATAGRAM_SIZE, false), (0, false)]);
    }

    #[test]
    fn without_datagrams_a_call_returns_at_once_and_empties_the_batch() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        sender.send_to(b"x", at).unwrap();
        let mut batch = ReceiveBatch::new();
        assert_eq!(receive(&mut batch, &receiver), 1);
        assert_eq!(batch.receive(receiver.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(batch.iter().len(), 0);
    }

    #[test]
    fn without_packet_information_the_payload_still_arrives() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (sender, _) = socket();
        sender.send_to(b"x", receiver.local_addr().unwrap()).unwrap();
        let mut batch = ReceiveBatch::new();
        receive(&mut batch, &receiver);
        let datagram = batch.iter().next().unwrap();
        assert_eq!((datagram.payload, datagram.to, datagram.link), (&b"x"[..], UNSPECIFIED, 0));
    }

    #[test]
    fn an_ipv6_datagram_has_its_destination_and_its_interface() {
        let receiver = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        setsockopt(&receiver, sockopt::Ipv6RecvPacketInfo, &true).unwrap();
        let at = SocketAddr::from((Ipv6Addr::LOCALHOST, receiver.local_addr().unwrap().port()));
        let sender = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let lo = nix::net::if_::if_nametoindex("lo").unwrap();
        let mut out = SendBatch::new();
        out.push(b"one", at, Ipv6Addr::LOCALHOST.into(), Some(lo), 0);
        out.push(b"two", at, Ipv6Addr::UNSPECIFIED.into(), None, 0);
        assert_eq!(out.flush(sender.as_fd(), |_, to, error| panic!("{to}: {error}")), 2);
        let mut batch = ReceiveBatch::new();
        assert_eq!(receive(&mut batch, &receiver), 2);
        let from = SocketAddr::from((Ipv6Addr::LOCALHOST, sender.local_addr().unwrap().port()));
        let expected = |payload| Datagram { payload, from, to: at.ip(), link: lo, truncated: false };
        assert_eq!(batch.iter().collect::<Vec<_>>(), [expected(b"one"), expected(b"two")]);
    }
}
