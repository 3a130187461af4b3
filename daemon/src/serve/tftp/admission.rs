//! Who is answered, and from which address.

use super::Silence;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::route::HARMFUL_PORTS;
use std::net::{IpAddr, SocketAddr};

/// A source that a client can have. What comes from our own addresses is a forgery or a loop, unless we serve the
/// loopback link itself.
pub fn check_source(client: SocketAddr, link: &Link) -> Result<(), Silence> {
    let unfit = match client.ip() {
        IpAddr::V4(address) => {
            address.is_unspecified()
                || address.is_multicast()
                || link.is_broadcast(address)
                || (link.owns(address) && !address.is_loopback())
        }
        IpAddr::V6(address) => address.is_unspecified() || address.is_multicast(),
    };
    if unfit {
        Err(Silence::Source)
    } else if HARMFUL_PORTS.contains(&client.port()) {
        Err(Silence::SourcePort)
    } else {
        Ok(())
    }
}

/// The address that the client must see: the one that it wrote to, or the link's own if that was a broadcast.
pub fn our_address(to: IpAddr, link: &Link) -> Option<IpAddr> {
    match to {
        IpAddr::V4(to) if link.is_broadcast(to) || to.is_multicast() => link.address().map(IpAddr::V4),
        to => Some(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::link::Network4;
    use std::net::Ipv4Addr;

    fn link() -> Link {
        let network = |last, prefix| Network4 { address: Ipv4Addr::new(192, 0, 2, last), prefix };
        Link { index: 2, name: "eth0".into(), mtu: 1500, ipv4: vec![network(10, 24), network(11, 24)] }
    }

    fn checked(source: &str) -> Result<(), Silence> {
        check_source(source.parse().unwrap(), &link())
    }

    #[test]
    fn a_client_may_sit_on_the_link_or_behind_a_router() {
        assert_eq!(checked("192.0.2.107:2070"), Ok(()));
        assert_eq!(checked("198.51.100.7:2070"), Ok(()));
    }

    #[test]
    fn what_can_be_no_client_is_dropped() {
        for source in ["192.0.2.10:2070", "192.0.2.11:69", "192.0.2.255:2070", "255.255.255.255:2070", "0.0.0.0:68"] {
            assert_eq!(checked(source), Err(Silence::Source), "{source}");
        }
        assert_eq!(checked("224.0.0.1:2070"), Err(Silence::Source));
    }

    #[test]
    fn services_that_would_answer_our_answer_are_dropped() {
        for port in [0, 7, 19, 53, 67] {
            let source = SocketAddr::from(([192, 0, 2, 107], port));
            assert_eq!(check_source(source, &link()), Err(Silence::SourcePort), "{port}");
        }
    }

    #[test]
    fn a_second_address_answers_for_itself_and_the_first_for_a_broadcast() {
        let ours = |to: [u8; 4]| our_address(IpAddr::from(to), &link());
        assert_eq!(ours([192, 0, 2, 11]), Some(IpAddr::from([192, 0, 2, 11])));
        assert_eq!(ours([192, 0, 2, 255]), Some(IpAddr::from([192, 0, 2, 10])));
        assert_eq!(ours([255, 255, 255, 255]), Some(IpAddr::from([192, 0, 2, 10])));
    }
}
