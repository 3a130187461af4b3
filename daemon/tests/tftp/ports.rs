//! Tests the ports of transfers, and packets from ports other than the client's.

use crate::client::Client;
use crate::{BOTH_FAMILIES, EDK2, RecordedEvent, TestServer, ended, families_and_flags, oack, pattern, settings};
use proxydhcpd::serve::tftp::{TftpRefusal, TftpSilence};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::TftpPacket;
use std::time::{Duration, Instant};

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
                // Other blocks are repeats, because this client is slow.
                if let (_, TftpPacket::Data { block, payload }) = client.packet()
                    && block == taken + 1
                {
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
