//! The native configuration: proxydhcpd.toml and the files of `conf.d`, read as one. Each file is parsed key by key.
//! Then references are resolved across all files. All errors of all files are reported at once.

mod document;
mod menu;
mod profile;
mod resolve;
mod rule;
mod webhook;

use crate::config::unresolved::UnresolvedPlan;
use crate::files::path_errors;
use crate::settings::Settings;
use crate::settings::location::SourceLocation;
use crate::settings::table_reader::TableReader;
use document::Document;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity, Source};
pub use resolve::completes_boot_once;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The valid settings, the valid part of the plan, and all diagnostics.
#[derive(Debug)]
pub struct TomlConfig {
    /// How the server runs.
    pub settings: Settings,
    /// The plan, with file names not yet resolved.
    pub plan: UnresolvedPlan,
    /// Errors and warnings, by file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether an error may hide a path setting.
    pub paths_unknown: bool,
}

/// Parses these files. `directory` contains the default directory of machine files. `is_complete`: whether every file
/// could be read. If not, references are not resolved.
pub fn read(sources: &[Source], directory: &Path, is_complete: bool) -> TomlConfig {
    let mut document = Document::default();
    let (mut diagnostics, mut has_syntax_errors) = (Vec::new(), !is_complete);
    for source in sources {
        let mut reader = TableReader::new(source);
        let (tables, syntax) = DeTable::parse_recoverable(&source.text);
        for error in syntax {
            reader.error(error.span().unwrap_or(0..0), error.message());
        }
        let syntax = std::mem::take(&mut reader.diagnostics);
        has_syntax_errors |= !syntax.is_empty();
        // After a malformed table header, it is uncertain to which table a key belongs, so more errors would mislead.
        if !syntax.iter().any(is_in_a_header) {
            document.add_file(&mut reader, tables.get_ref());
            let is_certain = |diagnostic: &Diagnostic| {
                syntax.is_empty()
                    || (diagnostic.severity > Severity::Warning
                        && !syntax.iter().any(|error| same_line(error, diagnostic)))
            };
            diagnostics.extend(reader.diagnostics.into_iter().filter(is_certain));
        }
        diagnostics.extend(syntax);
    }
    // After a syntax error, a missing name may be in the text that could not be parsed, so no reference is resolved.
    document.site.settings.webhooks = webhook::with_secrets(&document.webhooks, &mut diagnostics);
    let files = machine_files(&document, directory, &mut diagnostics);
    let (plan, mut machine_diagnostics) = if has_syntax_errors {
        (UnresolvedPlan::default(), Vec::new())
    } else {
        document.resolve(&files, &mut diagnostics)
    };
    diagnostics.sort_by_key(|diagnostic| sort_key(sources, diagnostic));
    diagnostics.append(&mut machine_diagnostics);
    TomlConfig {
        paths_unknown: has_syntax_errors || document.paths_unknown,
        settings: document.site.settings,
        plan,
        diagnostics,
    }
}

fn is_in_a_header(error: &Diagnostic) -> bool {
    error.location.as_ref().is_none_or(|location| location.text.trim_start().starts_with('['))
}

fn same_line(one: &Diagnostic, other: &Diagnostic) -> bool {
    let line = |diagnostic: &Diagnostic| diagnostic.location.as_ref().map(|location| location.line);
    line(one) == line(other)
}

/// Returns the machine files, and reports an error for each listed file that does not exist. The default directory is
/// optional.
fn machine_files(document: &Document<'_>, directory: &Path, diagnostics: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    if document.site.settings.machine_files.is_none() {
        return Some(directory.join("machines")).filter(|machines| machines.exists()).into_iter().collect();
    }
    let existing = |(file, at): &(PathBuf, SourceLocation<'_>)| match file.metadata() {
        Ok(_) => Some(file.clone()),
        Err(error) => {
            diagnostics.push(at.error(path_errors::path_problem(file, "file or directory", &error)));
            None
        }
    };
    document.site.machine_files.iter().filter_map(existing).collect()
}

/// The key by which diagnostics are sorted: file, line and column. The reader does not check keys in that order.
fn sort_key(sources: &[Source], diagnostic: &Diagnostic) -> (usize, usize, usize) {
    let (file, line, column) = diagnostic.sort_key();
    let file = sources.iter().position(|source| Some(&source.name[..]) == file).unwrap_or(sources.len());
    (file, line, column)
}
