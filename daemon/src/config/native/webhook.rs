//! Parses `[webhook.NAME]`, and reads the secrets.

use crate::settings::location::SourceLocation;
use crate::settings::raw::webhook::RawWebhook;
use crate::settings::table_reader::TableReader;
use crate::settings::webhook::{WebhookConfig, WebhookEvent, WebhookSecret};
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::regular::open_regular;
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// The longest secret, in octets.
const MAX_SECRET: u64 = 4096;
/// The bits of a mode that let other users read or write a file.
const OF_OTHERS: u32 = 0o006;

/// Parses a webhook. Reports invalid values, and keys that are missing.
pub fn parse(reader: &mut TableReader<'_>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) -> RawWebhook {
    let mut webhook = RawWebhook::default();
    reader.read_table("webhook", table, &mut webhook);
    for required in ["url", "secret-file"] {
        if !table.iter().any(|(key, _)| &**key.get_ref() == required) {
            reader.error(name.span(), format!("the webhook `{}` has no `{required}`", name.get_ref()));
        }
    }
    webhook
}

/// The webhooks with their secrets, in the order of their names. A webhook whose secret or certificates cannot be read
/// is not called, and has a warning: the user of a command may not be allowed to read what the server can.
pub fn with_secrets(
    webhooks: &BTreeMap<String, (RawWebhook, SourceLocation<'_>)>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<WebhookConfig> {
    let (mut usable, mut urls) = (Vec::<WebhookConfig>::new(), BTreeMap::new());
    for (name, (webhook, at)) in webhooks {
        let RawWebhook { url: Some(url), secret_file: Some((secret_file, span)), events, ca_file } = webhook else {
            continue;
        };
        if let Some(first) = urls.insert(url.to_string(), name) {
            let warning = at.warning(format!("the webhook `{name}` has the URL of `{first}`"));
            diagnostics.push(warning.help("the server calls it twice: list all events in one of them"));
        }
        let mut warn = |span: &std::ops::Range<usize>, problem: String, help: String| {
            diagnostics.push(at.part(span.clone()).warning(problem).help(help));
        };
        let ca_error = ca_file.as_ref().and_then(|(file, span)| {
            let error = open_regular(file, 16 << 20).err()?;
            Some((span, format!("cannot read {}: {error}", file.display())))
        });
        if let Some((span, problem)) = &ca_error {
            warn(span, problem.clone(), format!("the server does not call the webhook `{name}` until it can"));
        }
        match read_secret(secret_file) {
            Ok(secret) if ca_error.is_none() => usable.push(WebhookConfig {
                name: name.clone(),
                url: url.clone(),
                events: events.clone().unwrap_or_else(|| vec![WebhookEvent::AnyVerdict]),
                ca_file: ca_file.as_ref().map(|(file, _)| file.clone()),
                secret,
            }),
            Ok(_) => {}
            Err(reason) => {
                let problem = format!("cannot use the secret in {}: {reason}", secret_file.display());
                warn(span, problem, format!("the server does not call the webhook `{name}` until it can"));
            }
        }
    }
    usable
}

fn read_secret(file: &Path) -> Result<WebhookSecret, String> {
    let opened = open_regular(file, MAX_SECRET).map_err(|error| error.to_string())?;
    let mode = opened.metadata().map_err(|error| error.to_string())?.permissions().mode();
    if mode & OF_OTHERS != 0 {
        return Err(format!("other users may read or write it: chmod o= {}", file.display()));
    }
    let mut content = Vec::new();
    opened.take(MAX_SECRET).read_to_end(&mut content).map_err(|error| error.to_string())?;
    WebhookSecret::parse(&content).map_err(str::to_owned)
}
