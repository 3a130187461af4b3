//! Parses the names of architectures.

use proxydhcpd_core::arch::{ARCHITECTURES, Arch};
use proxydhcpd_reading::suggest::closest_match;

/// Returns the architecture with this name, or help that suggests a similar name: `x64` suggests `uefi-x64`.
pub fn parse_architecture(word: &str) -> Result<Arch, String> {
    let has_suffix = |id: &&str| id.split_once('-').is_some_and(|(_, suffix)| suffix == word);
    let ids = || ARCHITECTURES.iter().map(|row| row.id);
    Arch::from_id(word).ok_or_else(|| match ids().find(has_suffix).or_else(|| closest_match(word, ids())) {
        Some(id) => format!("did you mean `{id}`?"),
        // Five ids, so that the message stays on one line.
        None => format!("common ones are {}", Arch::common_ids().take(5).collect::<Vec<_>>().join(", ")),
    })
}
