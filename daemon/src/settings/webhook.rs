//! A webhook: a program that the server calls when a boot failed, or came this far.

use super::value::{TomlValue, ValueError, ValueResult, invalid, parse_with};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use proxydhcpd_core::story::{Stage, VERDICTS, VerdictCode};
use proxydhcpd_reading::suggest::closest_match;
use std::fmt;
use std::path::PathBuf;

/// The shortest secret, in octets, as the specification of Standard Webhooks has it.
const MIN_SECRET: usize = 24;
/// The prefix of a secret in base64, by that specification.
const SECRET_PREFIX: &str = "whsec_";

/// A webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookConfig {
    /// The name, which log lines contain.
    pub name: String,
    /// The URL to call.
    pub url: Uri,
    /// The events for which it is called.
    pub events: Vec<WebhookEvent>,
    /// The file with the certificates of the authorities to trust instead of those of the system.
    pub ca_file: Option<PathBuf>,
    /// The secret that signs the calls.
    pub secret: WebhookSecret,
}

/// An event for which a webhook may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A boot failed, with any verdict.
    AnyVerdict,
    /// A boot failed with this verdict.
    Verdict(VerdictCode),
    /// A boot reached this stage.
    Stage(Stage),
}

/// A secret, which no log shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

impl WebhookEvent {
    /// The event of this name.
    pub fn from_name(name: &str) -> Option<WebhookEvent> {
        let stage = || Stage::ALL.into_iter().find(|stage| stage.name() == name).map(WebhookEvent::Stage);
        match name {
            "verdict" => Some(WebhookEvent::AnyVerdict),
            _ => VerdictCode::from_id(name).map(WebhookEvent::Verdict).or_else(stage),
        }
    }

    /// The names of all events.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ["verdict"].into_iter().chain(VERDICTS.iter().map(|row| row.id)).chain(Stage::ALL.map(Stage::name))
    }
}

impl WebhookSecret {
    /// Reads the content of a file: `whsec_` and base64, or else text. White space around it does not count.
    ///
    /// # Errors
    /// The reason why it is no secret.
    pub fn parse(content: &[u8]) -> Result<WebhookSecret, &'static str> {
        let text = str::from_utf8(content).map_err(|_| "it is not text")?.trim();
        let octets = match text.strip_prefix(SECRET_PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| "what follows `whsec_` is not base64")?,
            None => text.as_bytes().to_vec(),
        };
        if octets.len() < MIN_SECRET {
            return Err("the secret has fewer than 24 octets: make one with `openssl rand -base64 32`");
        }
        Ok(WebhookSecret(octets))
    }

    /// The octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// A URL that the server can call: http or https, with a host, and without a user or a fragment.
pub fn url(value: &TomlValue<'_>) -> ValueResult<Uri> {
    let uri = parse_with(value, |text| text.parse::<Uri>().ok().filter(|_| !text.contains('#')))?;
    let is_usable = |host: &str| !host.is_empty() && uri.authority().is_some_and(|all| !all.as_str().contains('@'));
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if is_usable(host) => Ok(uri),
        _ => Err(invalid(value.span())),
    }
}

/// The name of an event.
pub fn event(value: &TomlValue<'_>) -> ValueResult<WebhookEvent> {
    let name = value.get_ref().as_str().ok_or_else(|| invalid(value.span()))?;
    WebhookEvent::from_name(name).ok_or_else(|| {
        let help = match closest_match(name, WebhookEvent::names()) {
            Some(similar) => format!("did you mean \"{similar}\"?"),
            None => "docs/webhooks.md lists the events: `verdict`, the code of a verdict, or a stage".to_owned(),
        };
        let reason = Some(format!("there is no event \"{name}\""));
        vec![ValueError { span: value.span(), reason, help: Some(help) }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_text_or_base64_and_is_not_shown() {
        let text = WebhookSecret::parse(b" 0123456789abcdef01234567\n").unwrap();
        assert_eq!(text.octets(), b"0123456789abcdef01234567");
        let encoded = WebhookSecret::parse(b"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3").unwrap();
        assert_eq!(encoded, text);
        assert_eq!(format!("{encoded:?}"), "WebhookSecret(..)");
        for (content, reason) in [(&b"short"[..], "fewer than 24"), (b"whsec_?", "not base64"), (b"\xff", "not text")] {
            assert!(WebhookSecret::parse(content).unwrap_err().contains(reason));
        }
    }

    #[test]
    fn every_verdict_and_every_stage_is_an_event_under_one_name() {
        let names: Vec<&str> = WebhookEvent::names().collect();
        assert!(names.iter().all(|name| WebhookEvent::from_name(name).is_some()));
        let unique: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len());
    }
}
