//! `import`: another server's configuration in our own words.

use super::{Foreign, Import, say};
use crate::config::diagnostic::{Diagnostic, Source};
use crate::import::{self, Format, Here};
use crate::serve::doors;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub fn run(import: &Import) -> ExitCode {
    match imported(import).and_then(|text| put(import.output.as_deref(), &text).map_err(|error| vec![error])) {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            told.iter().for_each(say);
            ExitCode::from(2)
        }
    }
}

fn imported(import: &Import) -> Result<String, Vec<Diagnostic>> {
    let name = import.file.display().to_string();
    if import.file.is_dir() {
        return import::tree::import(&import.file);
    }
    let bytes = std::fs::read(&import.file)
        .map_err(|error| vec![Diagnostic::error(format!("unable to read the file: {error}")).of(&name)])?;
    let source = Source::new(&name, bytes).map_err(|error| vec![error])?;
    let format = import.from.map(|from| match from {
        Foreign::Ini => Format::Ini,
        Foreign::Dnsmasq => Format::Dnsmasq,
        Foreign::Isc => Format::Isc,
        Foreign::Kea => Format::Kea,
        Foreign::Uci => Format::Uci,
        Foreign::Options => Format::Options,
        Foreign::Csv => Format::Csv,
    });
    match &import.map[..] {
        [] => import::import(&source, format, &here()),
        map => import::machines::import(&source, map),
    }
}

/// Without the interfaces a range needs its mask, and nothing else is different.
fn here() -> Here {
    Here::of(&doors::all_links(), Path::new("/"))
}

/// What stands in a file already is somebody's work.
fn put(file: Option<&Path>, text: &str) -> Result<(), Diagnostic> {
    let Some(path) = file else {
        return std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| Diagnostic::error(format!("unable to write: {error}")));
    };
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        Diagnostic::error(format!("unable to write a new file: {error}")).of(&path.display().to_string())
    })
}
