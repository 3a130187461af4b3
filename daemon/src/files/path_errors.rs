//! Why a path leads to nothing that can be served, as far as the file system tells: a file that is not there yet is
//! another matter than one that this server may not read, and has another cure.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Of a regular file below a directory that is served, where opening it inside that directory failed.
pub fn file_problem(path: &Path) -> String {
    let shown = path.display();
    let opened = fs::metadata(path).and_then(|metadata| match metadata.is_file() {
        true => File::open(path).map(|_| metadata),
        // To open a pipe could take forever.
        false => Ok(metadata),
    });
    match opened {
        Ok(metadata) if metadata.is_dir() => format!("{shown} is a directory, not a file"),
        Ok(metadata) if !metadata.is_file() => format!("{shown} is no regular file"),
        Ok(_) => format!("{shown} is a link out of the directory that is served, and such links are not followed"),
        Err(error) if error.kind() == ErrorKind::NotFound && dangling(path).is_none() => {
            format!("there is no file {shown} yet")
        }
        Err(error) => path_problem(path, "file", &error),
    }
}

/// Of a path for which the system gives this error; `kind` is what was expected there.
pub fn path_problem(path: &Path, kind: &str, error: &io::Error) -> String {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => match dangling(path) {
            Some((link, target)) => {
                format!("{} is a link to {}, which is not there", link.display(), target.display())
            }
            None => format!("there is no {kind} {shown}"),
        },
        ErrorKind::NotADirectory => match above(path, |directory| directory.is_file()) {
            Some(file) => format!("there is no {kind} {shown}: {} is a file, not a directory", file.display()),
            None => format!("there is no {kind} {shown}: {error}"),
        },
        ErrorKind::PermissionDenied => match above(path, |directory| directory.metadata().is_err_and(is_denied)) {
            // The outermost that cannot be looked at lies in the directory that does not let us in.
            Some(hidden) => format!(
                "this server may not read {shown}: permission denied in the directory {}",
                hidden.parent().unwrap_or(&hidden).display()
            ),
            None => format!("this server may not read {shown}: permission denied"),
        },
        _ => format!("{shown} cannot be read: {error}"),
    }
}

fn is_denied(error: io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
}

/// The outermost part of the path for which this is so.
fn above(path: &Path, is_so: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    path.ancestors().filter(|part| is_so(part)).last().map(Path::to_owned)
}

/// Whether nothing at all has this name. What a link leads to that is gone may come back, and a file in the place of a
/// directory, this one or one above it, is something.
pub fn is_absent(path: &Path, error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound && path.symlink_metadata().is_err() && dangling(path).is_none()
}

/// The link on the way that leads to nothing, and where it points.
fn dangling(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let link = above(path, |part| part.is_symlink() && !part.exists())?;
    let target = fs::read_link(&link).ok()?;
    Some((link, target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// What is said of these names, with `/` for the directory that they are in.
    fn said(directory: &Path, name: &str) -> String {
        let root = format!("{}/", directory.display());
        file_problem(&directory.join(name)).replace(&root, "/")
    }

    #[test]
    fn a_path_that_leads_nowhere_is_told_by_what_is_there() {
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
            ("broken", "/broken is a link to gone, which is not there"),
            ("broken/linux", "/broken is a link to gone, which is not there"),
            ("out", "/out is a link out of the directory that is served, and such links are not followed"),
        ] {
            assert_eq!(said(dir.path(), name), expected);
        }
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(said(dir.path(), "pipe"), "/pipe is no regular file");
    }

    #[test]
    fn what_may_not_be_read_is_not_said_to_be_missing() {
        let denied = io::Error::from(ErrorKind::PermissionDenied);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("linux");
        fs::write(&path, "").unwrap();
        let expected = format!("this server may not read {}: permission denied", path.display());
        assert_eq!(path_problem(&path, "file", &denied), expected);
    }
}
