//! Tests the rules of the TFTP server one by one, through the real socket.

use crate::client::{Client, rrq};
use crate::{BOTH_FAMILIES, RecordedEvent, TestServer, pattern, settings};
use proxydhcpd::serve::tftp::{Family, TftpRefusal, TftpSilence};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::{ErrorCode, TftpPacket};
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

const EDK2: [(&str, &str); 2] = [("blksize", "1468"), ("windowsize", "4")];

fn ended(name: &str, octets: u64, outcome: Outcome) -> RecordedEvent {
    RecordedEvent::Ended { name: name.into(), octets, outcome }
}

/// Returns each address family with a flag that is unset, and with the flag set.
fn families_and_flags() -> impl Iterator<Item = (Family, bool)> {
    BOTH_FAMILIES.into_iter().flat_map(|family| [(family, false), (family, true)])
}

/// Sends a request, and receives the OACK. Returns the address from which the server sends the file.
fn oack(client: &mut Client, served: &TestServer, name: &str, options: &[(&str, &str)]) -> SocketAddr {
    client.request(served.address(), name, options);
    match client.packet() {
        (from, TftpPacket::Oack(_)) => from,
        other => panic!("no OACK: {other:?}"),
    }
}

#[test]
fn edk2_probes_the_size_and_then_reads_in_windows() {
    for family in BOTH_FAMILIES {
        let served = TestServer::with_family(family, settings());
        let content = pattern(174_080);
        served.write_file("ipxe.efi", &content);
        let mut client = served.client();
        let from = oack(&mut client, &served, "ipxe.efi", &[("tsize", "0"), EDK2[0], EDK2[1]]);
        client.error(from, 8);
        assert_eq!(served.next_event(), ended("ipxe.efi", 0, Outcome::SizeProbe));
        client.assert_no_packet();

        let mut got = Vec::new();
        served.client().fetch(served.address(), "ipxe.efi", &EDK2, |_, payload| got.extend_from_slice(payload));
        assert!(got == content);
        assert_eq!(served.next_event(), ended("ipxe.efi", 174_080, Outcome::Completed));
    }
}

#[test]
fn a_file_arrives_whole_with_any_window() {
    for (family, single_port) in families_and_flags() {
        let served = TestServer::with_family(family, TftpConfig { single_port, ..settings() });
        for (size, blksize) in [(0, "8"), (7, "8"), (8, "8"), (100_000, "8"), (400_000, "1468"), (400_000, "512")] {
            let content = pattern(size);
            served.write_file("file", &content);
            for window in ["1", "3", "16", "64"] {
                let mut got = Vec::new();
                let options = [("windowsize", window), ("blksize", blksize)];
                served.client().fetch(served.address(), "file", &options, |_, payload| got.extend_from_slice(payload));
                assert!(got == content, "{size} octets, blksize {blksize}, window {window}, single {single_port}");
                assert_eq!(served.next_event(), ended("file", size as u64, Outcome::Completed));
            }
        }
    }
}

#[test]
fn a_reply_comes_from_the_requested_address() {
    for single_port in [false, true] {
        let served = TestServer::new(TftpConfig { single_port, ..settings() });
        served.write_file("file", b"x");
        let mut client = Client::bind(([0, 0, 0, 0], 0).into());
        for name in ["file", "missing"] {
            client.request((Ipv4Addr::new(127, 0, 0, 2), served.port), name, &[]);
            let (from, _) = client.datagram();
            assert_eq!(from.ip(), Ipv4Addr::new(127, 0, 0, 2), "{name}");
            assert_eq!(from.port() == served.port, single_port);
            client.error(from, 0);
        }
    }
}

#[test]
fn the_reply_to_a_broadcast_comes_from_the_links_address() {
    let served = TestServer::new(settings());
    served.write_file("file", b"x");
    let mut client = Client::bind(([0, 0, 0, 0], 0).into());
    client.request((Ipv4Addr::new(127, 255, 255, 255), served.port), "file", &[]);
    let (from, _) = client.datagram();
    assert_eq!(from.ip(), Ipv4Addr::LOCALHOST);
    client.error(from, 0);
}

#[test]
fn the_server_sends_only_the_first_packet_before_an_ack() {
    let served = TestServer::new(settings());
    served.write_file("file", &pattern(10_000));
    let mut client = Client::new();
    let from = oack(&mut client, &served, "file", &EDK2);
    client.request(served.address(), "missing", &[]);
    assert_eq!(served.next_event(), ended("file", 0, Outcome::Gone), "a new request from the same port ends it");
    assert_eq!(client.error_code(), 1);
    client.assert_no_packet();
    assert_eq!(served.next_event(), RecordedEvent::Refused(TftpRefusal::Fetch(Refusal::NotFound)));
    client.ack(from, 0);
}

#[test]
fn a_repeated_request_gets_the_first_reply_again_and_no_second_transfer() {
    for family in BOTH_FAMILIES {
        let served = TestServer::with_family(family, settings());
        served.write_file("file", &pattern(5000));
        let mut client = served.client();
        let from = oack(&mut client, &served, "file", &EDK2);
        assert_eq!(oack(&mut client, &served, "file", &EDK2), from);
        client.ack(from, 0);
        for block in 1..=4 {
            client.expect_data(block);
        }
        client.request(served.address(), "file", &EDK2);
        assert_eq!(
            served.next_event(),
            RecordedEvent::Ignored(TftpSilence::Duplicate),
            "after the ACK it is a duplicate"
        );
        client.ack(from, 4);
        assert_eq!(served.next_event(), ended("file", 5000, Outcome::Completed));
    }
}

#[test]
fn a_file_that_is_cut_short_ends_the_transfer_with_error_0() {
    for options in [&EDK2[..], &[]] {
        let served = TestServer::new(settings());
        let path = served.write_file("file", &pattern(1_000_000));
        let mut client = Client::new();
        client.request(served.address(), "file", options);
        let (mut taken, mut from);
        loop {
            let packet;
            (from, packet) = client.packet();
            match packet {
                TftpPacket::Oack(_) => taken = 0,
                TftpPacket::Data { block, .. } => taken = block,
                TftpPacket::Error { code, .. } => {
                    assert_eq!(code, ErrorCode::NOT_DEFINED);
                    break;
                }
                other => panic!("{other:?}"),
            }
            if taken == 8 {
                OpenOptions::new().write(true).open(&path).unwrap().set_len(100_000).unwrap();
            }
            client.ack(from, taken);
        }
        assert_eq!(served.next_event(), RecordedEvent::Failed(std::io::ErrorKind::UnexpectedEof));
        assert!(matches!(served.next_event(), RecordedEvent::Ended { outcome: Outcome::Failed, .. }));
        client.assert_no_packet();
    }
}

#[test]
fn a_file_that_is_replaced_by_name_arrives_as_it_was_opened() {
    let served = TestServer::new(settings());
    let content = pattern(200_000);
    let path = served.write_file("file", &content);
    let mut got = Vec::new();
    Client::new().fetch(served.address(), "file", &EDK2, |block, payload| {
        match block {
            10 => std::fs::rename(served.write_file("new", &[7; 200_000]), &path).unwrap(),
            20 => std::fs::remove_file(&path).unwrap(),
            _ => {}
        }
        got.extend_from_slice(payload);
    });
    assert!(got == content);
}

/// The new file is longer, as a new kernel may be, or has the same size.
#[test]
fn a_file_that_is_overwritten_in_place_ends_the_transfer_and_never_arrives_mixed() {
    for (options, size) in [(&EDK2[..], 1_000_000), (&EDK2[..], 1_500_000), (&[], 1_000_000)] {
        let served = TestServer::new(settings());
        let (old, new) = (pattern(1_000_000), vec![7; size]);
        let path = served.write_file("file", &old);
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let mut client = Client::new();
        client.request(served.address(), "file", options);
        let (mut got, mut taken) = (Vec::new(), 0);
        loop {
            let (from, packet) = client.packet();
            match packet {
                TftpPacket::Oack(_) => {}
                TftpPacket::Data { block, payload } => {
                    taken = block;
                    got.extend_from_slice(payload);
                }
                TftpPacket::Error { code, .. } => {
                    assert_eq!(code, ErrorCode::NOT_DEFINED);
                    break;
                }
                other => panic!("{other:?}"),
            }
            if taken == 8 {
                std::fs::write(&path, &new).unwrap();
            }
            if taken % 4 == 0 || options.is_empty() {
                client.ack(from, taken);
            }
        }
        assert!(got.len() < old.len() && old.starts_with(&got), "{} octets", got.len());
        assert_eq!(served.next_event(), RecordedEvent::Failed(std::io::ErrorKind::Other));
        assert!(matches!(served.next_event(), RecordedEvent::Ended { outcome: Outcome::Failed, .. }));
    }
}

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
        std::thread::sleep(Duration::from_millis(1100));
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
    std::thread::sleep(Duration::from_millis(1100));
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

#[test]
fn an_error_is_at_most_32_octets_longer_than_the_request() {
    for family in BOTH_FAMILIES {
        let served = TestServer::with_family(family, settings());
        let mut client = served.client();
        let requests: [(&[u8], u16); 11] = [
            (b"\0\x01x\0octet\0", 1),
            (b"\0\x01..\0octet\0", 2),
            (b"\0\x02x\0octet\0", 2),
            (b"\0\x01x\0mail\0", 4),
            (b"\0\x01x\0netascii\0", 0),
            (b"\0\x01\0\0", 4),
            (b"\0\x01x\0octet\0tsize\0", 4),
            (b"\0\x01x\0octet\0tsize\x000", 4),
            (b"\0\x01x\0octet\0\0\0x", 4),
            (b"\0\x01x", 4),
            (b"\0\x02x\0octet", 4),
        ];
        for (request, code) in requests {
            client.socket.send_to(request, served.address()).unwrap();
            let (_, reply) = client.datagram();
            assert_eq!(reply[..4], [0, 5, 0, code as u8], "{request:?}");
            assert_eq!(reply.last(), Some(&0));
            assert!(reply.len() <= request.len() + 32);
        }
    }
}

#[test]
fn only_requests_get_replies_on_the_request_port() {
    for (family, single_port) in families_and_flags() {
        let served = TestServer::with_family(family, TftpConfig { single_port, ..settings() });
        let mut client = served.client();
        let to = served.address();
        client.ack(to, 0);
        client.error(to, 0);
        client.send(to, TftpPacket::Data { block: 1, payload: b"x" });
        client.socket.send_to(&[], to).unwrap();
        for _ in 0..3 {
            assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::UnexpectedPacket));
        }
        assert!(matches!(served.next_event(), RecordedEvent::Ignored(TftpSilence::Malformed(_))));
        client.assert_no_packet();
    }
}

#[test]
fn unexpected_packets_from_a_client_are_counted_and_its_transfer_goes_on() {
    let served = TestServer::new(settings());
    served.write_file("file", &pattern(600));
    let mut client = Client::new();
    client.request(served.address(), "file", &[]);
    let (from, _) = client.datagram();
    client.send(from, TftpPacket::Data { block: 1, payload: b"x" });
    assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::UnexpectedPacket));
    client.socket.send_to(b"\0", from).unwrap();
    assert!(matches!(served.next_event(), RecordedEvent::Ignored(TftpSilence::Malformed(_))));
    client.ack(from, 1);
    assert_eq!(client.expect_data(2), 88);
    client.ack(from, 2);
    assert_eq!(served.next_event(), ended("file", 600, Outcome::Completed));
}

#[test]
fn a_request_on_a_link_that_is_not_served_gets_no_reply() {
    for family in BOTH_FAMILIES {
        let served = TestServer::with_link(family, settings(), |_| None);
        served.write_file("file", b"x");
        let mut client = served.client();
        client.request(served.address(), "file", &[]);
        assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::UnservedInterface));
        client.assert_no_packet();
    }
}

#[test]
fn a_packet_from_a_wrong_port_gets_error_5_and_the_transfer_goes_on() {
    for family in BOTH_FAMILIES {
        let served = TestServer::with_family(family, settings());
        let content = pattern(100_000);
        served.write_file("file", &content);
        let mut client = served.client();
        let from = oack(&mut client, &served, "file", &EDK2);
        let mut other = served.client();
        let mut got = Vec::new();
        client.ack(from, 0);
        let mut taken = 0;
        while got.len() < content.len() {
            other.ack(from, taken);
            let (sender, reply) = other.datagram();
            assert_eq!((sender, &reply[..4]), (from, &[0, 5, 0, 5][..]));
            assert_eq!(reply.last(), Some(&0));
            assert!(reply.len() <= 4 + 32, "more than 32 octets longer than the packet");
            assert_eq!(served.next_event(), RecordedEvent::Refused(TftpRefusal::UnknownTransfer));
            // If an ERROR or a malformed packet comes from the wrong port, it gets no reply, and does not end the
            // transfer.
            other.error(from, 0);
            assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::WrongPortError));
            other.socket.send_to(b"?", from).unwrap();
            assert!(matches!(served.next_event(), RecordedEvent::Ignored(TftpSilence::Malformed(_))));
            for _ in 0..16 {
                if let (_, TftpPacket::Data { block, payload }) = client.packet() {
                    assert_eq!(block, taken + 1);
                    taken = block;
                    got.extend_from_slice(payload);
                }
                if got.len() == content.len() || taken % 4 == 0 {
                    client.ack(from, taken);
                }
                if got.len() == content.len() {
                    break;
                }
            }
        }
        assert!(got == content);
        assert_eq!(served.next_event(), ended("file", 100_000, Outcome::Completed));
        other.assert_no_packet();
    }
}

#[test]
fn a_flood_from_a_wrong_port_gets_few_replies() {
    let served = TestServer::new(settings());
    served.write_file("file", &pattern(600));
    let mut client = Client::new();
    client.request(served.address(), "file", &[]);
    let (from, _) = client.datagram();
    let other = Client::new();
    let mut errors = 0;
    for _ in 0..100 {
        other.ack(from, 1);
        match served.next_event() {
            RecordedEvent::Refused(TftpRefusal::UnknownTransfer) => errors += 1,
            other => assert_eq!(other, RecordedEvent::Ignored(TftpSilence::WrongPortFlood)),
        }
    }
    assert!((16..20).contains(&errors), "{errors}");
    client.ack(from, 1);
    assert_eq!(client.expect_data(2), 88);
    client.ack(from, 2);
    assert_eq!(served.next_event(), ended("file", 600, Outcome::Completed));
}

/// If ERROR 5 reaches a closed port, the kernel reports that on the transfer's socket. The report must not end the
/// transfer.
#[test]
fn a_wrong_port_that_closes_does_not_disturb_the_transfer() {
    for family in BOTH_FAMILIES {
        let served = TestServer::with_family(family, settings());
        let content = pattern(100_000);
        served.write_file("file", &content);
        let mut client = served.client();
        client.request(served.address(), "file", &[]);
        let (mut got, mut block) = (Vec::new(), 0);
        let began = Instant::now();
        loop {
            let (from, packet) = client.packet();
            let TftpPacket::Data { block: next, payload } = packet else { panic!("{packet:?}") };
            block += 1;
            assert_eq!(next, block);
            got.extend_from_slice(payload);
            let last = payload.len() < 512;
            if block % 20 == 1 {
                served.client().ack(from, 0);
                assert_eq!(served.next_event(), RecordedEvent::Refused(TftpRefusal::UnknownTransfer));
            }
            client.ack(from, block);
            if last {
                break;
            }
        }
        assert!(got == content);
        assert!(began.elapsed() < Duration::from_secs(1), "no block waited for its timer");
        assert_eq!(served.next_event(), ended("file", 100_000, Outcome::Completed));
    }
}

/// The resent packet causes an ICMP error one second after the first packet, long before the last timeout.
#[test]
fn a_transfer_ends_when_the_clients_port_closes() {
    for (family, opened) in families_and_flags() {
        let served = TestServer::with_family(family, settings());
        served.write_file("file", &pattern(6000));
        let mut client = served.client();
        let from = oack(&mut client, &served, "file", &EDK2);
        if opened {
            client.ack(from, 0);
            for block in 1..=4 {
                client.expect_data(block);
            }
        }
        drop(client);
        assert_eq!(served.next_event(), ended("file", 0, Outcome::Gone));
    }
}

#[test]
fn transfers_keep_to_the_port_range() {
    for family in BOTH_FAMILIES {
        // These ports are below the kernel's range, from which other tests get their ports.
        let ports = 20_211..=20_212;
        let served = TestServer::with_family(family, TftpConfig { ports: Some(ports.clone()), ..settings() });
        served.write_file("file", &pattern(600));
        let mut clients = [served.client(), served.client(), served.client()];
        let mut used: Vec<u16> =
            clients[..2].iter_mut().map(|client| oack(client, &served, "file", &EDK2).port()).collect();
        used.sort_unstable();
        assert_eq!(used, [20_211, 20_212]);
        clients[2].request(served.address(), "file", &EDK2);
        assert_eq!(served.next_event(), RecordedEvent::Failed(std::io::ErrorKind::AddrInUse));
        assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::NoSocket));
    }
}

#[test]
fn two_clients_share_the_single_port() {
    for family in BOTH_FAMILIES {
        let served = TestServer::with_family(family, TftpConfig { single_port: true, ..settings() });
        served.write_file("one", &[1; 5000]);
        served.write_file("two", &[2; 5000]);
        let mut clients = [("one", served.client()), ("two", served.client())];
        for (name, client) in &mut clients {
            assert_eq!(oack(client, &served, name, &EDK2).port(), served.port);
        }
        for (_, client) in &clients {
            client.ack(served.address(), 0);
        }
        for (filler, (name, client)) in [1, 2].into_iter().zip(&mut clients) {
            for expected in 1..=4 {
                match client.packet().1 {
                    TftpPacket::Data { block, payload } if block == expected => {
                        assert!(payload.iter().all(|&o| o == filler))
                    }
                    other => panic!("{name}: {other:?}"),
                }
            }
            client.ack(served.address(), 4);
            assert_eq!(served.next_event(), ended(name, 5000, Outcome::Completed));
        }
    }
}

#[test]
fn a_stopping_server_finishes_transfers_and_starts_none() {
    let mut served = TestServer::new(settings());
    served.write_file("file", &pattern(600));
    let mut client = Client::new();
    client.request(served.address(), "file", &[]);
    let (from, _) = client.datagram();
    served.stop();
    // When the server has noticed the stop, it ignores requests.
    let new_client = Client::new();
    loop {
        new_client.request(served.address(), "missing", &[]);
        match served.next_event() {
            RecordedEvent::Refused(_) => {}
            RecordedEvent::Ignored(TftpSilence::Stopping) => break,
            other => panic!("{other:?}"),
        }
    }
    client.ack(from, 1);
    client.expect_data(2);
    client.ack(from, 2);
    assert_eq!(served.next_event(), ended("file", 600, Outcome::Completed));
    served.wait();
}

#[test]
fn a_stopping_server_waits_two_seconds_and_sends_an_error_to_the_remaining_clients() {
    let mut served = TestServer::new(settings());
    served.write_file("file", &pattern(600));
    let mut client = Client::new();
    let from = oack(&mut client, &served, "file", &EDK2);
    client.ack(from, 0);
    client.expect_data(1);
    let began = Instant::now();
    served.stop();
    served.wait();
    assert!(began.elapsed() >= Duration::from_secs(2) && began.elapsed() < Duration::from_secs(4));
    assert_eq!(served.next_event(), ended("file", 0, Outcome::Failed));
    // The server has resent the block once in the meantime.
    client.expect_data(1);
    assert_eq!(client.error_code(), 0);
}

#[test]
fn a_request_of_more_than_512_octets_gets_no_reply() {
    let served = TestServer::new(settings());
    let mut client = Client::new();
    client.socket.send_to(&rrq(&"n".repeat(600), &[]), served.address()).unwrap();
    assert!(matches!(served.next_event(), RecordedEvent::Ignored(TftpSilence::Malformed(_))));
    client.assert_no_packet();
    served.assert_no_event();
}

/// If the MTU of a link is smaller than the server assumes, the kernel refuses to segment a send (`EINVAL`). A driver
/// without checksum offload refuses it, too (`EIO`).
#[test]
fn without_segmentation_offload_the_blocks_of_a_window_are_sent_one_by_one() {
    const INSIDE: &str = "TFTP_TEST_NARROW_LOOPBACK";
    if std::env::var_os(INSIDE).is_none() {
        let itself = std::env::current_exe().unwrap();
        let name = std::thread::current().name().unwrap().to_owned();
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "sh", "-c"])
            .arg("ip link set lo mtu 1300 up && exec \"$0\" --exact \"$1\"")
            .arg(itself)
            .arg(name)
            .env(INSIDE, "1")
            .status()
            .expect("unshare (util-linux) and ip (iproute2) are needed");
        assert!(status.success());
        return;
    }
    for (family, single_port) in families_and_flags() {
        let served = TestServer::with_family(family, TftpConfig { single_port, ..settings() });
        let content = pattern(100_000);
        served.write_file("file", &content);
        let mut got = Vec::new();
        served.client().fetch(served.address(), "file", &EDK2, |_, payload| got.extend_from_slice(payload));
        assert!(got == content);
    }
}
