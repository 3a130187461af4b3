//! The values of `[webhook.NAME]`.

use crate::settings::webhook::WebhookEvent;
use hyper::Uri;
use proxydhcpd_reading::diagnostic::Span;
use std::path::PathBuf;

/// A webhook whose secret is not read.
#[derive(Debug, Default)]
pub struct RawWebhook {
    /// The URL to call.
    pub url: Option<Uri>,
    /// The events for which it is called.
    pub events: Option<Vec<WebhookEvent>>,
    /// The file with the secret, and the span of its name.
    pub secret_file: Option<(PathBuf, Span)>,
    /// The file with the certificates of the authorities to trust, and the span of its name.
    pub ca_file: Option<(PathBuf, Span)>,
}
