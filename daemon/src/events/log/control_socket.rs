//! The lines about the control socket.

use proxydhcpd_core::event::control_socket::ControlSocketEvent;

/// Something that happened to the control socket.
pub fn control_socket(event: &ControlSocketEvent<'_>) {
    match event {
        ControlSocketEvent::Opened(path) => tracing::debug!("control socket {path}"),
        ControlSocketEvent::Failed { error, remedy } => tracing::warn!(
            "{error}: machines boot, but `proxydhcpd status` and `proxydhcpd watch` do not reach this server; {remedy}"
        ),
        ControlSocketEvent::Refused { user } => {
            tracing::debug!("refused a connection of the user {user} to the control socket");
        }
        ControlSocketEvent::Full(limit) => {
            tracing::debug!("all {limit} connections of the control socket are in use: refused another one");
        }
        ControlSocketEvent::AcceptFailed(error) => {
            tracing::debug!("cannot accept a connection of the control socket: {error}");
        }
    }
}
