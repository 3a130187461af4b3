//! The sockets that one thread hears, however many there are: they come and go while it waits. One more system call for
//! a batch than with a thread for each, and none of the threads that a host with hundreds of addresses would need.

use crate::net::socket::Socket;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Each by the address that it hears.
#[derive(Debug)]
pub struct SocketSet {
    epoll: Epoll,
    sockets: Mutex<HashMap<SocketAddrV4, Arc<Socket>>>,
}

impl SocketSet {
    pub fn new() -> io::Result<Self> {
        Ok(SocketSet { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, sockets: Mutex::default() })
    }

    /// In the place of the one that was there for this address.
    pub fn put(&self, address: SocketAddrV4, socket: Socket) -> io::Result<()> {
        let mut sockets = self.sockets();
        self.take_out(&mut sockets, address);
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, name(address)))?;
        sockets.insert(address, Arc::new(socket));
        Ok(())
    }

    /// It is closed when the batch that is just being received from it has been dealt with.
    pub fn remove(&self, address: SocketAddrV4) {
        self.take_out(&mut self.sockets(), address);
    }

    pub fn clear(&self) {
        let mut sockets = self.sockets();
        let addresses: Vec<SocketAddrV4> = sockets.keys().copied().collect();
        addresses.into_iter().for_each(|address| self.take_out(&mut sockets, address));
    }

    /// Waits, for so long at most, and calls `each` for those from which something can be received.
    pub fn wait(&self, longest: EpollTimeout, mut each: impl FnMut(SocketAddrV4, &Socket)) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 32];
        let count = match self.epoll.wait(&mut events, longest) {
            Err(Errno::EINTR) => 0,
            count => count?,
        };
        for event in &events[..count] {
            let address = address(event.data());
            let socket = self.sockets().get(&address).map(Arc::clone);
            // It may have been removed since.
            if let Some(socket) = socket {
                each(address, &socket);
            }
        }
        Ok(())
    }

    fn take_out(&self, sockets: &mut HashMap<SocketAddrV4, Arc<Socket>>, address: SocketAddrV4) {
        // Closing it would not do while a batch is being received from it.
        if let Some(socket) = sockets.remove(&address)
            && let Err(error) = self.epoll.delete(&*socket)
        {
            tracing::debug!("{address} was not waited for: {error}");
        }
    }

    /// Nothing that can panic is done while it is locked.
    fn sockets(&self) -> MutexGuard<'_, HashMap<SocketAddrV4, Arc<Socket>>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What epoll calls it.
fn name(address: SocketAddrV4) -> u64 {
    u64::from(address.ip().to_bits()) << 16 | u64::from(address.port())
}

fn address(name: u64) -> SocketAddrV4 {
    SocketAddrV4::new(((name >> 16) as u32).into(), name as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sys::Batch;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::time::{Duration, Instant};

    fn socket() -> (SocketAddrV4, UdpSocket) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        (SocketAddrV4::new(Ipv4Addr::LOCALHOST, socket.local_addr().unwrap().port()), socket)
    }

    /// What is heard until nothing more comes.
    fn heard(set: &SocketSet, expected: usize) -> Vec<(SocketAddrV4, Vec<u8>)> {
        let (mut heard, mut batch) = (Vec::new(), Batch::new());
        let end = Instant::now() + Duration::from_secs(10);
        while heard.len() < expected && Instant::now() < end {
            let each = |address, socket: &Socket| {
                socket.receive(&mut batch).unwrap();
                heard.extend(batch.iter().map(|datagram| (address, datagram.payload.to_vec())));
            };
            set.wait(EpollTimeout::from(100_u8), each).unwrap();
        }
        set.wait(EpollTimeout::ZERO, |address, _| panic!("more at {address}")).unwrap();
        heard.sort();
        heard
    }

    #[test]
    fn any_number_of_sockets_is_heard_and_each_is_named() {
        let set = SocketSet::new().unwrap();
        let (_, sender) = socket();
        let mut expected: Vec<_> = (0..100_u8).map(|number| (put(&set), vec![number])).collect();
        expected.iter().for_each(|(address, payload)| assert_eq!(sender.send_to(payload, address).unwrap(), 1));
        expected.sort();
        assert_eq!(heard(&set, 100), expected);
    }

    #[test]
    fn one_that_was_removed_is_closed_and_one_may_take_its_place() {
        let set = SocketSet::new().unwrap();
        let (_, sender) = socket();
        let (first, second) = (put(&set), put(&set));
        sender.send_to(b"unheard", first).unwrap();
        set.remove(first);
        set.remove(first);
        let again = bind_when_closed(first);
        set.put(first, Socket::Udp(again)).unwrap();
        // Under the name of another: the one that was there is closed.
        let (third, replacement) = socket();
        set.put(second, Socket::Udp(replacement)).unwrap();
        drop(bind_when_closed(second));
        sender.send_to(b"first", first).unwrap();
        sender.send_to(b"third", third).unwrap();
        let mut expected = vec![(first, b"first".to_vec()), (second, b"third".to_vec())];
        expected.sort();
        assert_eq!(heard(&set, 2), expected);
    }

    #[test]
    fn names_lead_back_to_addresses() {
        for text in ["255.255.255.255:67", "0.0.0.0:4011", "192.0.2.1:65535"] {
            let at: SocketAddrV4 = text.parse().unwrap();
            assert_eq!(address(name(at)), at);
        }
    }

    /// A closed socket may live on for a moment in a process that another test is just starting.
    fn bind_when_closed(address: SocketAddrV4) -> UdpSocket {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match UdpSocket::bind(address) {
                Ok(socket) => return socket,
                Err(error) => assert!(Instant::now() < end, "{address} was not closed: {error}"),
            }
        }
    }

    fn put(set: &SocketSet) -> SocketAddrV4 {
        let (address, socket) = socket();
        set.put(address, Socket::Udp(socket)).unwrap();
        address
    }
}
