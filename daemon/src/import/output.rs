//! The native file as it is written: what was imported as tables, and above it what was not, with lines and reasons.

use std::fmt::Write;

/// What became of a line of the foreign file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineOutcome {
    /// It says nothing that we do not do anyway, or nothing at all.
    Unneeded(String),
    /// It is there, and means something a little different.
    Changed(String),
    /// It has no equivalent, and this is why.
    Unsupported(String),
    /// Many lines of one kind have the same reason, and are told together.
    Grouped(&'static str),
}

/// A line that is told of.
#[derive(Clone, Debug)]
pub struct LineNote {
    /// `line 12`, or `conf.d/a.conf line 12`.
    pub location: String,
    pub line: String,
    pub outcome: LineOutcome,
}

/// What stands above the tables: what needs attention first, then every line that was not taken over as it stands, each
/// under one heading.
pub fn header(from: &str, attention: &[String], told: &[LineNote]) -> String {
    let mut text = format!("# Made by `proxydhcpd import` from {}.\n", one_line(from));
    for (index, note) in attention.iter().enumerate() {
        let title = if index == 0 { "#\n# Before you start the server:\n" } else { "" };
        writeln!(text, "{title}#   {}", one_line(note)).ok();
    }
    list(
        &mut text,
        "Without an equivalent here:",
        told,
        |fate| if let LineOutcome::Unsupported(why) = fate { Some(why) } else { None },
    );
    list(&mut text, "Taken over with a difference:", told, |fate| {
        if let LineOutcome::Changed(why) = fate { Some(why) } else { None }
    });
    list(&mut text, "Needed no more:", told, |fate| if let LineOutcome::Unneeded(why) = fate { Some(why) } else { None });
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for LineNote { location: place, line, outcome: fate } in told {
        let LineOutcome::Grouped(why) = fate else { continue };
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
pub fn merge_outcomes(fates: impl IntoIterator<Item = LineOutcome>) -> Option<LineOutcome> {
    let mut fates: Vec<LineOutcome> = fates.into_iter().collect();
    fates.sort_by_key(LineOutcome::rank);
    let mut reasons: Vec<String> = Vec::new();
    for reason in fates.iter().filter_map(LineOutcome::reason).map(str::to_owned) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let all = reasons.join("; ");
    Some(match fates.into_iter().next()? {
        LineOutcome::Unsupported(_) => LineOutcome::Unsupported(all),
        LineOutcome::Changed(_) => LineOutcome::Changed(all),
        LineOutcome::Unneeded(_) => LineOutcome::Unneeded(all),
        group @ LineOutcome::Grouped(_) => group,
    })
}

impl LineOutcome {
    fn rank(&self) -> u8 {
        match self {
            LineOutcome::Unsupported(_) => 0,
            LineOutcome::Changed(_) => 1,
            LineOutcome::Grouped(_) => 2,
            LineOutcome::Unneeded(_) => 3,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            LineOutcome::Unsupported(why) | LineOutcome::Changed(why) | LineOutcome::Unneeded(why) => Some(why),
            LineOutcome::Grouped(_) => None,
        }
    }
}

fn list(text: &mut String, title: &str, told: &[LineNote], reason: fn(&LineOutcome) -> Option<&String>) {
    let mut entries = told.iter().filter_map(|told| Some((told, reason(&told.outcome)?))).peekable();
    if entries.peek().is_some() {
        writeln!(text, "#\n# {title}").ok();
    }
    for (LineNote { location: place, line, .. }, why) in entries {
        writeln!(text, "#   {}: {}\n#     {}", one_line(place), one_line(line), one_line(why)).ok();
    }
}

/// A comment ends with its line, and knows no control characters.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A string as TOML has it.
pub fn toml_string(text: &str) -> String {
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
pub fn toml_list(texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| toml_string(text.as_ref())).collect();
    if texts.len() == 1 || texts.iter().map(|text| text.len() + 2).sum::<usize>() <= 90 {
        return format!("[{}]", texts.join(", "));
    }
    let lines: Vec<String> = texts.chunks(4).map(|line| format!("  {},\n", line.join(", "))).collect();
    format!("[\n{}]", lines.concat())
}

/// A name for a table: letters, digits, dots, hyphens and underscores, and none that is taken.
pub fn unique_name(wish: &str, taken: impl Fn(&str) -> bool) -> String {
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
