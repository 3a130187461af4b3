//! `/healthz` and `/readyz`: whether the server runs, for programs that watch it. They need no login, and show nothing
//! about machines.

use super::shared::Web;
use crate::state::State as ServerState;
use axum::extract::State;
use axum::http::StatusCode;
use proxydhcpd_core::event::port::ListenerKind;

/// The threads that serve machines respond. A service manager restarts a server that does not.
pub async fn alive(State(web): State<Web>) -> (StatusCode, &'static str) {
    match is_alive(&web.api.state) {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "a thread does not respond; the log names it\n"),
    }
}

/// Machines can boot: the threads respond, and the server has interfaces and receives DHCP requests. The plan is loaded
/// before the server listens at all.
pub async fn ready(State(web): State<Web>) -> (StatusCode, &'static str) {
    match obstacle(&web.api.state) {
        None => (StatusCode::OK, "ready\n"),
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, obstacle),
    }
}

/// Whether the threads that serve respond.
pub fn is_alive(state: &ServerState) -> bool {
    state.liveness.is_alive(state.now())
}

/// Why no machine can boot.
pub fn obstacle(state: &ServerState) -> Option<&'static str> {
    let receives_dhcp = |(listener, _): &(ListenerKind, u16)| {
        matches!(
            listener,
            ListenerKind::DhcpBroadcast
                | ListenerKind::BootServer
                | ListenerKind::Dhcp6Multicast
                | ListenerKind::BootServer6
        )
    };
    if !is_alive(state) {
        Some("a thread does not respond; the log names it\n")
    } else if state.links.load().is_empty() {
        Some("no interface is served; the log says why\n")
    } else if !state.events.open_ports().iter().any(receives_dhcp) {
        Some("no port for DHCP is open; the log says why\n")
    } else {
        None
    }
}
