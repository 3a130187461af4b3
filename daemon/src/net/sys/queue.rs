//! The send queue of a TCP socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The number of octets of a TCP connection that the client has not acknowledged (`SIOCOUTQ`).
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut octets: libc::c_int = 0;
    // SAFETY: the request writes an int, and the pointer is that of one.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) };
    if done == 0 { Ok(octets as u64) } else { Err(io::Error::last_os_error()) }
}
