//! The names by which browsers may address this host. A page of another site can make its own name refer to this host
//! (DNS rebinding), and would then be of the same origin; so a name that is not ours is refused. An address cannot be
//! made to refer to another host.

use nix::unistd::gethostname;
use std::net::{IpAddr, Ipv6Addr};

/// The names of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNames(Vec<String>);

impl HostNames {
    /// The name of this host, and these names of the configuration.
    pub fn new(configured: &[String]) -> HostNames {
        let own = gethostname().ok().and_then(|name| name.into_string().ok());
        let names = own.into_iter().chain(configured.iter().cloned()).chain(["localhost".to_owned()]);
        HostNames(names.map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether the value of a header `Host` is an address, or one of the names, with a port or without.
    pub fn admit(&self, host: &str) -> bool {
        let Some(host) = without_port(host) else { return false };
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Some(address) = address {
            return address.parse::<Ipv6Addr>().is_ok();
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4())
            || self.0.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The part before the port. `None`: the port is no number.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rfind([':', ']']) {
        Some(colon) if host.as_bytes()[colon] == b':' => (&host[..colon], Some(&host[colon + 1..])),
        _ => (host, None),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
    (!name.is_empty() && port.is_none_or(is_port)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_are_admitted_and_others_are_not() {
        let names = HostNames::new(&["boot.example.org".to_owned()]);
        let admitted = [
            "127.0.0.1:8067",
            "192.0.2.10",
            "[::1]:8067",
            "[2001:db8::1]",
            "localhost:8067",
            "LOCALHOST",
            "boot.example.org.",
            "Boot.Example.org:443",
        ];
        for host in admitted {
            assert!(names.admit(host), "{host}");
        }
        let refused = [
            "",
            ":8067",
            "example.org",
            "127.0.0.1.example.org",
            "boot.example.org.evil",
            "localhost:x",
            "localhost:",
            "[::1",
            "::1",
            "[127.0.0.1]",
            "user@localhost",
        ];
        for host in refused {
            assert!(!names.admit(host), "{host}");
        }
    }
}
