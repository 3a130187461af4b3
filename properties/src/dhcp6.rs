//! Writing a parsed DHCPv6 message and parsing it again gives the same message, and a reply passes back through every
//! relay.

use crate::dhcp4::assert_shown;
use crate::seeds;
use proxydhcpd_core::dissect;
use proxydhcpd_core::wire::dhcp6::{MAX_RELAYS, MessageType, Packet, Writer, write_relay_reply};

/// Parses the input as a message.
pub fn check(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else { return };
    let message = &packet.message;
    assert!(packet.hops.len() <= MAX_RELAYS);
    assert_shown(&dissect::dhcp6(&packet).to_string());
    assert!(message.addresses().count() < data.len() && message.user_classes().iter().count() <= data.len());
    assert!(message.vendor_classes().all(|class| class.len() < data.len()));

    let mut again = Vec::new();
    let mut writer = Writer::new(message.message_type, message.transaction_id, &mut again);
    for (code, value) in message.options() {
        writer.option(code, value);
    }
    assert!(data.ends_with(&again) || !packet.hops.is_empty());
    let mut wrapped = Vec::new();
    write_relay_reply(&packet.hops, &mut wrapped, |out| out.extend_from_slice(&again));
    let back = Packet::parse(&wrapped).expect("a written message can be parsed");
    assert_eq!(
        (back.message.message_type, back.message.transaction_id),
        (message.message_type, message.transaction_id)
    );
    assert!(back.message.options().eq(message.options()));
    assert_eq!(back.hops.len(), packet.hops.len());
    for (original, returned) in packet.hops.iter().zip(back.hops.iter()) {
        assert_eq!(returned.message_type, MessageType::RelayReply);
        assert_eq!(
            (original.hop_count, original.link_address, original.peer_address),
            (returned.hop_count, returned.link_address, returned.peer_address)
        );
        assert_eq!([18, 135].map(|code| original.option(code)), [18, 135].map(|code| returned.option(code)));
    }
}

/// The packets of vectors and captures.
pub fn seeds() -> Vec<Vec<u8>> {
    let captured = seeds::captured(&[546, 547, 4011]).into_iter();
    seeds::vectors(&["dhcp6"]).into_iter().chain(captured).map(|packet| packet.octets).collect()
}
