//! The statements of proxies that the server believes.

use crate::page::{OPEN, OWN_FORM, Page};

const STATED: &str = "X-Remote-User: admin\r\n";

#[test]
fn a_user_that_a_trusted_proxy_states_is_logged_in_and_no_other() {
    let page = Page::start(&format!(
        "{OPEN}names = [\"boot.example.org\"]\ntrusted-proxy = \"192.0.2.108\"\nproxy-user-header = \"X-Remote-User\"\n"
    ));
    let status = |source: &str, headers: &str| page.request_from(source, "GET", "/api/v1/status", headers, "").status;
    assert_eq!(status("192.0.2.107", STATED), 401);
    assert_eq!(status("192.0.2.108", STATED), 200);
    assert_eq!(status("192.0.2.108", ""), 401);
    assert_eq!(status("192.0.2.108", "X-Remote-User: \r\n"), 401);
    // A proxy that only appends lets its clients state any user.
    assert_eq!(status("192.0.2.108", &format!("{STATED}{STATED}")), 401);
    // The checks against other sites stand.
    let post = |headers: &str| {
        let headers = format!("{STATED}Content-Type: application/json\r\n{headers}");
        let body = "{\"name\":\"proxy\",\"scope\":\"read\"}";
        page.request_from("192.0.2.108", "POST", "/api/v1/web/tokens", &headers, body).status
    };
    assert_eq!(post("Sec-Fetch-Site: cross-site\r\n"), 403);
    assert_eq!(post("Sec-Fetch-Site: same-origin\r\n"), 201);
    // The host that the proxy states must be ours, too.
    assert_eq!(status("192.0.2.108", &format!("{STATED}X-Forwarded-Host: evil.example\r\n")), 421);
    let forwarded = "X-Forwarded-Host: boot.example.org\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(status("192.0.2.108", &format!("{STATED}{forwarded}")), 200);
    let form = format!("{OWN_FORM}{forwarded}");
    let reply = page.request_from("192.0.2.108", "POST", &page.link(), &form, "");
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-") && cookie.ends_with("; Secure"), "{cookie}");
}
