//! Explains why a path leads to no file that the server can send, as far as the file system shows the reason. The fix
//! for a missing file differs from that for a file that the server may not read.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a regular file below a served directory could not be opened.
pub fn file_problem(path: &Path) -> String {
    let shown = path.display();
    let opened = fs::metadata(path).and_then(|metadata| match metadata.is_file() {
        true => File::open(path).map(|_| metadata),
        // The file is not opened, because opening a pipe could block.
        false => Ok(metadata),
    });
    match opened {
        Ok(metadata) if metadata.is_dir() => format!("{shown} is a directory, not a file"),
        Ok(metadata) if !metadata.is_file() => format!("{shown} is not a regular file"),
        Ok(_) => format!("{shown} is a link out of the served directory, which is not followed"),
        Err(error) if error.kind() == ErrorKind::NotFound && dangling_link(path).is_none() => {
            format!("there is no file {shown} yet")
        }
        Err(error) => path_problem(path, "file", &error),
    }
}

/// Explains the error of the operating system for this path; `kind` is the expected kind of file.
pub fn path_problem(path: &Path, kind: &str, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => match dangling_link(path) {
            Some((link, target)) => {
                format!("{} is a link to {}, which does not exist", link.display(), target.display())
            }
            None => format!("there is no {kind} {shown}"),
        },
        ErrorKind::NotADirectory => match outermost(path, |directory| directory.is_file()) {
            Some(file) => format!("there is no {kind} {shown}: {} is a file, not a directory", file.display()),
            None => format!("there is no {kind} {shown}: {error}"),
        },
        ErrorKind::PermissionDenied => match outermost(path, |directory| directory.metadata().is_err_and(is_denied)) {
            // The outermost path without readable metadata is directly in the directory that denies access.
            Some(hidden) => format!(
                "this server may not read {shown}: permission denied in the directory {}",
                hidden.parent().unwrap_or(&hidden).display()
            ),
            None => format!("this server may not read {shown}: permission denied"),
        },
        _ => format!("cannot read {shown}: {error}"),
    }
}

fn is_denied(error: io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
}

/// The outermost path for which `matches` is true, among the path and its ancestors; `None` if there is none.
fn outermost(path: &Path, matches: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    path.ancestors().filter(|part| matches(part)).last().map(Path::to_owned)
}

/// Whether nothing exists under this name. Returns `false` for a dangling link, whose target may come back, and for a
/// path through a file that should be a directory.
pub fn is_absent(path: &Path, error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() && dangling_link(path).is_none()
}

/// The dangling link in a path, and its target; `None` if the path contains no dangling link.
fn dangling_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let link = outermost(path, |part| part.is_symlink() && !part.exists())?;
    let target = fs::read_link(&link).ok()?;
    Some((link, target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The explanation for the file with this name, with `/` instead of the path of the directory.
    fn explained(directory: &Path, name: &str) -> String {
        let root = format!("{}/", directory.display());
        file_problem(&directory.join(name)).replace(&root, "/")
    }

    #[test]
    fn a_path_to_nothing_is_explained_by_the_files_that_exist() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        fs::write(at("file"), "").unwrap();
        symlink("gone", at("broken")).unwrap();
        symlink("/etc/hostname", at("out")).unwrap();
        for (name, expected) in [
            ("gone", "there is no file /gone yet"),
            ("gone/deeper", "there is no file /gone/deeper yet"),
            ("directory", "/directory is a directory, not a file"),
            ("file/linux", "there is no file /file/linux: /file is a file, not a directory"),
            ("broken", "/broken is a link to gone, which does not exist"),
            ("broken/linux", "/broken is a link to gone, which does not exist"),
            ("out", "/out is a link out of the served directory, which is not followed"),
        ] {
            assert_eq!(explained(dir.path(), name), expected);
        }
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(explained(dir.path(), "pipe"), "/pipe is not a regular file");
    }

    #[test]
    fn an_unreadable_file_is_not_reported_as_missing() {
        let denied = io::Error::from(ErrorKind::PermissionDenied);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("linux");
        fs::write(&path, "").unwrap();
        let expected = format!("this server may not read {}: permission denied", path.display());
        assert_eq!(path_problem(&path, "file", &denied), expected);
    }
}
