//! The body of a response: a text, a part of a file, or a stream.
//!
//! The socket sends a part of a large file itself ([`super::file_sender`]). If the part is small, or the file belongs
//! to another host, threads that may block read one chunk at a time, and each chunk only when the previous one is being
//! sent. So a slow client occupies the memory of one chunk, and no client waits for the disk that another client reads.

use super::chunk::{Chunk, FilePart, SentOctets};
use super::connection::{Connection, Remaining};
use super::context::HttpContext;
use super::file_sender::FileSender;
use super::handler::Payload;
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
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Target size of the chunks of all transfers together, and the bounds of one chunk, in octets. With smaller chunks,
/// the system calls cost more than copying the octets. Larger chunks leave the processor's cache before they are sent.
const MAX_TOTAL: usize = 64 << 20;
const MIN_CHUNK: usize = 32 << 10;
const MAX_CHUNK: usize = 512 << 10;

/// The body of a response, and how much of it is left.
pub struct Body {
    connection: Arc<Connection>,
    remaining: Remaining,
    is_whole_file: bool,
    source: BodySource,
}

enum BodySource {
    /// A text; `None` if it was taken.
    Text(Option<Bytes>),
    Read(FileReader),
    /// A file that the socket sends; the sender is `None` if the connection has it.
    Sent(Option<FileSender>, SentOctets),
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

impl Body {
    /// A body with this payload. Reads a small file at once, on the calling thread: all scripts and some loaders are no
    /// longer than one chunk.
    pub fn new(payload: Payload, connection: &Arc<Connection>) -> Body {
        let connection = connection.clone();
        match payload {
            Payload::Text(text) => Body::text(text, false, connection),
            Payload::Range(opened, range) => {
                let length = range.end - range.start;
                let is_whole_file = length == opened.size();
                match opened.in_memory() {
                    Some(octets) => {
                        // Octets in memory have a size that fits into `usize`.
                        let part = octets.slice(range.start as usize..range.end as usize);
                        Body::text(part, is_whole_file, connection)
                    }
                    None => {
                        let remaining = Remaining::Octets(length);
                        let source = BodySource::file(opened, range, &connection);
                        Body { connection, remaining, is_whole_file, source }
                    }
                }
            }
            Payload::Stream(chunks) => {
                let source = BodySource::Stream(chunks);
                Body { connection, remaining: Remaining::Stream, is_whole_file: false, source }
            }
        }
    }

    fn text(text: Bytes, is_whole_file: bool, connection: Arc<Connection>) -> Body {
        let remaining = Remaining::Octets(text.len() as u64);
        Body { connection, remaining, is_whole_file, source: BodySource::Text(Some(text)) }
    }

    /// The next part of a file that the socket sends, if the body is one.
    fn next_part(&mut self) -> Option<FilePart> {
        let (BodySource::Sent(file, sent), Remaining::Octets(remaining)) = (&mut self.source, self.remaining) else {
            return None;
        };
        if let Some(file) = file.take() {
            self.connection.send_file(file);
        }
        self.remaining = self.remaining.after(remaining.min(FilePart::MAX));
        Some(FilePart::new(remaining, sent.clone()))
    }

    /// The part that remains to be sent.
    pub fn remaining(&self) -> Remaining {
        self.remaining
    }

    /// Whether the body is a whole file, and not a part of a file or a text of the server.
    pub fn is_whole_file(&self) -> bool {
        self.is_whole_file
    }
}

impl hyper::body::Body for Body {
    type Data = Chunk;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Chunk>>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        if let Some(part) = self.next_part() {
            return Poll::Ready(Some(Ok(Frame::data(Chunk::File(part)))));
        }
        let Some(chunk) = ready!(self.source.poll_next(context)) else {
            self.remaining = Remaining::NOTHING;
            self.connection.record_sent(0, self.remaining);
            return Poll::Ready(None);
        };
        // The `Content-Length` that was sent to the client is now wrong, or the stream is incomplete. Only closing the
        // connection shows the client that.
        let chunk = chunk.inspect_err(|error| self.connection.report_failure(error))?;
        let count = chunk.len() as u64;
        self.remaining = self.remaining.after(count);
        self.connection.record_sent(count, self.remaining);
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Remaining::NOTHING
    }

    fn size_hint(&self) -> SizeHint {
        match self.remaining {
            Remaining::Octets(octets) => SizeHint::with_exact(octets),
            Remaining::Stream => SizeHint::default(),
        }
    }
}

impl BodySource {
    fn file(opened: Opened, range: Range<u64>, connection: &Connection) -> BodySource {
        let is_small = range.end - range.start <= MAX_CHUNK as u64;
        match opened.sendable().filter(|_| !is_small) {
            Some(file) => {
                let sent = SentOctets::default();
                BodySource::Sent(Some(FileSender::new(file.clone(), range, sent.clone())), sent)
            }
            None => BodySource::Read(FileReader::new(opened, range, connection.context.clone())),
        }
    }

    /// The next chunk, or `None` at the end.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            BodySource::Text(text) => Poll::Ready(text.take().map(Ok)),
            BodySource::Read(reader) => reader.poll_next(context).map(Some),
            BodySource::Sent(..) => Poll::Ready(None),
            BodySource::Stream(chunks) => chunks.poll_recv(context),
        }
    }
}

/// Reads a file in chunks.
struct FileReader {
    opened: Opened,
    /// The octets that have not been read yet.
    range: Range<u64>,
    context: Arc<HttpContext>,
    pool: Arc<BufferPool>,
    /// The first chunk, until it is taken.
    first: Option<io::Result<Bytes>>,
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

/// Octets that were read. Their buffer returns to the pool when hyper has sent them.
struct PooledOctets {
    buffer: Vec<u8>,
    filled: usize,
    pool: Arc<BufferPool>,
}

impl FileReader {
    fn new(opened: Opened, range: Range<u64>, context: Arc<HttpContext>) -> FileReader {
        context.active_bodies.fetch_add(1, Relaxed);
        let mut reader = FileReader { opened, range, context, pool: Arc::default(), first: None, reading: None };
        reader.first = Some(reader.next_chunk().read());
        reader
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(first);
        }
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
        Ok(Bytes::from_owner(PooledOctets { buffer, filled, pool: self.pool }))
    }
}

impl AsRef<[u8]> for PooledOctets {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for PooledOctets {
    fn drop(&mut self) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = mem::take(&mut self.buffer);
    }
}
