//! What the configuration says, held against the files to boot: a loader that is missing or for another machine would
//! leave machines at a dead end, so it is refused; a kernel may come later.

use super::served_directories::ServedDirectories;
use crate::boot::loaders;
use crate::config::Loaded;
use crate::config::diagnostic::{Diagnostic, FileLocation};
use crate::config::unresolved::UnresolvedProfile;
use crate::files::path_errors;
use crate::suggest::closest_match;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::Loader;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::url::is_url;
use std::collections::BTreeSet;

/// The profiles with their loaders. What is wrong is told, errors among warnings; of templates nothing where it is not
/// known which there are, and nothing of files in a directory that could not be mounted.
pub fn resolve(
    drafted: &[UnresolvedProfile],
    roots: &ServedDirectories,
    templates: Option<&BTreeSet<String>>,
    told: &mut Vec<Diagnostic>,
) -> Vec<Profile> {
    let mut profiles = Vec::new();
    for UnresolvedProfile { profile, loaders: named, default_loader, boot_location: at, initrd_locations: initrds_at, boot_once_file_location: used_by_at, .. } in drafted {
        let mut profile = profile.clone();
        for (arch, (name, at)) in named.iter().filter(|(_, (name, _))| !roots.is_unavailable(name)) {
            match loader(roots, *arch, name) {
                Ok(loader) => drop(profile.loaders.insert(*arch, loader)),
                Err(why) => told.push(at.critical(why)),
            }
        }
        // What it is for nobody knows: a text, for an iPXE, too.
        profile.default_loader = default_loader.as_ref().map(|(name, at)| {
            missing(roots, name, at, told);
            Loader { name: name.clone(), path: None }
        });
        match (&profile.boots, at) {
            (BootTarget::Script(url), _) if is_url(url) => {}
            (BootTarget::Linux(linux), Some(at)) => {
                missing(roots, &linux.kernel, at, told);
                for (initrd, at) in linux.initrds.iter().zip(initrds_at) {
                    missing(roots, initrd, at, told);
                }
            }
            (BootTarget::Script(name), Some(at)) => {
                let known = templates.filter(|templates| !templates.contains(name));
                told.extend(known.map(|templates| no_template(name, at, templates)));
            }
            _ => {}
        }
        if let (Some(name), Some(at)) = (&profile.boot_once_file, used_by_at) {
            let made = templates.is_none_or(|templates| templates.contains(name)) || loaders::is_loader_name(name);
            if !made {
                missing(roots, name, at, told);
            }
        }
        profiles.push(profile);
    }
    profiles
}

/// A loader of a profile, if it is a program for this architecture.
fn loader(roots: &ServedDirectories, arch: Arch, name: &str) -> Result<Loader, String> {
    if is_url(name) {
        return Ok(Loader { name: name.to_owned(), path: None });
    }
    let path = roots.path(name);
    if let Some(why) = loaders::incompatibility(&path, arch) {
        return Err(match path.is_file() {
            true => format!("{name} cannot be offered for {arch}: {why}"),
            false => format!("{name} cannot be offered: {why}"),
        });
    }
    let path = path.to_str().ok_or_else(|| format!("{name} cannot be offered: its path is not UTF-8"))?;
    Ok(Loader { name: name.to_owned(), path: Some(path.to_owned()) })
}

/// What is rendered, or fetched from elsewhere, nobody can look for.
fn missing(roots: &ServedDirectories, name: &str, at: &FileLocation, told: &mut Vec<Diagnostic>) {
    if !name.contains("://")
        && !roots.is_unavailable(name)
        && !name.contains("{{")
        && !name.contains("{%")
        && roots.open(name).is_err()
    {
        told.push(at.warning(path_errors::file_problem(&roots.path(name))));
    }
}

fn no_template(name: &str, at: &FileLocation, templates: &BTreeSet<String>) -> Diagnostic {
    let critical = at.critical(format!("there is no template `{name}`"));
    match closest_match(name, templates.iter().map(String::as_str)) {
        Some(meant) => critical.help(format!("did you mean `{meant}`?")),
        None => critical.help("it is looked for in the template directory"),
    }
}

/// Mounts what is to be served under names.
pub fn mount(loaded: &Loaded, roots: &mut ServedDirectories, told: &mut Vec<Diagnostic>) {
    for mount in &loaded.plan.directories {
        if let Err(error) = roots.mount(&mount.name, &mount.path) {
            let why = format!("the directory {} cannot be served: {error}", mount.path.display());
            roots.mark_unavailable(&mount.name);
            told.push(mount.location.critical(why));
        }
        let hidden = loaded.settings.boot_dir.join(&mount.name);
        if hidden.symlink_metadata().is_ok() {
            told.push(mount.location.warning(format!("it hides {}", hidden.display())));
        }
    }
}
