//! A directory below the state directory with a file for each machine.

use super::edit_error::{EditError, MAX_EDITS, UnreadableEdit};
use crate::files::path_errors::is_absent;
use crate::files::{replace, replace_many, sync_directory};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use proxydhcpd_reading::names::check_name;
use proxydhcpd_reading::regular::read_regular;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The maximum size of a file, in octets.
const MAX_SIZE: u64 = 1 << 20;
/// The permissions of a file.
const MODE: u32 = 0o644;

/// The directory.
#[derive(Debug, Default)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The directory of this name below the state directory. The first file creates it.
    pub fn new(state_dir: &Path, name: &str) -> Store {
        Store { directory: state_dir.join(name) }
    }

    /// Reads every file, and returns its value by the name of the machine. `parse` receives that name.
    pub fn read_all<T>(
        &self,
        parse: impl Fn(&str, &Source) -> Result<T, String>,
        unreadable: &mut Vec<UnreadableEdit>,
    ) -> BTreeMap<String, T> {
        let names = match self.names() {
            Ok(names) => names,
            Err(error) if is_absent(&self.directory, &error) => return BTreeMap::new(),
            Err(error) => {
                unreadable.push(UnreadableEdit { path: self.directory.clone(), error: error.to_string() });
                return BTreeMap::new();
            }
        };
        let mut values = BTreeMap::new();
        for name in names.into_iter().take(MAX_EDITS) {
            let path = self.path(&name);
            let read = read_regular(&path, MAX_SIZE).map_err(|error| error.to_string());
            let source = read.and_then(|octets| {
                Source::new(&path.display().to_string(), octets).map_err(|error: Diagnostic| error.one_line())
            });
            match source.and_then(|source| parse(&name, &source)) {
                Ok(value) => drop(values.insert(name, value)),
                Err(error) => unreadable.push(UnreadableEdit { path, error }),
            }
        }
        values
    }

    /// Writes the file of a machine. The text is on disk when the function returns.
    pub fn write(&self, name: &str, text: &str) -> Result<(), EditError> {
        let path = self.path(name);
        let written = fs::create_dir_all(&self.directory).and_then(|()| replace(&path, text.as_bytes(), MODE));
        written.map_err(|error| EditError::Io(path, error))
    }

    /// Writes the files of machines, and returns a result for each. The texts are on disk when the function returns.
    pub fn write_many(&self, files: Vec<(String, String)>) -> Vec<Result<(), EditError>> {
        if let [(name, text)] = &files[..] {
            return vec![self.write(name, text)];
        }
        let files: Vec<_> = files.into_iter().map(|(name, text)| (self.path(&name), text)).collect();
        // If that fails, each file has the error.
        let _ = fs::create_dir_all(&self.directory);
        let written = replace_many(&self.directory, &files, MODE);
        let result =
            |((path, _), result): ((PathBuf, String), io::Result<()>)| result.map_err(|e| EditError::Io(path, e));
        files.into_iter().zip(written).map(result).collect()
    }

    /// Removes the file of a machine, if it exists.
    pub fn remove(&self, name: &str) -> Result<(), EditError> {
        self.remove_many(&[name.to_owned()]).pop().unwrap_or(Ok(()))
    }

    /// Removes the files of machines that exist, and returns a result for each.
    pub fn remove_many(&self, names: &[String]) -> Vec<Result<(), EditError>> {
        let mut has_changed = false;
        let remove = |name: &String| {
            let path = self.path(name);
            match fs::remove_file(&path) {
                Ok(()) => has_changed = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(EditError::Io(path, error)),
            }
            Ok(())
        };
        let mut removed: Vec<_> = names.iter().map(remove).collect();
        if has_changed && let Err(error) = sync_directory(&self.directory) {
            let failed = || EditError::Io(self.directory.clone(), io::Error::new(error.kind(), error.to_string()));
            removed.iter_mut().filter(|result| result.is_ok()).for_each(|result| *result = Err(failed()));
        }
        removed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.toml"))
    }

    /// The names of the machines that have a file.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".toml"));
            names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }
}
