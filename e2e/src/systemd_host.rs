//! A container that runs systemd, as an administrator's host does.
//!
//! The container shares this host's kernel and, through an overlay, the host's `/usr`. `/etc` and `/var` are as empty
//! as after an installation, so none of this host's services start in the container. `systemd-nspawn` boots the
//! container in a separate control group.

use crate::process::Process;
use crate::server;
use crate::token::random_hex;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use proxydhcpd_testbed::Host;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

const CGROUP_ROOT: &str = "/sys/fs/cgroup";
const GROUP_PREFIX: &str = "proxydhcpd-e2e-";
const TIMEOUT: Duration = Duration::from_secs(60);

/// Mounts control groups of version 2 only, even if this host has mounted others. Call it once in the sandbox.
pub fn mount_control_groups() {
    Host::current().run(&format!("mount --no-mtab -t cgroup2 cgroup2 {CGROUP_ROOT}"));
}

/// A running container. Dropping this value stops the container, and writes the container's journal to `journal.log` in
/// the case's directory.
#[derive(Debug)]
pub struct SystemdHost {
    /// The root directory of the container, as a path of this host.
    root: PathBuf,
    group: PathBuf,
    journal: PathBuf,
    /// The process ID of the container's systemd, in this host's PID namespace.
    leader: String,
    _nspawn: Process,
}

impl SystemdHost {
    /// Boots a container in the network of `host`. The checkout is at `/src` in the container, and the binary under
    /// test at `/binary`.
    pub fn boot(work: &WorkDir, host: &Host) -> Result<SystemdHost> {
        let root = root(work)?;
        let group = group()?;
        let mut nspawn = Process::command("sh");
        nspawn.args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec "$@""#]).arg(&group);
        nspawn.args(["systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--link-journal=no", "--directory"]);
        nspawn.arg(&root).arg(format!("--network-namespace-path={}", host.namespace_path().display()));
        // The systemd of 2025 refuses two machines with one name. The default name is that of the directory, which is
        // always `root`.
        nspawn.arg(format!("--machine={}", work.id));
        nspawn.arg(format!("--bind-ro={}/..:/src", env!("CARGO_MANIFEST_DIR")));
        nspawn.arg(format!("--bind-ro={}:/binary", server::binary()?.canonicalize()?.display()));
        let mut nspawn = Process::start(work, &Host::current(), "systemd", &mut nspawn)?;

        let mut leader = String::new();
        nspawn.wait_until("systemd in it", TIMEOUT, || {
            let members = fs::read_to_string(group.join("payload/init.scope/cgroup.procs")).unwrap_or_default();
            leader = members.lines().next().unwrap_or_default().to_owned();
            Ok(!leader.is_empty())
        })?;
        let mut systemd = SystemdHost { root, group, journal: work.file("journal.log"), leader, _nspawn: nspawn };
        systemd.wait_for("its start", |systemd| {
            let output = systemd.output(&["systemctl", "is-system-running"])?;
            // Services that this host has installed may fail to start in the container, because their files in /etc are
            // missing.
            Ok([&b"running"[..], b"degraded"].contains(&output.stdout.trim_ascii()))
        })?;
        work.log_progress("systemd is up");
        Ok(systemd)
    }

    /// Runs a command in the container, and returns its output. An exit status other than 0 is an error.
    pub fn run(&self, command: &[&str]) -> Result<String> {
        let output = self.output(command)?;
        let stdout = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}\n{stdout}\n{stderr}", command.join(" "), output.status);
        Ok(stdout)
    }

    /// Runs a command in the container, and returns its status and output.
    pub fn output(&self, command: &[&str]) -> Result<Output> {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &self.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]);
        inside.args(["--wdns=/", "env", "--ignore-environment", "PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8"]);
        Ok(inside.args(command).output()?)
    }

    /// Returns the path on this host of a file in the container.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name.trim_start_matches('/'))
    }

    /// Waits until `happened` returns true. It is an error after a timeout.
    pub fn wait_for(&mut self, what: &str, mut happened: impl FnMut(&SystemdHost) -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !happened(self)? {
            ensure!(start.elapsed() < TIMEOUT, "no {what} in {} s", TIMEOUT.as_secs());
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for SystemdHost {
    fn drop(&mut self) {
        if let Ok(output) = self.output(&["journalctl", "--no-pager", "--output=short-precise"]) {
            let _ = fs::write(&self.journal, output.stdout);
        }
        let _ = fs::write(self.group.join("cgroup.kill"), "1");
        let start = Instant::now();
        while is_populated(&self.group) && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(10));
        }
        remove(&self.group);
    }
}

/// Builds the root directory, and returns its path. Since release 12, Debian has a merged `/usr`: `/bin` and others are
/// links into `/usr`.
fn root(work: &WorkDir) -> Result<PathBuf> {
    let directory = work.socket("systemd");
    let [root, upper, work] = ["root", "upper", "work"].map(|name| directory.join(name));
    for directory in [&upper, &work] {
        fs::create_dir_all(directory)?;
    }
    for name in ["usr", "etc", "var", "proc", "sys", "dev", "run", "tmp", "root"] {
        fs::create_dir_all(root.join(name))?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name))?;
    }
    // Without these files, systemd prompts on the console.
    fs::write(root.join("etc/machine-id"), format!("{}\n", random_hex()?.repeat(4)))?;
    fs::write(root.join("etc/os-release"), "ID=e2e\n")?;
    let options = format!("lowerdir=/usr,upperdir={},workdir={}", upper.display(), work.display());
    let mut mount = Command::new("mount");
    mount.args(["--no-mtab", "-t", "overlay", "-o", &options, "overlay"]).arg(root.join("usr"));
    let output = mount.output()?;
    ensure!(output.status.success(), "an overlay of /usr: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(root)
}

/// Creates a control group, and returns its path. First removes the groups of killed runs, because groups outlive the
/// sandbox. Keeps a recent empty group, because another run may be about to use it.
fn group() -> Result<PathBuf> {
    for entry in fs::read_dir(CGROUP_ROOT)? {
        let entry = entry?;
        let is_test_group = entry.file_name().as_encoded_bytes().starts_with(GROUP_PREFIX.as_bytes());
        let is_old = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|created| created.elapsed().is_ok_and(|age| age > TIMEOUT));
        if is_test_group && is_old && !is_populated(&entry.path()) {
            remove(&entry.path());
        }
    }
    let group = Path::new(CGROUP_ROOT).join(format!("{GROUP_PREFIX}{}", random_hex()?));
    fs::create_dir(&group).with_context(|| group.display().to_string())?;
    Ok(group)
}

fn is_populated(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.events")).is_ok_and(|events| events.contains("populated 1"))
}

/// Removes a control group and the groups in it, innermost first. The files in a group are virtual, and need no
/// removal.
fn remove(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
