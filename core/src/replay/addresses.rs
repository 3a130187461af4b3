//! The ports and addresses by which packets differ.

use core::net::IpAddr;

/// The UDP port to which read requests go (RFC 1350).
pub const TFTP_PORT: u16 = 69;

/// Whether this is a UDP port of DHCP: of a client, of a server, of a boot server, of DHCPv6.
pub fn is_dhcp(port: u16) -> bool {
    [67, 68, 546, 547, 4011].contains(&port)
}

/// Whether the address is one of these, whichever way an IPv4 address is written.
pub fn is_one_of(addresses: &[IpAddr], address: IpAddr) -> bool {
    addresses.contains(&address.to_canonical())
}
