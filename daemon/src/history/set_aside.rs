//! Sets a damaged file aside, with its write-ahead log: someone may repair it.

use crate::events::wall_clock::rfc3339;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The number of damaged files that are kept.
const MAX_KEPT: usize = 2;

/// The companions of a file of SQLite: its write-ahead log, and the index of that, which is made anew.
const LOG: &str = "-wal";
const INDEX: &str = "-shm";

/// Renames a file to `NAME.damaged-DATE`, removes all but the latest two of these, and returns the new path.
pub fn set_aside(path: &Path, now: SystemTime) -> io::Result<PathBuf> {
    let date = rfc3339(now).replace([':', '-'], "");
    let kept = with_suffix(path, &format!(".damaged-{date}"));
    fs::rename(path, &kept)?;
    fs::rename(with_suffix(path, LOG), with_suffix(&kept, LOG)).or_else(ignore_missing)?;
    fs::remove_file(with_suffix(path, INDEX)).or_else(ignore_missing)?;
    remove_old(path)?;
    Ok(kept)
}

fn remove_old(path: &Path) -> io::Result<()> {
    let prefix = with_suffix(path, ".damaged-");
    let prefix = prefix.file_name().unwrap_or_default().to_string_lossy();
    let mut kept = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&*prefix) && !name.ends_with(LOG) {
            kept.push(entry.path());
        }
    }
    // The names are in the order of their dates.
    kept.sort();
    for old in kept.iter().rev().skip(MAX_KEPT) {
        fs::remove_file(old)?;
        fs::remove_file(with_suffix(old, LOG)).or_else(ignore_missing)?;
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
