//! Scripts and programs that are entries by themselves, and what people put into a boot directory that is none.

use super::results::{HostNameScript, FoundEntry, SkippedFile};
use super::file_names::{extension, initrd_name, kernel_name};
use super::walk::{Tree, join, split_path};
use crate::boot::image::{self, Image};
use crate::boot::{loaders, script};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::{BootDirEntry, EntryTarget};
use proxydhcpd_core::script::HOST_NAME_PREFIX;
use proxydhcpd_core::script::local_disk_arch;
use proxydhcpd_core::shim::second_stage;

/// One directory.
pub struct ProgramScanner<'a> {
    pub tree: &'a Tree,
    pub directory: &'a str,
    pub found: &'a mut Vec<FoundEntry>,
    pub skipped: &'a mut Vec<SkippedFile>,
    pub host_name_scripts: &'a mut Vec<HostNameScript>,
}

/// What becomes of a file.
enum Fate {
    Starts(EntryTarget, Option<Lack>),
    /// The machine of this host name runs it before the menu.
    ByHostName(String),
    /// It has a word to be said about it.
    LeftOut(String),
    /// It serves another purpose, or none of ours.
    Unspoken,
}

/// Why a program does not boot as it stands, and what would help.
struct Lack(&'static str, &'static str);

const DISK: &str = "a disk image, which is not booted: sanboot or memdisk may, from a script";

impl ProgramScanner<'_> {
    pub fn scan(&mut self) {
        for name in self.tree.files(self.directory) {
            let path = self.tree.served_name(&join(self.directory, name));
            match self.fate(name, &path) {
                Fate::Starts(starts, lack) => {
                    let title = path.rsplit_once('.').map_or(&path[..], |(stem, _)| stem).to_owned();
                    let (lacks, cure) = lack.map(|Lack(why, cure)| (why.to_owned(), cure.to_owned())).unzip();
                    let entry = BootDirEntry { title, target: starts, problem: lacks };
                    self.found.push(FoundEntry { entry, arguments_from: None, cmdline: None, fix: cure });
                }
                Fate::ByHostName(host) => self.host_name_scripts.push(HostNameScript { path, host_name: host }),
                Fate::LeftOut(why) => self.skipped.push(SkippedFile { path, reason: why }),
                Fate::Unspoken => {}
            }
        }
    }

    fn fate(&self, name: &str, path: &str) -> Fate {
        let lower = name.to_ascii_lowercase();
        match &extension(name)[..] {
            "ipxe" => self.script(name, path),
            "efi" => self.efi(name, path),
            "lkrn" | "krn" => self.for_bios(name, path),
            "bin" | "" if ["memtest", "mt86"].iter().any(|begin| lower.starts_with(begin)) => self.for_bios(name, path),
            "" if self.is_unknown_kernel(name) => Fate::LeftOut(
                "a Linux kernel under a name that is not looked for: call it vmlinuz, with its initrd beside it"
                    .to_owned(),
            ),
            "kpxe" | "kkpxe" | "kkkpxe" | "pxe" if !loaders::is_loader_name(name) => Fate::LeftOut(format!(
                "a BIOS program under a name that is not looked for: `bios = \"{path}\"` under [profile.NAME.loaders] \
                 would \
                 offer it"
            )),
            "iso" => Fate::LeftOut("ISO images are not booted yet: unpack it into a directory".to_owned()),
            "wim" if lower == "boot.wim" => {
                Fate::LeftOut("Windows PE is started by wimboot, from a script (docs/windows.md)".to_owned())
            }
            // The boot programs of systems that nothing here starts as they stand.
            "c32" if lower == "mboot.c32" && self.tree.find(&join(self.directory, "boot.cfg")).is_some() => {
                Fate::LeftOut(
                    "ESXi's loader for BIOS, a module of SYSLINUX: iPXE cannot start it, PXELINUX can".to_owned(),
                )
            }
            "" | "i386" | "x86_64" | "arm64" if lower.split('.').next() == Some("wimboot") => {
                Fate::LeftOut("it starts Windows PE, and is started from a script (docs/windows.md)".to_owned())
            }
            "vhd" | "vhdx" | "qcow2" | "vmdk" => Fate::LeftOut(DISK.to_owned()),
            _ if is_archive(&lower) => {
                Fate::LeftOut("an archive, of which nothing is booted: unpack it into a directory".to_owned())
            }
            "img" | "ima" if !self.is_of_entry(path) && self.is_disk(name) => Fate::LeftOut(DISK.to_owned()),
            _ => Fate::Unspoken,
        }
    }

    fn script(&self, name: &str, path: &str) -> Fate {
        let lower = name.to_ascii_lowercase();
        let has = |file: &str| self.tree.find(&join(self.directory, file)).is_some();
        if ["boot.ipxe", "autoexec.ipxe"].contains(&path) {
            return Fate::Unspoken;
        }
        // netboot.xyz: `menu.ipxe` leads to the others, and looks for those of a machine by itself.
        if is_of_one_machine(&lower) {
            let host = name.get(HOST_NAME_PREFIX.len()..name.len() - ".ipxe".len()).unwrap_or_default();
            if lower.starts_with("hostname-") && !host.is_empty() && self.tree.is_top(self.directory) {
                return Fate::ByHostName(host.to_owned());
            }
            let why = "netboot.xyz's script for one machine; [machine.NAME] with a profile does that here";
            return Fate::LeftOut(why.to_owned());
        }
        if lower != "menu.ipxe" && has("menu.ipxe") && (has("boot.cfg") || has("local-vars.ipxe")) {
            return Fate::LeftOut("a part of netboot.xyz's menu, which menu.ipxe beside it leads to".to_owned());
        }
        match image::head(&self.tree.path(&join(self.directory, name))) {
            Ok((head, _)) => {
                let lack = script::header_fault(&head).map(|(why, cure)| Lack(why, cure));
                Fate::Starts(EntryTarget::Script { path: path.to_owned() }, lack)
            }
            Err(error) => Fate::LeftOut(error.to_string()),
        }
    }

    fn efi(&self, name: &str, path: &str) -> Fate {
        let is_loader = loaders::is_loader_name(name);
        // A loader of ours would lead in a circle; the local disk has a line of its own; a kernel is none without its
        // initrd.
        if (is_loader && (self.tree.is_top(self.directory) || loaders::is_arch_directory(&self.tree.served_name(self.directory))))
            || local_disk_arch(path).is_some()
            || kernel_name(name).is_some()
        {
            return Fate::Unspoken;
        }
        if is_ipxe(name) {
            return Fate::LeftOut("an iPXE: started from our iPXE it would only come back to this menu".to_owned());
        }
        if let Some(second) = second_stage(name)
            && self.tree.find(&join(self.directory, &second)).is_some()
        {
            return Fate::LeftOut(format!(
                "firmware has to start a shim, and loaders are looked for at the top of the boot directory: put it there \
                 with \
                 {second}, or name it under [profile.NAME.loaders]"
            ));
        }
        match image::inspect(&self.tree.path(&join(self.directory, name))) {
            Ok(Image::Efi(machine)) => match image::arch_of_machine_type(machine) {
                Some(arch) => Fate::Starts(EntryTarget::Efi { path: path.to_owned(), arch }, self.lack(name)),
                None => Fate::LeftOut(format!("it is {}", Image::Efi(machine))),
            },
            Ok(image) => Fate::LeftOut(format!("it is {image}")),
            Err(error) => Fate::LeftOut(error.to_string()),
        }
    }

    /// A kernel that has all in itself, and that only a BIOS machine is known to start: a memory test, an iPXE.
    fn for_bios(&self, name: &str, path: &str) -> Fate {
        match image::head(&self.tree.path(&join(self.directory, name))) {
            Ok((head, _)) if image::kernel_arch(&head).is_some() => {
                let kernel = path.to_owned();
                let arch = Arch::BIOS;
                Fate::Starts(EntryTarget::Linux { kernel, initrds: Vec::new(), arguments: String::new(), arch }, None)
            }
            Ok(_) => Fate::LeftOut("it is not in the format of a Linux kernel".to_owned()),
            Err(error) => Fate::LeftOut(error.to_string()),
        }
    }

    /// The boot programs of systems that look for their configuration on a disc.
    fn lack(&self, name: &str) -> Option<Lack> {
        const WINDOWS: Lack = Lack(
            "Windows' boot manager looks for its configuration on a disc",
            "start Windows PE with wimboot (docs/windows.md)",
        );
        if ["bootmgr.efi", "bootmgfw.efi"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return Some(WINDOWS);
        }
        let end = "efi/boot";
        let root = self.directory.len().checked_sub(end.len()).and_then(|at| self.directory.split_at_checked(at));
        let (root, _) = root.filter(|(_, last)| last.eq_ignore_ascii_case(end))?;
        let has = |path: &str| self.tree.find(&format!("{root}{path}")).is_some();
        if !name.to_ascii_lowercase().starts_with("boot") {
            return None;
        }
        if has("sources/boot.wim") {
            return Some(WINDOWS);
        }
        has("boot.cfg").then_some(Lack(
            "ESXi's loader takes its files from the top of the server, by the names in boot.cfg",
            "copy boot.cfg beside the program, with prefix= set to the directory's URL and no slash in front of the names",
        ))
    }

    /// Whether a kernel that was found is this file, or is started with it.
    fn is_of_entry(&self, path: &str) -> bool {
        self.found.iter().any(|found| match &found.entry.target {
            EntryTarget::Linux { kernel, initrds, .. } => kernel == path || initrds.iter().any(|initrd| initrd == path),
            _ => false,
        })
    }

    /// wimboot has a kernel's head, and is started from a script.
    fn is_unknown_kernel(&self, name: &str) -> bool {
        let named = kernel_name(name).is_some() || initrd_name(name).is_some() || name.eq_ignore_ascii_case("wimboot");
        let head = || image::head(&self.tree.path(&join(self.directory, name)));
        !named && head().is_ok_and(|(head, _)| image::kernel_arch(&head).is_some())
    }

    /// A disk or a floppy has the mark of a boot sector, as a kernel may have. Those that an EFI program lies in belong
    /// to an unpacked disc.
    fn is_disk(&self, name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        let part_of_disc = ["efi", "esp", "boot."].iter().any(|begin| lower.starts_with(begin));
        let head = image::head(&self.tree.path(&join(self.directory, name)));
        let is_disk = |head: &[u8]| head.get(510..512) == Some(&[0x55, 0xaa]) && image::kernel_arch(head).is_none();
        !part_of_disc && head.is_ok_and(|(head, _)| is_disk(&head))
    }
}

/// In lower case. What is packed as an initrd is (`initrd.img.xz`, `image.cpio.gz`) goes by other names.
fn is_archive(name: &str) -> bool {
    const ARCHIVES: [&str; 6] = ["zip", "7z", "rar", "tar", "tgz", "txz"];
    const PACKED: [&str; 5] = ["tar", "iso", "img", "raw", "vhd"];
    let is_packed = |packed: &str| name.rsplit_once('.').is_some_and(|(stem, _)| extension(stem) == packed);
    let compressed = ["gz", "xz", "bz2", "zst"].contains(&&extension(name)[..]);
    ARCHIVES.contains(&&extension(name)[..]) || (compressed && initrd_name(name).is_none() && PACKED.into_iter().any(is_packed))
}

/// `MAC-525400000010.ipxe`, `HOSTNAME-pc1.ipxe`, and the variables of the site.
fn is_of_one_machine(name: &str) -> bool {
    let mac = name.strip_prefix("mac-").and_then(|rest| rest.strip_suffix(".ipxe"));
    mac.is_some_and(|mac| mac.len() == 12 && mac.bytes().all(|octet| octet.is_ascii_hexdigit()))
        || (name.starts_with("hostname-") && name.ends_with(".ipxe"))
}

/// The names of iPXE's own builds, and FOG's of the same.
fn is_ipxe(name: &str) -> bool {
    const BUILDS: [&str; 6] = ["ipxe", "snp", "snponly", "intel", "realtek", "ncm--ecm--axge"];
    let lower = name.to_ascii_lowercase();
    let stem = split_path(&lower).1.trim_end_matches(".efi");
    BUILDS.contains(&stem) || (loaders::is_loader_name(name) && ["ipxe", "snp"].iter().any(|begin| stem.starts_with(begin)))
}
