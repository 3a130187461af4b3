//! Finds a loader for each architecture, in the boot directory or where distributions put iPXE, and checks it.

use super::image::{self, Image};
use super::unusable_loader::UnusableLoader;
use proxydhcpd_core::arch::{Arch, ImageFormat, ArchInfo, ARCHITECTURES};
use proxydhcpd_core::plan::Loader;
use proxydhcpd_core::shape::MAX_FILE_LENGTH;
use proxydhcpd_core::shim::second_stage;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where distributions put iPXE, looked through after the boot directory and in this order. The names differ as well: they
/// are in the architecture table. Where one name serves several architectures the program itself decides.
pub const DISTRIBUTION_DIRECTORIES: &[&str] = &[
    // Debian, Ubuntu (`ipxe`); Debian 12's ipxe.efi is a symbolic link to /boot/ipxe.efi.
    "/usr/lib/ipxe",
    // Fedora, RHEL (`ipxe-bootimgs-x86`), openSUSE (`ipxe-bootimgs`), Arch, Alpine: undionly.kpxe and what has the
    // architecture in its name.
    "/usr/share/ipxe",
    // Fedora, RHEL (`ipxe-bootimgs-aarch64`): snponly.efi, ipxe.efi.
    "/usr/share/ipxe/arm64-efi",
    // Arch: ipxe.efi.
    "/usr/share/ipxe/x86_64",
];

#[derive(Clone, Debug, Default)]
pub struct FoundLoaders {
    pub loaders: BTreeMap<Arch, Loader>,
    /// Files that go by a loader's name and are none.
    pub unusable: Vec<UnusableLoader>,
}

/// Directories at the top of the boot directory in which loaders are looked for as well: FOG puts those of 32-bit x86 and of
/// ARM there, under the names that x64's have at the top.
const BESIDE: &[&str] = &["i386-efi", "x86_64-efi", "arm32-efi", "arm64-efi", "riscv64-efi", "loong64-efi"];

/// Looks for the loaders of all architectures. A file that does not fit is never taken; it is named among the misfits
/// if it fits nobody who looks for such a name (an x64 `snponly.efi` is no misfit because ARM looks for that name too).
pub fn find(boot_dir: &Path, places: &[&Path]) -> FoundLoaders {
    let mut found = FoundLoaders::default();
    let beside: Vec<PathBuf> = BESIDE.iter().map(|name| boot_dir.join(name)).collect();
    let own = [boot_dir].into_iter().chain(beside.iter().map(PathBuf::as_path));
    let places: Vec<Place> = own.chain(places.iter().copied()).map(Place::list).collect();
    for row in ARCHITECTURES.iter().filter(|row| row.base == row.code) {
        for (index, place) in places.iter().enumerate() {
            // The second stage of a shim is asked for below the boot directory.
            let with_shims = index <= BESIDE.len();
            if let Some(path) = best_in(place, row, with_shims, &mut found.unusable) {
                let relative = path.strip_prefix(boot_dir).ok();
                let loader = offer(&found.loaders, boot_dir, row, &path, relative);
                found.loaders.extend(loader.map(|loader| (Arch(row.code), loader)));
                break;
            }
        }
    }
    for misfit in &mut found.unusable {
        let given = misfit.archs.iter().find_map(|arch| found.loaders.get(arch));
        // Where only the program could have told for whom it is, this may be the loader of another.
        let certain = misfit.archs.len() == 1;
        misfit.replacement = given.filter(|_| certain).and_then(|loader| loader.path.as_ref()).map(PathBuf::from);
    }
    found
}

/// A directory, and what is in it under a name that some loader has, in whatever case: on removable media most are written
/// in capitals.
struct Place<'a> {
    directory: &'a Path,
    names: Vec<String>,
}

impl Place<'_> {
    fn list(directory: &Path) -> Place<'_> {
        let names = fs::read_dir(directory).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_loader_name(name));
        Place { directory, names: names.collect() }
    }

    /// The file of this name: if there is none, one that differs in case.
    fn file(&self, name: &str) -> Option<PathBuf> {
        let spelt = |known: &&String| known.eq_ignore_ascii_case(name);
        let found = self.names.iter().find(|known| *known == name).or_else(|| self.names.iter().find(spelt));
        found.map(|found| self.directory.join(found))
    }
}

/// Whether this directory of the boot directory is looked through for loaders.
pub fn is_arch_directory(directory: &str) -> bool {
    BESIDE.contains(&directory)
}

/// Whether some architecture's loader goes by this name.
pub fn is_loader_name(name: &str) -> bool {
    ARCHITECTURES.iter().flat_map(|row| row.loaders).any(|loader| loader.eq_ignore_ascii_case(name))
}

fn best_in(place: &Place<'_>, row: &ArchInfo, with_shims: bool, misfits: &mut Vec<UnusableLoader>) -> Option<PathBuf> {
    let names = row.loaders.iter().filter(|name| with_shims || second_stage(name).is_none());
    for path in names.filter_map(|name| place.file(name)) {
        let misfit = match image::inspect(&path) {
            Ok(image) if image.fits(row.image) => match missing_second_stage(&path, row) {
                Some(what) => UnusableLoader::without_second_stage(path, Arch(row.code), &what),
                None => return Some(path),
            },
            Ok(image) if fits_somebody(image, &path) => continue,
            Ok(image) => UnusableLoader::from_image(path, image),
            Err(error) => UnusableLoader::unreadable(path, &error),
        };
        if !misfits.iter().any(|known| known.path == misfit.path) {
            misfits.push(misfit);
        }
    }
    None
}

/// Why a machine of this architecture cannot be offered the file, if that is so.
pub fn incompatibility(path: &Path, arch: Arch) -> Option<String> {
    let is = match image::inspect(path) {
        Ok(image) => image,
        Err(error) => return Some(format!("{}: {error}", path.display())),
    };
    let program = arch.info().map_or(ImageFormat::None, |row| row.image);
    if program != ImageFormat::None && !is.fits(program) {
        return Some(format!("it is {is}"));
    }
    arch.info().and_then(|row| missing_second_stage(path, row)).map(|what| format!("it is {what}"))
}

/// What a shim lacks: alone it starts nothing.
pub fn missing_second_stage(path: &Path, row: &ArchInfo) -> Option<String> {
    let second = second_stage(path.file_name()?.to_str()?)?;
    match image::inspect(&path.with_file_name(&second)) {
        Ok(image) if image.fits(row.image) => None,
        Ok(image) => Some(format!("a shim, and {second} beside it, which it starts, is {image}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("a shim, which starts {second}, and that is not beside it"))
        }
        Err(error) => Some(format!("a shim, and {second} beside it, which it starts, cannot be read: {error}")),
    }
}

fn fits_somebody(image: Image, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let looks = |row: &&ArchInfo| row.loaders.iter().any(|loader| name.eq_ignore_ascii_case(loader));
    ARCHITECTURES.iter().filter(looks).any(|row| image.fits(row.image))
}

/// The name under which the file is offered: its own, or with the architecture in front where that name already means
/// another file, in the boot directory or among the loaders.
fn offer(
    taken: &BTreeMap<Arch, Loader>,
    boot_dir: &Path,
    row: &ArchInfo,
    path: &Path,
    relative: Option<&Path>,
) -> Option<Loader> {
    let path = path.to_str()?;
    let own = relative.unwrap_or(Path::new(path).file_name()?.as_ref()).to_str()?;
    let means_another = taken.values().any(|other| other.name == own && other.path.as_deref() != Some(path))
        || (relative.is_none() && boot_dir.join(own).symlink_metadata().is_ok());
    let name = if means_another { format!("{}/{own}", row.id) } else { own.to_owned() };
    (name.len() <= MAX_FILE_LENGTH).then(|| Loader { name, path: Some(path.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::image::tests::{bios, efi};
    use std::fs;

    const X64: u16 = 0x8664;
    const ARM64: u16 = 0xaa64;

    struct Lab {
        root: tempfile::TempDir,
    }

    impl Lab {
        fn new(files: &[(&str, Vec<u8>)]) -> Lab {
            let root = tempfile::tempdir().unwrap();
            for directory in ["boot", "usr"] {
                fs::create_dir(root.path().join(directory)).unwrap();
            }
            for (name, content) in files {
                fs::write(root.path().join(name), content).unwrap();
            }
            Lab { root }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn find(&self) -> FoundLoaders {
            find(&self.path("boot"), &[&self.path("usr")])
        }

        fn offered(&self, found: &FoundLoaders, arch: Arch) -> Option<(String, String)> {
            let loader = found.loaders.get(&arch)?;
            let path = Path::new(loader.path.as_ref()?).strip_prefix(self.root.path()).ok()?;
            Some((loader.name.clone(), path.to_str()?.to_owned()))
        }
    }

    fn arm64() -> Arch {
        Arch::from_id("uefi-arm64").unwrap()
    }

    fn pair(name: &str, path: &str) -> Option<(String, String)> {
        Some((name.to_owned(), path.to_owned()))
    }

    #[test]
    fn the_boot_dir_comes_before_the_distribution() {
        let lab =
            Lab::new(&[("usr/snponly.efi", efi(X64)), ("boot/ipxe.efi", efi(X64)), ("usr/undionly.kpxe", bios())]);
        let found = lab.find();
        assert_eq!(lab.offered(&found, Arch::X64), pair("ipxe.efi", "boot/ipxe.efi"));
        assert_eq!(lab.offered(&found, Arch::BIOS), pair("undionly.kpxe", "usr/undionly.kpxe"));
    }

    #[test]
    fn one_name_serves_the_architecture_that_the_program_is_for() {
        let lab = Lab::new(&[("usr/snponly.efi", efi(ARM64))]);
        let found = lab.find();
        assert_eq!(lab.offered(&found, arm64()), pair("snponly.efi", "usr/snponly.efi"));
        assert_eq!(lab.offered(&found, Arch::X64), None);
        assert_eq!(found.unusable, []);
    }

    #[test]
    fn a_name_that_means_two_files_is_told_apart() {
        let lab = Lab::new(&[("boot/snponly.efi", efi(ARM64)), ("usr/snponly.efi", efi(X64))]);
        let found = lab.find();
        assert_eq!(lab.offered(&found, arm64()), pair("snponly.efi", "boot/snponly.efi"));
        assert_eq!(lab.offered(&found, Arch::X64), pair("uefi-x64/snponly.efi", "usr/snponly.efi"));
    }

    #[test]
    fn a_program_for_another_machine_is_never_offered() {
        let lab = Lab::new(&[("boot/ipxe-arm64.efi", efi(X64)), ("boot/undionly.kpxe", b"#!ipxe\n".repeat(100))]);
        let found = lab.find();
        assert!(found.loaders.is_empty());
        let told: Vec<_> = found.unusable.iter().map(|misfit| (misfit.archs[0], misfit.reason.as_str())).collect();
        assert_eq!(told, [(Arch::BIOS, "it is a script"), (arm64(), "it is an EFI program for x64 UEFI")]);
        assert_eq!(
            found.unusable[1].fix,
            "rename it to ipxe-x64.efi, and put a program of the right kind in its place"
        );
    }

    #[test]
    fn removable_media_names_are_known_in_capitals_too() {
        let lab = Lab::new(&[("boot/BOOTX64.EFI", efi(X64)), ("boot/bootaa64.efi", efi(ARM64))]);
        let found = lab.find();
        assert_eq!(lab.offered(&found, Arch::X64), pair("BOOTX64.EFI", "boot/BOOTX64.EFI"));
        assert_eq!(lab.offered(&found, arm64()), pair("bootaa64.efi", "boot/bootaa64.efi"));
    }

    #[test]
    fn every_architecture_that_removable_media_know_takes_its_program() {
        for (name, id, machine) in [
            ("bootia32.efi", "uefi-ia32", 0x014c),
            ("bootx64.efi", "uefi-x64", X64),
            ("bootia64.efi", "uefi-ia64", 0x0200),
            ("bootarm.efi", "uefi-arm32", 0x01c2),
            ("bootaa64.efi", "uefi-arm64", ARM64),
            ("bootriscv32.efi", "uefi-riscv32", 0x5032),
            ("bootriscv64.efi", "uefi-riscv64", 0x5064),
            ("bootriscv128.efi", "uefi-riscv128", 0x5128),
            ("bootloongarch32.efi", "uefi-loongarch32", 0x6232),
            ("bootloongarch64.efi", "uefi-loongarch64", 0x6264),
        ] {
            let file = format!("boot/{name}");
            let lab = Lab::new(&[(&file, efi(machine))]);
            assert_eq!(lab.offered(&lab.find(), Arch::from_id(id).unwrap()), pair(name, &file), "{name}");
        }
    }

    #[test]
    fn a_shim_goes_first_if_what_it_starts_is_beside_it() {
        let files = |shim: &'static str, second: &'static str| {
            [("boot/snponly-x64.efi", efi(X64)), (shim, efi(X64)), (second, efi(X64)), ("usr/shimx64.efi", efi(X64))]
        };
        for (shim, second) in [
            ("boot/shimx64.efi", "boot/grubx64.efi"),
            ("boot/ipxe-shim.efi", "boot/ipxe.efi"),
            ("boot/snponly-shimx64.efi", "boot/snponly.efi"),
        ] {
            let lab = Lab::new(&files(shim, second));
            let found = lab.find();
            assert_eq!(lab.offered(&found, Arch::X64), pair(&shim["boot/".len()..], shim));
            assert_eq!(found.unusable, []);

            let lab = Lab::new(&files(shim, "boot/another.efi"));
            let found = lab.find();
            assert_eq!(lab.offered(&found, Arch::X64), pair("snponly-x64.efi", "boot/snponly-x64.efi"));
            let why = &found.unusable[0].reason;
            assert_eq!(
                *why,
                format!("it is a shim, which starts {}, and that is not beside it", &second["boot/".len()..])
            );
        }
    }

    #[test]
    fn a_shim_whose_second_stage_nobody_could_ask_for_is_not_taken() {
        let lab = Lab::new(&[("usr/shimx64.efi", efi(X64)), ("usr/grubx64.efi", efi(X64))]);
        let found = lab.find();
        assert!(found.loaders.is_empty() && found.unusable.is_empty(), "it is asked for below the boot directory");
    }

    #[test]
    fn a_shim_beside_a_program_for_another_machine_is_told() {
        let lab = Lab::new(&[("boot/shimx64.efi", efi(X64)), ("boot/grubx64.efi", efi(ARM64))]);
        let why = &lab.find().unusable[0].reason;
        assert_eq!(why, "it is a shim, and grubx64.efi beside it, which it starts, is an EFI program for ARM 64 UEFI");
    }

    #[test]
    fn a_symbolic_link_stands_for_its_file_and_a_broken_one_is_told() {
        let lab = Lab::new(&[("usr/real", efi(X64))]);
        std::os::unix::fs::symlink(lab.path("usr/real"), lab.path("boot/ipxe.efi")).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", lab.path("boot/undionly.kpxe")).unwrap();
        let found = lab.find();
        assert_eq!(lab.offered(&found, Arch::X64), pair("ipxe.efi", "boot/ipxe.efi"));
        assert_eq!(found.unusable.len(), 1);
        assert_eq!(found.unusable[0].reason, "No such file or directory (os error 2)");
    }

    #[test]
    fn a_fifo_by_a_loaders_name_is_not_waited_for() {
        let lab = Lab::new(&[]);
        nix::unistd::mkfifo(&lab.path("boot/ipxe.efi"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(lab.find().unusable[0].reason, "not a regular file");
    }

    /// As a linker's, with one section that ends at `length`.
    fn program(machine: u16, length: usize) -> Vec<u8> {
        let mut file = efi(machine);
        (file[0x86], file[0x94]) = (1, 0xf0);
        let section = 0x98 + 0xf0;
        let size = u32::try_from(length - 0x400).unwrap().to_le_bytes();
        file[section + 16..section + 20].copy_from_slice(&size);
        file[section + 20..section + 24].copy_from_slice(&[0, 4, 0, 0]);
        file.resize(length, 0);
        file
    }

    #[test]
    fn a_loader_that_was_cut_short_is_told_of_for_the_architecture_that_lacks_it_with_what_it_is_given_instead() {
        let whole = program(X64, 284_672);
        assert_eq!(Lab::new(&[("boot/snponly.efi", whole.clone())]).find().unusable, []);
        let lab = Lab::new(&[("boot/snponly.efi", whole[..20_000].to_vec()), ("usr/snponly.efi", whole)]);
        let found = lab.find();
        assert_eq!(lab.offered(&found, Arch::X64), pair("uefi-x64/snponly.efi", "usr/snponly.efi"));
        let [misfit] = &found.unusable[..] else { panic!("{:?}", found.unusable) };
        assert_eq!(
            misfit.to_string(),
            format!(
                "{} is not offered for x64 UEFI: it is cut short: its header speaks of 284672 octets, and 20000 are there; {} is given in its place",
                lab.path("boot/snponly.efi").display(),
                lab.path("usr/snponly.efi").display()
            )
        );
        assert_eq!(misfit.fix, "copy it once more");
    }

    #[test]
    fn a_name_that_does_not_tell_the_architecture_is_not_put_down_to_one() {
        let lab = Lab::new(&[("boot/snponly.efi", bios())]);
        let told = lab.find().unusable[0].to_string();
        let told = told.strip_prefix(&lab.path("boot/").display().to_string()).unwrap();
        assert_eq!(told, "snponly.efi is not offered for UEFI: it is a BIOS program, or no program at all");
    }

    #[test]
    fn a_loader_that_may_not_be_read_wants_a_chmod() {
        let path = PathBuf::from("/srv/boot/ipxe-arm64.efi");
        let misfit = UnusableLoader::unreadable(path, &std::io::ErrorKind::PermissionDenied.into());
        assert_eq!(misfit.to_string(), "/srv/boot/ipxe-arm64.efi is not offered for ARM 64 UEFI: permission denied");
        assert_eq!(misfit.fix, "let the server read it: chmod a+r /srv/boot/ipxe-arm64.efi");
    }

    /// FOG's directory: x64 at the top, the others under the same names below.
    #[test]
    fn loaders_of_other_architectures_are_found_in_directories_of_their_names() {
        let lab = Lab::new(&[("boot/snponly.efi", efi(X64))]);
        for (directory, machine) in [("i386-efi", 0x014c), ("arm64-efi", ARM64)] {
            fs::create_dir(lab.path("boot").join(directory)).unwrap();
            fs::write(lab.path("boot").join(directory).join("snponly.efi"), efi(machine)).unwrap();
        }
        let found = lab.find();
        assert_eq!(lab.offered(&found, Arch::X64), pair("snponly.efi", "boot/snponly.efi"));
        assert_eq!(lab.offered(&found, Arch::IA32), pair("i386-efi/snponly.efi", "boot/i386-efi/snponly.efi"));
        assert_eq!(lab.offered(&found, arm64()), pair("arm64-efi/snponly.efi", "boot/arm64-efi/snponly.efi"));
        assert_eq!(found.unusable, []);
    }

    #[test]
    fn fedora_and_opensuse_names_are_known() {
        for (name, machine, arch) in [
            ("usr/ipxe-snponly-x86_64.efi", X64, Arch::X64),
            ("usr/snp-arm64.efi", ARM64, arm64()),
            ("usr/ipxe-i386.efi", 0x014c, Arch::IA32),
        ] {
            let found = Lab::new(&[(name, efi(machine))]).find();
            assert!(found.loaders.contains_key(&arch), "{name}");
        }
    }
}
