//! Programs that end with the test that starts them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};

/// A running program. Dropping it kills the program and its children. If the thread that started the program cannot
/// drop this value, because its process was killed, the kernel kills the program, but not its children.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Returns a command for [`Self::spawn`]. The process ID of the child is that of `program`.
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(PDEATHSIG).arg("--").arg(program);
        command
    }

    /// Starts a command that [`Self::command`] has returned, without standard input unless it was piped.
    pub fn spawn(command: &mut Command) -> Process {
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        Process(child)
    }

    /// Starts a program with its arguments, without input and output, but pipes its standard error.
    pub fn start(words: &str) -> Process {
        let mut words = words.split_whitespace();
        let mut command = Process::command(words.next().expect("a program"));
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Process::spawn(&mut command)
    }

    /// Returns the process ID of the program.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Returns the process IDs of the program and of all processes below it.
    pub fn tree(&self) -> Vec<u32> {
        [vec![self.id()], descendants(self.id())].concat()
    }

    /// Returns the other end of its standard input, once, if it was piped.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.0.stdin.take()
    }

    /// Returns the other end of its standard error, once, if it was piped.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.0.stderr.take()
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }

    /// Returns the status of a program that has ended, or `None` while it runs.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Waits until the program has ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let descendants = if matches!(self.0.try_wait(), Ok(None)) { descendants(self.0.id()) } else { Vec::new() };
        // These calls fail only if the process has already ended.
        let _ = self.0.kill();
        for process in descendants {
            let _ = kill(Pid::from_raw(process as i32), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

const PDEATHSIG: [&str; 2] = ["--pdeathsig", "KILL"];

/// Returns arguments with which setpriv(1) runs a program, named by the next argument, as an unprivileged user with
/// these capabilities.
pub fn unprivileged(capabilities: &str) -> Vec<String> {
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    let sets = ["bounding-set", "inh-caps", "ambient-caps"].map(|set| format!("--{set}={capabilities}"));
    // The kernel forgets the signal of `Process::command` when the user changes.
    [&user[..], &PDEATHSIG].concat().into_iter().map(String::from).chain(sets).chain(["--".to_owned()]).collect()
}

/// Returns the children of a process, of all its threads, and theirs.
fn descendants(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<u32> =
        lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect();
    children.into_iter().flat_map(|child| [descendants(child), vec![child]].concat()).collect()
}
