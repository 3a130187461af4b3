//! The native file as it is written: what was imported as tables, and above it what was not, with lines and reasons.

use std::fmt::Write;

/// What became of a line of the foreign file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It says nothing that we do not do anyway, or nothing at all.
    Needless(String),
    /// It has no equivalent, and this is why.
    Lost(String),
    /// Many lines of one kind have the same reason, and are told together.
    Group(&'static str),
}

/// A line that is told of.
#[derive(Clone, Debug)]
pub struct Told {
    /// `line 12`, or `conf.d/a.conf line 12`.
    pub place: String,
    pub line: String,
    pub fate: Fate,
}

/// What stands above the tables.
pub fn head(from: &str, told: &[Told]) -> String {
    let mut text = format!("# Made by `proxydhcpd import` from {}.\n", one_line(from));
    let lost = told.iter().filter_map(|told| match &told.fate {
        Fate::Lost(why) => Some((told, why)),
        _ => None,
    });
    list(&mut text, "Without an equivalent here:", lost);
    let needless = told.iter().filter_map(|told| match &told.fate {
        Fate::Needless(why) => Some((told, why)),
        _ => None,
    });
    list(&mut text, "Needed no more:", needless);
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for Told { place, line, fate } in told {
        let Fate::Group(why) = fate else { continue };
        let key = line.split('=').next().unwrap_or_default().trim();
        let member = one_line(&format!("{place} {key}"));
        match groups.iter_mut().find(|(known, _)| known == why) {
            Some((_, members)) => members.push(member),
            None => groups.push((why, vec![member])),
        }
    }
    for (why, members) in groups {
        writeln!(text, "#\n# Without an equivalent here, {why}:").ok();
        for line in members.chunks(6) {
            writeln!(text, "#   {}", line.join(", ")).ok();
        }
    }
    text.push('\n');
    text
}

fn list<'a>(text: &mut String, title: &str, entries: impl Iterator<Item = (&'a Told, &'a String)>) {
    let mut entries = entries.peekable();
    if entries.peek().is_some() {
        writeln!(text, "#\n# {title}").ok();
    }
    for (Told { place, line, .. }, why) in entries {
        writeln!(text, "#   {}: {}\n#     {}", one_line(place), one_line(line), one_line(why)).ok();
    }
}

/// A comment ends with its line, and knows no control characters.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A string as TOML has it.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(c)).ok();
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A list of strings, on as many lines as it needs.
pub fn list_of(texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    if texts.len() == 1 || texts.iter().map(|text| text.len() + 2).sum::<usize>() <= 90 {
        return format!("[{}]", texts.join(", "));
    }
    let lines: Vec<String> = texts.chunks(4).map(|line| format!("  {},\n", line.join(", "))).collect();
    format!("[\n{}]", lines.concat())
}

/// A name for a table: letters, digits, dots, hyphens and underscores, and none that is taken.
pub fn free_name(wish: &str, taken: impl Fn(&str) -> bool) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let mut name: String = wish.chars().take(50).map(fits).collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    let name = match name.trim_matches('-') {
        "" => "imported",
        name => name,
    };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}
