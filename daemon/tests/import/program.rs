//! Tests of the command `import`: its input, its output, and that the server accepts the result.

use proxydhcpd_reading::diagnostic::Source;
use proxydhcpd_testbed::loaders::fake_loader;
use std::path::Path;

/// Returns the tables of an imported configuration, without comments.
fn tables(text: &str) -> String {
    let without_line = |line: &str| line.split(" # line ").next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.starts_with('#')).map(without_line).collect::<Vec<_>>().join("\n")
}

/// In a shell, the program prints one line, and its exit status is not zero.
#[test]
fn an_empty_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dnsmasq.conf");
    std::fs::write(&file, "").unwrap();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    let output = program.arg("import").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("the file is empty: there is nothing to import"), "{printed}");
    assert!(output.stdout.is_empty());
}

/// The input is a device without an end, or a pipe. The program reads each as a file and as standard input.
#[test]
fn input_without_an_end_is_an_error_and_pipes_are_read() {
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    let zeros = || std::fs::File::open("/dev/zero").unwrap();
    for (name, output) in [
        ("/dev/zero", program().args(["import", "/dev/zero"]).output().unwrap()),
        ("standard input", program().args(["import", "-"]).stdin(zeros()).output().unwrap()),
    ] {
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(printed.contains(name) && printed.contains("the file is larger than 64 MiB, the limit"), "{printed}");
    }
    for name in ["-", "/dev/stdin"] {
        let mut running = program()
            .args(["import", name])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut running.stdin.take().unwrap(), b"port=0\ndhcp-boot=pxelinux.0\n").unwrap();
        let output = running.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("pxelinux.0"), "{text}");
    }
}

/// Runs the program, which must succeed, and returns its output.
fn program(directory: &Path, arguments: &[&str]) -> String {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    let output = program.args(arguments).current_dir(directory).output().unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {printed}");
    printed
}

/// The file names are those in the documentation of PXELINUX and netboot.xyz.
#[test]
fn a_pxelinux_directory_and_netboot_xyz_scripts_become_machines() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("tftp");
    std::fs::create_dir_all(root.join("pxelinux.cfg")).unwrap();
    std::fs::create_dir_all(root.join("debian")).unwrap();
    let kernel = fake_loader("x64");
    for (name, octets) in
        [("debian/linux", &kernel[..]), ("debian/initrd.gz", b"\x1f\x8b"), ("live", &kernel), ("pxelinux.0", b"x")]
    {
        std::fs::write(root.join(name), octets).unwrap();
    }
    for (name, text) in [
        (
            "default",
            "DEFAULT menu.c32\nTIMEOUT 50\nMENU TITLE Network\nLABEL local\n  MENU LABEL Boot from the ^disk\n  MENU \
             DEFAULT\n  \
             LOCALBOOT 0\nLABEL install\n  MENU LABEL ^Install\n  KERNEL debian/linux\n  APPEND \
             initrd=debian/initrd.gz quiet\n\
             LABEL memtest\n  KERNEL memdisk.c32\n\
             LABEL disk\n  COM32 boot/chain.c32\n  APPEND hd0\nMENU INCLUDE more.cfg\n",
        ),
        (
            "01-02-00-00-00-01-07",
            "default install\nprompt 0\nlabel install\n  linux ::debian/linux\n  initrd debian/initrd.gz\n  append \
             auto=true\n  ipappend 2\n",
        ),
        ("b8945908-d6a6-41a9-611d-74a6ab80b83d", "DEFAULT live root=/dev/nfs\nlabel other\n kernel x\n"),
        ("C0000207", "DEFAULT a\nLABEL a\nKERNEL live\nAPPEND one\n"),
        ("C00002", "DEFAULT a\nLABEL a\nKERNEL 192.0.2.5::live\n"),
        ("README", "x"),
    ] {
        std::fs::write(root.join("pxelinux.cfg").join(name), text).unwrap();
    }
    std::fs::write(root.join("MAC-525400000010.ipxe"), "#!ipxe\nsanboot x\n").unwrap();
    std::fs::write(root.join("HOSTNAME-pc1.ipxe"), "#!ipxe\n").unwrap();
    program(directory.path(), &["import", "tftp", "-o", "new.toml"]);
    let text = std::fs::read_to_string(directory.path().join("new.toml")).unwrap();
    for part in [
        "default-profile = \"default-menu\"\n",
        "[[rule]] # C0000207\nname = \"C0000207\"\nsubnet = [\"192.0.2.7/32\"]\nprofile = \"a-2\"\n\n[[rule]] # \
         C00002\nname = \"C00002\"\n\
         subnet = [\"192.0.2.0/24\"]\nprofile = \"a\"\n",
        "title = \"install\"\nkernel = \"debian/linux\"\ninitrd = \"debian/initrd.gz\"\narguments = \"auto=true\"\n",
        "kernel = \"live\"\narguments = \"root=/dev/nfs\"\n",
        "kernel = \"tftp://192.0.2.5/live\"\n",
        "prompt = \"Network\"\ntimeout = 5\nitems = [\n  \
         { title = \"Boot from the disk\", profile = \"local-disk\" },\n  \
         { title = \"Install\", profile = \"install-2\" },\n  { title = \"disk\", profile = \"local-disk\" },\n]\n",
        "[machine.mac-020000000107] # 01-02-00-00-00-01-07\nmac = \"02:00:00:00:01:07\"\nprofile = \"install\"\n",
        "[machine.mac-525400000010] # MAC-525400000010.ipxe\nmac = \"52:54:00:00:00:10\"\nprofile \
         = \"script-525400000010\"\n",
        // PXELINUX builds the file name from the octets of the UUID in the order of the packet.
        "uuid = \"085994b8-a6d6-a941-611d-74a6ab80b83d\"\nprofile = \"live\"\n",
        "kernel = \"MAC-525400000010.ipxe\"\n",
        "#   HOSTNAME-pc1.ipxe: the file\n#     only the menu of the boot directory runs it, and `default` takes \
         precedence over that: write [machine.pc1]",
        "#   README: the file\n#     PXELINUX never requests a file of this name",
        "#   default line 17: MENU INCLUDE more.cfg\n#     cannot read it: No such file",
        "#   default line 12: label memtest\n#     it boots a SYSLINUX program, not a kernel",
        "#   01-02-00-00-00-01-07 line 7: ipappend 2\n#     PXELINUX appended network settings to the arguments",
        "#   b8945908-d6a6-41a9-611d-74a6ab80b83d: the file\n#     it boots live; PXELINUX booted other only if typed",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    program(directory.path(), &["check", "new.toml"]);
    assert_eq!(tables(&text), {
        std::fs::remove_file(directory.path().join("new.toml")).unwrap();
        program(directory.path(), &["import", "tftp/pxelinux.cfg", "-o", "new.toml"]);
        tables(&std::fs::read_to_string(directory.path().join("new.toml")).unwrap())
    });
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

#[test]
fn two_files_for_one_machine_become_one_entry() {
    const MENU: (&str, &str) = ("pxelinux.cfg/01-52-54-00-00-00-10", "DEFAULT a\nLABEL a\nKERNEL linux\n");
    const SCRIPT: (&str, &str) = ("MAC-525400000010.ipxe", "#!ipxe\n");
    for (more, profile, why) in [
        (("pxelinux.0", ""), "a", "takes 01-52-54-00-00-00-10: pxelinux.0 is in the directory. If"),
        (
            ("netboot.xyz.kpxe", ""),
            "script-525400000010",
            "takes MAC-525400000010.ipxe: netboot.xyz.kpxe is in the directory, and",
        ),
        (("x", ""), "a", "takes 01-52-54-00-00-00-10: no loader in the directory shows"),
    ] {
        let directory = tree(&[MENU, SCRIPT, more]);
        let text = program(directory.path(), &["import", "."]);
        assert_eq!(text.matches("[machine.").count(), 1, "{text}");
        let entry = format!("mac = \"52:54:00:00:00:10\"\nprofile = \"{profile}\"\n");
        assert!(text.contains(&entry) && text.contains(why), "{text}");
        assert!(text.contains("# Before you start the server:\n#   01-") || profile != "a", "{text}");
        std::fs::write(directory.path().join("new.toml"), &text).unwrap();
        std::fs::write(directory.path().join("linux"), fake_loader("x64")).unwrap();
        program(directory.path(), &["check", "new.toml"]);
    }
    // PXELINUX requests the name in lower case, so the file with the lower-case name applies.
    let upper = ("pxelinux.cfg/01-52-54-00-00-00-AB", "DEFAULT a\nLABEL a\nKERNEL upper\n");
    let lower = ("pxelinux.cfg/01-52-54-00-00-00-ab", "DEFAULT b\nLABEL b\nKERNEL lower\n");
    let text = program(tree(&[upper, lower]).path(), &["import", "."]);
    assert!(text.matches("[machine.").count() == 1 && text.contains("ab\"\nprofile = \"b\"\n"), "{text}");
    assert!(text.contains("takes 01-52-54-00-00-00-ab: loaders request that name. If"), "{text}");
}

#[test]
fn mistakes_in_a_pxelinux_menu_have_notes() {
    let menu = "DEFAULT b\nLABEL a\n  KRENEL x\n  F1 help.txt\n  # KRENEL\n  TEXT HELP\n  KRENEL\n  LABEL z\n  \
                ENDTEXT\n\
                LABEL b\n  KERNEL linux\n  zzzzzz y\nLABEL c\n  KERNEL x.c32\n";
    let text = program(tree(&[("pxelinux.cfg/default", menu)]).path(), &["import", "."]);
    for note in [
        "#   default line 3: KRENEL x\n#     unknown keyword KRENEL: did you mean KERNEL?\n",
        "#   default line 2: label a\n#     the label has no KERNEL: it is left out\n",
        "#   default line 12: zzzzzz y\n#     unknown keyword zzzzzz, which PXELINUX ignores\n",
        "#   default line 13: label c\n#     it boots a SYSLINUX program, not a kernel",
    ] {
        assert!(text.contains(note), "no {note:?} in {text}");
    }
    assert!(!text.contains("label z") && text.matches("unknown keyword").count() == 2, "{text}");
}

#[test]
fn included_files_of_a_pxelinux_menu_are_read_within_the_directory() {
    let directory = tree(&[
        (
            "tftp/pxelinux.cfg/default",
            "DEFAULT a\nINCLUDE pxelinux.cfg/more\nMENU INCLUDE ::boot/menu.cfg title\nINCLUDE ../secret\nINCLUDE \
             none\n\
             INCLUDE 192.0.2.5::x\nINCLUDE link\n",
        ),
        ("tftp/pxelinux.cfg/more", "LABEL a\nKERNEL linux\nINCLUDE pxelinux.cfg/default\n"),
        ("tftp/boot/menu.cfg", "KRENEL x\n"),
        ("tftp/pxelinux.cfg/README", ""),
        ("secret", "LABEL a\nKERNEL secret\n"),
    ]);
    std::os::unix::fs::symlink("../secret", directory.path().join("tftp/link")).unwrap();
    let text = program(directory.path(), &["import", "tftp"]);
    for part in [
        "kernel = \"linux\"\n",
        "#   boot/menu.cfg line 1: KRENEL x\n",
        "#   pxelinux.cfg/more line 3: INCLUDE pxelinux.cfg/default\n#     the file includes itself\n",
        "#   default line 4: INCLUDE ../secret\n#     the file is outside of this directory",
        "#   default line 5: INCLUDE none\n#     cannot read it: No such file",
        "#   default line 6: INCLUDE 192.0.2.5::x\n#     the file is on another server",
        "#   default line 7: INCLUDE link\n#     the file is outside of this directory",
        "#   README: the file\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("\"secret\"") && !text.contains("#   more: the file"), "{text}");

    // Each file of a chain includes the next one twice. The import ends nevertheless.
    let chain: Vec<(String, String)> = (0..40)
        .map(|n| (format!("pxelinux.cfg/i{n}"), format!("INCLUDE pxelinux.cfg/i{}\n", n + 1).repeat(2)))
        .collect();
    let mut files = vec![("pxelinux.cfg/default", "INCLUDE pxelinux.cfg/i0\nDEFAULT a\nLABEL a\nKERNEL linux\n")];
    files.extend(chain.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let text = program(tree(&files).path(), &["import", "."]);
    assert!(text.contains("#     a menu includes at most 100 files, nested at most 16 deep\n"), "{text}");
    assert!(text.contains("kernel = \"linux\"\n"), "{text}");
}

#[test]
fn netboot_xyz_scripts_for_host_names_run_before_the_menu() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("HOSTNAME-pc1.ipxe"), "#!ipxe\n").unwrap();
    let text = program(directory.path(), &["import", "."]);
    assert!(
        text.contains("#   HOSTNAME-pc1.ipxe: the file\n#     the machine that the DHCP server names pc1 runs it"),
        "{text}"
    );
    std::fs::write(directory.path().join("new.toml"), &text).unwrap();
    let script = program(directory.path(), &["render", "menu", "--config", "new.toml"]);
    let first = script.find("isset ${hostname} && chain --autofree http").expect("the menu runs it");
    assert!(script[first..].contains("HOSTNAME-${hostname:uristring}.ipxe ||\n\n:menu\n"), "{script}");
}

#[test]
fn lists_of_machines_are_recognised_by_their_usual_columns() {
    let directory = tempfile::tempdir().unwrap();
    for (file, list, map, expected) in [
        (
            "netbox-interfaces.csv",
            "Device,Name,Enabled,MAC address\nweb1,eno1,True,52:54:00:00:00:01\nweb1,eno2,True,5254.0000.0002\n\
             db1,eno1,True,525400000003\n",
            None,
            "\n[machine.web1]\nmac = [\"52:54:00:00:00:01\", \"52:54:00:00:00:02\"]\n\n[machine.db1]\nmac = \
             [\"52:54:00:00:00:03\"]",
        ),
        (
            "netbox-devices.csv",
            "\u{feff}Name,Status,Serial number,IP Address\nweb1,Active,ABC,192.0.2.4/24\n",
            None,
            "\n[machine.web1]\nserial = \"ABC\"\nvariables = { status = \"Active\" }",
        ),
        (
            "inventory.csv",
            "inventory_hostname;ansible_default_ipv4.macaddress;ansible_product_uuid\n\
             web1.example;52-54-00-00-00-01;b8945908-d6a6-41a9-611d-74a6ab80b83d\n",
            None,
            "\n[machine.\"web1.example\"]\nmac = [\"52:54:00:00:00:01\"]\nuuid \
             = \"b8945908-d6a6-41a9-611d-74a6ab80b83d\"",
        ),
        (
            "own.csv",
            "Asset,Kennung,NIC\n17,web1,52:54:00:00:00:01\n17,web1,52:54:00:00:00:02\n",
            Some(["Kennung=name", "NIC=mac", "asset=inventory"]),
            "\n[machine.web1]\nmac = [\"52:54:00:00:00:01\", \"52:54:00:00:00:02\"]\nvariables = \
             { inventory = \"17\" }",
        ),
    ] {
        std::fs::write(directory.path().join(file), list).unwrap();
        let new = format!("{file}.toml");
        let mut arguments = vec!["import", file, "-o", &new];
        map.iter().flatten().for_each(|map| arguments.extend(["--map", *map]));
        program(directory.path(), &arguments);
        let text = std::fs::read_to_string(directory.path().join(&new)).unwrap();
        assert_eq!(tables(&text).trim(), expected.trim(), "{file}:\n{text}");
        assert!(!list.contains("IP Address") || text.contains("addresses come from the DHCP server"), "{text}");
        program(directory.path(), &["check", &new]);
    }
    let list = "Device,Name\nweb1,eno1\n";
    let source = Source::new("l.csv", list.into()).unwrap();
    let map = [("Devise".to_owned(), "name".to_owned())];
    let output = proxydhcpd_import::machine_csv::import(&source, &map).unwrap_err().remove(0).one_line();
    assert_eq!(output, "l.csv: no column is named \"Devise\" (did you mean `Device`?)");
}
