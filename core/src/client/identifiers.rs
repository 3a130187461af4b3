//! The identifiers that may be a client's.

/// Identifiers that may be the client's. A DHCPv4 packet states each identifier once. A DHCPv6 packet allows several
/// interpretations, and only the list of machines shows which of them is right (protocol.md 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identifiers {
    /// MAC addresses.
    pub macs: [Option<[u8; 6]>; 3],
    /// UUIDs, in printed order.
    pub uuids: [Option<[u8; 16]>; 2],
}

impl Identifiers {
    /// The identifiers of a client that states each one once.
    pub fn new(mac: Option<[u8; 6]>, uuid: Option<[u8; 16]>) -> Self {
        Identifiers { macs: [mac, None, None], uuids: [uuid, None] }
    }
}
