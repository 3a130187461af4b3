//! Finds the servers in a capture, in a first pass over its packets.

use super::addresses::{TFTP_PORT, is_dhcp, is_one_of};
use crate::capture::Packet;
use crate::client::Class;
use crate::wire::dhcp4::{Message, MessageType, OP_REPLY, code};
use crate::wire::tftp::is_request;
use crate::wire::{dhcp4, dhcp6};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The maximum number of hosts, and of networks, that a survey remembers.
const MAX_HOSTS: usize = 4096;
/// The option of DHCPv4 with the mask of the network (RFC 2132 3.3).
const SUBNET_MASK: u8 = 1;
/// The prefix length of a network whose mask no packet states.
const USUAL_PREFIX: u8 = 24;

/// The servers in a capture.
#[derive(Debug, Default)]
pub struct Survey {
    hosts: BTreeMap<IpAddr, Host>,
    /// The prefix lengths of networks, by an address in each.
    networks: BTreeMap<Ipv4Addr, u8>,
    duids: BTreeMap<IpAddr, Vec<u8>>,
    /// The hosts of the URLs that each server names over IPv6.
    url_hosts: BTreeSet<(IpAddr, IpAddr)>,
}

/// A host that serves something.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    assigns_addresses: bool,
    answers_boot_clients: bool,
    /// The number of requests for files to it.
    files: u64,
}

/// The servers whose boots a replay shows.
#[derive(Clone, Debug, Default)]
pub struct FoundServers {
    /// Their addresses.
    pub addresses: Vec<IpAddr>,
    /// The DUID of one of them.
    pub duid: Vec<u8>,
    /// Their IPv4 addresses with the prefix lengths of their networks.
    pub networks: Vec<(Ipv4Addr, u8)>,
}

impl Survey {
    /// Adds a packet.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        let Packet { from, to, payload, .. } = packet;
        match (packet.tcp, from.port(), to.port()) {
            (Some(_), ..) if payload.starts_with(b"GET ") => self.host(to.ip(), |host| host.files += 1),
            (Some(_), ..) => {}
            (None, 67 | 4011, _) if from.is_ipv4() => self.dhcp4(from.ip(), payload),
            (None, 547 | 4011, _) if from.is_ipv6() => self.dhcp6(from.ip(), payload),
            (None, port, TFTP_PORT) if !is_dhcp(port) && is_request(payload) => {
                self.host(to.ip(), |host| host.files += 1);
            }
            _ => {}
        }
    }

    /// The servers to show: the chosen ones, or all that answer boot clients and assign no addresses, or else the one
    /// that serves most files.
    pub fn servers(&self, chosen: &[IpAddr]) -> FoundServers {
        let is_proxy = |host: &Host| host.answers_boot_clients && !host.assigns_addresses;
        let of = |is: &dyn Fn(&Host) -> bool| -> Vec<IpAddr> {
            self.hosts.iter().filter(|(_, host)| is(host)).map(|(address, _)| *address).collect()
        };
        let busiest = || {
            let most = self.hosts.iter().filter(|(_, host)| host.files > 0).max_by_key(|(_, host)| host.files);
            most.map(|(address, _)| *address).into_iter().collect()
        };
        let mut addresses = match chosen {
            [_, ..] => chosen.iter().map(IpAddr::to_canonical).collect(),
            [] => Some(of(&is_proxy)).filter(|found| !found.is_empty()).unwrap_or_else(busiest),
        };
        // A server replies from a link-local address, and sends its files from the address in its URLs.
        let others = self.url_hosts.iter().filter(|(server, _)| is_one_of(&addresses, *server)).map(|(_, host)| *host);
        let others: Vec<IpAddr> = others.filter(|host| !addresses.contains(host)).collect();
        addresses.extend(others);
        let duid = addresses.iter().find_map(|address| self.duids.get(address)).cloned().unwrap_or_default();
        let ipv4 = addresses.iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some((*address, self.prefix(*address))),
            IpAddr::V6(_) => None,
        });
        FoundServers { networks: ipv4.collect(), duid, addresses }
    }

    fn host(&mut self, address: IpAddr, change: impl FnOnce(&mut Host)) {
        let is_known = self.hosts.contains_key(&address.to_canonical());
        if is_known || self.hosts.len() < MAX_HOSTS {
            change(self.hosts.entry(address.to_canonical()).or_default());
        }
    }

    fn dhcp4(&mut self, from: IpAddr, payload: &[u8]) {
        let Ok(message) = Message::parse(payload) else { return };
        let is_reply = matches!(message.message_type(), Some(MessageType::Offer | MessageType::Ack));
        if message.header.op != OP_REPLY || !is_reply {
            return;
        }
        if message.header.yiaddr.is_unspecified() {
            if is_boot_reply(&message) {
                self.host(from, |host| host.answers_boot_clients = true);
            }
            return;
        }
        // A relay passes on the replies of a server, which only the server identifier names.
        let server = message.address(code::SERVER_ID).map_or(from, IpAddr::V4);
        self.host(server, |host| host.assigns_addresses = true);
        if let Some(mask) = message.address(SUBNET_MASK)
            && self.networks.len() < MAX_HOSTS
        {
            self.networks.insert(message.header.yiaddr, u32::from(mask).leading_ones() as u8);
        }
    }

    fn dhcp6(&mut self, from: IpAddr, payload: &[u8]) {
        let Ok(packet) = dhcp6::Packet::parse(payload) else { return };
        let message = packet.message;
        if !matches!(message.message_type, dhcp6::MessageType::Advertise | dhcp6::MessageType::Reply) {
            return;
        }
        let url = message.option(dhcp6::code::BOOT_FILE_URL);
        if message.addresses().next().is_some() {
            return self.host(from, |host| host.assigns_addresses = true);
        }
        let Some(url) = url else { return };
        self.host(from, |host| host.answers_boot_clients = true);
        if let Some(duid) = message.option(dhcp6::code::SERVER_ID)
            && self.duids.len() < MAX_HOSTS
        {
            self.duids.insert(from, duid.to_vec());
        }
        if let Some(host) = core::str::from_utf8(url).ok().and_then(ipv6_host)
            && self.url_hosts.len() < MAX_HOSTS
        {
            self.url_hosts.insert((from, host.into()));
        }
    }

    /// The prefix length of the network of an address.
    fn prefix(&self, address: Ipv4Addr) -> u8 {
        let contains = |(known, prefix): &(&Ipv4Addr, &u8)| {
            crate::link::Network4 { address: **known, prefix: **prefix }.contains(address)
        };
        self.networks.iter().find(contains).map_or(USUAL_PREFIX, |(_, prefix)| *prefix)
    }
}

/// Whether a reply is that of a boot server: it has the vendor class of boot clients, or names a file.
fn is_boot_reply(message: &dhcp4::Message<'_>) -> bool {
    let class = message.option(code::VENDOR_CLASS);
    class.is_some_and(|class| Class::from_vendor_class(&class).is_some())
        || !message.file().is_empty()
        || message.option(code::BOOT_FILE).is_some()
}

/// The IPv6 address that is the host of a URL.
fn ipv6_host(url: &str) -> Option<Ipv6Addr> {
    url.split_once("://[")?.1.split_once(']')?.0.parse().ok()
}
