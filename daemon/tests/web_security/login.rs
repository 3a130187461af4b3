//! Attacks on the password, the session and the link.

use crate::page::{OPEN, OWN_FORM, PAGE, PASSWORD, Page, read_to_end};
use std::io::Write;

#[test]
fn a_session_has_a_new_secret() {
    let page = Page::start(OPEN);
    let fixed = "Cookie: proxydhcpd-session=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";
    let first = page.post_form(&page.link(), fixed, &format!("password={0}&again={0}", PASSWORD.replace(' ', "+")));
    let first = first.cookie();
    assert_ne!(first, fixed);
    assert_eq!(page.get("/api/v1/status", fixed).status, 401);
    // An attacker who knows the session of a browser loses it when that browser logs in again.
    let again = page.post_form("/login", &first, &format!("password={}", PASSWORD.replace(' ', "+"))).cookie();
    assert_ne!(again, first);
    assert_eq!(page.get("/api/v1/status", &first).status, 401);
    assert_eq!(page.get("/api/v1/status", &again).status, 200);
    let out = page.post_form("/logout", &again, "");
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(page.get("/api/v1/status", &again).status, 401);
}

#[test]
fn a_cookie_is_for_this_server_and_no_script_reads_it() {
    let page = Page::start(OPEN);
    let reply = page.post_form(&page.link(), "", "");
    let cookie = reply.header("set-cookie").unwrap();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    assert_eq!(page.get("/", "").status, 401, "a program gets an error");
    let person = page.get("/?offset=1", "Accept: text/html\r\n");
    assert_eq!((person.status, person.header("location")), (303, Some("/login?next=/%3Foffset%3D1")));
}

#[test]
fn a_source_may_try_few_passwords_and_locks_no_other_source_out() {
    let page = Page::start(OPEN);
    page.log_in();
    let attempt = |source: &str, password: &str| {
        let form = format!("password={}", password.replace(' ', "+"));
        page.request_from(source, "POST", "/login", OWN_FORM, &form).status
    };
    let results: Vec<u16> = (0..8).map(|_| attempt("192.0.2.107", "wrong password")).collect();
    assert_eq!(results[..5], [403; 5]);
    assert!(results[5..].contains(&429), "{results:?}");
    assert_eq!(attempt("192.0.2.108", PASSWORD), 303);
    // A header that a proxy would send is no other source.
    let forged = format!("{OWN_FORM}X-Forwarded-For: 192.0.2.55\r\n");
    let results: Vec<u16> =
        (0..6).map(|_| page.request("POST", "/login", &forged, "password=wrong+password").status).collect();
    assert!(results.contains(&429), "{results:?}");
    // An attempt that is too long for a password costs no hash.
    assert_ne!(attempt("192.0.2.108", &"x".repeat(10_000)), 303);
}

#[test]
fn a_link_lets_one_browser_in() {
    let page = Page::start(OPEN);
    let link = page.link();
    for method in ["GET", "HEAD"] {
        assert_eq!(page.request(method, &link, "", "").status, 200, "a preview does not use the link");
    }
    let wrong = format!("/start/{}", "0".repeat(64));
    assert_eq!(page.post_form(&wrong, "", "").status, 410);
    assert_eq!(page.post_form(&link, "", "password=short&again=short").status, 422, "and a mistake does not");
    // Two browsers at once: all but the last octet first, then the last one of each.
    let request = format!(
        "POST {link} HTTP/1.1\r\nHost: {PAGE}\r\nConnection: close\r\n{OWN_FORM}Content-Length: 45\r\n\r\n\
         password=password+of+{0}&again=password+of+{0}",
        "a"
    );
    let body = request.split("\r\n\r\n").nth(1).unwrap();
    let request = request.replace("Content-Length: 45", &format!("Content-Length: {}", body.len()));
    let mut streams: Vec<_> = (0..8).map(|_| page.connect_from("192.0.2.107")).collect();
    let (last, first) = request.as_bytes().split_last().unwrap();
    streams.iter_mut().for_each(|stream| stream.write_all(first).unwrap());
    streams.iter_mut().for_each(|stream| stream.write_all(&[*last]).unwrap());
    let replies: Vec<String> = streams.iter_mut().map(read_to_end).collect();
    let admitted = replies.iter().filter(|reply| reply.to_lowercase().contains("set-cookie")).count();
    assert_eq!(admitted, 1, "{replies:?}");
    assert_eq!(page.get(&link, "").status, 410);
    // A new link makes the one before it invalid.
    let links = [(); 2].map(|()| {
        let made = page.command(&["web", "link"]);
        let text = String::from_utf8(made.stdout).unwrap();
        text.lines().find_map(|line| Some(format!("/start/{}", line.split_once("/start/")?.1))).unwrap()
    });
    assert_eq!(links.map(|link| page.get(&link, "").status), [410, 200]);
}

#[test]
fn the_way_back_leads_only_to_this_server() {
    let page = Page::start(OPEN);
    page.log_in();
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/%5Cevil.example",
        "/%0d%0aSet-Cookie:%20a=b",
        "javascript:alert(1)",
    ] {
        let form = format!("password={}&next={next}", PASSWORD.replace(' ', "+"));
        let reply = page.post_form("/login", "", &form);
        assert_eq!((reply.status, reply.header("location")), (303, Some("/")), "{next}");
        assert_eq!(reply.head.to_lowercase().matches("set-cookie").count(), 1, "{next}");
    }
    let shown = page.get("/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "");
    assert!(shown.body.contains("&quot;&gt;&lt;script") && !shown.body.contains("<script>alert"), "{}", shown.body);
}
