//! A parsed message that is written again parses to the same message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::dissect;
use proxydhcpd_core::wire::dhcp4::{Message, Writer, code};

fuzz_target!(|octets: &[u8]| {
    let Ok(message) = Message::parse(octets) else { return };
    let _ = dissect::dhcp4(&message).to_string();
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
});
