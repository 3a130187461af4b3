//! Requests that no browser sends by itself: for other hosts, from other sites, with unusual methods, paths and bodies.

use crate::page::{OPEN, OWN_FORM, PAGE, Page, Reply};
use std::io::Write;

#[test]
fn a_request_for_another_host_is_refused() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let status =
        |head: &str| Reply::parse(&page.exchange(format!("{head}{cookie}Connection: close\r\n\r\n").as_bytes())).status;
    for head in [
        "GET / HTTP/1.1\r\nHost: evil.example\r\n",
        "GET / HTTP/1.1\r\nHost: 192.0.2.10.evil.example:8067\r\n",
        "GET / HTTP/1.1\r\nHost: localhost@evil.example\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n",
        "GET / HTTP/1.1\r\nHost: 192.0.2.10:8067\r\nHost: evil.example\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: 192.0.2.10:8067\r\n",
        "GET http://192.0.2.10:8067/ HTTP/1.1\r\nHost: evil.example\r\n",
        "GET / HTTP/1.0\r\n",
    ] {
        assert!(matches!(status(head), 400 | 421), "{head}");
    }
    for head in [
        "GET / HTTP/1.1\r\nHost: 192.0.2.10:8067\r\n",
        "GET http://192.0.2.10:8067/ HTTP/1.1\r\nHost: 192.0.2.10:8067\r\n",
    ] {
        assert_eq!(status(head), 200, "{head}");
    }
    // The statements of proxies count only from trusted ones.
    let forwarded = page.get("/", &format!("{cookie}X-Forwarded-Host: evil.example\r\n"));
    assert_eq!(forwarded.status, 200);
}

#[test]
fn a_request_that_another_site_causes_changes_nothing() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    for origin in [
        "",
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://192.0.2.10:8080\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: http://192.0.2.10:8067\r\n",
        "Sec-Fetch-Site: none\r\n",
    ] {
        let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{cookie}{origin}");
        for (target, body) in
            [("/login", "password=correct+horse+battery"), ("/logout", ""), ("/api/v1/web/tokens", "{}")]
        {
            let reply = page.request("POST", target, &headers, body);
            assert_eq!((reply.status, reply.header("set-cookie")), (403, None), "{target} {origin:?}");
        }
    }
    assert_eq!(page.get("/", &cookie).status, 200, "this browser is still logged in");
    // A browser states that its request comes from a page of the server, or at least the origin.
    for origin in [OWN_FORM.to_owned(), format!("Origin: http://{PAGE}\r\n")] {
        let reply = page.request("POST", "/logout", &format!("{origin}Cookie: a=b\r\n"), "");
        assert_eq!(reply.status, 303, "{origin}");
    }
}

#[test]
fn a_page_is_shown_in_no_other_page_and_runs_no_script_of_its_text() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    for target in ["/", "/login", "/network", "/log", "/api/v1/status", "/nothing", "/assets/nothing", "/healthz"] {
        let reply = page.get(target, &cookie);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{target}");
        assert!(!policy.contains("unsafe"), "{target}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{target}");
        let inline = reply.body.split("<script").skip(1).any(|script| !script.trim_start().starts_with("src="));
        assert!(!inline && !reply.body.contains(" onclick=") && !reply.body.contains("style=\""), "{target}");
    }
}

#[test]
fn unusual_methods_and_paths_reach_nothing() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let head = page.request("HEAD", "/", &cookie, "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for method in ["OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "PROPFIND"] {
        let reply = page.request(method, "/", &format!("{cookie}X-Echo: 4242\r\n"), "");
        assert!(matches!(reply.status, 400 | 403 | 405 | 421), "{method} {reply:?}");
        assert!(!reply.body.contains("4242") && reply.header("access-control-allow-methods").is_none(), "{method}");
    }
    for path in [
        "/assets/../../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets//etc/passwd",
        "/assets/%00",
        "//etc/passwd",
        "/machines/..%2f..%2fetc%2fpasswd",
    ] {
        let reply = page.get(path, &cookie);
        assert!(matches!(reply.status, 400 | 404), "{path} {}", reply.status);
        assert!(!reply.body.contains("root:"), "{path}");
    }
}

#[test]
fn a_large_head_or_body_ends_at_its_limit() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let before = page.memory();
    let head = format!("GET / HTTP/1.1\r\nHost: {PAGE}\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20));
    assert!(matches!(page.exchange(head.as_bytes()).get(9..12), None | Some("431" | "400")));
    let many: String = (0..5000).map(|number| format!("X-{number}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: {PAGE}\r\n{many}\r\n");
    assert!(matches!(page.exchange(many.as_bytes()).get(9..12), None | Some("431" | "400")));
    for (target, content_type) in
        [("/login", "application/x-www-form-urlencoded"), ("/api/v1/web/tokens", "application/json")]
    {
        let length = 1_u64 << 30;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: {PAGE}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n{cookie}\
             Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut stream = page.connect_from("192.0.2.107");
        stream.write_all(head.as_bytes()).unwrap();
        let sent = (0..64).take_while(|_| stream.write_all(&vec![b'x'; 1 << 20]).is_ok()).count();
        assert!(sent < 64, "{target} read {sent} MiB");
    }
    let grown = page.memory().saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB more");
    assert_eq!(page.get("/", &cookie).status, 200);
}

/// A proxy in front of the server could take such a request for another one.
#[test]
fn a_request_whose_end_is_doubtful_is_the_last_of_its_connection() {
    let page = Page::start(OPEN);
    let next = format!("GET /healthz HTTP/1.1\r\nHost: {PAGE}\r\n\r\n");
    let head = format!("POST /healthz HTTP/1.1\r\nHost: {PAGE}\r\nOrigin: http://{PAGE}\r\n");
    for (headers, body) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "0\r\n\r\n"),
        ("Content-Length: +5\r\n", "0\r\n\r\n"),
        ("Content-Length: 5, 6\r\n", "0\r\n\r\n"),
        ("Content-Length: 99999999999999999999999\r\n", ""),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"),
        ("Transfer-Encoding: chunked\r\n", "-1\r\n\r\n"),
        ("X: 1\r\n folded\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ] {
        let replies = page.exchange(format!("{head}{headers}\r\n{body}{next}").as_bytes());
        let count = replies.matches("HTTP/1.1 ").count();
        let last_is_error = replies.rsplit("HTTP/1.1 ").next().is_some_and(|last| !last.starts_with("200"));
        assert!(count <= 1 || last_is_error, "{headers:?}: {replies}");
    }
}
