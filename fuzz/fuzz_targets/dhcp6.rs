//! A parsed message that is written again parses to the same message, and a reply passes back through every relay.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::dissect;
use proxydhcpd_core::wire::dhcp6::{MOST_RELAYS, MessageType, Packet, Writer, wrap};

fuzz_target!(|octets: &[u8]| {
    let Ok(packet) = Packet::parse(octets) else { return };
    let message = &packet.message;
    assert!(packet.hops.len() <= MOST_RELAYS);
    let shown = show::dhcp6(&packet).to_string();
    assert!(shown.bytes().all(|octet| octet == b'\n' || (b' '..=b'~').contains(&octet)));
    assert!(message.addresses().count() < octets.len() && message.user_classes().len() <= octets.len());
    assert!(message.vendor_classes().all(|class| class.len() < octets.len()));

    let mut again = Vec::new();
    let mut writer = Writer::new(message.kind, message.transaction, &mut again);
    for (code, value) in message.options() {
        writer.option(code, value);
    }
    assert!(octets.ends_with(&again) || !packet.hops.is_empty());
    let mut wrapped = Vec::new();
    wrap(&packet.hops, &again, &mut wrapped);
    let back = Packet::parse(&wrapped).expect("a written message can be parsed");
    assert_eq!((back.message.kind, back.message.transaction), (message.kind, message.transaction));
    assert!(back.message.options().eq(message.options()));
    assert_eq!(back.hops.len(), packet.hops.len());
    for (original, returned) in packet.hops.iter().zip(&back.hops) {
        assert_eq!(returned.kind, MessageType::RelayReply);
        assert_eq!((original.count, original.link, original.peer), (returned.count, returned.link, returned.peer));
        assert_eq!([18, 135].map(|code| original.option(code)), [18, 135].map(|code| returned.option(code)));
    }
});
