//! Files in the directories of the configuration that are not read, and directories that are named and empty.

use super::context::CliContext;
use crate::config::diagnostic::Diagnostic;
use crate::config::{DEFAULT_BOOT_DIR, machine_files};
use std::fs;
use std::path::{Path, PathBuf};

/// Each with the reason, as a line. What begins with a dot is an editor's, or a container's, and not spoken of.
pub fn files(setting: &CliContext) -> Vec<String> {
    let loaded = &setting.loaded;
    let conf_d = loaded.directory.join("conf.d");
    let is_toml = |file: &Path| file.extension().is_some_and(|ending| ending == "toml");
    let mut unread = Vec::new();
    for file in content(&conf_d) {
        if loaded.legacy.is_some() {
            unread.push(line(&file, "nothing in conf.d is read beside an old proxy.ini"));
        } else if !is_toml(&file) || file.is_dir() {
            unread.push(line(&file, "files whose names end with .toml are read here, and no others"));
        }
    }
    let machines = match &loaded.settings.machine_files {
        Some(files) => files.clone(),
        None => vec![loaded.directory.join("machines")],
    };
    for file in machines.iter().flat_map(|directory| content(directory)).filter(|file| !file.is_dir()) {
        if loaded.legacy.is_some() {
            unread.push(line(&file, "machine files are not read beside an old proxy.ini"));
        } else if !machine_files::is_machine_file(&file) {
            unread.push(line(&file, "files whose names end with .toml, .csv or .json are read here, and no others"));
        }
    }
    for file in content(&loaded.template_dir()) {
        let is_backup = file.as_os_str().as_encoded_bytes().ends_with(b"~");
        if is_backup || (file.is_symlink() && file.is_dir()) {
            unread.push(line(&file, "backups (~) and links to directories are no templates"));
        }
    }
    unread
}

fn line(file: &Path, why: &str) -> String {
    format!("{}: {why}", file.display())
}

/// Of a directory, in the order of names.
fn content(directory: &Path) -> Vec<PathBuf> {
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let content = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut content: Vec<PathBuf> = content.filter(|path| !hidden(path)).collect();
    content.sort();
    content
}

/// As a section of `check`, bounded.
pub fn text(unread: &[String]) -> String {
    const MOST: usize = 30;
    if unread.is_empty() {
        return String::new();
    }
    let (shown, more) = unread.split_at(unread.len().min(MOST));
    let more = if more.is_empty() { String::new() } else { format!("and {} more\n", more.len()) };
    format!("\nNot read:\n{}\n{more}", shown.join("\n"))
}

/// Directories that are served and hold nothing: most likely what should be mounted there is not.
pub fn empty_directories(setting: &CliContext) -> Vec<Diagnostic> {
    let [fstab, mounts] = ["/etc/fstab", "/proc/self/mounts"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let boot_dir = &setting.loaded.settings.boot_dir;
    let named = setting.site.mounts().map(|(_, path)| path).chain([boot_dir.as_path()]);
    let told = named.filter(|directory| is_empty(directory)).filter_map(|directory| {
        let shown = directory.display();
        match unmounted(&fstab, &mounts, directory) {
            Some(point) => {
                let what =
                    format!("the directory {shown} is empty: /etc/fstab mounts {point}, and nothing is mounted there");
                Some(Diagnostic::warning(what).help(format!("mount {point}")))
            }
            // Without a configuration the directory need not even be there.
            None if directory == Path::new(DEFAULT_BOOT_DIR) => None,
            None => {
                let what = format!("the directory {shown} is empty, so nothing is served from it");
                Some(Diagnostic::warning(what).help("put files there, or mount what should be there"))
            }
        }
    });
    told.collect()
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut content| content.next().is_none())
}

/// The mount point of fstab(5) that a directory is, or lies in, and where nothing is mounted now.
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
    fn a_mount_point_of_fstab_is_told_where_nothing_is_mounted() {
        let fstab = "# /dev/x /srv/none ext4\nUUID=1 / ext4 defaults 0 1\nnas:/boot /srv/boot nfs ro 0 0\n\
                     UUID=2 /srv/my\\040files ext4\nUUID=3 none swap sw\n";
        let mounts = "/dev/sda1 / ext4 rw 0 0\n";
        let of = |directory: &str, mounts: &str| unmounted(fstab, mounts, Path::new(directory));
        assert_eq!(of("/srv/boot", mounts).as_deref(), Some("/srv/boot"));
        assert_eq!(of("/srv/boot/debian", mounts).as_deref(), Some("/srv/boot"));
        assert_eq!(of("/srv/my files", mounts).as_deref(), Some("/srv/my files"));
        assert_eq!(of("/srv/boot", "nas:/boot /srv/boot nfs ro 0 0\n"), None);
        assert_eq!(of("/srv/bootstrap", mounts), None);
        assert_eq!(of("/srv/none", mounts), None);
    }
}
