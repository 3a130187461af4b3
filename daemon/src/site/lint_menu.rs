//! Warnings about the settings of the menu that do not do what they seem to.

use crate::menu_passwords::MenuPasswords;
use crate::settings::Settings;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::menu::{LOCAL_DISK, NETBOOT_XYZ, RESTART, SHELL};
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::suggest::closest_match;

/// The names of all items: those of the boot directory, and the built-in ones.
fn item_names(plan: &Plan) -> impl Iterator<Item = &str> + Clone {
    let entries = plan.offer.menu.entries.iter().map(|entry| entry.target.path());
    entries.chain([LOCAL_DISK, SHELL, RESTART, NETBOOT_XYZ])
}

/// Patterns that no item matches: a typing error would leave an item visible, or without a password.
pub fn unknown_items(plan: &Plan) -> Vec<Diagnostic> {
    let menu = &plan.policy.menu;
    let of_menu = [("hidden-items", &menu.hidden_items), ("protected-items", &menu.protected_items)];
    let of_rules = plan.policy.rules.iter().map(|rule| (rule.name.as_str(), &rule.hidden_items));
    let lists = of_menu.map(|(key, items)| (format!("`{key}` of [menu]"), items)).into_iter();
    let lists = lists.chain(of_rules.map(|(rule, items)| (format!("`hidden-items` of {rule}"), items)));
    let unknown = lists.flat_map(|(place, items)| {
        let unmatched = items.iter().filter(|item| !item_names(plan).any(|name| item.matches(name.as_bytes())));
        unmatched.map(move |item| (place.clone(), item)).collect::<Vec<_>>()
    });
    unknown
        .map(|(place, item)| {
            let warning = Diagnostic::warning(format!("{place}: no item of the menu matches `{item}`"));
            match closest_match(&item.0, item_names(plan)) {
                Some(name) => warning.help(format!("did you mean `{name}`?")),
                None => warning.help("an item is named by the path of its kernel, script or program"),
            }
        })
        .collect()
}

/// A default item that may not start by itself, or that does not exist.
pub fn refused_default(plan: &Plan) -> Option<Diagnostic> {
    let (menu, item) = (&plan.policy.menu, plan.policy.menu.default_item.as_str());
    let target = plan.offer.menu.entries.iter().map(|entry| &entry.target).find(|target| target.path() == item);
    let reason = match target {
        None if !item_names(plan).any(|name| name == item) => "the menu has no such item",
        Some(target) if target.is_installer() => "it is an installer, which could overwrite the disk of a machine",
        _ if menu.protects(item) => "it needs a password",
        _ if !menu.may_be_default(item, target) => "it boots nothing",
        _ if menu.hides(item, None) => "no machine sees it",
        _ => return None,
    };
    let warning = Diagnostic::warning(format!("`default-item` of [menu] cannot be `{item}`: {reason}"));
    Some(warning.help("the local disk is the default instead"))
}

/// Protected items that no user can start.
pub fn locked_items(settings: &Settings, passwords: &MenuPasswords) -> Option<Diagnostic> {
    let is_locked = !settings.menu.protected_items.is_empty() && passwords.is_empty();
    let help = "add a line of `proxydhcpd menu-password USER` to the file that `password-file` of [menu] names";
    is_locked.then(|| Diagnostic::warning("no user can start the protected items of the menu").help(help))
}
