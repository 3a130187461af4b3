//! `-d`: into the background once sockets are open and the configuration is good, so that the caller's exit status
//! tells the truth.
//!
//! Threads do not survive a fork, and by then there are some. So the program starts itself a second time: the child
//! does everything from the beginning, in a session of its own, while the caller waits at a pipe. The pipe is the
//! child's standard input, which it has no other use for; that way no file descriptor is inherited by number.

use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// In the caller: starts the background process with the same arguments and waits until it serves or has failed. The
/// exit status to end with.
pub fn start_in_background(arguments: impl IntoIterator<Item = OsString>) -> io::Result<u8> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_else(|| "proxydhcpd".into());
    let (mut serves, told) = io::pipe()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg0(program).arg("--detached").args(arguments).stdin(told);
    let mut child = command.spawn()?;
    // Ours of the two ends for writing; without closing it, the child's end would never be the last.
    drop(command);
    if serves.read(&mut [0])? == 1 {
        return Ok(0);
    }
    let code = child.wait()?.code();
    // One that was told to end before it served has done as it was told, but it does not serve.
    Ok(code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1))
}

/// In the background process: who waits for it.
#[derive(Debug)]
pub struct Parent(File);

impl Parent {
    /// To be called first, before any thread or file. Errors still go to the caller's terminal.
    pub fn detach() -> io::Result<Self> {
        let caller = Self(File::from(io::stdin().as_fd().try_clone_to_owned()?));
        // Ours alone: a caller that has been ended must not take us along. Fails only for the leader of a group.
        setsid()?;
        // The Python daemon set 0, and every file of its was anyone's to write.
        umask(Mode::from_bits_truncate(0o022));
        dup2_stdin(null()?)?;
        Ok(caller)
    }

    /// Everything is open: the caller may end, and its terminal is let go. Fails if it has been ended in between, which
    /// was meant for us.
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
