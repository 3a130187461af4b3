//! The names of the texts of profiles, and their locations in the configuration.

use crate::config::unresolved::UnresolvedProfile;
use proxydhcpd_core::plan::profile::Profile;
use proxydhcpd_reading::diagnostic::FileLocation;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The first character of the names of texts that are not template files. No file name begins with it.
pub const INLINE_PREFIX: char = '/';

/// The location of each text in the configuration, by the name of the text.
pub type TextLocations = BTreeMap<String, FileLocation>;

/// The names of the texts of one profile, and their locations.
pub fn text_locations(unresolved: &UnresolvedProfile) -> Vec<(String, FileLocation)> {
    let UnresolvedProfile { profile, boot_location, initrd_locations, arguments_location, .. } = unresolved;
    let initrds = initrd_locations.iter().enumerate().map(|(index, at)| (key(profile, &initrd(index)), at));
    let kernel = boot_location.iter().map(|at| (key(profile, KERNEL), at));
    let arguments = arguments_location.iter().map(|at| (key(profile, ARGUMENTS), at));
    kernel.chain(initrds).chain(arguments).map(|(key, at)| (key, at.clone())).collect()
}

/// The name of a profile's text in messages.
pub fn key(profile: &Profile, word: &str) -> String {
    format!("[profile.{}] {word}", profile.name)
}

/// The key of the kernel.
pub const KERNEL: &str = "kernel";
/// The key of the arguments.
pub const ARGUMENTS: &str = "arguments";

/// The name of the initrd with this index.
pub fn initrd(index: usize) -> Cow<'static, str> {
    if index == 0 { "initrd".into() } else { format!("initrd {}", index + 1).into() }
}
