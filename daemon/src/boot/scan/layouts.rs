//! Systems that are known not to start without being told where the rest of them is, and what tells them.
//!
//! A row is known by how an unpacked tree is laid out. Where nobody says what a system wants, its entry of the menu
//! says why it does not boot.

use super::walk::{Tree, join};
use proxydhcpd_core::url::percent_encode;

/// A kernel of a tree, with the files that it is started with.
pub struct FoundKernel<'a> {
    pub tree: &'a Tree,
    pub directory: &'a str,
    pub name: &'a str,
    pub initrds: &'a [&'a str],
}

/// Why a kernel does not boot as it stands, and what would have it boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootProblem {
    pub reason: String,
    pub fix: String,
}

struct Row {
    /// The directory that the system was unpacked into, if this kernel is one of its.
    root: fn(&FoundKernel<'_>) -> Option<String>,
    /// Any argument that begins so says where the rest is. None: no argument does.
    wants: &'static [&'static str],
    why: &'static str,
    cure: Cure,
}

enum Cure {
    /// Into the file `cmdline`: TREE and FOLDER are the URLs of the system's directory and of the kernel's, SQUASHFS is
    /// the file beside the kernel.
    Write(&'static str),
    Do(&'static str),
}

const ARCHISO: &[&str] = &["archiso_http_srv=", "archiso_nfs_srv=", "archiso_nbd_srv="];
const LIVE: &str = "root=live:";

const ROWS: &[Row] = &[
    Row {
        root: |kernel| kernel.above("arch/boot/x86_64"),
        wants: ARCHISO,
        why: "Arch Linux looks for the rest of its system on a disc, and no archiso_http_srv= says where else it is",
        cure: Cure::Write(
            "archisobasedir=arch archiso_http_srv=TREE ip=dhcp net.ifnames=0 BOOTIF=01-${netX/mac:hexhyp}",
        ),
    },
    Row {
        root: |kernel| kernel.above("sysresccd/boot/x86_64"),
        wants: ARCHISO,
        why: "SystemRescue looks for the rest of its system on a disc, and no archiso_http_srv= says where else it is",
        cure: Cure::Write("archisobasedir=sysresccd archiso_http_srv=TREE ip=dhcp checksum=y"),
    },
    Row {
        root: |kernel| kernel.above("boot").filter(|root| kernel.has(root, "manjaro/x86_64/rootfs.sfs")),
        wants: &["miso_http_srv=", "miso_nfs_srv=", "miso_nbd_srv="],
        why: "Manjaro looks for the rest of its system on a disc, and no miso_http_srv= says where else it is",
        cure: Cure::Write("misobasedir=manjaro miso_http_srv=TREE ip=dhcp net.ifnames=0 BOOTIF=01-${netX/mac:hexhyp}"),
    },
    Row {
        root: |kernel| kernel.above("live").filter(|_| kernel.squashfs().is_some()),
        wants: &["fetch=", "httpfs=", "ftpfs=", "netboot=", "nfsroot=", "iscsi="],
        why: "a Debian live system looks for the rest of itself on a disc, and no fetch= says where else it is",
        cure: Cure::Write("boot=live components ip=dhcp fetch=FOLDERSQUASHFS"),
    },
    Row {
        root: |kernel| kernel.above("casper"),
        wants: &["url=", "iso-url=", "netboot=", "nfsroot="],
        why: "Ubuntu looks for the rest of its system on a disc, and no url= or netboot= says where else it is",
        cure: Cure::Write(
            "ip=dhcp url={{ base }}NAME.iso cloud-config-url=/dev/null, with the ISO itself in the boot directory",
        ),
    },
    Row {
        root: |kernel| {
            let directories = ["images/pxeboot", "isolinux", "boot/x86_64/loader", "boot"];
            let roots = directories.into_iter().filter_map(|directory| kernel.above(directory));
            roots.into_iter().find(|root| kernel.has(root, "LiveOS/squashfs.img"))
        },
        wants: &[LIVE],
        why: "a live system of Fedora's kind looks for the rest of itself on a disc, and no root=live: says where else it is",
        cure: Cure::Write("root=live:TREELiveOS/squashfs.img ro rd.live.image rd.neednet=1 ip=dhcp"),
    },
    Row {
        root: |kernel| {
            let rootfs = kernel.beside(|file| file == "rootfs.img" || file.contains("live-rootfs"))?;
            (!kernel.initrds.contains(&rootfs)).then(|| kernel.directory.to_owned())
        },
        wants: &["coreos.live.rootfs_url="],
        why: "CoreOS needs its root file system, and no coreos.live.rootfs_url= says where it is",
        cure: Cure::Write(
            "ip=dhcp rd.neednet=1 coreos.live.rootfs_url=FOLDERROOTFS ignition.firstboot ignition.platform.id=metal",
        ),
    },
    Row {
        root: |kernel| {
            let isolinux = kernel.above("isolinux").filter(|root| kernel.has(root, "images/install.img"));
            kernel.above("images/pxeboot").or(isolinux)
        },
        wants: &["inst.repo=", "inst.stage2=", "inst.ks=", "repo=", "stage2=", "ks=", "method=", LIVE],
        why: "the installer of Fedora and Red Hat needs its second stage, and no inst.stage2= or inst.repo= says where it is",
        cure: Cure::Write("inst.stage2=TREE inst.repo=TREE ip=dhcp"),
    },
    Row {
        root: |kernel| kernel.beside(|file| file.starts_with("modloop-")).map(|_| kernel.directory.to_owned()),
        wants: &["alpine_repo="],
        why: "Alpine starts to a bare shell, for no alpine_repo= says where its packages are",
        cure: Cure::Write(
            "ip=dhcp alpine_repo=http://dl-cdn.alpinelinux.org/alpine/latest-stable/main modloop=FOLDERMODLOOP",
        ),
    },
    Row {
        root: |kernel| kernel.beside(|file| file == "netboot.ipxe").map(|_| kernel.directory.to_owned()),
        wants: &["init="],
        why: "NixOS needs init=, which netboot.ipxe beside it says",
        cure: Cure::Do("choose the entry netboot of the same directory"),
    },
    Row {
        root: |kernel| {
            let talos = |arch: &str| {
                kernel.name == format!("vmlinuz-{arch}")
                    && kernel.initrds.contains(&&format!("initramfs-{arch}.xz")[..])
            };
            (talos("amd64") || talos("arm64")).then(|| kernel.directory.to_owned())
        },
        wants: &["talos.platform="],
        why: "Talos needs talos.platform=",
        cure: Cure::Write("talos.platform=metal init_on_alloc=1 slab_nomerge pti=on consoleblank=0"),
    },
    Row {
        root: |kernel| (kernel.name == "linux26").then(|| kernel.directory.to_owned()),
        wants: &[],
        why: "the installer of Proxmox looks for its ISO on a disc, or as /proxmox.iso in its initrd",
        cure: Cure::Do("an iPXE script beside it that loads the ISO, too: initrd NAME.iso /proxmox.iso"),
    },
    Row {
        root: |kernel| kernel.name.contains("harvester").then(|| kernel.directory.to_owned()),
        wants: &[LIVE],
        why: "Harvester needs its root file system, and no root=live: says where it is",
        cure: Cure::Write("ip=dhcp rd.cos.disable rd.noverifyssl net.ifnames=1 root=live:FOLDERSQUASHFS"),
    },
    Row {
        root: |kernel| {
            let discs = ["install.amd", "install.a64", "install.386", "install.amd/gtk", "install.386/gtk"];
            discs.into_iter().find_map(|directory| kernel.above(directory))
        },
        wants: &[],
        why: "Debian's installer of a disc looks for that disc",
        cure: Cure::Do("take the installer for the network, netboot.tar.gz of the same release"),
    },
    Row {
        root: |kernel| kernel.squashfs().map(|_| kernel.directory.to_owned()),
        wants: &["fetch=", LIVE, "nfsroot=", "netboot=", "url=", "root="],
        why: "the system lies in a file beside its kernel, and no argument says where that is",
        cure: Cure::Do("write what its documentation says of booting over the network into the file cmdline beside it"),
    },
];

/// What a kernel that is told this much lacks, if that is known.
pub fn boot_problem(kernel: &FoundKernel<'_>, arguments: &str) -> Option<BootProblem> {
    let (row, root) = ROWS.iter().find_map(|row| Some((row, (row.root)(kernel)?)))?;
    let given = |word: &str| row.wants.iter().any(|want| word.starts_with(want));
    let why =
        if arguments.split_whitespace().any(given) { kernel.others_modules(arguments)? } else { row.why.to_owned() };
    let cure = match row.cure {
        // The file is for every kernel of its directory, and each has a modloop of its own.
        Cure::Write(text) if text.contains("MODLOOP") && kernel.modloops().count() > 1 => kernel.apart(text, &root),
        Cure::Write(text) => {
            let cmdline = kernel.tree.served_name(&join(kernel.directory, "cmdline"));
            format!("write into {cmdline}: {}", kernel.filled_in(text, &root, kernel.directory))
        }
        Cure::Do(what) => what.to_owned(),
    };
    Some(BootProblem { reason: why, fix: cure })
}

impl<'a> FoundKernel<'a> {
    /// The directory that this end of the kernel's path lies in.
    fn above(&self, end: &str) -> Option<String> {
        let at = self.directory.len().checked_sub(end.len())?;
        let (root, last) = self.directory.split_at_checked(at)?;
        let root = if root.is_empty() { root } else { root.strip_suffix('/')? };
        last.eq_ignore_ascii_case(end).then(|| root.to_owned())
    }

    fn has(&self, root: &str, path: &str) -> bool {
        self.tree.find(&join(root, path)).is_some()
    }

    /// The first file of the kernel's directory that is so.
    fn beside(&self, is: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.tree.files(self.directory).iter().map(String::as_str).find(|file| is(file))
    }

    fn squashfs(&self) -> Option<&'a str> {
        self.beside(|file| [".squashfs", ".sfs", ".erofs"].iter().any(|ending| file.ends_with(ending)))
    }

    fn modloops(&self) -> impl Iterator<Item = &'a String> {
        self.tree.files(self.directory).iter().filter(|file| file.starts_with("modloop-"))
    }

    /// What is wrong where the arguments name the modules of another kernel of Alpine.
    fn others_modules(&self, arguments: &str) -> Option<String> {
        let own = self.modloop()?;
        // In front of it may stand an expression, which has blanks.
        let ends_word = |c: char| c.is_whitespace() || ['/', '=', '}'].contains(&c);
        let named = arguments.split(ends_word).rfind(|name| name.starts_with("modloop-") && *name != own)?;
        Some(format!("its arguments name {named}, which has the modules of another kernel"))
    }

    /// What to do where what is to be written holds for this kernel alone, and others lie beside it.
    fn apart(&self, text: &str, root: &str) -> String {
        let flavour = if self.flavour().is_empty() { "other" } else { self.flavour() };
        let directory = join(self.directory, flavour);
        let modloop = self.modloop();
        let files: Vec<&str> = [self.name].into_iter().chain(self.initrds.iter().copied()).chain(modloop).collect();
        let (served, text) = (self.tree.served_name(&directory), self.filled_in(text, root, &directory));
        format!(
            "the file cmdline is for every kernel of its directory, so move {} into a directory {served} and write into \
             {served}/cmdline: {text}",
            files.join(", ")
        )
    }

    fn modloop(&self) -> Option<&'a str> {
        self.beside(|file| file.starts_with("modloop-") && file[8..] == *self.flavour())
    }

    /// `directory`: where the kernel and what belongs to it will lie.
    fn filled_in(&self, text: &str, root: &str, directory: &str) -> String {
        let url = |directory: &str| {
            let directory = percent_encode(&self.tree.served_name(directory));
            if directory.is_empty() { "{{ base }}".to_owned() } else { format!("{{{{ base }}}}{directory}/") }
        };
        let rootfs = self.beside(|file| file == "rootfs.img" || file.contains("live-rootfs"));
        text.replace("TREE", &url(root))
            .replace("FOLDER", &url(directory))
            .replace("SQUASHFS", &percent_encode(self.squashfs().unwrap_or("NAME.squashfs")))
            .replace("MODLOOP", self.modloop().unwrap_or("modloop-lts"))
            .replace("ROOTFS", &percent_encode(rootfs.unwrap_or_default()))
    }

    /// `lts` of `vmlinuz-lts`
    fn flavour(&self) -> &str {
        self.name.split_once('-').map_or("", |(_, flavour)| flavour)
    }
}
