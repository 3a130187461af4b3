//! Checks that a diagnostic points into its text, and that its words are fit for a terminal and for the log.

use proxydhcpd_reading::diagnostic::{Diagnostic, Source};

/// Panics if the location of the diagnostic is not in this text.
pub fn assert_located(diagnostic: &Diagnostic, source: &Source) {
    assert_shown(diagnostic);
    let (Some(location), Some(file)) = (&diagnostic.location, &diagnostic.file) else { return };
    assert_eq!(file, &source.name, "another file: {diagnostic:?}");
    let lines = lines(&source.text);
    let line = lines.get(location.line - 1).unwrap_or_else(|| panic!("no such line: {diagnostic:?}"));
    assert_eq!(*line, location.text, "another line: {diagnostic:?}");
    let length = line.chars().count();
    assert!((1..=length + 1).contains(&location.column), "no such column: {diagnostic:?}");
    assert!(
        location.width >= 1 && location.column - 1 + location.width <= length.max(location.column),
        "{diagnostic:?}"
    );
}

/// Panics if every diagnostic of an error lacks a file, a line and a column.
pub fn assert_all_located(diagnostics: &[Diagnostic], source: &Source) {
    assert!(!diagnostics.is_empty(), "an error without a message");
    diagnostics.iter().for_each(|diagnostic| assert_located(diagnostic, source));
}

/// Panics if the text of the diagnostic has no words, or controls a terminal.
pub fn assert_shown(diagnostic: &Diagnostic) {
    assert!(!diagnostic.message.trim().is_empty(), "{diagnostic:?}");
    let shown = diagnostic.to_string();
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    let location = usize::from(diagnostic.location.is_some());
    let expected = 1 + usize::from(diagnostic.file.is_some()) + 3 * location + usize::from(diagnostic.help.is_some());
    // The location of a diagnostic without a file continues the line of the message.
    assert_eq!(shown.split('\n').count(), expected, "{shown:?}");
}

/// The lines of a text, which end in LF, CR LF, or CR alone.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        lines.push(&rest[..at]);
        rest = if rest[at..].starts_with("\r\n") { &rest[at + 2..] } else { &rest[at + 1..] };
    }
    lines.push(rest);
    lines
}
