//! Tests responses of unknown length: through the real connections, with a handler that only tests have.

use crate::{Client, Server, TIMEOUT};
use bytes::Bytes;
use hyper::Response;
use proxydhcpd::serve::http::{HttpEvent, HttpRequest, HttpResponse, HttpSettings, Payload};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

type ChunkSender = Sender<io::Result<Bytes>>;

/// The room of each stream, in chunks.
const ROOM: usize = 4;

/// A server that responds to `/x` with a text, and to any other request with a stream. The test receives the sender of
/// each stream.
fn start(settings: HttpSettings) -> (Server, Receiver<ChunkSender>) {
    let (note, senders) = channel();
    let respond = move |request: &HttpRequest| -> HttpResponse {
        if request.name.as_deref() == Some(b"/x") {
            let mut response = Response::new(Payload::Text(Bytes::from_static(b"text")));
            response.headers_mut().insert("Content-Length", "4".parse().unwrap());
            return response;
        }
        let (sender, chunks) = tokio::sync::mpsc::channel(ROOM);
        note.send(sender).unwrap();
        Response::new(Payload::Stream(chunks))
    };
    (Server::with_handler(tempfile::tempdir().unwrap(), settings, respond), senders)
}

fn send(sender: &ChunkSender, chunk: &'static str) {
    sender.blocking_send(Ok(chunk.into())).unwrap();
}

/// Waits until the stream's sender finds that no client receives.
fn wait_closed(sender: &ChunkSender) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let closed = runtime.block_on(async { tokio::time::timeout(TIMEOUT, sender.closed()).await });
    assert!(closed.is_ok(), "the stream is still open");
}

fn large_chunk() -> Bytes {
    vec![7; 64 << 10].into()
}

/// Sends large chunks to a client that does not read, until the server takes none for a second. Returns their number.
fn fill(sender: &ChunkSender) -> u64 {
    let (mut chunks, mut last) = (0, Instant::now());
    while last.elapsed() < Duration::from_secs(1) {
        match sender.try_send(Ok(large_chunk())) {
            Ok(()) => (chunks, last) = (chunks + 1, Instant::now()),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
        assert!(chunks < 1024, "the server buffers a stream without limit");
    }
    chunks
}

fn receive<const N: usize>(client: &mut Client) -> [u8; N] {
    let mut octets = [0; N];
    client.stream.read_exact(&mut octets).unwrap();
    octets
}

#[test]
fn a_stream_arrives_chunk_by_chunk_and_the_connection_goes_on() {
    let (server, senders) = start(HttpSettings::default());
    let mut client = server.connect();
    let head = client.send("GET /events HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n").head();
    assert_eq!((head.status, head.header("Transfer-Encoding")), (200, Some("chunked")));
    assert_eq!((head.header("Content-Length"), head.header("Connection")), (None, Some("keep-alive")));
    let sender = senders.recv_timeout(TIMEOUT).unwrap();
    send(&sender, "first");
    assert_eq!(&receive::<10>(&mut client), b"5\r\nfirst\r\n");
    send(&sender, "");
    send(&sender, "second");
    assert_eq!(&receive::<11>(&mut client), b"6\r\nsecond\r\n");
    drop(sender);
    assert_eq!(&receive::<5>(&mut client), b"0\r\n\r\n");
    let done = server.finished();
    assert_eq!((done.status, done.octets, done.whole), (200, 11, false), "a stream is no file");
    assert_eq!(client.get("x", "").body, b"text");
    assert!(!server.finished().whole, "a text of the handler is no file");
}

#[test]
fn in_http_1_0_the_end_of_the_connection_is_that_of_the_stream() {
    let (server, senders) = start(HttpSettings::default());
    let mut client = server.connect();
    let head = client.send("GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head();
    assert_eq!((head.status, head.header("Transfer-Encoding")), (200, None));
    assert_eq!(head.header("Connection"), None);
    let sender = senders.recv_timeout(TIMEOUT).unwrap();
    send(&sender, "first");
    assert_eq!(&receive::<5>(&mut client), b"first");
    send(&sender, "second");
    drop(sender);
    assert_eq!(client.rest(), b"second");
    assert_eq!(server.finished().octets, 11);
}

#[test]
fn head_gets_no_stream() {
    let (server, senders) = start(HttpSettings::default());
    let mut client = server.connect();
    let head = client.send("HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n").head();
    assert_eq!((head.status, head.header("Content-Length")), (200, None));
    wait_closed(&senders.recv_timeout(TIMEOUT).unwrap());
    assert_eq!(server.finished().octets, 0, "the request ends without the stream");
    assert_eq!(client.get("x", "").body, b"text");
    assert_eq!(server.finished().octets, 4);
}

#[test]
fn a_sender_waits_for_a_client_that_does_not_read() {
    let (server, senders) = start(HttpSettings::default());
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").head();
    let sender = senders.recv_timeout(TIMEOUT).unwrap();
    let chunks = fill(&sender);
    let reader = std::thread::spawn(move || client.rest().len());
    sender.blocking_send(Ok(large_chunk())).unwrap();
    drop(sender);
    let done = server.finished();
    assert_eq!(done.octets, (chunks + 1) * (64 << 10));
    drop(server);
    assert!(reader.join().unwrap() as u64 > done.octets);
}

#[test]
fn the_sender_of_a_quiet_stream_notices_that_the_client_disconnects() {
    let (server, senders) = start(HttpSettings::default());
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").head();
    let sender = senders.recv_timeout(TIMEOUT).unwrap();
    send(&sender, "first");
    receive::<10>(&mut client);
    drop(client);
    wait_closed(&sender);
    assert!(sender.blocking_send(Ok("second".into())).is_err());
    assert_eq!(server.finished().octets, 5);
}

#[test]
fn an_error_of_the_sender_closes_the_connection_without_the_last_chunk() {
    let (server, senders) = start(HttpSettings::default());
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").head();
    let sender = senders.recv_timeout(TIMEOUT).unwrap();
    send(&sender, "first");
    assert_eq!(&receive::<10>(&mut client), b"5\r\nfirst\r\n");
    sender.blocking_send(Err(io::Error::other("the source failed"))).unwrap();
    assert!(client.rest().is_empty());
    let HttpEvent::Failed { name, error, .. } = server.event() else { panic!("no event about the failure") };
    assert_eq!((&name[..], &*error), (&b"/events"[..], "the source failed"));
    assert_eq!(server.finished().octets, 5);
}

#[test]
fn a_full_table_evicts_a_quiet_stream_for_a_new_client() {
    let (server, senders) = start(HttpSettings { max_connections: 1, ..HttpSettings::default() });
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").head();
    let sender = senders.recv_timeout(TIMEOUT).unwrap();
    let mut other = Client::to((std::net::Ipv6Addr::LOCALHOST, server.port).into());
    assert!(client.rest().is_empty());
    wait_closed(&sender);
    assert_eq!(other.get("x", "").body, b"text");
}

#[test]
fn a_stop_ends_streams_at_once_and_the_client_sees_that_they_are_incomplete() {
    let (mut server, senders) = start(HttpSettings::default());
    let mut quiet = server.connect();
    quiet.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").head();
    let quiet_sender = senders.recv_timeout(TIMEOUT).unwrap();
    send(&quiet_sender, "first");
    assert_eq!(&receive::<10>(&mut quiet), b"5\r\nfirst\r\n");
    // This client does not read, so the server cannot send the stream to its end.
    let mut blocked = server.connect();
    blocked.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n").head();
    let blocked_sender = senders.recv_timeout(TIMEOUT).unwrap();
    fill(&blocked_sender);
    let began = Instant::now();
    server.join();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(quiet.rest().is_empty(), "the last chunk");
    wait_closed(&quiet_sender);
    wait_closed(&blocked_sender);
    assert!(!server.finished().whole && !server.finished().whole);
}

#[test]
fn no_stream_begins_while_the_server_stops() {
    let (go, gate) = channel();
    let (entered, handling) = channel();
    let gate = std::sync::Mutex::new(gate);
    let mut server = Server::with_handler(
        tempfile::tempdir().unwrap(),
        HttpSettings::default(),
        move |_: &HttpRequest| -> HttpResponse {
            let (sender, chunks) = tokio::sync::mpsc::channel(ROOM);
            entered.send(sender).unwrap();
            gate.lock().unwrap().recv().unwrap();
            Response::new(Payload::Stream(chunks))
        },
    );
    let mut client = server.connect();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    let sender: ChunkSender = handling.recv_timeout(TIMEOUT).unwrap();
    server.stop();
    while std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, server.port)).is_ok() {}
    go.send(()).unwrap();
    assert_eq!(client.reply().status, 503);
    wait_closed(&sender);
}
