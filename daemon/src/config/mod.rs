//! From what the operator wrote to what it means. Reading touches nothing but the configuration file itself: whether an
//! address is ours is asked later ([`addresses::Addresses::settle`]), so `check` needs neither root nor the network.

pub mod legacy_addresses;
pub mod diagnostic;
pub mod unresolved;
pub mod flags;
pub mod ini;
pub mod keys;
pub mod legacy;
pub mod machine_files;
pub mod machines;
pub mod toml;

use crate::files;
use legacy_addresses::InterfaceSelection;
use diagnostic::{Diagnostic, Severity, Source};
use unresolved::UnresolvedPlan;
use flags::Flags;
use legacy::LegacyConfig;
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

/// Nobody has to make it before there is something to put into it.
pub const DEFAULT_BOOT_DIR: &str = "/var/lib/proxydhcpd/boot";

/// The unit's StateDirectory.
const DEFAULT_STATE_DIR: &str = "/var/lib/proxydhcpd/state";

/// What a service manager has made for us (systemd.exec(5), StateDirectory=); our unit has it make the usual one.
fn default_state_dir() -> PathBuf {
    let made = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from).filter(|directory| directory.is_absolute());
    made.unwrap_or_else(|| PathBuf::from(DEFAULT_STATE_DIR))
}

/// The longest configuration file. Machine files may be longer.
const LONGEST: u64 = 64 << 20;

/// How the server runs, as opposed to what a machine is given (that is the plan).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Only port 4011: port 67 belongs to a DHCP server on this host.
    pub proxy_only: bool,
    /// Interfaces to serve, by name, with `*` and `?`. Empty: all on which machines can boot.
    pub interfaces: Vec<String>,
    /// Of these, the ones that are served over each family. `None`: all.
    pub ipv4_interfaces: Option<Vec<String>>,
    pub ipv6_interfaces: Option<Vec<String>>,
    /// The addresses to announce. None of a family: each interface's first one.
    pub addresses: Vec<IpAddr>,
    pub boot_dir: PathBuf,
    /// Where it is kept which machines have used up their boot.
    pub state_dir: PathBuf,
    /// `None`: the one beside the configuration file, if there is one.
    pub template_dir: Option<PathBuf>,
    /// Files and directories in which machines are described. `None`: the directory beside the configuration file.
    pub machine_files: Option<Vec<PathBuf>>,
    /// Find files of the boot directory whose names differ in case.
    pub ignore_case: bool,
    pub http: HttpConfig,
    pub tftp: TftpConfig,
    /// Cap on a whole interface.
    pub max_requests_per_second: Option<NonZeroU32>,
    pub loop_guard: LoopGuard,
    /// Relays that may ask. Empty: any.
    pub relays: Vec<IpAddr>,
    pub dhcp6: Dhcp6Config,
    /// Words in option 77 that mean "already iPXE", beside the usual ones.
    pub ipxe_user_classes: Vec<String>,
    /// Words with which option 60 of PXE firmware begins, beside `PXEClient`.
    pub pxe_vendor_classes: Vec<String>,
    /// Certificates that the site's machines know beside Microsoft's, for `check`.
    pub secure_boot_certificates: Vec<PathBuf>,
}

impl Settings {
    /// Whether any interface is to be served over IPv4. If not, no DHCP port of it is opened.
    pub fn serves_ipv4(&self) -> bool {
        self.ipv4_interfaces.as_ref().is_none_or(|names| !names.is_empty())
    }

    /// Whether any interface is to be served over IPv6. If not, no socket of it is opened.
    pub fn serves_ipv6(&self) -> bool {
        self.ipv6_interfaces.as_ref().is_none_or(|names| !names.is_empty())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp6Config {
    /// Whether an iPXE in a stateless network is answered, in place of the DHCPv6 server there.
    pub stateless_ipxe: bool,
    pub dns: StatelessOptions,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    pub enabled: Enabled,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpConfig {
    pub enabled: Enabled,
    /// Ports from which transfers are sent.
    pub ports: Option<RangeInclusive<u16>>,
    /// Transfers are sent from port 69 too.
    pub single_port: bool,
    /// Cap on all transfers together. None by itself: a boot storm may be thousands of machines.
    pub max_transfers: Option<MaxTransfers>,
}

/// A number of transfers: at least one, and no more than a process could have open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxTransfers(usize);

impl MaxTransfers {
    /// What Linux lets a process raise its limit to (`fs.nr_open`), unless it is told otherwise.
    pub const MAX: MaxTransfers = MaxTransfers(1 << 20);
    pub const EXPECTED: &str = "a number from 1 to 1048576";

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

/// Whether a file server of ours runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    No,
    Yes,
    /// Only if this address (`tftpd` of an old proxy.ini) is the machine's own and nothing else serves there.
    IfLocal(Ipv4Addr),
}

impl Enabled {
    /// `links`: those that the machine has.
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

/// A configuration, as far as it is right.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Where it was read from, absolute; `None`: there is no file.
    pub file: Option<PathBuf>,
    /// Where `conf.d`, `templates` and `machines` are looked for: the directory of that file, absolute.
    pub directory: PathBuf,
    /// How many files of `conf.d` were read with it.
    pub conf_d_files: usize,
    pub settings: Settings,
    /// What machines are to boot, as the files say it.
    pub plan: UnresolvedPlan,
    /// What an old proxy.ini says about routing and addresses.
    pub legacy: Option<LegacyConfig>,
    /// With an error among it, it cannot be run.
    pub diagnostics: Vec<Diagnostic>,
    /// What is wrong may have been where files lie: looking for them would mislead.
    pub paths_unknown: bool,
}

impl Loaded {
    pub fn is_valid(&self) -> bool {
        self.diagnostics.iter().all(|told| told.severity == Severity::Warning)
    }

    /// In the order of files and lines: what is wrong with the whole, the main file, the others by name. What is wrong
    /// with a profile is so with each that extends it, and told once.
    pub fn sort_diagnostics(&self, told: &mut Vec<Diagnostic>) {
        let main = self.file.as_ref().map(|file| file.display().to_string());
        let place = |told: &Diagnostic| {
            let (file, line, column) = told.sort_key();
            (file.is_some_and(|file| Some(file) != main.as_deref()), file.map(str::to_owned), line, column)
        };
        told.sort_by_cached_key(place);
        told.dedup();
    }

    /// Where to serve on this machine. An old file's addresses must fit it; interfaces named by flags take their place.
    pub fn select_interfaces(&self, links: &[Link]) -> Result<InterfaceSelection, ConfigError> {
        match &self.legacy {
            Some(legacy) if self.settings.interfaces.is_empty() => {
                legacy.addresses.select_interfaces(links).map_err(|critical| ConfigError(vec![critical]))
            }
            _ => {
                Ok(InterfaceSelection { interfaces: self.settings.interfaces.clone(), addresses: self.settings.addresses.clone() })
            }
        }
    }

    /// Addresses to announce that none of these links has. It may come later.
    pub fn missing_addresses(&self, links: &[Link]) -> Vec<Diagnostic> {
        let absent = self.settings.addresses.iter().filter(|address| !links.iter().any(|link| link.owns(**address)));
        let tell = |address| Diagnostic::warning(format!("no interface that is served has the address {address} now"));
        absent.map(tell).collect()
    }

    /// Where templates lie; there need be none, unless it is set.
    pub fn template_dir(&self) -> PathBuf {
        self.settings.template_dir.clone().unwrap_or_else(|| self.directory.join("templates"))
    }
}

/// Why there is none: at least one error among warnings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigError(pub Vec<Diagnostic>);

impl ConfigError {
    /// 2: the file or the command line is wrong. 1: it does not fit the machine.
    pub fn exit_status(&self) -> u8 {
        if self.0.iter().any(|told| told.severity == Severity::Error) { 2 } else { 1 }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|told| writeln!(f, "{told}"))
    }
}

impl std::error::Error for ConfigError {}

/// Reads the file of the flags, else the one in /etc, else none. An error: nothing of it could be read.
pub fn read(flags: &Flags) -> Result<Loaded, ConfigError> {
    read_from_dir(flags, Path::new("/etc/proxydhcpd"))
}

/// [`read`], if nothing is wrong in the text.
pub fn load(flags: &Flags) -> Result<Loaded, ConfigError> {
    sound(read(flags)?)
}

/// [`load`] with the directory in which a file is looked for when the flags name none.
pub fn load_from_dir(flags: &Flags, directory: &Path) -> Result<Loaded, ConfigError> {
    sound(read_from_dir(flags, directory)?)
}

fn sound(loaded: Loaded) -> Result<Loaded, ConfigError> {
    if loaded.is_valid() { Ok(loaded) } else { Err(ConfigError(loaded.diagnostics)) }
}

/// Where a file is looked for when the flags name none. The Python daemon's packages put theirs into a directory beside
/// ours.
pub fn default_paths(directory: &Path) -> Vec<PathBuf> {
    let beside = directory.with_file_name("proxyDHCPd");
    vec![directory.join("proxydhcpd.toml"), directory.join("proxy.ini"), beside.join("proxy.ini")]
}

/// What stands beside the file, in `conf.d`, is read with it, also where there is no file; an old proxy.ini stands
/// alone.
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
        Some(source) if Format::of(&source) == Format::Ini => read_ini(&source, file.clone(), directory)?,
        main => read_toml(main, file.clone(), directory),
    };
    flags.apply(&mut loaded.settings);
    if flags.boot_dir.is_some() {
        loaded.plan.boot_dir_location = None;
    }
    // The way back into the directory is lost when the server goes into the background, and a reload needs it.
    loaded.settings.boot_dir = absolute(loaded.settings.boot_dir);
    loaded.settings.state_dir = absolute(loaded.settings.state_dir);
    Ok(loaded)
}

fn read_ini(source: &Source, file: Option<PathBuf>, directory: &Path) -> Result<Loaded, ConfigError> {
    let (legacy, told) = legacy::read(source).map_err(ConfigError)?;
    let mut settings = Settings::default();
    settings.tftp.enabled = Enabled::IfLocal(legacy.boot.tftpd);
    settings.http.enabled = Enabled::IfLocal(legacy.boot.tftpd);
    // It knows nothing of IPv6.
    settings.ipv6_interfaces = Some(Vec::new());
    let (draft, directory) = (UnresolvedPlan::default(), directory.into());
    Ok(Loaded { file, directory, conf_d_files: 0, settings, plan: draft, legacy: Some(legacy), diagnostics: told, paths_unknown: false })
}

fn read_toml(main: Option<Source>, file: Option<PathBuf>, directory: &Path) -> Loaded {
    let (others, mut told) = beside(directory);
    let beside = others.len();
    let sources: Vec<Source> = main.into_iter().chain(others).collect();
    let read = toml::read(&sources, directory, told.is_empty());
    let unplaced = read.paths_unknown || !told.is_empty();
    told.extend(read.diagnostics);
    let directory = absolute(directory.into());
    Loaded { file, directory, conf_d_files: beside, settings: read.settings, plan: read.plan, legacy: None, diagnostics: told, paths_unknown: unplaced }
}

/// The files of `conf.d`, by name, and what is to be told of those that cannot be read. What begins with a dot is an
/// editor's, or a container's.
fn beside(directory: &Path) -> (Vec<Source>, Vec<Diagnostic>) {
    let directory = directory.join("conf.d");
    let paths = std::fs::read_dir(&directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<PathBuf>, _>>());
    let mut paths = match paths {
        Ok(paths) => paths,
        Err(error) if error.kind() == ErrorKind::NotFound => return (Vec::new(), Vec::new()),
        Err(error) => {
            let error = Diagnostic::error(format!("unable to read the directory: {error}"));
            return (Vec::new(), vec![error.in_file(&directory.display().to_string())]);
        }
    };
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml") && !hidden(path));
    paths.sort();
    let (mut sources, mut told) = (Vec::new(), Vec::new());
    for path in &paths {
        match open(path) {
            Ok(source) => sources.push(source),
            Err(mut error) => told.append(&mut error.0),
        }
    }
    (sources, told)
}

fn open(file: &Path) -> Result<Source, ConfigError> {
    let name = file.display().to_string();
    let read = files::read_regular(file, LONGEST)
        .map_err(|error| Diagnostic::error(format!("unable to read the configuration file: {error}")).in_file(&name));
    read.and_then(|bytes| Source::new(&name, bytes)).map_err(|error| ConfigError(vec![error]))
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

#[derive(Debug, PartialEq, Eq)]
enum Format {
    Toml,
    Ini,
}

impl Format {
    /// By the ending; where that says nothing, by a section that only the old file has.
    fn of(source: &Source) -> Self {
        match Path::new(&source.name).extension().and_then(|ending| ending.to_str()) {
            Some("toml") => Self::Toml,
            Some("ini") => Self::Ini,
            _ if source.text.lines().any(|line| ["[proxy]", "[pxe]", "[ipxe]", "[DEFAULT]"].contains(&line.trim())) => {
                Self::Ini
            }
            _ => Self::Toml,
        }
    }
}
