//! A host that systemd runs, as an administrator's would be.
//!
//! It shares this machine's kernel and, below an overlay, its `/usr`; `/etc` and `/var` are as empty as on the first
//! day, so nothing of what this machine runs is started there. `systemd-nspawn` boots it in a control group of its own.

use crate::work_dir::WorkDir;
use crate::net::Host;
use crate::process::Process;
use crate::server;
use crate::token::random_hex;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

const GROUPS: &str = "/sys/fs/cgroup";
const PREFIX: &str = "proxydhcpd-e2e-";
const PATIENCE: Duration = Duration::from_secs(60);

/// Switched off when dropped; its journal is then in `journal.log` of the case's directory.
#[derive(Debug)]
pub struct SystemdHost {
    /// Its root, as seen from outside.
    root: PathBuf,
    group: PathBuf,
    journal: PathBuf,
    /// Its systemd, by our own count of processes.
    leader: String,
    _nspawn: Process,
}

impl SystemdHost {
    /// Boots it in the host's network. The checkout is its `/src`, the binary under test its `/binary`.
    pub fn boot(lab: &WorkDir, host: &Host) -> Result<SystemdHost> {
        let root = root(lab)?;
        let group = group()?;
        let mut nspawn = Command::new("sh");
        nspawn.args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec "$@""#]).arg(&group);
        nspawn.args(["systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--link-journal=no", "--directory"]);
        nspawn.arg(&root).arg(format!("--network-namespace-path=/run/netns/{}", host.namespace));
        // systemd of 2025 runs no two machines of one name, and the directory's would be `root` for all.
        nspawn.arg(format!("--machine={}", host.namespace));
        nspawn.arg(format!("--bind-ro={}/..:/src", env!("CARGO_MANIFEST_DIR")));
        nspawn.arg(format!("--bind-ro={}:/binary", server::binary()?.canonicalize()?.display()));
        let mut nspawn = Process::start_without_namespace(lab, "systemd", nspawn)?;

        let mut leader = String::new();
        nspawn.wait_until("systemd in it", PATIENCE, || {
            let members = fs::read_to_string(group.join("payload/init.scope/cgroup.procs")).unwrap_or_default();
            leader = members.lines().next().unwrap_or_default().to_owned();
            Ok(!leader.is_empty())
        })?;
        let mut house = SystemdHost { root, group, journal: lab.file("journal.log"), leader, _nspawn: nspawn };
        house.wait_for("its start", |house| {
            let said = house.output(&["systemctl", "is-system-running"])?;
            // What this machine has installed may be unable to start without its files in /etc.
            Ok([&b"running"[..], b"degraded"].contains(&said.stdout.trim_ascii()))
        })?;
        lab.log_progress("systemd is up");
        Ok(house)
    }

    /// What a command says in there; one that fails is an error.
    pub fn run(&self, command: &[&str]) -> Result<String> {
        let output = self.output(command)?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}\n{said}\n{complained}", command.join(" "), output.status);
        Ok(said)
    }

    pub fn output(&self, command: &[&str]) -> Result<Output> {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &self.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]);
        inside.args(["--wdns=/", "env", "--ignore-environment", "PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8"]);
        Ok(inside.args(command).output()?)
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name.trim_start_matches('/'))
    }

    pub fn wait_for(&mut self, what: &str, mut happened: impl FnMut(&SystemdHost) -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !happened(self)? {
            ensure!(start.elapsed() < PATIENCE, "no {what} in {} s", PATIENCE.as_secs());
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for SystemdHost {
    fn drop(&mut self) {
        if let Ok(said) = self.output(&["journalctl", "--no-pager", "--output=short-precise"]) {
            let _ = fs::write(&self.journal, said.stdout);
        }
        let _ = fs::write(self.group.join("cgroup.kill"), "1");
        let start = Instant::now();
        while is_populated(&self.group) && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(10));
        }
        remove(&self.group);
    }
}

/// Debian has merged `/usr` since its release 12: the rest are links into it.
fn root(lab: &WorkDir) -> Result<PathBuf> {
    let house = lab.socket("house");
    let [root, upper, work] = ["root", "upper", "work"].map(|name| house.join(name));
    for directory in [&upper, &work] {
        fs::create_dir_all(directory)?;
    }
    for name in ["usr", "etc", "var", "proc", "sys", "dev", "run", "tmp", "root"] {
        fs::create_dir_all(root.join(name))?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name))?;
    }
    // Without these systemd asks questions on the console.
    fs::write(root.join("etc/machine-id"), format!("{}\n", random_hex()?.repeat(4)))?;
    fs::write(root.join("etc/os-release"), "ID=lab\n")?;
    let options = format!("lowerdir=/usr,upperdir={},workdir={}", upper.display(), work.display());
    let mut mount = Command::new("mount");
    mount.args(["--no-mtab", "-t", "overlay", "-o", &options, "overlay"]).arg(root.join("usr"));
    let output = mount.output()?;
    ensure!(output.status.success(), "an overlay of /usr: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(root)
}

/// A new control group. What a run has left that was killed in the middle goes first: groups outlive our room. One that
/// another run is about to fill is young.
fn group() -> Result<PathBuf> {
    for entry in fs::read_dir(GROUPS)? {
        let entry = entry?;
        let ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        let old = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|made| made.elapsed().is_ok_and(|age| age > PATIENCE));
        if ours && old && !is_populated(&entry.path()) {
            remove(&entry.path());
        }
    }
    let group = Path::new(GROUPS).join(format!("{PREFIX}{}", random_hex()?));
    fs::create_dir(&group).with_context(|| group.display().to_string())?;
    Ok(group)
}

fn is_populated(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.events")).is_ok_and(|events| events.contains("populated 1"))
}

/// Groups are removed one by one, the innermost first; the files in them are no files.
fn remove(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
