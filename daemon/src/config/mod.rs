//! Reads the configuration from files and flags. Loading opens only configuration files and machine files. The
//! addresses are compared with the host's interfaces later ([`Loaded::select_interfaces`]), so `check` needs neither
//! root nor the network.

pub mod flags;
pub mod native;
pub mod unresolved;

pub use native::completes_boot_once;

use crate::settings::{Enabled, Settings};
use flags::Flags;
use proxydhcpd_core::link::Link;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity, Source};
use proxydhcpd_reading::legacy::addresses::InterfaceSelection;
use proxydhcpd_reading::legacy::{self, LegacyConfig};
use proxydhcpd_reading::regular::read_regular;
use serde::Serialize;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use unresolved::UnresolvedPlan;

/// The maximum size of a configuration file, in octets. Machine files may be larger.
const MAX_FILE_SIZE: u64 = 64 << 20;

/// The valid part of a configuration, with the diagnostics about all of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The absolute path of the main file. `None`: there is no main file.
    pub file: Option<PathBuf>,
    /// The directory that contains `conf.d`, `templates` and `machines`: the directory of the main file, absolute.
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
    /// Whether an error may hide a path setting. If so, a search for files would report false errors.
    pub paths_unknown: bool,
}

impl Loaded {
    /// Whether the configuration has no errors. Warnings are allowed.
    pub fn is_valid(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning)
    }

    /// Sorts by file and line: first diagnostics without a file, then those of the main file, then those of other files
    /// by name. Removes duplicates, because an error in a profile is reported for each profile that extends it.
    pub fn sort_diagnostics(&self, diagnostics: &mut Vec<Diagnostic>) {
        let main = self.file.as_ref().map(|file| file.display().to_string());
        let sort_key = |diagnostic: &Diagnostic| {
            let (file, line, column) = diagnostic.sort_key();
            (file.is_some_and(|file| Some(file) != main.as_deref()), file.map(str::to_owned), line, column)
        };
        diagnostics.sort_by_cached_key(sort_key);
        diagnostics.dedup();
    }

    /// Returns the interfaces and addresses to serve on this host. Fails if this host does not have the addresses of an
    /// old proxy.ini. If flags name interfaces, the addresses in the file are ignored.
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

    /// Returns a warning for each address to announce that none of these links has. A link may get the address later.
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

/// Why the configuration was rejected: its diagnostics, of which at least one is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigError(pub Vec<Diagnostic>);

impl ConfigError {
    /// The exit status of the program. 2: an error in a file or on the command line. 1: the configuration is valid, but
    /// not for this host.
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

/// Reads the file that the flags name, or else the first default file that exists. No file is required. Fails if a file
/// cannot be read at all. [`Loaded::diagnostics`] contains the other errors.
pub fn read(flags: &Flags) -> Result<Loaded, ConfigError> {
    read_from_dir(flags, Path::new("/etc/proxydhcpd"))
}

/// Like [`read`], but fails on any error in the configuration.
pub fn load(flags: &Flags) -> Result<Loaded, ConfigError> {
    without_errors(read(flags)?)
}

/// Like [`load`], but searches a directory other than /etc/proxydhcpd if the flags name no file.
pub fn load_from_dir(flags: &Flags, directory: &Path) -> Result<Loaded, ConfigError> {
    without_errors(read_from_dir(flags, directory)?)
}

fn without_errors(loaded: Loaded) -> Result<Loaded, ConfigError> {
    if loaded.is_valid() { Ok(loaded) } else { Err(ConfigError(loaded.diagnostics)) }
}

/// Returns the files to try, in this order, if the flags name no file. Packages of the Python daemon install proxy.ini
/// in /etc/proxyDHCPd.
pub fn default_paths(directory: &Path) -> Vec<PathBuf> {
    let python_directory = directory.with_file_name("proxyDHCPd");
    vec![directory.join("proxydhcpd.toml"), directory.join("proxy.ini"), python_directory.join("proxy.ini")]
}

/// Like [`read`], but searches a directory other than /etc/proxydhcpd. The files of `conf.d` are read with
/// proxydhcpd.toml, and also without that file. An old proxy.ini is read alone.
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
    // The daemon leaves the working directory, and a reload uses these paths again, so the paths must be absolute.
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
    let read = native::read(&sources, directory, diagnostics.is_empty());
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

/// Returns the files of `conf.d`, sorted by name, and an error for each file that cannot be read. Skips names that
/// begin with a dot, because editors and container volumes create such files.
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
    let read = read_regular(file, MAX_FILE_SIZE)
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
    /// Detects the format by the extension of the file name. If the extension is unknown, a section that only proxy.ini
    /// has decides.
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
