//! A parsed DHCPv4 message that is written again parses to the same message.

use crate::seeds;
use proxydhcpd_core::dissect;
use proxydhcpd_core::wire::dhcp4::{Message, Writer, code};

/// Parses the input as a message.
pub fn check(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    assert_shown(&dissect::dhcp4(&message).to_string());
    // The message is written without overload: every option, in order, in one area.
    let mut again = Vec::new();
    let mut writer = Writer::new(&message.header, &mut again);
    let options: Vec<(u8, &[u8])> = message.options().filter(|(c, _)| *c != code::OVERLOAD).collect();
    for (code, value) in &options {
        writer.option(*code, value);
    }
    writer.finish(0);
    let read = Message::parse(&again).expect("a written message can be parsed");
    assert_eq!(read.header, message.header);
    assert!(read.options().eq(options));
}

/// Panics if a packet shown to people would control a terminal.
pub fn assert_shown(text: &str) {
    assert!(text.bytes().all(|octet| octet == b'\n' || (b' '..=b'~').contains(&octet)), "{text:?}");
}

/// The packets of vectors and captures.
pub fn seeds() -> Vec<Vec<u8>> {
    let captured = seeds::captured(&[67, 68, 4011]).into_iter();
    seeds::vectors(&["dhcp4"]).into_iter().chain(captured).map(|packet| packet.octets).collect()
}
