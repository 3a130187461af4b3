//! Tests the rules of the TFTP server one by one, through the real socket.

use crate::client::{Client, rrq};
use crate::{BOTH_FAMILIES, EDK2, RecordedEvent, TestServer, ended, families_and_flags, oack, pattern, settings};
use proxydhcpd::serve::tftp::{TftpRefusal, TftpSilence};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

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
    // The server has repeated the block in the meantime.
    let mut repeats = 0;
    let error = loop {
        match client.packet().1 {
            TftpPacket::Data { block: 1, .. } => repeats += 1,
            TftpPacket::Error { code, .. } => break code.0,
            other => panic!("{other:?}"),
        }
    };
    assert!(error == 0 && (1..=5).contains(&repeats), "{error}, {repeats}");
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
