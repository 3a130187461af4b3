//! A set of sockets on which one thread waits. Other threads can add and remove sockets meanwhile. The set costs one
//! more system call per batch than a thread per socket, but a host with hundreds of addresses needs only one thread.

use crate::net::socket::Socket;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sockets by their addresses.
#[derive(Debug)]
pub struct SocketSet {
    epoll: Epoll,
    sockets: Mutex<SocketTable>,
}

#[derive(Debug, Default)]
struct SocketTable {
    /// The sockets by their keys in epoll. Keys are not reused.
    by_key: HashMap<u64, (SocketAddr, Arc<Socket>)>,
    keys: HashMap<SocketAddr, u64>,
    last_key: u64,
}

impl SocketSet {
    /// The key in [`SocketSet::epoll`] of a descriptor that only wakes the waiting thread.
    pub const WAKE: u64 = u64::MAX;

    /// An empty set.
    pub fn new() -> io::Result<Self> {
        Ok(SocketSet { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, sockets: Mutex::default() })
    }

    /// The epoll instance, to add other descriptors.
    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// Adds a socket, and replaces the previous one for this address.
    pub fn insert(&self, address: SocketAddr, socket: Socket) -> io::Result<()> {
        let mut sockets = self.sockets();
        self.take_out(&mut sockets, address);
        sockets.last_key += 1;
        let key = sockets.last_key;
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
        sockets.by_key.insert(key, (address, Arc::new(socket)));
        sockets.keys.insert(address, key);
        Ok(())
    }

    /// The socket for this address, if the set contains one.
    pub fn get(&self, address: SocketAddr) -> Option<Arc<Socket>> {
        let sockets = self.sockets();
        sockets.keys.get(&address).and_then(|key| sockets.by_key.get(key)).map(|(_, socket)| Arc::clone(socket))
    }

    /// Removes the socket for this address. The socket is closed when the waiting thread has handled its current batch.
    pub fn remove(&self, address: SocketAddr) {
        self.take_out(&mut self.sockets(), address);
    }

    /// Removes all sockets.
    pub fn clear(&self) {
        let mut sockets = self.sockets();
        let addresses: Vec<SocketAddr> = sockets.keys.keys().copied().collect();
        addresses.into_iter().for_each(|address| self.take_out(&mut sockets, address));
    }

    /// Waits until a socket is readable or the time has passed, and calls `each` for each readable socket.
    pub fn wait(&self, timeout: EpollTimeout, mut each: impl FnMut(SocketAddr, &Socket)) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 32];
        let count = match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            count => count?,
        };
        for event in &events[..count] {
            let found =
                self.sockets().by_key.get(&event.data()).map(|(address, socket)| (*address, Arc::clone(socket)));
            // Another thread may have removed the socket since `epoll.wait` returned.
            if let Some((address, socket)) = found {
                each(address, &socket);
            }
        }
        Ok(())
    }

    fn take_out(&self, sockets: &mut SocketTable, address: SocketAddr) {
        let removed = sockets.keys.remove(&address).and_then(|key| sockets.by_key.remove(&key));
        // To drop the socket is not enough: a thread that receives a batch keeps it open.
        // The kernel refuses only a socket that is not in the set.
        if let Some((_, socket)) = removed {
            self.epoll.delete(&*socket).ok();
        }
    }

    /// Locks the table. No code that can panic runs under this lock, so that its poison can be ignored.
    fn sockets(&self) -> MutexGuard<'_, SocketTable> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::sys::ReceiveBatch;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::time::{Duration, Instant};

    fn socket() -> (SocketAddr, UdpSocket) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        (SocketAddr::from((Ipv4Addr::LOCALHOST, socket.local_addr().unwrap().port())), socket)
    }

    /// Receives this number of datagrams, and checks that there are no more.
    fn receive(set: &SocketSet, expected: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut received, mut batch) = (Vec::new(), ReceiveBatch::new());
        let end = Instant::now() + Duration::from_secs(10);
        while received.len() < expected && Instant::now() < end {
            let each = |address, socket: &Socket| {
                socket.receive(&mut batch).unwrap();
                received.extend(batch.iter().map(|datagram| (address, datagram.payload.to_vec())));
            };
            set.wait(EpollTimeout::from(100_u8), each).unwrap();
        }
        set.wait(EpollTimeout::ZERO, |address, _| panic!("more at {address}")).unwrap();
        received.sort();
        received
    }

    #[test]
    fn datagrams_of_many_sockets_are_received_with_their_addresses() {
        let set = SocketSet::new().unwrap();
        let (_, sender) = socket();
        let mut expected: Vec<_> = (0..100_u8).map(|number| (put(&set), vec![number])).collect();
        expected.iter().for_each(|(address, payload)| assert_eq!(sender.send_to(payload, address).unwrap(), 1));
        expected.sort();
        assert_eq!(receive(&set, 100), expected);
    }

    #[test]
    fn a_removed_socket_is_closed_and_can_be_replaced() {
        let set = SocketSet::new().unwrap();
        let (_, sender) = socket();
        let (first, second) = (put(&set), put(&set));
        sender.send_to(b"lost", first).unwrap();
        set.remove(first);
        set.remove(first);
        let again = bind_when_closed(first);
        set.insert(first, Socket::Udp(again)).unwrap();
        // The new socket replaces the one at `second`, which is then closed.
        let (third, replacement) = socket();
        set.insert(second, Socket::Udp(replacement)).unwrap();
        drop(bind_when_closed(second));
        sender.send_to(b"first", first).unwrap();
        sender.send_to(b"third", third).unwrap();
        let mut expected = vec![(first, b"first".to_vec()), (second, b"third".to_vec())];
        expected.sort();
        assert_eq!(receive(&set, 2), expected);
    }

    /// A closed socket may exist for a moment longer in a process that another test is starting.
    fn bind_when_closed(address: SocketAddr) -> UdpSocket {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match UdpSocket::bind(address) {
                Ok(socket) => return socket,
                Err(error) => assert!(Instant::now() < end, "{address} was not closed: {error}"),
            }
        }
    }

    fn put(set: &SocketSet) -> SocketAddr {
        let (address, socket) = socket();
        set.insert(address, Socket::Udp(socket)).unwrap();
        address
    }
}
