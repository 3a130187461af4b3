//! The cookie with the secret of a session.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use std::time::Duration;

/// The names of the cookie, with HTTPS and without. Browsers take a cookie whose name begins with `__Host-` only over
/// HTTPS and for this host alone.
const SECURE_NAME: &str = "__Host-proxydhcpd-session";
const PLAIN_NAME: &str = "proxydhcpd-session";

/// The value of `Set-Cookie` that gives a browser this secret.
pub fn begin(secret: &str, is_secure: bool, life: Duration) -> String {
    cookie(secret, is_secure, life.as_secs())
}

/// The value of `Set-Cookie` that takes the secret from a browser.
pub fn end(is_secure: bool) -> String {
    cookie("", is_secure, 0)
}

/// The secret of the session that a request presents.
pub fn session_secret(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == cookie_name(is_secure)).map(|(_, secret)| secret)
}

fn cookie(secret: &str, is_secure: bool, seconds: u64) -> String {
    let (name, secure) = (cookie_name(is_secure), if is_secure { "; Secure" } else { "" });
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

fn cookie_name(is_secure: bool) -> &'static str {
    if is_secure { SECURE_NAME } else { PLAIN_NAME }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(value: &'static str) -> HeaderMap {
        [(COOKIE, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn the_secret_is_found_among_other_cookies() {
        let both = cookies("a=b; proxydhcpd-session=0123; c; __Host-proxydhcpd-session=4567");
        assert_eq!(session_secret(&both, false), Some("0123"));
        assert_eq!(session_secret(&both, true), Some("4567"));
        assert_eq!(session_secret(&cookies("xproxydhcpd-session=0123"), false), None);
    }

    #[test]
    fn a_cookie_is_for_this_host_alone() {
        let secure = begin("0123", true, Duration::from_secs(60));
        assert_eq!(secure, "__Host-proxydhcpd-session=0123; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
        assert_eq!(end(false), "proxydhcpd-session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    }
}
