//! The values at the top of the file, and those of `[dhcp]`, `[dhcp6]`, `[http]` and `[tftp]`.

use crate::settings::Settings;
use crate::settings::location::{Reference, SourceLocation};
use crate::settings::value::{TomlValue, ValueResult, absolute_path, list};
use proxydhcpd_core::plan::pattern::MacPattern;
use std::path::PathBuf;

/// The settings, and the keys of the whole site that are not settings.
#[derive(Debug, Default)]
pub struct RawSite<'a> {
    /// How the server runs.
    pub settings: Settings,
    /// The value of the key `default-profile`.
    pub default_profile: Option<Reference<'a>>,
    /// The value of the key `unknown-machine-profile`.
    pub unknown_machine_profile: Option<Reference<'a>>,
    /// The value of the key `shared-macs`.
    pub shared_macs: Vec<MacPattern>,
    /// The values of `machine-files`, each with its location.
    pub machine_files: Vec<(PathBuf, SourceLocation<'a>)>,
}

impl<'a> RawSite<'a> {
    /// Sets the machine files: a list of absolute paths.
    pub fn set_machine_files(&mut self, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()> {
        self.machine_files = list(value, |value| absolute_path(value).map(|file| (file, at.part(value.span()))))?;
        self.settings.machine_files = Some(self.machine_files.iter().map(|(file, _)| file.clone()).collect());
        Ok(())
    }
}
