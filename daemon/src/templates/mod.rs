//! Templates: text with expressions, rendered for the machine that asks.
//!
//! The whole directory is read and compiled when a site is built. Rendering touches no file: what a template includes was
//! compiled with it, and what it may use of time, memory and stack is bounded.

mod template_dir;
mod menu_entries;
mod failure;
mod filters;
mod profile_texts;
mod scope;
mod strict;
mod unknown_names;

pub use failure::Failure;
pub use profile_texts::{TextLocations, text_locations};
pub use scope::{Scope, TemplateVariables};

use crate::config::diagnostic::{Diagnostic, Source};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter};
use proxydhcpd_core::fetch::{RenderContext, Fetch};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::{BootTarget, Linux, Profile};
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_core::script;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a rendering may use. The engine takes one unit for a step and one for every 64 octets that it makes or reads,
/// so this bounds time (a tenth of a second where TFTP has one thread) and memory (16 MiB) alike.
const FUEL: u64 = 250_000;
/// The longest text. Nobody installs a machine with more, and it is made anew for every request.
const MAX_TEXT: usize = 1 << 20;
/// An include costs ten of these, a call of a macro four or five. The threads that render have 2 MiB of stack.
const DEEPEST: usize = 150;

/// The templates of a site, and the variables that they see.
#[derive(Debug)]
pub struct Templates {
    dir: PathBuf,
    environment: Environment<'static>,
    names: BTreeSet<String>,
    /// By the kernel of an entry of the boot directory the name of the text that says its arguments.
    entry_arguments: BTreeMap<String, String>,
    variables: TemplateVariables,
    locations: TextLocations,
}

impl Templates {
    /// Reads and compiles every template of the directory. `named`: the operator has named that directory, so it has to be
    /// there.
    pub fn read(dir: &Path, named: bool, variables: TemplateVariables, told: &mut Vec<Diagnostic>) -> Templates {
        let (files, mut wrong) = template_dir::read_all(dir, named);
        let mut templates = Templates { dir: dir.to_owned(), variables, ..Templates::default() };
        for (name, text) in files {
            if let Err(failure) = templates.add(&name, text) {
                wrong.push(*failure.diagnostic);
            }
            // A name that is there is not missing, whatever it holds.
            templates.names.insert(name);
        }
        wrong.sort_by(|one, other| one.file.cmp(&other.file));
        told.append(&mut wrong);
        templates
    }

    /// Compiles the expressions in the profiles of the plan. `spots`: where the files say them.
    pub fn compile<'a>(
        &mut self,
        profiles: impl IntoIterator<Item = &'a Profile>,
        spots: TextLocations,
        told: &mut Vec<Diagnostic>,
    ) {
        self.locations = spots;
        told.extend(profile_texts::compile(self, profiles));
        let unknown = unknown_names::find_all(&self.environment);
        told.extend(unknown.into_iter().filter_map(|unknown| Some(*self.unknown(unknown)?.diagnostic)));
    }

    /// The first name in this text that no machine has.
    fn first_unknown_name(&self, name: &str) -> Option<Failure> {
        let unknown = unknown_names::find_all(&self.environment).into_iter().find(|unknown| unknown.template == name);
        self.unknown(unknown?)
    }

    fn unknown(&self, unknown: unknown_names::UnknownName) -> Option<Failure> {
        let (name, text) = self.source(&unknown.template)?;
        let wrong = Source { name, text }.error(unknown.span, unknown.message);
        let wrong = unknown.suggestion.iter().fold(wrong, |wrong, meant| wrong.help(format!("did you mean `{meant}`?")));
        let template = unknown.template.trim_start_matches(profile_texts::INLINE_PREFIX).to_owned();
        Some(Failure { template, line: None, diagnostic: Box::new(wrong) }.with_location(&self.locations))
    }

    /// The names under which templates are served.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Renders what was asked for. `None`: that is nothing to be rendered.
    pub fn render_request(&self, plan: &Plan, meant: &Fetch, request: &FileRequest<'_>) -> Option<Result<String, Failure>> {
        let asking = match meant {
            Fetch::Linux(_, asking) | Fetch::Template(_, asking) => asking,
            _ => return None,
        };
        Some(match meant {
            Fetch::Linux(profile, _) => match plan.profile(Some(*profile)) {
                Some(profile @ Profile { boots: BootTarget::Linux(linux), .. }) => self
                    .render_linux(plan, profile, linux, asking, request)
                    .map(|linux| script::linux(&asking.base_url, &profile.title, &linux)),
                _ => Ok(script::boot_nothing()),
            },
            Fetch::Template(name, _) => self.render(name, &self.scope(plan, asking, request)),
            _ => return None,
        })
    }

    /// What a profile starts, rendered for the machine that asks.
    pub fn render_linux(
        &self,
        plan: &Plan,
        profile: &Profile,
        linux: &Linux,
        asking: &RenderContext,
        request: &FileRequest<'_>,
    ) -> Result<Linux, Failure> {
        profile_texts::render(self, profile, linux, &self.scope(plan, asking, request))
    }

    fn scope(&self, plan: &Plan, asking: &RenderContext, request: &FileRequest<'_>) -> Arc<Scope> {
        Arc::new(Scope::new(plan, &self.variables, asking, request))
    }

    /// One template or one text of a profile.
    fn render(&self, name: &str, scope: &Arc<Scope>) -> Result<String, Failure> {
        let mut text = Bounded(Vec::new());
        let rendered = self.environment.get_template(name).and_then(|template| {
            template.render_captured_to(Value::from_dyn_object(Arc::clone(scope)), &mut text).map(drop)
        });
        match rendered {
            // The engine writes strings only.
            Ok(()) => Ok(String::from_utf8(text.0).unwrap_or_default()),
            Err(error) => Err(Failure::new(&error, name, |name| self.source(name), Some(scope)).with_location(&self.locations)),
        }
    }

    fn add(&mut self, name: &str, text: String) -> Result<(), Failure> {
        match self.environment.add_template_owned(name.to_owned(), text.clone()) {
            Ok(()) => Ok(()),
            Err(error) => {
                let source = (self.place(name), text);
                Err(Failure::new(&error, name, |_| Some(source.clone()), None).with_location(&self.locations))
            }
        }
    }

    /// A template's place for people, and its text.
    fn source(&self, name: &str) -> Option<(String, String)> {
        Some((self.place(name), self.environment.get_template(name).ok()?.source().to_owned()))
    }

    fn place(&self, name: &str) -> String {
        match name.strip_prefix(profile_texts::INLINE_PREFIX) {
            Some(key) => key.to_owned(),
            None => self.dir.join(name).display().to_string(),
        }
    }
}

/// No template at all.
impl Default for Templates {
    fn default() -> Self {
        Templates {
            dir: PathBuf::new(),
            environment: environment(),
            names: BTreeSet::new(),
            entry_arguments: BTreeMap::new(),
            variables: TemplateVariables::default(),
            locations: TextLocations::default(),
        }
    }
}

/// Whether a failure is shown to whoever sits at the console: a script can say it, the engine of another file cannot.
pub fn is_script(plan: &Plan, meant: &Fetch) -> bool {
    match meant {
        Fetch::Linux(..) => true,
        Fetch::Template(name, asking) => {
            name.ends_with(".ipxe") || matches!(asking.decision.boots(plan), BootTarget::Script(script) if script == name)
        }
        _ => false,
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // A preseed, an iPXE script and a shell quote each in their own way: the filters do, nothing does it unasked.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(print);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEEPEST);
    // A line that holds nothing but a statement leaves no line behind.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters are sound"));
    strict::add(&mut environment);
    filters::add(&mut environment);
    environment
}

/// `none` is the absence of a value (`null` in a machine file); the word would stand in some configuration. The engine
/// has `True` as Python does, which no installer reads.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Err(Error::new(ErrorKind::InvalidOperation, "this is none, which cannot be written"));
    }
    strict::check_defined(state, value)?;
    match bool::try_from(value.clone()) {
        Ok(truth) if value.kind() == ValueKind::Bool => Ok(write!(out, "{truth}")?),
        _ => escape_formatter(out, state, value),
    }
}

/// Takes no more than a text may have.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.0.len() + octets.len() > MAX_TEXT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
