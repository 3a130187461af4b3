//! A file that whoever opens it has to wait for, as on storage that does not answer: somebody has a lease on it, as
//! Samba takes one (fcntl(2), F_SETLEASE), and keeps it. The kernel takes it away after 45 seconds.

use super::wait_for;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct FileLease {
    holder: Child,
    told: PathBuf,
}

const HOLDER: &str = "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, lambda *_: os.write(1, b'asked\\n'))
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.write(1, b'held\\n')
sys.stdin.read()
";

impl FileLease {
    /// `told`: a file for what its holder says.
    pub fn take(file: &Path, told: PathBuf) -> FileLease {
        let mut python = Command::new("setpriv");
        python.args(["--pdeathsig", "KILL", "--", "python3", "-c", HOLDER]).arg(file).stdin(Stdio::piped());
        let holder = python.stdout(File::create(&told).unwrap()).spawn().unwrap();
        let lease = FileLease { holder, told };
        lease.wait_for("held");
        lease
    }

    /// Until somebody wants to open the file, and waits.
    pub fn wait_until_opened(&self) {
        self.wait_for("asked");
    }

    /// Lets him.
    pub fn release(mut self) {
        drop(self.holder.stdin.take());
        self.holder.wait().unwrap();
    }

    fn wait_for(&self, what: &str) {
        wait_for(&format!("the lease to be {what}"), || {
            fs::read_to_string(&self.told).unwrap().contains(what).then_some(())
        });
    }
}

impl Drop for FileLease {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
