//! A web site of an attacker, to which the user of the browser has followed a link.

use proxydhcpd_testbed::Host;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// The site. It shows its pages until it is dropped.
#[derive(Debug)]
pub struct ForeignSite<'a> {
    host: &'a Host,
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<'a> ForeignSite<'a> {
    /// Serves these pages, each with its path and its HTML, at this address of the host.
    pub fn start(host: &'a Host, address: &str, pages: &'static [(&'static str, &'static str)]) -> ForeignSite<'a> {
        let listener = host.on(|| TcpListener::bind(address).unwrap());
        let (address, ends) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let stops = ends.clone();
        let serve = move || {
            for stream in listener.incoming().flatten() {
                if stops.load(Ordering::Relaxed) {
                    return;
                }
                // A browser opens connections that it may not use.
                thread::spawn(move || answer(&stream, pages));
            }
        };
        ForeignSite { host, address, ends, thread: Some(thread::spawn(serve)) }
    }
}

impl Drop for ForeignSite<'_> {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // The connection wakes the thread.
        let _ = self.host.on(|| TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: &TcpStream, pages: &[(&str, &str)]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let page = pages.iter().find(|(known, _)| *known == path);
    let (status, text) = page.map_or(("404 Not Found", ""), |(_, text)| ("200 OK", text));
    let text = format!("<!DOCTYPE html><html lang=\"en\"><link rel=\"icon\" href=\"data:,\">{text}");
    let length = text.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}");
    write!(stream, "{head}\r\nConnection: close\r\n\r\n{text}")
}
