//! The addresses at which the page should be, and whether browsers use TLS there.

use crate::access::Opening;
use crate::settings::{WEB_PORT, WebConfig};
use proxydhcpd_core::link::Link;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The addresses: those of the configuration, or else one of this host, and those of the served networks if the page is
/// open to them.
pub fn wanted(config: &WebConfig, opening: Option<Opening>, links: &[Link]) -> BTreeSet<SocketAddr> {
    if let Some(listen) = &config.listen {
        return listen.iter().copied().collect();
    }
    let on_port = |address: IpAddr| SocketAddr::new(address, WEB_PORT);
    let mut addresses = BTreeSet::from([on_port(Ipv4Addr::LOCALHOST.into())]);
    if config.open || opening.is_some() {
        let ipv4 = links.iter().flat_map(|link| &link.ipv4).map(|network| IpAddr::from(network.address));
        let ipv6 = links.iter().flat_map(|link| &link.ipv6).map(|network| network.address);
        // Browsers do not take link-local addresses.
        let ipv6 = ipv6.filter(|address| !address.is_unicast_link_local()).map(IpAddr::from);
        addresses.extend(ipv4.chain(ipv6).map(on_port));
    }
    addresses
}

/// Whether browsers use TLS at this address of the server: at every address if the configuration has a certificate, or
/// else at those that other hosts reach, unless plain HTTP was requested.
pub fn is_secure(config: &WebConfig, opening: Option<Opening>, address: IpAddr) -> bool {
    let allows_plain_http = config.plain_http || opening.is_some_and(|opening| opening.plain_http);
    config.certificate.is_some() || !(allows_plain_http || address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::link::{Network4, Network6};

    fn link() -> Link {
        let ipv6 =
            ["2001:db8::10", "fe80::1"].map(|address| Network6 { address: address.parse().unwrap(), prefix: 64 });
        let ipv4 = vec![Network4 { address: [192, 0, 2, 10].into(), prefix: 24 }];
        Link { index: 1, name: "eth0".to_owned(), mtu: 1500, ipv4, ipv6: ipv6.to_vec() }
    }

    fn shown(config: &WebConfig, opening: Option<Opening>) -> Vec<String> {
        wanted(config, opening, &[link()]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_configuration_decides_and_then_the_command() {
        let default = WebConfig::default();
        assert_eq!(shown(&default, None), ["127.0.0.1:8067"]);
        let open = ["127.0.0.1:8067", "192.0.2.10:8067", "[2001:db8::10]:8067"];
        assert_eq!(shown(&default, Some(Opening::default())), open);
        assert_eq!(shown(&WebConfig { open: true, ..WebConfig::default() }, None), open);
        let written = WebConfig { listen: Some(vec!["192.0.2.10:80".parse().unwrap()]), ..WebConfig::default() };
        assert_eq!(shown(&written, Some(Opening::default())), ["192.0.2.10:80"]);
    }

    #[test]
    fn other_hosts_use_tls_unless_plain_http_was_requested() {
        let [own, other] = ["127.0.0.1", "192.0.2.10"].map(|address| address.parse::<IpAddr>().unwrap());
        let default = WebConfig::default();
        assert!(!is_secure(&default, None, own) && is_secure(&default, None, other));
        assert!(!is_secure(&default, None, "::ffff:127.0.0.1".parse().unwrap()));
        assert!(!is_secure(&default, Some(Opening { plain_http: true }), other));
        assert!(!is_secure(&WebConfig { plain_http: true, ..WebConfig::default() }, None, other));
        let certificate = WebConfig { certificate: Some("/x.pem".into()), ..WebConfig::default() };
        assert!(
            is_secure(&certificate, None, own) && is_secure(&certificate, Some(Opening { plain_http: true }), other)
        );
    }
}
