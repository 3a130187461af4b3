//! DATA packets, laid out one behind the other as they go out.
//!
//! The payloads are read in between the headers, many blocks with one system call, so that a block or a whole window
//! is sent as one plain piece of memory.

use crate::files::{ServedContent, Opened};
use nix::sys::uio::preadv;
use proxydhcpd_core::transfer::Transfer;
use proxydhcpd_core::wire::tftp::{DATA_HEADER_LENGTH, data_header};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;

#[derive(Debug)]
pub struct Frames {
    opened: Opened,
    /// Header and full payload.
    stride: usize,
    /// Blocks of a window.
    window: usize,
    /// Blocks that were read at once.
    most: usize,
    /// Allocated with the first block: an unanswered OACK costs none.
    buffer: Vec<u8>,
    /// The blocks in the buffer.
    first: u64,
    count: u64,
}

/// What all transfers read ahead together, and how many they are.
#[derive(Debug, Default)]
pub struct ReadAhead {
    held: usize,
    pub transfers: usize,
}

/// Octets that are read ahead for one transfer. Smaller costs system calls, larger costs memory.
const FOR_ONE: usize = 64 << 10;

/// Octets that are read ahead for all. In a boot storm each transfer has its share: 64 KiB up to 2048 of them, one
/// window of EDK2 for 22,000. A single block is always had, whatever the others hold.
const FOR_ALL: usize = 128 << 20;

/// `UIO_MAXIOV`: the kernel takes no more pieces in one call.
const MOST_PIECES: usize = 1024;

impl Frames {
    pub fn new(opened: Opened, transfer: &Transfer) -> Frames {
        let stride = DATA_HEADER_LENGTH + usize::from(transfer.blksize());
        let window = usize::from(transfer.windowsize());
        Frames { opened, stride, window, most: 0, buffer: Vec::new(), first: 0, count: 0 }
    }

    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Frames from this block on: at least one, at most `count`, and no more than are read at once. Only the last block
    /// of the file is shorter than the others. Fails if the file was written to since it was opened.
    pub fn packets_from(
        &mut self,
        transfer: &Transfer,
        block: u64,
        count: u64,
        read_ahead: &mut ReadAhead,
    ) -> io::Result<&[u8]> {
        let held = self.first..self.first + self.count;
        // Whatever is missing at the end of a window makes a new start at its beginning: it goes out as one piece.
        let whole = block + count.min(self.most as u64) <= held.end;
        if !held.contains(&block) || !whole {
            self.make_room(transfer, block, read_ahead);
            self.read(transfer, block)?;
        }
        let index = (block - self.first) as usize;
        let count = count.min(self.count - index as u64);
        let last = block + count - 1;
        let end = (last - self.first) as usize * self.stride + DATA_HEADER_LENGTH + transfer.payload_length(last);
        Ok(&self.buffer[index * self.stride..end])
    }

    /// What is held is given up.
    pub fn release(&mut self, read_ahead: &mut ReadAhead) {
        read_ahead.held -= self.buffer.capacity();
        self.buffer = Vec::new();
        self.count = 0;
    }

    /// Sizes the buffer for what is read next: less than last time if the transfers have become more, and no more than
    /// there is left of the file. A client that has acknowledged nothing may be a forgery: it gets a single block.
    fn make_room(&mut self, transfer: &Transfer, first: u64, read_ahead: &mut ReadAhead) {
        self.count = 0;
        read_ahead.held -= self.buffer.capacity();
        let room = if transfer.is_confirmed() { read_ahead.room() } else { 0 };
        let most = (room / self.stride).clamp(1, MOST_PIECES);
        // Whole windows: an ACK for one then never leaves half a window to be read again.
        self.most = if most > self.window { most - most % self.window } else { most };
        let size = (transfer.last_block() - first + 1).min(self.most as u64) as usize * self.stride;
        if self.buffer.capacity() < size || self.buffer.capacity() > room.max(size) {
            self.buffer = Vec::with_capacity(size);
        }
        self.buffer.resize(size, 0);
        read_ahead.held += self.buffer.capacity();
    }

    fn read(&mut self, transfer: &Transfer, first: u64) -> io::Result<()> {
        let count = (self.buffer.len() / self.stride) as u64;
        let mut pieces = Vec::with_capacity(count as usize);
        for (block, frame) in (first..).zip(self.buffer.chunks_exact_mut(self.stride)) {
            let (header, payload) = frame.split_at_mut(DATA_HEADER_LENGTH);
            header.copy_from_slice(&data_header(block as u16));
            pieces.push(IoSliceMut::new(&mut payload[..transfer.payload_length(block)]));
        }
        let offset = transfer.offset(first);
        match &self.opened.content {
            ServedContent::Text(text) => copy(text, offset as usize, &mut pieces),
            ServedContent::File(file) => {
                let read = read_exactly(file, offset, &mut pieces);
                self.opened.check_unchanged()?;
                read?;
            }
        }
        self.first = first;
        self.count = count;
        Ok(())
    }
}

impl ReadAhead {
    /// What one transfer more may hold.
    fn room(&self) -> usize {
        FOR_ONE.min(FOR_ALL / self.transfers.max(1)).min(FOR_ALL.saturating_sub(self.held))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::transfer::{MAX_WINDOW, TransferLimits};
    use proxydhcpd_core::wire::tftp::{TftpOptions, TftpPacket, TftpRequest};
    use std::sync::Arc;
    use std::time::Duration;

    const LIMITS: TransferLimits = TransferLimits { block: 1468, window: MAX_WINDOW, forgeable: false };

    /// A transfer of this text, with blocks of 1024 octets and this window, that the client has acknowledged.
    fn opened(text: &Arc<[u8]>, window: &str) -> (Transfer, Frames) {
        let mut area = Vec::new();
        TftpOptions::write(b"blksize", b"1024", &mut area);
        TftpOptions::write(b"windowsize", window.as_bytes(), &mut area);
        let request = TftpRequest { name: b"x", mode: b"octet", options: TftpOptions::read(&area).unwrap() };
        let mut transfer = Transfer::new(&request, text.len() as u64, LIMITS, Duration::ZERO);
        transfer.handle_packet(&TftpPacket::Ack { block: 0 }, Duration::ZERO);
        let frames = Frames::new(Opened::text(Arc::clone(text)), &transfer);
        (transfer, frames)
    }

    fn text() -> Arc<[u8]> {
        (0..200_000u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
    }

    #[test]
    fn what_all_transfers_hold_is_bounded_and_comes_to_be_shared() {
        let text = text();
        let mut all = ReadAhead::default();
        let mut running = Vec::new();
        for transfers in 1..=3000 {
            let (transfer, mut frames) = opened(&text, "4");
            all.transfers = transfers;
            frames.packets_from(&transfer, 1, 4, &mut all).unwrap();
            assert!(all.held <= FOR_ALL + transfers * frames.stride());
            running.push((transfer, frames));
        }
        assert!(all.held > FOR_ALL * 9 / 10, "memory that is there is used");
        let held = |frames: &Frames| frames.buffer.capacity();
        assert!(held(&running[0].1) > 60_000 && held(&running[2999].1) < 1100, "the last come to a full house");
        for block in [70, 140] {
            for (transfer, frames) in &mut running {
                frames.packets_from(transfer, block, 4, &mut all).unwrap();
            }
        }
        assert!(all.held <= FOR_ALL);
        for (_, frames) in &running {
            assert!((40_000..45_000).contains(&held(frames)), "all have their share, not {}", held(frames));
        }
        running.iter_mut().for_each(|(_, frames)| frames.release(&mut all));
        assert_eq!(all.held, 0);
    }

    #[test]
    fn a_full_house_changes_nothing_of_what_is_sent() {
        let text = text();
        for held in [0, FOR_ALL - 5000, FOR_ALL] {
            let mut all = ReadAhead { held, transfers: 1 };
            let (transfer, mut frames) = opened(&text, "64");
            let (mut block, mut got) = (1, Vec::new());
            while block <= transfer.last_block() {
                for frame in frames.packets_from(&transfer, block, 64, &mut all).unwrap().chunks(DATA_HEADER_LENGTH + 1024) {
                    assert_eq!(frame[..DATA_HEADER_LENGTH], data_header(block as u16));
                    got.extend_from_slice(&frame[DATA_HEADER_LENGTH..]);
                    block += 1;
                }
            }
            assert!(got == *text, "{held} held by others");
            frames.release(&mut all);
            assert_eq!(all.held, held);
        }
    }

    #[test]
    fn whoever_has_acknowledged_nothing_is_given_no_more_memory_than_for_one_block() {
        let text = text();
        let request = TftpRequest { name: b"x", mode: b"octet", options: TftpOptions::default() };
        let transfer = Transfer::new(&request, text.len() as u64, LIMITS, Duration::ZERO);
        let mut frames = Frames::new(Opened::text(Arc::clone(&text)), &transfer);
        let mut all = ReadAhead { held: 0, transfers: 1 };
        frames.packets_from(&transfer, 1, 1, &mut all).unwrap();
        assert_eq!(all.held, DATA_HEADER_LENGTH + 512);
    }
}
