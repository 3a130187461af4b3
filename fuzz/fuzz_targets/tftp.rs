//! A parsed packet that is written again parses to the same packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::file_name::clean;
use proxydhcpd_core::wire::tftp::Packet;

fuzz_target!(|octets: &[u8]| {
    let Ok(packet) = Packet::read(octets) else { return };
    if let Packet::Read(request) = &packet {
        if let Ok(name) = clean(request.name) {
            assert!(
                !name.is_empty()
                    && !name.starts_with('/')
                    && name.split('/').all(|part| part != ".." && !part.is_empty())
            );
        }
    }
    let mut again = Vec::new();
    packet.write(&mut again);
    assert_eq!(format!("{:?}", Packet::read(&again).expect("a written packet can be parsed")), format!("{packet:?}"));
});
