//! Compiles and renders the kernel arguments of menu entries. They are read from files named `cmdline`, and may contain
//! expressions.

use super::engine::Templates;
use super::failure::Failure;
use super::profile_texts::{TextKind, is_template};
use super::text_locations::INLINE_PREFIX;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{BootDirEntry, EntryTarget};
use proxydhcpd_core::render_context::RenderContext;
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity, Source};
use std::path::Path;

impl Templates {
    /// Compiles the arguments of an entry. If they are invalid, disables the entry and returns a warning.
    pub fn compile_entry(&mut self, entry: &mut BootDirEntry, cmdline: &Path) -> Option<Diagnostic> {
        let EntryTarget::Linux { kernel, arguments, .. } = &mut entry.target else { return None };
        let key = format!("{INLINE_PREFIX}{}", cmdline.display());
        let checked = if is_template(arguments) {
            self.add(&key, arguments.clone()).and_then(|()| self.first_unknown_name(&key).map_or(Ok(()), Err))
        } else {
            let source = Source { name: cmdline.display().to_string(), text: arguments.clone() };
            TextKind::Arguments.check(arguments).map(|line| *arguments = line).map_err(|reason| {
                let at = TextKind::forbidden_word(&source.text).unwrap_or_default();
                Failure { template: source.name.clone(), line: None, diagnostic: Box::new(source.error(at, reason)) }
            })
        };
        match checked {
            Ok(()) => {
                self.entry_arguments.insert(kernel.clone(), key);
                None
            }
            Err(failure) => {
                arguments.clear();
                entry.problem = Some(format!("its arguments are invalid: {}", failure.diagnostic.message));
                Some(Diagnostic { severity: Severity::Warning, ..*failure.diagnostic })
            }
        }
    }

    /// Returns the menu entries with their arguments rendered for the machine of the request, and the failures. An
    /// entry whose arguments cannot be rendered does not boot.
    pub fn render_entries(
        &self,
        plan: &Plan,
        context: &RenderContext,
        request: &FileRequest<'_>,
    ) -> (Vec<BootDirEntry>, Vec<Failure>) {
        let scope = self.scope(plan, context, request);
        let mut failed = Vec::new();
        let mut entries = plan.offer.menu.entries.clone();
        for entry in &mut entries {
            let EntryTarget::Linux { kernel, arguments, .. } = &mut entry.target else { continue };
            let Some(key) = self.entry_arguments.get(kernel).filter(|_| is_template(arguments)) else { continue };
            let rendered = self.render(key, &scope);
            let line = rendered
                .and_then(|text| TextKind::Arguments.check(&text).map_err(|reason| self.invalid_text(key, &reason)));
            match line {
                Ok(line) => *arguments = line,
                Err(failure) => {
                    arguments.clear();
                    entry.problem = Some(format!("its arguments cannot be rendered: {}", failure.diagnostic.message));
                    failed.push(failure);
                }
            }
        }
        (entries, failed)
    }
}
