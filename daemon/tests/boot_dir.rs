//! Scans of boot directories as found in practice, rebuilt from stubs. The tests check the entries of the menu, and the
//! skipped files with the reasons.

use proxydhcpd::boot_dir::{Scan, scan};
use proxydhcpd_core::plan::offer::{BootDirEntry, EntryTarget};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tempfile::TempDir;

/// Creates a directory with these files. The name of a file without a text decides whether its content is a kernel, a
/// program or neither.
fn directory(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let (name, content) = match file.split_once(" = ") {
            Some((name, text)) => (name, text.as_bytes().to_vec()),
            None => (*file, stub(file)),
        };
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

fn stub(path: &str) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap().to_ascii_lowercase();
    if name.ends_with(".ipxe") {
        return b"#!ipxe\n".to_vec();
    }
    let mut file = vec![0; 1024];
    let is_kernel = ["vmlinuz", "bzimage", "-linux", "live-kernel"].iter().any(|word| name.contains(word))
        || ["linux", "linux26", "kernel"].contains(&&name[..])
        || name.starts_with("memtest86+")
        || name.starts_with("mt86")
        || name == "gentoo"
        || name == "wimboot"
        || name.ends_with(".lkrn");
    if name.ends_with(".efi") {
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x80;
        file[0x80..0x84].copy_from_slice(b"PE\0\0");
        file[0x84..0x86].copy_from_slice(&0x8664_u16.to_le_bytes());
        file[0x98..0x9a].copy_from_slice(&0x20b_u16.to_le_bytes());
        file[0x98 + 68] = 10;
    } else if name.ends_with(".img") && name.starts_with("freedos") {
        file[510..512].copy_from_slice(&[0x55, 0xaa]);
    } else if is_kernel && !name.contains("initr") {
        file[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
        file[0x236] = 1;
    }
    file
}

/// Returns each entry as a line: its title, the files that it starts, and `!` if it does not boot.
fn entries(scan: &Scan) -> Vec<String> {
    scan.entries().iter().map(line).collect()
}

fn line(BootDirEntry { title, target, problem }: &BootDirEntry) -> String {
    let target = match target {
        EntryTarget::Linux { kernel, initrds, arguments, .. } => {
            let arguments = if arguments.is_empty() { String::new() } else { format!(": {arguments}") };
            let files: Vec<&str> =
                [kernel].into_iter().chain(initrds).map(|file| file.rsplit('/').next().unwrap()).collect();
            files.join("+") + &arguments
        }
        EntryTarget::Script { .. } => "script".to_owned(),
        EntryTarget::Efi { .. } => "program".to_owned(),
    };
    let problem = if problem.is_some() { " !" } else { "" };
    format!("{title} [{target}]{problem}")
}

fn skipped(scan: &Scan) -> Vec<String> {
    scan.skipped.iter().map(|file| format!("{}: {}", file.path, file.reason)).collect()
}

#[track_caller]
fn shows(files: &[&str], expected: &[&str]) -> Scan {
    let root = directory(files);
    let scan = scan(root.path(), []);
    assert_eq!(entries(&scan), expected);
    scan
}

/// Returns the fix that `check` gives for the only entry that does not boot.
#[track_caller]
fn fix_of(files: &[&str]) -> String {
    let root = directory(files);
    let unbootable: Vec<_> =
        scan(root.path(), []).found.into_iter().filter(|found| found.entry.problem.is_some()).collect();
    assert_eq!(unbootable.len(), 1, "{unbootable:#?}");
    unbootable[0].fix.clone().unwrap()
}

#[test]
fn an_unpacked_ubuntu_lacks_its_iso_and_has_both_kernels() {
    assert!(fix_of(&["u/casper/vmlinuz", "u/casper/initrd"]).contains("url={{ base }}NAME.iso"));
    let files =
        ["u/casper/vmlinuz", "u/casper/initrd", "u/casper/hwe-vmlinuz", "u/casper/hwe-initrd", "u/casper/a.squashfs"];
    shows(&files, &["u/casper/hwe-vmlinuz [hwe-vmlinuz+hwe-initrd] !", "u/casper/vmlinuz [vmlinuz+initrd] !"]);
    let with = |arguments: &str| [&files[..2], &[&format!("u/casper/cmdline = {arguments}")[..]]].concat().join("\n");
    for arguments in ["ip=dhcp url=http://192.0.2.1/u.iso", "boot=casper netboot=nfs nfsroot=192.0.2.1:/u"] {
        let files = with(arguments);
        shows(&files.split('\n').collect::<Vec<_>>(), &[&format!("u/casper [vmlinuz+initrd: {arguments}]")]);
    }
}

#[test]
fn an_installer_of_fedora_takes_the_arguments_of_its_grub_without_the_disc() {
    let files = [
        "f/images/pxeboot/vmlinuz",
        "f/images/pxeboot/initrd.img",
        "f/images/install.img",
        "f/EFI/BOOT/BOOTX64.EFI",
        "f/EFI/BOOT/grubx64.efi",
        "f/EFI/BOOT/grub.cfg = menuentry 'Install' {\n\tlinuxefi /images/pxeboot/vmlinuz \
         inst.stage2=hd:LABEL=F-41 rd.live.check quiet\n}\n",
    ];
    shows(
        &files,
        &[
            "f/EFI/BOOT/BOOTX64 [program]",
            "f/EFI/BOOT/grubx64 [program]",
            "f/images/pxeboot [vmlinuz+initrd.img: quiet] !",
        ],
    );
    assert_eq!(
        fix_of(&files),
        "write into f/images/pxeboot/cmdline: inst.stage2={{ base }}f/ inst.repo={{ base }}f/ ip=dhcp"
    );
}

#[test]
fn live_systems_and_installers_without_arguments_have_a_fix() {
    for (files, expected) in [
        (
            &[
                "a/arch/boot/x86_64/vmlinuz-linux",
                "a/arch/boot/x86_64/initramfs-linux.img",
                "a/arch/x86_64/airootfs.sfs",
            ][..],
            "archiso_http_srv={{ base }}a/ ",
        ),
        (
            &["m/boot/vmlinuz-x86_64", "m/boot/initramfs-x86_64.img", "m/manjaro/x86_64/rootfs.sfs"],
            "misobasedir=manjaro miso_http_srv={{ base }}m/ ",
        ),
        // The directory layout of Void Linux.
        (&["v/boot/vmlinuz", "v/boot/initrd", "v/LiveOS/squashfs.img"], "root=live:{{ base }}v/LiveOS/squashfs.img "),
        (
            &["al/boot/vmlinuz-lts", "al/boot/initramfs-lts", "al/boot/modloop-lts"],
            "modloop={{ base }}al/boot/modloop-lts",
        ),
        (
            &["c z/live/vmlinuz", "c z/live/initrd.img", "c z/live/filesystem.squashfs"],
            "boot=live components ip=dhcp fetch={{ base }}c%20z/live/filesystem.squashfs",
        ),
        (&["p/boot/linux26", "p/boot/initrd.img"], "initrd NAME.iso /proxmox.iso"),
        (&["t/vmlinuz-amd64", "t/initramfs-amd64.xz"], "talos.platform=metal"),
        (&["n/bzImage", "n/initrd", "n/netboot.ipxe"], "choose the entry netboot"),
        (
            &["sysresccd/boot/x86_64/vmlinuz", "sysresccd/boot/x86_64/sysresccd.img"],
            "archisobasedir=sysresccd archiso_http_srv={{ base }} ",
        ),
        (
            &[
                "harvester-v1.3.1-vmlinuz-amd64",
                "harvester-v1.3.1-initrd-amd64",
                "harvester-v1.3.1-rootfs-amd64.squashfs",
            ],
            "root=live:{{ base }}harvester-v1.3.1-rootfs-amd64.squashfs",
        ),
        (
            &[
                "fcos/fedora-coreos-41.2-live-kernel-x86_64",
                "fcos/fedora-coreos-41.2-live-initramfs.x86_64.img",
                "fcos/fedora-coreos-41.2-live-rootfs.x86_64.img",
            ],
            "coreos.live.rootfs_url={{ base }}fcos/fedora-coreos-41.2-live-rootfs.x86_64.img ",
        ),
        (
            &["l/images/pxeboot/vmlinuz", "l/images/pxeboot/initrd.img", "l/LiveOS/squashfs.img"],
            "root=live:{{ base }}l/LiveOS/squashfs.img ",
        ),
        (&["d/install.amd/vmlinuz", "d/install.amd/initrd.gz"], "netboot.tar.gz"),
        (&["x/vmlinuz", "x/initrd", "x/system.squashfs"], "its documentation"),
    ] {
        let fix = fix_of(files);
        assert!(fix.contains(expected), "{fix}");
    }
}

#[test]
fn directories_are_in_natural_order() {
    let files = ["d-10/linux", "d-10/initrd.gz", "d-9/linux", "d-9/initrd.gz"];
    shows(&files, &["d-9 [linux+initrd.gz]", "d-10 [linux+initrd.gz]"]);
}

#[test]
fn an_installer_that_prompts_for_its_source_is_an_entry() {
    shows(&["s/boot/x86_64/loader/linux", "s/boot/x86_64/loader/initrd"], &["s/boot/x86_64/loader [linux+initrd]"]);
}

#[test]
fn boot_programs_of_esxi_and_windows_do_not_boot() {
    shows(&["w/bootmgr.efi"], &["w/bootmgr [program] !"]);
    shows(&["esxi/efi/boot/bootx64.efi", "esxi/boot.cfg"], &["esxi/efi/boot/bootx64 [program] !"]);
    let scan = shows(&["w/EFI/Boot/bootx64.efi", "w/sources/boot.wim"], &["w/EFI/Boot/bootx64 [program] !"]);
    assert_eq!(skipped(&scan), ["w/sources/boot.wim: Windows PE boots with wimboot, from a script (docs/windows.md)"]);
}

#[test]
fn systemrescue_has_its_microcode_first_and_the_arguments_of_its_cmdline() {
    let at = "s/sysresccd/boot/x86_64";
    let arguments = "archisobasedir=sysresccd archiso_http_srv={{ base }}s/ ip=dhcp";
    let files = ["vmlinuz", "sysresccd.img", "intel_ucode.img", "amd_ucode.img"].map(|name| format!("{at}/{name}"));
    let cmdline = format!("{at}/cmdline = {arguments}");
    let files: Vec<&str> = files.iter().chain([&cmdline]).map(String::as_str).collect();
    shows(&files, &[&format!("{at} [vmlinuz+amd_ucode.img+intel_ucode.img+sysresccd.img: {arguments}]")]);
}

#[test]
fn microcode_comes_first_under_each_of_its_names() {
    for microcode in ["amd-ucode.img", "intel-ucode.img", "early_ucode.cpio", "intel_ucode.img", "amd-microcode.img"] {
        let microcode_file = format!("a/{microcode}");
        shows(&["a/linux", "a/initrd.gz", &microcode_file], &[&format!("a [linux+{microcode}+initrd.gz]")]);
    }
}

#[test]
fn kernels_are_recognised_by_many_names() {
    for (files, expected) in [
        (
            &["c/flatcar_production_pxe.vmlinuz", "c/flatcar_production_pxe_image.cpio.gz"][..],
            "c [flatcar_production_pxe.vmlinuz+flatcar_production_pxe_image.cpio.gz]",
        ),
        (&["k/k3os-vmlinuz-amd64", "k/k3os-initrd-amd64"], "k [k3os-vmlinuz-amd64+k3os-initrd-amd64]"),
        (&["t/vmlinuz64", "t/corepure64.gz"], "t [vmlinuz64+corepure64.gz]"),
        (&["b/BZIMAGE", "b/INITRD.GZ"], "b [BZIMAGE+INITRD.GZ]"),
    ] {
        shows(files, &[expected]);
    }
    let scan = shows(&["e/KERNEL", "e/SYSTEM"], &[]);
    assert_eq!(skipped(&scan), ["e/KERNEL: a kernel without a matching initrd"]);
    let scan = shows(&["e/KERNEL = ANDROID!", "e/SYSTEM"], &[]);
    assert_eq!(skipped(&scan), ["e/KERNEL: it has the name of a kernel, but iPXE cannot start it"]);
}

#[test]
fn foremans_kernel_names_begin_with_their_system() {
    let files = [
        "boot/debian-12-amd64-linux",
        "boot/debian-12-amd64-initrd.gz",
        "boot/rocky-9-x86_64-vmlinuz",
        "boot/rocky-9-x86_64-initrd.img",
        "grub2/grubx64.efi",
        "grub2/shimx64.efi",
    ];
    let scan = shows(
        &files,
        &[
            "boot/debian-12-amd64-linux [debian-12-amd64-linux+debian-12-amd64-initrd.gz]",
            "boot/rocky-9-x86_64-vmlinuz [rocky-9-x86_64-vmlinuz+rocky-9-x86_64-initrd.img]",
            "grub2/grubx64 [program]",
        ],
    );
    assert_eq!(
        skipped(&scan),
        ["grub2/shimx64.efi: only firmware can start a shim: put it with grubx64.efi at the top of the boot \
             directory, or name it in [profile.NAME.loaders]"]
    );
}

#[test]
fn a_kernel_at_the_top_is_an_entry() {
    let files = ["vmlinuz", "initrd.img", "cmdline = ip=dhcp"];
    shows(&files, &["vmlinuz [vmlinuz+initrd.img: ip=dhcp]"]);
    // The kernel and the initrd of a Raspberry Pi are not for iPXE.
    shows(&["kernel", "initramfs", "start4.elf", "cmdline.txt = root=/dev/mmcblk0p2"], &[]);
    // Other programs have a file with this name, too.
    shows(&["vmlinuz", "initrd.img", "cmdline = ip=dhcp", "config.txt"], &["vmlinuz [vmlinuz+initrd.img: ip=dhcp]"]);
}

#[test]
fn deep_trees_are_scanned_and_files_too_deep_are_reported() {
    let deep = "m/centos/9/BaseOS/x86_64/os/images/pxeboot";
    let files =
        [format!("{deep}/vmlinuz"), format!("{deep}/initrd.img"), format!("{deep}/cmdline = inst.repo=http://m/")];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    shows(&files, &[&format!("{deep} [vmlinuz+initrd.img: inst.repo=http://m/]")]);
    let scan = shows(&["1/2/3/4/5/6/7/8/9/10/11/12/13/linux"], &[]);
    assert_eq!(skipped(&scan), ["1/2/3/4/5/6/7/8/9/10/11/12/13: more than 12 directories deep: not scanned"]);
}

#[test]
fn the_packages_of_a_dvd_hide_no_other_system() {
    let root = directory(&["a-dvd/netboot/linux", "a-dvd/netboot/initrd.gz", "ubuntu/linux", "ubuntu/initrd.gz"]);
    let many = root.path().join("a-dvd/packages/main/a");
    fs::create_dir_all(&many).unwrap();
    for name in ["pool/linux", "pool/initrd.gz", "dists/Release"] {
        fs::create_dir_all(root.path().join("mirror").join(name).parent().unwrap()).unwrap();
        fs::write(root.path().join("mirror").join(name), stub(name)).unwrap();
    }
    for number in 0..11_000 {
        fs::File::create(many.join(format!("{number}.deb"))).unwrap();
    }
    let scan = scan(root.path(), []);
    assert_eq!(entries(&scan), ["a-dvd/netboot [linux+initrd.gz]", "ubuntu [linux+initrd.gz]"]);
    assert_eq!(skipped(&scan), ["a-dvd: more than 10000 files: the deepest ones are not scanned"]);
}

#[test]
fn images_are_reported_and_memory_tests_are_for_bios_too() {
    let scan = shows(
        &[
            "debian.iso",
            "freedos.img",
            "memtest86+x64.bin",
            "memtest86+x64.efi",
            "mt86p_720_x86_64",
            "ipxe.lkrn",
            "win/boot.wim",
            "win/BCD",
        ],
        &[
            "ipxe [ipxe.lkrn]",
            "memtest86+x64 [memtest86+x64.bin]",
            "memtest86+x64 [program]",
            "mt86p_720_x86_64 [mt86p_720_x86_64]",
        ],
    );
    assert_eq!(
        skipped(&scan),
        [
            "debian.iso: an ISO image, which cannot be booted yet: unpack it into a directory",
            "freedos.img: a disk image: boot it with sanboot or memdisk in a script",
            "win/boot.wim: Windows PE boots with wimboot, from a script (docs/windows.md)",
        ]
    );
}

#[test]
fn bootable_files_that_are_no_entry_are_reported_and_files_of_an_entry_are_not() {
    let root = directory(&[
        "netboot.tar.gz",
        "os.img.xz",
        "b.zip",
        "g/gentoo",
        "g/gentoo.igz",
        "win/wimboot",
        "esxi/boot.cfg",
        "esxi/mboot.c32",
        "k/vesamenu.c32",
        "k/linux",
        "k/initrd.img.xz",
        "k/x.cpio.gz",
        "l/initrd.img.gz",
    ]);
    fs::create_dir_all(root.path().join("mnt")).unwrap();
    fs::create_dir_all(root.path().join("k/empty")).unwrap();
    let scan = scan(root.path(), []);
    assert_eq!(entries(&scan), ["k [linux+initrd.img.xz+x.cpio.gz]"]);
    let archive = "an archive: unpack it into a directory";
    assert_eq!(
        skipped(&scan),
        [
            &format!("b.zip: {archive}")[..],
            "esxi/mboot.c32: ESXi's loader for BIOS, a SYSLINUX module: iPXE cannot start it, PXELINUX can",
            "g/gentoo: a Linux kernel with an unknown name: rename it to vmlinuz, and put its initrd into the \
             same directory",
            "l/initrd.img.gz: an initrd without a kernel in its directory",
            "mnt: an empty directory: is a mount missing?",
            &format!("netboot.tar.gz: {archive}"),
            &format!("os.img.xz: {archive}"),
            "win/wimboot: wimboot starts Windows PE from a script (docs/windows.md)",
        ]
    );
}

#[test]
fn names_that_ipxe_cannot_request_are_reported_readably() {
    let root = directory(&["tab\there/linux", "tab\there/initrd", "line\nbreak.ipxe"]);
    fs::create_dir(root.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"))).unwrap();
    let scan = scan(root.path(), []);
    assert_eq!(entries(&scan), [""; 0]);
    assert_eq!(
        skipped(&scan),
        [
            "caf\u{fffd}: iPXE cannot request this name: it is not UTF-8",
            "line\\nbreak.ipxe: iPXE cannot request this name: it has control characters",
            "tab\\there: iPXE cannot request this name: it has control characters",
        ]
    );
}

#[test]
fn a_script_that_ipxe_does_not_recognise_does_not_boot() {
    let scan = shows(
        &["a.ipxe = echo", "b.ipxe = \u{feff}#!ipxe\n", "c.ipxe = #!ipxe\r\nshell\r\n"],
        &["a [script] !", "b [script] !", "c [script]"],
    );
    assert_eq!(scan.found[1].fix.as_deref(), Some("save it as UTF-8 without a byte order mark"));
}

#[test]
fn extensions_in_capitals_count() {
    shows(&["MEMTEST.EFI", "RESCUE.IPXE"], &["MEMTEST [program]", "RESCUE [script]"]);
}

#[test]
fn netboot_xyz_is_an_entry_and_its_scripts_for_single_machines_are_none() {
    let scan = shows(
        &[
            "netboot.xyz.kpxe",
            "netboot.xyz.efi",
            "menu.ipxe",
            "local-vars.ipxe",
            "linux.ipxe",
            "MAC-525400000010.ipxe",
            "HOSTNAME-pc1.ipxe",
            "hostname-PC2.IPXE",
            "sub/HOSTNAME-pc3.ipxe",
        ],
        &["menu [script]", "netboot.xyz [program]"],
    );
    let by_host_name: Vec<_> =
        scan.host_name_scripts.iter().map(|script| (&script.path[..], &script.host_name[..])).collect();
    assert_eq!(by_host_name, [("HOSTNAME-pc1.ipxe", "pc1"), ("hostname-PC2.IPXE", "PC2")]);
    assert_eq!(
        [scan.host_name_script("HOSTNAME-pc2.ipxe"), scan.host_name_script("HOSTNAME-pc3.ipxe")],
        [Some("hostname-PC2.IPXE"), None]
    );
    let skipped = skipped(&scan);
    assert_eq!(skipped.len(), 5, "{skipped:#?}");
    assert!(scan.summary()[0].contains("and 2 more") && !scan.summary()[0].contains("pc1"), "{:?}", scan.summary());
    assert!(skipped.iter().any(|line| line.starts_with("sub/HOSTNAME-pc3.ipxe: netboot.xyz's script")), "{skipped:#?}");
    assert!(skipped.iter().any(|line| line.contains("`bios = \"netboot.xyz.kpxe\"`")), "{skipped:#?}");
}

#[test]
fn no_ipxe_is_started_from_ipxe() {
    let scan =
        shows(&["ipxe.efi", "i386-efi/snponly.efi", "10secdelay/ipxe.efi", "default.ipxe"], &["default [script]"]);
    assert_eq!(skipped(&scan), ["10secdelay/ipxe.efi: an iPXE: it would only load this menu again"]);
}

#[test]
fn a_kernel_gets_the_arguments_of_pxelinux() {
    let kernel = ["os/linux", "os/initrd.gz"];
    let config = |name: &str, append: &str| {
        format!(
            "pxelinux.cfg/{name} = DEFAULT os\nLABEL os\n  KERNEL os/linux\n  APPEND initrd=os/initrd.gz {append}\n"
        )
    };
    let with = |configs: &[String], expected: &str| {
        let files: Vec<&str> = kernel.into_iter().chain(configs.iter().map(String::as_str)).collect();
        shows(&files, &[expected]);
    };
    let machine = config("01-52-54-00-00-00-10", "auto=true url=http://x/preseed.cfg --- quiet");
    with(std::slice::from_ref(&machine), "os [linux+initrd.gz: auto=true url=http://x/preseed.cfg quiet]");
    // If the configurations of two machines have different arguments, neither applies to other machines.
    with(&[machine.clone(), config("01-52-54-00-00-00-11", "rescue")], "os [linux+initrd.gz]");
    with(&[machine.clone(), config("default", "vga=788")], "os [linux+initrd.gz: vga=788]");
    with(&[machine, config("default", "vga=788"), "os/cmdline = mine".into()], "os [linux+initrd.gz: mine]");
}

#[test]
fn isolinux_includes_are_followed_to_the_default_label() {
    let files = [
        "d/live/vmlinuz",
        "d/live/initrd.img",
        "d/live/filesystem.squashfs",
        "d/isolinux/isolinux.cfg = include menu.cfg\ndefault vesamenu.c32\n",
        "d/isolinux/menu.cfg = include live.cfg\n",
        "d/isolinux/adlive.cfg = label expert\n kernel /live/vmlinuz\n append expert\n",
        "d/isolinux/live.cfg = label safe\n kernel /live/vmlinuz\n append boot=live nomodeset\n\
         label live\n menu default\n linux ../live/vmlinuz\n append boot=live components \
         initrd=/live/initrd.img findiso=${iso_path} root=/dev/sr0\n",
    ];
    shows(&files, &["d/live [vmlinuz+initrd.img: boot=live components] !"]);
    let grub =
        "d/boot/grub/grub.cfg = linux ($root)/live/vmlinuz boot=live \\\n fetch=http://x/live/filesystem.squashfs\n";
    shows(
        &[&files[..], &[grub]].concat(),
        &["d/live [vmlinuz+initrd.img: boot=live fetch=http://x/live/filesystem.squashfs]"],
    );
}

#[test]
fn kernels_without_a_version_have_their_own_initrd() {
    shows(
        &[
            "b/vmlinuz",
            "b/initrd.img",
            "b/vmlinuz-6.1.0-9-amd64",
            "b/initrd.img-6.1.0-9-amd64",
            "b/vmlinuz-6.1.0-8-amd64",
        ],
        &["b/vmlinuz [vmlinuz+initrd.img]", "b/vmlinuz-6.1.0-9-amd64 [vmlinuz-6.1.0-9-amd64+initrd.img-6.1.0-9-amd64]"],
    );
}

#[test]
fn a_byte_order_mark_and_comments_are_no_arguments_and_cmdline_txt_counts() {
    for cmdline in [
        "a/cmdline = \u{feff}ip=dhcp",
        "a/cmdline.txt = ip=dhcp",
        "a/cmdline = # first\r\nip=dhcp # the address\r\n",
        "a/CMDLINE.TXT = \u{feff}# first\nip=dhcp",
    ] {
        let root = directory(&["a/linux", "a/initrd", cmdline]);
        let scan = scan(root.path(), []);
        let EntryTarget::Linux { arguments, .. } = &scan.found[0].entry.target else { panic!() };
        assert_eq!(arguments.trim(), "ip=dhcp", "{cmdline:?}");
    }
    let root = directory(&["a/linux", "a/initrd", "a/cmdline = a=#x {# not this #}{{ base }}"]);
    let scan = scan(root.path(), []);
    assert_eq!(entries(&scan), ["a [linux+initrd: a=#x {# not this #}{{ base }}]"]);
}

#[test]
fn a_kernel_with_unusable_arguments_does_not_boot() {
    let long = format!("a/cmdline = {}", "x ".repeat(3000));
    let root = directory(&["a/linux", "a/initrd", &long]);
    let scan = scan(root.path(), []);
    assert_eq!(scan.found[0].entry.problem.as_deref(), Some("its arguments: longer than 4096 octets"));
}

#[test]
fn the_log_shortens_long_lists_and_counts_the_rest() {
    let files: Vec<String> = (0..5).map(|number| format!("{number}.iso")).collect();
    let root = directory(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let summary = scan(root.path(), []).summary();
    let why = "an ISO image, which cannot be booted yet: unpack it into a directory";
    assert_eq!(
        summary,
        [format!(
            "not in the menu: 0.iso: {why}; 1.iso: {why}; 2.iso: {why}; and 2 more; `proxydhcpd check` lists all"
        )]
    );
    assert_eq!(scan(Path::new("/nowhere/at/all"), []), Scan::default());
}

#[test]
fn consoles_and_roots_that_are_no_disc_are_kept() {
    let config = "x/pxelinux.cfg/default = label a\n kernel linux\n append root=/dev/nfs nfsroot=192.0.2.1:/x \
                  console=/dev/ttyS0 root=/dev/sda1 inst.repo=/dev/sr0 resume=/dev/sda2 root=/dev/ram0 \
                  inst.stage2=hd:UUID=1 vga=${mode} ip=dhcp\n";
    let kept = "x [linux+initrd.gz: root=/dev/nfs nfsroot=192.0.2.1:/x console=/dev/ttyS0 root=/dev/ram0 ip=dhcp]";
    shows(&["x/linux", "x/initrd.gz", config], &[kept]);
}

#[test]
fn a_kernel_with_a_boot_sectors_signature_is_an_entry_and_no_disk_image() {
    let root = directory(&["k/kernel.img", "k/initrd.gz", "freedos.img"]);
    let mut kernel = stub("kernel");
    kernel[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(root.path().join("k/kernel.img"), kernel).unwrap();
    let scan = scan(root.path(), []);
    assert_eq!(entries(&scan), ["k [kernel.img+initrd.gz]"]);
    assert_eq!(skipped(&scan).len(), 1, "{:?}", scan.skipped);
    assert!(skipped(&scan)[0].starts_with("freedos.img: a disk image"));
    // The scan lists neither a kernel without an initrd, nor an initrd with this signature, as a disk image.
    fs::copy(root.path().join("freedos.img"), root.path().join("k/initrd.img")).unwrap();
    fs::remove_file(root.path().join("k/initrd.gz")).unwrap();
    assert_eq!(skipped(&self::scan(root.path(), [])), skipped(&scan));
    fs::remove_file(root.path().join("k/initrd.img")).unwrap();
    let without = skipped(&self::scan(root.path(), []));
    assert_eq!(without[1..], ["k/kernel.img: a kernel without a matching initrd"]);
}

#[test]
fn two_alpine_kernels_boot_after_they_were_moved_apart() {
    let lts = ["boot/vmlinuz-lts", "boot/initramfs-lts", "boot/modloop-lts"];
    let root = directory(&[&lts[..], &["boot/vmlinuz-virt", "boot/initramfs-virt", "boot/modloop-virt"]].concat());
    let fixes: Vec<String> = scan(root.path(), []).found.into_iter().filter_map(|found| found.fix).collect();
    let arguments = "ip=dhcp alpine_repo=http://dl-cdn.alpinelinux.org/alpine/latest-stable/main \
                     modloop={{ base }}boot/virt/modloop-virt";
    let fix = format!(
        "the file cmdline applies to every kernel of its directory: move vmlinuz-virt, initramfs-virt, modloop-virt \
         into a directory boot/virt, and write into boot/virt/cmdline: {arguments}"
    );
    assert!(fixes.len() == 2 && fixes.contains(&fix), "{fixes:#?}");
    fs::create_dir(root.path().join("boot/virt")).unwrap();
    for name in ["vmlinuz-virt", "initramfs-virt", "modloop-virt"] {
        fs::rename(root.path().join("boot").join(name), root.path().join("boot/virt").join(name)).unwrap();
    }
    fs::write(root.path().join("boot/virt/cmdline"), arguments).unwrap();
    let found = scan(root.path(), []).found;
    let unbootable: Vec<&str> = found.iter().filter_map(|found| found.fix.as_deref()).collect();
    assert!(found.len() == 2 && unbootable.len() == 1, "{found:#?}");
    assert!(unbootable[0].starts_with("write into boot/cmdline: "), "{unbootable:?}");
}

#[test]
fn an_alpine_kernel_with_the_modules_of_another_does_not_boot() {
    let cmdline =
        |flavour: &str| format!("boot/cmdline = alpine_repo=http://x/ modloop={{{{ base }}}}boot/modloop-{flavour}");
    let lts = ["boot/vmlinuz-lts", "boot/initramfs-lts", "boot/modloop-lts"];
    let virt = ["boot/vmlinuz-virt", "boot/initramfs-virt", "boot/modloop-virt"];
    let both = directory(&[&lts[..], &virt, &[&cmdline("virt")]].concat());
    let found = scan(both.path(), []).found;
    let unbootable: Vec<_> = found.iter().filter(|found| found.entry.problem.is_some()).collect();
    assert_eq!(unbootable.len(), 1, "{found:#?}");
    let why = "its arguments name modloop-virt, which has the modules of another kernel";
    assert_eq!(
        (&unbootable[0].entry.title[..], unbootable[0].entry.problem.as_deref()),
        ("boot/vmlinuz-lts", Some(why))
    );
    assert!(unbootable[0].fix.as_ref().unwrap().contains("move vmlinuz-lts, initramfs-lts, modloop-lts into"));
    assert!(fix_of(&[&lts[..], &[&cmdline("virt")]].concat()).contains("modloop={{ base }}boot/modloop-lts"));
    let right = directory(&[&lts[..], &[&cmdline("lts")]].concat());
    assert_eq!(scan(right.path(), []).found[0].entry.problem, None);
}
