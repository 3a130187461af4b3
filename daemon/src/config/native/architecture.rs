//! Parses the names of architectures.

use crate::reading::suggest::closest_match;
use proxydhcpd_core::arch::{ARCHITECTURES, Arch};

/// Returns the architecture with this name, or help that suggests a similar name: `x64` suggests `uefi-x64`.
pub fn parse_architecture(word: &str) -> Result<Arch, String> {
    let has_suffix = |id: &&str| id.split_once('-').is_some_and(|(_, suffix)| suffix == word);
    let ids = || ARCHITECTURES.iter().map(|row| row.id);
    Arch::from_id(word).ok_or_else(|| match ids().find(has_suffix).or_else(|| closest_match(word, ids())) {
        Some(id) => format!("did you mean `{id}`?"),
        None => "common ones are bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64".to_owned(),
    })
}
