//! Whether a command opened the page to the served networks. A file in the state directory says it, so that it outlives
//! the server.

use crate::files::{replace, sync_directory};
use proxydhcpd_reading::regular::read_regular;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file that exists while the page is open, below the state directory.
const FILE: &str = "web-open.toml";
/// The maximum size of that file, in octets.
const MAX_SIZE: u64 = 1024;

/// How the page is open to the served networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Opening {
    /// Whether browsers use plain HTTP.
    pub plain_http: bool,
}

/// The file.
#[derive(Clone, Debug)]
pub struct OpeningFile(PathBuf);

impl OpeningFile {
    /// The file in this state directory.
    pub fn new(state_dir: &Path) -> OpeningFile {
        OpeningFile(state_dir.join(FILE))
    }

    /// Reads the file. `None`: the page is not open.
    pub fn load(&self) -> io::Result<Option<Opening>> {
        match read_regular(&self.0, MAX_SIZE) {
            Ok(octets) => {
                let opening = toml::from_slice(&octets);
                opening.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes or removes the file.
    pub fn store(&self, opening: Option<Opening>) -> io::Result<()> {
        let directory = self.0.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)?;
        match opening {
            Some(opening) => {
                let text = toml::to_string(&opening).map_err(io::Error::other)?;
                replace(&self.0, format!("# `proxydhcpd web open` wrote this file.\n{text}").as_bytes(), 0o600)
            }
            None => match fs::remove_file(&self.0) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => sync_directory(directory),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_stays_open_until_it_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let file = OpeningFile::new(directory.path());
        assert_eq!(file.load().unwrap(), None);
        file.store(None).unwrap();
        for opening in [Opening { plain_http: true }, Opening::default()] {
            file.store(Some(opening)).unwrap();
            assert_eq!(OpeningFile::new(directory.path()).load().unwrap(), Some(opening));
        }
        file.store(None).unwrap();
        assert_eq!(file.load().unwrap(), None);
        fs::write(directory.path().join(FILE), "plain-http = 1").unwrap();
        assert!(file.load().is_err());
    }
}
