//! The templates of a site, compiled. The time, the memory and the stack of a rendering are limited.

use super::failure::Failure;
use super::limited_writer::LimitedWriter;
use super::scope::{Scope, TemplateVariables};
use super::text_locations::{INLINE_PREFIX, TextLocations};
use super::{filters, strict, template_dir, unknown_names};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, escape_formatter};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::render_context::RenderContext;
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The fuel of a rendering. The engine consumes one unit for each step and for every 64 octets that it writes or reads.
/// So the fuel limits the time to a tenth of a second, since TFTP has only one thread, and the memory to 16 MiB.
const FUEL: u64 = 250_000;
/// The engine's recursion limit, chosen for the 2 MiB of stack of the rendering threads. An include counts as ten
/// levels, a macro call as four or five.
const MAX_RECURSION: usize = 150;

/// The templates of a site, and the variables that they can use.
#[derive(Debug)]
pub struct Templates {
    dir: PathBuf,
    pub(super) environment: Environment<'static>,
    names: BTreeSet<String>,
    /// For the kernel of each menu entry, the name of the text that contains its arguments.
    pub(super) entry_arguments: BTreeMap<String, String>,
    variables: TemplateVariables,
    pub(super) locations: TextLocations,
}

impl Templates {
    /// Reads and compiles every template of the directory. `named`: the operator named the directory, so it must exist.
    pub fn read(dir: &Path, named: bool, variables: TemplateVariables, diagnostics: &mut Vec<Diagnostic>) -> Templates {
        let (files, mut errors) = template_dir::read_all(dir, named);
        let mut templates = Templates { dir: dir.to_owned(), variables, ..Templates::default() };
        for (name, text) in files {
            if let Err(failure) = templates.add(&name, text) {
                errors.push(*failure.diagnostic);
            }
            // A template with an error still exists, and must not be reported as missing.
            templates.names.insert(name);
        }
        errors.sort_by(|one, other| one.file.cmp(&other.file));
        diagnostics.append(&mut errors);
        templates
    }

    /// The failure for the first undefined filter, test or function in the text with this name; `None` if all are
    /// defined.
    pub(super) fn first_unknown_name(&self, name: &str) -> Option<Failure> {
        let unknown = unknown_names::find_all(&self.environment).into_iter().find(|unknown| unknown.template == name);
        self.unknown(unknown?)
    }

    pub(super) fn unknown(&self, unknown: unknown_names::UnknownName) -> Option<Failure> {
        let (name, text) = self.source(&unknown.template)?;
        let diagnostic = Source { name, text }.error(unknown.span, unknown.message);
        let diagnostic = unknown
            .suggestion
            .iter()
            .fold(diagnostic, |diagnostic, suggestion| diagnostic.help(format!("did you mean `{suggestion}`?")));
        let template = unknown.template.trim_start_matches(INLINE_PREFIX).to_owned();
        Some(Failure { template, line: None, diagnostic: Box::new(diagnostic) }.with_location(&self.locations))
    }

    /// The path of the file of a template.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether a template, or a text of a profile, contains this word.
    pub fn mention(&self, word: &str) -> bool {
        self.environment.templates().any(|(_, template)| template.source().contains(word))
    }

    /// The names under which templates are served.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    pub(super) fn scope(&self, plan: &Plan, context: &RenderContext, request: &FileRequest<'_>) -> Arc<Scope> {
        Arc::new(Scope::new(plan, &self.variables, context, request))
    }

    /// Renders one template or one text of a profile.
    pub(super) fn render(&self, name: &str, scope: &Arc<Scope>) -> Result<String, Failure> {
        let mut text = LimitedWriter::default();
        let rendered = self.environment.get_template(name).and_then(|template| {
            template.render_captured_to(Value::from_dyn_object(Arc::clone(scope)), &mut text).map(drop)
        });
        match rendered {
            // The engine writes only UTF-8, so this cannot fail.
            Ok(()) => Ok(String::from_utf8(text.into_octets()).unwrap_or_default()),
            Err(error) => {
                Err(Failure::new(&error, name, |name| self.source(name), Some(scope)).with_location(&self.locations))
            }
        }
    }

    pub(super) fn add(&mut self, name: &str, text: String) -> Result<(), Failure> {
        match self.environment.add_template_owned(name.to_owned(), text.clone()) {
            Ok(()) => Ok(()),
            Err(error) => {
                let source = (self.display_name(name), text);
                Err(Failure::new(&error, name, |_| Some(source.clone()), None).with_location(&self.locations))
            }
        }
    }

    /// The name of a template for messages, and its text; `None` if there is no such template.
    fn source(&self, name: &str) -> Option<(String, String)> {
        Some((self.display_name(name), self.environment.get_template(name).ok()?.source().to_owned()))
    }

    fn display_name(&self, name: &str) -> String {
        match name.strip_prefix(INLINE_PREFIX) {
            Some(key) => key.to_owned(),
            None => self.dir.join(name).display().to_string(),
        }
    }
}

/// The templates of a site that has none.
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

pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // The engine escapes nothing automatically, because preseed files, iPXE scripts and shells quote differently. A
    // template uses a filter instead.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(print);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    // A line that contains only a statement does not become an empty line.
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the default delimiters are valid"));
    strict::add(&mut environment);
    filters::add(&mut environment);
    environment
}

/// Writes the value of an expression. Returns an error for `none`, the absence of a value (`null` in a machine file),
/// instead of writing the word. Writes booleans as installers read them: `true`, not `True` as the engine does.
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
