//! How the row of a key sets its value in the table that the key belongs to.

use super::key::Kind;
use crate::settings::location::SourceLocation;
use crate::settings::raw::machine::RawMachine;
use crate::settings::raw::menu::{RawMenu, RawMenuItem};
use crate::settings::raw::profile::RawProfile;
use crate::settings::raw::rule::{RawRule, glob};
use crate::settings::raw::site::RawSite;
use crate::settings::raw::webhook::RawWebhook;
use crate::settings::value::{
    TomlValue, ValueResult, absolute_path, boolean, invalid, non_empty_list, number, number_in, one_of, ports,
};
use std::num::NonZeroU16;

/// A table of the configuration, whose keys set its fields.
pub trait Target<'a> {
    /// Parses a value and sets it. `at`: the location of the value. A kind of key that this table does not have is an
    /// error.
    fn set(&mut self, kind: &Kind, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()>;
}

impl<'a> Target<'a> for RawSite<'a> {
    fn set(&mut self, kind: &Kind, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()> {
        let settings = &mut self.settings;
        match kind {
            Kind::Boolean(set) => boolean(value).map(|on| set(settings, on)),
            Kind::Integer { range, set } => number_in(value, range).map(|number| set(settings, number)),
            Kind::Choice(words) => one_of(value, words).map(|set| set(settings)),
            Kind::Path(set) => absolute_path(value).map(|path| set(settings, path)),
            Kind::Port(set) => number::<NonZeroU16>(value).map(|port| set(settings, port.get())),
            Kind::Ports(set) => ports(value).map(|ports| set(settings, ports)),
            Kind::Setting { read, .. } => read(settings, value),
            Kind::Site { read, .. } => read(self, value, at),
            _ => Err(invalid(value.span())),
        }
    }
}

impl<'a> Target<'a> for RawRule<'a> {
    fn set(&mut self, kind: &Kind, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()> {
        match kind {
            Kind::RuleFlag(set) => boolean(value).map(|on| set(&mut self.rule, on)),
            Kind::RulePatterns(set) => non_empty_list(value, glob).map(|patterns| set(&mut self.rule.when, patterns)),
            Kind::Rule { read, .. } => read(self, value, at),
            _ => Err(invalid(value.span())),
        }
    }
}

impl<'a> Target<'a> for RawProfile<'a> {
    fn set(&mut self, kind: &Kind, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()> {
        match kind {
            Kind::Profile { read, .. } => read(self, value, at),
            Kind::Table if value.get_ref().is_table() => Ok(()),
            _ => Err(invalid(value.span())),
        }
    }
}

impl<'a> Target<'a> for RawMenu<'a> {
    fn set(&mut self, kind: &Kind, value: &TomlValue<'_>, _: &SourceLocation<'a>) -> ValueResult<()> {
        match kind {
            Kind::Menu { read, .. } => read(self, value),
            Kind::Tables => tables(value),
            _ => Err(invalid(value.span())),
        }
    }
}

impl<'a> Target<'a> for RawMenuItem<'a> {
    fn set(&mut self, kind: &Kind, value: &TomlValue<'_>, at: &SourceLocation<'a>) -> ValueResult<()> {
        match kind {
            Kind::MenuItem { read, .. } => read(self, value, at),
            _ => Err(invalid(value.span())),
        }
    }
}

impl<'a> Target<'a> for RawMachine {
    fn set(&mut self, kind: &Kind, value: &TomlValue<'_>, _: &SourceLocation<'a>) -> ValueResult<()> {
        match kind {
            Kind::Machine { read, .. } => read(self, value),
            _ => Err(invalid(value.span())),
        }
    }
}

impl<'a> Target<'a> for RawWebhook {
    fn set(&mut self, kind: &Kind, value: &TomlValue<'_>, _: &SourceLocation<'a>) -> ValueResult<()> {
        match kind {
            Kind::Webhook { read, .. } => read(self, value),
            _ => Err(invalid(value.span())),
        }
    }
}

/// Checks that the value is a list of tables.
fn tables(value: &TomlValue<'_>) -> ValueResult<()> {
    let elements = value.get_ref().as_array().ok_or_else(|| invalid(value.span()))?;
    match elements.iter().find(|element| !element.get_ref().is_table()) {
        Some(element) => Err(invalid(element.span())),
        None => Ok(()),
    }
}
