//! Warns of paths that the configuration names and that the server cannot read any more: without its capabilities, root
//! may read only what the permissions of a file allow.

use super::configured_paths;
use crate::config::Loaded;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A warning for each path of the configuration that this process cannot read, as this user, with the cure.
pub fn warnings(loaded: &Loaded, user: &str) -> Vec<String> {
    let denied = configured_paths::list(loaded).into_iter().filter_map(|configured| {
        let denied = denied_path(&configured.path)?;
        Some((configured.key, configured.path, denied))
    });
    denied.map(|(key, path, denied)| warning(key, &path, &denied, user)).collect()
}

/// The first directory on the way to the path, or the path itself, whose permissions deny it to this process.
fn denied_path(path: &Path) -> Option<PathBuf> {
    let is_denied = |result: io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    let on_the_way = ancestors.windows(2).find(|pair| is_denied(fs::symlink_metadata(pair[1]).map(drop)));
    match on_the_way {
        Some(pair) => Some(pair[0].to_owned()),
        None => is_denied(read(path)).then(|| path.to_owned()),
    }
}

fn read(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        fs::read_dir(path).map(drop)
    } else if path.is_file() {
        File::open(path).map(drop)
    } else {
        Ok(())
    }
}

fn warning(key: &str, path: &Path, denied: &Path, user: &str) -> String {
    let mode = fs::metadata(denied).as_ref().map(Metadata::mode).unwrap_or_default() & 0o777;
    let needs = if denied == path { "rX" } else { "x" };
    format!(
        "the server cannot read {} ({key}): in its sandbox it runs as {user} without the capability to ignore \
         permissions, and {} has the mode {mode:04o}. Let {user} read it (setfacl -m u:{user}:{needs} {}), move the \
         files to /srv, or set `sandbox = \"off\"`",
        path.display(),
        denied.display(),
        denied.display(),
    )
}
