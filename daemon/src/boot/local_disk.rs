//! The programs that start a machine's local disk under UEFI: the operator's, or ours.

use super::{image, uefi};
use crate::config::diagnostic::Diagnostic;
use proxydhcpd_core::arch::{Arch, Program, TABLE};
use proxydhcpd_core::choose::local_disk_name;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::Boots;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The programs of the operator, in the boot folder under the names of ours: signed for Secure Boot, or for an
/// architecture that we have none for. What is there and does not fit is told.
pub fn of_operator(boot_dir: &Path, told: &mut Vec<Diagnostic>) -> BTreeMap<Arch, PathBuf> {
    let mut programs = BTreeMap::new();
    for row in TABLE.iter().filter(|row| row.base == row.code && matches!(row.program, Program::Efi(_))) {
        let name = local_disk_name(Arch(row.code));
        let path = boot_dir.join(&name);
        match image::inspect(&path) {
            Ok(image) if image.fits(row.program) => drop(programs.insert(Arch(row.code), path)),
            Ok(image) => told.push(Diagnostic::warning(format!("{name} is not sent: it is {image}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => told.push(Diagnostic::warning(format!("{name} is not sent: {error}"))),
        }
    }
    programs
}

/// The architectures that have one: [`proxydhcpd_core::plan::Plan::local_disk`].
pub fn architectures(of_operator: &BTreeMap<Arch, PathBuf>) -> Vec<Arch> {
    uefi::architectures(&uefi::LOCAL_DISK)
        .chain(of_operator.keys().copied())
        .collect::<BTreeSet<Arch>>()
        .into_iter()
        .collect()
}

/// Rules that send machines of an architecture to their disk for which there is neither such a program nor a loader: they get
/// silence, and try each of their network entries for a minute first.
pub fn out_of_reach(plan: &Plan) -> Vec<Diagnostic> {
    let mut told = Vec::new();
    for (index, rule) in plan.rules.iter().enumerate() {
        let profile = plan.profile(rule.profile).filter(|profile| profile.boots == Boots::LocalDisk);
        let Some(profile) = profile.filter(|_| !rule.deny) else { continue };
        let archs: BTreeSet<Arch> = rule.when.archs.iter().map(|arch| arch.base()).collect();
        for arch in archs.into_iter().filter(|arch| arch.is_efi() && !plan.local_disk.contains(arch)) {
            let has_loader = [&profile.loaders, &plan.loaders].iter().any(|loaders| loaders.contains_key(&arch));
            if !has_loader && profile.any_other.is_none() && plan.any_other.is_none() {
                let warning =
                    format!("rule {} sends {arch} to the local disk, and nothing here starts that", index + 1);
                told.push(Diagnostic::warning(warning).help(format!(
                    "such a machine tries each network entry for a minute first; {} of the boot folder would be sent to it",
                    local_disk_name(arch)
                )));
            }
        }
    }
    told
}

/// Ours, which is sent for [`proxydhcpd_core::fetch::Fetch::LocalDisk`] where the operator has none.
pub fn starter(arch: Arch) -> Option<&'static [u8]> {
    uefi::of_arch(&uefi::LOCAL_DISK, arch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::image::tests::efi;
    use std::fs;

    #[test]
    fn a_program_of_the_operator_goes_before_ours_if_it_is_one_for_its_architecture() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("local-disk")).unwrap();
        for (name, machine) in [("uefi-x64", 0x8664), ("uefi-arm32", 0x01c2), ("uefi-arm64", 0x8664)] {
            fs::write(folder.path().join(format!("local-disk/{name}.efi")), efi(machine)).unwrap();
        }
        let mut told = Vec::new();
        let programs = of_operator(folder.path(), &mut told);
        let arm32 = Arch::by_id("uefi-arm32").unwrap();
        let ids: Vec<_> = programs.keys().filter_map(|arch| arch.row()).map(|row| row.id).collect();
        assert_eq!(ids, ["uefi-x64", "uefi-arm32"]);
        assert!(architectures(&programs).contains(&arm32));
        let told: Vec<_> = told.iter().map(|told| &told.message[..]).collect();
        assert_eq!(told, ["local-disk/uefi-arm64.efi is not sent: it is an EFI program for x64 UEFI"]);
    }
}
