//! Compiles and renders the texts of a profile: its kernel, its initrds and its arguments, which may contain
//! expressions.

use super::engine::Templates;
use super::failure::Failure;
use super::scope::Scope;
use super::text_locations::{ARGUMENTS, INLINE_PREFIX, KERNEL, TextLocations, initrd, key};
use super::unknown_names;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::{BootTarget, Linux, Profile};
use proxydhcpd_core::render_context::RenderContext;
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::ops::Range;
use std::sync::Arc;

/// The kind of a text.
#[derive(Clone, Copy)]
pub(super) enum TextKind {
    /// A path or a URL.
    File,
    /// Kernel arguments.
    Arguments,
}

impl TextKind {
    /// The range of the first word that a line of an iPXE script cannot contain; `None` if there is no such word.
    pub(super) fn forbidden_word(text: &str) -> Option<Range<usize>> {
        let is_forbidden = |word: &&str| ["||", "&&"].contains(word) || word.chars().any(char::is_control);
        let word = text.split_whitespace().find(is_forbidden)?;
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        Some(at..at + word.len())
    }

    /// Returns the text as the script contains it, or an error if a script cannot contain it. Joins arguments to one
    /// line. iPXE splits a line at spaces and at the operators `||` and `&&`, and has no way to quote them.
    pub(super) fn check(self, text: &str) -> Result<String, String> {
        if let Some(at) = TextKind::forbidden_word(text) {
            return Err(format!("an iPXE script cannot contain {:?}", &text[at]));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match self {
            TextKind::Arguments => Ok(words.join(" ")),
            TextKind::File if text.trim().is_empty() => Err("this is empty".into()),
            TextKind::File if text.contains("://") && words.len() > 1 => {
                Err(format!("{text:?} is no URL: a space is %20"))
            }
            TextKind::File => Ok(text.trim().to_owned()),
        }
    }
}

/// The texts of a profile, each with its name and its kind. The kernel comes first.
fn texts<'a>(profile: &'a Profile, linux: &'a Linux) -> impl Iterator<Item = (String, &'a str, TextKind)> {
    let key = |word: &str| format!("{INLINE_PREFIX}{}", key(profile, word));
    let initrds = linux.initrds.iter().enumerate();
    let initrds = initrds.map(move |(index, text)| (key(&initrd(index)), &text[..], TextKind::File));
    let kernel = (key(KERNEL), &linux.kernel[..], TextKind::File);
    let arguments = (key(ARGUMENTS), &linux.arguments[..], TextKind::Arguments);
    std::iter::once(kernel).chain(initrds).chain([arguments])
}

/// Whether the text contains an expression, a statement or a comment.
pub(super) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

impl Templates {
    /// Compiles the expressions in the profiles of the plan. `locations`: their locations in the configuration.
    pub fn compile<'a>(
        &mut self,
        profiles: impl IntoIterator<Item = &'a Profile>,
        locations: TextLocations,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        self.locations = locations;
        diagnostics.extend(self.compile_texts(profiles));
        let unknown = unknown_names::find_all(&self.environment);
        diagnostics.extend(unknown.into_iter().filter_map(|unknown| Some(*self.unknown(unknown)?.diagnostic)));
    }

    /// Renders a profile's kernel, initrds and arguments for the machine of the request.
    pub fn render_linux(
        &self,
        plan: &Plan,
        profile: &Profile,
        linux: &Linux,
        context: &RenderContext,
        request: &FileRequest<'_>,
    ) -> Result<Linux, Failure> {
        self.render_texts(profile, linux, &self.scope(plan, context, request))
    }

    /// Compiles the texts of the profiles, and returns the errors.
    fn compile_texts<'a>(&mut self, profiles: impl IntoIterator<Item = &'a Profile>) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        for profile in profiles {
            let BootTarget::Linux(linux) = &profile.boots else { continue };
            for (key, text, kind) in texts(profile, linux) {
                let checked = if is_template(text) {
                    self.add(&key, text.to_owned())
                } else {
                    kind.check(text).map(drop).map_err(|reason| self.invalid_text(&key, &reason))
                };
                errors.extend(checked.err().map(|failure| *failure.diagnostic));
            }
        }
        errors
    }

    /// Renders the texts of a profile. Returns an error if a rendered text would break the iPXE script around it.
    fn render_texts(&self, profile: &Profile, linux: &Linux, scope: &Arc<Scope>) -> Result<Linux, Failure> {
        let mut rendered = Linux::default();
        for (key, text, kind) in texts(profile, linux) {
            let text = if is_template(text) { self.render(&key, scope)? } else { text.to_owned() };
            let text = kind.check(&text).map_err(|reason| self.invalid_text(&key, &reason))?;
            match kind {
                TextKind::Arguments => rendered.arguments = text,
                TextKind::File if rendered.kernel.is_empty() => rendered.kernel = text,
                TextKind::File => rendered.initrds.push(text),
            }
        }
        Ok(rendered)
    }

    /// The failure for a text that would break the script.
    pub(super) fn invalid_text(&self, key: &str, reason: &str) -> Failure {
        let key = key.strip_prefix(INLINE_PREFIX).unwrap_or(key);
        let diagnostic = Box::new(Diagnostic::error(reason).in_file(key));
        Failure { template: key.to_owned(), line: None, diagnostic }.with_location(&self.locations)
    }
}
