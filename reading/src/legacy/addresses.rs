//! Compares the interface and the address of an old proxy.ini with those of this host.

use crate::diagnostic::{Diagnostic, Source, Span};
use proxydhcpd_core::link::Link;
use std::net::{IpAddr, Ipv4Addr};

/// `interface` and `listen_address` of an old proxy.ini. They must match this host
/// ([`LegacyAddresses::select_interfaces`]).
#[derive(Clone, Debug)]
pub struct LegacyAddresses {
    pub(super) source: Source,
    /// The interface, with the location of its name.
    pub interface: Option<(String, Span)>,
    /// The address, with its location.
    pub listen_address: Option<(Ipv4Addr, Span)>,
}

/// The interfaces to serve and the addresses to announce on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceSelection {
    /// The names of the interfaces, with `*` and `?`. Empty: every interface on which machines can boot.
    pub interfaces: Vec<String>,
    /// The addresses to announce. Without an address of a family, the server announces the first address of that family
    /// on each interface.
    pub addresses: Vec<IpAddr>,
}

impl LegacyAddresses {
    /// Returns the interface and the address to serve on this host. Fails as the "split brain" check of the Python
    /// daemon did. The Python daemon compared only the first address of an interface; this function compares all of
    /// them.
    pub fn select_interfaces(&self, links: &[Link]) -> Result<InterfaceSelection, Diagnostic> {
        match (&self.interface, &self.listen_address) {
            (Some((name, at)), listen) => {
                let Some(link) = links.iter().find(|link| link.name == *name) else {
                    return Err(self.critical(
                        at,
                        format!("interface {name} does not exist, is down or has no address"),
                        links,
                    ));
                };
                let Some(first) = link.address() else {
                    return Err(self.critical(at, format!("interface {name} has no IPv4 address"), links));
                };
                let address = match listen {
                    Some((address, at)) if !link.owns(*address) => {
                        let message =
                            format!("listen_address {address} is not an address of interface {name} ({first})");
                        return Err(self.critical(at, message, links));
                    }
                    Some((address, _)) => *address,
                    None => first,
                };
                Ok(InterfaceSelection { interfaces: vec![name.clone()], addresses: vec![address.into()] })
            }
            (None, Some((Ipv4Addr::UNSPECIFIED, _))) => Ok(InterfaceSelection::default()),
            (None, Some((address, at))) => match links.iter().find(|link| link.owns(*address)) {
                Some(link) => {
                    Ok(InterfaceSelection { interfaces: vec![link.name.clone()], addresses: vec![(*address).into()] })
                }
                None => Err(self.critical(at, format!("no interface has the address {address}"), links)),
            },
            (None, None) => {
                let mut critical = Diagnostic::critical("neither `interface` nor `listen_address` is set");
                critical.file = Some(self.source.name.clone());
                Err(critical.help(format!("put one of them under [proxy]; {}", host_addresses(links))))
            }
        }
    }

    fn critical(&self, at: &Span, message: String, links: &[Link]) -> Diagnostic {
        self.source.critical(at.clone(), message).help(host_addresses(links))
    }
}

fn host_addresses(links: &[Link]) -> String {
    let each = |link: &Link| link.address().map(|address| format!("{} ({address})", link.name));
    let named: Vec<String> = links.iter().filter_map(each).collect();
    if named.is_empty() {
        return "no interface that is up has an IPv4 address".to_owned();
    }
    format!("this host has {}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::link::Network4;

    const ETH0: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
    const SECOND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
    const ETH1: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

    fn host_links() -> Vec<Link> {
        let link = |index, name: &str, addresses: &[Ipv4Addr]| Link {
            index,
            name: name.to_owned(),
            mtu: 1500,
            ipv4: addresses.iter().map(|&address| Network4 { address, prefix: 24 }).collect(),
            ipv6: Vec::new(),
        };
        vec![link(2, "eth0", &[ETH0, SECOND]), link(3, "eth1", &[ETH1]), link(4, "eth2", &[])]
    }

    fn select(interface: Option<&str>, listen: Option<Ipv4Addr>) -> Result<InterfaceSelection, String> {
        let source = Source::new("proxy.ini", b"[proxy]\n".to_vec()).unwrap();
        let interface = interface.map(|name| (name.to_owned(), 0..7));
        let addresses = LegacyAddresses { source, interface, listen_address: listen.map(|address| (address, 0..7)) };
        addresses.select_interfaces(&host_links()).map_err(|critical| critical.to_string())
    }

    #[test]
    fn an_interface_selects_its_address_and_an_address_its_interface() {
        let eth0 = |address: Ipv4Addr| {
            Ok(InterfaceSelection { interfaces: vec!["eth0".into()], addresses: vec![address.into()] })
        };
        assert_eq!(select(Some("eth0"), None), eth0(ETH0));
        assert_eq!(select(None, Some(ETH0)), eth0(ETH0));
        assert_eq!(select(Some("eth0"), Some(ETH0)), eth0(ETH0));
        assert_eq!(select(None, Some(SECOND)), eth0(SECOND));
    }

    #[test]
    fn the_unspecified_address_alone_serves_every_interface() {
        assert_eq!(select(None, Some(Ipv4Addr::UNSPECIFIED)), Ok(InterfaceSelection::default()));
    }

    #[test]
    fn an_address_or_interface_that_this_host_does_not_have_is_critical() {
        for (interface, listen) in [
            (Some("eth0"), Some(ETH1)),
            (Some("eth0"), Some(Ipv4Addr::UNSPECIFIED)),
            (Some("eth2"), None),
            (Some("eth9"), None),
            (None, Some(Ipv4Addr::new(203, 0, 113, 1))),
            (None, None),
        ] {
            let printed = select(interface, listen).unwrap_err();
            assert!(printed.starts_with("CRITICAL: "), "{printed}");
            assert!(printed.contains("eth0 (192.0.2.10), eth1 (198.51.100.1)"), "{printed}");
        }
    }
}
