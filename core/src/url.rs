//! Parts of URLs.

use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::{IpAddr, Ipv4Addr};

/// An address as the host of a URL: an IPv6 address is in brackets (RFC 3986 3.2.2).
pub fn host(address: impl Into<IpAddr>) -> impl fmt::Display {
    Host(address.into())
}

/// Percent-encodes a path. Slashes and equals signs remain unchanged.
pub fn percent_encode(path: &str) -> impl fmt::Display {
    PercentEncoded(path)
}

struct Host(IpAddr);

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "[{address}]"),
        }
    }
}

struct PercentEncoded<'a>(&'a str);

impl fmt::Display for PercentEncoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                f.write_char(char::from(octet))
            }
            // In a URL, directories named `key=value` state the identity of a machine.
            b'=' => f.write_char('='),
            _ => write!(f, "%{octet:02X}"),
        })
    }
}

/// Decodes the percent-encoding of a path (RFC 3986 2.1). A `%` without two digits remains.
pub fn percent_decode(path: &[u8]) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::with_capacity(path.len()), path);
    while let [octet, after @ ..] = rest {
        let digits = after.first_chunk::<2>().and_then(|digits| core::str::from_utf8(digits).ok());
        let number = digits.filter(|_| *octet == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(number.unwrap_or(*octet));
        rest = if number.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    decoded
}

/// Whether a file name is a URL: it contains `://`.
pub fn is_url(name: &str) -> bool {
    name.contains("://")
}

/// Whether the host of a URL is an IPv4 address, which a client with only IPv6 cannot reach.
pub fn has_ipv4_host(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
    let host = authority.rsplit('@').next().unwrap_or("");
    host.split(':').next().unwrap_or("").parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use core::net::Ipv6Addr;

    #[test]
    fn an_ipv6_address_is_in_brackets() {
        assert_eq!(host(Ipv4Addr::new(192, 0, 2, 10)).to_string(), "192.0.2.10");
        assert_eq!(host(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10)).to_string(), "[2001:db8::10]");
    }

    #[test]
    fn characters_that_a_url_cannot_contain_are_encoded() {
        assert_eq!(percent_encode("machine/rule=3/x y.efi").to_string(), "machine/rule=3/x%20y.efi");
        assert_eq!(percent_encode("${a}?#").to_string(), "%24%7Ba%7D%3F%23");
    }

    #[test]
    fn a_path_is_decoded() {
        assert_eq!(percent_decode(b"a%20b%2"), b"a b%2");
        assert_eq!(percent_decode(b"%zz/%C3%BC"), "%zz/ü".as_bytes());
    }

    #[test]
    fn an_ipv4_host_is_recognised() {
        for url in ["tftp://192.0.2.5/x", "http://192.0.2.5:8080/x", "http://user:word@192.0.2.5"] {
            assert!(has_ipv4_host(url), "{url}");
        }
        for url in ["tftp://[2001:db8::5]/192.0.2.5", "http://boot.example/x", "192.0.2.5"] {
            assert!(!has_ipv4_host(url), "{url}");
        }
    }
}
