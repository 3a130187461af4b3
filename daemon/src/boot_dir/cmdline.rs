//! Reads the kernel arguments from the file `cmdline` in a kernel's directory.

use super::walk::{Tree, join};
use std::fs::File;
use std::io::Read;

/// The maximum length of the file, in octets.
const MAX_LENGTH: u64 = 4096;

/// Returns the path of the file, and the arguments in it or the reason why they cannot be read; `None` if there is no
/// such file. The arguments may contain template expressions.
///
/// The arguments may be on any number of lines. A `#` at the beginning of a word begins a comment. The line breaks are
/// kept, so that the location of an error in an expression is exact.
pub fn read(tree: &Tree, directory: &str) -> Option<(String, Result<String, String>)> {
    let named = |name: &str| tree.find(&join(directory, name));
    let path = named("cmdline").or_else(|| named("cmdline.txt"))?;
    let text = text(tree, &path).map(|text| {
        let lines = text.trim_start_matches('\u{feff}').lines().map(without_comment);
        lines.collect::<Vec<_>>().join("\n")
    });
    Some((path, text))
}

fn text(tree: &Tree, path: &str) -> Result<String, String> {
    let mut octets = Vec::new();
    let file = File::open(tree.path(path)).map_err(|error| error.to_string())?;
    file.take(MAX_LENGTH + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    if octets.len() as u64 > MAX_LENGTH {
        return Err(format!("longer than {MAX_LENGTH} octets"));
    }
    String::from_utf8(octets).map_err(|_| "not UTF-8 text: save it as UTF-8".to_owned())
}

/// Returns the line without its comment. `#}` does not begin a comment: it ends a comment of a template.
fn without_comment(line: &str) -> &str {
    let begins_word = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices('#').map(|(at, _)| at).filter(begins_word);
    let comment = comment.filter(|at| !line[*at..].starts_with("#}")).min();
    line[..comment.unwrap_or(line.len())].trim_end()
}
