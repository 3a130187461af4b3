//! Lists the systems that boot only with arguments that point to the rest of the system, and these arguments.
//!
//! A layout recognises a system by the files in its unpacked tree. If the kernel's arguments lack the required one, the
//! system's menu entry shows why it does not boot.

use super::walk::{Tree, join};
use proxydhcpd_core::url::percent_encode;

/// A kernel in a tree, with its initrds.
pub struct FoundKernel<'a> {
    /// The tree.
    pub tree: &'a Tree,
    /// The kernel's directory in the tree.
    pub directory: &'a str,
    /// The kernel's file name.
    pub name: &'a str,
    /// The file names of its initrds.
    pub initrds: &'a [&'a str],
}

/// Why a kernel does not boot, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootProblem {
    /// The reason.
    pub reason: String,
    /// The fix.
    pub fix: String,
}

struct Layout {
    /// Returns the directory into which the system was unpacked, if this kernel belongs to the system.
    root: fn(&FoundKernel<'_>) -> Option<String>,
    /// The beginnings of the arguments that point to the rest of the system. Empty if no argument can do this.
    required: &'static [&'static str],
    problem: &'static str,
    fix: Fix,
}

enum Fix {
    /// Write this text into the file `cmdline`. The placeholders TREE and DIRECTORY stand for the URLs of the system's
    /// directory and of the kernel's directory. SQUASHFS, ROOTFS and MODLOOP stand for names of files in the kernel's
    /// directory.
    Write(&'static str),
    /// Do something else, which this text describes.
    Do(&'static str),
}

const ARCHISO_KEYS: &[&str] = &["archiso_http_srv=", "archiso_nfs_srv=", "archiso_nbd_srv="];
const ROOT_LIVE: &str = "root=live:";

const LAYOUTS: &[Layout] = &[
    Layout {
        root: |kernel| kernel.root_above("arch/boot/x86_64"),
        required: ARCHISO_KEYS,
        problem: "Arch Linux looks for the rest of its system on a disc: archiso_http_srv= is missing",
        fix: Fix::Write("archisobasedir=arch archiso_http_srv=TREE ip=dhcp net.ifnames=0 BOOTIF=01-${netX/mac:hexhyp}"),
    },
    Layout {
        root: |kernel| kernel.root_above("sysresccd/boot/x86_64"),
        required: ARCHISO_KEYS,
        problem: "SystemRescue looks for the rest of its system on a disc: archiso_http_srv= is missing",
        fix: Fix::Write("archisobasedir=sysresccd archiso_http_srv=TREE ip=dhcp checksum=y"),
    },
    Layout {
        root: |kernel| kernel.root_above("boot").filter(|root| kernel.has(root, "manjaro/x86_64/rootfs.sfs")),
        required: &["miso_http_srv=", "miso_nfs_srv=", "miso_nbd_srv="],
        problem: "Manjaro looks for the rest of its system on a disc: miso_http_srv= is missing",
        fix: Fix::Write("misobasedir=manjaro miso_http_srv=TREE ip=dhcp net.ifnames=0 BOOTIF=01-${netX/mac:hexhyp}"),
    },
    Layout {
        root: |kernel| kernel.root_above("live").filter(|_| kernel.squashfs().is_some()),
        required: &["fetch=", "httpfs=", "ftpfs=", "netboot=", "nfsroot=", "iscsi="],
        problem: "Debian Live looks for the rest of its system on a disc: fetch= is missing",
        fix: Fix::Write("boot=live components ip=dhcp fetch=DIRECTORYSQUASHFS"),
    },
    Layout {
        root: |kernel| kernel.root_above("casper"),
        required: &["url=", "iso-url=", "netboot=", "nfsroot="],
        problem: "Ubuntu looks for the rest of its system on a disc: url= or netboot= is missing",
        fix: Fix::Write(
            "ip=dhcp url={{ base }}NAME.iso cloud-config-url=/dev/null, with the ISO itself in the boot directory",
        ),
    },
    Layout {
        root: |kernel| {
            let directories = ["images/pxeboot", "isolinux", "boot/x86_64/loader", "boot"];
            let roots = directories.into_iter().filter_map(|directory| kernel.root_above(directory));
            roots.into_iter().find(|root| kernel.has(root, "LiveOS/squashfs.img"))
        },
        required: &[ROOT_LIVE],
        problem: "the live system looks for its root file system on a disc: root=live: is missing",
        fix: Fix::Write("root=live:TREELiveOS/squashfs.img ro rd.live.image rd.neednet=1 ip=dhcp"),
    },
    Layout {
        root: |kernel| {
            let rootfs = kernel.find_sibling(|file| file == "rootfs.img" || file.contains("live-rootfs"))?;
            (!kernel.initrds.contains(&rootfs)).then(|| kernel.directory.to_owned())
        },
        required: &["coreos.live.rootfs_url="],
        problem: "CoreOS needs its root file system: coreos.live.rootfs_url= is missing",
        fix: Fix::Write(
            "ip=dhcp rd.neednet=1 coreos.live.rootfs_url=DIRECTORYROOTFS ignition.firstboot ignition.platform.id=metal",
        ),
    },
    Layout {
        root: |kernel| {
            let isolinux = kernel.root_above("isolinux").filter(|root| kernel.has(root, "images/install.img"));
            kernel.root_above("images/pxeboot").or(isolinux)
        },
        required: &["inst.repo=", "inst.stage2=", "inst.ks=", "repo=", "stage2=", "ks=", "method=", ROOT_LIVE],
        problem: "the installer of Fedora and Red Hat needs its second stage: inst.stage2= or inst.repo= is missing",
        fix: Fix::Write("inst.stage2=TREE inst.repo=TREE ip=dhcp"),
    },
    Layout {
        root: |kernel| kernel.find_sibling(|file| file.starts_with("modloop-")).map(|_| kernel.directory.to_owned()),
        required: &["alpine_repo="],
        problem: "Alpine boots to a bare shell: alpine_repo=, the URL of its packages, is missing",
        fix: Fix::Write(
            "ip=dhcp alpine_repo=http://dl-cdn.alpinelinux.org/alpine/latest-stable/main modloop=DIRECTORYMODLOOP",
        ),
    },
    Layout {
        root: |kernel| kernel.find_sibling(|file| file == "netboot.ipxe").map(|_| kernel.directory.to_owned()),
        required: &["init="],
        problem: "NixOS needs init=, which netboot.ipxe in the same directory contains",
        fix: Fix::Do("choose the entry netboot in the same directory"),
    },
    Layout {
        root: |kernel| {
            let talos = |arch: &str| {
                kernel.name == format!("vmlinuz-{arch}")
                    && kernel.initrds.contains(&&format!("initramfs-{arch}.xz")[..])
            };
            (talos("amd64") || talos("arm64")).then(|| kernel.directory.to_owned())
        },
        required: &["talos.platform="],
        problem: "Talos needs talos.platform=, which is missing",
        fix: Fix::Write("talos.platform=metal init_on_alloc=1 slab_nomerge pti=on consoleblank=0"),
    },
    Layout {
        root: |kernel| (kernel.name == "linux26").then(|| kernel.directory.to_owned()),
        required: &[],
        problem: "the Proxmox installer looks for its ISO on a disc, or as /proxmox.iso in its initrd",
        fix: Fix::Do("add an iPXE script that loads the ISO too: initrd NAME.iso /proxmox.iso"),
    },
    Layout {
        root: |kernel| kernel.name.contains("harvester").then(|| kernel.directory.to_owned()),
        required: &[ROOT_LIVE],
        problem: "Harvester needs its root file system: root=live: is missing",
        fix: Fix::Write("ip=dhcp rd.cos.disable rd.noverifyssl net.ifnames=1 root=live:DIRECTORYSQUASHFS"),
    },
    Layout {
        root: |kernel| {
            let discs = ["install.amd", "install.a64", "install.386", "install.amd/gtk", "install.386/gtk"];
            discs.into_iter().find_map(|directory| kernel.root_above(directory))
        },
        required: &[],
        problem: "Debian's installer for discs looks for its disc",
        fix: Fix::Do("use the network installer, netboot.tar.gz of the same release"),
    },
    Layout {
        root: |kernel| kernel.squashfs().map(|_| kernel.directory.to_owned()),
        required: &["fetch=", ROOT_LIVE, "nfsroot=", "netboot=", "url=", "root="],
        problem: "no argument has the URL of the system, a file in the same directory",
        fix: Fix::Do(
            "write the arguments for network boot from its documentation into the file cmdline in its directory",
        ),
    },
];

/// Why a kernel with these arguments does not boot; `None` if no reason is known.
pub fn boot_problem(kernel: &FoundKernel<'_>, arguments: &str) -> Option<BootProblem> {
    let (row, root) = LAYOUTS.iter().find_map(|row| Some((row, (row.root)(kernel)?)))?;
    let given = |word: &str| row.required.iter().any(|want| word.starts_with(want));
    let problem = if arguments.split_whitespace().any(given) {
        kernel.foreign_modules(arguments)?
    } else {
        row.problem.to_owned()
    };
    let fix = match row.fix {
        // The file cmdline applies to every kernel of its directory, but each kernel needs its own modloop.
        Fix::Write(text) if text.contains("MODLOOP") && kernel.modloops().count() > 1 => {
            kernel.own_directory_fix(text, &root)
        }
        Fix::Write(text) => {
            let cmdline = kernel.tree.served_name(&join(kernel.directory, "cmdline"));
            format!("write into {cmdline}: {}", kernel.fill_in(text, &root, kernel.directory))
        }
        Fix::Do(what) => what.to_owned(),
    };
    Some(BootProblem { reason: problem, fix })
}

impl<'a> FoundKernel<'a> {
    /// The path of the kernel's directory without this end; `None` if the path ends differently.
    fn root_above(&self, end: &str) -> Option<String> {
        let at = self.directory.len().checked_sub(end.len())?;
        let (root, last) = self.directory.split_at_checked(at)?;
        let root = if root.is_empty() { root } else { root.strip_suffix('/')? };
        last.eq_ignore_ascii_case(end).then(|| root.to_owned())
    }

    fn has(&self, root: &str, path: &str) -> bool {
        self.tree.find(&join(root, path)).is_some()
    }

    /// The first file in the kernel's directory whose name matches.
    fn find_sibling(&self, is: impl Fn(&str) -> bool) -> Option<&'a str> {
        self.tree.files(self.directory).iter().map(String::as_str).find(|file| is(file))
    }

    fn squashfs(&self) -> Option<&'a str> {
        self.find_sibling(|file| [".squashfs", ".sfs", ".erofs"].iter().any(|ending| file.ends_with(ending)))
    }

    fn modloops(&self) -> impl Iterator<Item = &'a String> {
        self.tree.files(self.directory).iter().filter(|file| file.starts_with("modloop-"))
    }

    /// The problem if the arguments name the modules of another Alpine kernel; otherwise `None`.
    fn foreign_modules(&self, arguments: &str) -> Option<String> {
        let own = self.modloop()?;
        // A template expression with spaces may precede the name.
        let ends_word = |c: char| c.is_whitespace() || ['/', '=', '}'].contains(&c);
        let named = arguments.split(ends_word).rfind(|name| name.starts_with("modloop-") && *name != own)?;
        Some(format!("its arguments name {named}, which has the modules of another kernel"))
    }

    /// The fix for a kernel whose arguments are wrong for the other kernels in its directory: to move it into a
    /// separate directory.
    fn own_directory_fix(&self, text: &str, root: &str) -> String {
        let flavour = if self.flavour().is_empty() { "other" } else { self.flavour() };
        let directory = join(self.directory, flavour);
        let modloop = self.modloop();
        let files: Vec<&str> = [self.name].into_iter().chain(self.initrds.iter().copied()).chain(modloop).collect();
        let (served, text) = (self.tree.served_name(&directory), self.fill_in(text, root, &directory));
        format!(
            "the file cmdline applies to every kernel of its directory: move {} into a directory {served}, and write \
             into {served}/cmdline: {text}",
            files.join(", ")
        )
    }

    fn modloop(&self) -> Option<&'a str> {
        self.find_sibling(|file| file.starts_with("modloop-") && file[8..] == *self.flavour())
    }

    /// Replaces the placeholders of a text. `directory`: the directory that will contain the kernel and its files.
    fn fill_in(&self, text: &str, root: &str, directory: &str) -> String {
        let url = |directory: &str| {
            let directory = percent_encode(&self.tree.served_name(directory)).to_string();
            if directory.is_empty() { "{{ base }}".to_owned() } else { format!("{{{{ base }}}}{directory}/") }
        };
        let rootfs = self.find_sibling(|file| file == "rootfs.img" || file.contains("live-rootfs"));
        text.replace("TREE", &url(root))
            .replace("DIRECTORY", &url(directory))
            .replace("SQUASHFS", &percent_encode(self.squashfs().unwrap_or("NAME.squashfs")).to_string())
            .replace("MODLOOP", self.modloop().unwrap_or("modloop-lts"))
            .replace("ROOTFS", &percent_encode(rootfs.unwrap_or_default()).to_string())
    }

    /// The flavour of the kernel: for `vmlinuz-lts`, `lts`.
    fn flavour(&self) -> &str {
        self.name.split_once('-').map_or("", |(_, flavour)| flavour)
    }
}
