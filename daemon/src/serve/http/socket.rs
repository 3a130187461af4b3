//! The socket of a connection. It sends files without copying them: see [`super::chunk`].

use super::chunk::is_placeholder;
use super::connection::{Connection, Remaining};
use super::file_sender::FileSender;
use hyper_util::rt::TokioIo;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// Number of octets of a file after which other connections have their turn.
const MAX_BURST: usize = 2 << 20;

/// The socket of a connection. It notifies the connection of writes and flushes, and when it is dropped.
pub struct ConnectionSocket {
    stream: TokioIo<TcpStream>,
    connection: Arc<Connection>,
    /// Sends the file of the current response, if it has one.
    file: Option<FileSender>,
    /// Octets of the file that were sent in this turn.
    burst: usize,
}

impl ConnectionSocket {
    /// The socket of this connection.
    pub fn new(stream: TcpStream, connection: Arc<Connection>) -> ConnectionSocket {
        ConnectionSocket { stream: TokioIo::new(stream), connection, file: None, burst: 0 }
    }

    /// Sends at most `max` octets of the file of the response.
    fn poll_send_file(&mut self, context: &mut Context<'_>, max: usize) -> Poll<io::Result<usize>> {
        if self.burst >= MAX_BURST {
            self.burst = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut file = self.file.take().or_else(|| self.connection.take_file()).ok_or(io::ErrorKind::InvalidData)?;
        let Poll::Ready(sent) = file.poll_send(self.stream.inner(), max, context) else {
            self.file = Some(file);
            self.burst = 0;
            return Poll::Pending;
        };
        let count = sent.inspect_err(|error| {
            if !is_disconnect(error) {
                self.connection.report_failure(error);
            }
        })?;
        self.burst += count;
        self.connection.record_sent(count as u64, Remaining::Octets(file.remaining()));
        self.file = (file.remaining() > 0).then_some(file);
        Poll::Ready(Ok(count))
    }
}

/// Whether the client caused an error of the socket, and not the file.
fn is_disconnect(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, HostUnreachable, NetworkUnreachable};
    use io::ErrorKind::{NetworkDown, NotConnected, TimedOut};
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
            | TimedOut
    )
}

impl Drop for ConnectionSocket {
    fn drop(&mut self) {
        self.connection.disconnected();
    }
}

impl hyper::rt::Read for ConnectionSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for ConnectionSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let before_file = slices.iter().position(|slice| is_placeholder(slice)).unwrap_or(slices.len());
        let count = match (before_file, slices) {
            (0, [file, ..]) => ready!(self.poll_send_file(context, file.len()))?,
            _ => ready!(Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..before_file]))?,
        };
        if count > 0 {
            self.connection.activity.progress();
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
