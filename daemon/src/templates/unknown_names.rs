//! Finds unknown filters, tests and functions. Such names are unknown for every machine, so they are reported when the
//! site is built.

use super::strict;
use minijinja::machinery::{CompiledTemplate, Instruction, Instructions, get_compiled_template};
use minijinja::{Environment, ErrorKind};
use proxydhcpd_reading::diagnostic::Span;
use proxydhcpd_reading::suggest::closest_match;
use std::collections::BTreeSet;

/// An unknown name in a template.
pub struct UnknownName {
    /// The template's name.
    pub template: String,
    /// The range of the expression.
    pub span: Span,
    /// The message for the operator.
    pub message: String,
    /// A known name with a similar spelling, if there is one.
    pub suggestion: Option<String>,
}

/// The unknown names in all templates that `environment` has compiled.
pub fn find_all(environment: &Environment<'static>) -> Vec<UnknownName> {
    let compiled: Vec<_> = environment.templates().collect();
    let parts = || compiled.iter().flat_map(|(name, template)| parts(name, get_compiled_template(template)));
    // An included template shares the definitions of the template that includes it, so a function may be a macro of
    // another template.
    let mut functions: BTreeSet<&str> =
        parts().flat_map(|(_, part)| instructions(part)).filter_map(stored_name).collect();
    let globals: Vec<_> = environment.globals().map(|(name, _)| name).collect();
    functions.extend(globals.into_iter().chain(["super", "caller", "loop"]));

    let mut found = Vec::new();
    for (name, part) in parts() {
        for (index, instruction) in (0..).zip(instructions(part)) {
            let Some((message, suggestion)) = check_instruction(environment, &functions, instruction) else { continue };
            let at = part.get_span(index).map_or(0..0, |span| span.start_offset as usize..span.end_offset as usize);
            found.push(UnknownName {
                template: name.to_owned(),
                span: at,
                message,
                suggestion: suggestion.map(str::to_owned),
            });
        }
    }
    found.sort_by(|one, other| (&one.template, one.span.start).cmp(&(&other.template, other.span.start)));
    found
}

/// The instruction lists of a template: its main part and its blocks, each with the template's name.
fn parts<'a>(
    name: &'a str,
    template: &'a CompiledTemplate<'a>,
) -> impl Iterator<Item = (&'a str, &'a Instructions<'a>)> {
    std::iter::once(&template.instructions).chain(template.blocks.values()).map(move |part| (name, part))
}

fn instructions<'a, 'source>(part: &'a Instructions<'source>) -> impl Iterator<Item = &'a Instruction<'source>> {
    (0..).map_while(|index| part.get(index))
}

fn stored_name<'source>(instruction: &Instruction<'source>) -> Option<&'source str> {
    if let Instruction::StoreLocal(name) = instruction { Some(name) } else { None }
}

/// The message about the unknown name in an instruction, and a similar known name, if any. `None` if the instruction
/// contains no unknown name.
fn check_instruction<'a>(
    environment: &Environment<'static>,
    functions: &BTreeSet<&'a str>,
    instruction: &Instruction<'_>,
) -> Option<(String, Option<&'a str>)> {
    let mut state = environment.empty_state();
    match *instruction {
        Instruction::ApplyFilter(name, ..) => {
            let tried = state.apply_filter(name, &[]);
            let known =
                strict::FILTERS.iter().copied().chain(["default", "sh", "urlencode", "replace", "attr", "lines"]);
            tried
                .is_err_and(|error| error.kind() == ErrorKind::UnknownFilter)
                .then(|| (format!("there is no filter `{name}`"), closest_match(name, known)))
        }
        Instruction::PerformTest(name, ..) => {
            let tried = state.perform_test(name, &[]);
            let known = strict::TESTS.iter().copied().chain([
                "defined",
                "undefined",
                "divisibleby",
                "startingwith",
                "endingwith",
            ]);
            tried
                .is_err_and(|error| error.kind() == ErrorKind::UnknownTest)
                .then(|| (format!("there is no test `{name}`"), closest_match(name, known)))
        }
        Instruction::CallFunction(name, ..) if !functions.contains(name) => {
            Some((format!("there is no function `{name}`"), closest_match(name, functions.iter().copied())))
        }
        _ => None,
    }
}
