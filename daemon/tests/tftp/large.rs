//! Tests a transfer of one GiB in blocks of 512 octets, so the block number rolls over 32 times.

use crate::client::Client;
use crate::{RecordedEvent, TestServer, settings};
use proxydhcpd_core::transfer::Outcome;
use std::fs::File;
use std::io::{BufWriter, Write};

const BLOCKS: u64 = (1 << 30) / 512;

#[test]
fn one_gib_in_blocks_of_512_octets_arrives_intact() {
    let served = TestServer::new(settings());
    let mut file = BufWriter::with_capacity(1 << 20, File::create(served.directory.path().join("large.img")).unwrap());
    for block in 0..BLOCKS {
        file.write_all(&numbered(block)).unwrap();
    }
    file.into_inner().unwrap();

    let options = [("blksize", "512"), ("windowsize", "64"), ("tsize", "0")];
    let size = Client::new().fetch(served.address(), "large.img", &options, |block, payload| {
        let expected = if block < BLOCKS { numbered(block) } else { Vec::new() };
        assert!(payload == expected, "block {block} is wrong");
    });
    assert_eq!(size, 1 << 30);
    assert_eq!(
        served.next_event(),
        RecordedEvent::Ended { name: "large.img".into(), octets: 1 << 30, outcome: Outcome::Completed }
    );
}

/// Returns a block that contains its number 64 times.
fn numbered(block: u64) -> Vec<u8> {
    block.to_le_bytes().repeat(64)
}
