//! What an iPXE has to be able to do for what it is given, by its own words for that (option 175).

use crate::arch::Arch;
use crate::decide::Decision;
use crate::plan::profile::{Boots, ProfileId, To};
use crate::plan::{Ipxe, Plan, Starts, Tftp};
use crate::wire::pxe::Features;
use alloc::vec::Vec;

/// The features without which an iPXE of this architecture does not get where this decision leads it: those that our
/// own scripts use, and those that fetch what the plan names by a URL. Of a script that the operator wrote nobody but
/// the operator knows what it uses, so it needs none.
pub fn needs(plan: &Plan, decision: &Decision, arch: Arch) -> Features {
    let mut codes = Vec::new();
    // Our script comes over TFTP to who has no HTTP, unless we do not serve TFTP.
    codes.extend((plan.tftp != Some(Tftp::Ours) && plan.http.is_some()).then_some(Features::HTTP));
    of_boots(plan, decision.boots(plan), decision.profile, arch, &mut codes);
    Features::from_codes(codes)
}

fn of_boots(plan: &Plan, boots: &Boots, profile: Option<ProfileId>, arch: Arch, codes: &mut Vec<u8>) {
    // Under UEFI a kernel is an EFI program, which every such iPXE starts.
    let kernel = (arch == Arch::BIOS).then_some(Features::BZIMAGE);
    match boots {
        Boots::BootDir => match &plan.ipxe {
            Ipxe::AsFirmware => {}
            Ipxe::Given(name) => codes.extend(Features::for_url(name)),
            Ipxe::Ours if plan.menu.own_script => {}
            Ipxe::Ours => {
                let kernels = plan.menu.entries.iter().any(|entry| {
                    matches!(entry.starts, Starts::Linux { arch: Arch::BIOS | Arch::X64 | Arch::IA32, .. })
                });
                codes.push(Features::MENU);
                codes.extend(kernel.filter(|_| kernels));
            }
        },
        Boots::Linux(linux) => {
            codes.extend(kernel);
            codes.extend(linux.initrds.iter().chain([&linux.kernel]).filter_map(|file| Features::for_url(file)));
        }
        Boots::Script(name) => codes.extend(Features::for_url(name)),
        Boots::Loader => {
            let profile = plan.profile(profile);
            let loader =
                profile.and_then(|profile| profile.loaders.get(&arch.base()).or(profile.default_loader.as_ref()));
            codes.extend(loader.and_then(|loader| Features::for_url(&loader.name)));
        }
        Boots::Menu(menu) => {
            codes.push(Features::MENU);
            // Menus do not lead to menus.
            for item in &menu.items {
                if let To::Profile(id) = item.to {
                    let boots = plan.profile(id).map_or(&Boots::BootDir, |profile| &profile.boots);
                    if !matches!(boots, Boots::Menu(_)) {
                        of_boots(plan, boots, id, arch, codes);
                    }
                }
            }
        }
        Boots::LocalDisk | Boots::Nothing => {}
    }
}
