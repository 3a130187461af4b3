//! The local ports of transfers. Who forges a client's address does not see the port, and must not be able to guess it.

use super::family::LocalAddress;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::ops::RangeInclusive;

#[derive(Debug)]
pub struct PortPool {
    /// `None`: whichever the kernel gives, which it draws at random, too.
    range: Option<RangeInclusive<u16>>,
    /// Those of the range that no transfer has, for each address of ours; an address without transfers is not listed.
    free: HashMap<IpAddr, Vec<u16>>,
    /// Keyed by the kernel: what it makes of a number cannot be foretold.
    random: RandomState,
    drawn: u64,
}

/// How many ports are tried that other programs may have, for one transfer.
const MOST_TRIES: usize = 32;

/// What the kernel draws from unless somebody has changed it.
const USUAL_RANGE: RangeInclusive<u16> = 32_768..=60_999;

impl PortPool {
    pub fn new(range: Option<RangeInclusive<u16>>) -> PortPool {
        PortPool { range, free: HashMap::new(), random: RandomState::new(), drawn: 0 }
    }

    /// A socket at this address of ours, and its port if that is to be given back.
    pub fn bind(&mut self, from: LocalAddress) -> io::Result<(UdpSocket, Option<u16>)> {
        let Some(range) = self.range.clone() else { return Ok((UdpSocket::bind(from.with_port(0))?, None)) };
        let mut bound = Err(exhausted(&range));
        let mut taken = Vec::new();
        while taken.len() < MOST_TRIES {
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
                // Another program has it.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken.push(port),
                Err(error) => {
                    taken.push(port);
                    bound = Err(error);
                    break;
                }
            }
        }
        taken.into_iter().for_each(|port| self.release(from.address, port));
        bound
    }

    /// Whether transfers have all those of the range.
    pub fn is_exhausted(&self, address: IpAddr) -> bool {
        self.free.get(&address).is_some_and(Vec::is_empty)
    }

    /// The transfer that had this port is over.
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

/// How many ports somebody has to try who wants to guess that of a transfer.
pub fn port_guesses(range: Option<&RangeInclusive<u16>>, single_port: bool) -> u32 {
    match range {
        _ if single_port => 1,
        Some(range) => range.len() as u32,
        None => kernel_range().len() as u32,
    }
}

/// IPv6 draws from the same.
fn kernel_range() -> RangeInclusive<u16> {
    let read = || {
        let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
        let (first, last) = text.trim().split_once(char::is_whitespace)?;
        Some(first.parse().ok()?..=last.trim().parse().ok()?)
    };
    read().unwrap_or(USUAL_RANGE)
}

fn exhausted(range: &RangeInclusive<u16>) -> io::Error {
    let (first, last) = (range.start(), range.end());
    let text = format!(
        "no port from {first} to {last} is free: each transfer needs one; give `ports` in [tftp] (--tftp-ports) a \
         wider \
         range"
    );
    io::Error::new(io::ErrorKind::AddrInUse, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Below the range from which the kernel gives ports to the other tests.
    fn bind(ports: &mut PortPool) -> io::Result<(UdpSocket, u16)> {
        let (socket, port) = ports.bind(LocalAddress::new(HERE, 0))?;
        Ok((socket, port.unwrap()))
    }

    #[test]
    fn every_port_of_the_range_is_used_once_and_in_no_order() {
        let mut ports = PortPool::new(Some(20_500..=20_599));
        let held: Vec<(UdpSocket, u16)> = (0..100).map(|_| bind(&mut ports).unwrap()).collect();
        let drawn: Vec<u16> = held.iter().map(|(_, port)| *port).collect();
        let mut sorted = drawn.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (20_500..=20_599).collect::<Vec<_>>());
        let successors = drawn.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
        assert!(successors < 10, "{successors} of 99 ports follow the one before: {drawn:?}");
        let error = bind(&mut ports).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("wider"), "{error}");
        drop(held);
        drawn.into_iter().for_each(|port| ports.release(HERE, port));
        assert!(ports.free.is_empty(), "an address without transfers costs nothing");
        bind(&mut ports).unwrap();
    }

    #[test]
    fn a_port_that_another_program_has_is_passed_over() {
        let other = UdpSocket::bind((HERE, 20_601)).unwrap();
        for _ in 0..20 {
            let mut ports = PortPool::new(Some(20_601..=20_602));
            assert_eq!(bind(&mut ports).unwrap().1, 20_602);
            assert!(bind(&mut ports).is_err(), "and is not given twice");
        }
        drop(other);
    }

    #[test]
    fn the_ports_that_somebody_has_to_try_are_those_that_a_transfer_can_have() {
        assert_eq!(port_guesses(None, true), 1);
        assert_eq!(port_guesses(Some(&(50_000..=50_999)), false), 1000);
        assert!(port_guesses(None, false) > 1000);
    }
}
