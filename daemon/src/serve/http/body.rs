//! The octets of an answer. Files are read on threads that may block, a chunk at a time and only when the one before
//! is on its way: a slow client holds one chunk, and nobody waits for another's disk.

use super::HttpContext;
use super::response::Payload;
use super::connection::Connection;
use crate::files::{ServedContent, Opened};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::io;
use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// What the chunks of all transfers together should stay near, and the bounds of one. Below, system calls cost more
/// than the octets; above, the octets leave the processor's cache before they are sent.
const ALL_CHUNKS: usize = 64 << 20;
const SMALLEST_CHUNK: usize = 32 << 10;
const LARGEST_CHUNK: usize = 512 << 10;

pub struct Body {
    line: Arc<Connection>,
    left: u64,
    whole: bool,
    next: Option<io::Result<Bytes>>,
    file: Option<Reader>,
}

impl Body {
    /// Reads the first chunk where it is called: most loaders and all scripts are no longer than that.
    pub fn new(payload: Payload, line: &Arc<Connection>) -> Body {
        let mut body = Body { line: line.clone(), left: 0, whole: false, next: None, file: None };
        match payload {
            Payload::Empty => {}
            Payload::Text(words) => {
                body.left = words.len() as u64;
                body.next = Some(Ok(Bytes::from_static(words.as_bytes())));
            }
            Payload::Range(opened, range) => {
                body.left = range.end - range.start;
                body.whole = body.left == opened.size;
                match &opened.content {
                    ServedContent::Text(text) => {
                        // It lies in memory: its size fits.
                        let range = range.start as usize..range.end as usize;
                        body.next = Some(Ok(Bytes::from_owner(text.clone()).slice(range)));
                    }
                    ServedContent::File(_) => {
                        let mut reader = Reader::new(opened, range, line.context.clone());
                        body.next = Some(reader.following().read());
                        body.file = Some(reader);
                    }
                }
            }
        }
        body
    }

    pub fn remaining(&self) -> u64 {
        self.left
    }

    /// It is all of a file, not a part of it or words about it.
    pub fn is_whole_file(&self) -> bool {
        self.whole
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = match (self.next.take(), &mut self.file) {
            (Some(chunk), _) => chunk,
            (None, Some(file)) => ready!(file.poll_next(context)),
            (None, None) => return Poll::Ready(None),
        };
        // The client is told a length that can no longer be kept: only the end of the connection says so.
        let chunk = chunk.inspect_err(|error| self.line.report_failure(error))?;
        self.left -= chunk.len() as u64;
        self.line.record_sent(chunk.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A file on its way.
struct Reader {
    file: Arc<Opened>,
    /// What has not been read yet.
    range: Range<u64>,
    house: Arc<HttpContext>,
    shelf: Arc<Shelf>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

/// Where a buffer waits for the next chunk: a new one would have to be mapped and cleared each time.
type Shelf = Mutex<Vec<u8>>;

/// One chunk to be read.
struct Reading {
    file: Arc<Opened>,
    offset: u64,
    count: usize,
    shelf: Arc<Shelf>,
}

/// One chunk that was read. Its buffer goes back when hyper has sent it.
struct Chunk {
    buffer: Vec<u8>,
    filled: usize,
    shelf: Arc<Shelf>,
}

impl Reader {
    fn new(file: Opened, range: Range<u64>, house: Arc<HttpContext>) -> Reader {
        house.active_bodies.fetch_add(1, Relaxed);
        Reader { file: Arc::new(file), range, house, shelf: Arc::default(), reading: None }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut reading = self.reading.take().unwrap_or_else(|| {
            let following = self.following();
            tokio::task::spawn_blocking(|| following.read())
        });
        match Pin::new(&mut reading).poll(context) {
            Poll::Ready(read) => Poll::Ready(read.unwrap_or_else(|error| Err(error.into()))),
            Poll::Pending => {
                self.reading = Some(reading);
                Poll::Pending
            }
        }
    }

    fn following(&mut self) -> Reading {
        let share = (ALL_CHUNKS / self.house.active_bodies.load(Relaxed).max(1)).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        // A power of two, so that the buffer is not exchanged whenever a transfer comes or goes.
        let share = 1 << share.ilog2();
        let count = usize::try_from(self.range.end - self.range.start).map_or(share, |left| left.min(share));
        let offset = self.range.start;
        self.range.start += count as u64;
        Reading { file: self.file.clone(), offset, count, shelf: self.shelf.clone() }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.house.active_bodies.fetch_sub(1, Relaxed);
    }
}

impl Reading {
    fn read(self) -> io::Result<Bytes> {
        let mut buffer = mem::take(&mut *self.shelf.lock().unwrap_or_else(PoisonError::into_inner));
        if buffer.len() < self.count || buffer.len() > 2 * self.count.max(SMALLEST_CHUNK) {
            buffer = vec![0; self.count];
        }
        let filled = self.file.read_at(&mut buffer[..self.count], self.offset)?;
        Ok(Bytes::from_owner(Chunk { buffer, filled, shelf: self.shelf }))
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        *self.shelf.lock().unwrap_or_else(PoisonError::into_inner) = mem::take(&mut self.buffer);
    }
}
