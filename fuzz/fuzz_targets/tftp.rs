//! A parsed packet that is written again parses to the same packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::wire::tftp::TftpPacket;

fuzz_target!(|octets: &[u8]| {
    let Ok(packet) = TftpPacket::read(octets) else { return };
    if let TftpPacket::Read(request) = &packet {
        if let Ok(name) = normalize(request.name) {
            assert!(
                !name.is_empty()
                    && !name.starts_with('/')
                    && name.split('/').all(|part| part != ".." && !part.is_empty())
            );
        }
    }
    let mut again = Vec::new();
    packet.write(&mut again);
    assert_eq!(
        format!("{:?}", TftpPacket::read(&again).expect("a written packet can be parsed")),
        format!("{packet:?}")
    );
});
