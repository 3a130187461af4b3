//! HTTP Digest access authentication (RFC 7616), as iPXE implements it (httpdigest.c): MD5, quality of protection
//! `auth`.

use crate::menu_passwords::{REALM, md5_hex};

/// The fields of an `Authorization` header that answers a challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigestAnswer {
    /// The user.
    pub user: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The target of the request, as the client hashed it.
    pub uri: String,
    realm: String,
    count: String,
    client_nonce: String,
    quality: String,
    response: String,
}

impl DigestAnswer {
    /// Parses the value of the header. `None`: it has another scheme, or is malformed.
    pub fn parse(value: &str) -> Option<DigestAnswer> {
        let mut rest = strip_scheme(value)?;
        let mut answer = DigestAnswer::default();
        while !rest.is_empty() {
            let (name, value, after) = next_field(rest)?;
            let field = match name.to_ascii_lowercase().as_str() {
                "username" => &mut answer.user,
                "realm" => &mut answer.realm,
                "nonce" => &mut answer.nonce,
                "uri" => &mut answer.uri,
                "nc" => &mut answer.count,
                "cnonce" => &mut answer.client_nonce,
                "qop" => &mut answer.quality,
                "response" => &mut answer.response,
                _ => &mut String::new(),
            };
            *field = value;
            rest = after;
        }
        Some(answer)
    }

    /// Whether the client knows the password with this hash, H(A1) in hexadecimal.
    pub fn proves(&self, hash: &str, method: &str) -> bool {
        let DigestAnswer { nonce, uri, count, client_nonce, quality, .. } = self;
        let target = md5_hex(&format!("{method}:{uri}"));
        let expected = md5_hex(&format!("{hash}:{nonce}:{count}:{client_nonce}:{quality}:{target}"));
        self.realm == REALM && self.quality == "auth" && self.response.eq_ignore_ascii_case(&expected)
    }
}

/// The challenge with this nonce: the value of `WWW-Authenticate`. `is_stale`: the last answer was right, but too late,
/// so a client may repeat it without asking its user.
pub fn challenge(nonce: &str, is_stale: bool) -> String {
    let stale = if is_stale { ", stale=true" } else { "" };
    format!("Digest realm=\"{REALM}\", qop=\"auth\", algorithm=MD5, nonce=\"{nonce}\"{stale}")
}

fn strip_scheme(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Digest").then_some(rest)
}

/// Splits off the first field: its name, its value without quotes, and the text after it.
fn next_field(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.trim_start_matches([' ', ',']).split_once('=')?;
    let (value, after) = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let end = rest.find(',').unwrap_or(rest.len());
            (rest[..end].trim().to_owned(), &rest[end..])
        }
    };
    Some((name.trim(), value, after.trim_start_matches([' ', ','])))
}

/// The text up to the closing quotation mark, without escapes, and the text after the mark.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header that curl 7.88 sent (`--digest --user 'teacher:open sesame'`).
    const OF_CURL: &str = "Digest username=\"teacher\", realm=\"proxydhcpd\", nonce=\"n1\", uri=\"/a\", \
                           cnonce=\"YjM=\", nc=00000001, qop=auth, response=\"RESPONSE\", algorithm=MD5";

    fn of_curl() -> String {
        let hash = md5_hex("teacher:proxydhcpd:open sesame");
        let response = md5_hex(&format!("{hash}:n1:00000001:YjM=:auth:{}", md5_hex("GET:/a")));
        OF_CURL.replace("RESPONSE", &response)
    }

    #[test]
    fn only_the_right_password_method_and_target_prove() {
        let answer = DigestAnswer::parse(&of_curl()).unwrap();
        let hash = md5_hex("teacher:proxydhcpd:open sesame");
        assert!(answer.proves(&hash, "GET"));
        assert!(!answer.proves(&md5_hex("teacher:proxydhcpd:other"), "GET") && !answer.proves(&hash, "HEAD"));
        for changed in [
            DigestAnswer { uri: "/b".into(), ..answer.clone() },
            DigestAnswer { nonce: "n2".into(), ..answer.clone() },
            DigestAnswer { realm: "other".into(), ..answer.clone() },
            DigestAnswer { quality: String::new(), ..answer.clone() },
        ] {
            assert!(!changed.proves(&hash, "GET"), "{changed:?}");
        }
    }

    #[test]
    fn any_other_header_is_no_answer() {
        for other in ["", "Basic dTpw", "Digest", "Digest username", "Digest username=\"a", "Digest username=\"a\\"] {
            assert_eq!(DigestAnswer::parse(other), None, "{other}");
        }
        let odd = DigestAnswer::parse("digest username=\"a\\\"b\",uri=\"/x,y\" , qop=auth").unwrap();
        assert_eq!((&*odd.user, &*odd.uri, &*odd.quality), ("a\"b", "/x,y", "auth"));
        assert!(!odd.proves("", "GET"));
    }
}
