//! The blocks of the pages: README.md, CONTRIBUTING.md and those below docs/.

use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A block between two lines that begin with three backticks.
#[derive(Clone, Debug)]
pub struct Block {
    /// The path of the page from the root of the repository.
    pub page: String,
    /// The number of its first line.
    pub line: usize,
    /// Its language, such as `sh`.
    pub language: String,
    /// The text after the language: in some pages the name of the file that the block shows.
    pub name: String,
    pub text: String,
}

/// The blocks of a page.
pub fn of_page(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(Path::new(ROOT).join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let (mut blocks, mut open) = (Vec::new(), None);
    for (number, line) in (1..).zip(text.lines()) {
        let indent = line.len() - line.trim_start().len();
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let (language, name) = language.split_once(' ').unwrap_or((language, ""));
                let (page, language, name) = (page.to_owned(), language.to_owned(), name.to_owned());
                open = Some((indent, Block { page, line: number, language, name, text: String::new() }));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
            (None, Some((indent, block))) => {
                block.text.push_str(line.get(*indent..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block does not end");
    blocks
}

/// The blocks of all pages.
pub fn all() -> Vec<Block> {
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for directory in ["docs", "docs/verdicts"] {
        let entries = fs::read_dir(Path::new(ROOT).join(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        pages.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("{directory}/{name}")));
    }
    pages.sort();
    pages.iter().flat_map(|page| of_page(page)).collect()
}
