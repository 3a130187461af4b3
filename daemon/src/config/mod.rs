//! The configuration: reads it from files and flags. Loading opens only configuration and machine files; addresses are
//! compared with the host's interfaces later ([`Loaded::select_interfaces`]), so `check` needs neither root nor the
//! network.

pub mod diagnostic;
pub mod flags;
pub mod ini;
pub mod keys;
pub mod legacy;
pub mod legacy_addresses;
pub mod machine_files;
pub mod machines;
pub mod toml;
pub mod unresolved;

use crate::files;
use diagnostic::{Diagnostic, Severity, Source};
use flags::Flags;
use legacy::LegacyConfig;
use legacy_addresses::InterfaceSelection;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::{LoopGuard, StatelessOptions};
use serde::Serialize;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use unresolved::UnresolvedPlan;

/// The default of `boot-dir`. The directory may be missing; the server then offers no files.
pub const DEFAULT_BOOT_DIR: &str = "/var/lib/proxydhcpd/boot";

/// The `StateDirectory=` of the systemd unit.
const DEFAULT_STATE_DIR: &str = "/var/lib/proxydhcpd/state";

/// `$STATE_DIRECTORY`, if a service manager sets it (systemd.exec(5)). The unit sets it to [`DEFAULT_STATE_DIR`].
fn default_state_dir() -> PathBuf {
    let from_env = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from).filter(|directory| directory.is_absolute());
    from_env.unwrap_or_else(|| PathBuf::from(DEFAULT_STATE_DIR))
}

/// The longest configuration file, in octets. Machine files may be longer.
const MAX_FILE_SIZE: u64 = 64 << 20;

/// How the server runs. The plan ([`UnresolvedPlan`]) decides what machines boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Answer on UDP port 4011 only, because a DHCP server on this host uses port 67.
    pub proxy_only: bool,
    /// Interfaces to serve, by name, with `*` and `?`. Empty: every interface on which machines can boot.
    pub interfaces: Vec<String>,
    /// The interfaces among them to serve over IPv4. `None`: all.
    pub ipv4_interfaces: Option<Vec<String>>,
    /// The interfaces among them to serve over IPv6. `None`: all.
    pub ipv6_interfaces: Option<Vec<String>>,
    /// The addresses to announce. Without one of a family, the first address of each interface.
    pub addresses: Vec<IpAddr>,
    /// The directory with the files to boot, absolute.
    pub boot_dir: PathBuf,
    /// The directory for boot-once state, shared UUIDs and the DUID, absolute.
    pub state_dir: PathBuf,
    /// The directory of templates. `None`: `templates` next to the configuration file, if it exists.
    pub template_dir: Option<PathBuf>,
    /// Machine files, and directories of them. `None`: `machines` next to the configuration file, if it exists.
    pub machine_files: Option<Vec<PathBuf>>,
    /// Find files of the boot directory whose names differ in case.
    pub ignore_case: bool,
    /// The HTTP server.
    pub http: HttpConfig,
    /// The TFTP server.
    pub tftp: TftpConfig,
    /// The maximum number of requests to answer each second on one interface. `None`: no limit.
    pub max_requests_per_second: Option<NonZeroU32>,
    /// The reaction to a boot loop.
    pub loop_guard: LoopGuard,
    /// Relays to answer, by address. Empty: any.
    pub relays: Vec<IpAddr>,
    /// IPv6-only settings.
    pub dhcp6: Dhcp6Config,
    /// User classes (option 77) that identify iPXE, besides the usual ones.
    pub ipxe_user_classes: Vec<String>,
    /// Beginnings of the vendor class (option 60) that identify PXE firmware, besides `PXEClient`.
    pub pxe_vendor_classes: Vec<String>,
    /// Certificate files (PEM) that the machines trust for Secure Boot, besides Microsoft's, for `check`.
    pub secure_boot_certificates: Vec<PathBuf>,
}

impl Settings {
    /// Whether any interface is served over IPv4. If not, the server opens no DHCPv4 port.
    pub fn serves_ipv4(&self) -> bool {
        self.ipv4_interfaces.as_ref().is_none_or(|names| !names.is_empty())
    }

    /// Whether any interface is served over IPv6. If not, the server opens no IPv6 socket.
    pub fn serves_ipv6(&self) -> bool {
        self.ipv6_interfaces.as_ref().is_none_or(|names| !names.is_empty())
    }
}

/// The settings of `[dhcp6]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp6Config {
    /// Answer iPXE in stateless networks, instead of the DHCPv6 server there.
    pub stateless_ipxe: bool,
    /// DNS servers and search domains for such an iPXE.
    pub dns: StatelessOptions,
}

/// The settings of `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Whether the HTTP server runs.
    pub enabled: Enabled,
    /// The TCP port that it listens on.
    pub port: u16,
}

/// The settings of `[tftp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpConfig {
    /// Whether the TFTP server runs.
    pub enabled: Enabled,
    /// The UDP ports that transfers use. `None`: any.
    pub ports: Option<RangeInclusive<u16>>,
    /// Transfers use port 69, too.
    pub single_port: bool,
    /// The maximum number of concurrent transfers. No limit by default, because thousands of machines may boot
    /// together.
    pub max_transfers: Option<MaxTransfers>,
}

/// A number of concurrent transfers, 1 to [`Self::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxTransfers(usize);

impl MaxTransfers {
    /// As many as a process can have open files: the default of `fs.nr_open` on Linux.
    pub const MAX: MaxTransfers = MaxTransfers(1 << 20);
    /// The expected value, for error messages.
    pub const EXPECTED: &str = "a number from 1 to 1048576";

    /// The number itself.
    pub fn get(self) -> usize {
        self.0
    }
}

impl FromStr for MaxTransfers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().filter(|number| (1..=Self::MAX.0).contains(number)).map(Self).ok_or(Self::EXPECTED)
    }
}

/// Whether the HTTP or TFTP server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// It runs if this host has this address (`tftpd` of an old proxy.ini) and no other program serves there.
    IfLocal(Ipv4Addr),
}

impl Enabled {
    /// Whether the server runs on a host with these links.
    pub fn is_on(self, links: &[Link]) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::IfLocal(address) => links.iter().any(|link| link.owns(address)),
        }
    }
}

impl From<bool> for Enabled {
    fn from(on: bool) -> Self {
        if on { Self::Yes } else { Self::No }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            proxy_only: false,
            interfaces: Vec::new(),
            ipv4_interfaces: None,
            ipv6_interfaces: None,
            addresses: Vec::new(),
            template_dir: None,
            machine_files: None,
            boot_dir: PathBuf::from(DEFAULT_BOOT_DIR),
            state_dir: default_state_dir(),
            ignore_case: false,
            http: HttpConfig { enabled: Enabled::Yes, port: 8080 },
            tftp: TftpConfig { enabled: Enabled::Yes, ports: None, single_port: false, max_transfers: None },
            max_requests_per_second: None,
            loop_guard: LoopGuard::default(),
            relays: Vec::new(),
            dhcp6: Dhcp6Config::default(),
            ipxe_user_classes: Vec::new(),
            pxe_vendor_classes: Vec::new(),
            secure_boot_certificates: Vec::new(),
        }
    }
}

/// A configuration as far as it is valid, with its diagnostics.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The main file, absolute. `None`: there is none.
    pub file: Option<PathBuf>,
    /// The directory of `conf.d`, `templates` and `machines`: that of the main file, absolute.
    pub directory: PathBuf,
    /// The number of files read from `conf.d`.
    pub conf_d_files: usize,
    /// How the server runs.
    pub settings: Settings,
    /// The plan, with file names not yet resolved.
    pub plan: UnresolvedPlan,
    /// The boot files and addresses of an old proxy.ini.
    pub legacy: Option<LegacyConfig>,
    /// Errors and warnings. With an error, the server does not start.
    pub diagnostics: Vec<Diagnostic>,
    /// An error may hide a path setting, so a search for files would report false errors.
    pub paths_unknown: bool,
}

impl Loaded {
    /// Whether it has warnings at most.
    pub fn is_valid(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning)
    }

    /// Sorts by file and line: first diagnostics without a file, then the main file, then the others by name. Removes
    /// duplicates: an error in a profile is reported for each profile that extends it.
    pub fn sort_diagnostics(&self, diagnostics: &mut Vec<Diagnostic>) {
        let main = self.file.as_ref().map(|file| file.display().to_string());
        let sort_key = |diagnostic: &Diagnostic| {
            let (file, line, column) = diagnostic.sort_key();
            (file.is_some_and(|file| Some(file) != main.as_deref()), file.map(str::to_owned), line, column)
        };
        diagnostics.sort_by_cached_key(sort_key);
        diagnostics.dedup();
    }

    /// The interfaces and addresses to serve on this host. The addresses of an old proxy.ini must be this host's,
    /// unless flags name interfaces: then the file's addresses are ignored.
    pub fn select_interfaces(&self, links: &[Link]) -> Result<InterfaceSelection, ConfigError> {
        match &self.legacy {
            Some(legacy) if self.settings.interfaces.is_empty() => {
                legacy.addresses.select_interfaces(links).map_err(|critical| ConfigError(vec![critical]))
            }
            _ => Ok(InterfaceSelection {
                interfaces: self.settings.interfaces.clone(),
                addresses: self.settings.addresses.clone(),
            }),
        }
    }

    /// A warning for each address to announce that none of these links has. A link may get it later.
    pub fn missing_addresses(&self, links: &[Link]) -> Vec<Diagnostic> {
        let missing = self.settings.addresses.iter().filter(|address| !links.iter().any(|link| link.owns(**address)));
        let warn =
            |address| Diagnostic::warning(format!("no served interface has the address {address} at the moment"));
        missing.map(warn).collect()
    }

    /// The directory of templates. It may be missing, unless `template-dir` is set.
    pub fn template_dir(&self) -> PathBuf {
        self.settings.template_dir.clone().unwrap_or_else(|| self.directory.join("templates"))
    }
}

/// Why the configuration was rejected: diagnostics, at least one of them an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigError(pub Vec<Diagnostic>);

impl ConfigError {
    /// 2: an error in a file or on the command line. 1: the configuration is valid, but not for this host.
    pub fn exit_status(&self) -> u8 {
        if self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error) { 2 } else { 1 }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|diagnostic| writeln!(f, "{diagnostic}"))
    }
}

impl std::error::Error for ConfigError {}

/// Reads the file that the flags name, else the one in /etc, else none. Fails if a file cannot be read at all; other
/// errors are in [`Loaded::diagnostics`].
pub fn read(flags: &Flags) -> Result<Loaded, ConfigError> {
    read_from_dir(flags, Path::new("/etc/proxydhcpd"))
}

/// [`read`] that fails on any error in the configuration.
pub fn load(flags: &Flags) -> Result<Loaded, ConfigError> {
    without_errors(read(flags)?)
}

/// [`load`] with a directory other than /etc/proxydhcpd to search when the flags name no file.
pub fn load_from_dir(flags: &Flags, directory: &Path) -> Result<Loaded, ConfigError> {
    without_errors(read_from_dir(flags, directory)?)
}

fn without_errors(loaded: Loaded) -> Result<Loaded, ConfigError> {
    if loaded.is_valid() { Ok(loaded) } else { Err(ConfigError(loaded.diagnostics)) }
}

/// The files to try, in this order, when the flags name none. Packages of the Python daemon install proxy.ini in
/// /etc/proxyDHCPd.
pub fn default_paths(directory: &Path) -> Vec<PathBuf> {
    let python_directory = directory.with_file_name("proxyDHCPd");
    vec![directory.join("proxydhcpd.toml"), directory.join("proxy.ini"), python_directory.join("proxy.ini")]
}

/// [`read`] with a directory other than /etc/proxydhcpd. The files of `conf.d` are read with proxydhcpd.toml, and
/// without it, too; an old proxy.ini is read alone.
pub fn read_from_dir(flags: &Flags, directory: &Path) -> Result<Loaded, ConfigError> {
    let main = match &flags.config {
        Some(file) => Some(open(file)?),
        None => default_paths(directory)
            .iter()
            .find(|file| !file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound))
            .map(|file| open(file))
            .transpose()?,
    };
    let file = main.as_ref().map(|source| absolute(PathBuf::from(&source.name)));
    let directory = file.as_ref().and_then(|file| file.parent()).unwrap_or(directory);
    let mut loaded = match main {
        Some(source) if ConfigFormat::detect(&source) == ConfigFormat::Ini => {
            read_ini(&source, file.clone(), directory)?
        }
        main => read_toml(main, file.clone(), directory),
    };
    flags.apply(&mut loaded.settings);
    if flags.boot_dir.is_some() {
        loaded.plan.boot_dir_location = None;
    }
    // The daemon leaves the working directory, and a reload uses these paths again.
    loaded.settings.boot_dir = absolute(loaded.settings.boot_dir);
    loaded.settings.state_dir = absolute(loaded.settings.state_dir);
    Ok(loaded)
}

fn read_ini(source: &Source, file: Option<PathBuf>, directory: &Path) -> Result<Loaded, ConfigError> {
    let (legacy, diagnostics) = legacy::read(source).map_err(ConfigError)?;
    let mut settings = Settings::default();
    settings.tftp.enabled = Enabled::IfLocal(legacy.boot.tftpd);
    settings.http.enabled = Enabled::IfLocal(legacy.boot.tftpd);
    // The Python daemon did not support IPv6.
    settings.ipv6_interfaces = Some(Vec::new());
    let (plan, directory) = (UnresolvedPlan::default(), directory.into());
    Ok(Loaded {
        file,
        directory,
        conf_d_files: 0,
        settings,
        plan,
        legacy: Some(legacy),
        diagnostics,
        paths_unknown: false,
    })
}

fn read_toml(main: Option<Source>, file: Option<PathBuf>, directory: &Path) -> Loaded {
    let (others, mut diagnostics) = read_conf_d(directory);
    let conf_d_files = others.len();
    let sources: Vec<Source> = main.into_iter().chain(others).collect();
    let read = toml::read(&sources, directory, diagnostics.is_empty());
    let paths_unknown = read.paths_unknown || !diagnostics.is_empty();
    diagnostics.extend(read.diagnostics);
    let directory = absolute(directory.into());
    Loaded {
        file,
        directory,
        conf_d_files,
        settings: read.settings,
        plan: read.plan,
        legacy: None,
        diagnostics,
        paths_unknown,
    }
}

/// The files of `conf.d` by name, and errors for those that cannot be read. Names that begin with a dot are skipped:
/// editors and container volumes create them.
fn read_conf_d(directory: &Path) -> (Vec<Source>, Vec<Diagnostic>) {
    let directory = directory.join("conf.d");
    let paths = std::fs::read_dir(&directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<PathBuf>, _>>());
    let mut paths = match paths {
        Ok(paths) => paths,
        Err(error) if error.kind() == ErrorKind::NotFound => return (Vec::new(), Vec::new()),
        Err(error) => {
            let error = Diagnostic::error(format!("cannot read the directory: {error}"));
            return (Vec::new(), vec![error.in_file(&directory.display().to_string())]);
        }
    };
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !is_hidden(path));
    paths.sort();
    let (mut sources, mut diagnostics) = (Vec::new(), Vec::new());
    for path in &paths {
        match open(path) {
            Ok(source) => sources.push(source),
            Err(mut error) => diagnostics.append(&mut error.0),
        }
    }
    (sources, diagnostics)
}

fn open(file: &Path) -> Result<Source, ConfigError> {
    let name = file.display().to_string();
    let read = files::read_regular(file, MAX_FILE_SIZE)
        .map_err(|error| Diagnostic::error(format!("cannot read the configuration file: {error}")).in_file(&name));
    read.and_then(|bytes| Source::new(&name, bytes)).map_err(|error| ConfigError(vec![error]))
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[derive(Debug, PartialEq, Eq)]
enum ConfigFormat {
    Toml,
    Ini,
}

impl ConfigFormat {
    /// By the extension of the file name; without a known one, by a section that only proxy.ini has.
    fn detect(source: &Source) -> Self {
        match Path::new(&source.name).extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Self::Toml,
            Some("ini") => Self::Ini,
            _ if source.text.lines().any(|line| ["[proxy]", "[pxe]", "[ipxe]", "[DEFAULT]"].contains(&line.trim())) => {
                Self::Ini
            }
            _ => Self::Toml,
        }
    }
}
