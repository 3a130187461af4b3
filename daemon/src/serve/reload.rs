//! A reload: everything is read before anything changes.

use super::doors;
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::config::{ConfigError, Loaded, Settings};
use crate::net::link::Filter;
use crate::site::{self, Open, Site};

/// What a reload takes over.
#[derive(Debug)]
pub struct Reread {
    pub loaded: Loaded,
    pub filter: Filter,
    pub site: Site,
}

impl Reread {
    /// Or all that is wrong with it.
    pub fn new(flags: &Flags, before: &Settings, open: Open) -> Result<Self, Vec<String>> {
        let say = |error: ConfigError| error.0.iter().map(Diagnostic::one_line).collect::<Vec<_>>();
        let mut loaded = site::load(flags).map_err(say)?;
        let links = doors::all_links();
        let filter = doors::filter(&loaded, &links).map_err(|error| say(site::and_files(&mut loaded, error)))?;
        if let Some(changed) = doors::needs_restart(before, &loaded.settings, &links) {
            let error = ConfigError(vec![Diagnostic::error(format!("a change of {changed} needs a restart"))]);
            return Err(say(site::and_files(&mut loaded, error)));
        }
        let site = Site::build(&mut loaded, open).map_err(say)?;
        Ok(Reread { loaded, filter, site })
    }
}
