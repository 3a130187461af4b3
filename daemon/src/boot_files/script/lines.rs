//! The lines of a script, and the commands on a line.

use std::ops::Range;

/// A line of a script, together with its continuation lines.
#[derive(Debug)]
pub struct ScriptLine<'a> {
    /// The byte range of the first line, without the continuation lines.
    pub span: Range<usize>,
    /// The words of the line and of its continuation lines.
    pub words: Vec<&'a str>,
    /// Whether the line ends with `\` and CR, which iPXE does not read as a continuation.
    pub has_broken_continuation: bool,
}

/// One command with its arguments.
#[derive(Debug)]
pub struct SimpleCommand<'a> {
    /// The command and its arguments.
    pub words: Vec<&'a str>,
    /// Whether `||` or `&&` follows the command, so that the script continues if the command fails.
    pub guarded: bool,
}

/// Splits a script into its lines, without comments and labels.
pub fn parse_lines(text: &str) -> Vec<ScriptLine<'_>> {
    let mut lines: Vec<ScriptLine<'_>> = Vec::new();
    let (mut at, mut is_continued) = (0, false);
    for line in text.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let end = begin + line.trim_end().len();
        let (content, continued) = line.strip_suffix('\\').map_or((line, false), |content| (content, true));
        match lines.last_mut() {
            Some(last) if is_continued => last.words.extend(words(content)),
            _ => {
                let broken = line.ends_with("\\\r");
                lines.push(ScriptLine { span: begin..end, words: words(content), has_broken_continuation: broken });
            }
        }
        is_continued = continued;
    }
    lines.retain(|line| line.words.first().is_some_and(|word| !word.starts_with(['#', ':'])));
    lines
}

/// Splits a line at spaces. Does not split a template expression, even if it contains spaces.
fn words(line: &str) -> Vec<&str> {
    let (mut words, mut begin, mut depth) = (Vec::new(), None, 0_usize);
    let mut chars = line.char_indices().peekable();
    while let Some((at, letter)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match (letter, next) {
            ('{', Some('{' | '%')) => depth += 1,
            ('}' | '%', Some('}')) => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (letter.is_whitespace() && depth == 0, begin) {
            (true, Some(from)) => {
                words.push(&line[from..at]);
                begin = None;
            }
            (false, None) => begin = Some(at),
            _ => {}
        }
    }
    words.extend(begin.map(|from| &line[from..]));
    words
}

impl<'a> ScriptLine<'a> {
    /// The commands of the line, split at `||` and `&&`.
    pub fn commands(&self) -> Vec<SimpleCommand<'a>> {
        let mut parts = Vec::new();
        let mut rest = &self.words[..];
        while let Some(at) = rest.iter().position(|word| ["||", "&&"].contains(word)) {
            parts.push(SimpleCommand { words: rest[..at].to_vec(), guarded: true });
            rest = &rest[at + 1..];
        }
        parts.push(SimpleCommand { words: rest.to_vec(), guarded: false });
        parts
    }
}

/// Overwrites the comments of a template with spaces, so that the offsets of the other text do not change.
pub fn blank_comments(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find("{#") {
        let end = rest[begin..].find("#}").map_or(rest.len(), |length| begin + length + 2);
        clean.push_str(&rest[..begin]);
        clean.extend(rest[begin..end].bytes().map(|octet| if octet == b'\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    clean.push_str(rest);
    clean
}
