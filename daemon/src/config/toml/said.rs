//! What the files say, united: what can be only once is, and what has names has each of them once.

use super::profile::{self, Written};
use super::rule;
use super::value::{
    self, Read, Value, address, address6, domain, list, mac_pattern, number, path, ports, switch, text, word,
};
use super::walk::{At, Walk};
use crate::config::keys::Key;
use crate::config::machines::{self, Described};
use crate::config::{Enabled, Settings};
use proxydhcpd_core::plan::LoopGuard;
use proxydhcpd_core::plan::pattern::MacPattern;
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeString, DeTable};

#[derive(Debug, Default)]
pub struct Said<'a> {
    pub settings: Settings,
    /// Where a key was set, by table and name.
    set: BTreeMap<(&'static str, &'static str), At<'a>>,
    pub default_profile: Option<Named<'a>>,
    pub unknown_machine_profile: Option<Named<'a>>,
    pub shared_macs: Vec<MacPattern>,
    pub boot_dir: Option<At<'a>>,
    pub template_dir: Option<At<'a>>,
    pub machine_files: Vec<(PathBuf, At<'a>)>,
    pub directories: BTreeMap<String, (PathBuf, At<'a>)>,
    pub variables: BTreeMap<String, (serde_json::Value, At<'a>)>,
    pub profiles: BTreeMap<String, Written<'a>>,
    pub rules: Vec<rule::Written<'a>>,
    pub machines: BTreeMap<String, (Described, At<'a>)>,
    /// A name that nobody knows, or a value that cannot be, may have been one that says where files lie.
    pub unplaced: bool,
}

/// The tables in which nothing says where files lie. What is wrong anywhere else may have been meant to.
const PLACES_NO_FILES: [&str; 8] = ["dhcp", "dhcp6", "http", "tftp", "variables", "profile", "machine", "rule"];

const GUARDS: [(&str, LoopGuard); 3] = [("warn", LoopGuard::Warn), ("stop", LoopGuard::Stop), ("off", LoopGuard::Off)];

/// A name that refers to something, and where it stands.
pub type Named<'a> = (String, At<'a>);

impl<'a> Said<'a> {
    pub fn document(&mut self, walk: &mut Walk<'a>, document: &DeTable<'_>) {
        for (key, value) in document {
            let before = walk.told.len();
            match &**key.get_ref() {
                "dhcp" => self.settings("dhcp", walk, value),
                "dhcp6" => self.settings("dhcp6", walk, value),
                "http" => self.settings("http", walk, value),
                "tftp" => self.settings("tftp", walk, value),
                "directories" => self.directories(walk, value),
                "variables" => self.variables(walk, key, value),
                "profile" => self.each(walk, "profile", value, Self::profile),
                "machine" => self.each(walk, "machine", value, Self::machine),
                "rule" => self.rules(walk, value),
                _ => self.setting("", walk, key, value),
            }
            self.unplaced |= walk.told.len() > before && !PLACES_NO_FILES.contains(&&**key.get_ref());
        }
        self.exclude_ports(walk);
    }

    fn settings(&mut self, table: &'static str, walk: &mut Walk<'a>, value: &Value<'_>) {
        let Some(entries) = walk.as_table(table, value) else { return };
        for (key, value) in entries {
            self.setting(table, walk, key, value);
        }
    }

    fn setting(&mut self, table: &'static str, walk: &mut Walk<'a>, key: &Spanned<DeString<'_>>, value: &Value<'_>) {
        let Some(known) = walk.known(table, key) else { return };
        let at = walk.at(key.span());
        if let Some(first) = self.set.get(&(table, known.name)) {
            let error = at.error(format!("`{}` is set a second time", known.name));
            walk.told.push(error.help(format!("{first} sets it, and only one file can")));
            return;
        }
        self.set.insert((table, known.name), at);
        let read = self.take(known, walk.at(value.span()), value);
        walk.check(known, read);
    }

    fn take(&mut self, key: &Key, at: At<'a>, value: &Value<'_>) -> Read<()> {
        let settings = &mut self.settings;
        match (key.table, key.name) {
            ("", "interfaces") => list(value, text).map(|names| settings.interfaces = names),
            ("", "ipv4-interfaces") => list(value, text).map(|names| settings.ipv4_interfaces = Some(names)),
            ("", "ipv6-interfaces") => list(value, text).map(|names| settings.ipv6_interfaces = Some(names)),
            ("", "address") => list(value, address).map(|addresses| settings.addresses = addresses),
            ("", "boot-dir") => path(value).map(|dir| {
                settings.boot_dir = dir;
                self.boot_dir = Some(at);
            }),
            ("", "state-dir") => path(value).map(|dir| settings.state_dir = dir),
            ("", "ignore-case") => switch(value).map(|on| settings.ignore_case = on),
            ("", "template-dir") => path(value).map(|dir| {
                settings.template_dir = Some(dir);
                self.template_dir = Some(at);
            }),
            ("", "machine-files") => {
                let source = at.source;
                let placed = |value: &Value<'_>| path(value).map(|file| (file, At { source, span: value.span() }));
                list(value, placed).map(|files| {
                    settings.machine_files = Some(files.iter().map(|(file, _)| file.clone()).collect());
                    self.machine_files = files;
                })
            }
            ("", "default-profile") => text(value).map(|name| self.default_profile = Some((name, at))),
            ("", "unknown-machine-profile") => text(value).map(|name| self.unknown_machine_profile = Some((name, at))),
            ("", "shared-macs") => list(value, mac_pattern).map(|shared_macs| self.shared_macs = shared_macs),
            ("", "secure-boot-keys") => list(value, path).map(|keys| settings.secure_boot_keys = keys),
            ("dhcp", "proxy-only") => switch(value).map(|on| settings.proxy_only = on),
            ("dhcp", "relays") => list(value, address).map(|relays| settings.relays = relays),
            ("dhcp", "user-classes") => list(value, text).map(|words| settings.user_classes = words),
            ("dhcp", "vendor-classes") => list(value, text).map(|words| settings.vendor_classes = words),
            ("dhcp", "max-packets-per-second") => {
                number(value).map(|most| settings.max_packets_per_second = Some(most))
            }
            ("dhcp", "loop-guard") => word(value, &GUARDS).map(|guard| settings.loop_guard = guard),
            ("dhcp6", "stateless-ipxe") => switch(value).map(|on| settings.dhcp6.stateless_ipxe = on),
            ("dhcp6", "dns-servers") => list(value, address6).map(|servers| settings.dhcp6.dns.dns_servers = servers),
            ("dhcp6", "domains") => list(value, domain).map(|domains| settings.dhcp6.dns.domains = domains),
            ("http", "enabled") => switch(value).map(|on| settings.http.enabled = Enabled::from(on)),
            ("http", "port") => number::<NonZeroU16>(value).map(|port| settings.http.port = port.get()),
            ("tftp", "enabled") => switch(value).map(|on| settings.tftp.enabled = Enabled::from(on)),
            ("tftp", "ports") => ports(value).map(|ports| settings.tftp.ports = Some(ports)),
            ("tftp", "single-port") => switch(value).map(|on| settings.tftp.single_port = on),
            ("tftp", "max-transfers") => number(value).map(|most| settings.tftp.max_transfers = Some(most)),
            _ => Ok(()),
        }
    }

    /// Firewalls want the one or the other of them.
    fn exclude_ports(&self, walk: &mut Walk<'a>) {
        if !self.settings.tftp.single_port || self.settings.tftp.ports.is_none() {
            return;
        }
        let set = ["ports", "single-port"].map(|key| self.set.get(&("tftp", key)));
        let [Some(ports), Some(single_port)] = set else { return };
        let is_here = |at: &&&At<'_>| at.source.name == walk.source.name;
        let Some(here) = [ports, single_port].iter().filter(is_here).max_by_key(|at| at.span.start).copied() else {
            return;
        };
        let other = if std::ptr::eq(here, ports) { single_port } else { ports };
        let error = here.error("`single-port` and `ports` of [tftp] exclude each other");
        walk.told.push(error.help(format!("{other} sets the other")));
    }

    fn directories(&mut self, walk: &mut Walk<'a>, value: &Value<'_>) {
        let Some(entries) = walk.as_table("directories", value) else { return };
        for (key, value) in entries {
            let name = key.get_ref().to_string();
            if let Err(why) = machines::check_name(&name) {
                walk.error(key.span(), why);
                continue;
            }
            match path(value) {
                Ok(dir) if first(walk, &self.directories, "directory", key, |(_, at)| at) => {
                    self.directories.insert(name, (dir, walk.at(value.span())));
                }
                Ok(_) => {}
                Err(_) => walk.error(value.span(), format!("`{name}` must be an absolute path in quotes")),
            }
        }
    }

    fn variables(&mut self, walk: &mut Walk<'a>, key: &Spanned<DeString<'_>>, value: &Value<'_>) {
        let Some(entries) = walk.as_table(key.get_ref(), value) else { return };
        for (key, value) in entries {
            match value::variable_name(key.get_ref()) {
                Ok(()) if first(walk, &self.variables, "variable", key, |(_, at)| at) => {
                    let taken = (value::json(value.get_ref()), walk.at(key.span()));
                    self.variables.insert(key.get_ref().to_string(), taken);
                }
                Ok(()) => {}
                Err(why) => walk.error(key.span(), why),
            }
        }
    }

    /// `[profile.NAME]`, `[machine.NAME]`.
    fn each(
        &mut self,
        walk: &mut Walk<'a>,
        what: &str,
        value: &Value<'_>,
        take: impl Fn(&mut Self, &mut Walk<'a>, &Spanned<DeString<'_>>, &DeTable<'_>),
    ) {
        let Some(entries) = walk.as_table(what, value) else { return };
        for (name, value) in entries {
            match value.get_ref().as_table() {
                Some(table) => take(self, walk, name, table),
                None => {
                    let error =
                        walk.source.error(name.span(), format!("`{}` is no {what}, but a value", name.get_ref()));
                    walk.told.push(error.help(format!("a {what} is a table: [{what}.{}]", name.get_ref())));
                }
            }
        }
    }

    fn profile(&mut self, walk: &mut Walk<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) {
        let written = profile::written(walk, name, table);
        if first(walk, &self.profiles, "profile", name, |written| &written.at) {
            self.profiles.insert(name.get_ref().to_string(), written);
        }
    }

    fn machine(&mut self, walk: &mut Walk<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) {
        let described = machines::described(walk, name.get_ref(), name.span(), table);
        if first(walk, &self.machines, "machine", name, |(_, at)| at) {
            self.machines.insert(name.get_ref().to_string(), (described, walk.at(name.span())));
        }
    }

    fn rules(&mut self, walk: &mut Walk<'a>, value: &Value<'_>) {
        let elements = value.get_ref().as_array();
        let tables = elements.filter(|rules| rules.iter().all(|rule| rule.get_ref().is_table()));
        let Some(tables) = tables else {
            return walk.error(value.span(), "rules are a list of tables: each begins with [[rule]]");
        };
        for value in tables.iter() {
            if let Some(table) = value.get_ref().as_table() {
                let number = self.rules.len() + 1;
                self.rules.push(rule::written(walk, number, value.span(), table));
            }
        }
    }
}

/// Whether nothing has this name yet; it is told where it has.
fn first<'a, T>(
    walk: &mut Walk<'a>,
    known: &BTreeMap<String, T>,
    what: &str,
    name: &Spanned<DeString<'_>>,
    at: impl Fn(&T) -> &At<'a>,
) -> bool {
    let Some(known) = known.get(&**name.get_ref()) else { return true };
    let error = walk.source.error(name.span(), format!("{what} `{}` is given twice", name.get_ref()));
    walk.told.push(error.help(format!("{} gives it first", at(known))));
    false
}
