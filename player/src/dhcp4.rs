//! A client's DHCP over IPv4: from its DISCOVER to the ACK of the DHCP server (RFC 2131 3.1), with the offers of boot
//! servers that arrive meanwhile.

use crate::dialect4::{self, Dialect4, Needs, Request};
use crate::exchange::{Exchange, Retries, Step};
use crate::failure::Failure;
use crate::kinds::Mishap;
use crate::machine::Machine;
use proxydhcpd_core::wire::dhcp4::{Message, MessageType, OP_REPLY, code};
use proxydhcpd_core::wire::pxe::SubOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The destination of a broadcast to DHCP servers.
pub const BROADCAST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::BROADCAST), 67);

/// The delay of a duplicate of the first DISCOVER on a slow link.
const DUPLICATE_DELAY: Duration = Duration::from_millis(50);

/// The boot that a server offers, in an OFFER or in an ACK from port 4011.
#[derive(Clone, Debug)]
pub struct BootOffer {
    /// The server identifier (option 54).
    pub server: Ipv4Addr,
    /// `siaddr`.
    pub next_server: Ipv4Addr,
    /// The boot file: `file`, or option 67.
    pub file: String,
    /// Option 43.
    pub vendor: Vec<u8>,
}

/// The result: an address, and the offer of a boot server.
#[derive(Clone, Debug)]
pub struct Lease4 {
    /// The client's address.
    pub address: Ipv4Addr,
    /// The DHCP server.
    pub server: Ipv4Addr,
    /// The offer that the client takes, if it needs one.
    pub boot: Option<BootOffer>,
}

/// The client.
#[derive(Debug)]
pub struct Dhcp4Client<'a> {
    machine: &'a Machine,
    dialect: &'static Dialect4,
    xid: u32,
    http: bool,
    mishap: Mishap,
    /// Whether the client leaves the collection of offers as soon as it has all that it needs.
    hurries: bool,
    retries: Retries,
    duplicate: Option<Duration>,
    address: Option<(Ipv4Addr, Ipv4Addr)>,
    boot: Option<BootOffer>,
    requests: bool,
    end: Option<Result<(), Failure>>,
}

impl<'a> Dhcp4Client<'a> {
    /// Creates a client. `http` is whether iPXE announces HTTP.
    pub fn new(
        machine: &'a Machine,
        dialect: &'static Dialect4,
        xid: u32,
        http: bool,
        mishap: Mishap,
        hurries: bool,
        now: Duration,
    ) -> Dhcp4Client<'a> {
        Dhcp4Client {
            machine,
            dialect,
            xid,
            http,
            mishap,
            hurries,
            retries: Retries::new(dialect.waits, now),
            duplicate: None,
            address: None,
            boot: None,
            requests: false,
            end: None,
        }
    }

    fn has_all(&self) -> bool {
        self.address.is_some() && (self.dialect.needs == Needs::Nothing || self.boot.is_some())
    }

    /// Whether the client stops to collect offers now.
    fn goes_on(&self, now: Duration) -> bool {
        let fired = self.retries.sent() > 0 && self.retries.is_due(now);
        let waits = self.dialect.collects && !self.hurries;
        // iPXE goes on without a boot server after two seconds, in effect when its second timer fires.
        let without = self.retries.sent() > 1 && matches!(self.dialect.needs, Needs::ProxyIfAny(_));
        self.has_all() && (!waits || fired) || self.address.is_some() && fired && without
    }

    fn message(&self, kind: MessageType) -> Vec<u8> {
        let fields = if kind == MessageType::Discover { self.dialect.discover } else { self.dialect.request };
        let request = Request {
            kind,
            xid: self.xid,
            address: Ipv4Addr::UNSPECIFIED,
            server: self.address.map(|(_, server)| server),
            requested: self.address.map(|(address, _)| address),
            vendor: None,
            http: self.http,
            secs: if self.dialect.reports_offers { self.reported_offers() } else { 0 },
        };
        dialect4::write(self.machine, self.dialect, fields, &request)
    }

    /// The number of the message, and the offers so far: bit 1 an address, bit 0 a boot server.
    fn reported_offers(&self) -> u16 {
        let sent = u16::try_from(self.retries.sent()).unwrap_or_default();
        sent << 2 | u16::from(self.address.is_some()) << 1 | u16::from(self.boot.is_some())
    }

    fn receive_offer(&mut self, message: &Message<'_>) {
        if self.mishap == Mishap::LostOffer && self.retries.sent() < 2 {
            return;
        }
        let Some(server) = message.address(code::SERVER_ID) else { return };
        let assigned = message.header.yiaddr;
        if !assigned.is_unspecified() {
            self.address.get_or_insert((assigned, server));
            return;
        }
        let (Needs::Proxy(word) | Needs::ProxyIfAny(word)) = self.dialect.needs else { return };
        let class = message.option(code::VENDOR_CLASS).unwrap_or_default();
        if class.starts_with(word.as_bytes()) && self.boot.is_none() {
            self.boot = Some(boot_offer(message, server));
        }
    }
}

impl Exchange for Dhcp4Client<'_> {
    type Outcome = Lease4;

    fn next(&mut self, now: Duration) -> Step<Lease4> {
        if !self.requests && self.goes_on(now) {
            self.requests = true;
            self.retries = Retries::new(self.dialect.waits, now);
            if self.dialect.request.is_empty() {
                self.end = Some(Ok(()));
            }
        }
        match (self.end.take(), self.address) {
            (Some(Ok(())), Some((address, server))) => {
                return Step::Done(Ok(Lease4 { address, server, boot: self.boot.clone() }));
            }
            (Some(Err(failure)), _) => return Step::Done(Err(failure)),
            _ => {}
        }
        let kind = if self.requests { MessageType::Request } else { MessageType::Discover };
        if self.duplicate.is_some_and(|due| now >= due) {
            self.duplicate = None;
            return Step::Send(BROADCAST, self.message(kind));
        }
        if self.retries.is_due(now) {
            if !self.retries.send(now) {
                return Step::Done(Err(match (self.requests, self.address) {
                    (true, _) => Failure::NoAck,
                    (false, Some(_)) => Failure::NoBootOffer,
                    (false, None) => Failure::NoAddress,
                }));
            }
            let duplicates = self.mishap == Mishap::DuplicateDiscover && !self.requests && self.retries.sent() == 1;
            self.duplicate = duplicates.then_some(now + DUPLICATE_DELAY);
            return Step::Send(BROADCAST, self.message(kind));
        }
        Step::WaitUntil(self.duplicate.map_or(self.retries.due(), |due| due.min(self.retries.due())))
    }

    fn receive(&mut self, payload: &[u8], _from: SocketAddr, _now: Duration) {
        let Ok(message) = Message::parse(payload) else { return };
        let header = &message.header;
        if header.op != OP_REPLY || header.xid != self.xid || header.hardware() != self.machine.mac {
            return;
        }
        let from_chosen = message.address(code::SERVER_ID) == self.address.map(|(_, server)| server);
        match message.message_type() {
            Some(MessageType::Offer) if !self.requests => self.receive_offer(&message),
            Some(MessageType::Ack) if self.requests && from_chosen => self.end = Some(Ok(())),
            Some(MessageType::Nak) if self.requests && from_chosen => self.end = Some(Err(Failure::NoAck)),
            _ => {}
        }
    }
}

/// Reads what a message offers to boot.
pub fn boot_offer(message: &Message<'_>, server: Ipv4Addr) -> BootOffer {
    let long_name = message.option(code::BOOT_FILE);
    let name = if message.file().is_empty() { long_name.as_deref().unwrap_or_default() } else { message.file() };
    let end = name.iter().position(|octet| *octet == 0).unwrap_or(name.len());
    let file = String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned();
    let vendor = message.option(code::VENDOR_SPECIFIC).unwrap_or_default().into_owned();
    BootOffer { server, next_server: message.header.siaddr, file, vendor }
}

impl BootOffer {
    /// Whether the client loads the file without a request to port 4011: discovery control has bit 3 (PXE 2.1 table
    /// 2-1), and there is a file.
    pub fn is_direct(&self) -> bool {
        let control = SubOptions(&self.vendor).find(|(code, _)| *code == 6).and_then(|(_, value)| value.first());
        control.is_some_and(|control| control & 8 != 0) && !self.file.is_empty()
    }

    /// The boot server types in the menu, in order; empty if there is no menu.
    pub fn menu(&self) -> Vec<u16> {
        let Some((_, mut rest)) = SubOptions(&self.vendor).find(|(code, _)| *code == 9) else { return Vec::new() };
        let mut types = Vec::new();
        while let &[a, b, length, ref after @ ..] = rest {
            types.push(u16::from_be_bytes([a, b]));
            rest = after.get(length.into()..).unwrap_or_default();
        }
        types
    }
}
