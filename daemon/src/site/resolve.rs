//! Resolves the files that the configuration names.

use super::profiles;
use super::served_directories::ServedDirectories;
use crate::config::Loaded;
use crate::config::unresolved::UnresolvedPlan;
use crate::files::{Directory, path_errors};
use crate::settings::{DEFAULT_BOOT_DIR, Settings};
use crate::templates::{self, TemplateVariables, Templates};
use proxydhcpd_core::plan::profile::Profile;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::io;
use std::path::Path;

/// The configuration, with the files that it names resolved.
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
    /// Resolves the files and reports those with an error. Returns `None` if errors in the configuration make its paths
    /// uncertain, or if the boot directory cannot be opened.
    pub fn resolve(loaded: &mut Loaded, diagnostics: &mut Vec<Diagnostic>) -> Option<ResolvedFiles> {
        if loaded.paths_unknown {
            return None;
        }
        let mut directories = match open_boot_dir(&loaded.settings) {
            Ok(directories) => directories,
            Err(error) => {
                diagnostics.push(loaded.plan.boot_dir_location.as_ref().map_or(error.clone(), |at| at.relocate(error)));
                return None;
            }
        };
        profiles::mount(loaded, &mut directories, diagnostics);
        let dir = loaded.template_dir();
        // The error for a missing directory has its location in the configuration, so the templates must not report it
        // again.
        let missing =
            loaded.plan.template_dir_location.as_ref().and_then(|at| Some(at.critical(why_no_directory(&dir)?)));
        let is_missing = missing.is_some();
        diagnostics.extend(missing);
        let named = loaded.settings.template_dir.is_some() && !is_missing;
        let plan = std::mem::take(&mut loaded.plan);
        let own_variables = plan.profiles.iter().map(|own| (own.profile.name.as_str(), &own.variables));
        let variables = TemplateVariables::new(&plan.variables, own_variables);
        let mut templates = Templates::read(&dir, named, variables, diagnostics);
        let locations = plan.profiles.iter().flat_map(templates::text_locations).collect();
        let profiles =
            profiles::resolve(&plan.profiles, &directories, (!is_missing).then(|| templates.names()), diagnostics);
        if !is_missing {
            let valid = profiles.iter().zip(&plan.profiles).filter(|(_, unresolved)| !unresolved.has_errors);
            templates.compile(valid.map(|(profile, _)| profile), locations, diagnostics);
        }
        Some(ResolvedFiles { directories, templates, profiles, plan })
    }
}

fn why_no_directory(dir: &Path) -> Option<String> {
    match std::fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(format!("{} is not a directory", dir.display())),
        Err(error) => Some(path_errors::path_problem(dir, "directory", &error)),
    }
}

/// Opens the boot directory, without mounted directories.
fn open_boot_dir(settings: &Settings) -> Result<ServedDirectories, Diagnostic> {
    let (path, ignore_case) = (&settings.boot_dir, settings.ignore_case);
    match Directory::from_path(path, ignore_case) {
        Ok(directory) => Ok(ServedDirectories::new(path, Some(directory), ignore_case)),
        // The default directory need not exist.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path == Path::new(DEFAULT_BOOT_DIR) => {
            Ok(ServedDirectories::new(path, None, ignore_case))
        }
        Err(error) => {
            let reason = format!("cannot serve the boot directory {}: {error}", path.display());
            Err(Diagnostic::error(reason).help("create this directory, or name another one with `boot-dir`"))
        }
    }
}
