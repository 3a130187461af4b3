//! Programs on hosts, each with a file that has its output.

use crate::terminal::read_text;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use proxydhcpd_testbed::{self as testbed, Host};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running program. Dropping it kills the program and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    process: testbed::Process,
    log: PathBuf,
}

impl Process {
    /// Returns a command for [`Self::start`].
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        testbed::Process::command(program)
    }

    /// Starts a command of [`Self::command`] on a host. The program appends its output to `NAME.log` in the case's
    /// directory.
    pub fn start(work: &WorkDir, host: &Host, name: &str, command: &mut Command) -> Result<Process> {
        let log = work.file(&format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Ok(Process { name: name.to_owned(), process: host.on(|| testbed::Process::spawn(command)), log })
    }

    /// Waits until the output of the program contains `text`.
    pub fn wait_for(&mut self, text: &str, timeout: Duration) -> Result<()> {
        let log = self.log.clone();
        self.wait_for_text_in(&log, text, timeout)
    }

    /// Waits until `file` contains `text`. It is an error if the program ends first, or after the timeout.
    pub fn wait_for_text_in(&mut self, file: &Path, text: &str, timeout: Duration) -> Result<()> {
        self.wait_until(&format!("{text:?} in {}", file.display()), timeout, || Ok(read_text(file)?.contains(text)))
    }

    /// Waits until `happened` returns true. It is an error if the program ends first, or after the timeout.
    pub fn wait_until(
        &mut self,
        what: &str,
        timeout: Duration,
        mut happened: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            let ended = self.process.status();
            if happened()? {
                return Ok(());
            }
            if let Some(status) = ended {
                bail!("{} ended ({status}) while waiting for {what}", self.name);
            }
            if start.elapsed() > timeout {
                bail!("{}: no {what} in {} s", self.name, timeout.as_secs());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Returns the process IDs of the program and of all processes below it.
    pub fn tree(&self) -> Vec<u32> {
        self.process.tree()
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.status().is_none()
    }

    /// Waits until the program has ended with exit status 0. Any other status is an error.
    pub fn wait_for_success(&mut self, timeout: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.status() {
                ensure!(status.success(), "{} ended: {status}", self.name);
                return Ok(());
            }
            ensure!(start.elapsed() < timeout, "{} has not ended in {} s", self.name, timeout.as_secs());
            thread::sleep(Duration::from_millis(50));
        }
    }
}
