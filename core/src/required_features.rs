//! The features of iPXE (option 175) that a decision requires.

use crate::arch::Arch;
use crate::decide::Decision;
use crate::plan::Plan;
use crate::plan::offer::{EntryTarget, TftpServer};
use crate::plan::policy::IpxeTarget;
use crate::plan::profile::{BootTarget, ItemTarget};
use crate::wire::pxe::Features;

/// The features that an iPXE of this architecture needs to boot the target of this decision: the built-in scripts use
/// some of them, others fetch the URLs of the plan. A script of the operator adds none, because the server does not
/// know which features that script uses.
pub fn required_features(plan: &Plan, decision: &Decision, arch: Arch) -> Features {
    // HTTP is not required if this server serves TFTP: an iPXE without HTTP then fetches the built-in script over TFTP.
    let needs_http = plan.offer.tftp != Some(TftpServer::Local) && plan.offer.http.is_some();
    let mut features = Features::from_codes(needs_http.then_some(Features::HTTP));
    add_for_target(plan, decision, arch, &mut features);
    features
}

fn add_for_target(plan: &Plan, decision: &Decision, arch: Arch, features: &mut Features) {
    // Only an iPXE on BIOS needs the feature: under UEFI, a kernel is an EFI program, which every iPXE can start.
    let kernel = (arch == Arch::BIOS).then_some(Features::BZIMAGE);
    match decision.boots(plan) {
        BootTarget::BootDir => match &plan.policy.ipxe {
            IpxeTarget::AsFirmware => {}
            IpxeTarget::Configured(name) => features.extend(Features::for_url(name)),
            IpxeTarget::Builtin if plan.offer.menu.has_boot_script => {}
            IpxeTarget::Builtin => {
                let mut kernel_archs = plan.offer.menu.entries.iter().filter_map(|entry| match entry.target {
                    EntryTarget::Linux { arch, .. } => Some(arch),
                    _ => None,
                });
                let has_kernel = kernel_archs.any(|built_for| Arch::BIOS.starts_kernel_of(built_for));
                features.extend([Features::MENU]);
                features.extend(kernel.filter(|_| has_kernel));
            }
        },
        BootTarget::Linux(linux) => {
            features.extend(kernel);
            features.extend(linux.initrds.iter().chain([&linux.kernel]).filter_map(|file| Features::for_url(file)));
        }
        BootTarget::Script(name) => features.extend(Features::for_url(name)),
        BootTarget::Loader => {
            let loader = decision
                .profile(plan)
                .and_then(|profile| profile.loaders.get(&arch.base()).or(profile.default_loader.as_ref()));
            features.extend(loader.and_then(|loader| Features::for_url(&loader.name)));
        }
        BootTarget::Menu(menu) => {
            features.extend([Features::MENU]);
            // A menu item cannot lead to a menu.
            for item in &menu.items {
                if let ItemTarget::Profile(profile) = &item.target {
                    let decision = Decision::default().with_profile(plan, profile.as_deref());
                    if !matches!(decision.boots(plan), BootTarget::Menu(_)) {
                        add_for_target(plan, &decision, arch, features);
                    }
                }
            }
        }
        BootTarget::LocalDisk | BootTarget::Nothing => {}
    }
}
