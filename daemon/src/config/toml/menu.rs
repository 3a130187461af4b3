//! `[profile.NAME.menu]`.

use super::said::Named;
use super::value::{Read, Value, address4, number, parsed, text};
use super::walk::{At, Walk};
use crate::config::diagnostic::Span;
use proxydhcpd_core::wire::pxe;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use toml::de::DeTable;

#[derive(Clone, Debug)]
pub struct Menu<'a> {
    pub prompt: String,
    pub timeout: u8,
    pub items: Vec<Item<'a>>,
    pub at: At<'a>,
}

#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub kind: u16,
    pub title: String,
    pub to: Target<'a>,
}

#[derive(Clone, Debug)]
pub enum Target<'a> {
    Profile(Named<'a>),
    Server(Ipv4Addr),
    Broadcast,
}

/// EDK2 shows no more.
const MOST_ITEMS: usize = 24;
const LONGEST_TEXT: usize = 60;
/// Types from here on are nobody's.
const FIRST_KIND: u16 = 0x8001;

pub fn written<'a>(walk: &mut Walk<'a>, at: Span, table: &DeTable<'_>) -> Menu<'a> {
    let before = walk.told.len();
    let at = walk.at(at);
    let mut menu = Menu { prompt: "Press F8 for the menu".to_owned(), timeout: 10, items: Vec::new(), at };
    let mut items = None;
    walk.table("profile.menu", table, |key, value| match key {
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
            menu.items.push(Item { kind, title, to });
        }
    }
    if walk.told.len() == before {
        check_size(walk, &menu);
    }
    menu
}

fn check_size(walk: &mut Walk<'_>, menu: &Menu<'_>) {
    let at = menu.at.span.clone();
    // The address takes as much room whichever it is.
    let item = |item: &'_ Item<'_>| (item.kind, item.title.clone());
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
        walk.told
            .push(error.help("each item takes 10 octets and its title; make the titles shorter, or the items fewer"));
    }
}

/// A line of it, as far as it is right.
#[derive(Default)]
struct Written<'a> {
    kind: Option<(u16, Span)>,
    title: Option<String>,
    to: Option<Target<'a>>,
}

impl<'a> Written<'a> {
    fn read(walk: &mut Walk<'a>, at: &Span, table: &DeTable<'_>) -> Self {
        let before = walk.told.len();
        let mut item = Written::default();
        let (mut profile, mut server) = (None, None);
        walk.table("profile.menu.items", table, |key, value| match key {
            "title" => menu_text(value).map(|title| item.title = Some(title)),
            "type" => number::<NonZeroU16>(value).map(|kind| item.kind = Some((kind.get(), value.span()))),
            "profile" => text(value).map(|name| profile = Some((name, value.span()))),
            "server" => address4(value).map(|address| server = Some(address)),
            _ => Ok(()),
        });
        if walk.told.len() > before {
            return item;
        }
        if item.title.is_none() {
            walk.error(at.clone(), "an item without `title`");
        }
        item.to = match (profile, server) {
            (Some((name, span)), None) => Some(Target::Profile((name, walk.at(span)))),
            (None, Some(server)) => Some(Target::Server(server)),
            (Some(_), Some(_)) => {
                walk.error(at.clone(), "`profile` and `server` exclude each other: an item leads to one place");
                None
            }
            (None, None) if item.kind.is_some() => Some(Target::Broadcast),
            (None, None) => {
                walk.error(at.clone(), "an item without `profile`, `server` or `type`");
                None
            }
        };
        item
    }
}

fn menu_text(value: &Value<'_>) -> Read<String> {
    let fits =
        |text: &str| text.len() <= LONGEST_TEXT && text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
    parsed(value, |text| fits(text).then(|| text.to_owned()))
}

type Tables<'t, 'v> = Vec<(Span, &'t DeTable<'v>)>;

fn tables<'t, 'v>(value: &'t Value<'v>) -> Read<Tables<'t, 'v>> {
    let elements = value.get_ref().as_array().ok_or_else(|| super::value::wrong(value.span()))?;
    let table = |value: &'t Value<'v>| {
        let table = value.get_ref().as_table();
        table.map(|table| (value.span(), table)).ok_or_else(|| super::value::wrong(value.span()))
    };
    elements.iter().map(table).collect()
}
