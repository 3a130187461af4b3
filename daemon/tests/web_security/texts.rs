//! Texts of machines and addresses that try to become a part of a page.

use crate::common::server::vector;
use crate::page::{OPEN, Page};
use proxydhcpd_testbed::wait_for;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

const SCRIPT: &str = "<script>alert(1)</script>";
/// The address in the vector of a request to port 4011.
const MACHINE: &str = "02:00:00:00:01:07";

#[test]
fn texts_of_machines_are_shown_as_text() {
    let page = Page::start(&format!("http.port = 8080\nsyslog.port = 5514\n{OPEN}"));
    let cookie = page.log_in();
    // A host name (option 12), a user class (option 77) and a vendor option with markup.
    let mut request = vector("ovmf-x64-request-4011");
    assert_eq!(request.pop(), Some(255));
    for option in [12, 77, 15] {
        request.extend([option, SCRIPT.len() as u8]);
        request.extend(SCRIPT.as_bytes());
    }
    request.push(255);
    let socket = page.machine.on(|| UdpSocket::bind("192.0.2.107:4011").unwrap());
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket.send_to(&request, "192.0.2.10:4011").unwrap();
    let _ = socket.recv(&mut [0; 1500]);
    // A file with markup in its name, by TFTP and by HTTP, and a line of syslog.
    let read_request = [b"\0\x01", format!("{SCRIPT}.efi").as_bytes(), b"\0octet\0"].concat();
    socket.send_to(&read_request, "192.0.2.10:69").unwrap();
    let _ = socket.recv(&mut [0; 1500]);
    socket.send_to(format!("<14>installer: {SCRIPT}").as_bytes(), "192.0.2.10:5514").unwrap();
    let mut http = page.machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
    http.write_all(
        b"GET /%3Cscript%3Ealert(1)%3C/script%3E.cfg HTTP/1.0\r\nUser-Agent: <script>alert(2)</script>\r\n\r\n",
    )
    .unwrap();
    let mut reply = Vec::new();
    http.read_to_end(&mut reply).unwrap();

    let story = format!("/machines/{MACHINE}");
    let shown = wait_for("the name of the file on the page", || {
        let shown = page.get(&story, &cookie).body;
        shown.contains("&lt;script&gt;alert(1)").then_some(shown)
    });
    for text in [shown, page.get("/", &cookie).body, page.get("/log", &cookie).body, page.get("/network", &cookie).body]
    {
        assert!(!text.contains("<script>alert"), "{text}");
    }
    // JSON is no page.
    let json = page.get(&format!("/api/v1/machines/{MACHINE}/story"), &cookie);
    assert_eq!(json.header("content-type"), Some("application/json"));
}

#[test]
fn texts_of_an_address_are_shown_as_text() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let encoded = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for target in [
        format!("/machines/{encoded}"),
        format!("/?failed={encoded}"),
        format!("/?offset={encoded}"),
        format!("/board/rows/{encoded}"),
        format!("/start/{encoded}"),
        format!("/login?next={encoded}"),
        format!("/{encoded}"),
        format!("/api/v1/events?machine={encoded}"),
        format!("/assets/{encoded}"),
    ] {
        let reply = page.get(&target, &format!("{cookie}Accept: text/html\r\n"));
        let is_html = reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        assert!(!is_html || !reply.body.contains("<script>alert"), "{target}: {}", reply.body);
    }
}
