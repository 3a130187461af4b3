//! The menu of the boot directory, and who sees it.

use super::Site;
use crate::boot_dir::{HostNameScript, Scan};
use crate::templates::Failure;
use proxydhcpd_core::plan::policy::IpxeTarget;
use proxydhcpd_core::plan::profile::{BootTarget, ItemTarget};
use proxydhcpd_core::render_context::RenderContext;
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_core::script;

impl Site {
    /// The menu of the boot directory for the machine of the request, and the first failure of an entry, if any.
    pub fn menu(&self, context: &RenderContext, request: &FileRequest<'_>) -> (String, Option<Failure>) {
        let (entries, failed) = self.files.templates.render_entries(&self.plan, context, request);
        let text = script::menu(&self.plan, &entries, request.server, context);
        (text, failed.into_iter().next())
    }

    /// The script of one item of the menu; `None` if the menu of the machine does not have the item.
    pub fn menu_item(&self, item: &str, context: &RenderContext, request: &FileRequest<'_>) -> Option<String> {
        let (entries, _) = self.files.templates.render_entries(&self.plan, context, request);
        script::start_menu_item(&self.plan, &entries, context, item)
    }

    /// The failures of menu entries for the machine of the request.
    pub fn menu_failures(&self, context: &RenderContext, request: &FileRequest<'_>) -> Vec<Failure> {
        self.files.templates.render_entries(&self.plan, context, request).1
    }

    /// The scan of the boot directory; `None` if no machine can see the menu.
    pub fn menu_scan(&self) -> Option<&Scan> {
        (self.plan.policy.ipxe == IpxeTarget::Builtin && !self.plan.offer.menu.has_boot_script)
            .then_some(&self.files.scan)
    }

    /// The scripts for single host names, which machines run before the menu. If no machine runs them, also the reason.
    pub fn host_name_scripts(&self) -> (&[HostNameScript], Option<&'static str>) {
        let plan = &self.plan;
        let shows = |profile: Option<&str>| *plan.boots(profile) == BootTarget::BootDir;
        let chosen = |profile: &str| shows(Some(profile));
        let is_shown = shows(plan.policy.default_profile.as_deref())
            || plan.policy.unknown_machine_profile.as_deref().is_some_and(chosen)
            || plan.policy.rules.iter().filter_map(|rule| rule.profile.as_deref()).any(chosen)
            || plan.inventory.iter().filter_map(|machine| machine.profile).any(chosen)
            || plan.policy.profiles.iter().any(|profile| match &profile.boots {
                BootTarget::Menu(menu) => menu
                    .items
                    .iter()
                    .any(|item| matches!(&item.target, ItemTarget::Profile(name) if shows(name.as_deref()))),
                _ => false,
            });
        let reason = match &plan.policy.ipxe {
            IpxeTarget::Builtin if plan.offer.menu.has_boot_script => Some("boot.ipxe replaces the menu"),
            IpxeTarget::Builtin if !is_shown => Some("no profile in use shows the menu"),
            IpxeTarget::Builtin => None,
            IpxeTarget::Configured(_) | IpxeTarget::AsFirmware => Some("proxy.ini gives iPXE another script"),
        };
        (&self.files.scan.host_name_scripts, reason)
    }
}
