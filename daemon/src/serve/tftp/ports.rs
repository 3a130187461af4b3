//! The local ports of transfers. A forger of a client's address does not see the port, and must not be able to guess
//! it.

use super::family::LocalAddress;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::ops::RangeInclusive;

/// Hands out local ports in random order.
#[derive(Debug)]
pub struct PortPool {
    /// The ports to hand out. `None` if the kernel chooses a port, which is random as well.
    range: Option<RangeInclusive<u16>>,
    /// For each local address, the ports of the range that no transfer uses. An address without transfers has no entry.
    free: HashMap<IpAddr, Vec<u16>>,
    /// A keyed hash, whose outputs cannot be predicted.
    random: RandomState,
    drawn: u64,
}

/// Maximum number of ports to try for one transfer, because other programs may use some ports.
const MAX_TRIES: usize = 32;

/// The range from which the kernel chooses local ports by default.
const DEFAULT_RANGE: RangeInclusive<u16> = 32_768..=60_999;

impl PortPool {
    /// A pool in which all ports of the range are free. With `None`, the kernel chooses the ports.
    pub fn new(range: Option<RangeInclusive<u16>>) -> PortPool {
        PortPool { range, free: HashMap::new(), random: RandomState::new(), drawn: 0 }
    }

    /// Returns a socket that is bound to this local address, and its port if the caller must release that port with
    /// [`PortPool::release`]. Fails if there is no free port.
    pub fn bind(&mut self, from: LocalAddress) -> io::Result<(UdpSocket, Option<u16>)> {
        let Some(range) = self.range.clone() else { return Ok((UdpSocket::bind(from.with_port(0))?, None)) };
        let mut bound = Err(no_free_port(&range));
        let mut unusable = Vec::new();
        while unusable.len() < MAX_TRIES {
            let random = self.random();
            let free = self.free.entry(from.address).or_insert_with(|| range.clone().collect());
            if free.is_empty() {
                break;
            }
            let port = free.swap_remove((random % free.len() as u64) as usize);
            match UdpSocket::bind(from.with_port(port)) {
                Ok(socket) => {
                    bound = Ok((socket, Some(port)));
                    break;
                }
                // Another program uses this port.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => unusable.push(port),
                Err(error) => {
                    unusable.push(port);
                    bound = Err(error);
                    break;
                }
            }
        }
        unusable.into_iter().for_each(|port| self.release(from.address, port));
        bound
    }

    /// Whether transfers from this local address use all ports of the range.
    pub fn is_exhausted(&self, address: IpAddr) -> bool {
        self.free.get(&address).is_some_and(Vec::is_empty)
    }

    /// Makes the port of a transfer that has ended available again.
    pub fn release(&mut self, address: IpAddr, port: u16) {
        let Some(free) = self.free.get_mut(&address) else { return };
        free.push(port);
        if self.range.as_ref().is_some_and(|range| free.len() == range.len()) {
            self.free.remove(&address);
        }
    }

    fn random(&mut self) -> u64 {
        self.drawn += 1;
        self.random.hash_one(self.drawn)
    }
}

/// The number of ports that a forger must try to hit that of a transfer.
pub fn port_guesses(range: Option<&RangeInclusive<u16>>, single_port: bool) -> u32 {
    match range {
        _ if single_port => 1,
        Some(range) => range.len() as u32,
        None => kernel_range().len() as u32,
    }
}

/// The range from which the kernel chooses local ports. It is the same for IPv6.
fn kernel_range() -> RangeInclusive<u16> {
    let read = || {
        let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
        let (first, last) = text.trim().split_once(char::is_whitespace)?;
        Some(first.parse().ok()?..=last.trim().parse().ok()?)
    };
    read().unwrap_or(DEFAULT_RANGE)
}

fn no_free_port(range: &RangeInclusive<u16>) -> io::Error {
    let (first, last) = (range.start(), range.end());
    let text = format!(
        "no free port from {first} to {last}: each transfer needs one; set `ports` of [tftp] (--tftp-ports) to a \
         wider range"
    );
    io::Error::new(io::ErrorKind::AddrInUse, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Binds a socket to a port of the pool. The tests use pools below the kernel's range, because other tests get
    /// their ports from that range.
    fn bind(ports: &mut PortPool) -> io::Result<(UdpSocket, u16)> {
        let (socket, port) = ports.bind(LocalAddress::new(LOCALHOST, 0))?;
        Ok((socket, port.unwrap()))
    }

    #[test]
    fn every_port_of_the_range_is_used_once_in_random_order() {
        let mut ports = PortPool::new(Some(20_500..=20_599));
        let sockets: Vec<(UdpSocket, u16)> = (0..100).map(|_| bind(&mut ports).unwrap()).collect();
        let drawn: Vec<u16> = sockets.iter().map(|(_, port)| *port).collect();
        let mut sorted = drawn.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (20_500..=20_599).collect::<Vec<_>>());
        let successors = drawn.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
        assert!(successors < 10, "{successors} of 99 ports follow the one before: {drawn:?}");
        let error = bind(&mut ports).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("wider"), "{error}");
        drop(sockets);
        drawn.into_iter().for_each(|port| ports.release(LOCALHOST, port));
        assert!(ports.free.is_empty(), "an address without transfers costs nothing");
        bind(&mut ports).unwrap();
    }

    #[test]
    fn a_port_that_another_program_has_is_skipped() {
        let other = UdpSocket::bind((LOCALHOST, 20_601)).unwrap();
        for _ in 0..20 {
            let mut ports = PortPool::new(Some(20_601..=20_602));
            assert_eq!(bind(&mut ports).unwrap().1, 20_602);
            assert!(bind(&mut ports).is_err(), "and is not handed out twice");
        }
        drop(other);
    }

    #[test]
    fn a_forger_must_try_every_port_that_a_transfer_can_have() {
        assert_eq!(port_guesses(None, true), 1);
        assert_eq!(port_guesses(Some(&(50_000..=50_999)), false), 1000);
        assert!(port_guesses(None, false) > 1000);
    }
}
