//! Temporary network namespaces, in which `doctor` tries what it must not try on the host.

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::thread;

/// A network namespace without a name. The kernel removes it, with its interfaces, when this value and the last socket
/// in it are gone.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// Creates a namespace with only a loopback interface, which is down.
    ///
    /// # Errors
    /// The process lacks CAP_SYS_ADMIN, or runs where namespaces are forbidden.
    pub fn new() -> io::Result<Namespace> {
        // A namespace belongs to a thread, so that the threads of the caller keep theirs.
        on_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net").map(Namespace)
        })
    }

    /// Runs `work` in this namespace: its sockets and its processes belong to the namespace.
    ///
    /// # Errors
    /// Those of `work`, or the kernel refuses the namespace.
    pub fn on<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_thread(|| {
            setns(&self.0, CloneFlags::CLONE_NEWNET)?;
            work()
        })
    }

    /// A path by which another process enters the namespace while this value exists.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()))
    }
}

fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
}
