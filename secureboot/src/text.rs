//! Texts from files, which people read.

/// Shortens a text from a file to one line. Replaces control characters, because a terminal would interpret them.
pub fn printable(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
