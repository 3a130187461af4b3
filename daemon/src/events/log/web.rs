//! The lines about the web listener.

use proxydhcpd_core::event::web::WebEvent;

/// Something that happened to the web listener.
pub fn web(event: &WebEvent<'_>) {
    match event {
        WebEvent::Listening(url) => tracing::info!("page for operators at {url}"),
        WebEvent::Closed(url) => tracing::info!("the page for operators is no longer at {url}"),
        WebEvent::SetupLink { url, secret } => {
            tracing::info!("this link opens it once, within 30 minutes, and sets its password: {url}start/{secret}");
        }
        WebEvent::LinkMade => tracing::info!("a command made a link that opens the page for operators once"),
        WebEvent::Failed(error) => tracing::warn!("cannot start the page for operators: {error}; machines boot"),
        WebEvent::ListenFailed { address, error } => tracing::warn!(
            "cannot listen at {address} for the page for operators: {error}; machines boot. The server tries again; \
             `listen` in [web] says where the page is"
        ),
        WebEvent::Certificate { fingerprint, is_own } => {
            let owner = if *is_own { "its own certificate" } else { "the certificate of the configuration" };
            tracing::info!("the page for operators uses {owner}, with the SHA-256 fingerprint {fingerprint}");
        }
        WebEvent::CertificateFailed { error, instead } => tracing::warn!(
            "cannot use the certificate of the page for operators: {error}; the server uses {instead}. Correct \
             `certificate` and `key` in [web]"
        ),
        WebEvent::LoggedIn { source, by } => tracing::info!("{source} logged in to the page by {by}"),
        WebEvent::WrongPassword { source } => tracing::debug!("{source} presented a wrong password to the page"),
        WebEvent::PasswordSet { source: Some(source) } => tracing::info!("{source} set the password of the page"),
        WebEvent::PasswordSet { source: None } => tracing::info!("a command set the password of the page"),
        WebEvent::TokenAdded { name, scope } => tracing::info!("added the token {name} with the scope {scope}"),
        WebEvent::TokenRemoved(name) => tracing::info!("removed the token {name}"),
        WebEvent::Full(limit) => tracing::debug!("all {limit} connections of the page are in use: refused another one"),
        WebEvent::AcceptFailed(error) => tracing::debug!("cannot accept a connection of the page: {error}"),
    }
}
