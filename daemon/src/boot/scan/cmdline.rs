//! What a kernel is told by the file `cmdline` beside it.

use super::walk::{Tree, join};
use std::fs::File;
use std::io::Read;

const LONGEST: u64 = 4096;

/// The arguments, which may hold template expressions, and the file that says them; `None`: there is no such file.
///
/// They stand on as many lines as one likes. What follows a `#` at the beginning of a word is a remark. Lines stay
/// lines, for the places of what is wrong with an expression.
pub fn read(tree: &Tree, directory: &str) -> Option<(String, Result<String, String>)> {
    let named = |name: &str| tree.find(&join(directory, name));
    let path = named("cmdline").or_else(|| named("cmdline.txt"))?;
    let text = text(tree, &path).map(|text| {
        let lines = text.trim_start_matches('\u{feff}').lines().map(without_remark);
        lines.collect::<Vec<_>>().join("\n")
    });
    Some((path, text))
}

fn text(tree: &Tree, path: &str) -> Result<String, String> {
    let mut octets = Vec::new();
    let file = File::open(tree.path(path)).map_err(|error| error.to_string())?;
    file.take(LONGEST + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    if octets.len() as u64 > LONGEST {
        return Err(format!("longer than {LONGEST} octets"));
    }
    String::from_utf8(octets).map_err(|_| "this is not UTF-8 text: save it in UTF-8".to_owned())
}

/// `#}` ends a comment of a template.
fn without_remark(line: &str) -> &str {
    let begins_word = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let remark = line.match_indices('#').map(|(at, _)| at).filter(begins_word);
    let remark = remark.filter(|at| !line[*at..].starts_with("#}")).min();
    line[..remark.unwrap_or(line.len())].trim_end()
}
