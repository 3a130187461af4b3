//! Tests transfers of files that change while the server sends them.

use crate::client::Client;
use crate::{EDK2, RecordedEvent, TestServer, pattern, settings};
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::{ErrorCode, TftpPacket};
use std::fs::{File, OpenOptions};
use std::time::SystemTime;

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
                TftpPacket::Data { block, payload } if block == taken + 1 => {
                    taken = block;
                    got.extend_from_slice(payload);
                }
                // A repeat, because this client is slow.
                TftpPacket::Data { .. } => {}
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
