//! Holds a configuration in another format, translated to dnsmasq options. The dnsmasq importer converts these options
//! to rules and profiles, so all formats result in the same kind of decisions, names and notes.

use super::output::{LineNote, LineOutcome, merge_outcomes};
use std::collections::BTreeMap;

/// Prefix of a relay address in a `dhcp-match`. Only translations use it: dnsmasq cannot match a relay.
pub const RELAY_PREFIX: &str = "relay:";

/// A configuration as dnsmasq options, with notes on lines that have no such option.
#[derive(Debug, Default)]
pub struct Translation {
    /// The name of the imported server, unless that server is dnsmasq.
    pub source_server: Option<&'static str>,
    /// The dnsmasq options, each with the number of the line that it comes from.
    pub options: Vec<(usize, String)>,
    /// Whether one line may hold several options, so that notes show the option instead of the line.
    pub many_per_line: bool,
    /// Notes on the lines that the options do not express, or express only in part.
    pub notes: Vec<LineNote>,
    /// Things to do before the server starts.
    pub action_items: Vec<String>,
}

impl Translation {
    /// Adds a dnsmasq option that comes from this line.
    pub fn add_option(&mut self, line: usize, text: impl Into<String>) {
        self.options.push((line, text.into()));
    }

    /// Merges the notes on the file with the notes on its options to one note for each line. If the imported server is
    /// not dnsmasq, the administrator did not write the options, so the result omits notes on unneeded options.
    pub fn merge_notes(&self, option_notes: Vec<LineNote>) -> Vec<LineNote> {
        let is_relevant =
            |outcome: &LineOutcome| matches!(outcome, LineOutcome::Unsupported(_) | LineOutcome::Changed(_));
        let option_notes =
            option_notes.into_iter().filter(|note| self.source_server.is_none() || is_relevant(&note.outcome));
        let mut notes: Vec<LineNote> = self.notes.iter().cloned().chain(option_notes).collect();
        if self.options.is_empty() {
            return notes;
        }
        let line_number =
            |note: &LineNote| note.location.rsplit(' ').next().and_then(|word| word.parse::<usize>().ok());
        notes.sort_by_key(line_number);
        let mut notes_by_line: BTreeMap<(Option<usize>, String), Vec<LineNote>> = BTreeMap::new();
        for note in notes {
            notes_by_line.entry((line_number(&note), note.line.clone())).or_default().push(note);
        }
        let merged = |group: Vec<LineNote>| {
            let first = group.first()?.clone();
            Some(LineNote { outcome: merge_outcomes(group.into_iter().map(|note| note.outcome))?, ..first })
        };
        notes_by_line.into_values().filter_map(merged).collect()
    }
}

/// Formats a value for a dnsmasq file: quotes it if it contains a comma, a quote, a space or a comment sign.
pub fn quote_value(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !",\"\\#".contains(c)) {
        return text.to_owned();
    }
    let escaped: String =
        text.chars().flat_map(|c| ['\\'].into_iter().filter(move |_| "\"\\".contains(c)).chain([c])).collect();
    if text.is_empty() { escaped } else { format!("\"{escaped}\"") }
}
