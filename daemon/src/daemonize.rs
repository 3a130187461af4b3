//! Option `-d`: moves the server into the background once its sockets are open and the configuration is valid, so that
//! the exit status of the parent process is correct.
//!
//! Threads do not survive a fork, and some exist by then. So the program starts itself a second time: the child starts
//! from the beginning, in a new session, while the parent waits at a pipe. The pipe is the child's standard input,
//! which has no other use; no file descriptor is inherited by number.

use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// In the parent: starts the background process with the same arguments, and waits until it serves or has failed.
/// Returns the exit status for the parent.
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

/// In the background process: the parent, which waits.
#[derive(Debug)]
pub struct Parent(File);

impl Parent {
    /// Detaches from the parent's session; to be called before any thread or file exists. Errors still go to the
    /// parent's terminal.
    pub fn detach() -> io::Result<Self> {
        let parent = Self(File::from(io::stdin().as_fd().try_clone_to_owned()?));
        // A new session, so that a signal to the parent does not end this process. Fails only for a group's leader.
        setsid()?;
        // The Python daemon set 0, so that its files were writable by all users.
        umask(Mode::from_bits_truncate(0o022));
        dup2_stdin(null()?)?;
        Ok(parent)
    }

    /// Lets the parent exit, once everything is open, and closes the terminal. Fails if the parent was terminated
    /// meanwhile: the signal was meant to stop the server.
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
