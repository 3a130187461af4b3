//! The files and directories that a configuration names, and that the server reads again while it runs.

use crate::config::Loaded;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// A path of the configuration.
#[derive(Debug)]
pub struct ConfiguredPath {
    /// The key, as the configuration has it, or what the path is if no key names it.
    pub key: &'static str,
    /// The path.
    pub path: PathBuf,
}

/// The paths of this configuration, without those that do not exist.
pub fn list(loaded: &Loaded) -> Vec<ConfiguredPath> {
    let settings = &loaded.settings;
    let mut paths = vec![
        ConfiguredPath { key: "the directory of the configuration", path: loaded.directory.clone() },
        ConfiguredPath { key: "`boot-dir`", path: settings.boot_dir.clone() },
        ConfiguredPath { key: "`template-dir`", path: loaded.template_dir() },
    ];
    let mut add = |key, path: Option<&PathBuf>| {
        paths.extend(path.map(|path| ConfiguredPath { key, path: path.clone() }));
    };
    add("the configuration file", loaded.file.as_ref());
    settings.machine_files.iter().flatten().for_each(|path| add("`machine-files`", Some(path)));
    add("`password-file` of [menu]", settings.menu_password_file.as_ref());
    add("`certificate` of [web]", settings.web.certificate.as_ref());
    add("`key` of [web]", settings.web.key.as_ref());
    settings.webhooks.iter().for_each(|webhook| add("`ca-file` of [webhook.NAME]", webhook.ca_file.as_ref()));
    let is_missing = |error: &io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    paths.retain(|configured| !configured.path.symlink_metadata().as_ref().is_err_and(is_missing));
    paths
}
