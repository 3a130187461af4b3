//! Finds rules whose profile cannot have an effect: the conditions exclude the client for which it is meant, or the
//! machine cannot start its disk.

use crate::uefi_programs::local_disk;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::choose::local_disk_name;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::plan::rule::{Firmware, Rule};
use proxydhcpd_reading::diagnostic::Diagnostic;

/// Warns about rules that match a firmware but not the iPXE that this firmware loads, although their profile is for
/// iPXE.
pub fn firmware_only_rules(plan: &Plan) -> Vec<Diagnostic> {
    let takes_ipxe = |rule: &&Rule| {
        let boots = plan.boots(rule.profile.as_deref());
        !rule.deny && matches!(boots, BootTarget::Linux(_) | BootTarget::Script(_))
    };
    let numbered = (1..).zip(&plan.policy.rules).filter(|(_, rule)| takes_ipxe(rule));
    numbered.filter_map(|(number, rule)| Some(warning(number, only_firmware_meets(rule)?))).collect()
}

/// The condition of the rule that excludes iPXE; `None` if there is no such condition.
fn only_firmware_meets(rule: &Rule) -> Option<&'static str> {
    let kinds = &rule.when.firmware;
    let classes = &rule.when.user_classes;
    if !kinds.is_empty() && kinds.iter().all(|kind| *kind == Firmware::Http) {
        return Some("firmware");
    }
    let of_others = |classes: &[_]| !classes.is_empty() && !rule.as_firmware;
    (of_others(classes) && !classes.iter().any(|class| class.matches(b"iPXE"))).then_some("user-class")
}

fn warning(number: usize, key: &str) -> Diagnostic {
    let what = format!("rule {number} matches firmware only: the iPXE that the firmware loads has another `{key}`");
    Diagnostic::warning(what).help(
        "for the iPXE, the later rules decide: match such machines by what both have, such as `mac`, `arch` or \
         `subnet`",
    )
}

/// Warns about rules that make machines boot from their disk although the server has no program that starts it.
pub fn unbootable_rules(plan: &Plan) -> impl Iterator<Item = Diagnostic> {
    local_disk::unbootable_rules(plan).into_iter().map(unbootable_rule)
}

fn unbootable_rule((rule, arch): (usize, Arch)) -> Diagnostic {
    let what = format!("rule {rule} sends {arch} to the local disk, and there is no program that starts it");
    let program = local_disk_name(arch);
    Diagnostic::warning(what).help(format!(
        "such a machine tries each network entry for a minute first; to prevent this, put {program} into the boot \
         directory"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::plan::pattern::Glob;
    use proxydhcpd_core::plan::policy::Policy;
    use proxydhcpd_core::plan::profile::Profile;
    use proxydhcpd_core::plan::rule::Conditions;

    #[test]
    fn a_rule_that_excludes_ipxe_is_reported_if_its_profile_is_for_ipxe() {
        let profile = |name: &str, boots| Profile { name: name.into(), boots, ..Profile::default() };
        let profiles =
            vec![profile("script", BootTarget::Script("a.ipxe".into())), profile("loader", BootTarget::Loader)];
        let classes = |class: &str| Conditions { user_classes: vec![Glob(class.into())], ..Conditions::default() };
        let kinds = |kinds: &[Firmware]| Conditions { firmware: kinds.to_vec(), ..Conditions::default() };
        for (when, reported_key) in [
            (kinds(&[Firmware::Http]), Some("firmware")),
            (kinds(&[Firmware::Http, Firmware::Uefi]), None),
            (classes("rack1"), Some("user-class")),
            (classes("*"), None),
            (classes("iPXE"), None),
            (Conditions::default(), None),
        ] {
            let rule = |profile: &str| Rule { when: when.clone(), profile: Some(profile.into()), ..Rule::default() };
            let plan = |rule| Plan {
                policy: Policy { rules: vec![rule], profiles: profiles.clone().into(), ..Policy::default() }.into(),
                ..Plan::default()
            };
            let warnings = firmware_only_rules(&plan(rule("script")));
            assert_eq!(warnings.len(), usize::from(reported_key.is_some()), "{when:?}");
            assert!(reported_key.is_none_or(|key| warnings[0].message.contains(&format!("`{key}`"))), "{warnings:?}");
            assert!(firmware_only_rules(&plan(rule("loader"))).is_empty(), "its loaders are for the firmware");
        }
    }
}
