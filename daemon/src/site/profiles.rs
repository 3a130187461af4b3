//! Resolves the files of profiles. A missing loader, or a loader for the wrong architecture, is an error, because
//! machines could not boot. A missing kernel is only a warning.

use super::served_directories::ServedDirectories;
use crate::config::Loaded;
use crate::config::unresolved::UnresolvedProfile;
use crate::files::path_errors;
use crate::loaders;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::url::is_url;
use proxydhcpd_reading::diagnostic::{Diagnostic, FileLocation};
use proxydhcpd_reading::suggest::closest_match;
use std::collections::BTreeSet;

/// Returns the profiles with their loaders. Reports missing templates only if `templates` lists the existing ones. Does
/// not report files in a directory that could not be mounted.
pub fn resolve(
    unresolved_profiles: &[UnresolvedProfile],
    directories: &ServedDirectories,
    templates: Option<&BTreeSet<String>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Profile> {
    let mut profiles = Vec::new();
    for UnresolvedProfile {
        profile,
        loaders: named,
        default_loader,
        boot_location,
        initrd_locations,
        boot_once_file_location,
        ..
    } in unresolved_profiles
    {
        let mut profile = profile.clone();
        for (arch, (name, at)) in named.iter().filter(|(_, (name, _))| !directories.is_unavailable(name)) {
            match loader(directories, *arch, name) {
                Ok(loader) => drop(profile.loaders.insert(*arch, loader)),
                Err(reason) => diagnostics.push(at.critical(reason)),
            }
        }
        // The default loader is not checked as a program, because its purpose is unknown: it may be a text, or a file
        // for iPXE.
        profile.default_loader = default_loader.as_ref().map(|(name, at)| {
            warn_if_missing(directories, name, at, diagnostics);
            Loader { name: name.clone(), path: None }
        });
        match (&profile.boots, boot_location) {
            (BootTarget::Script(url), _) if is_url(url) => {}
            (BootTarget::Linux(linux), Some(at)) => {
                warn_if_missing(directories, &linux.kernel, at, diagnostics);
                for (initrd, at) in linux.initrds.iter().zip(initrd_locations) {
                    warn_if_missing(directories, initrd, at, diagnostics);
                }
            }
            (BootTarget::Script(name), Some(at)) => {
                let without_it = templates.filter(|templates| !templates.contains(name));
                diagnostics.extend(without_it.map(|templates| no_template(name, at, templates)));
            }
            _ => {}
        }
        if let (Some(name), Some(at)) = (&profile.boot_once_file, boot_once_file_location) {
            let is_generated =
                templates.is_none_or(|templates| templates.contains(name)) || loaders::is_loader_name(name);
            if !is_generated {
                warn_if_missing(directories, name, at, diagnostics);
            }
        }
        profiles.push(profile);
    }
    profiles
}

/// Resolves a loader of a profile. The error is the reason why a machine of this architecture cannot start it.
fn loader(directories: &ServedDirectories, arch: Arch, name: &str) -> Result<Loader, String> {
    if is_url(name) {
        return Ok(Loader { name: name.to_owned(), path: None });
    }
    let path = directories.path(name);
    if let Some(reason) = loaders::incompatibility(&path, arch) {
        return Err(match path.is_file() {
            true => format!("{name} cannot be offered for {arch}: {reason}"),
            false => format!("{name} cannot be offered: {reason}"),
        });
    }
    let path = path.to_str().ok_or_else(|| format!("{name} cannot be offered: its path is not UTF-8"))?;
    Ok(Loader { name: name.to_owned(), path: Some(path.to_owned()) })
}

/// Warns about a missing file. Does not check URLs and names that contain expressions.
fn warn_if_missing(directories: &ServedDirectories, name: &str, at: &FileLocation, diagnostics: &mut Vec<Diagnostic>) {
    if !name.contains("://")
        && !directories.is_unavailable(name)
        && !name.contains("{{")
        && !name.contains("{%")
        && directories.open(name).is_err()
    {
        diagnostics.push(at.warning(path_errors::file_problem(&directories.path(name))));
    }
}

fn no_template(name: &str, at: &FileLocation, templates: &BTreeSet<String>) -> Diagnostic {
    let critical = at.critical(format!("there is no template `{name}`"));
    match closest_match(name, templates.iter().map(String::as_str)) {
        Some(suggestion) => critical.help(format!("did you mean `{suggestion}`?")),
        None => critical.help("put it into the template directory"),
    }
}

/// Mounts the directories that the configuration serves under a name. Reports those that cannot be opened.
pub fn mount(loaded: &Loaded, directories: &mut ServedDirectories, diagnostics: &mut Vec<Diagnostic>) {
    for mount in &loaded.plan.directories {
        if let Err(error) = directories.mount(&mount.name, &mount.path) {
            let reason = format!("cannot serve the directory {}: {error}", mount.path.display());
            directories.mark_unavailable(&mount.name);
            diagnostics.push(mount.location.critical(reason));
        }
        let hidden = loaded.settings.boot_dir.join(&mount.name);
        if hidden.symlink_metadata().is_ok() {
            diagnostics.push(mount.location.warning(format!("`{}` hides {}", mount.name, hidden.display())));
        }
    }
}
