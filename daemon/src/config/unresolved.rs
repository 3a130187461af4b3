//! The plan before the file names in it are resolved. `site` looks the files up in the boot directory and makes the
//! plan.

use crate::config::diagnostic::FileLocation;
use crate::config::machine_files::MachineFiles;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::profile::{BootTarget, Profile, ProfileId};
use proxydhcpd_core::plan::rule::Rule;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A plan whose file names are not resolved.
#[derive(Clone, Debug)]
pub struct UnresolvedPlan {
    /// By [`ProfileId`]: [`BUILT_IN_PROFILES`], then the profiles of the files in the order of their names.
    pub profiles: Vec<UnresolvedProfile>,
    /// In the order in which they decide.
    pub rules: Vec<Rule>,
    /// The machines of the configuration and of machine files.
    pub machine_files: MachineFiles,
    /// The key `default-profile`.
    pub default_profile: Option<ProfileId>,
    /// The key `unknown-machine-profile`.
    pub unknown_machine_profile: Option<ProfileId>,
    /// Variables for all templates. Those of a profile and of a machine override them.
    pub variables: Map<String, Value>,
    /// Further directories to serve.
    pub directories: Vec<NamedDirectory>,
    /// The location of the key `boot-dir`, if it is set.
    pub boot_dir_location: Option<FileLocation>,
    /// The location of the key `template-dir`, if it is set.
    pub template_dir_location: Option<FileLocation>,
}

/// A profile whose file names are not resolved.
#[derive(Clone, Debug, Default)]
pub struct UnresolvedProfile {
    /// The profile, still without loaders.
    pub profile: Profile,
    /// File names in the boot directory, or URLs.
    pub loaders: BTreeMap<Arch, (String, FileLocation)>,
    /// The loader for every other architecture, and for iPXE.
    pub default_loader: Option<(String, FileLocation)>,
    /// The location of `kernel` or `script`.
    pub boot_location: Option<FileLocation>,
    /// The locations of the values of `initrd`.
    pub initrd_locations: Vec<FileLocation>,
    /// The location of `arguments`.
    pub arguments_location: Option<FileLocation>,
    /// The location of `boot-once-file`.
    pub boot_once_file_location: Option<FileLocation>,
    /// Its text has errors, so what it boots may be unknown.
    pub has_errors: bool,
    /// Including those of the profiles that it extends.
    pub variables: Map<String, Value>,
}

/// A further directory to serve, of `[directories]`.
#[derive(Clone, Debug)]
pub struct NamedDirectory {
    /// The first part of the paths under which its files are requested.
    pub name: String,
    /// Where it is on this host, absolute.
    pub path: PathBuf,
    /// The location of the path in the configuration.
    pub location: FileLocation,
}

/// The profiles that always exist: name, title, and what they boot.
pub const BUILT_IN_PROFILES: [(&str, &str, BootTarget); 3] = [
    ("menu", "Menu of the boot directory", BootTarget::BootDir),
    ("local-disk", "Local disk", BootTarget::LocalDisk),
    ("nothing", "Nothing", BootTarget::Nothing),
];

impl Default for UnresolvedPlan {
    fn default() -> Self {
        let built_in = |(name, title, boots): (&str, &str, BootTarget)| UnresolvedProfile {
            profile: Profile { name: name.into(), title: title.into(), boots, ..Profile::default() },
            ..UnresolvedProfile::default()
        };
        UnresolvedPlan {
            profiles: BUILT_IN_PROFILES.map(built_in).into(),
            rules: Vec::new(),
            machine_files: MachineFiles::default(),
            default_profile: None,
            unknown_machine_profile: None,
            variables: Map::new(),
            directories: Vec::new(),
            boot_dir_location: None,
            template_dir_location: None,
        }
    }
}
