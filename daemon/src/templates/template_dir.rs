//! Reads the template directory, once for each site.

use crate::config::diagnostic::{Diagnostic, Source};
use crate::files::{self, Directory, Opened};
use proxydhcpd_core::fetch::Refusal;
use std::io;
use std::path::Path;

/// Bounds, so that a directory that was not meant does not hold up the start.
const DEEPEST: usize = 16;
const MOST_FILES: usize = 4096;
const LONGEST: u64 = 1 << 20;
const LONGEST_TOGETHER: u64 = 64 << 20;

/// Every template by its name from the directory, and what is wrong.
pub fn read_all(dir: &Path, named: bool) -> (Vec<(String, String)>, Vec<Diagnostic>) {
    let directory = match Directory::from_path(dir, false) {
        Ok(directory) => directory,
        // Nobody has to make the usual directory before there is something to put into it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => return (Vec::new(), Vec::new()),
        Err(error) => return (Vec::new(), vec![wrong(dir, format!("the template directory cannot be read: {error}"))]),
    };
    let mut reader = Reader { dir, directory, left: LONGEST_TOGETHER, files: Vec::new(), wrong: Vec::new() };
    reader.directory("", 0);
    (reader.files, reader.wrong)
}

struct Reader<'a> {
    dir: &'a Path,
    directory: Directory,
    left: u64,
    files: Vec<(String, String)>,
    wrong: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// One directory and those below it, in the order of names. What begins with a dot or ends with `~` is somebody's
    /// backup or repository; a link to a directory is not followed.
    fn directory(&mut self, below: &str, depth: usize) {
        let content = match self.dir.join(below).read_dir() {
            Ok(content) => content,
            Err(error) => return self.complain(below, format!("this directory cannot be read: {error}")),
        };
        let mut entries: Vec<_> = content
            .flatten()
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.file_type().ok()?)))
            .filter(|(name, _)| !name.starts_with('.') && !name.ends_with('~') && !name.contains(char::is_control))
            .collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, kind) in entries {
            let name = if below.is_empty() { name } else { format!("{below}/{name}") };
            if self.files.len() >= MOST_FILES || depth >= DEEPEST {
                let bounds = format!(
                    "a template directory has at most {MOST_FILES} files and {DEEPEST} directories in each other"
                );
                return self.complain(&name, bounds);
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
            Ok(opened) if opened.size > LONGEST.min(self.left) => {
                return self.complain(
                    &name,
                    format!("too long: a template has at most {LONGEST} octets, all together {LONGEST_TOGETHER}"),
                );
            }
            Ok(opened) => {
                self.left -= opened.size;
                content(&opened)
            }
            Err(Refusal::Denied) => {
                let kind = self.dir.join(&name).metadata().map(|found| found.file_type());
                if let Ok(kind) = kind.as_ref()
                    && !kind.is_file()
                {
                    return self.complain(&name, format!("this cannot be read: {}", files::irregular_error(*kind)));
                }
                let why = "this cannot be read: we lack the permission, or it is a link that leads out of the template directory";
                return self.complain(&name, why.into());
            }
            Err(refusal) => return self.complain(&name, format!("this cannot be read: {refusal:?}")),
        };
        let text = octets
            .map_err(|error| wrong(&self.dir.join(&name), format!("this cannot be read: {error}")))
            .and_then(|octets| Source::new(&self.dir.join(&name).display().to_string(), octets));
        match text {
            Ok(source) => self.files.push((name, source.text)),
            Err(diagnostic) => {
                self.wrong.push(diagnostic.help("a template is text; other files belong into the boot directory"))
            }
        }
    }

    fn complain(&mut self, name: &str, message: String) {
        self.wrong.push(wrong(&self.dir.join(name), message));
    }
}

fn content(opened: &Opened) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; opened.size as usize];
    let count = opened.read_at(&mut octets, 0)?;
    octets.truncate(count);
    Ok(octets)
}

fn wrong(file: &Path, message: String) -> Diagnostic {
    Diagnostic::error(message).in_file(&file.display().to_string())
}
