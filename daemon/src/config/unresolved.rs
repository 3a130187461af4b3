//! The plan before the file names in it are resolved. The module `site` looks up the files in the boot directory and
//! builds the resolved plan.

use crate::machine_files::MachineFiles;
use crate::settings::raw::profile::BUILT_IN_PROFILES;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::plan::rule::Rule;
use proxydhcpd_reading::diagnostic::FileLocation;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A plan whose file names are not resolved.
#[derive(Clone, Debug)]
pub struct UnresolvedPlan {
    /// The profiles: first [`BUILT_IN_PROFILES`], then the profiles of the files, sorted by name.
    pub profiles: Vec<UnresolvedProfile>,
    /// The rules, in the order in which they decide.
    pub rules: Vec<Rule>,
    /// The machines of the configuration and of machine files.
    pub machine_files: MachineFiles,
    /// The key `default-profile`.
    pub default_profile: Option<String>,
    /// The key `unknown-machine-profile`.
    pub unknown_machine_profile: Option<String>,
    /// The variables for all templates. Variables of a profile or of a machine override them.
    pub variables: Map<String, Value>,
    /// The directories to serve in addition to the boot directory.
    pub directories: Vec<NamedDirectory>,
    /// The location of the key `boot-dir`, if it is set.
    pub boot_dir_location: Option<FileLocation>,
    /// The location of the key `template-dir`, if it is set.
    pub template_dir_location: Option<FileLocation>,
}

/// A profile whose file names are not resolved.
#[derive(Clone, Debug, Default)]
pub struct UnresolvedProfile {
    /// The profile, without its loaders.
    pub profile: Profile,
    /// The loaders, by architecture. Each is a file name in the boot directory, or a URL.
    pub loaders: BTreeMap<Arch, (String, FileLocation)>,
    /// The loader for iPXE, and for every architecture that `loaders` does not contain.
    pub default_loader: Option<(String, FileLocation)>,
    /// The location of `kernel` or `script`.
    pub boot_location: Option<FileLocation>,
    /// The locations of the values of `initrd`.
    pub initrd_locations: Vec<FileLocation>,
    /// The location of `arguments`.
    pub arguments_location: Option<FileLocation>,
    /// The location of `boot-once-file`.
    pub boot_once_file_location: Option<FileLocation>,
    /// Whether the text of the profile has errors. If so, the server may not know what the profile boots.
    pub has_errors: bool,
    /// The variables of this profile and of the profiles that it extends.
    pub variables: Map<String, Value>,
}

/// A directory of `[directories]`, served in addition to the boot directory.
#[derive(Clone, Debug)]
pub struct NamedDirectory {
    /// The first part of the paths under which its files are requested.
    pub name: String,
    /// The absolute path of the directory on this host.
    pub path: PathBuf,
    /// The location of the path in the configuration.
    pub location: FileLocation,
}

impl UnresolvedPlan {
    /// The profile with this name; `None` if there is no such profile.
    pub fn profile(&self, name: &str) -> Option<&UnresolvedProfile> {
        self.profiles.iter().find(|unresolved| unresolved.profile.name == name)
    }
}

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
