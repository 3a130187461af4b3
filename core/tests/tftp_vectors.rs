//! Tests the shared TFTP vectors with the core alone: their meaning, and the first reply to each.

use proxydhcpd_core::file_name::{BadName, normalize};
use proxydhcpd_core::transfer::{MAX_WINDOW, Step, Transfer, TransferLimits, max_block_size, refuse_mode};
use proxydhcpd_core::wire::tftp::{TftpPacket, TftpRequest};
use serde_json::Value;
use std::time::Duration;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors");

/// Reads a vector. Returns the vector and its datagram.
fn vector(name: &str) -> (Value, Vec<u8>) {
    let text = std::fs::read_to_string(format!("{DIRECTORY}/{name}.json")).unwrap();
    let vector: Value = serde_json::from_str(&text).unwrap();
    let datagram = hex::decode(vector["hex"].as_str().unwrap()).unwrap();
    (vector, datagram)
}

fn request(datagram: &[u8]) -> TftpRequest<'_> {
    match TftpPacket::read(datagram) {
        Ok(TftpPacket::Read(request)) => request,
        other => panic!("no read request: {other:?}"),
    }
}

/// Answers the request for a file of this size on Ethernet. Returns the normalized name.
fn answer(name: &str, size: u64) -> String {
    let (vector, datagram) = vector(name);
    let request = request(&datagram);
    assert_eq!(refuse_mode(request.mode), None);
    let limits = TransferLimits { block: max_block_size(1500, false), window: MAX_WINDOW, forgeable: false };
    let transfer = Transfer::new(&request, size, limits, Duration::ZERO);
    match transfer.first_step() {
        Step::Oack => assert_eq!(hex::encode(transfer.oack()), vector["expected_reply"]["hex"], "{name}"),
        Step::Blocks(blocks) => {
            assert_eq!((blocks.first, blocks.count, transfer.payload_length(1)), (1, 1, 512), "{name}");
            assert_eq!(vector["expected_reply"]["prefix_hex"], "00030001", "{name}");
        }
        other => panic!("{name}: {other:?}"),
    }
    normalize(request.name).unwrap()
}

#[test]
fn a_request_of_each_firmware_is_answered_octet_by_octet() {
    assert_eq!(answer("tftp-rrq-ovmf-size-probe", 174_080), "ipxe.efi");
    assert_eq!(answer("tftp-rrq-ovmf-read", 174_080), "ipxe.efi");
    assert_eq!(answer("tftp-rrq-ipxe", 120), "boot.ipxe");
    assert_eq!(answer("tftp-rrq-no-options", 74_000), "undionly.kpxe");
    assert_eq!(answer("tftp-rrq-trailing-ff", 74_000), "undionly.kpxe");
    assert_eq!(answer("tftp-rrq-absurd-options", 174_080), "ipxe.efi");
}

#[test]
fn a_name_with_a_path_traversal_is_refused() {
    let (_, datagram) = vector("tftp-rrq-traversal");
    assert_eq!(normalize(request(&datagram).name), Err(BadName::Traversal));
}

#[test]
fn the_other_vectors_are_no_read_requests() {
    assert!(TftpPacket::read(&vector("tftp-rrq-unterminated").1).is_err());
    assert!(matches!(TftpPacket::read(&vector("tftp-wrq").1), Ok(TftpPacket::Write(_))));
    assert!(matches!(TftpPacket::read(&vector("tftp-stray-data-on-69").1), Ok(TftpPacket::Data { block: 1, .. })));
}
