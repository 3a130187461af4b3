//! HTTP requests on one connection, one after the other. The thread of the server counts, without the threads that open
//! files.

use proxydhcpd::files::open_loader;
use proxydhcpd::serve::http::{self, FileHandler, HttpSettings};
use proxydhcpd_core::request::FileRequest;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

const WARM_UP: usize = 20;
const REQUESTS: usize = 500;
const OCTETS: usize = 4096;

/// Requests a file many times. Returns the number of requests.
pub fn run() -> usize {
    let path = std::env::temp_dir().join(format!("proxydhcpd-instructions-{}", std::process::id()));
    std::fs::write(&path, vec![7; OCTETS]).expect("a file");
    let listeners = http::bind(0, true).expect("a port");
    let port = listeners[0].local_addr().expect("an address").port();
    let (stop, stopped) = oneshot::channel::<()>();
    let file = path.clone();
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handler = FileHandler::new(move |_: &FileRequest<'_>| open_loader(&file).into(), (), ());
        let serve = http::serve(listeners, HttpSettings::default(), handler, |_| {}, async { drop(stopped.await) });
        let mut serve = Some(serve);
        crate::measured(|| runtime.block_on(serve.take().expect("one call")).expect("a server"));
    });
    let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let mut reader = BufReader::new(connection);
    (0..WARM_UP + REQUESTS).for_each(|_| request(&mut reader));
    drop((reader, stop));
    server.join().expect("the server");
    std::fs::remove_file(path).expect("the file");
    REQUESTS
}

fn request(reader: &mut BufReader<TcpStream>) {
    reader.get_mut().write_all(b"GET /file HTTP/1.1\r\nHost: boot\r\n\r\n").expect("a request");
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("the head of a response");
    }
    reader.read_exact(&mut [0; OCTETS]).expect("the body");
}
