//! Sends the shared vectors through a real socket, and compares the replies octet by octet.

use crate::client::Client;
use crate::{RecordedEvent, TestServer, settings};
use proxydhcpd::serve::tftp::TftpSilence;
use serde_json::Value;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/vectors");

fn vectors() -> Vec<Value> {
    let files = std::fs::read_dir(DIRECTORY).unwrap().map(|file| file.unwrap().path());
    let vectors: Vec<Value> = files
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("tftp-"))
        .map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    assert_eq!(vectors.len(), 10);
    vectors
}

fn served() -> TestServer {
    let served = TestServer::new(settings());
    // The vectors assume these file sizes.
    served.write_file("undionly.kpxe", &[1; 74_000]);
    served.write_file("ipxe.efi", &[2; 174_080]);
    served.write_file("boot.ipxe", &[3; 120]);
    served
}

#[test]
fn every_vector_gets_its_expected_reply() {
    let served = served();
    for vector in vectors() {
        let name = vector["name"].as_str().unwrap();
        let expected = &vector["expected_reply"];
        if expected.is_null() {
            continue;
        }
        let mut client = Client::new();
        client.socket.send_to(&hex::decode(vector["hex"].as_str().unwrap()).unwrap(), served.address()).unwrap();
        let (from, reply) = client.datagram();
        let (from, reply) = (from, reply.to_vec());
        assert_ne!(from.port(), served.port, "{name}: from a new port");
        assert_eq!(from.ip(), served.address().ip());
        match expected["hex"].as_str() {
            Some(hex) => assert_eq!(hex::encode(&reply), hex, "{name}"),
            None => {
                assert!(hex::encode(&reply).starts_with(expected["prefix_hex"].as_str().unwrap()), "{name}");
                assert_eq!(reply.len(), 516, "{name}");
            }
        }
        if reply[1] != 5 {
            client.error(from, 8);
            assert!(matches!(served.next_event(), RecordedEvent::Ended { .. }), "{name}");
        } else {
            assert!(matches!(served.next_event(), RecordedEvent::Refused(_)), "{name}");
        }
    }
}

#[test]
fn a_vector_without_reply_gets_silence_for_its_reason() {
    let served = served();
    let mut silent = 0;
    for vector in vectors() {
        if !vector["expected_reply"].is_null() {
            continue;
        }
        silent += 1;
        let name = vector["name"].as_str().unwrap();
        let reason = match name {
            "tftp-stray-data-on-69" => TftpSilence::UnexpectedPacket,
            other => panic!("no reason for the silence of {other}"),
        };
        let mut client = Client::new();
        client.socket.send_to(&hex::decode(vector["hex"].as_str().unwrap()).unwrap(), served.address()).unwrap();
        assert_eq!(served.next_event(), RecordedEvent::Ignored(reason), "{name}");
        client.assert_no_packet();
    }
    assert_eq!(silent, 1);
}
