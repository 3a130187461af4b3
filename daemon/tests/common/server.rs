//! The server's binary on a test host, and a machine that sends requests.

use super::loaders::boot_dir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proxydhcpd_testbed::{Host, Process, unprivileged, wait_for};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_proxydhcpd");

/// A shell script that runs its first argument without the loaders that are installed on this host.
pub const HIDE_INSTALLED_LOADERS: &str = "\
    for d in /usr/lib/ipxe /usr/share/ipxe; do [ ! -d $d ] || mount -t tmpfs none $d; done; exec \"$0\" \"$@\"";

/// Returns arguments of setpriv that run the server as an unprivileged user with these capabilities.
pub fn unprivileged_with(capabilities: &str) -> Vec<String> {
    [unprivileged(capabilities), vec![PROGRAM.to_owned()]].concat()
}

/// Creates a host at 192.0.2.10, and a machine at 192.0.2.107.
pub fn one_network() -> (Host, Host) {
    let (host, machine) = (Host::new(), Host::new());
    host.cable("eth0", &machine, "eth0");
    host.run("ip address add 192.0.2.10/24 dev eth0");
    machine.run("ip address add 192.0.2.107/24 dev eth0");
    (host, machine)
}

/// Requests a loader on port 4011 as an x64 UEFI machine at 192.0.2.107. Returns the loader's name, or `None` without a
/// reply.
pub fn request_loader(machine: &Host) -> Option<String> {
    request_loader_for(machine, None)
}

/// Requests a loader as [`request_loader`] does, but with this architecture if there is one.
pub fn request_loader_for(machine: &Host, arch: Option<u8>) -> Option<String> {
    let mut request = vector("ovmf-x64-request-4011");
    if let Some(arch) = arch {
        let option = request.windows(4).position(|window| window[..3] == [93, 2, 0]).unwrap();
        request[option + 3] = arch;
    }
    send_loader_request(machine, &request)
}

/// Requests a loader as [`request_loader`] does, but with this MAC address.
pub fn request_loader_as(machine: &Host, mac: [u8; 6]) -> Option<String> {
    let mut request = vector("ovmf-x64-request-4011");
    request[28..34].copy_from_slice(&mac);
    send_loader_request(machine, &request)
}

fn send_loader_request(machine: &Host, request: &[u8]) -> Option<String> {
    // A previous socket may remain open for a moment in a process that another test is starting.
    let bind = || UdpSocket::bind("192.0.2.107:4011").ok();
    let socket = machine.on(|| wait_for("the machine's port 4011", bind));
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket.send_to(request, "192.0.2.10:4011").unwrap();
    let mut reply = [0; 1500];
    // An ICMP error counts as no reply.
    socket.recv(&mut reply).ok()?;
    let file = reply[108..236].split(|&octet| octet == 0).next().unwrap();
    Some(String::from_utf8(file.to_vec()).unwrap())
}

/// Returns the packet of a vector, which real firmware sent.
pub fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/../core/testdata/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let vector: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    hex::decode(vector["hex"].as_str().unwrap()).unwrap()
}

/// Creates a state directory that every user may write, so that the server does not use that of an installed server.
pub fn state_dir() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    directory
}

/// The program of the suites that also measure: the one that PROXYDHCPD names, or that of the tests.
pub fn measured_program() -> String {
    std::env::var("PROXYDHCPD").unwrap_or_else(|_| PROGRAM.to_owned())
}

/// A server that ends with the test. The test replaces the argument `BOOT` by a boot directory with loaders, and
/// `CONFIG` by a configuration with that boot directory.
pub struct Server {
    process: Process,
    state: TempDir,
    pub boot: TempDir,
    pub directory: TempDir,
}

impl Server {
    pub fn start(host: &Host, arguments: &[&str]) -> Server {
        Server::start_program(PROGRAM, host, arguments)
    }

    pub fn start_program(program: &str, host: &Host, arguments: &[&str]) -> Server {
        let (boot, directory) = (boot_dir(), tempfile::tempdir().unwrap());
        fs::write(directory.path().join("proxydhcpd.toml"), format!("boot-dir = {:?}\n", boot.path())).unwrap();
        Server::in_directories(boot, directory, program, host, arguments)
    }

    /// Starts the server with these lines in its configuration. `directory` contains the configuration and the state
    /// directory. The server logs every file that it sends.
    pub fn start_configured(host: &Host, directory: TempDir, lines: &str) -> Server {
        Server::start_configured_program(PROGRAM, host, directory, lines, &["-v"])
    }

    /// Starts a program with these lines in its configuration, and these flags.
    pub fn start_configured_program(
        program: &str,
        host: &Host,
        directory: TempDir,
        lines: &str,
        flags: &[&str],
    ) -> Server {
        let boot = boot_dir();
        let text = format!("boot-dir = {:?}\nstate-dir = {:?}\n{lines}", boot.path(), directory.path().join("state"));
        fs::write(directory.path().join("proxydhcpd.toml"), text).unwrap();
        Server::in_directories(boot, directory, program, host, &[flags, &["-c", "CONFIG"]].concat())
    }

    /// Kills the server, as a power cut would, and starts it again with the same configuration and an empty log.
    pub fn kill_and_restart(mut self, host: &Host) -> Server {
        self.restart_killed(PROGRAM, host);
        self
    }

    /// Does the same as [`Self::kill_and_restart`] with this program, to a server that others hold.
    pub fn restart_killed(&mut self, program: &str, host: &Host) {
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGKILL);
        self.process.wait();
        self.state = state_dir();
        let arguments = ["-v", "-c", "CONFIG"];
        self.process = spawn(&self.boot, &self.directory, &self.state, program, host, &arguments);
    }

    /// Kills the server, and starts it again through this command.
    pub fn kill_and_restart_by(self, command: &[&str], host: &Host) -> Server {
        let Server { process, boot, directory, .. } = self;
        drop(process);
        let (program, first) = command.split_first().unwrap();
        let arguments = [first, &["-v", "-c", "CONFIG"]].concat();
        Server::in_directories(boot, directory, program, host, &arguments)
    }

    /// Returns the process ID of the server.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns a command that asks this server, with these arguments. It replaces `CONFIG` as the server does.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let config = self.directory.path().join("proxydhcpd.toml");
        let expand = |argument: &&str| if *argument == "CONFIG" { config.clone() } else { PathBuf::from(argument) };
        command.args(arguments.iter().map(expand)).env("RUNTIME_DIRECTORY", self.state.path());
        command
    }

    /// Returns the path of the control socket, unless the configuration names another.
    pub fn control_socket(&self) -> PathBuf {
        self.state.path().join("control.sock")
    }

    /// Replaces lines in the configuration. If `from` is empty, appends `to`.
    pub fn edit_config(&self, from: &str, to: &str) {
        let file = self.directory.path().join("proxydhcpd.toml");
        let text = fs::read_to_string(&file).unwrap();
        let text = if from.is_empty() { text + to } else { text.replace(from, to) };
        fs::write(&file, text).unwrap();
    }

    fn in_directories(boot: TempDir, directory: TempDir, program: &str, host: &Host, arguments: &[&str]) -> Server {
        let state = state_dir();
        let process = spawn(&boot, &directory, &state, program, host, arguments);
        Server { process, state, boot, directory }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    pub fn wait_for_line(&self, part: &str) {
        wait_for(&format!("{part:?} in its log"), || self.log().contains(part).then_some(()));
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn is_running(&self) -> bool {
        Path::new(&format!("/proc/{}/fd/0", self.process.id())).exists()
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().code()
    }
}

fn spawn(
    boot: &TempDir,
    directory: &TempDir,
    state: &TempDir,
    program: &str,
    host: &Host,
    arguments: &[&str],
) -> Process {
    let config = directory.path().join("proxydhcpd.toml");
    let expand = |argument: &&str| match *argument {
        "BOOT" => boot.path().to_owned(),
        "CONFIG" => config.clone(),
        other => PathBuf::from(other),
    };
    let arguments: Vec<PathBuf> = arguments.iter().map(expand).collect();
    let log = fs::File::create(directory.path().join("log")).unwrap();
    let mut command = Process::command("unshare");
    command.args(["--mount", "--propagation", "slave", "sh", "-c", HIDE_INSTALLED_LOADERS, program]);
    command.args(arguments).stdin(Stdio::null()).stderr(log);
    command.env("STATE_DIRECTORY", state.path()).env("RUNTIME_DIRECTORY", state.path());
    host.on(|| Process::spawn(&mut command))
}
