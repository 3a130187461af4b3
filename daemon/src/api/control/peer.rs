//! The process at the other end of the control socket, as the kernel reports it (SO_PEERCRED).

use super::open;
use crate::settings::CONTROL_GROUP;
use nix::unistd::{Gid, Group, Uid, User};
use tokio::net::unix::UCred;

/// Whether a process may use the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Granted,
    /// It may not.
    Denied,
}

/// Decides about the process with these credentials: root, the user of the server, and the members of the group may use
/// the socket. The lookup of the group may ask a network service, so it is done in a thread that may block.
pub async fn permission(peer: UCred) -> Permission {
    let user = Uid::from_raw(peer.uid());
    if user.is_root() || user == Uid::effective() {
        return Permission::Granted;
    }
    let group = Gid::from_raw(peer.gid());
    match tokio::task::spawn_blocking(move || is_member(user, group)).await {
        Ok(true) => Permission::Granted,
        Ok(false) | Err(_) => Permission::Denied,
    }
}

/// Whether a user with this primary group is a member of the group.
fn is_member(user: Uid, primary: Gid) -> bool {
    if open::group() == Some(primary) {
        return true;
    }
    let group = Group::from_name(CONTROL_GROUP).ok().flatten();
    let user = User::from_uid(user).ok().flatten();
    matches!((group, user), (Some(group), Some(user)) if group.mem.contains(&user.name))
}
