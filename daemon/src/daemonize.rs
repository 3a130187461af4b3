//! Implements option `-d`: moves the server into the background once its sockets are open and the configuration is
//! valid. So the exit status of the parent process shows whether the server started.
//!
//! Threads do not survive a fork, and some exist by then. Therefore the program starts itself a second time: the child
//! process starts from the beginning, in a new session, while the parent process waits at a pipe. The pipe is the
//! child's standard input, which has no other use, so the child inherits no file descriptor by number.

use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Called in the parent process. Starts the background process with the same arguments, and waits until it serves or
/// has failed. Returns the exit status for the parent process.
pub fn start_in_background(arguments: impl IntoIterator<Item = OsString>) -> io::Result<u8> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_else(|| "proxydhcpd".into());
    let (mut ready, writer) = io::pipe()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(program).arg("--detached").args(arguments).stdin(writer);
    let mut child = command.spawn()?;
    // Closes the parent's copy of the writer, so that the read ends if the child exits.
    drop(command);
    if ready.read(&mut [0])? == 1 {
        return Ok(0);
    }
    let code = child.wait()?.code();
    // A child that was terminated before it served may exit with 0, but it does not serve.
    Ok(code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1))
}

/// The background process's connection to the parent process, which waits for it.
#[derive(Debug)]
pub struct Parent(File);

impl Parent {
    /// Detaches this process from the parent's session. Call it before the process starts a thread or opens a file.
    /// Errors still appear on the parent's terminal.
    pub fn detach() -> io::Result<Self> {
        let parent = Self(File::from(io::stdin().as_fd().try_clone_to_owned()?));
        // In a new session, a signal to the parent process does not end this process. The call fails only for the
        // leader of a process group.
        setsid()?;
        // The Python daemon set the mask to 0, so that all users could write its files.
        umask(Mode::from_bits_truncate(0o022));
        dup2_stdin(null()?)?;
        Ok(parent)
    }

    /// Lets the parent process exit, and closes the terminal. Call it once all sockets are open. Fails if a signal has
    /// terminated the parent process meanwhile, because the signal was meant to stop the server.
    pub fn release(mut self) -> io::Result<()> {
        chdir("/")?;
        let null = null()?;
        self.0.write_all(b"1")?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        Ok(())
    }
}

fn null() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}
