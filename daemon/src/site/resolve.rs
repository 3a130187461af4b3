//! Resolves the files that the configuration names.

use super::profiles;
use super::served_directories::ServedDirectories;
use crate::config::diagnostic::Diagnostic;
use crate::config::unresolved::UnresolvedPlan;
use crate::config::{DEFAULT_BOOT_DIR, Loaded, Settings};
use crate::files::{Directory, path_errors};
use crate::templates::{self, TemplateVariables, Templates};
use proxydhcpd_core::plan::profile::Profile;
use std::io;
use std::path::Path;

/// The configuration with resolved files.
pub struct ResolvedFiles {
    /// The served directories.
    pub directories: ServedDirectories,
    /// The compiled templates.
    pub templates: Templates,
    /// The profiles with their loaders.
    pub profiles: Vec<Profile>,
    /// The rest of the configuration.
    pub plan: UnresolvedPlan,
}

impl ResolvedFiles {
    /// `None` if the paths in the configuration are uncertain.
    pub fn resolve(loaded: &mut Loaded, diagnostics: &mut Vec<Diagnostic>) -> Option<ResolvedFiles> {
        if loaded.paths_unknown {
            return None;
        }
        let mut roots = match roots(&loaded.settings) {
            Ok(roots) => roots,
            Err(error) => {
                diagnostics.push(loaded.plan.boot_dir_location.as_ref().map_or(error.clone(), |at| at.relocate(error)));
                return None;
            }
        };
        profiles::mount(loaded, &mut roots, diagnostics);
        let dir = loaded.template_dir();
        // Reported with its location in the configuration, so the templates do not report it again.
        let missing =
            loaded.plan.template_dir_location.as_ref().and_then(|at| Some(at.critical(why_no_directory(&dir)?)));
        let is_missing = missing.is_some();
        diagnostics.extend(missing);
        let named = loaded.settings.template_dir.is_some() && !is_missing;
        let draft = std::mem::take(&mut loaded.plan);
        let variables =
            TemplateVariables::new(&draft.variables, draft.profiles.iter().map(|profile| &profile.variables));
        let mut templates = Templates::read(&dir, named, variables, diagnostics);
        let spots = draft.profiles.iter().flat_map(templates::text_locations).collect();
        let profiles =
            profiles::resolve(&draft.profiles, &roots, (!is_missing).then(|| templates.names()), diagnostics);
        if !is_missing {
            let valid = profiles.iter().zip(&draft.profiles).filter(|(_, drafted)| !drafted.has_errors);
            templates.compile(valid.map(|(profile, _)| profile), spots, diagnostics);
        }
        Some(ResolvedFiles { directories: roots, templates, profiles, plan: draft })
    }
}

fn why_no_directory(dir: &Path) -> Option<String> {
    match std::fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(format!("{} is not a directory", dir.display())),
        Err(error) => Some(path_errors::path_problem(dir, "directory", &error)),
    }
}

/// The boot directory; nothing is mounted in it yet.
fn roots(settings: &Settings) -> Result<ServedDirectories, Diagnostic> {
    let (path, any_case) = (&settings.boot_dir, settings.ignore_case);
    match Directory::from_path(path, any_case) {
        Ok(directory) => Ok(ServedDirectories::new(path, Some(directory), any_case)),
        // The default directory need not exist.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path == Path::new(DEFAULT_BOOT_DIR) => {
            Ok(ServedDirectories::new(path, None, any_case))
        }
        Err(error) => {
            let why = format!("cannot serve the boot directory {}: {error}", path.display());
            Err(Diagnostic::error(why))
        }
    }
}
