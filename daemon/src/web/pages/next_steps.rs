//! The next steps of a newcomer, until they are done.

use crate::web::shared::Web;
use proxydhcpd_core::plan::profile::BootTarget;
use serde::Serialize;

/// A site with more machines than this is no longer new.
const MAX_MACHINES: usize = 8;

/// The next steps.
#[derive(Debug, Serialize)]
pub struct NextSteps {
    /// The boot directory.
    boot_dir: String,
    /// Whether there is something to boot.
    has_files: bool,
    /// Whether a machine has an entry.
    has_entry: bool,
    has_password: bool,
}

impl NextSteps {
    /// The steps of a site on which this number of machines booted. `None`: everything is done, or the site is not new.
    pub fn new(web: &Web, machines: usize) -> Option<NextSteps> {
        let site = web.api.state.site();
        let boots_system =
            |boots: &BootTarget| matches!(boots, BootTarget::Linux(_) | BootTarget::Script(_) | BootTarget::Loader);
        let has_profile = site.plan.policy.profiles.iter().any(|profile| boots_system(&profile.boots));
        let menu = &site.plan.offer.menu;
        let steps = NextSteps {
            boot_dir: site.boot_dir().display().to_string(),
            has_files: has_profile || !menu.entries.is_empty() || menu.has_boot_script,
            has_entry: !site.plan.inventory.is_empty(),
            has_password: web.access().password.is_set(),
        };
        let is_done = steps.has_files && steps.has_entry && steps.has_password;
        (!is_done && machines <= MAX_MACHINES).then_some(steps)
    }
}
