//! A file in another format, said in the options of dnsmasq. The dnsmasq importer turns those into rules and profiles,
//! so that every format has the same decisions, the same names and the same notes.

use super::written::{Fate, Told, united};
use std::collections::BTreeMap;

/// In front of the address of a relay, in a `dhcp-match` that only a translation has: dnsmasq has no such test.
pub const RELAY: &str = "relay:";

#[derive(Debug, Default)]
pub struct Translation {
    /// Whose file it is, if it is not dnsmasq's.
    pub server: Option<&'static str>,
    /// Options of dnsmasq, each with the number of the line that says so.
    pub options: Vec<(usize, String)>,
    /// A line holds several options, so that notes show the option in place of the line.
    pub several: bool,
    /// Lines that no option says, or only in part.
    pub told: Vec<Told>,
    pub attention: Vec<String>,
}

impl Translation {
    pub fn option(&mut self, line: usize, text: impl Into<String>) {
        self.options.push((line, text.into()));
    }

    /// Notes on lines of the file, and those of the options, one for a line. The options of a server that is not
    /// dnsmasq are ours: that one of them is not needed concerns nobody.
    pub fn with(&self, of_options: Vec<Told>) -> Vec<Told> {
        let of_others = |fate: &Fate| matches!(fate, Fate::Lost(_) | Fate::Changed(_));
        let of_options = of_options.into_iter().filter(|told| self.server.is_none() || of_others(&told.fate));
        let mut all: Vec<Told> = self.told.iter().cloned().chain(of_options).collect();
        if self.options.is_empty() {
            return all;
        }
        let number = |told: &Told| told.place.rsplit(' ').next().and_then(|number| number.parse::<usize>().ok());
        all.sort_by_key(number);
        let mut of_lines: BTreeMap<(Option<usize>, String), Vec<Told>> = BTreeMap::new();
        for told in all {
            of_lines.entry((number(&told), told.line.clone())).or_default().push(told);
        }
        let one = |same: Vec<Told>| {
            let first = same.first()?.clone();
            Some(Told { fate: united(same.into_iter().map(|told| told.fate))?, ..first })
        };
        of_lines.into_values().filter_map(one).collect()
    }
}

/// A value as dnsmasq's files have it: quoted where a comma, a quote, a blank or a comment sign stands in it.
pub fn value(text: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !",\"\\#".contains(c)) {
        return text.to_owned();
    }
    let escaped: String =
        text.chars().flat_map(|c| ['\\'].into_iter().filter(move |_| "\"\\".contains(c)).chain([c])).collect();
    if text.is_empty() { escaped } else { format!("\"{escaped}\"") }
}
