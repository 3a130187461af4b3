use super::*;
use crate::boot_files::image::tests::{bzimage, efi};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::offer::EntryTarget;
use std::os::unix::fs::symlink;

fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

fn entries(files: &[(&str, &[u8])]) -> Vec<BootDirEntry> {
    scan(directory(files).path(), []).entries()
}

fn linux(title: &str, kernel: &str, initrds: &[&str], arguments: &str) -> BootDirEntry {
    let target = EntryTarget::Linux {
        kernel: kernel.into(),
        initrds: initrds.iter().map(|&name| name.into()).collect(),
        arguments: arguments.into(),
        arch: Arch::X64,
    };
    BootDirEntry { title: title.into(), target, problem: None }
}

fn script(title: &str, path: &str) -> BootDirEntry {
    BootDirEntry { title: title.into(), target: EntryTarget::Script { path: path.into() }, problem: None }
}

/// Each skipped file, with the reason.
fn skipped(scan: &Scan) -> Vec<String> {
    scan.skipped.iter().map(|file| format!("{}: {}", file.path, file.reason)).collect()
}

#[test]
fn a_kernel_with_its_initrd_is_an_entry() {
    let kernel = bzimage(true);
    let files: &[(&str, &[u8])] = &[
        ("debian/amd64/linux", &kernel),
        ("debian/amd64/initrd.gz", b"..."),
        ("debian/amd64/cmdline", b"# the installer\nauto=true\npriority=critical ip=${net0/ip}\n"),
    ];
    let arguments = "\nauto=true\npriority=critical ip=${net0/ip}";
    let expected = linux("debian/amd64", "debian/amd64/linux", &["debian/amd64/initrd.gz"], arguments);
    assert_eq!(entries(files), [expected]);
}

#[test]
fn each_kernel_gets_the_initrd_of_its_version() {
    let kernel = bzimage(true);
    let files: &[(&str, &[u8])] = &[
        ("a/vmlinuz-6.1", &kernel),
        ("a/vmlinuz-6.12", &kernel),
        ("a/initrd.img-6.1", b""),
        ("a/initrd.img-6.12", b""),
        ("a/intel-ucode.img", b""),
    ];
    let found = entries(files);
    assert_eq!(found.len(), 2);
    let second = linux("a/vmlinuz-6.12", "a/vmlinuz-6.12", &["a/intel-ucode.img", "a/initrd.img-6.12"], "");
    assert_eq!(found[1], second);
}

#[test]
fn a_file_with_only_the_name_of_a_kernel_is_no_entry() {
    assert_eq!(entries(&[("a/linux.txt", b"read me"), ("a/kernel", b""), ("a/initrd.gz", b"")]), []);
    assert_eq!(entries(&[("a/linux", &bzimage(true))]), [], "no initrd");
}

#[test]
fn scripts_and_efi_programs_are_entries_and_loaders_are_not() {
    let (x64, other) = (efi(0x8664), efi(0x1234));
    let files: &[(&str, &[u8])] = &[
        ("autoexec.ipxe", b"#!ipxe\n"),
        ("rescue.ipxe", b"#!ipxe\n"),
        ("snponly.efi", &x64),
        ("tools/memtest.efi", &x64),
        ("tools/strange.efi", &other),
    ];
    let target = EntryTarget::Efi { path: "tools/memtest.efi".into(), arch: Arch::X64 };
    let program = BootDirEntry { title: "tools/memtest".into(), target, problem: None };
    assert_eq!(entries(files), [script("rescue", "rescue.ipxe"), program]);
}

#[test]
fn a_boot_ipxe_of_the_operator_is_found() {
    let scan = scan(directory(&[("boot.ipxe", b"#!ipxe\n")]).path(), []);
    assert!(scan.has_boot_script && scan.found.is_empty());
    assert_eq!(super::scan(Path::new("/nowhere/at/all"), []), Scan::default());
}

#[test]
fn an_unservable_boot_ipxe_is_reported_and_replaced_by_the_menu() {
    let scanned = |make: &dyn Fn(&Path)| {
        let root = directory(&[]);
        make(&root.path().join("boot.ipxe"));
        let Scan { has_boot_script, warnings, .. } = scan(root.path(), []);
        assert!(!has_boot_script);
        warnings
    };
    let instead = |reason: &str| [format!("boot.ipxe {reason}: showing the menu instead")];
    for target in ["/etc/hostname", "/nowhere/at/all"] {
        let warnings = scanned(&|path| symlink(target, path).unwrap());
        assert_eq!(warnings, instead("is a dangling link, or leads out of the boot directory"), "{target}");
    }
    let warnings = scanned(&|path| fs::create_dir(path).unwrap());
    assert_eq!(warnings, instead("is not a regular file that this server may read"));

    let root = directory(&[("real/script", b"#!ipxe\n")]);
    symlink("real/script", root.path().join("boot.ipxe")).unwrap();
    assert!(scan(root.path(), []).has_boot_script, "a link that stays inside");
}

#[test]
fn links_are_followed_only_inside_of_the_directory() {
    let root = directory(&[("real/a.txt", b"#!ipxe\n")]);
    symlink("real/a.txt", root.path().join("inside.ipxe")).unwrap();
    symlink("/etc/hostname", root.path().join("outside.ipxe")).unwrap();
    symlink(".", root.path().join("circle")).unwrap();
    symlink("/usr/share", root.path().join("mirror")).unwrap();
    // The search for loaders and for the operator's script reports these two.
    symlink("/etc/hostname", root.path().join("snponly.efi")).unwrap();
    symlink("/nothing/there", root.path().join("boot.ipxe")).unwrap();
    let scan = scan(root.path(), []);
    assert_eq!(scan.entries(), [script("inside", "inside.ipxe")]);
    let reason = "a dangling link, or a link out of the directory, which is not followed: use [directories]";
    assert_eq!(skipped(&scan), [format!("mirror: {reason}"), format!("outside.ipxe: {reason}")]);
    assert!(scan.warnings[0].starts_with("boot.ipxe "), "{:?}", scan.warnings);
}

#[test]
fn a_menu_that_is_too_long_is_cut() {
    let root = directory(&[]);
    for number in 0..MAX_ENTRIES + 5 {
        fs::write(root.path().join(format!("{number:03}.ipxe")), "#!ipxe").unwrap();
    }
    let scan = scan(root.path(), []);
    assert_eq!(scan.found.len(), MAX_ENTRIES);
    assert_eq!(scan.skipped.len(), 5);
    assert_eq!(skipped(&scan)[0], format!("{MAX_ENTRIES:03}: the menu is full: it has at most {MAX_ENTRIES} entries"));
}

#[test]
fn a_name_that_ipxe_cannot_request_is_skipped() {
    let scan = scan(directory(&[("caf\u{e9}/a.ipxe", b"#!ipxe\n"), ("$b c&.ipxe", b"#!ipxe\n")]).path(), []);
    assert_eq!(skipped(&scan), ["caf\u{e9}: iPXE cannot request this name: it has non-ASCII characters"]);
    assert_eq!(scan.entries(), [script("$b c&", "$b c&.ipxe")]);
}

#[test]
fn a_directory_that_is_served_under_a_name_is_listed_under_it() {
    let kernel = bzimage(true);
    let mirror = directory(&[("linux", &kernel), ("initrd", b""), ("sub/linux", &kernel), ("sub/initrd", b"")]);
    let boot = directory(&[("debian/other/linux", &kernel), ("debian/other/initrd", b"")]);
    let scan = scan(boot.path(), [("debian", mirror.path())]);
    let at_top = linux("debian", "debian/linux", &["debian/initrd"], "");
    let below = linux("debian/sub", "debian/sub/linux", &["debian/sub/initrd"], "");
    assert_eq!(scan.entries(), [at_top, below]);
}

#[test]
fn files_for_a_raspberry_pi_are_found_at_the_top_and_below_a_serial_number() {
    for file in ["bootcode.bin", "config.txt", "start4.elf", "start.elf", "12ab34cd/config.txt"] {
        let dialects = scan(directory(&[(file, b"")]).path(), []).dialects;
        assert_eq!(dialects.iter().map(|dialect| dialect.id).collect::<Vec<_>>(), ["raspberry-pi"], "{file}");
    }
    for file in ["start.txt", "debian/config.txt", "12ab34cg/config.txt", "12ab34cd/linux"] {
        assert!(scan(directory(&[(file, b"")]).path(), []).dialects.is_empty(), "{file}");
    }
}

#[test]
fn hidden_and_unprintable_names_are_skipped() {
    assert_eq!(entries(&[(".git/a.ipxe", b""), (".b.ipxe", b""), ("c\n.ipxe", b"")]), []);
}
