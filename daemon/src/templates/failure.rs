//! Describes the failure of a template as a diagnostic with a location.

use super::limited_writer::MAX_TEXT;
use super::scope::Scope;
use super::text_locations::{INLINE_PREFIX, TextLocations};
use minijinja::{Error, ErrorKind};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source, Span};
use proxydhcpd_reading::suggest::closest_match;

/// The failure to compile or render a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the failed template in the template directory, or the key of a profile that contains the text.
    pub template: String,
    /// The line in the template, from 1 on.
    pub line: Option<usize>,
    /// The message with its location.
    pub diagnostic: Box<Diagnostic>,
}

impl Failure {
    /// Describes an error of the engine. `requested` is the template that was compiled or rendered, which may have
    /// included the failed template. `source` returns the file name of a template, and its text.
    pub(super) fn new(
        error: &Error,
        requested: &str,
        source: impl Fn(&str) -> Option<(String, String)>,
        scope: Option<&Scope>,
    ) -> Failure {
        let chain: Vec<&Error> = std::iter::successors(Some(error), |error| {
            std::error::Error::source(*error).and_then(|source| source.downcast_ref::<Error>())
        })
        .collect();
        // The innermost error contains the reason. The innermost error with a line number contains the location.
        let reason = chain.last().copied().unwrap_or(error);
        let innermost = chain.iter().rev().find(|error| error.line().is_some()).copied().unwrap_or(reason);
        let name = innermost.name().unwrap_or(requested);
        let (message, help) = describe(reason, scope);
        let diagnostic = match source(name) {
            Some((file, text)) => {
                let source = Source { name: file, text };
                source.error(range_of(innermost, &source.text), message)
            }
            None => Diagnostic::error(message).in_file(name),
        };
        let diagnostic = Box::new(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
        let line = diagnostic.location.as_ref().map(|location| location.line);
        Failure { template: name.strip_prefix(INLINE_PREFIX).unwrap_or(name).to_owned(), line, diagnostic }
    }

    /// Replaces the location with one in the configuration, if the configuration contains the text.
    pub(super) fn with_location(self, locations: &TextLocations) -> Failure {
        match locations.get(&self.template) {
            Some(location) => Failure { diagnostic: Box::new(location.relocate(*self.diagnostic)), ..self },
            None => self,
        }
    }
}

/// The range of the error in the text. It is the whole line if the engine reports only the line.
fn range_of(error: &Error, text: &str) -> Span {
    if let Some(range) = error.range() {
        return range;
    }
    let number = error.line().unwrap_or(1).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(number).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or_default();
    start + (line.len() - line.trim_start().len())..start + line.len()
}

fn describe(error: &Error, scope: Option<&Scope>) -> (String, Option<String>) {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => undefined(detail, scope),
        ErrorKind::OutOfFuel => ("rendering takes too long: is there an infinite loop?".into(), None),
        ErrorKind::WriteFailure => (format!("the text is longer than {} octets", MAX_TEXT), None),
        ErrorKind::TemplateNotFound => {
            let name = detail.split(['"', '\'']).nth(1).unwrap_or(detail);
            (
                format!("there is no template {name}"),
                Some("names are relative to the template directory, and cannot lead out of it".into()),
            )
        }
        ErrorKind::SyntaxError => (detail.to_owned(), None),
        ErrorKind::InvalidOperation if !detail.is_empty() => (detail.to_owned(), None),
        kind if detail.is_empty() => (kind.to_string(), None),
        kind => (format!("{kind}: {detail}"), None),
    }
}

/// The message and the help for an undefined name. The engine's message contains the expression in backticks.
fn undefined(detail: &str, scope: Option<&Scope>) -> (String, Option<String>) {
    let Some(name) = detail.split('`').nth(1) else { return ("an undefined name is used here".into(), None) };
    let help = scope.map(|scope| {
        if name.starts_with("machine.") && !scope.has_entry() {
            return "this machine has no entry in the configuration that could define it".to_owned();
        }
        // `machine.rol` is compared with the names in `machine`, `rol` with the names without a dot.
        let (before, last) = name.split_at(name.rfind('.').map_or(0, |dot| dot + 1));
        let known = scope.known_names();
        let siblings = known.iter().filter_map(|name| name.strip_prefix(before)).filter(|name| !name.contains('.'));
        match closest_match(last, siblings) {
            Some(suggestion) => format!("did you mean `{before}{suggestion}`?"),
            None => format!("if it may be absent: `{{{{ {name} | default(\"...\") }}}}`"),
        }
    });
    (format!("{name} is not defined"), help)
}
