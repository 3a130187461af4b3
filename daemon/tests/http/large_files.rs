//! Tests of files that the server sends without reading them: more than half a mebibyte.

use crate::{Server, curl};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use proxydhcpd::serve::http::HttpEvent;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The largest part of a file that the server reads, the end that it copies, and what it sends at once.
const LARGEST_READ: usize = 512 << 10;
const COPIED_END: usize = 32 << 10;
const PIECE: usize = 512 << 10;

#[test]
fn every_length_arrives_on_one_connection_and_is_reported() {
    let server = Server::start();
    let mut client = server.connect();
    let lengths = [0, 1, COPIED_END, LARGEST_READ, PIECE + COPIED_END, 2 * PIECE, 2 * PIECE + COPIED_END, 5_000_000];
    for length in lengths.iter().flat_map(|length| [length.saturating_sub(1), *length, length + 1]) {
        let octets = server.write_file("image", length);
        assert!(client.get("image", "").body == octets, "{length}");
        let finished = server.finished();
        assert!(finished.whole && finished.octets == length as u64, "{finished:?}");
    }
}

#[test]
fn every_range_arrives_and_is_reported() {
    let server = Server::start();
    let octets = server.write_file("image", 3_000_000);
    let mut client = server.connect();
    let ends = [0, 1, 4095, 4096, PIECE, LARGEST_READ + 1, 2_999_999 - LARGEST_READ, 2_999_998, 2_999_999];
    for (first, last) in ends.iter().flat_map(|first| ends.iter().map(move |last| (*first, *last))) {
        if first <= last {
            let reply = client.get("image", &format!("Range: bytes={first}-{last}\r\n"));
            assert!(reply.status == 206 && reply.body == octets[first..=last], "{first}-{last}");
            let finished = server.finished();
            assert_eq!(finished.octets, (last - first) as u64 + 1);
            assert_eq!(finished.whole, last - first == 2_999_999);
        }
    }
}

#[test]
fn files_and_texts_alternate_on_a_connection_that_pipelines() {
    let server = Server::start();
    let (image, loader) = (server.write_file("image", 2_000_000), server.write_file("loader", 1000));
    let mut client = server.connect();
    let get = |name: &str| format!("GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.send([get("image"), get("loader"), get("gone"), get("image"), get("loader")].concat());
    for expected in [Some(&image), Some(&loader), None, Some(&image), Some(&loader)] {
        let reply = client.reply();
        assert_eq!(reply.status, if expected.is_some() { 200 } else { 404 });
        assert!(expected.is_none_or(|octets| reply.body == *octets));
    }
}

#[test]
fn http_1_0_and_head_have_the_same_file() {
    let server = Server::start();
    let octets = server.write_file("image", 2_000_000);
    let mut old = server.connect();
    let head = old.send("GET /image HTTP/1.0\r\n\r\n").head();
    assert_eq!(head.header("Content-Length"), Some("2000000"));
    assert!(old.rest() == octets);
    let mut client = server.connect();
    let head = client.send("HEAD /image HTTP/1.1\r\nHost: x\r\n\r\n").head();
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("2000000")));
    assert!(client.get("image", "").body == octets, "no octets follow the head");
}

#[test]
fn a_file_that_is_not_in_memory_arrives() {
    let server = Server::start();
    let octets = server.write_file("image", 8_000_000);
    for _ in 0..3 {
        let file = File::open(server.path("image")).unwrap();
        file.sync_all().unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        assert!(server.connect().get("image", "").body == octets);
    }
}

#[test]
fn curl_and_wget_resume_a_download() {
    let server = Server::start();
    let octets = server.write_file("image", 5_000_000);
    assert!(curl(&["--continue-at", "1000001", &server.url("image")]) == octets[1_000_001..]);
    let part = server.path("part");
    std::fs::write(&part, &octets[..1_000_001]).unwrap();
    let part = part.to_str().unwrap();
    let mut wget = Command::new("wget");
    wget.args(["--quiet", "--continue", "--output-document", part, &server.url("image")]);
    assert!(wget.status().expect("wget is missing: run e2e/setup").success());
    assert!(std::fs::read(part).unwrap() == octets);
}

/// The client has not acknowledged everything, so the kernel still has pages of the file to send, and they change.
#[test]
fn a_file_that_changes_before_its_octets_are_acknowledged_never_arrives_whole() {
    const SIZE: usize = 1_000_000;
    let overwrite = |file: &File| file.write_all_at(&[7; SIZE], 0).unwrap();
    let cut = |file: &File| file.set_len(10).unwrap();
    for change in [&overwrite as &dyn Fn(&File), &cut] {
        let server = Server::start();
        let octets = server.write_file("image", SIZE);
        let file = File::options().write(true).open(server.path("image")).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let mut client = super::connections::slow(&server, "image");
        let mut read = vec![0; SIZE - 100_000];
        client.stream.read_exact(&mut read).unwrap();
        assert!(read == octets[..read.len()]);
        // Until the server has given the kernel everything but the last octet.
        thread::sleep(Duration::from_millis(300));
        change(&file);
        let rest = client.rest().len();
        assert!(rest < 100_000, "the last octet arrived");
        let HttpEvent::Failed { error, .. } = server.event() else { panic!("no event about the change") };
        assert!(error.contains("rename"), "{error}");
        let finished = server.finished();
        assert!(!finished.whole && finished.octets < SIZE as u64, "{finished:?}");
    }
}

#[test]
fn a_client_that_reads_late_gets_the_last_octet() {
    let server = Server::start();
    let octets = server.write_file("image", 1_000_000);
    let mut client = super::connections::slow(&server, "image");
    let mut read = vec![0; octets.len()];
    client.stream.read_exact(&mut read[..900_000]).unwrap();
    thread::sleep(Duration::from_secs(2));
    client.stream.read_exact(&mut read[900_000..]).unwrap();
    assert!(read == octets && server.finished().whole);
    assert_eq!(client.get("gone", "").status, 404, "the connection goes on");
}

/// The server notices that its client has gone, although it sends nothing at that time.
#[test]
fn a_client_that_disconnects_before_the_last_octet_has_not_fetched_the_file() {
    let server = Server::start();
    server.write_file("image", 1_000_000);
    let mut client = super::connections::slow(&server, "image");
    client.stream.read_exact(&mut vec![0; 900_000]).unwrap();
    thread::sleep(Duration::from_millis(300));
    drop(client);
    assert!(!server.finished().whole);
}
