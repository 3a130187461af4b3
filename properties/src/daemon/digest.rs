//! An answer to a digest challenge is read back as it was written, and proves only its own password.

use crate::input::{Input, sized};
use proxydhcpd::access::digest::{DigestAnswer, challenge};
use proxydhcpd::menu_passwords::{REALM, md5_hex};

/// Reads the value of a header, and the parts of an answer: the user, the password, the nonce and the target.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for value in [text.to_string(), format!("Digest {text}")] {
        if let Some(answer) = DigestAnswer::parse(&value) {
            assert!(value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("digest ")), "{value:?}");
            let length = answer.user.len() + answer.nonce.len() + answer.uri.len();
            assert!(length < value.len(), "{answer:?}");
            assert!(!answer.proves("", "GET") && !answer.proves(&text, "GET"), "{answer:?}");
        }
    }
    let mut input = Input::new(data);
    let [user, password, nonce, uri] = [(); 4].map(|()| input.text());
    let hash = md5_hex(&format!("{user}:{REALM}:{password}"));
    let response = md5_hex(&format!("{hash}:{nonce}:00000001:c:auth:{}", md5_hex(&format!("GET:{uri}"))));
    let header = |response: &str| {
        let [user, nonce, uri] = [&user, &nonce, &uri].map(|text| text.replace('\\', "\\\\").replace('"', "\\\""));
        format!(
            "Digest username=\"{user}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", cnonce=\"c\", \
             nc=00000001, qop=auth, response=\"{response}\", algorithm=MD5"
        )
    };
    let answer = DigestAnswer::parse(&header(&response)).expect("a written answer can be parsed");
    assert_eq!((&answer.user, &answer.nonce, &answer.uri), (&user, &nonce, &uri));
    assert!(answer.proves(&hash, "GET") && !answer.proves(&hash, "POST"));
    assert!(!answer.proves(&md5_hex(&format!("{user}:{REALM}:{password}x")), "GET"), "another password");
    let forged = response.replace('0', "1").replace('a', "b");
    let forged = DigestAnswer::parse(&header(&forged)).expect("a written answer can be parsed");
    assert!(forged == answer || !forged.proves(&hash, "GET"), "another response");
    assert!(challenge("0a0b", true).contains("nonce=\"0a0b\""));
}

/// The header of curl, and parts.
pub fn seeds() -> Vec<Vec<u8>> {
    let header = "Digest username=\"teacher\", realm=\"proxydhcpd\", nonce=\"n1\", uri=\"/a\", cnonce=\"YjM=\", \
                  nc=00000001, qop=auth, response=\"RESPONSE\", algorithm=MD5";
    let odd = "digest username=\"a\\\"b\",uri=\"/x,y\" , qop=auth";
    let parts = [&b"teacher"[..], b"open sesame", b"0a0b", b"/machine/name=web1/menu?x=\"\\"].map(sized).concat();
    vec![header.into(), odd.into(), parts]
}
