//! A file whose opening blocks, as on storage that does not respond. Another process has a lease on the file, as Samba
//! does (fcntl(2), F_SETLEASE), and does not release it. The kernel breaks the lease after 45 seconds.

use proxydhcpd_testbed::{Process, wait_for};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A lease on a file. A child process holds it.
pub struct FileLease {
    owner: Process,
    log: PathBuf,
}

const OWNER: &str = "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, lambda *_: os.write(1, b'broken\\n'))
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.write(1, b'taken\\n')
sys.stdin.read()
";

impl FileLease {
    /// Takes a lease on `file`. The output of the child process goes to `log`.
    pub fn take(file: &Path, log: PathBuf) -> FileLease {
        let mut python = Process::command("python3");
        python.args(["-c", OWNER]).arg(file).stdin(Stdio::piped()).stdout(File::create(&log).unwrap());
        let lease = FileLease { owner: Process::spawn(&mut python), log };
        lease.wait_for("taken");
        lease
    }

    /// Waits until another process opens the file, and blocks.
    pub fn wait_until_opened(&self) {
        self.wait_for("broken");
    }

    /// Releases the lease.
    pub fn release(mut self) {
        drop(self.owner.take_stdin());
        self.owner.wait();
    }

    fn wait_for(&self, state: &str) {
        wait_for(&format!("the lease to be {state}"), || {
            fs::read_to_string(&self.log).unwrap().contains(state).then_some(())
        });
    }
}
