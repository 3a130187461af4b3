//! A machine that is switched on: what its console shows, and its keyboard.

use crate::process::Process;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Switched off when dropped.
#[derive(Debug)]
pub struct RunningMachine {
    pub(crate) process: Process,
    pub(crate) serial: PathBuf,
    /// QEMU's monitor.
    pub(crate) monitor: PathBuf,
}

impl RunningMachine {
    /// Waits until the console has shown `text`.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Result<()> {
        self.process.wait_for_text_in(&self.serial, text, patience)
    }

    /// Waits until something has happened that shows elsewhere.
    pub fn wait_until(&mut self, what: &str, patience: Duration, happened: impl FnMut() -> Result<bool>) -> Result<()> {
        self.process.wait_until(what, patience, happened)
    }

    /// Presses a key, in QEMU's names: `ret`, `esc`, `down`, `a`.
    pub fn press(&self, key: &str) -> Result<()> {
        self.tell(&format!("sendkey {key}"))
    }

    /// Saves what the graphics card shows as a PNG.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        self.tell(&format!("screendump {} -f png", file.display()))
    }

    /// Gives QEMU's monitor a command and waits until it has been carried out.
    fn tell(&self, command: &str) -> Result<()> {
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
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(b"(qemu) ") {
        monitor.read_exact(&mut byte).context("QEMU's monitor says nothing")?;
        said.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}
