//! Our own files: proxydhcpd.toml and what stands beside it in conf.d, read as one. Each is walked key by key, then
//! what they refer to is looked up among all of them, and every error of every file is told at once.

mod menu;
mod profile;
mod resolve;
mod rule;
mod document;
pub mod value;
pub mod table_reader;

use crate::config::Settings;
use crate::config::diagnostic::{Diagnostic, Severity, Source};
use crate::config::unresolved::UnresolvedPlan;
use crate::files::path_errors;
use document::Document;
use std::path::{Path, PathBuf};
use toml::de::DeTable;
use table_reader::{SourceLocation, TableReader};

/// The settings and the plan as far as the files are right, and all that is to be told of them.
#[derive(Debug)]
pub struct TomlConfig {
    pub settings: Settings,
    pub plan: UnresolvedPlan,
    pub diagnostics: Vec<Diagnostic>,
    /// What is wrong may have been where files lie.
    pub paths_unknown: bool,
}

/// `directory`: where machine files are looked for if none are named. `all`: these are all of the files.
pub fn read(sources: &[Source], directory: &Path, all: bool) -> TomlConfig {
    let mut said = Document::default();
    let (mut told, mut broken) = (Vec::new(), !all);
    for source in sources {
        let mut walk = TableReader::new(source);
        let (document, syntax) = DeTable::parse_recoverable(&source.text);
        for error in syntax {
            walk.error(error.span().unwrap_or(0..0), error.message());
        }
        let syntax = std::mem::take(&mut walk.diagnostics);
        broken |= !syntax.is_empty();
        // Behind a broken header it is a guess where a key belongs, and errors in a guess would mislead.
        if !syntax.iter().any(is_in_a_header) {
            said.add_file(&mut walk, document.get_ref());
            let is_certain = |told: &Diagnostic| {
                syntax.is_empty()
                    || (told.severity > Severity::Warning && !syntax.iter().any(|error| same_line(error, told)))
            };
            told.extend(walk.diagnostics.into_iter().filter(is_certain));
        }
        told.extend(syntax);
    }
    // What is missing may stand where nothing could be read.
    let files = machine_files(&said, directory, &mut told);
    let (draft, mut of_machines) = if broken { (UnresolvedPlan::default(), Vec::new()) } else { said.resolve(&files, &mut told) };
    told.sort_by_key(|told| place(sources, told));
    told.append(&mut of_machines);
    TomlConfig { paths_unknown: broken || said.paths_unknown, settings: said.settings, plan: draft, diagnostics: told }
}

fn is_in_a_header(error: &Diagnostic) -> bool {
    error.location.as_ref().is_none_or(|place| place.text.trim_start().starts_with('['))
}

fn same_line(one: &Diagnostic, other: &Diagnostic) -> bool {
    let line = |told: &Diagnostic| told.location.as_ref().map(|place| place.line);
    line(one) == line(other)
}

/// Those that are named have to be there. The usual directory nobody has to make before there is something to put into it.
fn machine_files(said: &Document<'_>, directory: &Path, told: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    if said.settings.machine_files.is_none() {
        return Some(directory.join("machines")).filter(|machines| machines.exists()).into_iter().collect();
    }
    let is_there = |(file, at): &(PathBuf, SourceLocation<'_>)| match file.metadata() {
        Ok(_) => Some(file.clone()),
        Err(error) => {
            told.push(at.error(path_errors::path_problem(file, "file or directory", &error)));
            None
        }
    };
    said.machine_files.iter().filter_map(is_there).collect()
}

/// In the order of the files and of their lines, whatever the order of looking.
fn place(sources: &[Source], told: &Diagnostic) -> (usize, usize, usize) {
    let (file, line, column) = told.sort_key();
    let file = sources.iter().position(|source| Some(&source.name[..]) == file).unwrap_or(sources.len());
    (file, line, column)
}
