//! Who is answered, and from which address.

use super::TftpSilence;
use super::limits::WRONG_PORT_ERRORS;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::bounded_cache::TokenBucket;
use proxydhcpd_core::route::HARMFUL_PORTS;
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A source that a client can have. What comes from our own addresses is a forgery or a loop, unless we serve the
/// loopback link itself.
pub fn check_source(client: SocketAddr, link: &Link) -> Result<(), TftpSilence> {
    let unfit = match client.ip() {
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
    if unfit {
        Err(TftpSilence::BadSource)
    } else if HARMFUL_PORTS.contains(&client.port()) {
        Err(TftpSilence::BadSourcePort)
    } else {
        Ok(())
    }
}

/// Whether the sender of a packet that is part of another transfer hears ERROR 5: once for a packet, never in answer to
/// an ERROR, which two servers could go on with for ever, and not to an address that no client has.
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

/// The address that the client must see: the one that it wrote to, or the link's own if that was a broadcast.
pub fn reply_address(to: IpAddr, link: &Link) -> Result<IpAddr, TftpSilence> {
    match to {
        IpAddr::V4(to) if link.is_broadcast(to) || to.is_multicast() => {
            link.address().map(IpAddr::V4).ok_or(TftpSilence::UnservedInterface)
        }
        // Every host hears some groups. None of them is a server's, and whoever asks one asks all hosts at once.
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

    fn checked(source: &str) -> Result<(), TftpSilence> {
        check_source(source.parse().unwrap(), &link())
    }

    #[test]
    fn a_client_may_sit_on_the_link_or_behind_a_router() {
        assert_eq!(checked("192.0.2.107:2070"), Ok(()));
        assert_eq!(checked("198.51.100.7:2070"), Ok(()));
        assert_eq!(checked("[fe80::107%2]:2070"), Ok(()));
        assert_eq!(checked("[2001:db8:1::7]:2070"), Ok(()));
    }

    #[test]
    fn what_can_be_no_client_is_dropped() {
        for source in ["192.0.2.10:2070", "192.0.2.11:69", "192.0.2.255:2070", "255.255.255.255:2070", "0.0.0.0:68"] {
            assert_eq!(checked(source), Err(TftpSilence::BadSource), "{source}");
        }
        assert_eq!(checked("224.0.0.1:2070"), Err(TftpSilence::BadSource));
        for source in ["2001:db8::10", "fe80::10%2", "::", "ff02::1", "::ffff:192.0.2.107"] {
            assert_eq!(checked(&format!("[{source}]:2070")), Err(TftpSilence::BadSource), "{source}");
        }
    }

    #[test]
    fn services_that_would_answer_our_answer_are_dropped() {
        for port in [0, 7, 19, 53, 67] {
            let source = SocketAddr::from(([192, 0, 2, 107], port));
            assert_eq!(check_source(source, &link()), Err(TftpSilence::BadSourcePort), "{port}");
        }
    }

    #[test]
    fn a_foreign_sender_is_told_as_often_as_its_transfer_may_say_so_and_then_three_times_a_second() {
        let mut bucket = WRONG_PORT_ERRORS.full_bucket(Duration::ZERO);
        let mut told = |octets: &[u8], source: &str, millis| {
            let now = Duration::from_millis(millis);
            check_wrong_port(source.parse().unwrap(), octets, Some(link()), &mut bucket, now)
        };
        let ack = [0, 4, 0, 1];
        assert_eq!(told(&[0, 5, 0, 5, 0], "192.0.2.107:2070", 0), Err(TftpSilence::WrongPortError));
        assert!(matches!(told(&[0, 5], "192.0.2.107:2070", 0), Err(TftpSilence::Malformed(_))));
        assert_eq!(told(&ack, "192.0.2.255:2070", 0), Err(TftpSilence::BadSource), "a broadcast address");
        assert_eq!(told(&ack, "224.0.0.1:2070", 0), Err(TftpSilence::BadSource), "a group");
        assert_eq!(told(&ack, "192.0.2.107:7", 0), Err(TftpSilence::BadSourcePort));
        for _ in 0..16 {
            assert_eq!(told(&ack, "192.0.2.107:2070", 0), Ok(()));
        }
        assert_eq!(told(&ack, "192.0.2.107:2070", 333), Err(TftpSilence::WrongPortFlood));
        assert_eq!(told(&ack, "192.0.2.107:2070", 334), Ok(()));
    }

    #[test]
    fn a_second_address_answers_for_itself_and_the_first_for_a_broadcast() {
        let ours = |to: &str| reply_address(to.parse().unwrap(), &link()).map(|address| address.to_string());
        assert_eq!(ours("192.0.2.11").as_deref(), Ok("192.0.2.11"));
        assert_eq!(ours("192.0.2.255").as_deref(), Ok("192.0.2.10"));
        assert_eq!(ours("255.255.255.255").as_deref(), Ok("192.0.2.10"));
        assert_eq!(ours("fe80::10").as_deref(), Ok("fe80::10"));
    }

    #[test]
    fn a_group_is_no_server() {
        for to in ["ff02::1", "ff02::1:2", "ff05::1:3"] {
            assert_eq!(reply_address(to.parse().unwrap(), &link()), Err(TftpSilence::Multicast), "{to}");
        }
    }
}
