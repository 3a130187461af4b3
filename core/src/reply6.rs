//! Writes a DHCPv6 reply from a shape (protocol.md 5.3).
//!
//! If an offer has a URL but no option 16, or an option 16 under another enterprise number, EDK2 mistakes it for a DHCP
//! server's offer without an address, and stops booting for good. So every reply has option 16, with the firmware's own
//! class. The server never sends a preference, a status code, an IA or option 60.

use crate::plan::policy::StatelessOptions;
use crate::shape6::Shape6;
use crate::wire::dhcp6::{Packet, Writer, code, write_relay_reply};
use alloc::vec::Vec;
use core::iter;

/// Appends the reply to `out`, wrapped for the relays that forwarded the request. `server_duid` is the DUID of this
/// server.
pub fn write(request: &Packet<'_>, shape: &Shape6<'_>, server_duid: &[u8], out: &mut Vec<u8>) {
    write_relay_reply(&request.hops, out, |out| write_message(request, shape, server_duid, out));
}

fn write_message(request: &Packet<'_>, shape: &Shape6<'_>, server_duid: &[u8], out: &mut Vec<u8>) {
    let mut reply = Writer::new(shape.message_type, request.message.transaction_id, out);
    reply.option(code::CLIENT_ID, request.message.option(code::CLIENT_ID).unwrap_or_default());
    reply.option(code::SERVER_ID, server_duid);
    // The URL must precede option 16, whose first octet is 0: EDK2's HTTP client reads the URL as a NUL-terminated
    // text.
    if let Some(url) = &shape.url {
        reply.option(code::BOOT_FILE_URL, url.as_bytes());
    }
    reply.vendor_class(shape.class.vendor_class());
    if let Some(dns) = shape.dns {
        write_dns(dns, &mut reply);
    }
}

fn write_dns(StatelessOptions { dns_servers, domains }: &StatelessOptions, reply: &mut Writer<'_>) {
    if !dns_servers.is_empty() {
        reply.option_of(code::DNS_SERVERS, dns_servers.iter().flat_map(|server| server.octets()));
    }
    if !domains.is_empty() {
        reply.option_of(code::DOMAIN_LIST, domains.iter().flat_map(|name| labels(name)));
    }
}

/// A name in DNS wire format (RFC 1035 3.1): each label preceded by its length, and an empty label at the end.
fn labels(name: &str) -> impl Iterator<Item = u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    labels.flat_map(|label| iter::once(label.len() as u8).chain(label.bytes())).chain([0])
}
