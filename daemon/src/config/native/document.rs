//! The merged contents of all files, before references are resolved. A setting or a name that two files define is an
//! error.

use super::profile::{self, RawProfile};
use super::rule;
use crate::machine_files::entry::{self, RawMachine};
use crate::settings::Settings;
use crate::settings::table_reader::{Reference, SourceLocation, TableReader};
use crate::settings::value::{self, TomlValue, ValueResult, absolute_path, list, mac_pattern, text};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_reading::names::{check_name, check_variable_name};
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// The merged contents of all files.
#[derive(Debug, Default)]
pub struct Document<'a> {
    /// How the server runs.
    pub settings: Settings,
    /// The location of each setting, by table and key.
    locations: BTreeMap<(&'static str, &'static str), SourceLocation<'a>>,
    /// The location of each valid value of a setting, by table and key.
    values: BTreeMap<(&'static str, &'static str), SourceLocation<'a>>,
    /// The value of the key `default-profile`.
    pub default_profile: Option<Reference<'a>>,
    /// The value of the key `unknown-machine-profile`.
    pub unknown_machine_profile: Option<Reference<'a>>,
    /// The value of the key `shared-macs`.
    pub shared_macs: Vec<MacPattern>,
    /// The values of `machine-files`, each with its location.
    pub machine_files: Vec<(PathBuf, SourceLocation<'a>)>,
    /// The directories of `[directories]`, by name.
    pub directories: BTreeMap<String, (PathBuf, SourceLocation<'a>)>,
    /// The variables of `[variables]`, by name.
    pub variables: BTreeMap<String, (serde_json::Value, SourceLocation<'a>)>,
    /// The profiles, by name.
    pub profiles: BTreeMap<String, RawProfile<'a>>,
    /// The rules, in the order of the files.
    pub rules: Vec<rule::RawRule<'a>>,
    /// The machines, by name.
    pub machines: BTreeMap<String, (RawMachine, SourceLocation<'a>)>,
    /// Whether an unknown key or an invalid value may have been meant as a path setting.
    pub paths_unknown: bool,
}

/// The tables without path settings. An error in any other table may hide a path setting.
const TABLES_WITHOUT_PATHS: [&str; 8] = ["dhcp", "dhcp6", "http", "tftp", "variables", "profile", "machine", "rule"];

impl<'a> Document<'a> {
    /// Adds the contents of one file.
    pub fn add_file(&mut self, reader: &mut TableReader<'a>, document: &DeTable<'_>) {
        for (key, value) in document {
            let count_before = reader.diagnostics.len();
            match &**key.get_ref() {
                "dhcp" => self.settings("dhcp", reader, value),
                "dhcp6" => self.settings("dhcp6", reader, value),
                "http" => self.settings("http", reader, value),
                "tftp" => self.settings("tftp", reader, value),
                "directories" => self.directories(reader, value),
                "variables" => self.variables(reader, key, value),
                "profile" => self.each(reader, "profile", value, Self::profile),
                "machine" => self.each(reader, "machine", value, Self::machine),
                "rule" => self.rules(reader, value),
                _ => self.setting("", reader, key, value),
            }
            self.paths_unknown |=
                reader.diagnostics.len() > count_before && !TABLES_WITHOUT_PATHS.contains(&&**key.get_ref());
        }
        self.check_tftp_ports(reader);
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
        let read = match known.read(&mut self.settings, value) {
            Some(read) => read,
            None => self.read_plan_key(known.name, &at, value),
        };
        if reader.check(known, read).is_some() {
            self.values.insert((table, known.name), at);
        }
    }

    /// Parses a key at the top of the file that sets more than a setting.
    fn read_plan_key(&mut self, key: &str, at: &SourceLocation<'a>, value: &TomlValue<'_>) -> ValueResult<()> {
        match key {
            "machine-files" => {
                let source = at.source;
                let located = |value: &TomlValue<'_>| {
                    absolute_path(value).map(|file| (file, SourceLocation { source, span: value.span() }))
                };
                list(value, located).map(|files| {
                    self.settings.machine_files = Some(files.iter().map(|(file, _)| file.clone()).collect());
                    self.machine_files = files;
                })
            }
            "default-profile" => text(value).map(|name| self.default_profile = Some((name, at.clone()))),
            "unknown-machine-profile" => {
                text(value).map(|name| self.unknown_machine_profile = Some((name, at.clone())))
            }
            "shared-macs" => list(value, mac_pattern).map(|shared_macs| self.shared_macs = shared_macs),
            _ => Ok(()),
        }
    }

    /// The location of the value of a key. `None`: the key is not set, or has no valid value.
    pub fn value_location(&self, table: &'static str, key: &'static str) -> Option<&SourceLocation<'a>> {
        self.values.get(&(table, key))
    }

    /// Reports an error if both `ports` and `single-port` are set.
    fn check_tftp_ports(&self, reader: &mut TableReader<'a>) {
        if !self.settings.tftp.single_port || self.settings.tftp.ports.is_none() {
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
