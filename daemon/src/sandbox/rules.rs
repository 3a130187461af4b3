//! The rules of Landlock: which files the server reads and writes, and which TCP ports it uses.

use super::configured_paths;
use super::granted::GrantedDirectories;
use crate::config::Loaded;
use crate::settings::{Settings, WEB_PORT};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, RestrictionStatus,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use std::fs;
use std::path::{Path, PathBuf};

/// The version of Landlock that has everything that the rules use: files and directories, `ioctl` of devices (5), TCP
/// ports (4), signals and abstract Unix sockets (6).
const WANTED: ABI = ABI::V6;

/// Devices that hold no data of the host.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];

/// The reason if Landlock is missing. The library does not distinguish the errors of the kernel.
const NO_LANDLOCK: &str = "this kernel was built without it (CONFIG_SECURITY_LANDLOCK, Linux 5.13), or the filter of a \
                           container or of a service manager denies it";

/// The rules, with every file open that they name.
#[derive(Debug)]
pub struct Rules {
    ruleset: Result<RulesetCreated, RulesetError>,
    readable: GrantedDirectories,
}

/// The rules that are in force.
#[derive(Debug)]
pub struct Enforced {
    /// The version of Landlock that the kernel has.
    pub abi: i32,
    /// The limits that this version lacks, if it is older than [`WANTED`].
    pub lacks: Option<&'static str>,
    /// Whether TCP ports are limited.
    pub limits_tcp: bool,
    /// The directories that the server may read.
    pub readable: GrantedDirectories,
}

impl Rules {
    /// The rules for this configuration.
    pub fn new(loaded: &Loaded) -> Rules {
        let configured = configured_paths::list(loaded).into_iter().map(|configured| configured.path);
        let readable = GrantedDirectories::new(configured);
        Rules { ruleset: ruleset(&loaded.settings, &readable), readable }
    }

    /// Puts the rules in force for this thread.
    ///
    /// # Errors
    /// The kernel does not have Landlock, or refuses the rules. The value says why.
    pub fn enforce(self) -> Result<Enforced, String> {
        let status = self.ruleset.and_then(RulesetCreated::restrict_self).map_err(|error| error.to_string())?;
        let RestrictionStatus { landlock, .. } = status;
        match landlock {
            LandlockStatus::NotImplemented => Err(NO_LANDLOCK.to_owned()),
            LandlockStatus::NotEnabled => {
                Err("this kernel has it switched off: add landlock to the kernel parameter lsm=".to_owned())
            }
            LandlockStatus::Available { effective_abi, kernel_abi } => Ok(Enforced {
                abi: kernel_abi.unwrap_or(effective_abi as i32),
                lacks: lacks(effective_abi),
                limits_tcp: effective_abi >= ABI::V4,
                readable: self.readable,
            }),
        }
    }
}

/// The limits that a version of Landlock lacks if it is older than [`WANTED`].
fn lacks(abi: ABI) -> Option<&'static str> {
    match abi {
        abi if abi >= WANTED => None,
        abi if abi >= ABI::V4 => Some("before Linux 6.12 it limits no signals and no abstract Unix sockets"),
        abi if abi >= ABI::V3 => Some("before Linux 6.7 it limits no TCP ports"),
        _ => Some("before Linux 6.2 it limits neither TCP ports nor the truncation of files"),
    }
}

fn ruleset(settings: &Settings, readable: &GrantedDirectories) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(ABI::V5))?.scope(Scope::Signal)?;
    ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    // Only webhooks connect, to ports that a reload may change.
    if settings.webhooks.is_empty() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    if !notifies_abstract_socket() {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket)?;
    }
    let mut ruleset = ruleset.create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    for path in &readable.paths {
        ruleset = allow(ruleset, path, read)?;
    }
    for device in DEVICES {
        ruleset = allow(ruleset, Path::new(device), AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    let keep = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let keep = keep | AccessFs::MakeDir | AccessFs::RemoveDir | AccessFs::Refer;
    for directory in [settings.state_dir.clone()].into_iter().chain(linked_directories(&settings.state_dir)) {
        ruleset = allow(ruleset, &directory, read | keep)?;
    }
    if let Some(directory) = settings.control_socket.as_deref().and_then(Path::parent) {
        ruleset = allow(ruleset, directory, AccessFs::MakeSock | AccessFs::RemoveFile)?;
    }
    for port in tcp_ports(settings) {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(ruleset)
}

/// Adds a rule for this path, if it exists.
fn allow(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(open) if path.is_dir() => ruleset.add_rule(PathBeneath::new(open, access)),
        Ok(open) => ruleset.add_rule(PathBeneath::new(open, access & AccessFs::from_file(ABI::V5))),
        Err(_) => Ok(ruleset),
    }
}

/// The directories to which links in the state directory lead, as to another volume. If the target of a link is a file,
/// or does not exist yet, the directory that contains it. The server itself makes no links.
fn linked_directories(state_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(state_dir).into_iter().flatten().flatten();
    let targets = entries.filter_map(|entry| Some(state_dir.join(fs::read_link(entry.path()).ok()?)));
    let directories = targets.filter_map(|target| target.ancestors().find(|path| path.is_dir()).map(Path::to_owned));
    directories.filter(|directory| directory != Path::new("/")).collect()
}

/// The ports on which the server listens for TCP. A reload changes none of them.
fn tcp_ports(settings: &Settings) -> Vec<u16> {
    let mut ports = vec![settings.http.port];
    match &settings.web.listen {
        Some(addresses) => ports.extend(addresses.iter().map(|address| address.port())),
        None => ports.push(WEB_PORT),
    }
    ports
}

/// Whether the socket of the service manager is abstract.
fn notifies_abstract_socket() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|socket| PathBuf::from(socket).to_string_lossy().starts_with('@'))
}
