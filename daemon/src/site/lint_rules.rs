//! Rules that do not lead to what they say.

use crate::config::diagnostic::Diagnostic;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::plan::rule::{Firmware, Rule};

/// Those that a firmware meets, and the iPXE that it is given does not: what the profile says never comes to that.
pub fn firmware_only_rules(plan: &Plan) -> Vec<Diagnostic> {
    let takes_ipxe = |rule: &&Rule| {
        let boots = plan.profile(rule.profile).map(|profile| &profile.boots);
        !rule.deny && matches!(boots, Some(BootTarget::Linux(_) | BootTarget::Script(_)))
    };
    let numbered = (1..).zip(&plan.rules).filter(|(_, rule)| takes_ipxe(rule));
    numbered.filter_map(|(number, rule)| Some(warning(number, only_firmware_meets(rule)?))).collect()
}

/// The condition by which it is so.
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
    let what = format!(
        "rule {number} is met by firmware only, for its `{key}` is not that of the iPXE which firmware is given"
    );
    Diagnostic::warning(what).help("the iPXE gets what the rules behind it say: tell such machines by what both have, as `mac`, `arch` or `subnet`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::plan::pattern::Glob;
    use proxydhcpd_core::plan::profile::Profile;
    use proxydhcpd_core::plan::rule::Conditions;

    #[test]
    fn a_rule_that_an_ipxe_does_not_meet_is_told_of_where_its_profile_takes_one() {
        let script = Profile { boots: BootTarget::Script("a.ipxe".into()), ..Profile::default() };
        let profiles = vec![script, Profile { boots: BootTarget::Loader, ..Profile::default() }];
        let classes = |class: &str| Conditions { user_classes: vec![Glob(class.into())], ..Conditions::default() };
        let kinds = |kinds: &[Firmware]| Conditions { firmware: kinds.to_vec(), ..Conditions::default() };
        for (when, told) in [
            (kinds(&[Firmware::Http]), Some("firmware")),
            (kinds(&[Firmware::Http, Firmware::Uefi]), None),
            (classes("rack1"), Some("user-class")),
            (classes("*"), None),
            (classes("iPXE"), None),
            (Conditions::default(), None),
        ] {
            let rule = |profile| Rule { when: when.clone(), profile: Some(profile), ..Rule::default() };
            let plan = |rule| Plan { rules: vec![rule], profiles: profiles.clone(), ..Plan::default() };
            let warnings = firmware_only_rules(&plan(rule(0)));
            assert_eq!(warnings.len(), usize::from(told.is_some()), "{when:?}");
            assert!(told.is_none_or(|key| warnings[0].message.contains(&format!("`{key}`"))), "{warnings:?}");
            assert!(firmware_only_rules(&plan(rule(1))).is_empty(), "its loaders are for the firmware");
        }
    }
}
