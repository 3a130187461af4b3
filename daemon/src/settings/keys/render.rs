//! Renders the table of keys as an example file, as a manual page, and as help.

use super::key::{ConfigKey, ConfigTable};
use super::lookup::in_table;
use super::rows::KEYS;
use super::tables::TABLES;
use proxydhcpd_reading::suggest::closest_match;
use std::fmt::Write;

/// Returns the contents of dist/proxydhcpd.toml: every key, commented out, below its documentation.
pub fn example_file() -> String {
    let mut text = comment(INTRODUCTION);
    for table in TABLES.iter().filter(|table| !is_subtable(table)) {
        text.push_str("\n\n");
        if !table.name.is_empty() {
            text += &comment(&format!("{}: {}", table.header, sentences(&[table.summary, table.details])));
        }
        match table.example {
            "" => write_keys(&mut text, table),
            example => {
                for part in TABLES.iter().filter(|part| part.name == table.name || is_subtable_of(part, table)) {
                    write_key_list(&mut text, table, part);
                }
                text.push('\n');
                example
                    .lines()
                    .for_each(|line| writeln!(text, "{}", format!("#{line}").trim_end()).unwrap_or_default());
            }
        }
    }
    text
}

/// Writes the keys of a table, each below its documentation.
fn write_keys(text: &mut String, table: &ConfigTable) {
    if !table.name.is_empty() {
        writeln!(text, "#{}", table.header).ok();
    }
    for (index, key) in in_table(table.name).enumerate() {
        if index > 0 || !table.name.is_empty() {
            text.push('\n');
        }
        *text += &comment(&sentences(&[key.summary, key.details, &format!("Default: {}.", key.default)]));
        writeln!(text, "#{} = {}", key.name, key.example).ok();
    }
}

/// Writes the keys of a table as a list. The example of the table follows the list.
fn write_key_list(text: &mut String, table: &ConfigTable, part: &ConfigTable) {
    if part.name != table.name {
        text.push_str("#\n");
        *text += &comment(&format!("{}: {}", part.header, sentences(&[part.summary, part.details])));
    }
    for key in in_table(part.name) {
        let about = sentences(&[key.summary, key.details]);
        let default =
            if ["none", "any"].contains(&key.default) { String::new() } else { format!(" Default: {}.", key.default) };
        for (index, line) in wrapped(&format!("{about}{default}"), 90).iter().enumerate() {
            let name = if index == 0 { key.name } else { "" };
            writeln!(text, "#   {name:15} {line}").ok();
        }
    }
}

/// Returns the contents of docs/man/proxydhcpd.toml.5.
pub fn man_page() -> String {
    let mut page = format!(
        ".TH proxydhcpd.toml 5 \"\" \"proxydhcpd {}\" \"File Formats Manual\"\n.SH NAME\nproxydhcpd.toml \\- \
         configuration of proxydhcpd\n.SH DESCRIPTION\n{}\n.SH KEYS\n",
        env!("CARGO_PKG_VERSION"),
        roff(INTRODUCTION),
    );
    for table in TABLES {
        writeln!(page, ".SS {}", roff(table.header)).ok();
        writeln!(page, "{}", roff(&sentences(&[table.summary, table.details]))).ok();
        for key in in_table(table.name) {
            let about = sentences(&[key.summary, key.details, &expected(key), &format!("Default: {}.", key.default)]);
            writeln!(page, ".TP\n\\fB{}\\fR = {}\n{}", roff(key.name), roff(key.example), roff(&about)).ok();
        }
        if !table.example.is_empty() {
            writeln!(page, ".PP\nFor example:\n.PP\n.nf\n{}\n.fi", roff(table.example.trim_end())).ok();
        }
    }
    page += &format!(
        ".SH FILES\n.TP\n/etc/proxydhcpd/proxydhcpd.toml, /etc/proxydhcpd/conf.d/*.toml\nThe configuration.\n.TP\n{}",
        FILES
    );
    page + ".SH SEE ALSO\nproxydhcpd(8), proxydhcpd\\-check(8), proxydhcpd\\-explain(8)\n"
}

const FILES: &str = "/etc/proxydhcpd/machines/\nMachine files.\n.TP\n/etc/proxydhcpd/templates/\nTemplates.\n.TP\n\
                     /var/lib/proxydhcpd/boot/\nThe boot directory.\n";

const INTRODUCTION: &str = "The configuration of proxydhcpd, /etc/proxydhcpd/proxydhcpd.toml. No key is required, and \
                            neither is the file. The files conf.d/*.toml next to it are read with it as one: a \
                            setting may be in only one of the files, profiles and machines are merged, and rules \
                            apply in the order of the file names. A list with one element may be written as a single \
                            value. `proxydhcpd check` reports errors. A reload applies the whole configuration or \
                            nothing.";

/// Returns help for `check --keys`: the keys and tables that match a word, or all of them for an empty word. Fails with
/// a suggestion if nothing matches.
pub fn help(word: &str) -> Result<String, String> {
    let is_key = KEYS.iter().any(|key| key.name == word);
    let mut parts = Vec::new();
    for table in TABLES {
        let named = table.name == word || table.header.contains(word) || table.details.contains(&format!("`{word}`"));
        let fits = |key: &&ConfigKey| if is_key { key.name == word } else { named || key.name.contains(word) };
        let keys: Vec<&ConfigKey> = in_table(table.name).filter(fits).collect();
        // A table that accepts any name has no keys to list.
        let is_free = in_table(table.name).next().is_none();
        if !keys.is_empty() || (is_free && named) {
            parts.push(table_help(table, &keys, is_free));
        }
    }
    if parts.is_empty() {
        let known = KEYS.iter().map(|key| key.name).chain(TABLES.iter().map(|table| table.name));
        let suggestion = closest_match(word, known).map(|similar| format!("; did you mean `{similar}`?"));
        return Err(format!("there is no key or table `{word}`{}", suggestion.unwrap_or_default()));
    }
    Ok(parts.join("\n"))
}

fn table_help(table: &ConfigTable, keys: &[&ConfigKey], is_free: bool) -> String {
    let mut text = format!("{}: {}\n", table.header, table.summary);
    for key in keys {
        writeln!(text, "  {} = {}", key.name, key.example).ok();
        indent(
            &mut text,
            &sentences(&[key.summary, key.details, &expected(key), &format!("Default: {}.", key.default)]),
        );
    }
    if is_free {
        table.example.lines().for_each(|line| writeln!(text, "  {line}").unwrap_or_default());
        indent(&mut text, table.details);
    }
    text
}

fn indent(text: &mut String, about: &str) {
    wrapped(about, 100).iter().for_each(|line| writeln!(text, "      {line}").unwrap_or_default());
}

/// Returns the expected value of a key, as a sentence.
fn expected(key: &ConfigKey) -> String {
    let expected = key.expected();
    let mut letters = expected.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    format!("{}{}.", first.into_iter().collect::<String>(), letters.as_str())
}

/// Whether the table is inside another table.
fn is_subtable(table: &ConfigTable) -> bool {
    TABLES.iter().any(|whole| is_subtable_of(table, whole))
}

fn is_subtable_of(part: &ConfigTable, whole: &ConfigTable) -> bool {
    !whole.name.is_empty() && part.name.strip_prefix(whole.name).is_some_and(|rest| rest.starts_with('.'))
}

fn sentences(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

fn comment(text: &str) -> String {
    wrapped(text, 110).iter().map(|line| format!("# {line}\n")).collect()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|line| line.is_empty() || line.len() + 1 + word.len() <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Escapes text for roff, so that no part of it is interpreted as a roff request.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    let lines =
        escaped.lines().map(|line| if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.into() });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_shows_every_key_of_its_table() {
        for table in TABLES.iter().filter(|table| !table.example.is_empty()) {
            for key in KEYS.iter().filter(|key| key.table == table.name) {
                let forms = [format!("{} =", key.name), format!(".{}]", key.name)];
                assert!(forms.iter().any(|form| table.example.contains(form)), "{} {}", table.header, key.name);
            }
        }
    }

    #[test]
    fn help_finds_keys_and_tables_and_suggests_one_for_a_typo() {
        assert!(help("max-transfers").unwrap().starts_with("[tftp]: The TFTP server.\n  max-transfers = 512\n"));
        assert!(help("[[rule]]").unwrap().contains("circuit-id"));
        assert_eq!(help("port").unwrap().matches(" = ").count(), 2, "the keys of this name, not `ports`");
        let all = help("").unwrap();
        assert!(all.matches(" = ").count() >= KEYS.len());
        for table in TABLES {
            assert!(all.contains(&format!("{}: {}\n", table.header, table.summary)), "{}", table.header);
        }
        assert!(help("directories").unwrap().starts_with("[directories]: "));
        assert!(help("default").unwrap().contains("[profile.NAME.loaders]: "));
        assert_eq!(help("interfcaes"), Err("there is no key or table `interfcaes`; did you mean `interfaces`?".into()));
    }

    #[test]
    fn text_that_looks_like_a_roff_request_is_escaped() {
        assert_eq!(roff(".x\n'y \\ a-b"), "\\&.x\n\\&'y \\e a\\-b");
    }
}
