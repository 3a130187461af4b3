//! The programs that start a machine's local disk under UEFI: the operator's programs or the built-in ones.

use super::built;
use crate::boot_files::image;
use proxydhcpd_core::arch::{ARCHITECTURES, Arch, ImageFormat};
use proxydhcpd_core::choose::local_disk_name;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::BootTarget;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// The operator's programs in the boot directory, which have the names of the built-in programs. The operator provides
/// them if they must be signed for Secure Boot, or for an architecture without a built-in program. Adds a warning for
/// each file that cannot be read or that its architecture cannot start.
pub fn operator_programs(boot_dir: &Path, warnings: &mut Vec<String>) -> BTreeMap<Arch, PathBuf> {
    let mut programs = BTreeMap::new();
    for row in ARCHITECTURES.iter().filter(|row| row.base == row.code && matches!(row.image, ImageFormat::Efi(_))) {
        let name = local_disk_name(Arch(row.code));
        let path = boot_dir.join(&*name);
        match image::inspect(&path) {
            Ok(image) if image.fits(row.image) => drop(programs.insert(Arch(row.code), path)),
            Ok(image) => warnings.push(format!("{name} is not sent: it is {image}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warnings.push(format!("{name} is not sent: {error}")),
        }
    }
    programs
}

/// The architectures that have a program that starts the local disk, for [`proxydhcpd_core::plan::Plan::local_disk`].
pub fn architectures(operator_programs: &BTreeMap<Arch, PathBuf>) -> Vec<Arch> {
    built::architectures(&built::LOCAL_DISK)
        .chain(operator_programs.keys().copied())
        .collect::<BTreeSet<Arch>>()
        .into_iter()
        .collect()
}

/// The numbers of the rules that make machines of an architecture boot from their disk, although the server has neither
/// a program that starts the disk nor a loader for that architecture. These machines get no reply, and try each of
/// their network boot entries for a minute before they boot from disk.
pub fn unbootable_rules(plan: &Plan) -> Vec<(usize, Arch)> {
    let mut found = Vec::new();
    for (number, rule) in (1..).zip(&plan.policy.rules) {
        let profile = rule
            .profile
            .as_deref()
            .and_then(|name| plan.profile(name))
            .filter(|profile| profile.boots == BootTarget::LocalDisk);
        let Some(profile) = profile.filter(|_| !rule.deny) else { continue };
        let archs: BTreeSet<Arch> = rule.when.archs.iter().map(|arch| arch.base()).collect();
        let has_loader = |arch: &Arch| {
            let default_loader = profile.default_loader.is_some() || plan.offer.default_loader.is_some();
            default_loader || profile.loaders.contains_key(arch) || plan.offer.loaders.contains_key(arch)
        };
        let unbootable = archs
            .into_iter()
            .filter(|arch| arch.is_efi() && !plan.offer.local_disk.contains(arch) && !has_loader(arch));
        found.extend(unbootable.map(|arch| (number, arch)));
    }
    found
}

/// The built-in program for this architecture, if there is one. The server sends it if the operator provides no
/// program.
pub fn builtin_program(arch: Arch) -> Option<&'static [u8]> {
    built::for_arch(&built::LOCAL_DISK, arch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_files::image::tests::efi;
    use std::fs;

    #[test]
    fn the_operators_program_takes_precedence_if_it_fits_its_architecture() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("local-disk")).unwrap();
        for (name, machine) in [("uefi-x64", 0x8664), ("uefi-arm32", 0x01c2), ("uefi-arm64", 0x8664)] {
            fs::write(directory.path().join(format!("local-disk/{name}.efi")), efi(machine)).unwrap();
        }
        let mut warnings = Vec::new();
        let programs = operator_programs(directory.path(), &mut warnings);
        let arm32 = Arch::from_id("uefi-arm32").unwrap();
        let ids: Vec<_> = programs.keys().filter_map(|arch| arch.info()).map(|row| row.id).collect();
        assert_eq!(ids, ["uefi-x64", "uefi-arm32"]);
        assert!(architectures(&programs).contains(&arm32));
        assert_eq!(warnings, ["local-disk/uefi-arm64.efi is not sent: it is an EFI program for x64 UEFI"]);
    }
}
