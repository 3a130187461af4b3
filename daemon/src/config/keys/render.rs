//! The table of keys as an example file, as a manual page, and as help.

use super::{KEYS, ConfigKey, TABLES, ConfigTable, in_table};
use crate::suggest::closest_match;
use std::fmt::Write;

/// dist/proxydhcpd.toml: every key behind a `#`, with what there is to say of it before.
pub fn example_file() -> String {
    let mut text = comment(INTRODUCTION);
    for table in TABLES.iter().filter(|table| !is_part(table)) {
        text.push_str("\n\n");
        if !table.name.is_empty() {
            text += &comment(&format!("{}: {}", table.header, sentences(&[table.summary, table.details])));
        }
        match table.example {
            "" => in_turn(&mut text, table),
            example => {
                for part in TABLES.iter().filter(|part| part.name == table.name || is_part_of(part, table)) {
                    listed(&mut text, table, part);
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

/// A table whose keys stand one below the other.
fn in_turn(text: &mut String, table: &ConfigTable) {
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

/// The keys of a table as a list, before an example that has all of them.
fn listed(text: &mut String, table: &ConfigTable, part: &ConfigTable) {
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
            writeln!(text, "#   {name:14} {line}").ok();
        }
    }
}

/// docs/man/proxydhcpd.toml.5.
pub fn man_page() -> String {
    let mut page = format!(
        ".TH proxydhcpd.toml 5 \"\" \"proxydhcpd {}\" \"File Formats Manual\"\n.SH NAME\nproxydhcpd.toml \\- what \
         proxydhcpd serves, and what machines boot\n.SH DESCRIPTION\n{}\n.SH KEYS\n",
        env!("CARGO_PKG_VERSION"),
        roff(INTRODUCTION),
    );
    for table in TABLES {
        writeln!(page, ".SS {}", roff(table.header)).ok();
        writeln!(page, "{}", roff(&sentences(&[table.summary, table.details]))).ok();
        for key in in_table(table.name) {
            let about = sentences(&[key.summary, key.details, &must(key), &format!("Default: {}.", key.default)]);
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

const INTRODUCTION: &str = "The configuration of proxydhcpd, /etc/proxydhcpd/proxydhcpd.toml. No key is needed, and neither is the file. Files \
                            conf.d/*.toml beside it are read with it as one: what can be set once is set in one of \
                            them, tables of profiles and \
                            machines are united, rules follow each other by the names of their files. A list may be \
                            written as a single value. \
                            `proxydhcpd check` says what is wrong with it; a reload takes it over as a whole or not at all.";

/// For `check --keys`: all keys and tables, or those that a word says something of. Otherwise what was probably meant.
pub fn help(word: &str) -> Result<String, String> {
    let is_key = KEYS.iter().any(|key| key.name == word);
    let mut parts = Vec::new();
    for table in TABLES {
        let named = table.name == word || table.header.contains(word) || table.details.contains(&format!("`{word}`"));
        let fits = |key: &&ConfigKey| if is_key { key.name == word } else { named || key.name.contains(word) };
        let keys: Vec<&ConfigKey> = in_table(table.name).filter(fits).collect();
        // A table that takes any name has no keys to be listed.
        let is_free = in_table(table.name).next().is_none();
        if !keys.is_empty() || (is_free && named) {
            parts.push(shown(table, &keys, is_free));
        }
    }
    if parts.is_empty() {
        let known = KEYS.iter().map(|key| key.name).chain(TABLES.iter().map(|table| table.name));
        let meant = closest_match(word, known).map(|meant| format!("; did you mean `{meant}`?"));
        return Err(format!("no key or table is called `{word}`{}", meant.unwrap_or_default()));
    }
    Ok(parts.join("\n"))
}

fn shown(table: &ConfigTable, keys: &[&ConfigKey], is_free: bool) -> String {
    let mut text = format!("{}: {}\n", table.header, table.summary);
    for key in keys {
        writeln!(text, "  {} = {}", key.name, key.example).ok();
        explained(&mut text, &sentences(&[key.summary, key.details, &must(key), &format!("Default: {}.", key.default)]));
    }
    if is_free {
        table.example.lines().for_each(|line| writeln!(text, "  {line}").unwrap_or_default());
        explained(&mut text, table.details);
    }
    text
}

fn explained(text: &mut String, about: &str) {
    wrapped(about, 100).iter().for_each(|line| writeln!(text, "      {line}").unwrap_or_default());
}

fn must(key: &ConfigKey) -> String {
    let mut letters = key.expected.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    format!("{}{}.", first.into_iter().collect::<String>(), letters.as_str())
}

/// A table that is only a part of one.
fn is_part(table: &ConfigTable) -> bool {
    TABLES.iter().any(|whole| is_part_of(table, whole))
}

fn is_part_of(part: &ConfigTable, whole: &ConfigTable) -> bool {
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

/// No letter of it is taken for a command.
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
                let shown = [format!("{} =", key.name), format!(".{}]", key.name)];
                assert!(shown.iter().any(|shown| table.example.contains(shown)), "{} {}", table.header, key.name);
            }
        }
    }

    #[test]
    fn help_is_found_by_key_and_by_table_and_a_slip_is_understood() {
        assert!(help("max-transfers").unwrap().starts_with("[tftp]: Our TFTP server.\n  max-transfers = 512\n"));
        assert!(help("[[rule]]").unwrap().contains("circuit-id"));
        assert_eq!(help("port").unwrap().matches("\n  ").count(), 2, "the key of this very name, and its one line");
        let all = help("").unwrap();
        assert!(all.matches(" = ").count() >= KEYS.len());
        for table in TABLES {
            assert!(all.contains(&format!("{}: {}\n", table.header, table.summary)), "{}", table.header);
        }
        assert!(help("directories").unwrap().starts_with("[directories]: "));
        assert!(help("default").unwrap().contains("[profile.NAME.loaders]: "));
        assert_eq!(
            help("interfcaes"),
            Err("no key or table is called `interfcaes`; did you mean `interfaces`?".into())
        );
    }

    #[test]
    fn what_roff_would_take_for_a_command_is_none() {
        assert_eq!(roff(".x\n'y \\ a-b"), "\\&.x\n\\&'y \\e a\\-b");
    }
}
