//! The boot directory, and the directories that are served under names: to a client they are one.

use crate::files::{Directory, Opened};
use proxydhcpd_core::fetch::Refusal;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct ServedDirectories {
    boot_dir: PathBuf,
    /// `None` where there is none, and then only loaders and scripts of ours are served, and what is mounted.
    boot: Option<Directory>,
    mounted: Vec<Mounted>,
    /// Names of directories that could not be mounted.
    lost: Vec<String>,
    any_case: bool,
}

#[derive(Debug)]
struct Mounted {
    name: String,
    path: PathBuf,
    directory: Directory,
}

impl ServedDirectories {
    pub fn new(boot_dir: &Path, boot: Option<Directory>, any_case: bool) -> Self {
        ServedDirectories { boot_dir: boot_dir.to_owned(), boot, mounted: Vec::new(), lost: Vec::new(), any_case }
    }

    /// What is asked for as `name/...` comes from this directory from now on.
    pub fn mount(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let directory = Directory::from_path(path, self.any_case)?;
        self.mounted.push(Mounted { name: name.to_owned(), path: path.to_owned(), directory });
        Ok(())
    }

    /// A directory could not be mounted: what was to be under this name nobody can know.
    pub fn mark_unavailable(&mut self, name: &str) {
        self.lost.push(name.to_owned());
    }

    pub fn is_unavailable(&self, name: &str) -> bool {
        name.split_once('/').is_some_and(|(first, _)| self.lost.iter().any(|lost| lost == first))
    }

    pub fn open(&self, name: &str) -> Result<Opened, Refusal> {
        match self.mounted(name) {
            Some((mounted, rest)) => mounted.directory.open(rest),
            None => self.boot.as_ref().ok_or(Refusal::NotFound)?.open(name),
        }
    }

    /// Where the file of this name would lie.
    pub fn path(&self, name: &str) -> PathBuf {
        self.mounted(name).map_or_else(|| self.boot_dir.join(name), |(mounted, rest)| mounted.path.join(rest))
    }

    /// Every mounted directory, by name.
    pub fn mounts(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.mounted.iter().map(|mounted| (mounted.name.as_str(), mounted.path.as_path()))
    }

    /// The mounted directory that a name leads into, and what is left of the name there.
    fn mounted<'a>(&self, name: &'a str) -> Option<(&Mounted, &'a str)> {
        let (first, rest) = name.split_once('/')?;
        let same =
            |mounted: &&Mounted| mounted.name == first || (self.any_case && mounted.name.eq_ignore_ascii_case(first));
        Some((self.mounted.iter().find(same)?, rest))
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
        let mut roots = ServedDirectories::new(&boot, Some(Directory::from_path(&boot, false).unwrap()), false);
        roots.mount("debian", &mirror).unwrap();
        let size = |name: &str| roots.open(name).map(|opened| opened.size);
        assert_eq!(size("a"), Ok(1));
        assert_eq!(size("debian/linux"), Ok(3), "it hides what the boot directory has of the name");
        assert_eq!(roots.path("debian/linux"), mirror.join("linux"));
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
        let mut any_case = ServedDirectories::new(&boot, None, true);
        any_case.mount("debian", &mirror).unwrap();
        assert!(any_case.open("DEBIAN/Linux").is_ok());
        assert_eq!(any_case.open("a").unwrap_err(), Refusal::NotFound);
    }
}
