//! The body of a response. Threads that may block read a file one chunk at a time, and each chunk only when the
//! previous one is being sent. So a slow client occupies the memory of one chunk, and no client waits for the disk that
//! another client reads.

use super::HttpContext;
use super::connection::Connection;
use super::response::Payload;
use crate::files::Opened;
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

/// Target size of the chunks of all transfers together, and the bounds of one chunk, in octets. With smaller chunks,
/// the system calls cost more than copying the octets. Larger chunks leave the processor's cache before they are sent.
const MAX_TOTAL: usize = 64 << 20;
const MIN_CHUNK: usize = 32 << 10;
const MAX_CHUNK: usize = 512 << 10;

/// The body of a response, and how much of it is left.
pub struct Body {
    connection: Arc<Connection>,
    remaining: u64,
    is_whole_file: bool,
    next: Option<io::Result<Bytes>>,
    file: Option<FileReader>,
}

impl Body {
    /// A body with this payload. Reads the first chunk of a file at once, on the calling thread: most loaders and all
    /// scripts are no longer than one chunk.
    pub fn new(payload: Payload, connection: &Arc<Connection>) -> Body {
        let mut body =
            Body { connection: connection.clone(), remaining: 0, is_whole_file: false, next: None, file: None };
        match payload {
            Payload::Empty => {}
            Payload::Text(text) => {
                body.remaining = text.len() as u64;
                body.next = Some(Ok(Bytes::from_static(text.as_bytes())));
            }
            Payload::Range(opened, range) => {
                body.remaining = range.end - range.start;
                body.is_whole_file = body.remaining == opened.size();
                match opened.in_memory() {
                    Some(octets) => {
                        // Octets in memory have a size that fits into `usize`.
                        body.next = Some(Ok(octets.slice(range.start as usize..range.end as usize)));
                    }
                    None => {
                        let mut reader = FileReader::new(opened, range, connection.context.clone());
                        body.next = Some(reader.next_chunk().read());
                        body.file = Some(reader);
                    }
                }
            }
        }
        body
    }

    /// Octets that remain to be sent.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Whether the body is a whole file, and not a part of a file or a text of the server.
    pub fn is_whole_file(&self) -> bool {
        self.is_whole_file
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let chunk = match (self.next.take(), &mut self.file) {
            (Some(chunk), _) => chunk,
            (None, Some(file)) => ready!(file.poll_next(context)),
            (None, None) => return Poll::Ready(None),
        };
        // The `Content-Length` that was sent to the client is now wrong. Only closing the connection shows the client
        // that.
        let chunk = chunk.inspect_err(|error| self.connection.report_failure(error))?;
        self.remaining -= chunk.len() as u64;
        self.connection.record_sent(chunk.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// Reads a file in chunks.
struct FileReader {
    opened: Opened,
    /// The octets that have not been read yet.
    range: Range<u64>,
    context: Arc<HttpContext>,
    pool: Arc<BufferPool>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

/// A buffer to reuse for the next chunk: a new one would have to be mapped and cleared each time.
type BufferPool = Mutex<Vec<u8>>;

/// A chunk to read.
struct ChunkRead {
    opened: Opened,
    offset: u64,
    count: usize,
    pool: Arc<BufferPool>,
}

/// A chunk that was read. Its buffer returns to the pool when hyper has sent it.
struct Chunk {
    buffer: Vec<u8>,
    filled: usize,
    pool: Arc<BufferPool>,
}

impl FileReader {
    fn new(opened: Opened, range: Range<u64>, context: Arc<HttpContext>) -> FileReader {
        context.active_bodies.fetch_add(1, Relaxed);
        FileReader { opened, range, context, pool: Arc::default(), reading: None }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut reading = self.reading.take().unwrap_or_else(|| {
            let next_chunk = self.next_chunk();
            tokio::task::spawn_blocking(|| next_chunk.read())
        });
        match Pin::new(&mut reading).poll(context) {
            Poll::Ready(read) => Poll::Ready(read.unwrap_or_else(|error| Err(error.into()))),
            Poll::Pending => {
                self.reading = Some(reading);
                Poll::Pending
            }
        }
    }

    fn next_chunk(&mut self) -> ChunkRead {
        let share = (MAX_TOTAL / self.context.active_bodies.load(Relaxed).max(1)).clamp(MIN_CHUNK, MAX_CHUNK);
        // A power of two, so that the buffer is not replaced whenever a transfer starts or ends.
        let share = 1 << share.ilog2();
        let count = usize::try_from(self.range.end - self.range.start).map_or(share, |remaining| remaining.min(share));
        let offset = self.range.start;
        self.range.start += count as u64;
        ChunkRead { opened: self.opened.clone(), offset, count, pool: self.pool.clone() }
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        self.context.active_bodies.fetch_sub(1, Relaxed);
    }
}

impl ChunkRead {
    fn read(self) -> io::Result<Bytes> {
        let mut buffer = mem::take(&mut *self.pool.lock().unwrap_or_else(PoisonError::into_inner));
        if buffer.len() < self.count || buffer.len() > 2 * self.count.max(MIN_CHUNK) {
            buffer = vec![0; self.count];
        }
        let filled = self.opened.read_at(&mut buffer[..self.count], self.offset)?;
        Ok(Bytes::from_owner(Chunk { buffer, filled, pool: self.pool }))
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = mem::take(&mut self.buffer);
    }
}
