//! Parses `[profile.NAME]`.

use super::menu;
use crate::settings::architecture::parse_architecture;
use crate::settings::raw::profile::{BUILT_IN_PROFILES, RawBoot, RawProfile, path_or_url};
use crate::settings::table_reader::TableReader;
use proxydhcpd_core::shape::MAX_FILE_LENGTH;
use proxydhcpd_core::url::is_url;
use proxydhcpd_reading::diagnostic::Span;
use proxydhcpd_reading::names::check_name;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// Parses a profile. Reports invalid values and keeps the valid ones.
pub fn parse<'a>(reader: &mut TableReader<'a>, name: &Spanned<DeString<'_>>, table: &DeTable<'_>) -> RawProfile<'a> {
    let count_before = reader.diagnostics.len();
    if let Err(message) = check_name(name.get_ref()) {
        reader.error(name.span(), message);
    } else if BUILT_IN_PROFILES.iter().any(|(known, ..)| known == name.get_ref()) {
        reader.error(name.span(), format!("`{}` is a built-in profile: rename this one", name.get_ref()));
    }
    let mut profile = RawProfile::new(reader.location(name.span()));
    reader.read_table("profile", table, &mut profile);
    if let Some((at, menu)) = sub_table(table, "menu") {
        let menu = menu::parse(reader, at.clone(), menu);
        profile.add_boot("menu", reader.location(at), RawBoot::Menu(menu));
    }
    if let Some((_, loaders)) = sub_table(table, "loaders") {
        parse_loaders(reader, loaders, &mut profile);
    }
    report_further_boots(reader, &profile);
    profile.has_errors = reader.diagnostics.len() > count_before;
    profile
}

fn sub_table<'t, 'v>(table: &'t DeTable<'v>, name: &str) -> Option<(Span, &'t DeTable<'v>)> {
    let value = table.get(name)?;
    Some((value.span(), value.get_ref().as_table()?))
}

/// Reports an error for each thing that the profile boots besides the first.
fn report_further_boots(reader: &mut TableReader<'_>, profile: &RawProfile<'_>) {
    let Some(((first, ..), further)) = profile.boots.split_first() else { return };
    for (other, at, _) in further {
        let message = format!("`{first}` and `{other}` exclude each other: a profile boots one thing");
        reader.error(at.span.clone(), message);
    }
}

fn parse_loaders<'a>(reader: &mut TableReader<'a>, table: &DeTable<'_>, profile: &mut RawProfile<'a>) {
    for (key, value) in table {
        let arch = match parse_architecture(key.get_ref()) {
            _ if key.get_ref() == DEFAULT_LOADER => None,
            Ok(arch) if arch.base() == arch => Some(arch),
            Ok(arch) => {
                let error = reader.source.error(key.span(), format!("{arch} has no separate loader"));
                reader
                    .diagnostics
                    .push(error.help(format!("it uses that of `{}`", arch.base().info().map_or("", |row| row.id))));
                continue;
            }
            Err(help) => {
                let error = reader.source.error(key.span(), format!("unknown architecture `{}`", key.get_ref()));
                reader.diagnostics.push(error.help(help));
                continue;
            }
        };
        match (path_or_url(value), arch) {
            (Ok(name), _) if !is_url(&name) && name.len() > MAX_FILE_LENGTH => {
                reader.error(
                    value.span(),
                    format!("the name has {} octets: firmware accepts at most {MAX_FILE_LENGTH}", name.len()),
                );
            }
            (Ok(name), Some(arch)) => drop(profile.loaders.insert(arch, (name, reader.location(value.span())))),
            (Ok(name), None) => profile.default_loader = Some((name, reader.location(value.span()))),
            (Err(errors), _) => {
                let expected = || format!("`{}` must be a path in the boot directory, or a URL", key.get_ref());
                let message = errors.into_iter().find_map(|error| error.reason);
                reader.error(value.span(), message.unwrap_or_else(expected));
            }
        }
    }
}

/// The key of the loader for iPXE, and for every architecture without a loader.
const DEFAULT_LOADER: &str = "default";
