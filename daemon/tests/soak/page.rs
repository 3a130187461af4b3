//! The page of the server, as an open browser asks for it: a stream of events, and the board again and again.

use crate::common::played_network::PlayedNetwork;
use crate::{Wrong, pause};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PAGE: &str = "127.0.0.1:8067";
const PASSWORD: &str = "correct+horse+battery";
/// A browser closes its stream when a person leaves the page.
const STREAM: Duration = Duration::from_secs(60);

/// Keeps the page open until `stop`.
pub fn watch(network: &PlayedNetwork, wrong: &Wrong, stop: &AtomicBool) {
    let log = network.server.log();
    let link =
        log.rsplit_once("/start/").map(|(_, rest)| format!("/start/{}", &rest[..64])).expect("a link in the log");
    let cookie = network.host.on(|| log_in(&link));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                network.host.on(|| follow(&cookie, stop));
            }
        });
        while pause(Duration::from_millis(400), stop) {
            for target in ["/", "/api/v1/status", "/api/v1/machines?limit=100", "/log"] {
                let reply = network.host.on(|| get(target, &cookie));
                if !reply.starts_with("HTTP/1.1 200") {
                    let line = reply.lines().next().unwrap_or("no response");
                    wrong.lock().unwrap().push(format!("the page answered {target}: {line}"));
                }
            }
        }
    });
}

/// Sets the password with the link. Returns the header with the cookie of the session.
fn log_in(link: &str) -> String {
    let form = format!("password={PASSWORD}&again={PASSWORD}");
    let head = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n";
    let reply = exchange(&format!("POST {link} HTTP/1.1"), &format!("{head}Content-Length: {}\r\n", form.len()), &form);
    let cookie = reply.lines().find_map(|line| line.to_lowercase().starts_with("set-cookie: ").then(|| &line[12..]));
    let cookie = cookie.unwrap_or_else(|| panic!("no session: {reply}")).split(';').next().unwrap();
    format!("Cookie: {cookie}\r\n")
}

fn get(target: &str, cookie: &str) -> String {
    exchange(&format!("GET {target} HTTP/1.1"), cookie, "")
}

/// Sends a request, and returns the response; nothing if there is none.
fn exchange(request: &str, headers: &str, body: &str) -> String {
    let respond = || {
        let mut stream = TcpStream::connect(PAGE)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(stream, "{request}\r\nHost: {PAGE}\r\nConnection: close\r\n{headers}\r\n{body}")?;
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets)?;
        std::io::Result::Ok(octets)
    };
    respond().map_or_else(|error| format!("{error}"), |octets| String::from_utf8_lossy(&octets).into_owned())
}

/// Reads the stream of events for a while.
fn follow(cookie: &str, stop: &AtomicBool) {
    let Ok(mut stream) = TcpStream::connect(PAGE) else { return };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {PAGE}\r\n{cookie}\r\n");
    let (began, mut buffer) = (Instant::now(), [0; 65_536]);
    while began.elapsed() < STREAM && !stop.load(Ordering::Relaxed) {
        if matches!(stream.read(&mut buffer), Ok(0)) {
            return;
        }
    }
}
