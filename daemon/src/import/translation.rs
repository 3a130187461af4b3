//! A file in another format, said in the options of dnsmasq. The dnsmasq importer turns those into rules and profiles,
//! so that every format has the same decisions, the same names and the same notes.

use super::output::{LineOutcome, LineNote, merge_outcomes};
use std::collections::BTreeMap;

/// In front of the address of a relay, in a `dhcp-match` that only a translation has: dnsmasq has no such test.
pub const RELAY_PREFIX: &str = "relay:";

#[derive(Debug, Default)]
pub struct Translation {
    /// Whose file it is, if it is not dnsmasq's.
    pub source_server: Option<&'static str>,
    /// Options of dnsmasq, each with the number of the line that says so.
    pub options: Vec<(usize, String)>,
    /// A line holds several options, so that notes show the option in place of the line.
    pub many_per_line: bool,
    /// Lines that no option says, or only in part.
    pub notes: Vec<LineNote>,
    pub action_items: Vec<String>,
}

impl Translation {
    pub fn add_option(&mut self, line: usize, text: impl Into<String>) {
        self.options.push((line, text.into()));
    }

    /// Notes on lines of the file, and those of the options, one for a line. The options of a server that is not
    /// dnsmasq are ours: that one of them is not needed concerns nobody.
    pub fn merge_notes(&self, of_options: Vec<LineNote>) -> Vec<LineNote> {
        let of_others = |fate: &LineOutcome| matches!(fate, LineOutcome::Unsupported(_) | LineOutcome::Changed(_));
        let of_options = of_options.into_iter().filter(|told| self.source_server.is_none() || of_others(&told.outcome));
        let mut all: Vec<LineNote> = self.notes.iter().cloned().chain(of_options).collect();
        if self.options.is_empty() {
            return all;
        }
        let number = |told: &LineNote| told.location.rsplit(' ').next().and_then(|number| number.parse::<usize>().ok());
        all.sort_by_key(number);
        let mut of_lines: BTreeMap<(Option<usize>, String), Vec<LineNote>> = BTreeMap::new();
        for told in all {
            of_lines.entry((number(&told), told.line.clone())).or_default().push(told);
        }
        let one = |same: Vec<LineNote>| {
            let first = same.first()?.clone();
            Some(LineNote { outcome: merge_outcomes(same.into_iter().map(|told| told.outcome))?, ..first })
        };
        of_lines.into_values().filter_map(one).collect()
    }
}

/// A value as dnsmasq's files have it: quoted where a comma, a quote, a blank or a comment sign stands in it.
pub fn quote_value(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !",\"\\#".contains(c)) {
        return text.to_owned();
    }
    let escaped: String =
        text.chars().flat_map(|c| ['\\'].into_iter().filter(move |_| "\"\\".contains(c)).chain([c])).collect();
    if text.is_empty() { escaped } else { format!("\"{escaped}\"") }
}
