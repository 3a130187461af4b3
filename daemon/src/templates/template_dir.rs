//! Reads the template directory. This happens once for each site.

use crate::files::{Directory, Opened};
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use proxydhcpd_reading::regular::irregular_error;
use std::io;
use std::path::Path;

/// Limits, so that a wrongly named directory cannot delay the start. Lengths are in octets.
const MAX_DEPTH: usize = 16;
const MAX_FILES: usize = 4096;
const MAX_LENGTH: u64 = 1 << 20;
const MAX_TOTAL: u64 = 64 << 20;

/// Returns every template, with its name relative to the directory and its text, and the errors. `named`: the operator
/// named the directory, so it must exist.
pub fn read_all(dir: &Path, named: bool) -> (Vec<(String, String)>, Vec<Diagnostic>) {
    let directory = match Directory::from_path(dir, false) {
        Ok(directory) => directory,
        // The default directory need not exist.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => return (Vec::new(), Vec::new()),
        Err(error) => return (Vec::new(), vec![error_in(dir, format!("cannot read the template directory: {error}"))]),
    };
    let mut reader = DirectoryReader { dir, directory, octets_left: MAX_TOTAL, files: Vec::new(), errors: Vec::new() };
    reader.directory("", 0);
    (reader.files, reader.errors)
}

struct DirectoryReader<'a> {
    dir: &'a Path,
    directory: Directory,
    octets_left: u64,
    files: Vec<(String, String)>,
    errors: Vec<Diagnostic>,
}

impl DirectoryReader<'_> {
    /// Reads a directory and its subdirectories, in the order of names. Skips names that begin with a dot or end with
    /// `~`, which are repositories or backups. Does not follow links to directories.
    fn directory(&mut self, below: &str, depth: usize) {
        let content = match self.dir.join(below).read_dir() {
            Ok(content) => content,
            Err(error) => return self.report(below, format!("cannot read this directory: {error}")),
        };
        let mut entries: Vec<_> = content
            .flatten()
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.file_type().ok()?)))
            .filter(|(name, _)| !name.starts_with('.') && !name.ends_with('~') && !name.contains(char::is_control))
            .collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, kind) in entries {
            let name = if below.is_empty() { name } else { format!("{below}/{name}") };
            if self.files.len() >= MAX_FILES || depth >= MAX_DEPTH {
                let limits =
                    format!("a template directory has at most {MAX_FILES} files and {MAX_DEPTH} levels of directories");
                return self.report(&name, limits);
            }
            match kind {
                kind if kind.is_dir() => self.directory(&name, depth + 1),
                kind if kind.is_symlink() && self.dir.join(&name).is_dir() => {}
                _ => self.file(name),
            }
        }
    }

    fn file(&mut self, name: String) {
        let octets = match self.directory.open(&name) {
            Ok(opened) if opened.size() > MAX_LENGTH.min(self.octets_left) => {
                return self.report(
                    &name,
                    format!("too long: a template has at most {MAX_LENGTH} octets, all together {MAX_TOTAL}"),
                );
            }
            Ok(opened) => {
                self.octets_left -= opened.size();
                content(&opened)
            }
            Err(Refusal::Denied) => {
                let kind = self.dir.join(&name).metadata().map(|found| found.file_type());
                if let Ok(kind) = kind.as_ref()
                    && !kind.is_file()
                {
                    return self.report(&name, format!("cannot read this template: {}", irregular_error(*kind)));
                }
                let reason = "cannot read this template: permission denied, or it is a link that leads out of the \
                template directory";
                return self.report(&name, reason.into());
            }
            Err(refusal) => return self.report(&name, format!("cannot read this template: {refusal:?}")),
        };
        let text = octets
            .map_err(|error| error_in(&self.dir.join(&name), format!("cannot read this template: {error}")))
            .and_then(|octets| Source::new(&self.dir.join(&name).display().to_string(), octets));
        match text {
            Ok(source) => self.files.push((name, source.text)),
            Err(diagnostic) => {
                self.errors.push(diagnostic.help("a template is text: put other files into the boot directory"))
            }
        }
    }

    fn report(&mut self, name: &str, message: String) {
        self.errors.push(error_in(&self.dir.join(name), message));
    }
}

fn content(opened: &Opened) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; opened.size() as usize];
    let count = opened.read_at(&mut octets, 0)?;
    octets.truncate(count);
    Ok(octets)
}

fn error_in(file: &Path, message: String) -> Diagnostic {
    Diagnostic::error(message).in_file(&file.display().to_string())
}
