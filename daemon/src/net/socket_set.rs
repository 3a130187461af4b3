//! The sockets that one thread hears, however many there are: they come and go while it waits. One more system call for
//! a batch than with a thread for each, and none of the threads that a host with hundreds of addresses would need.

use crate::net::socket::Socket;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Each by the address that it hears.
#[derive(Debug)]
pub struct SocketSet {
    epoll: Epoll,
    sockets: Mutex<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    /// By what epoll calls them; no name is given twice.
    named: HashMap<u64, (SocketAddr, Arc<Socket>)>,
    names: HashMap<SocketAddr, u64>,
    last: u64,
}

impl SocketSet {
    /// The name in [`SocketSet::epoll`] of what only wakes who waits.
    pub const WAKE: u64 = u64::MAX;

    pub fn new() -> io::Result<Self> {
        Ok(SocketSet { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?, sockets: Mutex::default() })
    }

    pub fn epoll(&self) -> &Epoll {
        &self.epoll
    }

    /// In the place of the one that was there for this address.
    pub fn insert(&self, address: SocketAddr, socket: Socket) -> io::Result<()> {
        let mut sockets = self.sockets();
        self.take_out(&mut sockets, address);
        sockets.last += 1;
        let name = sockets.last;
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, name))?;
        sockets.named.insert(name, (address, Arc::new(socket)));
        sockets.names.insert(address, name);
        Ok(())
    }

    /// The one that hears this address.
    pub fn get(&self, address: SocketAddr) -> Option<Arc<Socket>> {
        let sockets = self.sockets();
        sockets.names.get(&address).and_then(|name| sockets.named.get(name)).map(|(_, socket)| Arc::clone(socket))
    }

    /// It is closed when the batch that is just being received from it has been dealt with.
    pub fn remove(&self, address: SocketAddr) {
        self.take_out(&mut self.sockets(), address);
    }

    pub fn clear(&self) {
        let mut sockets = self.sockets();
        let addresses: Vec<SocketAddr> = sockets.names.keys().copied().collect();
        addresses.into_iter().for_each(|address| self.take_out(&mut sockets, address));
    }

    /// Waits, for so long at most, and calls `each` for those from which something can be received.
    pub fn wait(&self, longest: EpollTimeout, mut each: impl FnMut(SocketAddr, &Socket)) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 32];
        let count = match self.epoll.wait(&mut events, longest) {
            Err(Errno::EINTR) => 0,
            count => count?,
        };
        for event in &events[..count] {
            let named = self.sockets().named.get(&event.data()).map(|(address, socket)| (*address, Arc::clone(socket)));
            // It may have been removed since.
            if let Some((address, socket)) = named {
                each(address, &socket);
            }
        }
        Ok(())
    }

    fn take_out(&self, sockets: &mut Sockets, address: SocketAddr) {
        let named = sockets.names.remove(&address).and_then(|name| sockets.named.remove(&name));
        // Closing it would not do while a batch is being received from it.
        if let Some((_, socket)) = named
            && let Err(error) = self.epoll.delete(&*socket)
        {
            tracing::debug!("{address} was not waited for: {error}");
        }
    }

    /// Nothing that can panic is done while it is locked.
    fn sockets(&self) -> MutexGuard<'_, Sockets> {
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

    /// What is heard until nothing more comes.
    fn heard(set: &SocketSet, expected: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut heard, mut batch) = (Vec::new(), ReceiveBatch::new());
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
        set.insert(first, Socket::Udp(again)).unwrap();
        // Under the name of another: the one that was there is closed.
        let (third, replacement) = socket();
        set.insert(second, Socket::Udp(replacement)).unwrap();
        drop(bind_when_closed(second));
        sender.send_to(b"first", first).unwrap();
        sender.send_to(b"third", third).unwrap();
        let mut expected = vec![(first, b"first".to_vec()), (second, b"third".to_vec())];
        expected.sort();
        assert_eq!(heard(&set, 2), expected);
    }

    /// A closed socket may live on for a moment in a process that another test is just starting.
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
