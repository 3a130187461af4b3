//! A buffer of consecutive DATA packets, ready to send.
//!
//! One system call reads the payloads of many blocks to their places between the headers. A block, or a whole window,
//! is then one slice of memory.

use crate::files::Opened;
use proxydhcpd_core::transfer::Transfer;
use proxydhcpd_core::wire::tftp::{DATA_HEADER_LENGTH, data_header};
use std::io::{self, IoSliceMut};

/// The DATA packets of one transfer that are read ahead.
#[derive(Debug)]
pub struct Frames {
    opened: Opened,
    /// Length of a packet with a full payload, header included.
    stride: usize,
    /// Blocks in a window.
    window: usize,
    /// Maximum number of blocks in one read.
    max_blocks: usize,
    /// Allocated when the first block is read, so that a client that does not reply to the OACK costs no buffer.
    buffer: Vec<u8>,
    /// The number of the first block in the buffer, and how many blocks the buffer contains.
    first: u64,
    count: u64,
}

/// The memory for reading ahead that all transfers share.
#[derive(Debug, Default)]
pub struct ReadAhead {
    held: usize,
    /// The number of transfers.
    pub transfers: usize,
}

/// Maximum number of octets to read ahead for one transfer. A lower maximum costs system calls, a higher one costs
/// memory.
const MAX_PER_TRANSFER: usize = 64 << 10;

/// Maximum number of octets to read ahead for all transfers together. In a boot storm each transfer has an equal share:
/// 64 KiB with up to 2048 transfers, one window of EDK2 with 22,000. A transfer always has room for a single block.
const MAX_TOTAL: usize = 128 << 20;

/// `UIO_MAXIOV`: the maximum number of buffers that the kernel accepts in one call.
const MAX_PIECES: usize = 1024;

impl Frames {
    /// An empty buffer for this transfer of a file.
    pub fn new(opened: Opened, transfer: &Transfer) -> Frames {
        let stride = DATA_HEADER_LENGTH + usize::from(transfer.blksize());
        let window = usize::from(transfer.windowsize());
        Frames { opened, stride, window, max_blocks: 0, buffer: Vec::new(), first: 0, count: 0 }
    }

    /// Octets from the start of one packet to the start of the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Returns the packets of the blocks from `block` on: at least one, at most `count`, and at most as many as one
    /// read returns. Only the packet of the file's last block is shorter. Fails if the file cannot be read, or has
    /// changed since it was opened.
    pub fn packets_from(
        &mut self,
        transfer: &Transfer,
        block: u64,
        count: u64,
        read_ahead: &mut ReadAhead,
    ) -> io::Result<&[u8]> {
        let held = self.first..self.first + self.count;
        // If the end of a window is missing, reads again from the beginning of the window, to send the window as one
        // slice.
        let is_complete = block + count.min(self.max_blocks as u64) <= held.end;
        if !held.contains(&block) || !is_complete {
            self.make_room(transfer, block, read_ahead);
            self.read(transfer, block)?;
        }
        let index = (block - self.first) as usize;
        let count = count.min(self.count - index as u64);
        let last = block + count - 1;
        let end = (last - self.first) as usize * self.stride + DATA_HEADER_LENGTH + transfer.payload_length(last);
        Ok(&self.buffer[index * self.stride..end])
    }

    /// Frees the buffer.
    pub fn release(&mut self, read_ahead: &mut ReadAhead) {
        read_ahead.held -= self.buffer.capacity();
        self.buffer = Vec::new();
        self.count = 0;
    }

    /// Sizes the buffer for the next read. The buffer is smaller if the number of transfers has grown, and never larger
    /// than the rest of the file. If the client has acknowledged nothing, its request may be forged, so the buffer has
    /// room for a single block.
    fn make_room(&mut self, transfer: &Transfer, first: u64, read_ahead: &mut ReadAhead) {
        self.count = 0;
        read_ahead.held -= self.buffer.capacity();
        let room = if transfer.is_confirmed() { read_ahead.room() } else { 0 };
        let max_blocks = (room / self.stride).clamp(1, MAX_PIECES);
        // The buffer contains whole windows, so that after an ACK no half of a window must be read again.
        self.max_blocks = if max_blocks > self.window { max_blocks - max_blocks % self.window } else { max_blocks };
        let size = (transfer.last_block() - first + 1).min(self.max_blocks as u64) as usize * self.stride;
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
        self.opened.read_pieces(&mut pieces, transfer.offset(first))?;
        self.first = first;
        self.count = count;
        Ok(())
    }
}

impl ReadAhead {
    /// The number of octets that the buffer of a transfer may have.
    fn room(&self) -> usize {
        MAX_PER_TRANSFER.min(MAX_TOTAL / self.transfers.max(1)).min(MAX_TOTAL.saturating_sub(self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proxydhcpd_core::transfer::{MAX_WINDOW, TransferLimits};
    use proxydhcpd_core::wire::tftp::{TftpOptions, TftpPacket, TftpRequest};
    use std::time::Duration;

    const LIMITS: TransferLimits = TransferLimits { block: 1468, window: MAX_WINDOW, forgeable: false };

    /// A transfer of this text with blocks of 1024 octets and this window, whose OACK the client has acknowledged.
    fn opened(text: &Bytes, window: &str) -> (Transfer, Frames) {
        let mut area = Vec::new();
        TftpOptions::write(b"blksize", b"1024", &mut area);
        TftpOptions::write(b"windowsize", window.as_bytes(), &mut area);
        let request = TftpRequest { name: b"x", mode: b"octet", options: TftpOptions::read(&area).unwrap() };
        let mut transfer = Transfer::new(&request, text.len() as u64, LIMITS, Duration::ZERO);
        transfer.handle_packet(&TftpPacket::Ack { block: 0 }, Duration::ZERO);
        let frames = Frames::new(Opened::text(text.clone()), &transfer);
        (transfer, frames)
    }

    fn text() -> Bytes {
        (0..200_000u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
    }

    #[test]
    fn the_memory_of_all_transfers_is_bounded_and_shared_evenly() {
        let text = text();
        let mut all = ReadAhead::default();
        let mut running = Vec::new();
        for transfers in 1..=3000 {
            let (transfer, mut frames) = opened(&text, "4");
            all.transfers = transfers;
            frames.packets_from(&transfer, 1, 4, &mut all).unwrap();
            assert!(all.held <= MAX_TOTAL + transfers * frames.stride());
            running.push((transfer, frames));
        }
        assert!(all.held > MAX_TOTAL * 9 / 10, "available memory is used");
        let held = |frames: &Frames| frames.buffer.capacity();
        assert!(held(&running[0].1) > 60_000 && held(&running[2999].1) < 1100, "the last find no memory left");
        for block in [70, 140] {
            for (transfer, frames) in &mut running {
                frames.packets_from(transfer, block, 4, &mut all).unwrap();
            }
        }
        assert!(all.held <= MAX_TOTAL);
        for (_, frames) in &running {
            assert!((40_000..45_000).contains(&held(frames)), "not an even share: {}", held(frames));
        }
        running.iter_mut().for_each(|(_, frames)| frames.release(&mut all));
        assert_eq!(all.held, 0);
    }

    #[test]
    fn lack_of_memory_does_not_change_the_packets() {
        let text = text();
        for held in [0, MAX_TOTAL - 5000, MAX_TOTAL] {
            let mut all = ReadAhead { held, transfers: 1 };
            let (transfer, mut frames) = opened(&text, "64");
            let (mut block, mut got) = (1, Vec::new());
            while block <= transfer.last_block() {
                for frame in
                    frames.packets_from(&transfer, block, 64, &mut all).unwrap().chunks(DATA_HEADER_LENGTH + 1024)
                {
                    assert_eq!(frame[..DATA_HEADER_LENGTH], data_header(block as u16));
                    got.extend_from_slice(&frame[DATA_HEADER_LENGTH..]);
                    block += 1;
                }
            }
            assert!(text == got, "{held} held by others");
            frames.release(&mut all);
            assert_eq!(all.held, held);
        }
    }

    #[test]
    fn a_client_that_has_acknowledged_nothing_gets_memory_for_one_block() {
        let text = text();
        let request = TftpRequest { name: b"x", mode: b"octet", options: TftpOptions::default() };
        let transfer = Transfer::new(&request, text.len() as u64, LIMITS, Duration::ZERO);
        let mut frames = Frames::new(Opened::text(text.clone()), &transfer);
        let mut all = ReadAhead { held: 0, transfers: 1 };
        frames.packets_from(&transfer, 1, 1, &mut all).unwrap();
        assert_eq!(all.held, DATA_HEADER_LENGTH + 512);
    }
}
