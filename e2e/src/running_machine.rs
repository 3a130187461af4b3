//! A machine that is switched on, with its console and its keyboard.

use crate::process::Process;
use crate::terminal::read_text;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A running machine. Dropping it switches the machine off.
#[derive(Debug)]
pub struct RunningMachine {
    /// The process of QEMU.
    pub(crate) process: Process,
    /// The file with the output of the console.
    pub(crate) serial: PathBuf,
    /// The socket of QEMU's monitor.
    pub(crate) monitor: PathBuf,
}

impl RunningMachine {
    /// Waits until the console has shown `text`. It is an error if QEMU ends first, or after the timeout.
    pub fn wait_for(&mut self, text: &str, timeout: Duration) -> Result<()> {
        self.process.wait_for_text_in(&self.serial, text, timeout)
    }

    /// Waits until the console has shown `text` this many times.
    pub fn wait_for_times(&mut self, text: &str, times: usize, timeout: Duration) -> Result<()> {
        let serial = self.serial.clone();
        let what = format!("{text:?} {times} times on the console");
        self.process.wait_until(&what, timeout, || Ok(read_text(&serial)?.matches(text).count() >= times))
    }

    /// Waits until `happened` returns true. Use it for events that the console does not show.
    pub fn wait_until(&mut self, what: &str, timeout: Duration, happened: impl FnMut() -> Result<bool>) -> Result<()> {
        self.process.wait_until(what, timeout, happened)
    }

    /// Presses a key. `key` is QEMU's name for it, such as `ret`, `esc`, `down` or `a`.
    pub fn press(&self, key: &str) -> Result<()> {
        self.monitor_command(&format!("sendkey {key}"))
    }

    /// Saves the screen as a PNG file.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        self.monitor_command(&format!("screendump {} -f png", file.display()))
    }

    /// Sends a command to QEMU's monitor, and waits until the command is complete.
    fn monitor_command(&self, command: &str) -> Result<()> {
        let mut monitor = UnixStream::connect(&self.monitor).context("QEMU's monitor")?;
        monitor.set_read_timeout(Some(Duration::from_secs(10)))?;
        until_prompt(&mut monitor)?;
        monitor.write_all(format!("{command}\n").as_bytes())?;
        let answer = until_prompt(&mut monitor)?;
        if answer.contains("Error") || answer.contains("unknown") {
            bail!("QEMU's monitor: {answer}");
        }
        Ok(())
    }
}

fn until_prompt(monitor: &mut UnixStream) -> Result<String> {
    let mut output = Vec::new();
    let mut byte = [0];
    while !output.ends_with(b"(qemu) ") {
        monitor.read_exact(&mut byte).context("QEMU's monitor sends nothing")?;
        output.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}
