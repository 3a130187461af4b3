//! Parses `[profile.NAME.menu]`.

use crate::settings::table_reader::{Reference, SourceLocation, TableReader};
use crate::settings::value::{self, TomlValue, ValueResult, address4, number, parse_with, text};
use proxydhcpd_core::wire::pxe;
use proxydhcpd_reading::diagnostic::Span;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use toml::de::DeTable;

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
    /// The PXE boot server type by which firmware requests it.
    pub server_type: u16,
    /// The text of the item.
    pub title: String,
    /// The destination of the item.
    pub target: RawItemTarget<'a>,
}

/// The destination of an item of a menu.
#[derive(Clone, Debug)]
pub enum RawItemTarget<'a> {
    /// A profile that this server boots.
    Profile(Reference<'a>),
    /// Another boot server, at this address.
    Server(Ipv4Addr),
    /// Any boot server of the item's type, found by broadcast.
    Broadcast,
}

/// The maximum number of items. EDK2 shows no more.
const MAX_ITEMS: usize = 24;
/// The maximum length of the prompt and of a title, in octets.
const MAX_TEXT: usize = 60;
/// The first type to assign to an item without `type`, in the range that PXE leaves to vendors.
const FIRST_FREE_TYPE: u16 = 0x8001;

/// Parses a menu. Reports invalid values and keeps the valid ones.
pub fn parse<'a>(reader: &mut TableReader<'a>, at: Span, table: &DeTable<'_>) -> RawMenu<'a> {
    let count_before = reader.diagnostics.len();
    let at = reader.location(at);
    let mut menu = RawMenu { prompt: "Press F8 for the menu".to_owned(), timeout: 10, items: Vec::new(), location: at };
    let mut items = None;
    reader.read_table("profile.menu", table, |key, value| match key {
        "prompt" => menu_text(value).map(|prompt| menu.prompt = prompt),
        "timeout" => number(value).map(|seconds| menu.timeout = seconds),
        "items" => tables(value).map(|tables| items = Some(tables)),
        _ => Ok(()),
    });
    let item_tables = items.unwrap_or_default();
    let mut taken = BTreeSet::new();
    let mut parsed_items: Vec<PartialItem<'a>> = Vec::new();
    for (span, table) in &item_tables {
        let item = PartialItem::parse(reader, span, table);
        if let Some((server_type, at)) = &item.server_type
            && !taken.insert(*server_type)
        {
            reader.error(at.clone(), format!("duplicate type {server_type}: another item has it"));
        }
        parsed_items.push(item);
    }
    let mut free = (FIRST_FREE_TYPE..).filter(|server_type| !taken.contains(server_type));
    for PartialItem { server_type, title, target } in parsed_items {
        let server_type = server_type.map(|(server_type, _)| server_type).or_else(|| free.next());
        if let (Some(server_type), Some(title), Some(target)) = (server_type, title, target) {
            menu.items.push(RawMenuItem { server_type, title, target });
        }
    }
    if reader.diagnostics.len() == count_before {
        check_size(reader, &menu);
    }
    menu
}

fn check_size(reader: &mut TableReader<'_>, menu: &RawMenu<'_>) {
    let at = menu.location.span.clone();
    // The size does not depend on the addresses, because each takes the same number of octets.
    let item = |item: &'_ RawMenuItem<'_>| (item.server_type, item.title.clone());
    let items: Vec<_> = menu.items.iter().map(item).collect();
    let items: Vec<_> = items
        .iter()
        .map(|(server_type, title)| pxe::MenuItem {
            server_type: *server_type,
            title,
            server: Some(Ipv4Addr::UNSPECIFIED),
        })
        .collect();
    if menu.items.is_empty() {
        reader.error(at, "the menu has no items");
    } else if menu.items.len() > MAX_ITEMS {
        reader.error(at, format!("the menu has {} items: firmware shows at most {MAX_ITEMS}", menu.items.len()));
    } else if pxe::menu(&menu.prompt, menu.timeout, &items).is_none() {
        let error = reader.source.error(at, "the menu does not fit into the 255 octets that a reply has for it");
        reader
            .diagnostics
            .push(error.help("each item takes 10 octets plus its title: use shorter titles or fewer items"));
    }
}

/// The valid part of an item of a menu.
#[derive(Default)]
struct PartialItem<'a> {
    server_type: Option<(u16, Span)>,
    title: Option<String>,
    target: Option<RawItemTarget<'a>>,
}

impl<'a> PartialItem<'a> {
    fn parse(reader: &mut TableReader<'a>, at: &Span, table: &DeTable<'_>) -> Self {
        let count_before = reader.diagnostics.len();
        let mut item = PartialItem::default();
        let (mut profile, mut server) = (None, None);
        reader.read_table("profile.menu.items", table, |key, value| match key {
            "title" => menu_text(value).map(|title| item.title = Some(title)),
            "type" => number::<NonZeroU16>(value)
                .map(|server_type| item.server_type = Some((server_type.get(), value.span()))),
            "profile" => text(value).map(|name| profile = Some((name, value.span()))),
            "server" => address4(value).map(|address| server = Some(address)),
            _ => Ok(()),
        });
        if reader.diagnostics.len() > count_before {
            return item;
        }
        if item.title.is_none() {
            reader.error(at.clone(), "this item has no `title`");
        }
        item.target = match (profile, server) {
            (Some((name, span)), None) => Some(RawItemTarget::Profile((name, reader.location(span)))),
            (None, Some(server)) => Some(RawItemTarget::Server(server)),
            (Some(_), Some(_)) => {
                reader.error(at.clone(), "`profile` and `server` exclude each other: an item leads to one of them");
                None
            }
            (None, None) if item.server_type.is_some() => Some(RawItemTarget::Broadcast),
            (None, None) => {
                reader.error(at.clone(), "this item has no `profile`, `server` or `type`");
                None
            }
        };
        item
    }
}

fn menu_text(value: &TomlValue<'_>) -> ValueResult<String> {
    let fits =
        |text: &str| text.len() <= MAX_TEXT && text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
    parse_with(value, |text| fits(text).then(|| text.to_owned()))
}

type Tables<'t, 'v> = Vec<(Span, &'t DeTable<'v>)>;

fn tables<'t, 'v>(value: &'t TomlValue<'v>) -> ValueResult<Tables<'t, 'v>> {
    let elements = value.get_ref().as_array().ok_or_else(|| value::invalid(value.span()))?;
    let table = |value: &'t TomlValue<'v>| {
        let table = value.get_ref().as_table();
        table.map(|table| (value.span(), table)).ok_or_else(|| value::invalid(value.span()))
    };
    elements.iter().map(table).collect()
}
