//! Decides which packets get a reply, and from which local address.

use super::TftpSilence;
use super::limits::WRONG_PORT_ERRORS;
use proxydhcpd_core::bounded_cache::TokenBucket;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::route::HARMFUL_PORTS;
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Checks that a client can have this source address and port. A packet from a local address is a forgery or a loop,
/// unless the address is a loopback address.
pub fn check_source(client: SocketAddr, link: &Link) -> Result<(), TftpSilence> {
    let is_invalid = match client.ip() {
        IpAddr::V4(address) => {
            address.is_unspecified()
                || address.is_multicast()
                || link.is_broadcast(address)
                || (link.owns(address) && !address.is_loopback())
        }
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_multicast()
                || address.to_ipv4_mapped().is_some()
                || (link.owns(address) && !address.is_loopback())
        }
    };
    if is_invalid {
        Err(TftpSilence::BadSource)
    } else if HARMFUL_PORTS.contains(&client.port()) {
        Err(TftpSilence::BadSourcePort)
    } else {
        Ok(())
    }
}

/// Checks that the server may send ERROR 5 to the sender of a packet for another client's transfer. The rate limit must
/// allow it. The packet must not be an ERROR, because two servers could reply to each other's ERRORs for ever. The
/// sender's address must be one that a client can have.
pub fn check_wrong_port(
    sender: SocketAddr,
    octets: &[u8],
    link: Option<Link>,
    bucket: &mut TokenBucket,
    now: Duration,
) -> Result<(), TftpSilence> {
    if let TftpPacket::Error { .. } = TftpPacket::read(octets).map_err(TftpSilence::Malformed)? {
        return Err(TftpSilence::WrongPortError);
    }
    check_source(sender, &link.ok_or(TftpSilence::UnservedInterface)?)?;
    if WRONG_PORT_ERRORS.take(bucket, now) { Ok(()) } else { Err(TftpSilence::WrongPortFlood) }
}

/// The source address of replies: the destination of the request, or the link's IPv4 address if the destination is a
/// broadcast or multicast address. Fails if the link has no IPv4 address, or if the destination is an IPv6 multicast
/// address.
pub fn reply_address(to: IpAddr, link: &Link) -> Result<IpAddr, TftpSilence> {
    match to {
        IpAddr::V4(to) if link.is_broadcast(to) || to.is_multicast() => {
            link.address().map(IpAddr::V4).ok_or(TftpSilence::UnservedInterface)
        }
        // Every host is in some multicast groups, but no group is for TFTP servers. A request to such a group reaches
        // all hosts at once.
        IpAddr::V6(to) if to.is_multicast() => Err(TftpSilence::Multicast),
        to => Ok(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::link::{Network4, Network6};
    use std::net::Ipv4Addr;

    fn link() -> Link {
        let network = |last, prefix| Network4 { address: Ipv4Addr::new(192, 0, 2, last), prefix };
        Link {
            index: 2,
            name: "eth0".into(),
            mtu: 1500,
            ipv4: vec![network(10, 24), network(11, 24)],
            ipv6: ["2001:db8::10", "fe80::10"]
                .map(|address| Network6 { address: address.parse().unwrap(), prefix: 64 })
                .into(),
        }
    }

    fn check(source: &str) -> Result<(), TftpSilence> {
        check_source(source.parse().unwrap(), &link())
    }

    #[test]
    fn a_client_may_be_on_the_link_or_behind_a_router() {
        assert_eq!(check("192.0.2.107:2070"), Ok(()));
        assert_eq!(check("198.51.100.7:2070"), Ok(()));
        assert_eq!(check("[fe80::107%2]:2070"), Ok(()));
        assert_eq!(check("[2001:db8:1::7]:2070"), Ok(()));
    }

    #[test]
    fn a_source_that_no_client_can_have_is_dropped() {
        for source in ["192.0.2.10:2070", "192.0.2.11:69", "192.0.2.255:2070", "255.255.255.255:2070", "0.0.0.0:68"] {
            assert_eq!(check(source), Err(TftpSilence::BadSource), "{source}");
        }
        assert_eq!(check("224.0.0.1:2070"), Err(TftpSilence::BadSource));
        for source in ["2001:db8::10", "fe80::10%2", "::", "ff02::1", "::ffff:192.0.2.107"] {
            assert_eq!(check(&format!("[{source}]:2070")), Err(TftpSilence::BadSource), "{source}");
        }
    }

    #[test]
    fn packets_from_services_that_would_reply_to_the_reply_are_dropped() {
        for port in [0, 7, 19, 53, 67] {
            let source = SocketAddr::from(([192, 0, 2, 107], port));
            assert_eq!(check_source(source, &link()), Err(TftpSilence::BadSourcePort), "{port}");
        }
    }

    #[test]
    fn a_sender_on_a_wrong_port_gets_16_errors_and_then_three_a_second() {
        let mut bucket = WRONG_PORT_ERRORS.full_bucket(Duration::ZERO);
        let mut reply = |octets: &[u8], source: &str, millis| {
            let now = Duration::from_millis(millis);
            check_wrong_port(source.parse().unwrap(), octets, Some(link()), &mut bucket, now)
        };
        let ack = [0, 4, 0, 1];
        assert_eq!(reply(&[0, 5, 0, 5, 0], "192.0.2.107:2070", 0), Err(TftpSilence::WrongPortError));
        assert!(matches!(reply(&[0, 5], "192.0.2.107:2070", 0), Err(TftpSilence::Malformed(_))));
        assert_eq!(reply(&ack, "192.0.2.255:2070", 0), Err(TftpSilence::BadSource), "a broadcast address");
        assert_eq!(reply(&ack, "224.0.0.1:2070", 0), Err(TftpSilence::BadSource), "a group");
        assert_eq!(reply(&ack, "192.0.2.107:7", 0), Err(TftpSilence::BadSourcePort));
        for _ in 0..16 {
            assert_eq!(reply(&ack, "192.0.2.107:2070", 0), Ok(()));
        }
        assert_eq!(reply(&ack, "192.0.2.107:2070", 333), Err(TftpSilence::WrongPortFlood));
        assert_eq!(reply(&ack, "192.0.2.107:2070", 334), Ok(()));
    }

    #[test]
    fn replies_come_from_the_requested_address_and_from_the_first_one_for_a_broadcast() {
        let source = |to: &str| reply_address(to.parse().unwrap(), &link()).map(|address| address.to_string());
        assert_eq!(source("192.0.2.11").as_deref(), Ok("192.0.2.11"));
        assert_eq!(source("192.0.2.255").as_deref(), Ok("192.0.2.10"));
        assert_eq!(source("255.255.255.255").as_deref(), Ok("192.0.2.10"));
        assert_eq!(source("fe80::10").as_deref(), Ok("fe80::10"));
    }

    #[test]
    fn a_request_to_a_multicast_group_gets_no_reply() {
        for to in ["ff02::1", "ff02::1:2", "ff05::1:3"] {
            assert_eq!(reply_address(to.parse().unwrap(), &link()), Err(TftpSilence::Multicast), "{to}");
        }
    }
}
