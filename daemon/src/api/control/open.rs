//! Opens the control socket.

use crate::settings::CONTROL_GROUP;
use nix::unistd::{Gid, Group, chown};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The open socket. Its file is removed with this value.
#[derive(Debug)]
pub struct OpenSocket {
    /// The listening socket, which does not block.
    pub listener: UnixListener,
    path: PathBuf,
    /// The device and the inode of the file, to recognise it.
    file: Option<(u64, u64)>,
}

/// Why the socket cannot be opened.
#[derive(Debug)]
pub struct OpenError {
    /// The path, and the reason.
    pub error: String,
    /// The remedy.
    pub remedy: &'static str,
}

/// Opens the socket at this path, and replaces that of a server which has ended. May block for a moment, to look up the
/// group.
pub fn open(path: &Path) -> Result<OpenSocket, OpenError> {
    if let Some(directory) = path.parent() {
        // If that fails, the bind reports it.
        let _ = DirBuilder::new().mode(0o755).create(directory);
    }
    let listener = match bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path)?;
            bind(path)
        }
        result => result,
    };
    let listener = listener.map_err(|error| OpenError::new(path, &error.to_string(), bind_remedy(&error)))?;
    let group = group();
    let prepare = || {
        listener.set_nonblocking(true)?;
        if let Some(group) = group {
            // A server that is not a member keeps the socket for itself and root.
            let _ = chown(path, None, Some(group));
        }
        fs::set_permissions(path, Permissions::from_mode(0o660))
    };
    prepare().map_err(|error: io::Error| OpenError::new(path, &error.to_string(), CHOOSE))?;
    Ok(OpenSocket { file: identity(path), listener, path: path.to_owned() })
}

/// The number of the group whose members may use the socket. `None`: there is no such group.
pub fn group() -> Option<Gid> {
    Group::from_name(CONTROL_GROUP).ok().flatten().map(|group| group.gid)
}

const CHOOSE: &str =
    "choose another path with `control-socket`, or switch the socket off with `control-socket = false`";
const STOP_OTHER: &str = "stop that server, or choose another path with `control-socket` for one of them";

impl OpenError {
    fn new(path: &Path, reason: &str, remedy: &'static str) -> OpenError {
        OpenError { error: format!("cannot open the control socket {}: {reason}", path.display()), remedy }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    UnixListener::bind(path)
}

fn bind_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => {
            "run the server by its unit, whose RuntimeDirectory= creates the directory, choose another path with \
             `control-socket`, or switch the socket off with `control-socket = false`"
        }
        _ => CHOOSE,
    }
}

/// Removes the socket of a server that has ended. No other file is removed.
fn remove_stale(path: &Path) -> Result<(), OpenError> {
    let fail = |reason: &str, remedy| Err(OpenError::new(path, reason, remedy));
    match fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => return fail("a file that is no socket has that name", CHOOSE),
        _ => {}
    }
    match connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => match fs::remove_file(path) {
            Ok(()) => Ok(()),
            Err(error) => fail(&format!("cannot remove the socket of a server that has ended: {error}"), CHOOSE),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // The queue of connections is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => fail("a running server uses it", STOP_OTHER),
        Err(error) => fail(&format!("it exists, and cannot be tried: {error}"), CHOOSE),
        Ok(()) => fail("a running server uses it", STOP_OTHER),
    }
}

/// Connects and disconnects, without waiting.
fn connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        if self.file.is_some() && identity(&self.path) == self.file {
            // A file that stays is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_of_an_ended_server_is_replaced_and_that_of_a_running_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new").join("control.sock");
        let first = open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(open(&path).unwrap_err().error.ends_with("control.sock: a running server uses it"));
        assert!(path.exists());
        drop(first);
        assert!(!path.exists(), "the server removes its socket");

        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = open(&path).unwrap();
        // Another server has replaced it meanwhile.
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(second);
        assert!(path.exists(), "a server removes only its own socket");
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(open(file.path()).unwrap_err().error.contains("no socket"));
        assert!(file.path().exists());
        let nowhere = open(Path::new("/nowhere/at/all/control.sock")).unwrap_err();
        assert!(nowhere.remedy.contains("RuntimeDirectory="), "{nowhere:?}");
    }
}
