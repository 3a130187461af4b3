//! Tests single requests, well-formed and malformed.

use crate::{Client, Server, TIMEOUT, curl};
use proxydhcpd::files::Opened;
use proxydhcpd::serve::http::{DropReason, HttpEvent, HttpSettings};
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::request::Protocol;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

#[test]
fn curl_fetches_a_file_and_the_event_shows_a_whole_file() {
    let server = Server::start();
    let octets = server.write_file("vmlinuz", 5_000_017);
    assert_eq!(curl(&[&server.url("vmlinuz")]), octets);
    let done = server.finished();
    assert_eq!((done.method.as_str(), done.status, done.octets, done.whole), ("GET", 200, 5_000_017, true));
    assert_eq!(done.name, b"/vmlinuz");
    assert!(done.client.ip().is_loopback() && done.duration < TIMEOUT);
}

#[test]
fn a_size_probe_and_the_download_share_a_connection() {
    let server = Server::start();
    // The file is a program from this repository under a misleading name.
    let octets = include_bytes!("../../efi/built/local-disk-uefi-x64.efi");
    std::fs::write(server.path("loader.iso"), octets).unwrap();
    let mut client = server.connect();
    let head = client.send("HEAD /loader.iso HTTP/1.1\r\nHost: x\r\n\r\n").head();
    assert_eq!((head.status, head.header("Content-Length")), (200, Some(octets.len().to_string().as_str())));
    assert_eq!(head.header("Content-Type"), Some("application/efi"));
    assert_eq!(client.get("loader.iso", "").body, octets);
    assert!(!server.finished().whole, "a HEAD fetches nothing");
    assert!(server.finished().whole);
}

#[test]
fn header_names_are_spelt_as_grub_and_shim_expect() {
    let server = Server::start();
    server.write_file("grubx64.efi", 10);
    for name in ["grubx64.efi", "missing"] {
        let head = server.connect().get(name, "").head;
        assert!(head.contains("\r\nContent-Length: ") && head.contains("\r\nContent-Type: "), "{head}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    }
}

#[test]
fn ranges_are_the_octets_of_the_file() {
    let server = Server::start();
    let size = 1_500_000;
    let octets = server.write_file("disk.iso", size);
    let mut client = server.connect();
    let mut random = 1u64;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % limit
    };
    for round in 0..150 {
        let first = below(size);
        let last = first + below(size - first + 1000);
        let (value, expected) = match round % 4 {
            0 => (format!("{first}-"), first..size),
            1 => (format!("-{}", last + 1), size.saturating_sub(last + 1)..size),
            // iPXE's SAN boot reads blocks of this size.
            2 => (format!("{first}-{}", first + 511), first..(first + 512).min(size)),
            _ => (format!("{first}-{last}"), first..(last + 1).min(size)),
        };
        let reply = client.get("disk.iso", &format!("Range: bytes={value}\r\n"));
        assert_eq!(reply.status, 206, "{value}");
        let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(reply.header("Content-Range"), Some(&*content_range), "{value}");
        assert!(reply.body == octets[expected.clone()], "{value}: other octets");
        assert_eq!(server.finished().whole, expected == (0..size), "{value}");
    }
    let beyond = client.get("disk.iso", &format!("Range: bytes={size}-\r\n"));
    assert_eq!((beyond.status, beyond.header("Content-Range")), (416, Some("bytes */1500000")));
    let several = client.get("disk.iso", "Range: bytes=0-1,5-6\r\n");
    assert!(several.status == 200 && several.body == octets);
}

#[test]
fn curl_resumes_a_download_of_the_same_file() {
    let server = Server::start();
    let octets = server.write_file("initrd", 700_000);
    let target = server.path("half");
    std::fs::write(&target, &octets[..123_456]).unwrap();
    curl(&["--continue-at", "-", "--output", target.to_str().unwrap(), &server.url("initrd")]);
    assert!(std::fs::read(&target).unwrap() == octets);
    let done = server.finished();
    assert_eq!((done.status, done.octets, done.whole), (206, 700_000 - 123_456, false));
}

#[test]
fn an_unchanged_file_is_not_sent_again_and_a_changed_one_is() {
    let server = Server::start();
    server.write_file("initrd", 1000);
    std::fs::File::options()
        .write(true)
        .open(server.path("initrd"))
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
    let mut client = server.connect();
    let first = client.get("initrd", "");
    let tag = first.header("Etag").unwrap();
    let modified = first.header("Last-Modified").unwrap();
    let ask = |client: &mut Client, fields: &str| {
        let reply = client.get("initrd", fields);
        (reply.status, reply.body.len())
    };
    for (fields, expected) in [
        (format!("If-None-Match: {tag}\r\n"), (304, 0)),
        (format!("If-Modified-Since: {modified}\r\n"), (304, 0)),
        (format!("If-Match: {tag}\r\nRange: bytes=0-9\r\n"), (206, 10)),
        (format!("If-Range: {tag}\r\nRange: bytes=0-9\r\n"), (206, 10)),
        (format!("If-Range: {modified}\r\nRange: bytes=0-9\r\n"), (206, 10)),
        ("If-Range: \"other\"\r\nRange: bytes=0-9\r\n".to_owned(), (200, 1000)),
        ("If-Match: \"other\"\r\n".to_owned(), (412, 20)),
    ] {
        assert_eq!(ask(&mut client, &fields), expected, "{fields}");
    }
    // Another file of the same size replaces the first one.
    server.write_file("new", 1000);
    std::fs::rename(server.path("new"), server.path("initrd")).unwrap();
    for fields in [
        format!("If-None-Match: {tag}\r\n"),
        format!("If-Modified-Since: {modified}\r\n"),
        format!("If-Range: {tag}\r\nRange: bytes=0-9\r\n"),
        format!("If-Range: {modified}\r\nRange: bytes=0-9\r\n"),
    ] {
        assert_eq!(ask(&mut client, &fields), (200, 1000), "{fields}");
    }
}

#[test]
fn paths_are_decoded_and_cannot_leave_the_directory() {
    let server = Server::start();
    server.write_file("a b.efi", 3);
    std::fs::create_dir(server.path("dir")).unwrap();
    server.write_file("dir/grubx64.efi", 4);
    nix::unistd::mkfifo(&server.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut client = server.connect();
    for (name, status, length) in [
        ("a%20b.efi", 200, 3),
        ("a%20b.efi?mac=52:54:00:12:34:56&x=/../y", 200, 3),
        ("dir//grubx64.efi", 200, 4),
        ("/dir/grubx64.efi", 200, 4),
        ("missing", 404, 10),
        ("dir", 403, 10),
        ("fifo", 403, 10),
        ("../etc/passwd", 403, 10),
        ("%2e%2e/etc/passwd", 403, 10),
        ("dir/..%2f../etc/passwd", 403, 10),
        ("a%00b", 400, 12),
        ("a%zz", 400, 12),
        ("%ff", 400, 12),
    ] {
        let reply = client.get(name, "");
        assert_eq!((reply.status, reply.body.len()), (status, length), "{name}");
    }
}

#[test]
fn unusual_requests_get_a_response_or_a_closed_connection_and_the_server_goes_on() {
    let server = Server::start();
    server.write_file("x", 1);
    let long = "y".repeat(20_000);
    for (request, status) in [
        ("GET /x HTTP/1.0\r\n\r\n".to_owned(), "HTTP/1.0 200"),
        ("GET http://boot.example:8080/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 200"),
        ("GET /x HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 200"),
        ("GET /x HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("\r\nGET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 200"),
        ("POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc".to_owned(), "HTTP/1.1 405"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 405"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 405"),
        ("BREW /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(), "HTTP/1.1 405"),
        (format!("GET /x HTTP/1.1\r\nX: {long}\r\n\r\n"), "HTTP/1.1 431"),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), "HTTP/1.1 4"),
        ("X: y\r\n".repeat(200).replace("X: y", "GET /x HTTP/1.1\r\nX: y"), "HTTP/1.1 4"),
        ("hello\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /x HTTP/9.9\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /x\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("GET /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        ("\x16\x03\x01\x02\x00\x01\x00\x01".to_owned(), ""),
    ] {
        let mut client = server.connect();
        let response = String::from_utf8(client.send(&request).rest()).unwrap();
        assert!(response.starts_with(status), "{:.60?} got the response {response:?}", request);
        if status.ends_with("405") {
            assert!(response.contains("\r\nAllow: GET, HEAD\r\n"), "{response}");
        }
    }
    server.connect().send("GET /x HT");
    assert_eq!(server.connect().get("x", "").status, 200);
}

#[test]
fn a_request_that_is_not_http_is_reported() {
    let server = Server::start();
    server.connect().send("\0\0\0\0\r\n\r\n").rest();
    assert!(matches!(server.event(), HttpEvent::Dropped { reason: DropReason::Malformed, .. }));
}

#[test]
fn http_1_0_clients_keep_their_connection_on_request() {
    let server = Server::start();
    server.write_file("x", 1);
    let mut client = server.connect();
    for _ in 0..2 {
        let reply = client.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").reply();
        assert!(reply.status == 200 && reply.header("Connection") == Some("keep-alive"), "{reply:?}");
    }
}

#[test]
fn ipxe_gets_keep_alive_if_it_sends_it() {
    let server = Server::start();
    server.write_file("x", 1);
    let mut client = server.connect();
    assert_eq!(client.get("x", "Connection: keep-alive\r\n").header("Connection"), Some("keep-alive"));
    assert_eq!(client.get("x", "").header("Connection"), None);
    assert_eq!(client.get("x", "Connection: close\r\n").header("Connection"), Some("close"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let files: Vec<Vec<u8>> = (0..40).map(|index| server.write_file(&format!("f{index}"), index * 5000)).collect();
    let mut client = server.connect();
    client.send((0..40).map(|index| format!("GET /f{index} HTTP/1.1\r\nHost: x\r\n\r\n")).collect::<String>());
    for (index, file) in files.iter().enumerate() {
        assert!(client.reply().body == *file, "f{index}");
        let done = server.finished();
        assert_eq!((done.name, done.whole), (format!("/f{index}").into_bytes(), true));
    }
}

#[test]
fn rendered_text_is_sent_like_a_file_and_can_contain_the_servers_address() {
    let server = Server::with_open(tempfile::tempdir().unwrap(), HttpSettings::default(), |request| {
        let Protocol::Http(port) = request.protocol else { panic!("not HTTP") };
        Ok(Opened::text(format!("#!ipxe\nchain http://{}:{port}/\n", request.server).into_bytes()))
    });
    let port = server.port;
    for address in ["127.0.0.1", "127.0.0.2"] {
        let mut client = Client::to(format!("{address}:{port}").parse().unwrap());
        let reply = client.get("boot.ipxe", "");
        assert_eq!(String::from_utf8(reply.body).unwrap(), format!("#!ipxe\nchain http://{address}:{port}/\n"));
        assert!(server.finished().whole);
        assert_eq!(client.get("boot.ipxe", "Range: bytes=2-5\r\n").body, b"ipxe");
        assert!(!server.finished().whole);
    }
    let mut client = Client::to((Ipv6Addr::LOCALHOST, port).into());
    assert!(client.get("boot.ipxe", "").body.starts_with(b"#!ipxe\nchain http://::1:"));
}

#[test]
fn an_error_or_panic_in_open_fails_one_request_only() {
    let server =
        Server::with_open(tempfile::tempdir().unwrap(), HttpSettings::default(), |request| match request.name {
            b"/panic" => panic!("a panic for the test"),
            b"/failed" => Err(Refusal::Failed(libc::EIO)),
            _ => Ok(Opened::text("fine")),
        });
    let mut client = server.connect();
    for (name, status) in [("panic", 500), ("failed", 500), ("x", 200)] {
        assert_eq!(client.get(name, "").status, status, "{name}");
        assert_eq!(server.finished().status, status);
    }
}

/// The Accept field of Chromium and Firefox.
const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";

#[test]
fn browsers_get_html_pages_and_other_programs_get_text() {
    let server = Server::start();
    server.write_file("x", 1);
    std::fs::create_dir(server.path("debian")).unwrap();
    let mut client = server.connect();
    for (name, status, expected_text) in
        [("", 200, "proxydhcpd"), ("debian/", 403, "403"), ("no", 404, "404"), ("%zz", 400, "failed")]
    {
        let page = client.get(name, BROWSER);
        assert_eq!((page.status, page.header("Content-Type")), (status, Some("text/html; charset=utf-8")), "{name}");
        assert!(page.header("Content-Security-Policy").unwrap().contains("default-src 'none'"));
        let text = String::from_utf8(page.body).unwrap();
        assert!(
            text.contains(expected_text) && text.contains("proxydhcpd check") && !text.contains("<script"),
            "{name}: {text}"
        );
    }
    assert_eq!(client.get("x", BROWSER).body.len(), 1);
    for fields in ["", "Accept: */*\r\n"] {
        for (name, status, expected_text) in [
            ("", 200, "network-boot server"),
            ("/", 200, "network-boot server"),
            ("no", 404, "Not Found"),
            ("%zz", 400, "Bad Request"),
        ] {
            let reply = client.get(name, fields);
            assert_eq!(
                (reply.status, reply.header("Content-Type")),
                (status, Some("text/plain; charset=utf-8")),
                "{name}"
            );
            let text = String::from_utf8(reply.body).unwrap();
            assert!(text.contains(expected_text) && text.ends_with('\n'), "{name}: {text:?}");
        }
    }
}

#[test]
fn a_refused_method_opens_no_file() {
    let server = Server::with_open(tempfile::tempdir().unwrap(), HttpSettings::default(), |_| panic!("it was opened"));
    for method in ["POST", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        let request = format!("{method} /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(server.connect().send(request).rest().starts_with(b"HTTP/1.1 405"), "{method}");
    }
}

#[test]
fn a_head_that_arrives_slowly_is_read_and_one_that_never_ends_times_out() {
    let server = Server::with(HttpSettings { header_timeout: Duration::from_secs(1), ..HttpSettings::default() });
    server.write_file("x", 1);
    let mut patient = server.connect();
    for octet in b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" {
        patient.send([*octet]);
    }
    assert_eq!(patient.reply().status, 200);
    server.finished();

    let began = Instant::now();
    let mut half = server.connect();
    half.send("GET /x HTTP/1.1\r\nHost:");
    assert!(half.rest().is_empty() && patient.rest().is_empty());
    assert!(began.elapsed() < TIMEOUT);
    for _ in 0..2 {
        assert!(matches!(server.event(), HttpEvent::Dropped { reason: DropReason::HeaderTimeout, .. }));
    }
}
