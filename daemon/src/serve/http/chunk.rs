//! The chunks of a body that hyper passes to the socket: octets in memory, or a part of a file.
//!
//! hyper only passes octets, so a part of a file appears as a slice of a placeholder: memory that contains zeros. The
//! socket recognises the placeholder by its address, and sends the file instead ([`super::socket`]). A placeholder is
//! never sent or copied: if hyper took octets of it that the socket has not sent, the chunk would panic before these
//! octets go anywhere, and a panic closes the connection.

use bytes::{Buf, Bytes};
use std::io::IoSlice;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

/// A chunk of a body.
#[derive(Debug)]
pub enum Chunk {
    /// Octets in memory.
    Octets(Bytes),
    /// A part of a file.
    File(FilePart),
}

/// A part of a file, which the socket sends.
#[derive(Debug)]
pub struct FilePart {
    remaining: usize,
    sent: SentOctets,
}

/// The number of octets of a file that the socket has sent, and that hyper has not taken yet.
#[derive(Clone, Debug, Default)]
pub struct SentOctets(Arc<AtomicU64>);

/// Never written, so it occupies addresses but no memory. One call of the socket sends at most this number of octets.
static PLACEHOLDER: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; 1 << 20].into());

/// Whether the slice stands for a part of a file.
pub fn is_placeholder(slice: &[u8]) -> bool {
    ptr::eq(slice.as_ptr(), PLACEHOLDER.as_ptr())
}

impl FilePart {
    /// Maximum length of a part, in octets: fits into `usize` on every machine.
    pub const MAX: u64 = 1 << 30;

    /// A part of this length, which is at most [`FilePart::MAX`]. The socket counts in `sent`.
    pub fn new(length: u64, sent: SentOctets) -> FilePart {
        FilePart { remaining: length.min(FilePart::MAX) as usize, sent }
    }
}

impl SentOctets {
    /// Counts octets that the socket has sent.
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Relaxed);
    }

    fn take(&self, count: usize) {
        let count = count as u64;
        assert!(self.0.fetch_sub(count, Relaxed) >= count, "octets of a placeholder were used instead of the file's");
    }
}

impl Chunk {
    fn placeholder(part: &FilePart) -> &'static [u8] {
        &PLACEHOLDER[..part.remaining.min(PLACEHOLDER.len())]
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        match self {
            Chunk::Octets(octets) => octets.len(),
            Chunk::File(part) => part.remaining,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Chunk::Octets(octets) => octets,
            Chunk::File(part) => Chunk::placeholder(part),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (false, Some(slice)) = (self.chunk().is_empty(), slices.first_mut()) else { return 0 };
        *slice = IoSlice::new(self.chunk());
        1
    }

    fn advance(&mut self, count: usize) {
        match self {
            Chunk::Octets(octets) => octets.advance(count),
            Chunk::File(part) => {
                part.sent.take(count);
                part.remaining -= count;
            }
        }
    }
}

impl From<Bytes> for Chunk {
    fn from(octets: Bytes) -> Chunk {
        Chunk::Octets(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_file_is_a_placeholder_until_the_socket_has_sent_it() {
        let sent = SentOctets::default();
        let mut chunk = Chunk::File(FilePart::new(3 << 20, sent.clone()));
        assert!(is_placeholder(chunk.chunk()) && chunk.chunk().len() == 1 << 20);
        sent.add(1 << 20);
        chunk.advance(1 << 20);
        sent.add(2 << 20);
        chunk.advance((2 << 20) - 5);
        assert!(is_placeholder(chunk.chunk()) && chunk.chunk().len() == 5);
        chunk.advance(5);
        assert!(!chunk.has_remaining());
        assert!(!is_placeholder(Chunk::from(Bytes::from_static(b"octets")).chunk()));
    }

    #[test]
    #[should_panic(expected = "placeholder")]
    fn a_placeholder_is_never_copied() {
        let mut chunk = Chunk::File(FilePart::new(3 << 20, SentOctets::default()));
        let mut copy = [0; 4];
        chunk.copy_to_slice(&mut copy);
    }
}
