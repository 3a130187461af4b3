//! Finds files in the configuration directories that the server does not read, and served directories that are empty.

use crate::machine_files;
use crate::preview::Preview;
use crate::settings::DEFAULT_BOOT_DIR;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fs;
use std::path::{Path, PathBuf};

/// The unread files, each as a line with the reason. Files whose names begin with a dot are omitted, because editors
/// and container runtimes create such files.
pub fn files(context: &Preview) -> Vec<String> {
    let loaded = &context.loaded;
    let conf_d = loaded.directory.join("conf.d");
    let is_toml = |file: &Path| file.extension().is_some_and(|ending| ending == "toml");
    let mut unread = Vec::new();
    for file in entries(&conf_d) {
        if loaded.legacy.is_some() {
            unread.push(line(&file, "conf.d is not read with a proxy.ini of the Python daemon"));
        } else if !is_toml(&file) || file.is_dir() {
            unread.push(line(&file, "only *.toml files are read here"));
        }
    }
    let machines = match &loaded.settings.machine_files {
        Some(files) => files.clone(),
        None => vec![loaded.directory.join("machines")],
    };
    for file in machines.iter().flat_map(|directory| entries(directory)).filter(|file| !file.is_dir()) {
        if loaded.legacy.is_some() {
            unread.push(line(&file, "machine files are not read with a proxy.ini of the Python daemon"));
        } else if !machine_files::is_machine_file(&file) {
            unread.push(line(&file, "only *.toml, *.csv and *.json files are read here"));
        }
    }
    for file in entries(&loaded.template_dir()) {
        let is_backup = file.as_os_str().as_encoded_bytes().ends_with(b"~");
        if is_backup || (file.is_symlink() && file.is_dir()) {
            unread.push(line(&file, "backup files (~) and links to directories are not read as templates"));
        }
    }
    unread
}

fn line(file: &Path, reason: &str) -> String {
    format!("{}: {reason}", file.display())
}

/// The paths in a directory, sorted by name. Omits names that begin with a dot.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let content = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut content: Vec<PathBuf> = content.filter(|path| !hidden(path)).collect();
    content.sort();
    content
}

/// The section of `check` that lists the unread files. Empty if there are none.
pub fn text(unread: &[String]) -> String {
    const MAX_FILES: usize = 30;
    if unread.is_empty() {
        return String::new();
    }
    let (shown, more) = unread.split_at(unread.len().min(MAX_FILES));
    let more = if more.is_empty() { String::new() } else { format!("... and {} more\n", more.len()) };
    format!("\nFiles that are not read:\n{}\n{more}", shown.join("\n"))
}

/// Warns of served directories that are empty, most likely because a file system is not mounted.
pub fn empty_directories(context: &Preview) -> Vec<Diagnostic> {
    let [fstab, mounts] = ["/etc/fstab", "/proc/self/mounts"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let boot_dir = &context.loaded.settings.boot_dir;
    let served = context.site.mounts().map(|(_, path)| path).chain([boot_dir.as_path()]);
    let warnings = served.filter(|directory| is_empty(directory)).filter_map(|directory| {
        let shown = directory.display();
        match unmounted(&fstab, &mounts, directory) {
            Some(point) => {
                let message =
                    format!("the directory {shown} is empty: {point} is in /etc/fstab, but it is not mounted");
                Some(Diagnostic::warning(message).help(format!("mount {point}")))
            }
            // No warning: the default boot directory may be empty, or even missing.
            None if directory == Path::new(DEFAULT_BOOT_DIR) => None,
            None => {
                let message = format!("the directory {shown} is empty, so nothing is served from it");
                Some(Diagnostic::warning(message).help("put files there, or mount the file system that has them"))
            }
        }
    });
    warnings.collect()
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut content| content.next().is_none())
}

/// The mount point in fstab(5) that contains the directory. `None` if a file system is mounted there, or no mount point
/// contains the directory.
fn unmounted(fstab: &str, mounts: &str, directory: &Path) -> Option<String> {
    let point = |line: &str| {
        let point = line.split_whitespace().nth(1).filter(|_| !line.trim_start().starts_with('#'))?;
        Some(point.replace("\\040", " "))
    };
    let mounted: Vec<String> = mounts.lines().filter_map(point).collect();
    let points = fstab.lines().filter_map(point).filter(|point| point.len() > 1 && point.starts_with('/'));
    points.filter(|point| directory.starts_with(point) && !mounted.contains(point)).max_by_key(String::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_of_fstab_is_found_if_nothing_is_mounted_there() {
        let fstab = "# /dev/x /srv/none ext4\nUUID=1 / ext4 defaults 0 1\nnas:/boot /srv/boot nfs ro 0 0\n\
                     UUID=2 /srv/my\\040files ext4\nUUID=3 none swap sw\n";
        let mounts = "/dev/sda1 / ext4 rw 0 0\n";
        let unmounted_point = |directory: &str, mounts: &str| unmounted(fstab, mounts, Path::new(directory));
        assert_eq!(unmounted_point("/srv/boot", mounts).as_deref(), Some("/srv/boot"));
        assert_eq!(unmounted_point("/srv/boot/debian", mounts).as_deref(), Some("/srv/boot"));
        assert_eq!(unmounted_point("/srv/my files", mounts).as_deref(), Some("/srv/my files"));
        assert_eq!(unmounted_point("/srv/boot", "nas:/boot /srv/boot nfs ro 0 0\n"), None);
        assert_eq!(unmounted_point("/srv/bootstrap", mounts), None);
        assert_eq!(unmounted_point("/srv/none", mounts), None);
    }
}
