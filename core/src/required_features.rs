//! What an iPXE has to be able to do for what it is given, by its own words for that (option 175).

use crate::arch::Arch;
use crate::decide::Decision;
use crate::plan::profile::{BootTarget, ProfileId, ItemTarget};
use crate::plan::{IpxeTarget, Plan, EntryTarget, TftpServer};
use crate::wire::pxe::Features;
use alloc::vec::Vec;

/// The features without which an iPXE of this architecture does not get where this decision leads it: those that our
/// own scripts use, and those that fetch what the plan names by a URL. Of a script that the operator wrote nobody but
/// the operator knows what it uses, so it needs none.
pub fn required_features(plan: &Plan, decision: &Decision, arch: Arch) -> Features {
    let mut codes = Vec::new();
    // Our script comes over TFTP to who has no HTTP, unless we do not serve TFTP.
    codes.extend((plan.tftp != Some(TftpServer::Local) && plan.http.is_some()).then_some(Features::HTTP));
    of_boots(plan, decision.boots(plan), decision.profile, arch, &mut codes);
    Features::from_codes(codes)
}

fn of_boots(plan: &Plan, boots: &BootTarget, profile: Option<ProfileId>, arch: Arch, codes: &mut Vec<u8>) {
    // Under UEFI a kernel is an EFI program, which every such iPXE starts.
    let kernel = (arch == Arch::BIOS).then_some(Features::BZIMAGE);
    match boots {
        BootTarget::BootDir => match &plan.ipxe {
            IpxeTarget::AsFirmware => {}
            IpxeTarget::Configured(name) => codes.extend(Features::for_url(name)),
            IpxeTarget::Builtin if plan.menu.has_boot_script => {}
            IpxeTarget::Builtin => {
                let kernels = plan.menu.entries.iter().any(|entry| {
                    matches!(entry.target, EntryTarget::Linux { arch: Arch::BIOS | Arch::X64 | Arch::IA32, .. })
                });
                codes.push(Features::MENU);
                codes.extend(kernel.filter(|_| kernels));
            }
        },
        BootTarget::Linux(linux) => {
            codes.extend(kernel);
            codes.extend(linux.initrds.iter().chain([&linux.kernel]).filter_map(|file| Features::for_url(file)));
        }
        BootTarget::Script(name) => codes.extend(Features::for_url(name)),
        BootTarget::Loader => {
            let profile = plan.profile(profile);
            let loader =
                profile.and_then(|profile| profile.loaders.get(&arch.base()).or(profile.default_loader.as_ref()));
            codes.extend(loader.and_then(|loader| Features::for_url(&loader.name)));
        }
        BootTarget::Menu(menu) => {
            codes.push(Features::MENU);
            // Menus do not lead to menus.
            for item in &menu.items {
                if let ItemTarget::Profile(id) = item.target {
                    let boots = plan.profile(id).map_or(&BootTarget::BootDir, |profile| &profile.boots);
                    if !matches!(boots, BootTarget::Menu(_)) {
                        of_boots(plan, boots, id, arch, codes);
                    }
                }
            }
        }
        BootTarget::LocalDisk | BootTarget::Nothing => {}
    }
}
