//! The boot directory, and the directories that are served under a name. To a client, they look like one directory.

use crate::files::{Directory, Opened};
use proxydhcpd_core::fetch::Refusal;
use std::io;
use std::path::{Path, PathBuf};

/// The boot directory and the mounted directories.
#[derive(Debug)]
pub struct ServedDirectories {
    boot_dir: PathBuf,
    /// The open boot directory; `None` if it does not exist. Then the server sends only loaders, generated scripts and
    /// files from mounted directories.
    boot: Option<Directory>,
    mounted: Vec<MountedDirectory>,
    /// Names of directories that could not be mounted.
    unavailable: Vec<String>,
    ignore_case: bool,
}

#[derive(Debug)]
struct MountedDirectory {
    name: String,
    path: PathBuf,
    directory: Directory,
}

impl ServedDirectories {
    /// Serves the boot directory, without mounted directories.
    pub fn new(boot_dir: &Path, boot: Option<Directory>, ignore_case: bool) -> Self {
        ServedDirectories {
            boot_dir: boot_dir.to_owned(),
            boot,
            mounted: Vec::new(),
            unavailable: Vec::new(),
            ignore_case,
        }
    }

    /// Serves the files of this directory under `name/...`. Returns an error if the directory cannot be opened.
    pub fn mount(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let directory = Directory::from_path(path, self.ignore_case)?;
        self.mounted.push(MountedDirectory { name: name.to_owned(), path: path.to_owned(), directory });
        Ok(())
    }

    /// Remembers that the directory with this name could not be mounted, so that its files are unknown.
    pub fn mark_unavailable(&mut self, name: &str) {
        self.unavailable.push(name.to_owned());
    }

    /// Whether the name leads into a directory that could not be mounted.
    pub fn is_unavailable(&self, name: &str) -> bool {
        name.split_once('/').is_some_and(|(first, _)| self.unavailable.iter().any(|unavailable| unavailable == first))
    }

    /// Opens the file of this name.
    pub fn open(&self, name: &str) -> Result<Opened, Refusal> {
        match self.mounted(name) {
            Some((mounted, rest)) => mounted.directory.open(rest),
            None => self.boot.as_ref().ok_or(Refusal::NotFound)?.open(name),
        }
    }

    /// The path of the boot directory.
    pub fn boot_dir(&self) -> &Path {
        &self.boot_dir
    }

    /// The path of the file with this name, whether it exists or not.
    pub fn path(&self, name: &str) -> PathBuf {
        self.mounted(name).map_or_else(|| self.boot_dir.join(name), |(mounted, rest)| mounted.path.join(rest))
    }

    /// The mounted directories with their names.
    pub fn mounts(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.mounted.iter().map(|mounted| (mounted.name.as_str(), mounted.path.as_path()))
    }

    /// The mounted directory into which a name leads, and the rest of the name; `None` if the name leads into the boot
    /// directory.
    fn mounted<'a>(&self, name: &'a str) -> Option<(&MountedDirectory, &'a str)> {
        let (first, rest) = name.split_once('/')?;
        let is_match = |mounted: &&MountedDirectory| {
            mounted.name == first || (self.ignore_case && mounted.name.eq_ignore_ascii_case(first))
        };
        Some((self.mounted.iter().find(is_match)?, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_mounted_directory_is_served_under_its_name_and_nothing_leads_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (boot, mirror) = (dir.path().join("boot"), dir.path().join("mirror"));
        fs::create_dir_all(boot.join("debian")).unwrap();
        fs::create_dir_all(mirror.join("sub")).unwrap();
        for (file, text) in [("boot/a", "1"), ("boot/debian/linux", "22"), ("mirror/linux", "333"), ("secret", "4444")]
        {
            fs::write(dir.path().join(file), text).unwrap();
        }
        std::os::unix::fs::symlink("../secret", mirror.join("out")).unwrap();
        let mut directories = ServedDirectories::new(&boot, Some(Directory::from_path(&boot, false).unwrap()), false);
        directories.mount("debian", &mirror).unwrap();
        let size = |name: &str| directories.open(name).map(|opened| opened.size());
        assert_eq!(size("a"), Ok(1));
        assert_eq!(size("debian/linux"), Ok(3), "it hides the boot directory's directory of that name");
        assert_eq!(directories.path("debian/linux"), mirror.join("linux"));
        for (name, refusal) in [
            ("debian/out", Refusal::Denied),
            ("debian/../../secret", Refusal::Denied),
            ("debian/sub", Refusal::Denied),
            ("debian", Refusal::Denied),
            ("debian/gone", Refusal::NotFound),
            ("Debian/linux", Refusal::NotFound),
        ] {
            assert_eq!(size(name), Err(refusal), "{name}");
        }
        let mut ignoring_case = ServedDirectories::new(&boot, None, true);
        ignoring_case.mount("debian", &mirror).unwrap();
        assert!(ignoring_case.open("DEBIAN/Linux").is_ok());
        assert_eq!(ignoring_case.open("a").unwrap_err(), Refusal::NotFound);
    }
}
