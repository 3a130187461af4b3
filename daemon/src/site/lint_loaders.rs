//! Finds loaders that cannot boot a machine: iPXE that iPXE loads again, which is a boot loop, a BIOS program for UEFI,
//! and an old GRUB.

use crate::boot_files::image::{self, Image};
use crate::loaders::second_stage;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Firmware, Rule};
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::path::PathBuf;

/// Warns about profiles that make iPXE load iPXE again. Recognises iPXE by its file name: an iPXE with an embedded
/// script, such as netboot.xyz's, has another name and causes no loop.
pub fn ipxe_loops(plan: &Plan) -> Vec<Diagnostic> {
    let loads = |profile: &&Profile| profile.boots == BootTarget::Loader;
    let profiles = plan.policy.profiles.iter().filter(loads);
    profiles
        .filter_map(|profile| {
            let each = profile.loaders.iter().map(|(arch, loader)| (Some(*arch), loader));
            let all = each.chain(profile.default_loader.iter().map(|loader| (None, loader)));
            let (_, loader) = all
                .filter(|(_, loader)| is_plain_ipxe(loader))
                .find(|(arch, _)| reaches_ipxe(plan, &profile.name, *arch))?;
            let what = format!(
                "profile `{}` gives an iPXE {}, which is iPXE again: such machines load it in a loop",
                profile.name, loader.name
            );
            Some(Diagnostic::warning(what).help(
            "begin with a rule that gives iPXE a script: `firmware = [\"ipxe\"]` and `profile = \"menu\"`, or another \
             profile",
        ))
        })
        .collect()
}

fn is_plain_ipxe(loader: &Loader) -> bool {
    let file = loader.name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let stem = file.split('.').next().unwrap_or_default();
    let is_one = |word: &str| stem == word || stem.strip_prefix(word).is_some_and(|rest| rest.starts_with(['-', '_']));
    file.contains('.')
        && !file.ends_with(".ipxe")
        && !stem.contains("shim")
        && ["undionly", "ipxe", "snponly", "snp"].into_iter().any(is_one)
}

/// Whether iPXE gets this profile on a machine of this architecture, or of any architecture if `arch` is `None`.
fn reaches_ipxe(plan: &Plan, profile: &str, arch: Option<Arch>) -> bool {
    let is_caught = |when: &Conditions, before: &[Rule]| before.iter().any(|rule| catches_ipxe(rule, when, arch));
    let by_rule = plan.policy.rules.iter().enumerate().any(|(index, rule)| {
        let takes = rule.profile.as_deref() == Some(profile) && !rule.deny && !rule.as_firmware;
        takes && may_be_ipxe(&rule.when) && !is_caught(&rule.when, &plan.policy.rules[..index])
    });
    let defaults = [&plan.policy.default_profile, &plan.policy.unknown_machine_profile];
    let for_all = defaults.into_iter().any(|default| default.as_deref() == Some(profile));
    by_rule || for_all && !is_caught(&Conditions::default(), &plan.policy.rules)
}

fn may_be_ipxe(when: &Conditions) -> bool {
    let firmware = when.firmware.is_empty()
        || when.firmware.iter().any(|kind| matches!(kind, Firmware::Ipxe | Firmware::Bios | Firmware::Uefi));
    firmware && (when.user_classes.is_empty() || when.user_classes.iter().any(|class| class.matches(b"iPXE")))
}

/// Whether the rule matches every iPXE of this architecture that meets `later`, the conditions of a later rule.
fn catches_ipxe(rule: &Rule, later: &Conditions, arch: Option<Arch>) -> bool {
    let Conditions { firmware, user_classes, archs, .. } = &rule.when;
    let of_ipxe = firmware.contains(&Firmware::Ipxe) || user_classes.iter().any(|class| class.matches(b"iPXE"));
    let of_arch = archs.is_empty() || arch.is_some_and(|arch| archs.contains(&arch));
    let rest = |when: &Conditions| Conditions {
        firmware: Vec::new(),
        user_classes: Vec::new(),
        archs: Vec::new(),
        ..when.clone()
    };
    let (own, others) = (rest(&rule.when), rest(later));
    (rule.deny || rule.profile.is_some()) && of_ipxe && of_arch && (own == Conditions::default() || own == others)
}

/// Warns if the default profile sends a BIOS program to all architectures without a loader in the profile, and has no
/// loader for x64 UEFI.
pub fn bios_loader_for_uefi(plan: &Plan, path: impl Fn(&str) -> PathBuf) -> Option<Diagnostic> {
    let profile =
        plan.profile(plan.policy.default_profile.as_deref()?).filter(|profile| profile.boots == BootTarget::Loader)?;
    let name = &profile.default_loader.as_ref().filter(|loader| !loader.name.contains("://"))?.name;
    let is_bios = image::inspect(&path(name)).is_ok_and(|image| image == Image::Bios);
    let what =
        format!("profile `{}` gives UEFI machines {name}, which is a BIOS program: they cannot start it", profile.name);
    let fix =
        "replace `default` with `bios`, and name programs for the other architectures, as in `uefi-x64 = \"ipxe.efi\"`";
    (is_bios && !profile.loaders.contains_key(&Arch::X64)).then(|| Diagnostic::warning(what).help(fix))
}

/// Warns about second stages that request their configuration from another server.
pub fn old_grubs(plan: &Plan, path: impl Fn(&str) -> PathBuf) -> impl Iterator<Item = Diagnostic> {
    second_stage::old_grubs(plan, path).into_iter().map(old_grub)
}

fn old_grub((name, version): (String, String)) -> Diagnostic {
    let what = format!(
        "{name} is GRUB {version}, which requests its configuration from the DHCP server, not from this server"
    );
    Diagnostic::warning(what).help(
        "it stops at its prompt unless the DHCP server runs on this host, or names this host as its next server; GRUB \
         2.12 requests it from this server; see docs/secure-boot.md",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::plan::pattern::Glob;
    use proxydhcpd_core::plan::policy::Policy;

    fn loader(name: &str) -> Loader {
        Loader { name: name.into(), path: None }
    }

    fn plan(name: &str, rules: Vec<Rule>) -> Plan {
        let loaders = [(Arch::BIOS, loader(name))].into();
        let given = Profile { name: "given".into(), boots: BootTarget::Loader, loaders, ..Profile::default() };
        let profiles = vec![given, Profile { name: "other".into(), ..Profile::default() }];
        Plan {
            policy: Policy {
                profiles: profiles.into(),
                rules,
                default_profile: Some("given".into()),
                ..Policy::default()
            }
            .into(),
            ..Plan::default()
        }
    }

    fn of_ipxe(more: Conditions) -> Rule {
        Rule {
            when: Conditions { firmware: vec![Firmware::Ipxe], ..more },
            profile: Some("other".into()),
            ..Rule::default()
        }
    }

    #[test]
    fn a_profile_that_gives_ipxe_to_an_ipxe_is_reported() {
        for name in ["undionly.kpxe", "ipxe/ipxe.efi", "SNPONLY.EFI", "ipxe-arm64.efi"] {
            assert_eq!(ipxe_loops(&plan(name, Vec::new())).len(), 1, "{name}");
        }
        for name in ["netboot.xyz.kpxe", "pxelinux.0", "snponly-shim.efi", "boot.ipxe", "ipxe"] {
            assert!(ipxe_loops(&plan(name, Vec::new())).is_empty(), "{name}");
        }
        let warning = &ipxe_loops(&plan("undionly.kpxe", Vec::new()))[0];
        assert!(warning.message.starts_with("profile `given` gives an iPXE undionly.kpxe, which is iPXE again"));
    }

    #[test]
    fn an_earlier_rule_for_every_ipxe_prevents_the_warning() {
        let by_class = Conditions { user_classes: vec![Glob("*iPXE*".into())], ..Conditions::default() };
        let class = Rule { when: by_class, profile: Some("other".into()), ..Rule::default() };
        let arch = |code| Conditions { archs: vec![Arch(code)], ..Conditions::default() };
        let on = Conditions { interfaces: vec![Glob("eth1".into())], ..Conditions::default() };
        for (rule, warnings) in [
            (of_ipxe(Conditions::default()), 0),
            (class, 0),
            (of_ipxe(arch(0)), 0),
            (of_ipxe(arch(7)), 1),
            (of_ipxe(on), 1),
            (Rule { profile: None, ..of_ipxe(Conditions::default()) }, 1),
        ] {
            assert_eq!(ipxe_loops(&plan("undionly.kpxe", vec![rule.clone()])).len(), warnings, "{rule:?}");
        }
    }

    #[test]
    fn a_bios_program_for_every_other_machine_is_reported_without_one_for_uefi() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("pxelinux.0"), [&[0xea, 5, 0x7c, 0, 0][..], &[0x90; 4091]].concat()).unwrap();
        std::fs::write(path("menu.ipxe"), "#!ipxe\n").unwrap();
        let with = |other: &str, loaders: &[Arch]| {
            let plan = plan("pxelinux.0", Vec::new());
            let mut profiles = plan.policy.profiles.to_vec();
            profiles[0].loaders = loaders.iter().map(|arch| (*arch, loader("x"))).collect();
            profiles[0].default_loader = Some(loader(other));
            bios_loader_for_uefi(&plan.with_policy(|policy| policy.profiles = profiles.into()), path)
        };
        assert!(
            with("pxelinux.0", &[])
                .unwrap()
                .message
                .contains("gives UEFI machines pxelinux.0, which is a BIOS program")
        );
        assert!(with("pxelinux.0", &[Arch::X64]).is_none());
        assert!(with("menu.ipxe", &[]).is_none());
    }
}
