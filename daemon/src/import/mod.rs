//! What other servers' files say, in our own words: the Python daemon's proxy.ini, and a dnsmasq configuration. What has
//! no equivalent becomes a comment with its line, so that nothing is lost silently.

mod dnsmasq;
mod here;
mod ini;
mod written;

use crate::config::diagnostic::{Diagnostic, Source};
pub use here::Here;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Ini,
    Dnsmasq,
}

/// The native file, or what is wrong with the foreign one.
pub fn import(source: &Source, format: Option<Format>, here: &Here) -> Result<String, Vec<Diagnostic>> {
    match format.unwrap_or_else(|| Format::of(&source.text)) {
        Format::Ini => ini::import(source, here),
        Format::Dnsmasq => dnsmasq::import(source, here),
    }
}

impl Format {
    /// A section is the Python daemon's: dnsmasq has none.
    pub fn of(text: &str) -> Self {
        let section = |line: &str| line.starts_with('[') && line.contains(']');
        if text.lines().any(|line| section(line.trim())) { Self::Ini } else { Self::Dnsmasq }
    }
}
