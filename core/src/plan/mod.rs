//! Everything that decides about clients, in three parts that change independently: the policy, the offer and the
//! inventory. The parts are shared, so that a plan is cheap to clone: a change of one part leaves the others in place.

pub mod inventory;
pub mod menu;
pub mod offer;
pub mod pattern;
pub mod policy;
pub mod profile;
pub mod profiles;
pub mod rule;

use alloc::sync::Arc;
use inventory::Inventory;
use offer::{Loader, Offer};
use policy::Policy;
use profile::{BootTarget, Profile};

/// Everything that decides what a machine receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The profiles and rules of the configuration. A reload replaces it.
    pub policy: Arc<Policy>,
    /// The loaders, files and services that clients can use. It follows the host.
    pub offer: Arc<Offer>,
    /// The machines that have an entry.
    pub inventory: Inventory,
}

impl Plan {
    /// The plan with a changed policy.
    pub fn with_policy(mut self, change: impl FnOnce(&mut Policy)) -> Plan {
        change(self.policy_mut());
        self
    }

    /// The plan with a changed offer.
    pub fn with_offer(mut self, change: impl FnOnce(&mut Offer)) -> Plan {
        change(self.offer_mut());
        self
    }

    /// The policy, to change it in this plan only.
    pub fn policy_mut(&mut self) -> &mut Policy {
        Arc::make_mut(&mut self.policy)
    }

    /// The offer, to change it in this plan only.
    pub fn offer_mut(&mut self) -> &mut Offer {
        Arc::make_mut(&mut self.offer)
    }

    /// The profile with this name; `None` if there is no such profile.
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        let profiles = &self.policy.profiles;
        profiles.find(name).map(|id| &profiles[id])
    }

    /// The target that machines with this profile boot. `None` means the menu of the boot directory. Instead of a
    /// profile that does not exist, machines boot their disk, which is the least harmful target.
    pub fn boots(&self, profile: Option<&str>) -> &BootTarget {
        match profile.map(|name| self.profile(name)) {
            None => &BootTarget::BootDir,
            Some(Some(profile)) => &profile.boots,
            Some(None) => &BootTarget::LocalDisk,
        }
    }

    /// The path of the loader that the server offers under this name; `None` if there is no such loader, or if another
    /// server sends the file.
    pub fn loader_path(&self, name: &str) -> Option<&str> {
        self.all_loaders().find(|loader| loader.name == name)?.path.as_deref()
    }

    /// Every first-stage program that the server may offer: the site's, and those of the profiles.
    pub fn all_loaders(&self) -> impl Iterator<Item = &Loader> {
        let Offer { loaders, default_loader, .. } = &*self.offer;
        let from_profiles =
            self.policy.profiles.iter().flat_map(|profile| profile.loaders.values().chain(&profile.default_loader));
        loaders.values().chain(default_loader).chain(from_profiles)
    }

    /// Whether an entry or a rule names this UUID.
    pub fn names_uuid(&self, uuid: &[u8; 16]) -> bool {
        self.inventory.has_uuid(uuid) || self.policy.rules.iter().any(|rule| rule.when.uuids.contains(uuid))
    }
}
