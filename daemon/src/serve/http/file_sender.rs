//! Sends a part of a file over a socket without copying it (sendfile(2)), and yet never a mixture of two states of the
//! file.
//!
//! Until the client acknowledges octets, the kernel keeps the pages of the file itself, so a program that overwrites
//! the file changes octets that are sent already. Therefore the sender copies the end of the part, and sends its last
//! octet only when the client has acknowledged everything that was not copied, and the file is still unchanged. (A
//! client on this host acknowledges octets before it reads them, and a program can change them until then.)
//!
//! The calling thread serves all connections, so it must not wait for a disk: it sends only what is in memory, and
//! leaves the rest to threads that may block.

use super::chunk::SentOctets;
use crate::files::OpenFile;
use crate::net::sys::unacknowledged;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, Sleep, sleep};

/// The end of a part that is copied, in octets: several packets, so that no client delays the acknowledgement of those
/// before it.
const COPIED_END: u64 = 32 << 10;
/// The part of the file that is loaded at once if it is not in memory, and that is sent with one call, in octets.
const PIECE: u64 = 512 << 10;
/// The first pause before the sender looks again whether the client has acknowledged everything. The longest pause.
const MIN_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Sends a part of a file.
#[derive(Debug)]
pub struct FileSender {
    file: Arc<OpenFile>,
    /// The octets that remain.
    range: Range<u64>,
    /// The octets before this offset are in memory, or were when they were loaded.
    loaded: u64,
    /// Reads the next octets, if they are not in memory.
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
    /// The end of the part, if it is copied.
    copy: Vec<u8>,
    /// When the sender began to wait for acknowledgements, and the end of the current pause, if it waits.
    pause: Option<(Instant, Pin<Box<Sleep>>)>,
    sent: SentOctets,
}

impl FileSender {
    /// Sends this range, and counts what is sent.
    pub fn new(file: Arc<OpenFile>, range: Range<u64>, sent: SentOctets) -> FileSender {
        FileSender { file, loaded: range.start, range, reading: None, copy: Vec::new(), pause: None, sent }
    }

    /// The number of octets that remain.
    pub fn remaining(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Sends at most `max` octets, and returns their number.
    pub fn poll_send(&mut self, socket: &TcpStream, max: usize, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_load(context))?;
            if self.remaining() == 1 {
                ready!(self.poll_acknowledged(socket, context))?;
            }
            ready!(socket.poll_write_ready(context))?;
            self.file.check_unchanged()?;
            let sent = match self.copy_left() {
                // The last octet waits.
                [first @ .., _] if !first.is_empty() => socket.try_write(&first[..first.len().min(max)]),
                [] => socket.try_io(Interest::WRITABLE, || {
                    self.file.send(socket, self.range.start..self.loaded.min(self.range.start + max as u64))
                }),
                last => socket.try_write(last),
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    self.range.start += count as u64;
                    self.sent.add(count);
                    return Poll::Ready(Ok(count));
                }
            }
        }
    }

    /// The copied octets that remain; empty if the end is not reached yet.
    fn copy_left(&self) -> &[u8] {
        &self.copy[self.copy.len() - self.copy.len().min(self.remaining() as usize)..]
    }

    /// Waits until the next octets are in memory: those of the file in its cache, those of the end in a copy.
    fn poll_load(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let start = self.range.start;
        if start < self.loaded || !self.copy.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let copied_from = self.range.end.saturating_sub(COPIED_END);
        let is_copied = start >= copied_from;
        let piece = start..if is_copied { self.range.end } else { copied_from.min(start + PIECE) };
        let octets = match &mut self.reading {
            None if self.file.is_cached(piece.clone()) => {
                if is_copied {
                    read(&self.file, &piece)?
                } else {
                    Vec::new()
                }
            }
            reading => {
                let (file, piece) = (self.file.clone(), piece.clone());
                let read = move || read(&file, &piece).map(|octets| if is_copied { octets } else { Vec::new() });
                let result = ready!(Pin::new(reading.get_or_insert_with(|| spawn_blocking(read))).poll(context));
                *reading = None;
                result??
            }
        };
        (self.loaded, self.copy) = (piece.end, octets);
        Poll::Ready(Ok(()))
    }

    /// Waits until the client has acknowledged everything that was not copied, whereupon the
    /// file may change. The kernel does not say when that is, so the sender looks again, at first soon.
    fn poll_acknowledged(&mut self, socket: &TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let copied = self.copy.len() as u64 - self.remaining();
        while unacknowledged(socket.as_fd())? > copied {
            // Sends nothing, and fails if the client has gone, which never acknowledges.
            if let Err(error) = socket.try_write(&[])
                && error.kind() != io::ErrorKind::WouldBlock
            {
                return Poll::Ready(Err(error));
            }
            let (began, pause) = self.pause.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(MIN_PAUSE))));
            ready!(pause.as_mut().poll(context));
            let next = (began.elapsed() / 8).clamp(MIN_PAUSE, MAX_PAUSE);
            pause.as_mut().reset(Instant::now() + next);
        }
        Poll::Ready(Ok(()))
    }
}

fn read(file: &OpenFile, range: &Range<u64>) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; (range.end - range.start) as usize];
    file.read(&mut octets, range.start)?;
    Ok(octets)
}
