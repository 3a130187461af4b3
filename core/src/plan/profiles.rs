//! The profiles of a policy, found by their name.

use super::profile::Profile;
use alloc::vec::Vec;
use core::ops::Deref;

/// An index into [`Profiles`].
pub(crate) type ProfileId = usize;

/// All profiles, in the order of the configuration. A profile does not change after the list is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profiles {
    profiles: Vec<Profile>,
    /// The ids, sorted by name: a site may have a thousand profiles, and each packet looks one up.
    by_name: Vec<ProfileId>,
}

impl Profiles {
    /// The id of the profile with this name; `None` if there is no such profile.
    pub(crate) fn find(&self, name: &str) -> Option<ProfileId> {
        let at = self.by_name.binary_search_by(|id| self.profiles[*id].name.as_str().cmp(name)).ok()?;
        Some(self.by_name[at])
    }
}

impl From<Vec<Profile>> for Profiles {
    fn from(profiles: Vec<Profile>) -> Self {
        let mut by_name: Vec<ProfileId> = (0..profiles.len()).collect();
        by_name.sort_by(|one, other| profiles[*one].name.cmp(&profiles[*other].name));
        Profiles { profiles, by_name }
    }
}

impl Deref for Profiles {
    type Target = [Profile];

    fn deref(&self) -> &[Profile] {
        &self.profiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    #[test]
    fn a_profile_is_found_by_its_name_in_any_order() {
        let named = |name: &str| Profile { name: name.to_owned(), ..Profile::default() };
        let profiles = Profiles::from(["rescue", "debian", "menu"].map(named).to_vec());
        assert_eq!(
            ["debian", "menu", "rescue", "none"].map(|name| profiles.find(name)),
            [Some(1), Some(2), Some(0), None]
        );
        assert_eq!(Profiles::default().find(""), None);
    }
}
