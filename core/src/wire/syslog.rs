//! Reads lines of syslog: those of RFC 5424, those of RFC 3164, and those that only resemble the latter, as iPXE and
//! the installers send them.

/// A line of syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyslogLine<'a> {
    /// The severity: 0 is an emergency, 7 is debugging.
    pub severity: u8,
    /// The program that wrote the line; empty if unknown.
    pub program: &'a str,
    /// The text.
    pub text: &'a str,
}

/// The highest priority: facility 23, severity 7 (RFC 5424 6.2.1).
const MAX_PRIORITY: u8 = 191;

impl<'a> SyslogLine<'a> {
    /// Reads a line. `None` if it does not begin with a priority, or has no text.
    pub fn parse(line: &'a str) -> Option<SyslogLine<'a>> {
        let (digits, rest) = line.strip_prefix('<')?.split_once('>')?;
        let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        let priority: u8 = digits.parse().ok().filter(|priority| is_number && *priority <= MAX_PRIORITY)?;
        let (program, text) = rest.strip_prefix("1 ").and_then(rfc5424).unwrap_or_else(|| rfc3164(rest));
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then_some(SyslogLine { severity: priority & 7, program, text })
    }
}

/// The program and the text after the version (RFC 5424 6): time, host, program, process, kind, structured data, text.
fn rfc5424(line: &str) -> Option<(&str, &str)> {
    let mut words = line.splitn(6, ' ');
    let (_time, _host, program, _process, _kind) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let text = after_structured_data(words.next()?)?;
    Some((if program == "-" { "" } else { program }, text.trim_start_matches('\u{feff}')))
}

/// The text after the structured data: `-`, or elements in brackets, whose quoted values may contain brackets.
fn after_structured_data(data: &str) -> Option<&str> {
    if let Some(text) = data.strip_prefix('-') {
        return Some(text.trim_start());
    }
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in data.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ']' if !is_quoted && !data[at..].starts_with("][") => {
                return data[at..].strip_prefix(']').map(str::trim_start);
            }
            _ => {}
        }
    }
    None
}

/// The program and the text of a line with an optional time and host, and with the program before the first colon (RFC
/// 3164 4.1).
fn rfc3164(line: &str) -> (&str, &str) {
    let line = without_time(line.trim_start());
    let Some((before, text)) = line.split_once(": ") else { return ("", line) };
    let words = before.split(' ').count();
    let program = before.rsplit(' ').next().unwrap_or_default();
    // The host, and iPXE's UUID of the machine, may precede the program.
    if words > 3 || program.is_empty() { ("", line) } else { (program.split('[').next().unwrap_or_default(), text) }
}

/// The line without a time of the form `Nov  9 06:31:44 `.
fn without_time(line: &str) -> &str {
    let Some((time, rest)) = line.split_at_checked(16) else { return line };
    let is_time = time.bytes().enumerate().all(|(at, octet)| match at {
        0..=2 => octet.is_ascii_alphabetic(),
        3 | 6 | 15 => octet == b' ',
        9 | 12 => octet == b':',
        _ => octet.is_ascii_digit() || at == 4 && octet == b' ',
    });
    if is_time { rest } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<(u8, &str, &str)> {
        SyslogLine::parse(line).map(|line| (line.severity, line.program, line.text))
    }

    #[test]
    fn lines_of_each_form_have_their_program_and_text() {
        for (line, expected) in [
            ("<6>ipxe: net0: 192.0.2.7/24\n", (6, "ipxe", "net0: 192.0.2.7/24")),
            ("<14>pc1 11223344-5566-7788-99aa-bbccddeeff00 ipxe: ok", (6, "ipxe", "ok")),
            ("<13>Nov  9 06:31:44 debian anna[512]: starting\0", (5, "anna", "starting")),
            ("<30>Nov 19 06:31:44 main-menu[1]: INFO: Falling back", (6, "main-menu", "INFO: Falling back")),
            ("<11>no program here", (3, "", "no program here")),
            ("<165>1 2026-11-30T06:31:44Z host anaconda 12 - - copying", (5, "anaconda", "copying")),
            ("<0>1 - - - - - [a@1 b=\"]\\\"]\"][c] \u{feff}x", (0, "", "x")),
            ("<7>1 host program: text", (7, "program", "text")),
            ("<7>a sentence with many words: text", (7, "", "a sentence with many words: text")),
        ] {
            assert_eq!(parse(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_line_without_a_priority_or_a_text_is_none() {
        for line in ["", "x", "<", "<>x", "<192>x", "<+1>x", "<0001>x", "<6>", "<6> \n", "<6", "<é>"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn every_prefix_of_a_line_is_parsed_without_a_panic() {
        let lines = ["<13>Növ  9 06:31:44 é[]: ü: [\"", "<165>1 a b c d e [x y=\"\\\"]\"] ß", "<1>1 - - - - - ["];
        for line in lines {
            for end in (0..=line.len()).filter(|end| line.is_char_boundary(*end)) {
                let _ = parse(&line[..end]);
            }
        }
    }
}
