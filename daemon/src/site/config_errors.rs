//! The errors of a configuration: those in its text, together with those in the files that it names.

use super::resolve::ResolvedFiles;
use crate::config::flags::Flags;
use crate::config::{self, ConfigError, Loaded};
use proxydhcpd_reading::diagnostic::Diagnostic;

/// Reads the configuration. The error contains all errors at once: those in the text, and those in the files that it
/// names.
pub fn load(flags: &Flags) -> Result<Loaded, ConfigError> {
    let mut loaded = config::read(flags)?;
    if loaded.is_valid() { Ok(loaded) } else { Err(with_file_errors(&mut loaded, ConfigError(Vec::new()))) }
}

/// Adds all other errors of the configuration to this error.
pub fn with_file_errors(loaded: &mut Loaded, error: ConfigError) -> ConfigError {
    let mut diagnostics = error.0;
    drop(ResolvedFiles::resolve(loaded, &mut diagnostics));
    with_text_errors(loaded, diagnostics)
}

/// Combines the diagnostics about the configuration's text with those about the files that it names.
pub fn with_text_errors(loaded: &Loaded, mut diagnostics: Vec<Diagnostic>) -> ConfigError {
    diagnostics.extend_from_slice(&loaded.diagnostics);
    loaded.sort_diagnostics(&mut diagnostics);
    ConfigError(diagnostics)
}
