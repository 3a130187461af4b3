//! What is wrong with a template, in our words and with its place.

use super::{MAX_TEXT, Scope, TextLocations};
use crate::config::diagnostic::{Diagnostic, Source, Span};
use crate::suggest::closest_match;
use minijinja::{Error, ErrorKind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The template in which it happened, by its name in the directory, or the key of a profile.
    pub template: String,
    /// Of the template.
    pub line: Option<usize>,
    pub diagnostic: Box<Diagnostic>,
}

impl Failure {
    /// `asked` is the template that was rendered; it may have included the one that failed. `source` knows the place of
    /// a template for people, and its text.
    pub(super) fn new(
        error: &Error,
        asked: &str,
        source: impl Fn(&str) -> Option<(String, String)>,
        scope: Option<&Scope>,
    ) -> Failure {
        let chain: Vec<&Error> = std::iter::successors(Some(error), |error| {
            std::error::Error::source(*error).and_then(|source| source.downcast_ref::<Error>())
        })
        .collect();
        // The innermost error is the reason, the innermost with a line the place.
        let reason = chain.last().copied().unwrap_or(error);
        let place = chain.iter().rev().find(|error| error.line().is_some()).copied().unwrap_or(reason);
        let name = place.name().unwrap_or(asked);
        let (message, help) = said(reason, scope);
        let diagnostic = match source(name) {
            Some((file, text)) => {
                let source = Source { name: file, text };
                source.error(span(place, &source.text), message)
            }
            None => Diagnostic::error(message).in_file(name),
        };
        let diagnostic = Box::new(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
        let line = diagnostic.location.as_ref().map(|place| place.line);
        Failure { template: name.strip_prefix(super::profile_texts::INLINE_PREFIX).unwrap_or(name).to_owned(), line, diagnostic }
    }

    /// Told where the configuration says the text, if that is where it comes from.
    pub(super) fn with_location(self, spots: &TextLocations) -> Failure {
        match spots.get(&self.template) {
            Some(spot) => Failure { diagnostic: Box::new(spot.relocate(*self.diagnostic)), ..self },
            None => self,
        }
    }
}

/// Where it is; the whole line, if the engine knows no more.
fn span(error: &Error, text: &str) -> Span {
    if let Some(range) = error.range() {
        return range;
    }
    let number = error.line().unwrap_or(1).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(number).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or_default();
    start + (line.len() - line.trim_start().len())..start + line.len()
}

fn said(error: &Error, scope: Option<&Scope>) -> (String, Option<String>) {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => undefined(detail, scope),
        ErrorKind::OutOfFuel => ("this takes too long: is there a loop without end?".into(), None),
        ErrorKind::WriteFailure => (format!("the text becomes longer than {MAX_TEXT} octets"), None),
        ErrorKind::TemplateNotFound => {
            let name = detail.split(['"', '\'']).nth(1).unwrap_or(detail);
            (
                format!("there is no template {name}"),
                Some("names count from the template directory, and none leads out of it".into()),
            )
        }
        ErrorKind::SyntaxError => (detail.to_owned(), None),
        ErrorKind::InvalidOperation if !detail.is_empty() => (detail.to_owned(), None),
        kind if detail.is_empty() => (kind.to_string(), None),
        kind => (format!("{kind}: {detail}"), None),
    }
}

/// The engine names the expression between backticks.
fn undefined(detail: &str, scope: Option<&Scope>) -> (String, Option<String>) {
    let Some(name) = detail.split('`').nth(1) else { return ("an undefined name is used here".into(), None) };
    let help = scope.map(|scope| {
        if name.starts_with("machine.") && !scope.has_entry() {
            return "this machine has no entry in the configuration, which could say it".to_owned();
        }
        // `machine.rol` is compared with what a machine has, as `rol` with what stands for itself.
        let (before, last) = name.split_at(name.rfind('.').map_or(0, |dot| dot + 1));
        let known = scope.known_names();
        let beside = known.iter().filter_map(|name| name.strip_prefix(before)).filter(|name| !name.contains('.'));
        match closest_match(last, beside) {
            Some(meant) => format!("did you mean `{before}{meant}`?"),
            None => format!("where it may be absent: `{{{{ {name} | default(\"...\") }}}}`"),
        }
    });
    (format!("{name} is not defined"), help)
}
