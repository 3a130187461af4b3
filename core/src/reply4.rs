//! Shape to DHCPv4 reply: header and options in the order of protocol.md 2.3 and 2.4.

use crate::arrival::Port;
use crate::client::Class;
use crate::shape::{MAX_FILE_LENGTH, MAX_URL_LENGTH, Shape};
use crate::wire::dhcp4::{BROADCAST_FLAG, Header, Message, OP_REPLY, MIN_LENGTH, Writer, code};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// UDP payload that fits the smallest packet which every host must take (RFC 2131 2: 576 with IP and UDP headers).
const SMALLEST_MAXIMUM: u16 = 576;
/// EDK2 ignores anything above; it asks for 65280 itself in some requests.
const LARGEST_MAXIMUM: u16 = 1472;
const IP_AND_UDP: u16 = 28;

/// The reply would not fit what the client takes, in octets. Only a long option 82 can cause it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    pub octets: usize,
    pub max: usize,
}

/// Appends the reply to `request` to `out`. `server` goes into option 54: without it EDK2 never leaves DISCOVER.
pub fn write(
    request: &Message<'_>,
    port: Port,
    shape: &Shape,
    server: Ipv4Addr,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    let start = out.len();
    let asked = &request.header;
    let (in_field, in_option) = match shape.file.as_deref().map(str::as_bytes) {
        Some(name) if name.len() > MAX_FILE_LENGTH => (&[][..], Some(name)),
        name => (name.unwrap_or_default(), None),
    };
    let mut file = [0; 128];
    file[..in_field.len()].copy_from_slice(in_field);
    let header = Header {
        op: OP_REPLY,
        hops: 0,
        secs: 0,
        // A relay must broadcast what has no yiaddr, and so do we on 67; on 4011 the client has an address.
        flags: if port == Port::Dhcp { asked.flags | BROADCAST_FLAG } else { asked.flags },
        ciaddr: if port == Port::Dhcp { Ipv4Addr::UNSPECIFIED } else { asked.ciaddr },
        // What makes it a proxy's offer, and an ACK too: EDK2 types the reply by it.
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: shape.siaddr,
        sname: [0; 64],
        file,
        ..*asked
    };
    let mut reply = Writer::new(&header, out);
    reply.option(code::MESSAGE_TYPE, &[shape.message_type.into()]);
    reply.option(code::SERVER_ID, &server.octets());
    // Firmware with a word of its maker's own looks for that word.
    let asked_as =
        request.option(code::VENDOR_CLASS).filter(|class| shape.class == Class::Pxe && Class::from_vendor_class(class).is_none());
    reply.option(code::VENDOR_CLASS, asked_as.as_deref().unwrap_or(shape.class.vendor_class().as_bytes()));
    if let Some(machine) = request.option(code::MACHINE_ID).filter(|value| value.len() == 17) {
        reply.option(code::MACHINE_ID, &machine);
    }
    if let Some(vendor_specific) = &shape.vendor_specific {
        reply.option(code::VENDOR_SPECIFIC, vendor_specific);
    }
    if let Some(name) = in_option {
        // With its NUL: EDK2 writes one behind an option that has none, over the next option's code.
        let mut terminated = [0; MAX_URL_LENGTH + 1];
        let length = name.len().min(MAX_URL_LENGTH);
        terminated[..length].copy_from_slice(&name[..length]);
        reply.option(code::BOOT_FILE, &terminated[..=length]);
    }
    // Whole and last (RFC 3046 2.1, 2.2).
    if let Some(agent) = request.option(code::RELAY_AGENT) {
        reply.option(code::RELAY_AGENT, &agent);
    }
    let octets = reply.finish(MIN_LENGTH);
    let most = largest(request);
    if octets > most {
        out.truncate(start);
        return Err(TooLarge { octets, max: most });
    }
    Ok(())
}

/// Option 57 within reason, as UDP payload.
fn largest(request: &Message<'_>) -> usize {
    let asked = request.option(code::MAXIMUM_SIZE).map_or(0, |value| u16::from_be_bytes([value[0], value[1]]));
    usize::from(asked.clamp(SMALLEST_MAXIMUM, LARGEST_MAXIMUM) - IP_AND_UDP)
}
