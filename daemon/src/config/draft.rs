//! The plan as far as the files say it. The boot directory has not been looked at: `site` does that, and makes the plan.

use crate::config::diagnostic::Spot;
use crate::config::machine_files::Read;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::profile::{BootTarget, Profile, ProfileId};
use proxydhcpd_core::plan::rule::Rule;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Draft {
    /// By their numbers: [`BUILT_IN`], then those of the files by name.
    pub profiles: Vec<Drafted>,
    pub rules: Vec<Rule>,
    pub machines: Read,
    pub default_profile: Option<ProfileId>,
    pub unknown_machine_profile: Option<ProfileId>,
    /// For all templates. Those of a profile and of a machine go before them.
    pub variables: Map<String, Value>,
    pub directories: Vec<Mount>,
    /// Where the template directory is named, if it is.
    pub boot_dir: Option<Spot>,
    pub template_dir: Option<Spot>,
}

/// A profile, with what is to be looked up.
#[derive(Clone, Debug, Default)]
pub struct Drafted {
    /// Its loaders are not looked up yet.
    pub profile: Profile,
    /// Names of the boot directory.
    pub loaders: BTreeMap<Arch, (String, Spot)>,
    pub default_loader: Option<(String, Spot)>,
    /// Where the kernel, or the script, is named.
    pub at: Option<Spot>,
    pub initrds_at: Vec<Spot>,
    pub arguments_at: Option<Spot>,
    pub used_by_at: Option<Spot>,
    /// What it boots may be what is wrong in the text.
    pub faulty: bool,
    /// With those of the profiles that it extends.
    pub variables: Map<String, Value>,
}

/// A directory that is served under a name.
#[derive(Clone, Debug)]
pub struct Mount {
    pub name: String,
    pub path: PathBuf,
    pub at: Spot,
}

/// The profiles that are always there, by name and title.
pub const BUILT_IN: [(&str, &str, BootTarget); 3] = [
    ("menu", "Menu of the boot directory", BootTarget::BootDir),
    ("local-disk", "Local disk", BootTarget::LocalDisk),
    ("nothing", "Nothing", BootTarget::Nothing),
];

impl Default for Draft {
    fn default() -> Self {
        let built_in = |(name, title, boots): (&str, &str, BootTarget)| Drafted {
            profile: Profile { name: name.into(), title: title.into(), boots, ..Profile::default() },
            ..Drafted::default()
        };
        Draft {
            profiles: BUILT_IN.map(built_in).into(),
            rules: Vec::new(),
            machines: Read::default(),
            default_profile: None,
            unknown_machine_profile: None,
            variables: Map::new(),
            directories: Vec::new(),
            boot_dir: None,
            template_dir: None,
        }
    }
}
