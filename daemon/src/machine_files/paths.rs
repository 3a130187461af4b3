//! Reads a machine file, or the machine files of a directory.

use super::extension::extension;
use super::machine_reader::MachineReader;
use super::{csv, json, toml};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use proxydhcpd_reading::regular::{open_regular, read_regular};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The maximum size of a machine file, in octets. A million machines with a few variables each need a quarter of it.
const MAX_FILE_SIZE: u64 = 1 << 30;

impl MachineReader<'_> {
    /// Reads a file, or the files of a directory.
    pub fn read_path(&mut self, path: &Path) {
        match path.metadata() {
            Err(error) => return self.unreadable(path, &error),
            Ok(metadata) if !metadata.is_dir() => return self.file(path),
            Ok(_) => {}
        }
        let listed = fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut files: Vec<PathBuf> = match listed {
            Ok(files) => files,
            Err(error) => return self.unreadable(path, &error),
        };
        // Hidden files are skipped, because editors, version control and packages create them.
        let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        files.retain(|file| !is_hidden(file));
        files.sort();
        for file in files {
            if file.is_dir() {
                let warning = Diagnostic::warning("a directory among machine files is not read")
                    .in_file(&file.display().to_string());
                self.diagnostics.warning(|| warning.help("list it in `machine-files`, too"));
            } else if extension(&file).is_some() {
                self.file(&file);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        self.begin(path);
        let name = path.display().to_string();
        match extension(path) {
            Some("csv") => match open_regular(path, MAX_FILE_SIZE) {
                Ok(file) => csv::read(self, &name, file.take(MAX_FILE_SIZE)),
                Err(error) => self.unreadable(path, &error),
            },
            Some(_) => match read_regular(path, MAX_FILE_SIZE) {
                Ok(octets) => self.text(path, Source::new(&name, octets)),
                Err(error) => self.unreadable(path, &error),
            },
            None => self.diagnostics.error(|| {
                let error = Diagnostic::error("the file name has no known extension").in_file(&name);
                error.help("names of machine files end in .toml, .csv or .json")
            }),
        }
    }

    /// Reads these octets as the machine file of this name, whose extension states the format.
    pub fn read_octets(&mut self, name: &str, octets: &[u8]) {
        self.begin(Path::new(name));
        if extension(Path::new(name)) == Some("csv") {
            return csv::read(self, name, octets);
        }
        self.text(Path::new(name), Source::new(name, octets.into()));
    }

    /// Reads the text of a file in TOML or JSON.
    fn text(&mut self, path: &Path, source: Result<Source, Diagnostic>) {
        match source {
            Ok(source) if extension(path) == Some("toml") => toml::read(self, &source),
            Ok(source) => json::read(self, &source),
            Err(error) => self.diagnostics.error(|| error),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let file = path.display().to_string();
        self.diagnostics.error(|| Diagnostic::error(format!("cannot read the machines: {error}")).in_file(&file));
    }
}
