//! Filters, tests and functions that nobody knows: they depend on no machine, so they are told before one asks.

use super::strict;
use crate::config::diagnostic::Span;
use crate::suggest::closest_match;
use minijinja::machinery::{CompiledTemplate, Instruction, Instructions, get_compiled_template};
use minijinja::{Environment, ErrorKind};
use std::collections::BTreeSet;

pub struct UnknownName {
    pub template: String,
    pub span: Span,
    pub message: String,
    pub suggestion: Option<String>,
}

/// Those of all templates that `environment` has compiled.
pub fn find_all(environment: &Environment<'static>) -> Vec<UnknownName> {
    let compiled: Vec<_> = environment.templates().collect();
    let parts = || compiled.iter().flat_map(|(name, template)| parts(name, get_compiled_template(template)));
    // An included template sees what the one around it has set, so a function may be another's macro.
    let mut functions: BTreeSet<&str> = parts().flat_map(|(_, part)| instructions(part)).filter_map(set).collect();
    let globals: Vec<_> = environment.globals().map(|(name, _)| name).collect();
    functions.extend(globals.into_iter().chain(["super", "caller", "loop"]));

    let mut found = Vec::new();
    for (name, part) in parts() {
        for (index, instruction) in (0..).zip(instructions(part)) {
            let Some((message, meant)) = unknown(environment, &functions, instruction) else { continue };
            let at = part.get_span(index).map_or(0..0, |span| span.start_offset as usize..span.end_offset as usize);
            found.push(UnknownName { template: name.to_owned(), span: at, message, suggestion: meant.map(str::to_owned) });
        }
    }
    found.sort_by(|one, other| (&one.template, one.span.start).cmp(&(&other.template, other.span.start)));
    found
}

/// The template itself, and its blocks.
fn parts<'a>(
    name: &'a str,
    template: &'a CompiledTemplate<'a>,
) -> impl Iterator<Item = (&'a str, &'a Instructions<'a>)> {
    std::iter::once(&template.instructions).chain(template.blocks.values()).map(move |part| (name, part))
}

fn instructions<'a, 'source>(part: &'a Instructions<'source>) -> impl Iterator<Item = &'a Instruction<'source>> {
    (0..).map_while(|index| part.get(index))
}

fn set<'source>(instruction: &Instruction<'source>) -> Option<&'source str> {
    if let Instruction::StoreLocal(name) = instruction { Some(name) } else { None }
}

/// What is not known of it, and what was probably meant.
fn unknown<'a>(
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
