//! The request to the boot server on port 4011, over IPv4 (PXE 2.1 2.2.2).

use crate::dhcp4::{BootOffer, boot_offer};
use crate::dialect4::{self, Dialect4, Request};
use crate::exchange::{Exchange, Retries, Step};
use crate::failure::Failure;
use crate::machine::Machine;
use proxydhcpd_core::wire::dhcp4::{Message, MessageType, OP_REPLY, code};
use proxydhcpd_core::wire::pxe::BootItem;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The port of a boot server.
pub const PORT: u16 = 4011;

/// The client. It requests a file, or the file of a menu item.
#[derive(Debug)]
pub struct BootServerClient {
    request: Vec<u8>,
    xid: u32,
    server: SocketAddr,
    retries: Retries,
    reply: Option<BootOffer>,
}

impl BootServerClient {
    /// Creates a client at `address`, for the server of an offer.
    #[expect(clippy::too_many_arguments, reason = "each is a separate fact of the request")]
    pub fn new(
        machine: &Machine,
        dialect: &'static Dialect4,
        xid: u32,
        http: bool,
        address: Ipv4Addr,
        server: Ipv4Addr,
        item: Option<BootItem>,
        now: Duration,
    ) -> BootServerClient {
        let vendor = item.map(BootItem::option);
        let request = Request {
            kind: MessageType::Request,
            xid,
            address,
            server: Some(server),
            requested: None,
            vendor: vendor.as_ref().map(|option| &option[..]),
            http,
            secs: 0,
        };
        BootServerClient {
            request: dialect4::write(machine, dialect, dialect.boot_request, &request),
            xid,
            server: (server, PORT).into(),
            retries: Retries::new(dialect.boot_waits, now),
            reply: None,
        }
    }
}

impl Exchange for BootServerClient {
    type Outcome = BootOffer;

    fn next(&mut self, now: Duration) -> Step<BootOffer> {
        if let Some(reply) = self.reply.take() {
            return Step::Done(Ok(reply));
        }
        if !self.retries.is_due(now) {
            return Step::WaitUntil(self.retries.due());
        }
        match self.retries.send(now) {
            true => Step::Send(self.server, self.request.clone()),
            false => Step::Done(Err(Failure::NoBootServer(self.server))),
        }
    }

    fn receive(&mut self, payload: &[u8], from: SocketAddr, _now: Duration) {
        let Ok(message) = Message::parse(payload) else { return };
        let is_reply = message.header.op == OP_REPLY && message.header.xid == self.xid;
        if !is_reply || message.message_type() != Some(MessageType::Ack) || from != self.server {
            return;
        }
        if let Some(server) = message.address(code::SERVER_ID) {
            self.reply = Some(boot_offer(&message, server));
        }
    }
}
