//! Finds scripts and programs for the menu, and reports files that look bootable but cannot be in the menu.

use super::file_names::{extension, initrd_name, kernel_name};
use super::results::{FoundEntry, HostNameScript, SkippedFile};
use super::walk::{Tree, join, split_path};
use crate::boot_files::image::{self, Image};
use crate::boot_files::script;
use crate::loaders;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::offer::{BootDirEntry, EntryTarget};
use proxydhcpd_core::script::HOST_NAME_PREFIX;
use proxydhcpd_core::script::local_disk_arch;
use proxydhcpd_core::shim::second_stage;

/// The scan of one directory for scripts and programs.
pub struct ProgramScanner<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// The directory in the tree.
    pub directory: &'a str,
    /// The entries of the menu so far.
    pub found: &'a mut Vec<FoundEntry>,
    /// The skipped files so far.
    pub skipped: &'a mut Vec<SkippedFile>,
    /// The scripts for single host names so far.
    pub host_name_scripts: &'a mut Vec<HostNameScript>,
}

/// The classification of a file.
enum Classification {
    /// The file becomes a menu entry. If the entry is known not to boot, the problem is given.
    Starts(EntryTarget, Option<KnownProblem>),
    /// The machine with this host name runs the file, a script, before the menu.
    ByHostName(String),
    /// The file gets no entry, and is reported with this reason.
    Skipped(String),
    /// The file gets no entry and no report, because it serves another purpose or none.
    Ignored,
}

/// Why a program does not boot, and how to fix it.
struct KnownProblem(&'static str, &'static str);

const DISK_IMAGE: &str = "a disk image: boot it with sanboot or memdisk in a script";

impl ProgramScanner<'_> {
    /// Adds an entry for each script and program, and reports bootable files that cannot be entries.
    pub fn scan(&mut self) {
        for name in self.tree.files(self.directory) {
            let path = self.tree.served_name(&join(self.directory, name));
            match self.classify(name, &path) {
                Classification::Starts(target, problem) => {
                    let title = path.rsplit_once('.').map_or(&path[..], |(stem, _)| stem).to_owned();
                    let (problem, fix) =
                        problem.map(|KnownProblem(reason, fix)| (reason.to_owned(), fix.to_owned())).unzip();
                    let entry = BootDirEntry { title, target, problem };
                    self.found.push(FoundEntry { entry, arguments_from: None, cmdline: None, fix });
                }
                Classification::ByHostName(host) => {
                    self.host_name_scripts.push(HostNameScript { path, host_name: host })
                }
                Classification::Skipped(reason) => self.skipped.push(SkippedFile { path, reason }),
                Classification::Ignored => {}
            }
        }
    }

    fn classify(&self, name: &str, path: &str) -> Classification {
        let lower = name.to_ascii_lowercase();
        match &extension(name)[..] {
            "ipxe" => self.script(name, path),
            "efi" => self.efi(name, path),
            "lkrn" | "krn" => self.for_bios(name, path),
            "bin" | "" if ["memtest", "mt86"].iter().any(|begin| lower.starts_with(begin)) => self.for_bios(name, path),
            "" if self.is_unknown_kernel(name) => Classification::Skipped(
                "a Linux kernel with an unknown name: rename it to vmlinuz, and put its initrd into the same directory"
                    .to_owned(),
            ),
            "kpxe" | "kkpxe" | "kkkpxe" | "pxe" if !loaders::is_loader_name(name) => Classification::Skipped(format!(
                "a BIOS program with an unknown name: set `bios = \"{path}\"` in [profile.NAME.loaders] to offer it"
            )),
            "iso" => Classification::Skipped(
                "an ISO image, which cannot be booted yet: unpack it into a directory".to_owned(),
            ),
            "wim" if lower == "boot.wim" => {
                Classification::Skipped("Windows PE boots with wimboot, from a script (docs/windows.md)".to_owned())
            }
            // The boot programs of systems that do not boot from a menu entry alone.
            "c32" if lower == "mboot.c32" && self.tree.find(&join(self.directory, "boot.cfg")).is_some() => {
                Classification::Skipped(
                    "ESXi's loader for BIOS, a SYSLINUX module: iPXE cannot start it, PXELINUX can".to_owned(),
                )
            }
            "" | "i386" | "x86_64" | "arm64" if lower.split('.').next() == Some("wimboot") => {
                Classification::Skipped("wimboot starts Windows PE from a script (docs/windows.md)".to_owned())
            }
            "vhd" | "vhdx" | "qcow2" | "vmdk" => Classification::Skipped(DISK_IMAGE.to_owned()),
            _ if is_archive(&lower) => Classification::Skipped("an archive: unpack it into a directory".to_owned()),
            "img" | "ima" if !self.is_of_entry(path) && self.is_disk(name) => {
                Classification::Skipped(DISK_IMAGE.to_owned())
            }
            _ => Classification::Ignored,
        }
    }

    fn script(&self, name: &str, path: &str) -> Classification {
        let lower = name.to_ascii_lowercase();
        let has = |file: &str| self.tree.find(&join(self.directory, file)).is_some();
        if ["boot.ipxe", "autoexec.ipxe"].contains(&path) {
            return Classification::Ignored;
        }
        // In netboot.xyz, `menu.ipxe` starts the other scripts, and looks for a script for the machine.
        if is_of_one_machine(&lower) {
            let host = name.get(HOST_NAME_PREFIX.len()..name.len() - ".ipxe".len()).unwrap_or_default();
            if lower.starts_with("hostname-") && !host.is_empty() && self.tree.is_top(self.directory) {
                return Classification::ByHostName(host.to_owned());
            }
            let reason = "netboot.xyz's script for one machine: use [machine.NAME] with a profile instead";
            return Classification::Skipped(reason.to_owned());
        }
        if lower != "menu.ipxe" && has("menu.ipxe") && (has("boot.cfg") || has("local-vars.ipxe")) {
            return Classification::Skipped("a part of netboot.xyz's menu, which menu.ipxe starts".to_owned());
        }
        match image::head(&self.tree.path(&join(self.directory, name))) {
            Ok((head, _)) => {
                let known_problem = script::header_fault(&head).map(|(reason, fix)| KnownProblem(reason, fix));
                Classification::Starts(EntryTarget::Script { path: path.to_owned() }, known_problem)
            }
            Err(error) => Classification::Skipped(error.to_string()),
        }
    }

    fn efi(&self, name: &str, path: &str) -> Classification {
        let is_loader = loaders::is_loader_name(name);
        // The site's loader would only load the menu again. The program for the local disk has a separate line in the
        // menu. A kernel needs its initrd.
        if (is_loader
            && (self.tree.is_top(self.directory) || loaders::is_arch_directory(&self.tree.served_name(self.directory))))
            || local_disk_arch(path).is_some()
            || kernel_name(name).is_some()
        {
            return Classification::Ignored;
        }
        if is_ipxe(name) {
            return Classification::Skipped("an iPXE: it would only load this menu again".to_owned());
        }
        if let Some(second) = second_stage(name)
            && self.tree.find(&join(self.directory, &second)).is_some()
        {
            return Classification::Skipped(format!(
                "only firmware can start a shim: put it with {second} at the top of the boot directory, or name it in \
                 [profile.NAME.loaders]"
            ));
        }
        match image::inspect(&self.tree.path(&join(self.directory, name))) {
            Ok(Image::Efi(machine)) => match image::arch_of_machine_type(machine) {
                Some(arch) => {
                    Classification::Starts(EntryTarget::Efi { path: path.to_owned(), arch }, self.known_problem(name))
                }
                None => Classification::Skipped(format!("it is {}", Image::Efi(machine))),
            },
            Ok(image) => Classification::Skipped(format!("it is {image}")),
            Err(error) => Classification::Skipped(error.to_string()),
        }
    }

    /// Classifies a file in the format of a kernel that needs no initrd, and that BIOS machines can start: Memtest86+,
    /// iPXE.
    fn for_bios(&self, name: &str, path: &str) -> Classification {
        match image::head(&self.tree.path(&join(self.directory, name))) {
            Ok((head, _)) if image::kernel_arch(&head).is_some() => {
                let kernel = path.to_owned();
                let arch = Arch::BIOS;
                Classification::Starts(
                    EntryTarget::Linux { kernel, initrds: Vec::new(), arguments: String::new(), arch },
                    None,
                )
            }
            Ok(_) => Classification::Skipped("it is not in the format of a Linux kernel".to_owned()),
            Err(error) => Classification::Skipped(error.to_string()),
        }
    }

    /// Why this program does not boot, if that is known: some boot programs do not look for their configuration or
    /// their files in the directory from which they were loaded.
    fn known_problem(&self, name: &str) -> Option<KnownProblem> {
        const WINDOWS_BOOT_MANAGER: KnownProblem = KnownProblem(
            "Windows' boot manager looks for its configuration on a disc",
            "start Windows PE with wimboot (docs/windows.md)",
        );
        if ["bootmgr.efi", "bootmgfw.efi"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return Some(WINDOWS_BOOT_MANAGER);
        }
        let end = "efi/boot";
        let root = self.directory.len().checked_sub(end.len()).and_then(|at| self.directory.split_at_checked(at));
        let (root, _) = root.filter(|(_, last)| last.eq_ignore_ascii_case(end))?;
        let has = |path: &str| self.tree.find(&format!("{root}{path}")).is_some();
        if !name.to_ascii_lowercase().starts_with("boot") {
            return None;
        }
        if has("sources/boot.wim") {
            return Some(WINDOWS_BOOT_MANAGER);
        }
        has("boot.cfg").then_some(KnownProblem(
            "ESXi's loader requests the files in boot.cfg from the top of the server",
            "copy boot.cfg into the program's directory, set prefix= to the directory's URL, and remove the slash in \
            front of the names",
        ))
    }

    /// Whether this file is the kernel or an initrd of a menu entry.
    fn is_of_entry(&self, path: &str) -> bool {
        self.found.iter().any(|found| match &found.entry.target {
            EntryTarget::Linux { kernel, initrds, .. } => kernel == path || initrds.iter().any(|initrd| initrd == path),
            _ => false,
        })
    }

    /// Whether this is a kernel whose name is not that of a kernel. wimboot also has the header of a kernel, but it
    /// needs a script.
    fn is_unknown_kernel(&self, name: &str) -> bool {
        let named = kernel_name(name).is_some() || initrd_name(name).is_some() || name.eq_ignore_ascii_case("wimboot");
        let head = || image::head(&self.tree.path(&join(self.directory, name)));
        !named && head().is_ok_and(|(head, _)| image::kernel_arch(&head).is_some())
    }

    /// Whether this is the image of a disk or a floppy. Such an image has the signature of a boot sector, which a
    /// kernel may have too. An image that contains an EFI program belongs to an unpacked disc, and does not count.
    fn is_disk(&self, name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        let part_of_disc = ["efi", "esp", "boot."].iter().any(|begin| lower.starts_with(begin));
        let head = image::head(&self.tree.path(&join(self.directory, name)));
        let is_disk = |head: &[u8]| head.get(510..512) == Some(&[0x55, 0xaa]) && image::kernel_arch(head).is_none();
        !part_of_disc && head.is_ok_and(|(head, _)| is_disk(&head))
    }
}

/// Whether this name, in lower case, is that of an archive. The names of compressed initrds (`initrd.img.xz`,
/// `image.cpio.gz`) are not.
fn is_archive(name: &str) -> bool {
    const ARCHIVES: [&str; 6] = ["zip", "7z", "rar", "tar", "tgz", "txz"];
    const PACKED: [&str; 5] = ["tar", "iso", "img", "raw", "vhd"];
    let is_packed = |packed: &str| name.rsplit_once('.').is_some_and(|(stem, _)| extension(stem) == packed);
    let compressed = ["gz", "xz", "bz2", "zst"].contains(&&extension(name)[..]);
    ARCHIVES.contains(&&extension(name)[..])
        || (compressed && initrd_name(name).is_none() && PACKED.into_iter().any(is_packed))
}

/// Whether this is the name of a script for one machine: `MAC-525400000010.ipxe`, `HOSTNAME-pc1.ipxe`.
fn is_of_one_machine(name: &str) -> bool {
    let mac = name.strip_prefix("mac-").and_then(|rest| rest.strip_suffix(".ipxe"));
    mac.is_some_and(|mac| mac.len() == 12 && mac.bytes().all(|octet| octet.is_ascii_hexdigit()))
        || (name.starts_with("hostname-") && name.ends_with(".ipxe"))
}

/// Whether this is the name of a build of iPXE, or of one from FOG.
fn is_ipxe(name: &str) -> bool {
    const BUILDS: [&str; 6] = ["ipxe", "snp", "snponly", "intel", "realtek", "ncm--ecm--axge"];
    let lower = name.to_ascii_lowercase();
    let stem = split_path(&lower).1.trim_end_matches(".efi");
    BUILDS.contains(&stem)
        || (loaders::is_loader_name(name) && ["ipxe", "snp"].iter().any(|begin| stem.starts_with(begin)))
}
