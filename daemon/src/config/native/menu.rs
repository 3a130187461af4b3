//! Parses `[profile.NAME.menu]`.

use crate::settings::raw::menu::{RawMenu, RawMenuItem};
use crate::settings::table_reader::TableReader;
use proxydhcpd_core::wire::pxe;
use proxydhcpd_reading::diagnostic::Span;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use toml::de::DeTable;

/// The maximum number of items. EDK2 shows no more.
const MAX_ITEMS: usize = 24;
/// The first type to assign to an item without `type`, in the range that PXE leaves to vendors.
const FIRST_FREE_TYPE: u16 = 0x8001;

/// Parses a menu. Reports invalid values and keeps the valid ones.
pub fn parse<'a>(reader: &mut TableReader<'a>, at: Span, table: &DeTable<'_>) -> RawMenu<'a> {
    let count_before = reader.diagnostics.len();
    let mut menu = RawMenu::new(reader.location(at));
    reader.read_table("profile.menu", table, &mut menu);
    let items = table.get("items").and_then(|value| value.get_ref().as_array());
    for value in items.into_iter().flat_map(|items| items.iter()) {
        if let Some(table) = value.get_ref().as_table() {
            let item = parse_item(reader, value.span(), table);
            menu.items.push(item);
        }
    }
    assign_types(reader, &mut menu.items);
    if reader.diagnostics.len() == count_before {
        check_size(reader, &menu);
    }
    menu
}

fn parse_item<'a>(reader: &mut TableReader<'a>, at: Span, table: &DeTable<'_>) -> RawMenuItem<'a> {
    let count_before = reader.diagnostics.len();
    let mut item = RawMenuItem::new(reader.location(at.clone()));
    reader.read_table("profile.menu.items", table, &mut item);
    if reader.diagnostics.len() > count_before {
        return item;
    }
    if item.title.is_none() {
        reader.error(at.clone(), "this item has no `title`");
    }
    match (&item.profile, item.server) {
        (Some(_), Some(_)) => {
            reader.error(at, "`profile` and `server` exclude each other: an item leads to one of them");
        }
        (None, None) if item.server_type.is_none() => {
            reader.error(at, "this item has no `profile`, `server` or `type`");
        }
        _ => {}
    }
    item
}

/// Reports an error for each type that an earlier item has, and assigns a free type to each item without one.
fn assign_types<'a>(reader: &mut TableReader<'a>, items: &mut [RawMenuItem<'a>]) {
    let mut taken = BTreeSet::new();
    for (server_type, at) in items.iter().filter_map(|item| item.server_type.as_ref()) {
        if !taken.insert(*server_type) {
            reader.error(at.span.clone(), format!("duplicate type {server_type}: another item has it"));
        }
    }
    let mut free = (FIRST_FREE_TYPE..).filter(|server_type| !taken.contains(server_type));
    for item in items.iter_mut().filter(|item| item.server_type.is_none()) {
        item.server_type = free.next().map(|server_type| (server_type, item.location.clone()));
    }
}

fn check_size(reader: &mut TableReader<'_>, menu: &RawMenu<'_>) {
    let at = menu.location.span.clone();
    // The size does not depend on the addresses, because each takes the same number of octets.
    let server = Some(Ipv4Addr::UNSPECIFIED);
    let item = |item| match item {
        &RawMenuItem { server_type: Some((server_type, _)), title: Some(ref title), .. } => {
            Some(pxe::MenuItem { server_type, title, server })
        }
        _ => None,
    };
    let items: Vec<_> = menu.items.iter().filter_map(item).collect();
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
