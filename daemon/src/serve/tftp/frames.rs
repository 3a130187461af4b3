//! DATA packets, laid out one behind the other as they go out.
//!
//! The payloads are read in between the headers, many blocks with one system call, so that a block or a whole window
//! is sent as one plain piece of memory.

use crate::files::{Content, Opened};
use nix::sys::uio::preadv;
use proxydhcpd_core::transfer::Transfer;
use proxydhcpd_core::wire::tftp::{HEADER, data_header};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;

#[derive(Debug)]
pub struct Frames {
    content: Content,
    /// Header and full payload.
    stride: usize,
    /// Blocks that are read at once.
    most: usize,
    /// Allocated with the first block: an unanswered OACK costs none.
    buffer: Vec<u8>,
    /// The blocks in the buffer.
    first: u64,
    count: u64,
}

/// Octets that are read ahead for one transfer. Smaller costs system calls, larger costs memory in a boot storm.
const READ_AHEAD: usize = 64 << 10;

/// `UIO_MAXIOV`: the kernel takes no more pieces in one call.
const MOST_PIECES: usize = 1024;

impl Frames {
    pub fn new(opened: Opened, transfer: &Transfer) -> Frames {
        let stride = HEADER + usize::from(transfer.blksize());
        let window = usize::from(transfer.windowsize());
        let most = (READ_AHEAD / stride).clamp(1, MOST_PIECES);
        // Whole windows: an ACK for one then never leaves half a window to be read again.
        let most = if most > window { most - most % window } else { most };
        Frames { content: opened.content, stride, most, buffer: Vec::new(), first: 0, count: 0 }
    }

    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Frames from this block on: at least one, at most `count`, and no more than are read at once. Only the last block
    /// of the file is shorter than the others. Fails if the file no longer has the octets.
    pub fn from(&mut self, transfer: &Transfer, block: u64, count: u64) -> io::Result<&[u8]> {
        let held = self.first..self.first + self.count;
        // Whatever is missing at the end of a window makes a new start at its beginning: it goes out as one piece.
        let whole = block + count.min(self.most as u64) <= held.end;
        if !held.contains(&block) || !whole {
            self.read(transfer, block)?;
        }
        let index = (block - self.first) as usize;
        let count = count.min(self.count - index as u64);
        let last = block + count - 1;
        let end = (last - self.first) as usize * self.stride + HEADER + transfer.payload(last);
        Ok(&self.buffer[index * self.stride..end])
    }

    fn read(&mut self, transfer: &Transfer, first: u64) -> io::Result<()> {
        self.count = 0;
        let count = (transfer.last() - first + 1).min(self.most as u64);
        self.buffer.resize(count as usize * self.stride, 0);
        let mut pieces = Vec::with_capacity(count as usize);
        for (block, frame) in (first..).zip(self.buffer.chunks_exact_mut(self.stride)) {
            let (header, payload) = frame.split_at_mut(HEADER);
            header.copy_from_slice(&data_header(block as u16));
            pieces.push(IoSliceMut::new(&mut payload[..transfer.payload(block)]));
        }
        let offset = transfer.offset(first);
        match &self.content {
            Content::Text(text) => copy(text, offset as usize, &mut pieces),
            Content::File(file) => read_exactly(file, offset, &mut pieces)?,
        }
        self.first = first;
        self.count = count;
        Ok(())
    }
}

fn copy(text: &[u8], offset: usize, pieces: &mut [IoSliceMut<'_>]) {
    let mut rest = &text[offset..];
    for piece in pieces {
        let (head, tail) = rest.split_at(piece.len());
        piece.copy_from_slice(head);
        rest = tail;
    }
}

fn read_exactly(file: &File, mut offset: u64, pieces: &mut [IoSliceMut<'_>]) -> io::Result<()> {
    let wanted: usize = pieces.iter().map(|piece| piece.len()).sum();
    let start = i64::try_from(offset).map_err(io::Error::other)?;
    if preadv(file, pieces, start)? == wanted {
        return Ok(());
    }
    // Shorter than its size, or a file system that gives less at a time: piece by piece one sees which.
    for piece in pieces {
        file.read_exact_at(piece, offset)?;
        offset += piece.len() as u64;
    }
    Ok(())
}
