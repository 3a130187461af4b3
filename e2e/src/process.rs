//! Programs in network namespaces. A file has the output of a program, and the program ends when its value is dropped.

use crate::log_text::read_text;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

/// A running program. Dropping it kills the program and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in the namespace. The program appends its output to `NAME.log` in the case's directory.
    pub fn start(work: &WorkDir, namespace: &str, name: &str, command: &Command) -> Result<Process> {
        let program = command.get_program();
        ensure!(is_installed(program), "{} is not installed: run e2e/setup", program.display());
        // `ip` executes the program in the same process, so the PID of the child is the PID of the program.
        let mut entered = Command::new("ip");
        entered.args(["netns", "exec", namespace]).arg(program).args(command.get_args());
        entered.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        Process::start_without_namespace(work, name, entered)
    }

    /// Starts `command` in the current namespace.
    pub fn start_without_namespace(work: &WorkDir, name: &str, mut command: Command) -> Result<Process> {
        let log = work.file(&format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Process { name: name.to_owned(), child, log })
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
            let ended = self.child.try_wait()?;
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

    /// Sends a signal to the program. `name` is the name that the shell uses, such as `HUP`.
    pub fn signal(&self, name: &str) -> Result<()> {
        // A minimal Debian has no kill except the one that is built into the shell.
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status()?;
        ensure!(status.success(), "kill -{name} of {}: {status}", self.name);
        Ok(())
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until the program has ended with exit status 0. Any other status is an error.
    pub fn wait_for_success(&mut self, timeout: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{} ended: {status}", self.name);
                return Ok(());
            }
            ensure!(start.elapsed() < timeout, "{} has not ended in {} s", self.name, timeout.as_secs());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both calls fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_installed(program: &OsStr) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // If the program is an absolute path, `join` returns that path.
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
