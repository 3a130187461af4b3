//! What the configuration names of the files to boot, held against those that there are.

use super::profiles;
use super::served_directories::ServedDirectories;
use crate::config::diagnostic::Diagnostic;
use crate::config::unresolved::UnresolvedPlan;
use crate::config::{DEFAULT_BOOT_DIR, Loaded, Settings};
use crate::files::{Directory, path_errors};
use crate::templates::{self, Templates, TemplateVariables};
use proxydhcpd_core::plan::profile::Profile;
use std::io;
use std::path::Path;

pub struct ResolvedFiles {
    pub directories: ServedDirectories,
    pub templates: Templates,
    pub profiles: Vec<Profile>,
    pub plan: UnresolvedPlan,
}

impl ResolvedFiles {
    /// `None` where it is not certain which files were meant.
    pub fn resolve(loaded: &mut Loaded, told: &mut Vec<Diagnostic>) -> Option<ResolvedFiles> {
        if loaded.paths_unknown {
            return None;
        }
        let mut roots = match roots(&loaded.settings) {
            Ok(roots) => roots,
            Err(error) => {
                told.push(loaded.plan.boot_dir_location.as_ref().map_or(error.clone(), |at| at.relocate(error)));
                return None;
            }
        };
        profiles::mount(loaded, &mut roots, told);
        let dir = loaded.template_dir();
        // It is told where it is named, and so not once more by who reads it.
        let missing = loaded.plan.template_dir_location.as_ref().and_then(|at| Some(at.critical(why_no_directory(&dir)?)));
        let is_missing = missing.is_some();
        told.extend(missing);
        let named = loaded.settings.template_dir.is_some() && !is_missing;
        let draft = std::mem::take(&mut loaded.plan);
        let variables = TemplateVariables::new(&draft.variables, draft.profiles.iter().map(|profile| &profile.variables));
        let mut templates = Templates::read(&dir, named, variables, told);
        let spots = draft.profiles.iter().flat_map(templates::text_locations).collect();
        let profiles = profiles::resolve(&draft.profiles, &roots, (!is_missing).then(|| templates.names()), told);
        if !is_missing {
            let right = profiles.iter().zip(&draft.profiles).filter(|(_, drafted)| !drafted.has_errors);
            templates.compile(right.map(|(profile, _)| profile), spots, told);
        }
        Some(ResolvedFiles { directories: roots, templates, profiles, plan: draft })
    }
}

fn why_no_directory(dir: &Path) -> Option<String> {
    match std::fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(format!("{} is no directory", dir.display())),
        Err(error) => Some(path_errors::path_problem(dir, "directory", &error)),
    }
}

/// The boot directory; nothing is mounted yet.
fn roots(settings: &Settings) -> Result<ServedDirectories, Diagnostic> {
    let (path, any_case) = (&settings.boot_dir, settings.ignore_case);
    match Directory::from_path(path, any_case) {
        Ok(directory) => Ok(ServedDirectories::new(path, Some(directory), any_case)),
        // Nobody has to make the default directory before there is something to put into it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path == Path::new(DEFAULT_BOOT_DIR) => {
            Ok(ServedDirectories::new(path, None, any_case))
        }
        Err(error) => {
            let why = format!("the boot directory {} cannot be served: {error}", path.display());
            Err(Diagnostic::error(why))
        }
    }
}
