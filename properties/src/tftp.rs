//! A parsed TFTP packet that is written again parses to the same packet, and a requested name leads out of no
//! directory.

use crate::seeds;
use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::wire::tftp::TftpPacket;

/// Parses the input as a packet.
pub fn check(data: &[u8]) {
    let Ok(packet) = TftpPacket::read(data) else { return };
    if let TftpPacket::Read(request) = &packet
        && let Ok(name) = normalize(request.name)
    {
        assert!(
            !name.is_empty() && !name.starts_with('/') && name.split('/').all(|part| part != ".." && !part.is_empty())
        );
    }
    let mut again = Vec::new();
    packet.write(&mut again);
    assert_eq!(
        format!("{:?}", TftpPacket::read(&again).expect("a written packet can be parsed")),
        format!("{packet:?}")
    );
}

/// The packets of vectors and captures.
pub fn seeds() -> Vec<Vec<u8>> {
    let packets = seeds::vectors(&["tftp"]).into_iter().chain(seeds::captured(&[69]));
    let others: [&[u8]; 4] =
        [b"\0\x03\0\x01data", b"\0\x04\0\x01", b"\0\x05\0\x01File not found\0", b"\0\x06tsize\x001024\0"];
    packets.map(|packet| packet.octets).chain(others.map(Vec::from)).collect()
}
