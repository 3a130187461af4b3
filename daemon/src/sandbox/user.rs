//! The user as whom the server runs.

use super::capabilities;
use crate::settings::{CONTROL_GROUP, Settings};
use nix::sys::prctl::set_keepcaps;
use nix::unistd::{
    AccessFlags, Gid, Group, Uid, User, access, chown, getgroups, initgroups, setgroups, setresgid, setresuid,
};
use std::ffi::CString;
use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The user of the key `user`.
#[derive(Debug)]
pub struct ServerUser(User);

/// Why the server cannot run as the user of the key `user`.
#[derive(Debug)]
pub struct UserError {
    name: String,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Unknown,
    NotFound(io::Error),
    Refused(io::Error),
    CannotWrite(PathBuf, io::Error),
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UserError { name, reason } = self;
        write!(f, "cannot run as the user {name} (`user`): ")?;
        match reason {
            Reason::Unknown => write!(f, "this host has no such user. Create it: useradd --system {name}"),
            Reason::NotFound(error) => write!(f, "cannot look for this user: {error}"),
            Reason::Refused(error) => write!(
                f,
                "{error}. Start the server as root, with the capabilities SETUID and SETGID, or remove `user`"
            ),
            Reason::CannotWrite(directory, error) => {
                let directory = directory.display();
                write!(f, "it cannot write in the state directory: {error}. Give it that: chown -R {name} {directory}")
            }
        }
    }
}

impl ServerUser {
    /// Finds the user of this name.
    pub fn find(name: &str) -> Result<ServerUser, UserError> {
        let fail = |reason| UserError { name: name.to_owned(), reason };
        let user = User::from_name(name).map_err(|error| fail(Reason::NotFound(error.into())))?;
        user.map(ServerUser).ok_or_else(|| fail(Reason::Unknown))
    }

    /// Makes this process one of the user. It keeps its capabilities for now. The user must be able to write in the
    /// state directory.
    pub fn switch(&self, settings: &Settings) -> Result<(), UserError> {
        let ServerUser(User { name, uid, gid, .. }) = self;
        let fail = |reason| UserError { name: name.clone(), reason };
        if Uid::effective() != *uid {
            self.become_user(*uid, *gid, settings).map_err(|error| fail(Reason::Refused(error)))?;
        }
        // The check of access(2) follows the capabilities, too.
        capabilities::drop_needless().ok();
        let writable = access(&settings.state_dir, AccessFlags::W_OK | AccessFlags::X_OK);
        writable.map_err(|error| fail(Reason::CannotWrite(settings.state_dir.clone(), error.into())))
    }

    fn become_user(&self, uid: Uid, gid: Gid, settings: &Settings) -> io::Result<()> {
        initgroups(&CString::new(self.0.name.as_str())?, gid)?;
        join_control_group(settings);
        set_keepcaps(true)?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
        Ok(set_keepcaps(false)?)
    }
}

/// Makes this process a member of the group of the control socket, if there is one and the process may do that. So the
/// process can give the socket to the group later, without a capability.
pub fn join_control_group(settings: &Settings) {
    let Some(group) = settings.control_socket.as_ref().and_then(|_| Group::from_name(CONTROL_GROUP).ok().flatten())
    else {
        return;
    };
    let Ok(mut groups) = getgroups() else { return };
    if !groups.contains(&group.gid) {
        groups.push(group.gid);
        let _ = setgroups(&groups);
    }
}

/// The name of the user of this process, or the number if it has no name.
pub fn name() -> String {
    let uid = Uid::effective();
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Creates the directories in which the server writes, if they are missing, for this user. Later, the sandbox does not
/// let the server create them. A directory that cannot be created is reported where the server needs it.
pub fn create_directories(settings: &Settings, user: Option<&ServerUser>) {
    create(&settings.state_dir, 0o750, user);
    if let Some(directory) = settings.control_socket.as_deref().and_then(Path::parent) {
        create(directory, 0o755, user);
    }
}

fn create(directory: &Path, mode: u32, user: Option<&ServerUser>) {
    if directory.exists() || DirBuilder::new().recursive(true).mode(mode).create(directory).is_err() {
        return;
    }
    if let Some(ServerUser(user)) = user {
        // If that fails, the user cannot write there, which is an error.
        let _ = chown(directory, Some(user.uid), Some(user.gid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_name_the_reason_and_the_cure() {
        let error = ServerUser::find("no-such-user").unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot run as the user no-such-user (`user`): this host has no such user. Create it: useradd --system \
             no-such-user"
        );
    }
}
