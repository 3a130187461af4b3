//! Finds a loader for each architecture, in the boot directory or where distributions install iPXE, and checks it.

use super::second_stage::missing_second_stage;
use super::unusable_loader::UnusableLoader;
use crate::boot_files::image::{self, Image};
use proxydhcpd_core::arch::{ARCHITECTURES, Arch, ArchInfo, ImageFormat};
use proxydhcpd_core::plan::offer::Loader;
use proxydhcpd_core::shape::MAX_FILE_LENGTH;
use proxydhcpd_core::shim::second_stage;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The directories in which distributions install iPXE, in the order of the search, which begins in the boot directory.
/// The file names differ too: the architecture table lists them. If several architectures use the same name, the
/// program's header decides.
pub const DISTRIBUTION_DIRECTORIES: &[&str] = &[
    // Debian, Ubuntu (`ipxe`); Debian 12's ipxe.efi is a symbolic link to /boot/ipxe.efi.
    "/usr/lib/ipxe",
    // Fedora, RHEL (`ipxe-bootimgs-x86`), openSUSE (`ipxe-bootimgs`), Arch, Alpine: undionly.kpxe and the files with an
    // architecture in their name.
    "/usr/share/ipxe",
    // Fedora, RHEL (`ipxe-bootimgs-aarch64`): snponly.efi, ipxe.efi.
    "/usr/share/ipxe/arm64-efi",
    // Arch: ipxe.efi.
    "/usr/share/ipxe/x86_64",
];

/// The result of the search.
#[derive(Clone, Debug, Default)]
pub struct FoundLoaders {
    /// The loaders, by architecture.
    pub loaders: BTreeMap<Arch, Loader>,
    /// Files with the name of a loader that no architecture can use.
    pub unusable: Vec<UnusableLoader>,
}

/// Subdirectories of the boot directory that may contain loaders. FOG puts the loaders for 32-bit x86 and ARM into such
/// directories, under the names that the x64 loaders have at the top of the boot directory.
fn arch_directories() -> impl Iterator<Item = &'static str> {
    ARCHITECTURES.iter().filter_map(|row| row.names.directory)
}

/// Looks for the loaders of all architectures. The server offers a file only to an architecture that can start it. A
/// file is listed as unusable if no architecture that uses its name can start it. For example, an x64 `snponly.efi` is
/// usable although ARM looks for that name too.
pub fn find(boot_dir: &Path, directories: &[&Path]) -> FoundLoaders {
    let mut found = FoundLoaders::default();
    let arch_directories: Vec<PathBuf> = arch_directories().map(|name| boot_dir.join(name)).collect();
    let searched = [boot_dir].into_iter().chain(arch_directories.iter().map(PathBuf::as_path));
    let directories: Vec<SearchDirectory> =
        searched.chain(directories.iter().copied()).map(SearchDirectory::list).collect();
    for row in ARCHITECTURES.iter().filter(|row| row.base == row.code) {
        for (index, directory) in directories.iter().enumerate() {
            // shim requests its second stage from this server, which serves that file only from the boot directory.
            let with_shims = index <= arch_directories.len();
            if let Some(path) = best_in(directory, row, with_shims, &mut found.unusable) {
                let relative = path.strip_prefix(boot_dir).ok();
                let loader = choose_name(&found.loaders, boot_dir, row, &path, relative);
                found.loaders.extend(loader.map(|loader| (Arch(row.code), loader)));
                break;
            }
        }
    }
    for unusable in &mut found.unusable {
        let replacement = unusable.archs.iter().find_map(|arch| found.loaders.get(arch));
        // If several architectures use the name, the file may have been meant for an architecture without a
        // replacement.
        let certain = unusable.archs.len() == 1;
        unusable.replacement =
            replacement.filter(|_| certain).and_then(|loader| loader.path.as_ref()).map(PathBuf::from);
    }
    found
}

/// A directory, and the files in it that have the name of a loader. Upper and lower case are equal, because removable
/// media mostly use capitals.
struct SearchDirectory<'a> {
    directory: &'a Path,
    names: Vec<String>,
}

impl SearchDirectory<'_> {
    fn list(directory: &Path) -> SearchDirectory<'_> {
        let names = fs::read_dir(directory).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_loader_name(name));
        SearchDirectory { directory, names: names.collect() }
    }

    /// The path of the file with this name, or else of a file whose name differs only in case; `None` if neither
    /// exists.
    fn file(&self, name: &str) -> Option<PathBuf> {
        let ignoring_case = |known: &&String| known.eq_ignore_ascii_case(name);
        let found = self.names.iter().find(|known| *known == name).or_else(|| self.names.iter().find(ignoring_case));
        found.map(|found| self.directory.join(found))
    }
}

/// Whether this subdirectory of the boot directory may contain loaders.
pub fn is_arch_directory(directory: &str) -> bool {
    arch_directories().any(|known| known == directory)
}

/// Whether any architecture has a loader with this file name.
pub fn is_loader_name(name: &str) -> bool {
    ARCHITECTURES.iter().flat_map(|row| row.loaders).any(|loader| loader.eq_ignore_ascii_case(name))
}

fn best_in(
    directory: &SearchDirectory<'_>,
    row: &ArchInfo,
    with_shims: bool,
    unusable_loaders: &mut Vec<UnusableLoader>,
) -> Option<PathBuf> {
    let names = row.loaders.iter().filter(|name| with_shims || second_stage(name).is_none());
    for path in names.filter_map(|name| directory.file(name)) {
        let unusable = match image::inspect(&path) {
            Ok(image) if image.fits(row.image) => match missing_second_stage(&path, row) {
                Some(what) => UnusableLoader::without_second_stage(path, Arch(row.code), &what),
                None => return Some(path),
            },
            Ok(image) if fits_another_architecture(image, &path) => continue,
            Ok(image) => UnusableLoader::from_image(path, image),
            Err(error) => UnusableLoader::unreadable(path, &error),
        };
        if !unusable_loaders.iter().any(|known| known.path == unusable.path) {
            unusable_loaders.push(unusable);
        }
    }
    None
}

/// Why a machine of this architecture cannot start the file; `None` if it can.
pub fn incompatibility(path: &Path, arch: Arch) -> Option<String> {
    let image = match image::inspect(path) {
        Ok(image) => image,
        Err(error) => return Some(format!("{}: {error}", path.display())),
    };
    let program = arch.info().map_or(ImageFormat::None, |row| row.image);
    if program != ImageFormat::None && !image.fits(program) {
        return Some(format!("it is {image}"));
    }
    arch.info().and_then(|row| missing_second_stage(path, row)).map(|what| format!("it is {what}"))
}

fn fits_another_architecture(image: Image, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let has_name = |row: &&ArchInfo| row.loaders.iter().any(|loader| name.eq_ignore_ascii_case(loader));
    ARCHITECTURES.iter().filter(has_name).any(|row| image.fits(row.image))
}

/// Chooses the name under which the server offers the file: its file name, preceded by the architecture if that name
/// already leads to another file in the boot directory or among the loaders. Returns `None` if the name is too long for
/// an offer, or not UTF-8.
fn choose_name(
    taken: &BTreeMap<Arch, Loader>,
    boot_dir: &Path,
    row: &ArchInfo,
    path: &Path,
    relative: Option<&Path>,
) -> Option<Loader> {
    let path = path.to_str()?;
    let own = relative.unwrap_or(Path::new(path).file_name()?.as_ref()).to_str()?;
    let is_taken = taken.values().any(|other| other.name == own && other.path.as_deref() != Some(path))
        || (relative.is_none() && boot_dir.join(own).symlink_metadata().is_ok());
    let name = if is_taken { format!("{}/{own}", row.id) } else { own.to_owned() };
    (name.len() <= MAX_FILE_LENGTH).then(|| Loader { name, path: Some(path.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_files::image::tests::{bios, efi};
    use std::fs;

    const X64: u16 = 0x8664;
    const ARM64: u16 = 0xaa64;

    struct TestDirectories {
        root: tempfile::TempDir,
    }

    impl TestDirectories {
        fn new(files: &[(&str, Vec<u8>)]) -> TestDirectories {
            let root = tempfile::tempdir().unwrap();
            for directory in ["boot", "usr"] {
                fs::create_dir(root.path().join(directory)).unwrap();
            }
            for (name, content) in files {
                fs::write(root.path().join(name), content).unwrap();
            }
            TestDirectories { root }
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
        let dirs = TestDirectories::new(&[
            ("usr/snponly.efi", efi(X64)),
            ("boot/ipxe.efi", efi(X64)),
            ("usr/undionly.kpxe", bios()),
        ]);
        let found = dirs.find();
        assert_eq!(dirs.offered(&found, Arch::X64), pair("ipxe.efi", "boot/ipxe.efi"));
        assert_eq!(dirs.offered(&found, Arch::BIOS), pair("undionly.kpxe", "usr/undionly.kpxe"));
    }

    #[test]
    fn one_name_serves_the_architecture_that_the_program_is_for() {
        let dirs = TestDirectories::new(&[("usr/snponly.efi", efi(ARM64))]);
        let found = dirs.find();
        assert_eq!(dirs.offered(&found, arm64()), pair("snponly.efi", "usr/snponly.efi"));
        assert_eq!(dirs.offered(&found, Arch::X64), None);
        assert_eq!(found.unusable, []);
    }

    #[test]
    fn two_loaders_of_one_name_get_different_names() {
        let dirs = TestDirectories::new(&[("boot/snponly.efi", efi(ARM64)), ("usr/snponly.efi", efi(X64))]);
        let found = dirs.find();
        assert_eq!(dirs.offered(&found, arm64()), pair("snponly.efi", "boot/snponly.efi"));
        assert_eq!(dirs.offered(&found, Arch::X64), pair("uefi-x64/snponly.efi", "usr/snponly.efi"));
    }

    #[test]
    fn a_program_for_another_machine_is_never_offered() {
        let dirs =
            TestDirectories::new(&[("boot/ipxe-arm64.efi", efi(X64)), ("boot/undionly.kpxe", b"#!ipxe\n".repeat(100))]);
        let found = dirs.find();
        assert!(found.loaders.is_empty());
        let reasons: Vec<_> =
            found.unusable.iter().map(|unusable| (unusable.archs[0], unusable.reason.as_str())).collect();
        assert_eq!(reasons, [(Arch::BIOS, "it is a script"), (arm64(), "it is an EFI program for x64 UEFI")]);
        assert_eq!(
            found.unusable[1].fix,
            "rename it to ipxe-x64.efi, and put a program of the right kind in its place"
        );
    }

    #[test]
    fn removable_media_names_in_capitals_are_found() {
        let dirs = TestDirectories::new(&[("boot/BOOTX64.EFI", efi(X64)), ("boot/bootaa64.efi", efi(ARM64))]);
        let found = dirs.find();
        assert_eq!(dirs.offered(&found, Arch::X64), pair("BOOTX64.EFI", "boot/BOOTX64.EFI"));
        assert_eq!(dirs.offered(&found, arm64()), pair("bootaa64.efi", "boot/bootaa64.efi"));
    }

    #[test]
    fn every_architecture_finds_its_removable_media_program() {
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
            let dirs = TestDirectories::new(&[(&file, efi(machine))]);
            assert_eq!(dirs.offered(&dirs.find(), Arch::from_id(id).unwrap()), pair(name, &file), "{name}");
        }
    }

    #[test]
    fn a_shim_with_its_second_stage_takes_precedence() {
        let files = |shim: &'static str, second: &'static str| {
            [("boot/snponly-x64.efi", efi(X64)), (shim, efi(X64)), (second, efi(X64)), ("usr/shimx64.efi", efi(X64))]
        };
        for (shim, second) in [
            ("boot/shimx64.efi", "boot/grubx64.efi"),
            ("boot/ipxe-shim.efi", "boot/ipxe.efi"),
            ("boot/snponly-shimx64.efi", "boot/snponly.efi"),
        ] {
            let dirs = TestDirectories::new(&files(shim, second));
            let found = dirs.find();
            assert_eq!(dirs.offered(&found, Arch::X64), pair(&shim["boot/".len()..], shim));
            assert_eq!(found.unusable, []);

            let dirs = TestDirectories::new(&files(shim, "boot/another.efi"));
            let found = dirs.find();
            assert_eq!(dirs.offered(&found, Arch::X64), pair("snponly-x64.efi", "boot/snponly-x64.efi"));
            let reason = &found.unusable[0].reason;
            assert_eq!(
                *reason,
                format!("it is a shim that starts {}, which is missing in its directory", &second["boot/".len()..])
            );
        }
    }

    #[test]
    fn a_shim_whose_second_stage_is_out_of_reach_is_not_offered() {
        let dirs = TestDirectories::new(&[("usr/shimx64.efi", efi(X64)), ("usr/grubx64.efi", efi(X64))]);
        let found = dirs.find();
        assert!(
            found.loaders.is_empty() && found.unusable.is_empty(),
            "the second stage is requested below the boot directory"
        );
    }

    #[test]
    fn a_shim_with_a_second_stage_for_another_architecture_is_reported() {
        let dirs = TestDirectories::new(&[("boot/shimx64.efi", efi(X64)), ("boot/grubx64.efi", efi(ARM64))]);
        let reason = &dirs.find().unusable[0].reason;
        assert_eq!(reason, "it is a shim that starts grubx64.efi, which is an EFI program for ARM 64 UEFI");
    }

    #[test]
    fn a_symbolic_link_is_followed_and_a_broken_one_is_reported() {
        let dirs = TestDirectories::new(&[("usr/real", efi(X64))]);
        std::os::unix::fs::symlink(dirs.path("usr/real"), dirs.path("boot/ipxe.efi")).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", dirs.path("boot/undionly.kpxe")).unwrap();
        let found = dirs.find();
        assert_eq!(dirs.offered(&found, Arch::X64), pair("ipxe.efi", "boot/ipxe.efi"));
        assert_eq!(found.unusable.len(), 1);
        assert_eq!(found.unusable[0].reason, "No such file or directory (os error 2)");
    }

    #[test]
    fn a_fifo_with_the_name_of_a_loader_does_not_block() {
        let dirs = TestDirectories::new(&[]);
        nix::unistd::mkfifo(&dirs.path("boot/ipxe.efi"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(dirs.find().unusable[0].reason, "not a regular file");
    }

    /// An EFI program with one section that ends at `length`.
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
    fn a_truncated_loader_is_reported_with_its_replacement() {
        let whole = program(X64, 284_672);
        assert_eq!(TestDirectories::new(&[("boot/snponly.efi", whole.clone())]).find().unusable, []);
        let dirs = TestDirectories::new(&[("boot/snponly.efi", whole[..20_000].to_vec()), ("usr/snponly.efi", whole)]);
        let found = dirs.find();
        assert_eq!(dirs.offered(&found, Arch::X64), pair("uefi-x64/snponly.efi", "usr/snponly.efi"));
        let [unusable] = &found.unusable[..] else { panic!("{:?}", found.unusable) };
        assert_eq!(
            unusable.to_string(),
            format!(
                "{} is not offered for x64 UEFI: it is truncated: its header declares 284672 octets, the file has \
                 20000; {} is offered instead",
                dirs.path("boot/snponly.efi").display(),
                dirs.path("usr/snponly.efi").display()
            )
        );
        assert_eq!(unusable.fix, "copy it again");
    }

    #[test]
    fn a_name_that_several_architectures_share_is_reported_without_architecture() {
        let dirs = TestDirectories::new(&[("boot/snponly.efi", bios())]);
        let message = dirs.find().unusable[0].to_string();
        let message = message.strip_prefix(&dirs.path("boot/").display().to_string()).unwrap();
        assert_eq!(message, "snponly.efi is not offered for UEFI: it is a BIOS program, or no program at all");
    }

    #[test]
    fn an_unreadable_loader_is_fixed_by_chmod() {
        let path = PathBuf::from("/srv/boot/ipxe-arm64.efi");
        let unusable = UnusableLoader::unreadable(path, &std::io::ErrorKind::PermissionDenied.into());
        assert_eq!(unusable.to_string(), "/srv/boot/ipxe-arm64.efi is not offered for ARM 64 UEFI: permission denied");
        assert_eq!(unusable.fix, "let the server read it: chmod a+r /srv/boot/ipxe-arm64.efi");
    }

    /// FOG's directory contains the x64 loaders at the top, and loaders of other architectures under the same names in
    /// subdirectories.
    #[test]
    fn loaders_of_other_architectures_are_found_in_their_directories() {
        let dirs = TestDirectories::new(&[("boot/snponly.efi", efi(X64))]);
        for (directory, machine) in [("i386-efi", 0x014c), ("arm64-efi", ARM64)] {
            fs::create_dir(dirs.path("boot").join(directory)).unwrap();
            fs::write(dirs.path("boot").join(directory).join("snponly.efi"), efi(machine)).unwrap();
        }
        let found = dirs.find();
        assert_eq!(dirs.offered(&found, Arch::X64), pair("snponly.efi", "boot/snponly.efi"));
        assert_eq!(dirs.offered(&found, Arch::IA32), pair("i386-efi/snponly.efi", "boot/i386-efi/snponly.efi"));
        assert_eq!(dirs.offered(&found, arm64()), pair("arm64-efi/snponly.efi", "boot/arm64-efi/snponly.efi"));
        assert_eq!(found.unusable, []);
    }

    #[test]
    fn fedora_and_opensuse_names_are_known() {
        for (name, machine, arch) in [
            ("usr/ipxe-snponly-x86_64.efi", X64, Arch::X64),
            ("usr/snp-arm64.efi", ARM64, arm64()),
            ("usr/ipxe-i386.efi", 0x014c, Arch::IA32),
        ] {
            let found = TestDirectories::new(&[(name, efi(machine))]).find();
            assert!(found.loaders.contains_key(&arch), "{name}");
        }
    }
}
