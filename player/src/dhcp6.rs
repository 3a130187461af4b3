//! A client's DHCP over IPv6: SOLICIT, REQUEST (RFC 8415 18.2), and EDK2's request to a boot server on port 4011.

use crate::exchange::{Exchange, Retries, Step};
use crate::failure::Failure;
use crate::machine::Machine;
use proxydhcpd_core::wire::dhcp6::{Message, MessageType, Packet, Writer, code};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// All DHCPv6 servers and relays on a link (RFC 8415 7.1).
pub const ALL_SERVERS_AND_RELAYS: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2));
const SERVER_PORT: u16 = 547;
const BOOT_SERVER_PORT: u16 = 4011;

/// The program that sends the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender6 {
    /// UEFI (EDK2): the word of its vendor class.
    Firmware(&'static str),
    /// iPXE, which needs only an address.
    Ipxe,
    /// The operating system, without a vendor class.
    System,
}

/// The offer of a boot server.
#[derive(Clone, Debug)]
pub struct BootOffer6 {
    /// The server's DUID.
    pub server: Vec<u8>,
    /// The boot file URL (option 59).
    pub url: Option<String>,
}

/// The result: an address, and the offer of a boot server.
#[derive(Clone, Debug)]
pub struct Lease6 {
    /// The client's address.
    pub address: Ipv6Addr,
    /// The offer of the boot server, if the client needs one.
    pub boot: Option<BootOffer6>,
}

/// The client.
#[derive(Debug)]
pub struct Dhcp6Client<'a> {
    machine: &'a Machine,
    sender: Sender6,
    transaction: [u8; 3],
    association: [u8; 4],
    hurries: bool,
    retries: Retries,
    /// The DHCP server's DUID, the offered address, and its IA_NA, which the REQUEST repeats.
    lease: Option<(Vec<u8>, Ipv6Addr, Vec<u8>)>,
    boot: Option<BootOffer6>,
    requests: bool,
    is_done: bool,
}

/// The waits of EDK2 and of systems, in milliseconds: the first is that during which EDK2 collects offers.
const WAITS: &[u64] = &[4700, 8000, 16_000];
const BOOT_WAITS: &[u64] = &[3000];

impl<'a> Dhcp6Client<'a> {
    /// Creates a client. It uses the low bits of `xid` as its transaction ID.
    pub fn new(machine: &'a Machine, sender: Sender6, xid: u32, hurries: bool, now: Duration) -> Dhcp6Client<'a> {
        let [_, a, b, c] = xid.to_be_bytes();
        let [.., e, f] = machine.mac;
        Dhcp6Client {
            machine,
            sender,
            transaction: [a, b, c],
            association: [a, b, e, f],
            hurries,
            retries: Retries::new(WAITS, now),
            lease: None,
            boot: None,
            requests: false,
            is_done: false,
        }
    }

    fn goes_on(&self, now: Duration) -> bool {
        let has_all = self.lease.is_some() && (!matches!(self.sender, Sender6::Firmware(_)) || self.boot.is_some());
        let fired = self.retries.sent() > 0 && self.retries.is_due(now);
        let collects = matches!(self.sender, Sender6::Firmware(_)) && !self.hurries;
        has_all && (!collects || fired)
    }

    fn message(&self) -> Vec<u8> {
        let kind = if self.requests { MessageType::Request } else { MessageType::Solicit };
        let mut out = Vec::new();
        let mut writer = Writer::new(kind, self.transaction, &mut out);
        writer.option(code::CLIENT_ID, &duid(self.machine, self.sender));
        let mut association = [&self.association[..], &[0xff; 8]].concat();
        if let Some((server, _, offered)) = self.lease.as_ref().filter(|_| self.requests) {
            writer.option(code::SERVER_ID, server);
            association = offered.clone();
        }
        writer.option(code::ELAPSED_TIME, &[0, 0]);
        writer.option(code::IA_NA, &association);
        write_boot_options(&mut writer, self.machine, self.sender);
        out
    }

    fn receive_advertise(&mut self, message: &Message<'_>) {
        let Some(server) = message.option(code::SERVER_ID) else { return };
        if let Some(address) = message.addresses().next() {
            let association = message.option(code::IA_NA).unwrap_or_default().to_vec();
            self.lease.get_or_insert((server.to_vec(), address, association));
            return;
        }
        let Sender6::Firmware(word) = self.sender else { return };
        if message.vendor_classes().any(|class| class.starts_with(word.as_bytes())) && self.boot.is_none() {
            self.boot = Some(BootOffer6 { server: server.to_vec(), url: url(message) });
        }
    }
}

impl Exchange for Dhcp6Client<'_> {
    type Outcome = Lease6;

    fn next(&mut self, now: Duration) -> Step<Lease6> {
        if !self.requests && self.goes_on(now) {
            self.requests = true;
            self.retries = Retries::new(WAITS, now);
        }
        if let Some((_, address, _)) = self.lease.as_ref().filter(|_| self.is_done) {
            return Step::Done(Ok(Lease6 { address: *address, boot: self.boot.clone() }));
        }
        if !self.retries.is_due(now) {
            return Step::WaitUntil(self.retries.due());
        }
        match self.retries.send(now) {
            true => Step::Send(SocketAddr::new(ALL_SERVERS_AND_RELAYS, SERVER_PORT), self.message()),
            false => Step::Done(Err(match (self.requests, &self.lease) {
                (true, _) => Failure::NoAck,
                (false, Some(_)) => Failure::NoBootOffer,
                (false, None) => Failure::NoAddress,
            })),
        }
    }

    fn receive(&mut self, payload: &[u8], _from: SocketAddr, _now: Duration) {
        let Ok(packet) = Packet::parse(payload) else { return };
        let message = packet.message;
        if message.transaction_id != self.transaction {
            return;
        }
        let server = message.option(code::SERVER_ID);
        let from_chosen = server == self.lease.as_ref().map(|(server, _, _)| &server[..]);
        match message.message_type {
            MessageType::Advertise if !self.requests => self.receive_advertise(&message),
            MessageType::Reply if self.requests && from_chosen => {
                if let (Some(address), Some(lease)) = (message.addresses().next(), &mut self.lease) {
                    lease.1 = address;
                    self.is_done = true;
                }
            }
            _ => {}
        }
    }
}

/// EDK2's request to the boot server whose ADVERTISE it took. EDK2 sends it once, and waits three seconds.
#[derive(Debug)]
pub struct BootServer6Client {
    request: Vec<u8>,
    transaction: [u8; 3],
    retries: Retries,
    url: Option<Option<String>>,
}

impl BootServer6Client {
    /// Creates a client. EDK2 uses the transaction ID of its SOLICIT again.
    pub fn new(machine: &Machine, sender: Sender6, xid: u32, server: &[u8], now: Duration) -> BootServer6Client {
        let [_, a, b, c] = xid.to_be_bytes();
        let mut request = Vec::new();
        let mut writer = Writer::new(MessageType::Request, [a, b, c], &mut request);
        writer.option(code::SERVER_ID, server);
        writer.option(code::CLIENT_ID, &duid(machine, sender));
        writer.option(code::ELAPSED_TIME, &[0, 0]);
        write_boot_options(&mut writer, machine, sender);
        BootServer6Client { request, transaction: [a, b, c], retries: Retries::new(BOOT_WAITS, now), url: None }
    }
}

impl Exchange for BootServer6Client {
    type Outcome = Option<String>;

    fn next(&mut self, now: Duration) -> Step<Option<String>> {
        let server = SocketAddr::new(ALL_SERVERS_AND_RELAYS, BOOT_SERVER_PORT);
        if let Some(url) = self.url.take() {
            return Step::Done(Ok(url));
        }
        if !self.retries.is_due(now) {
            return Step::WaitUntil(self.retries.due());
        }
        match self.retries.send(now) {
            true => Step::Send(server, self.request.clone()),
            false => Step::Done(Err(Failure::NoBootServer(server))),
        }
    }

    fn receive(&mut self, payload: &[u8], from: SocketAddr, _now: Duration) {
        let Ok(packet) = Packet::parse(payload) else { return };
        let message = packet.message;
        let is_reply = message.message_type == MessageType::Reply && message.transaction_id == self.transaction;
        if is_reply && from.port() == BOOT_SERVER_PORT {
            self.url = Some(url(&message));
        }
    }
}

/// The options by which a boot client identifies itself.
fn write_boot_options(writer: &mut Writer<'_>, machine: &Machine, sender: Sender6) {
    /// Option request: the boot file URL and its parameters, DNS servers, vendor class.
    const BOOT_REQUEST: [u8; 8] = [0, 59, 0, 60, 0, 23, 0, 16];
    /// Option request of a system: DNS servers and search domains.
    const SYSTEM_REQUEST: [u8; 4] = [0, 23, 0, 24];
    let arch = machine.kind.arch;
    let (word, undi, interface) = match sender {
        Sender6::Firmware(word) => (word, "003000", [1, 3, 0]),
        Sender6::Ipxe => ("PXEClient", "003010", [1, 3, 10]),
        Sender6::System => {
            writer.option(code::OPTION_REQUEST, &SYSTEM_REQUEST);
            return;
        }
    };
    writer.option(code::OPTION_REQUEST, &BOOT_REQUEST);
    writer.option(code::NETWORK_INTERFACE, &interface);
    writer.option(code::ARCHITECTURE, &arch.to_be_bytes());
    writer.vendor_class(&format!("{word}:Arch:{arch:05}:UNDI:{undi}"));
    if sender == Sender6::Ipxe {
        writer.option(code::USER_CLASS, b"\0\x04iPXE");
    }
}

/// The DUID: of type UUID, in the octet order of EDK2 or of iPXE; the system uses its MAC address (RFC 8415 11.4).
fn duid(machine: &Machine, sender: Sender6) -> Vec<u8> {
    match sender {
        Sender6::Firmware(_) => [&[0, 4][..], &machine.stored_uuid()].concat(),
        Sender6::Ipxe => [&[0, 4][..], &machine.uuid].concat(),
        Sender6::System => [&[0, 3, 0, 1][..], &machine.mac].concat(),
    }
}

fn url(message: &Message<'_>) -> Option<String> {
    message.option(code::BOOT_FILE_URL).map(|url| String::from_utf8_lossy(url).into_owned())
}
