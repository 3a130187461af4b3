//! Writes a DHCPv4 reply from a shape: header and options in the order of protocol.md 2.3 and 2.4.

use crate::arrival::Port;
use crate::client::Class;
use crate::shape::{MAX_FILE_LENGTH, MAX_URL_LENGTH, Shape};
use crate::wire::dhcp4::{BROADCAST_FLAG, Header, MIN_LENGTH, Message, OP_REPLY, Writer, code};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// The packet size that every host must accept, in octets with IP and UDP headers (RFC 2131 2).
const MIN_PACKET_SIZE: u16 = 576;
/// The largest packet that the server sends, in octets with IP and UDP headers. EDK2 ignores larger packets, although
/// some of its requests state 65280.
const MAX_PACKET_SIZE: u16 = 1472;
const IP_AND_UDP_HEADERS: u16 = 28;

/// The reply is larger than the client accepts. Only a long option 82 can cause that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Length of the reply, in octets.
    pub octets: usize,
    /// Maximum length that the client accepts, in octets.
    pub max: usize,
}

/// Appends the reply to `out`; on an error, `out` remains unchanged. `server` is the server identifier (option 54).
/// Without this option, EDK2 never gets beyond DISCOVER.
pub fn write(
    request: &Message<'_>,
    port: Port,
    shape: &Shape<'_>,
    server: Ipv4Addr,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    let start = out.len();
    let request_header = &request.header;
    let (in_field, in_option) = match shape.file.map(str::as_bytes) {
        Some(name) if name.len() > MAX_FILE_LENGTH => (&[][..], Some(name)),
        name => (name.unwrap_or_default(), None),
    };
    let mut file = [0; 128];
    file[..in_field.len()].copy_from_slice(in_field);
    let header = Header {
        op: OP_REPLY,
        hops: 0,
        secs: 0,
        // Without yiaddr, a relay must broadcast the reply, and so must the server on port 67. On port 4011, the client
        // has an address.
        flags: if port == Port::Dhcp { request_header.flags | BROADCAST_FLAG } else { request_header.flags },
        ciaddr: if port == Port::Dhcp { Ipv4Addr::UNSPECIFIED } else { request_header.ciaddr },
        // An unspecified yiaddr marks the offer of a proxy, and also its ACK: EDK2 classifies a reply by yiaddr.
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: shape.siaddr,
        sname: [0; 64],
        file,
        ..*request_header
    };
    let mut reply = Writer::new(&header, out);
    reply.option(code::MESSAGE_TYPE, &[shape.message_type.into()]);
    reply.option(code::SERVER_ID, &server.octets());
    // Firmware that sends its maker's vendor class looks for the same class in the reply.
    let own_class = request
        .option(code::VENDOR_CLASS)
        .filter(|class| shape.class == Class::Pxe && Class::from_vendor_class(class).is_none());
    reply.option(code::VENDOR_CLASS, own_class.as_deref().unwrap_or(shape.class.vendor_class().as_bytes()));
    if let Some(machine) = request.option(code::MACHINE_ID).filter(|value| value.len() == 17) {
        reply.option(code::MACHINE_ID, &machine);
    }
    if let Some(vendor_specific) = &shape.vendor_specific {
        reply.option(code::VENDOR_SPECIFIC, vendor_specific.octets());
    }
    if let Some(name) = in_option {
        // The name ends with a NUL. If the NUL is missing, EDK2 writes one after the option, over the code of the next
        // option.
        let mut terminated = [0; MAX_URL_LENGTH + 1];
        let length = name.len().min(MAX_URL_LENGTH);
        terminated[..length].copy_from_slice(&name[..length]);
        reply.option(code::BOOT_FILE, &terminated[..=length]);
    }
    // The reply contains option 82 unchanged and last (RFC 3046 2.1, 2.2).
    if let Some(agent) = request.option(code::RELAY_AGENT) {
        reply.option(code::RELAY_AGENT, &agent);
    }
    let octets = reply.finish(MIN_LENGTH);
    let max = max_payload(request);
    if octets > max {
        out.truncate(start);
        return Err(TooLarge { octets, max });
    }
    Ok(())
}

/// The largest UDP payload that the client accepts, in octets. It follows from option 57, limited to the two bounds
/// above.
fn max_payload(request: &Message<'_>) -> usize {
    let stated = request.option(code::MAXIMUM_SIZE).map_or(0, |value| u16::from_be_bytes([value[0], value[1]]));
    usize::from(stated.clamp(MIN_PACKET_SIZE, MAX_PACKET_SIZE) - IP_AND_UDP_HEADERS)
}
