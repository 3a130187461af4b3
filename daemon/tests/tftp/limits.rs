//! Tests the limits of clients, of transfers and of open files.

use crate::client::Client;
use crate::{EDK2, RecordedEvent, TestServer, ended, oack, pattern, settings};
use proxydhcpd::serve::tftp::{TftpRefusal, TftpSilence};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[test]
fn a_request_beyond_the_limit_of_a_client_is_dropped_and_others_are_served() {
    let served = TestServer::new(TftpConfig { max_transfers: Some(128), ..settings() });
    served.write_file("file", &pattern(100_000));
    let mut clients: Vec<Client> = (0..16).map(|_| Client::new()).collect();
    for client in &mut clients {
        let from = oack(client, &served, "file", &EDK2);
        client.ack(from, 0);
        client.expect_data(1);
    }
    let one_more = Client::new();
    one_more.request(served.address(), "file", &EDK2);
    assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::ClientTransfers));
    let mut other = Client::bind(([127, 0, 0, 9], 0).into());
    let from = oack(&mut other, &served, "file", &EDK2);
    other.error(from, 8);
}

/// The unit tests of `serve/tftp/limits.rs` set the clock, and check the exact rates.
#[test]
fn a_client_above_its_file_rate_gets_no_reply_and_others_do() {
    let served = TestServer::new(settings());
    served.write_file("file", &pattern(100));
    let (mut client, mut after) = (Client::new(), Client::new());
    let began = Instant::now();
    let mut replies = 0;
    loop {
        // The first request is that of EDK2, which needs only the size, and aborts after the OACK.
        client.request(served.address(), "file", &[("tsize", "0"), EDK2[0], EDK2[1]]);
        after.request(served.address(), "missing", &[]);
        assert_eq!(after.error_code(), 1, "a missing file gets an ERROR nevertheless");
        match served.next_event() {
            RecordedEvent::Ignored(TftpSilence::FileRate) => break,
            other => assert_eq!(other, RecordedEvent::Refused(TftpRefusal::Fetch(Refusal::NotFound))),
        }
        let (from, packet) = client.packet();
        assert!(matches!(packet, TftpPacket::Oack(_)));
        client.error(from, 8);
        assert_eq!(served.next_event(), ended("file", 0, Outcome::SizeProbe), "an ERROR gives no token back");
        replies += 1;
    }
    let since = began.elapsed().as_secs() as usize;
    assert!((64..=67 + 3 * since).contains(&replies), "{replies} replies in {since} s");
    let mut other = Client::bind(([127, 0, 0, 9], 0).into());
    oack(&mut other, &served, "file", &EDK2);
}

#[test]
fn repeated_requests_count_as_files() {
    let served = TestServer::new(settings());
    served.write_file("file", &pattern(100));
    let client = Client::new();
    for _ in 0..80 {
        client.request(served.address(), "file", &EDK2);
    }
    assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::FileRate));
}

#[test]
fn every_missing_file_of_a_boot_gets_an_error_and_a_flood_does_not() {
    let served = TestServer::new(settings());
    let mut client = Client::new();
    for number in 0..250 {
        client.request(served.address(), &format!("grub.cfg-{number}"), &[]);
        assert_eq!(client.error_code(), 1);
        assert_eq!(served.next_event(), RecordedEvent::Refused(TftpRefusal::Fetch(Refusal::NotFound)));
    }
    let flood = Client::new();
    for _ in 0..1000 {
        flood.request(served.address(), "missing", &[]);
    }
    let silence = (0..1000).map(|_| served.next_event()).find(|noted| matches!(noted, RecordedEvent::Ignored(_)));
    assert_eq!(
        silence,
        Some(RecordedEvent::Ignored(TftpSilence::RequestRate)),
        "the port does not matter, the address does"
    );
}

#[test]
fn a_refused_request_counts_as_a_file() {
    let served = TestServer::new(settings());
    let client = Client::new();
    for _ in 0..80 {
        client.socket.send_to(b"\0\x02x\0octet\0", served.address()).unwrap();
    }
    let silence =
        (0..80).map(|_| served.next_event()).find(|noted| *noted != RecordedEvent::Refused(TftpRefusal::Write));
    assert_eq!(silence, Some(RecordedEvent::Ignored(TftpSilence::FileRate)));
}

#[test]
fn max_transfers_limits_all_transfers() {
    let served = TestServer::new(TftpConfig { max_transfers: Some(1), ..settings() });
    served.write_file("file", &pattern(100));
    let mut first = Client::new();
    let from = oack(&mut first, &served, "file", &EDK2);
    first.ack(from, 0);
    first.expect_data(1);
    let mut second = Client::bind(([127, 0, 0, 9], 0).into());
    second.request(served.address(), "file", &EDK2);
    assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::MaxTransfers));
    first.error(from, 8);
    served.next_event();
    oack(&mut second, &served, "file", &EDK2);
}

#[test]
fn a_transfer_without_any_ack_is_evicted_for_a_new_one() {
    for (settings, descriptors, full) in [
        (TftpConfig { max_transfers: Some(3), ..settings() }, 1000, TftpSilence::MaxTransfers),
        (settings(), 5, TftpSilence::OpenFileLimit),
        (TftpConfig { single_port: true, max_transfers: Some(3), ..settings() }, 1000, TftpSilence::MaxTransfers),
    ] {
        let served = TestServer::with_descriptors(settings, descriptors);
        served.write_file("file", &pattern(5000));
        let at = |last| Client::bind(([127, 0, 0, last], 0).into());
        let mut honest = at(9);
        let from = oack(&mut honest, &served, "file", &EDK2);
        honest.ack(from, 0);
        honest.expect_data(1);
        // Forged requests are followed by no ACK.
        let mut forgeries: Vec<Client> = (20..22).map(at).collect();
        forgeries.iter_mut().for_each(|forgery| assert!(oack(forgery, &served, "file", &EDK2).port() > 0));
        let mut other = at(10);
        other.request(served.address(), "file", &EDK2);
        assert_eq!(served.next_event(), RecordedEvent::Ignored(full), "they may be honest");
        std::thread::sleep(Duration::from_millis(3100));
        other.fetch(served.address(), "file", &EDK2, |_, _| {});
        assert_eq!(served.next_event(), ended("file", 0, Outcome::Evicted));
        assert_eq!(served.next_event(), ended("file", 5000, Outcome::Completed));
        (2..=4).for_each(|block| assert!(honest.expect_data(block) > 0));
        honest.ack(from, 4);
        assert_eq!(served.next_event(), ended("file", 5000, Outcome::Completed), "a transfer with ACKs is not evicted");
    }
}

#[test]
fn forged_requests_from_an_address_do_not_keep_it_from_its_file() {
    let served = TestServer::new(settings());
    served.write_file("file", &pattern(5000));
    let mut forgeries: Vec<Client> = (0..32).map(|_| Client::new()).collect();
    forgeries.iter_mut().for_each(|forgery| assert!(oack(forgery, &served, "file", &EDK2).port() > 0));
    let mut client = Client::new();
    client.request(served.address(), "file", &EDK2);
    assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::ClientTransfers), "they may be honest");
    std::thread::sleep(Duration::from_millis(3100));
    client.fetch(served.address(), "file", &EDK2, |_, _| {});
    assert_eq!(served.next_event(), ended("file", 0, Outcome::Evicted));
    assert_eq!(served.next_event(), ended("file", 5000, Outcome::Completed));
}

#[test]
fn descriptors_limit_transfers_and_transfers_of_one_file_share_one() {
    for (names, transfers) in [(["file", "file", "file", "file"], 3), (["file", "one", "two", "three"], 2)] {
        let served = TestServer::with_descriptors(settings(), 5);
        for name in ["file", "one", "two", "three"] {
            served.write_file(name, &pattern(100));
        }
        let mut clients = Vec::new();
        for (number, name) in names.into_iter().enumerate() {
            let mut client = Client::bind(([127, 0, 0, 10 + number as u8], 0).into());
            if number == transfers {
                client.request(served.address(), name, &EDK2);
                assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::OpenFileLimit));
                break;
            }
            let from = oack(&mut client, &served, name, &EDK2);
            client.ack(from, 0);
            client.expect_data(1);
            clients.push((from, client));
        }
        for (from, client) in &clients {
            client.error(*from, 8);
            assert!(matches!(served.next_event(), RecordedEvent::Ended { .. }));
        }
        let mut client = Client::new();
        oack(&mut client, &served, names[3], &EDK2);
    }
}

#[test]
fn a_file_is_open_once_for_all_transfers_and_a_new_file_of_its_name_separately() {
    let served = TestServer::new(settings());
    let path = served.write_file("file", &[1; 6000]);
    // The links in /proc show the name of an open file even after the file was deleted.
    let open = || {
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
        let leads_to = |link: PathBuf| link.to_string_lossy().starts_with(path.to_str().unwrap());
        descriptors.filter(|entry| entry.as_ref().unwrap().path().read_link().is_ok_and(leads_to)).count()
    };
    let mut clients: Vec<(SocketAddr, Client)> = Vec::new();
    let begin = |clients: &mut Vec<(SocketAddr, Client)>| {
        let mut client = Client::new();
        clients.push((oack(&mut client, &served, "file", &EDK2), client));
    };
    begin(&mut clients);
    begin(&mut clients);
    assert_eq!(open(), 1);
    std::fs::remove_file(&path).unwrap();
    served.write_file("file", &[2; 6000]);
    begin(&mut clients);
    assert_eq!(open(), 2);
    for (number, (from, client)) in clients.iter_mut().enumerate() {
        client.ack(*from, 0);
        let (_, TftpPacket::Data { payload, .. }) = client.packet() else { panic!("no DATA") };
        let expected = if number < 2 { 1 } else { 2 };
        assert!(payload.iter().all(|&octet| octet == expected), "client {number}");
    }
}
