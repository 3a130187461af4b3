//! The plan as far as the files say it. The boot directory has not been looked at: `site` does that, and makes the plan.

use crate::config::diagnostic::FileLocation;
use crate::config::machine_files::MachineFiles;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::profile::{BootTarget, Profile, ProfileId};
use proxydhcpd_core::plan::rule::Rule;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct UnresolvedPlan {
    /// By their numbers: [`BUILT_IN`], then those of the files by name.
    pub profiles: Vec<UnresolvedProfile>,
    pub rules: Vec<Rule>,
    pub machine_files: MachineFiles,
    pub default_profile: Option<ProfileId>,
    pub unknown_machine_profile: Option<ProfileId>,
    /// For all templates. Those of a profile and of a machine go before them.
    pub variables: Map<String, Value>,
    pub directories: Vec<NamedDirectory>,
    /// Where the template directory is named, if it is.
    pub boot_dir_location: Option<FileLocation>,
    pub template_dir_location: Option<FileLocation>,
}

/// A profile, with what is to be looked up.
#[derive(Clone, Debug, Default)]
pub struct UnresolvedProfile {
    /// Its loaders are not looked up yet.
    pub profile: Profile,
    /// Names of the boot directory.
    pub loaders: BTreeMap<Arch, (String, FileLocation)>,
    pub default_loader: Option<(String, FileLocation)>,
    /// Where the kernel, or the script, is named.
    pub boot_location: Option<FileLocation>,
    pub initrd_locations: Vec<FileLocation>,
    pub arguments_location: Option<FileLocation>,
    pub boot_once_file_location: Option<FileLocation>,
    /// What it boots may be what is wrong in the text.
    pub has_errors: bool,
    /// With those of the profiles that it extends.
    pub variables: Map<String, Value>,
}

/// A directory that is served under a name.
#[derive(Clone, Debug)]
pub struct NamedDirectory {
    pub name: String,
    pub path: PathBuf,
    pub location: FileLocation,
}

/// The profiles that are always there, by name and title.
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
