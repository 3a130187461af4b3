//! The native file as it is written: what was imported as tables, and above it what was not, with lines and reasons.

use std::fmt::Write;

/// What became of a line of the foreign file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It says nothing that we do not do anyway, or nothing at all.
    Needless(String),
    /// It is there, and means something a little different.
    Changed(String),
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

/// What stands above the tables: what needs attention first, then every line that was not taken over as it stands, each
/// under one heading.
pub fn head(from: &str, attention: &[String], told: &[Told]) -> String {
    let mut text = format!("# Made by `proxydhcpd import` from {}.\n", one_line(from));
    for (index, note) in attention.iter().enumerate() {
        let title = if index == 0 { "#\n# Before you start the server:\n" } else { "" };
        writeln!(text, "{title}#   {}", one_line(note)).ok();
    }
    list(
        &mut text,
        "Without an equivalent here:",
        told,
        |fate| if let Fate::Lost(why) = fate { Some(why) } else { None },
    );
    list(&mut text, "Taken over with a difference:", told, |fate| {
        if let Fate::Changed(why) = fate { Some(why) } else { None }
    });
    list(&mut text, "Needed no more:", told, |fate| if let Fate::Needless(why) = fate { Some(why) } else { None });
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

/// The fates of one line as one: the gravest heading, under which every reason stands.
pub fn united(fates: impl IntoIterator<Item = Fate>) -> Option<Fate> {
    let mut fates: Vec<Fate> = fates.into_iter().collect();
    fates.sort_by_key(Fate::rank);
    let mut reasons: Vec<String> = Vec::new();
    for reason in fates.iter().filter_map(Fate::reason).map(str::to_owned) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let all = reasons.join("; ");
    Some(match fates.into_iter().next()? {
        Fate::Lost(_) => Fate::Lost(all),
        Fate::Changed(_) => Fate::Changed(all),
        Fate::Needless(_) => Fate::Needless(all),
        group @ Fate::Group(_) => group,
    })
}

impl Fate {
    fn rank(&self) -> u8 {
        match self {
            Fate::Lost(_) => 0,
            Fate::Changed(_) => 1,
            Fate::Group(_) => 2,
            Fate::Needless(_) => 3,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Fate::Lost(why) | Fate::Changed(why) | Fate::Needless(why) => Some(why),
            Fate::Group(_) => None,
        }
    }
}

fn list(text: &mut String, title: &str, told: &[Told], reason: fn(&Fate) -> Option<&String>) {
    let mut entries = told.iter().filter_map(|told| Some((told, reason(&told.fate)?))).peekable();
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
