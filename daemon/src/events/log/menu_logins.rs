//! The lines about users who log in at the menu of a machine.

use super::limits::Limits;
use proxydhcpd_core::event::Event;
use proxydhcpd_core::event::menu_login::MenuLoginEvent;

/// An answer to the server's challenge.
pub fn menu_login(event: &Event<'_>, login: &MenuLoginEvent<'_>, limits: &mut Limits) {
    let from = event.machine.from.map(|from| from.ip().to_canonical().to_string()).unwrap_or_default();
    match login {
        MenuLoginEvent::LoggedIn { user, item } => {
            tracing::info!(FROM = from, "{from}: {user} logged in at the menu and starts {item}");
        }
        MenuLoginEvent::Wrong { item } => {
            let line = format_args!("{from}: wrong user or password at the menu for {item}");
            limits.warn_once_a_minute("menu-login:wrong", line, event.at);
        }
        MenuLoginEvent::TooOften { item } => {
            let line = format_args!("{from}: too many passwords at the menu for {item}; it has to wait");
            limits.warn_once_a_minute("menu-login:too-often", line, event.at);
        }
    }
}
