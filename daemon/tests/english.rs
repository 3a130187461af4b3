//! Checks the language of code, messages and pages for six patterns of a foreign grammar, and the length of lines.

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The lines that the check accepts nevertheless: the file, a part of the line, and the reason.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("CHANGELOG.md", "`Profiles with loaders of their own`", "quotes the old label")];

/// The words of the second to the sixth pattern, each with the correct wording.
const PHRASES: &[(&str, &str)] = &[
    ("told", "2: a program receives, reports or lists"),
    ("tells", "2: a program sends, reports or shows"),
    ("wants", "2: a program requires, requests or needs"),
    ("is said", "2: a program reports"),
    ("are said", "2: a program reports"),
    ("says so", "2: name what it reports"),
    ("nobody", "3: no client, no machine, no server"),
    ("somebody", "3: a client, a machine, an administrator"),
    ("everybody", "3: every client, all"),
    ("anybody", "3: any client"),
    ("whoever", "3: the client that"),
    ("of ours", "4: our"),
    ("of theirs", "4: their"),
    ("of its own", "4: its"),
    ("of their own", "4: their"),
    ("of our own", "4: our"),
    ("of your own", "4: your"),
    ("beside", "5: next to, besides, in addition to"),
    ("goes before", "5: takes precedence over"),
    ("go before", "5: take precedence over"),
    ("in place of", "5: instead of"),
    ("in the place of", "5: instead of"),
    ("as it stands", "5: unchanged"),
    ("as they stand", "5: unchanged"),
    ("be had", "6: failed to, cannot"),
    ("be heard", "6: cannot receive, cannot bind"),
];

/// The first pattern: the subject of a sentence is a relative clause without an antecedent.
const HEADLESS: [&str; 4] = ["What", "Who", "Whose", "Which"];

#[test]
fn the_six_patterns_occur_only_in_excepted_lines() {
    assert!(EXCEPTIONS.len() <= 25, "{} exceptions", EXCEPTIONS.len());
    let mut used = vec![false; EXCEPTIONS.len()];
    let mut found = Vec::new();
    for (path, text) in texts() {
        for (index, line) in text.lines().enumerate() {
            let Some(pattern) = pattern(line) else { continue };
            let exception = EXCEPTIONS.iter().position(|(file, part, _)| *file == path && line.contains(part));
            match exception {
                Some(exception) => used[exception] = true,
                None => found.push(format!("{path}:{}: {} ({pattern})", index + 1, line.trim())),
            }
        }
    }
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
    let unused: Vec<_> = EXCEPTIONS.iter().zip(&used).filter(|(_, used)| !**used).map(|(row, _)| row).collect();
    assert!(unused.is_empty(), "exceptions without a line: {unused:#?}");
}

#[test]
fn no_line_has_more_than_120_columns() {
    let mut found = Vec::new();
    for (path, text) in texts().into_iter().filter(|(path, _)| path.ends_with(".rs") || path.ends_with(".md")) {
        let mut is_quoted = false;
        for (index, line) in text.lines().enumerate() {
            is_quoted ^= path.ends_with(".md") && line.trim_start().starts_with("```");
            let is_data = is_table(line) || line.contains("](") || line.contains("://") || has_long_word(line);
            if line.chars().count() > 120 && !is_data && !is_quoted {
                found.push(format!("{path}:{}", index + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn each_pattern_is_found() {
    for line in [
        "// What is wrong is reported.",
        "    bail!(\"what was read is lost\")",
        "fn who_asks_is_answered() {",
        "let told = 1;",
        "the server wants a name",
        "/// Nobody knows.",
        "an option of its own",
        "it lies beside the file",
        "port 67 cannot be had",
    ] {
        assert!(pattern(line).is_some(), "{line}");
    }
    for line in ["// What now?", "fn what() {", "# What the menu shows", "whatever it is, besides"] {
        assert!(pattern(line).is_none(), "{line}");
    }
}

/// Returns the pattern that the line matches, or `None` if the line is correct.
fn pattern(line: &str) -> Option<&'static str> {
    let text = line.replace('_', " ");
    // A heading of a page is a title, not a sentence.
    if !line.starts_with('#') && is_headless(line, &text) {
        return Some("1: give the sentence a subject");
    }
    let words = format!(" {} ", words(&text).join(" "));
    PHRASES.iter().find(|(phrase, _)| words.contains(&format!(" {phrase} "))).map(|(_, advice)| *advice)
}

/// Whether a sentence in the line begins with a relative pronoun and is not a question.
fn is_headless(line: &str, text: &str) -> bool {
    let begins = |word: &str| {
        text.match_indices(word).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            let starts = before.trim_end().is_empty() || before.ends_with(['"', ' ', '(', '*', '|']);
            starts && after.starts_with(' ') && !after.contains('?')
        })
    };
    let lower = |word: &str| {
        let word = word.to_lowercase();
        line.contains(&format!("\"{word} ")) || line.trim_start().starts_with(&format!("fn {word}_"))
    };
    let asks = text.contains('?');
    HEADLESS.iter().any(|word| begins(word) || !asks && lower(word))
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn is_table(line: &str) -> bool {
    line.trim_start().trim_start_matches(['/', '!', ' ']).starts_with('|')
}

/// Whether the line has a word that cannot be broken, such as hexadecimal digits or a long name.
fn has_long_word(line: &str) -> bool {
    line.split(' ').any(|word| word.len() > 60)
}

/// Returns every text that people read, by its path from the root, except captured and imported files from other
/// projects.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut directories = vec![PathBuf::from(ROOT)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
            let is_ours = ![
                "target",
                "e2e/.cache",
                "e2e/out",
                "daemon/efi/built",
                "fuzz/target",
                "fuzz/corpus",
                "fuzz/planted",
                "properties/corpus",
                "properties/seeds",
            ]
            .contains(&name.as_str())
                && !name.starts_with(".git")
                && !name.contains("testdata/")
                && !["Cargo.lock", "daemon/tests/english.rs"].contains(&name.as_str());
            match path.is_dir() {
                _ if !is_ours => {}
                true => directories.push(path),
                false => texts.extend(std::fs::read_to_string(&path).ok().map(|text| (name, text))),
            }
        }
    }
    assert!(texts.len() > 300 && texts.iter().any(|(name, _)| name == Path::new("README.md").to_str().unwrap()));
    texts.sort();
    texts
}
