//! The properties of a script that matter if a boot fails: its first fault, and the files without which it cannot go
//! on.

use super::{Purpose, Script, ScriptFault, UriReference, commands, header_fault, parse};
use proxydhcpd_core::story::{FileNotes, ShortText, StepRole};
use proxydhcpd_reading::diagnostic::Source;
use std::ops::Range;

/// The faults of the script with this name and these octets, and the files that it needs. `shown` is the name in
/// messages. `local_name` returns the name of the file of this server to which a URL leads.
pub fn script_notes(
    shown: &str,
    name: &str,
    octets: &[u8],
    is_template: bool,
    local_name: impl Fn(&str) -> Option<String>,
) -> FileNotes {
    let text = String::from_utf8_lossy(octets).into_owned();
    let begins_with_expression = is_template && text.trim_start().starts_with('{');
    let header = if begins_with_expression { None } else { header_fault(octets) };
    let script = parse(&text, is_template);
    let source = Source { name: shown.to_owned(), text };
    let script_error = match header {
        Some((problem, fix)) => Some(error_text(&source, 0..0, problem, fix)),
        None => first_error(&script, &source),
    };
    FileNotes { script_error, needed: needed_files(&script, name, local_name), ..FileNotes::default() }
}

/// The files of this server without which the script cannot go on.
fn needed_files(
    script: &Script,
    name: &str,
    local_name: impl Fn(&str) -> Option<String>,
) -> Vec<(ShortText, StepRole)> {
    let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
    let local = |target: &UriReference| match target {
        UriReference::Relative(path) if directory.is_empty() => Some(path.clone()),
        UriReference::Relative(path) => Some(format!("{directory}/{path}")),
        UriReference::Absolute(path) => Some(path.trim_start_matches('/').to_owned()),
        UriReference::Url(url) => local_name(url),
        UriReference::Unknown => None,
    };
    let needed = script.files.iter().filter(|file| !file.guarded);
    needed
        .filter_map(|file| {
            let role = match file.purpose {
                Purpose::Kernel => StepRole::Kernel,
                Purpose::Initrd => StepRole::Initrd,
                Purpose::Other => StepRole::NeededScript,
            };
            Some((ShortText::new(&local(&file.target)?), role))
        })
        .collect()
}

/// The first command that no iPXE has, or the first fault in a line.
fn first_error(script: &Script, source: &Source) -> Option<Box<str>> {
    let unknown = script.commands.iter().filter(|command| !command.guarded).find_map(|command| {
        let (problem, fix) = commands::check_command(&command.name, &[])?;
        Some(error_text(source, command.span.clone(), &problem, &fix))
    });
    let fault = |ScriptFault { span, problem, fix }: &ScriptFault| error_text(source, span.clone(), problem, fix);
    unknown.or_else(|| script.faults.first().map(fault))
}

fn error_text(source: &Source, at: Range<usize>, problem: &str, fix: &str) -> Box<str> {
    format!("{}:{}: {problem}; {fix}", source.name, source.line_number(at.start)).into()
}
