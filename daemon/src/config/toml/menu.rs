//! `[profile.NAME.menu]`.

use super::document::Reference;
use super::value::{ValueResult, TomlValue, address4, number, parse_with, text};
use super::table_reader::{SourceLocation, TableReader};
use crate::config::diagnostic::Span;
use proxydhcpd_core::wire::pxe;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use toml::de::DeTable;

#[derive(Clone, Debug)]
pub struct RawMenu<'a> {
    pub prompt: String,
    pub timeout: u8,
    pub items: Vec<RawMenuItem<'a>>,
    pub location: SourceLocation<'a>,
}

#[derive(Clone, Debug)]
pub struct RawMenuItem<'a> {
    pub server_type: u16,
    pub title: String,
    pub target: RawItemTarget<'a>,
}

#[derive(Clone, Debug)]
pub enum RawItemTarget<'a> {
    Profile(Reference<'a>),
    Server(Ipv4Addr),
    Broadcast,
}

/// EDK2 shows no more.
const MOST_ITEMS: usize = 24;
const LONGEST_TEXT: usize = 60;
/// Types from here on are nobody's.
const FIRST_KIND: u16 = 0x8001;

pub fn parse<'a>(walk: &mut TableReader<'a>, at: Span, table: &DeTable<'_>) -> RawMenu<'a> {
    let before = walk.diagnostics.len();
    let at = walk.location(at);
    let mut menu = RawMenu { prompt: "Press F8 for the menu".to_owned(), timeout: 10, items: Vec::new(), location: at };
    let mut items = None;
    walk.read_table("profile.menu", table, |key, value| match key {
        "prompt" => menu_text(value).map(|prompt| menu.prompt = prompt),
        "timeout" => number(value).map(|seconds| menu.timeout = seconds),
        "items" => tables(value).map(|tables| items = Some(tables)),
        _ => Ok(()),
    });
    let given = items.unwrap_or_default();
    let mut taken = BTreeSet::new();
    let mut written: Vec<Written<'a>> = Vec::new();
    for (span, table) in &given {
        let item = Written::read(walk, span, table);
        if let Some((kind, at)) = &item.kind
            && !taken.insert(*kind)
        {
            walk.error(at.clone(), format!("another item has the type {kind}"));
        }
        written.push(item);
    }
    let mut free = (FIRST_KIND..).filter(|kind| !taken.contains(kind));
    for Written { kind, title, to } in written {
        let kind = kind.map(|(kind, _)| kind).or_else(|| free.next());
        if let (Some(kind), Some(title), Some(to)) = (kind, title, to) {
            menu.items.push(RawMenuItem { server_type: kind, title, target: to });
        }
    }
    if walk.diagnostics.len() == before {
        check_size(walk, &menu);
    }
    menu
}

fn check_size(walk: &mut TableReader<'_>, menu: &RawMenu<'_>) {
    let at = menu.location.span.clone();
    // The address takes as much room whichever it is.
    let item = |item: &'_ RawMenuItem<'_>| (item.server_type, item.title.clone());
    let items: Vec<_> = menu.items.iter().map(item).collect();
    let items: Vec<_> = items
        .iter()
        .map(|(kind, title)| pxe::MenuItem { server_type: *kind, title, server: Some(Ipv4Addr::UNSPECIFIED) })
        .collect();
    if menu.items.is_empty() {
        walk.error(at, "a menu without items");
    } else if menu.items.len() > MOST_ITEMS {
        walk.error(at, format!("a menu of {} items: firmware shows {MOST_ITEMS} at most", menu.items.len()));
    } else if pxe::menu(&menu.prompt, menu.timeout, &items).is_none() {
        let error = walk.source.error(at, "the menu does not fit into the 255 octets that a reply has for it");
        walk.diagnostics
            .push(error.help("each item takes 10 octets and its title; make the titles shorter, or the items fewer"));
    }
}

/// A line of it, as far as it is right.
#[derive(Default)]
struct Written<'a> {
    kind: Option<(u16, Span)>,
    title: Option<String>,
    to: Option<RawItemTarget<'a>>,
}

impl<'a> Written<'a> {
    fn read(walk: &mut TableReader<'a>, at: &Span, table: &DeTable<'_>) -> Self {
        let before = walk.diagnostics.len();
        let mut item = Written::default();
        let (mut profile, mut server) = (None, None);
        walk.read_table("profile.menu.items", table, |key, value| match key {
            "title" => menu_text(value).map(|title| item.title = Some(title)),
            "type" => number::<NonZeroU16>(value).map(|kind| item.kind = Some((kind.get(), value.span()))),
            "profile" => text(value).map(|name| profile = Some((name, value.span()))),
            "server" => address4(value).map(|address| server = Some(address)),
            _ => Ok(()),
        });
        if walk.diagnostics.len() > before {
            return item;
        }
        if item.title.is_none() {
            walk.error(at.clone(), "an item without `title`");
        }
        item.to = match (profile, server) {
            (Some((name, span)), None) => Some(RawItemTarget::Profile((name, walk.location(span)))),
            (None, Some(server)) => Some(RawItemTarget::Server(server)),
            (Some(_), Some(_)) => {
                walk.error(at.clone(), "`profile` and `server` exclude each other: an item leads to one place");
                None
            }
            (None, None) if item.kind.is_some() => Some(RawItemTarget::Broadcast),
            (None, None) => {
                walk.error(at.clone(), "an item without `profile`, `server` or `type`");
                None
            }
        };
        item
    }
}

fn menu_text(value: &TomlValue<'_>) -> ValueResult<String> {
    let fits =
        |text: &str| text.len() <= LONGEST_TEXT && text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
    parse_with(value, |text| fits(text).then(|| text.to_owned()))
}

type Tables<'t, 'v> = Vec<(Span, &'t DeTable<'v>)>;

fn tables<'t, 'v>(value: &'t TomlValue<'v>) -> ValueResult<Tables<'t, 'v>> {
    let elements = value.get_ref().as_array().ok_or_else(|| super::value::invalid(value.span()))?;
    let table = |value: &'t TomlValue<'v>| {
        let table = value.get_ref().as_table();
        table.map(|table| (value.span(), table)).ok_or_else(|| super::value::invalid(value.span()))
    };
    elements.iter().map(table).collect()
}
