//! Clients that take the server's connections, memory or time. Machines boot meanwhile, and the server stops.

use crate::common::server::request_loader;
use crate::page::{OPEN, OWN_FORM, PAGE, Page};
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Checks that a machine boots, that another browser is served, and that the server stops in time.
fn assert_others_are_served(mut page: Page, cookie: &str) {
    assert_eq!(request_loader(&page.machine).as_deref(), Some("ipxe.efi"));
    assert_eq!(page.request_from("192.0.2.108", "GET", "/api/v1/status", cookie, "").status, 200);
    let began = Instant::now();
    page.server.signal(Signal::SIGTERM);
    assert_eq!(page.server.exit_code(), Some(0));
    let elapsed = began.elapsed();
    assert!(elapsed < Duration::from_secs(2), "the server stopped after {elapsed:?}");
}

#[test]
fn two_thousand_idle_connections_leave_the_page_to_others() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let before = page.memory();
    let idle: Vec<TcpStream> = (0..2000).map(|_| page.connect_from("192.0.2.107")).collect();
    assert!(page.memory().saturating_sub(before) < 16 * 1024, "{} KiB", page.memory() - before);
    assert_others_are_served(page, &cookie);
    drop(idle);
}

#[test]
fn slow_heads_and_bodies_delay_no_other_client() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let login = format!("POST /login HTTP/1.1\r\nHost: {PAGE}\r\n{OWN_FORM}Content-Length: 100\r\n\r\npass");
    let mut slow: Vec<TcpStream> = Vec::new();
    for beginning in ["G", "GET / HTTP/1.1\r\nHost: 192.0.2.10:8067\r\nX-A: ", login.as_str()] {
        for _ in 0..20 {
            let mut stream = page.connect_from("192.0.2.107");
            stream.write_all(beginning.as_bytes()).unwrap();
            slow.push(stream);
        }
    }
    for _ in 0..5 {
        slow.iter_mut().for_each(|stream| drop(stream.write_all(b"x")));
    }
    assert_others_are_served(page, &cookie);
}

#[test]
fn a_body_that_does_not_end_ends_after_half_a_minute() {
    let page = Page::start(OPEN);
    let login = format!("POST /login HTTP/1.1\r\nHost: {PAGE}\r\n{OWN_FORM}Content-Length: 100\r\n\r\npass");
    let mut stream = page.connect_from("192.0.2.107");
    stream.set_read_timeout(Some(Duration::from_secs(45))).unwrap();
    stream.write_all(login.as_bytes()).unwrap();
    let mut head = page.connect_from("192.0.2.107");
    head.set_read_timeout(Some(Duration::from_secs(45))).unwrap();
    head.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let reply = crate::page::read_to_end(&mut stream);
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    assert!(!crate::page::read_to_end(&mut head).starts_with("HTTP/1.1 2"));
}

#[test]
fn a_browser_that_does_not_read_its_events_delays_no_other_client() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let mut streams: Vec<TcpStream> = (0..50).map(|_| page.connect_from("192.0.2.107")).collect();
    for stream in &mut streams {
        write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {PAGE}\r\n{cookie}\r\n").unwrap();
    }
    let mut first = [0; 15];
    streams[0].read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    let before = page.memory();
    request_loader(&page.machine);
    assert!(page.memory().saturating_sub(before) < 16 * 1024);
    assert_others_are_served(page, &cookie);
}

#[test]
fn a_thousand_streams_of_events_need_less_than_50_mib() {
    const STREAMS: usize = 1000;
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let before = page.memory();
    let open = |_| {
        let mut stream = page.connect_from("192.0.2.107");
        write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {PAGE}\r\n{cookie}\r\n").unwrap();
        let mut first = [0; 15];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        stream
    };
    let streams: Vec<TcpStream> = (0..STREAMS).map(open).collect();
    // Each of these requests is an event, which every stream receives.
    let mut boot = page.machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
    for _ in 0..300 {
        boot.write_all(b"HEAD /ipxe.efi HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(boot.read(&mut [0; 1024]).unwrap() > 0);
    }
    let added = page.memory().saturating_sub(before);
    assert!(added < 50 * 1024, "{added} KiB");
    println!("{added} KiB for {STREAMS} streams");
    assert_others_are_served(page, &cookie);
    drop(streams);
}
