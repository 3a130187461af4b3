//! The client of a request: where it is, how it reached the server, and which user a proxy states. Only the proxies of
//! the configuration are believed.

use crate::settings::WebConfig;
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The connection of a request.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The other end of the connection.
    pub source: SocketAddr,
    /// Whether the connection uses TLS.
    pub is_secure: bool,
}

/// The client of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address of the browser, as far as it is known.
    pub address: IpAddr,
    /// Whether the browser uses HTTPS.
    pub is_secure: bool,
    /// The host that the browser names. `None`: the request states none, or several.
    pub host: Option<String>,
    /// The user that a proxy logged in.
    pub user: Option<String>,
}

impl Client {
    /// The client of a request with these headers.
    pub fn new(connection: Connection, headers: &HeaderMap, config: &WebConfig) -> Client {
        let address = connection.source.ip().to_canonical();
        let host = single(headers, &HOST);
        let direct = Client { address, is_secure: connection.is_secure, host: host.map(str::to_owned), user: None };
        if config.trusted_proxies.iter().any(|proxy| proxy.to_canonical() == address) {
            direct.forwarded(headers, config)
        } else {
            direct
        }
    }

    /// The client that this proxy states.
    fn forwarded(self, headers: &HeaderMap, config: &WebConfig) -> Client {
        // A proxy appends the address of its client. A browser can write everything before that.
        let address = headers.get_all(FORWARDED_FOR).iter().next_back();
        let address = address.and_then(|list| list.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
        let user_header = config.proxy_user_header.as_deref().and_then(|name| name.parse::<HeaderName>().ok());
        let user = user_header.and_then(|name| single(headers, &name)).map(str::trim).filter(|user| !user.is_empty());
        Client {
            address: address.map_or(self.address, |address| address.to_canonical()),
            is_secure: single(headers, &FORWARDED_PROTO).map_or(self.is_secure, |protocol| protocol == "https"),
            host: single(headers, &FORWARDED_HOST).map(str::to_owned).or(self.host),
            user: user.map(str::to_owned),
        }
    }
}

/// The value of a header that occurs once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(source: &str, pairs: &[(&'static str, &'static str)]) -> Client {
        let config = WebConfig {
            trusted_proxies: vec!["192.0.2.1".parse().unwrap()],
            proxy_user_header: Some("X-Remote-User".to_owned()),
            ..WebConfig::default()
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let source = SocketAddr::new(source.parse().unwrap(), 5555);
        Client::new(Connection { source, is_secure: false }, &headers, &config)
    }

    const STATED: [(&str, &str); 5] = [
        ("host", "10.0.0.1:8067"),
        ("x-forwarded-for", "203.0.113.1, 198.51.100.7"),
        ("x-forwarded-host", "boot.example.org"),
        ("x-forwarded-proto", "https"),
        ("x-remote-user", "admin"),
    ];

    #[test]
    fn a_trusted_proxy_states_the_client_and_no_other_host_does() {
        let trusted = client("192.0.2.1", &STATED);
        assert_eq!(trusted.address.to_string(), "198.51.100.7");
        assert_eq!((trusted.is_secure, trusted.host.as_deref()), (true, Some("boot.example.org")));
        assert_eq!(trusted.user.as_deref(), Some("admin"));
        assert_eq!(client("::ffff:192.0.2.1", &STATED), trusted);
        let other = client("192.0.2.2", &STATED);
        assert_eq!(other.address.to_string(), "192.0.2.2");
        assert_eq!((other.is_secure, other.host.as_deref(), other.user), (false, Some("10.0.0.1:8067"), None));
    }

    #[test]
    fn a_header_that_occurs_twice_states_nothing() {
        let twice =
            client("192.0.2.1", &[("host", "a"), ("host", "b"), ("x-remote-user", "a"), ("x-remote-user", "b")]);
        assert_eq!((twice.host, twice.user), (None, None));
        assert_eq!(client("192.0.2.1", &[("host", "a"), ("x-remote-user", " ")]).user, None);
    }
}
