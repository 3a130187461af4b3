//! Why a machine gets no loader, and how to change that.

use super::Site;
use crate::loaders;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_reading::legacy;

impl Site {
    /// How to get iPXE for this architecture.
    pub fn ipxe_hint(&self, arch: Arch) -> String {
        loaders::table::hint(arch.base(), &self.files.found, &self.files.system)
    }

    /// Why a machine of this architecture gets no loader with this profile, and how to fix that.
    pub fn no_loader_reason(&self, arch: Arch, profile: Option<&Profile>) -> String {
        if let Some(Profile { name, boots: BootTarget::Loader, .. }) = profile {
            let key = arch.base().info().map_or("default", |row| row.id);
            return format!("profile {name} has no loader for {arch}: set `{key}` in [profile.{name}.loaders]");
        }
        if !self.files.legacy {
            return format!(
                "no loader for {arch} here; {}",
                loaders::table::hint(arch.base(), &self.files.found, &self.files.system)
            );
        }
        // This is the message of the Python daemon, because scripts may look for it in the log.
        let [high, low] = arch.0.to_be_bytes();
        let key = legacy::loader_key(arch).map(|key| format!(" (set {key} in [ipxe] to serve {arch})"));
        format!("Unsupported architecture detected: [{high}, {low}]. Dropping payload.{}", key.unwrap_or_default())
    }
}
