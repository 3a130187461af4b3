//! The merged contents of all files, before references are resolved. A setting or a name that two files define is an
//! error.

use super::{profile, rule, webhook};
use crate::machine_files::entry;
use crate::settings::keys::Target;
use crate::settings::location::SourceLocation;
use crate::settings::raw::machine::RawMachine;
use crate::settings::raw::profile::RawProfile;
use crate::settings::raw::rule::RawRule;
use crate::settings::raw::site::RawSite;
use crate::settings::raw::webhook::RawWebhook;
use crate::settings::table_reader::TableReader;
use crate::settings::value::{self, TomlValue, absolute_path};
use proxydhcpd_reading::names::{check_name, check_variable_name};
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// The merged contents of all files.
#[derive(Debug, Default)]
pub struct Document<'a> {
    /// The settings, and the keys of the whole site that are not settings.
    pub site: RawSite<'a>,
    /// The location of each setting, by table and key.
    locations: BTreeMap<(&'static str, &'static str), SourceLocation<'a>>,
    /// The location of each valid value of a setting, by table and key.
    values: BTreeMap<(&'static str, &'static str), SourceLocation<'a>>,
    /// The directories of `[directories]`, by name.
    pub directories: BTreeMap<String, (PathBuf, SourceLocation<'a>)>,
    /// The variables of `[variables]`, by name.
    pub variables: BTreeMap<String, (serde_json::Value, SourceLocation<'a>)>,
    /// The profiles, by name.
    pub profiles: BTreeMap<String, RawProfile<'a>>,
    /// The rules, in the order of the files.
    pub rules: Vec<RawRule<'a>>,
    /// The machines, by name.
    pub machines: BTreeMap<String, (RawMachine, SourceLocation<'a>)>,
    /// The webhooks, by name.
    pub webhooks: BTreeMap<String, (RawWebhook, SourceLocation<'a>)>,
    /// Whether an unknown key or an invalid value may have been meant as a path setting.
    pub paths_unknown: bool,
}

/// The tables of settings. None of them sets the path of a directory.
const TABLES_OF_SETTINGS: [&str; 8] = ["dhcp", "dhcp6", "http", "tftp", "syslog", "history", "web", "menu"];

/// The other tables without the path of a directory. An error in any table that is in neither list may hide one.
const TABLES_WITHOUT_PATHS: [&str; 5] = ["variables", "profile", "machine", "rule", "webhook"];

impl<'a> Document<'a> {
    /// Adds the contents of one file.
    pub fn add_file(&mut self, reader: &mut TableReader<'a>, document: &DeTable<'_>) {
        for (key, value) in document {
            let count_before = reader.diagnostics.len();
            let name = &**key.get_ref();
            let settings = TABLES_OF_SETTINGS.into_iter().find(|table| *table == name);
            match (settings, name) {
                (Some(table), _) => self.settings(table, reader, value),
                (None, "directories") => self.directories(reader, value),
                (None, "variables") => self.variables(reader, key, value),
                (None, "profile") => self.each(reader, "profile", value, Self::profile),
                (None, "machine") => self.each(reader, "machine", value, Self::machine),
                (None, "webhook") => self.each(reader, "webhook", value, Self::webhook),
                (None, "rule") => self.rules(reader, value),
                (None, _) => self.setting("", reader, key, value),
            }
            let may_have_paths = settings.is_none() && !TABLES_WITHOUT_PATHS.contains(&name);
            self.paths_unknown |= may_have_paths && reader.diagnostics.len() > count_before;
        }
        self.check_tftp_ports(reader);
        self.check_web_keys(reader);
    }

    fn settings(&mut self, table: &'static str, reader: &mut TableReader<'a>, value: &TomlValue<'_>) {
        let Some(entries) = reader.as_table(table, value) else { return };
        for (key, value) in entries {
            self.setting(table, reader, key, value);
        }
    }

    fn setting(
        &mut self,
        table: &'static str,
        reader: &mut TableReader<'a>,
        key: &Spanned<DeString<'_>>,
        value: &TomlValue<'_>,
    ) {
        let Some(known) = reader.find_key(table, key) else { return };
        let at = reader.location(key.span());
        if let Some(first) = self.locations.get(&(table, known.name)) {
            let error = at.error(format!("`{}` is set twice", known.name));
            reader.diagnostics.push(error.help(format!("{first} sets it already; delete one of them")));
            return;
        }
        self.locations.insert((table, known.name), at);
        let at = reader.location(value.span());
        let read = self.site.set(&known.kind, value, &at);
        if reader.check(known, read).is_some() {
            self.values.insert((table, known.name), at);
        }
    }

    /// The location of the value of a key. `None`: the key is not set, or has no valid value.
    pub fn value_location(&self, table: &'static str, key: &'static str) -> Option<&SourceLocation<'a>> {
        self.values.get(&(table, key))
    }

    /// Reports an error if both `ports` and `single-port` are set.
    fn check_tftp_ports(&self, reader: &mut TableReader<'a>) {
        if !self.site.settings.tftp.single_port || self.site.settings.tftp.ports.is_none() {
            return;
        }
        let locations = ["ports", "single-port"].map(|key| self.locations.get(&("tftp", key)));
        let [Some(ports), Some(single_port)] = locations else { return };
        let is_in_this_file = |at: &&&SourceLocation<'_>| at.source.name == reader.source.name;
        let Some(last) = [ports, single_port].iter().filter(is_in_this_file).max_by_key(|at| at.span.start).copied()
        else {
            return;
        };
        let other = if std::ptr::eq(last, ports) { single_port } else { ports };
        let error = last.error("`single-port` and `ports` of [tftp] exclude each other");
        reader.diagnostics.push(error.help(format!("{other} sets the other")));
    }

    /// Warns of keys of [web] that have no effect without another one.
    fn check_web_keys(&self, reader: &mut TableReader<'a>) {
        for (name, needed) in [("key", "certificate"), ("proxy-user-header", "trusted-proxy")] {
            let Some(at) =
                self.locations.get(&("web", name)).filter(|_| !self.locations.contains_key(&("web", needed)))
            else {
                continue;
            };
            if at.source.name == reader.source.name {
                reader.warning(at.span.clone(), format!("`{name}` of [web] has no effect without `{needed}`"));
            }
        }
    }

    fn directories(&mut self, reader: &mut TableReader<'a>, value: &TomlValue<'_>) {
        let Some(entries) = reader.as_table("directories", value) else { return };
        for (key, value) in entries {
            let name = key.get_ref().to_string();
            if let Err(message) = check_name(&name) {
                reader.error(key.span(), message);
                continue;
            }
            match absolute_path(value) {
                Ok(dir) if is_new(reader, &self.directories, "directory", key, |(_, at)| at) => {
                    self.directories.insert(name, (dir, reader.location(value.span())));
                }
                Ok(_) => {}
                Err(_) => reader.error(value.span(), format!("`{name}` must be an absolute path in quotes")),
            }
        }
    }

    fn variables(&mut self, reader: &mut TableReader<'a>, key: &Spanned<DeString<'_>>, value: &TomlValue<'_>) {
        let Some(entries) = reader.as_table(key.get_ref(), value) else { return };
        for (key, value) in entries {
            match check_variable_name(key.get_ref()) {
                Ok(()) if is_new(reader, &self.variables, "variable", key, |(_, at)| at) => {
                    let variable = (value::to_json(value.get_ref()), reader.location(key.span()));
                    self.variables.insert(key.get_ref().to_string(), variable);
                }
                Ok(()) => {}
                Err(message) => reader.error(key.span(), message),
            }
        }
    }

    /// Passes each table `[profile.NAME]` or `[machine.NAME]` to `take`. Reports an error for any other value.
    fn each(
        &mut self,
        reader: &mut TableReader<'a>,
        kind: &str,
        value: &TomlValue<'_>,
        take: impl Fn(&mut Self, &mut TableReader<'a>, &Spanned<DeString<'_>>, &DeTable<'_>),
    ) {
        let Some(entries) = reader.as_table(kind, value) else { return };
        for (name, value) in entries {
            match value.get_ref().as_table() {
                Some(table) => take(self, reader, name, table),
                None => {
                    let error =
                        reader.source.error(name.span(), format!("`{}` is a value, not a {kind}", name.get_ref()));
                    reader
                        .diagnostics
                        .push(error.help(format!("write a {kind} as a table: [{kind}.{}]", name.get_ref())));
                }
            }
        }
    }

    fn profile(&mut self, reader: &mut TableReader<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) {
        let profile = profile::parse(reader, name, table);
        if is_new(reader, &self.profiles, "profile", name, |profile| &profile.location) {
            self.profiles.insert(name.get_ref().to_string(), profile);
        }
    }

    fn machine(&mut self, reader: &mut TableReader<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) {
        let machine = entry::parse_machine(reader, name.get_ref(), name.span(), table);
        if is_new(reader, &self.machines, "machine", name, |(_, at)| at) {
            self.machines.insert(name.get_ref().to_string(), (machine, reader.location(name.span())));
        }
    }

    fn webhook(&mut self, reader: &mut TableReader<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) {
        if let Err(message) = check_name(name.get_ref()) {
            return reader.error(name.span(), message);
        }
        let webhook = webhook::parse(reader, name, table);
        if is_new(reader, &self.webhooks, "webhook", name, |(_, at)| at) {
            self.webhooks.insert(name.get_ref().to_string(), (webhook, reader.location(name.span())));
        }
    }

    fn rules(&mut self, reader: &mut TableReader<'a>, value: &TomlValue<'_>) {
        let elements = value.get_ref().as_array();
        let tables = elements.filter(|rules| rules.iter().all(|rule| rule.get_ref().is_table()));
        let Some(tables) = tables else {
            return reader.error(value.span(), "`rule` must be a list of tables: begin each rule with [[rule]]");
        };
        for value in tables.iter() {
            if let Some(table) = value.get_ref().as_table() {
                let number = self.rules.len() + 1;
                self.rules.push(rule::parse(reader, number, value.span(), table));
            }
        }
    }
}

/// Whether `known` does not contain this name yet. If it does, reports a duplicate with the location of the first
/// definition.
fn is_new<'a, T>(
    reader: &mut TableReader<'a>,
    known: &BTreeMap<String, T>,
    kind: &str,
    name: &Spanned<DeString<'_>>,
    at: impl Fn(&T) -> &SourceLocation<'a>,
) -> bool {
    let Some(known) = known.get(&**name.get_ref()) else { return true };
    let error = reader.source.error(name.span(), format!("duplicate {kind} `{}`", name.get_ref()));
    reader.diagnostics.push(error.help(format!("{} has it first", at(known))));
    false
}
