//! The values of `[profile.NAME.menu]` and of its items.

use crate::settings::location::{Reference, SourceLocation};
use crate::settings::value::{TomlValue, ValueResult, parse_with};
use std::net::Ipv4Addr;

/// A menu whose profiles are not resolved.
#[derive(Clone, Debug)]
pub struct RawMenu<'a> {
    /// The text before the menu.
    pub prompt: String,
    /// The seconds until the firmware selects the first item. 255: the firmware waits without a limit.
    pub timeout: u8,
    /// The items of the menu.
    pub items: Vec<RawMenuItem<'a>>,
    /// The location of the table.
    pub location: SourceLocation<'a>,
}

/// An item of a menu.
#[derive(Clone, Debug)]
pub struct RawMenuItem<'a> {
    /// The PXE boot server type by which firmware requests it, with its location.
    pub server_type: Option<(u16, SourceLocation<'a>)>,
    /// The text of the item.
    pub title: Option<String>,
    /// The profile that this server boots.
    pub profile: Option<Reference<'a>>,
    /// Another boot server, at this address.
    pub server: Option<Ipv4Addr>,
    /// The location of the item.
    pub location: SourceLocation<'a>,
}

impl<'a> RawMenu<'a> {
    /// A menu without items.
    pub fn new(location: SourceLocation<'a>) -> Self {
        RawMenu { prompt: "Press F8 for the menu".to_owned(), timeout: 10, items: Vec::new(), location }
    }
}

impl<'a> RawMenuItem<'a> {
    /// An item without keys.
    pub fn new(location: SourceLocation<'a>) -> Self {
        RawMenuItem { server_type: None, title: None, profile: None, server: None, location }
    }
}

/// The maximum length of the prompt and of a title, in octets.
const MAX_TEXT: usize = 60;

/// A text that firmware can show in a menu.
pub fn menu_text(value: &TomlValue<'_>) -> ValueResult<String> {
    let fits =
        |text: &str| text.len() <= MAX_TEXT && text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
    parse_with(value, |text| fits(text).then(|| text.to_owned()))
}
