//! Tests that the result of a conversion, or its notes, are correct. They run no server; `daemon/tests/import` compares
//! the results with the servers themselves.

mod faults;
mod formats;

use proxydhcpd_import::{HostInfo, ImportFormat, ServerInfo, import};
use proxydhcpd_reading::diagnostic::Source;

const UNSUPPORTED: &str = "# No equivalent here";
const CHANGED: &str = "# Imported with a difference:";

/// A host without networks, and a server that can offer every file.
fn this_host() -> HostInfo {
    HostInfo::new(ServerInfo { default_boot_dir: "/var/lib/proxydhcpd/boot", loader_fault: |_, _| None })
}

fn imported(text: &str) -> String {
    let source = Source::new("dnsmasq.conf", text.as_bytes().to_vec()).unwrap();
    import(&source, None, &this_host()).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

#[test]
fn every_line_has_an_effect_or_a_note() {
    let text = "port=0\nlog-dhcp\nserver=192.0.2.53\ndhcp-range=192.0.2.50,192.0.2.60,1h\ndhcp-boot=a.0\n\
                dhcp-boot=b.0\n\
                tftp-no-blocksize\ndhcp-match=set:x,option:host-name\npxe-prompt=\"F8\"\ndhcp-option=3,192.0.2.1\n";
    let output = imported(text);
    let without_note = [6];
    for (number, line) in (1..).zip(text.lines()) {
        let place = format!("line {number}");
        let word = |line: &str| line.split([' ', ',', ':']).collect::<Vec<_>>().join(" ");
        let has_note =
            output.lines().any(|output| word(output).contains(&place) && !word(output).contains(&format!("{place}0")));
        assert!(has_note, "{line} of {output}");
        assert!(!without_note.contains(&number) || output.contains("# line 6"), "{output}");
    }
    assert!(output.contains("default = \"b.0\""), "{output}");
}

#[test]
fn a_line_that_requires_a_tag_of_an_unsupported_line_has_a_note() {
    let text =
        "dhcp-remoteid=set:lab,x\ndhcp-ignore=tag:lab\ndhcp-boot=tag:lab,a.0\ndhcp-boot=b.0\ndhcp-boot=tag:eth7,c.0\n";
    let output = imported(text);
    let reason = "no imported line sets the tag lab: the import assumes that no machine has it";
    for line in ["line 2: dhcp-ignore=tag:lab", "line 3: dhcp-boot=tag:lab,a.0"] {
        assert!(output.contains(&format!("#   {line}\n#     {reason}\n")), "{output}");
    }
    assert!(!output.contains("interface = [\"lab\"]") && output.contains("interface = [\"eth7\"]"), "{output}");
}

#[test]
fn an_absolute_name_keeps_its_meaning_or_has_a_note() {
    let has = |text: &str, lines: &[&str]| {
        let imported = imported(text);
        for line in lines {
            assert!(imported.lines().any(|output| output == *line), "no line {line:?} in\n{imported}");
        }
        imported
    };
    // dnsmasq accepts names that begin with the TFTP root. It resolves all other names relative to the root.
    let rooted = "enable-tftp\ntftp-root=/srv/test/\ndhcp-match=set:efi,option:client-arch,7\n";
    let names = "dhcp-boot=/srv/test/pxelinux.0\ndhcp-boot=tag:efi,/efi/ipxe.efi\n";
    let output = has(
        &format!("{rooted}{names}"),
        &["boot-dir = \"/srv/test\"", "default = \"pxelinux.0\"", "uefi-x64 = \"efi/ipxe.efi\""],
    );
    assert!(!output.contains(UNSUPPORTED), "{output}");
    has("enable-tftp\ntftp-root=/\ndhcp-boot=/a/b.0\n", &["boot-dir = \"/\"", "default = \"a/b.0\""]);

    // Without a TFTP root, dnsmasq resolves names from the root of the file system.
    let rootless = "enable-tftp\ndhcp-match=set:efi,option:client-arch,7\n";
    let names = "dhcp-boot=/srv/test/bios/pxelinux.0\ndhcp-boot=tag:efi,/srv/test/efi/ipxe.efi\n";
    let output = has(
        &format!("{rootless}{names}"),
        &[
            "boot-dir = \"/srv/test\"",
            "default = \"bios/pxelinux.0\"",
            "uefi-x64 = \"efi/ipxe.efi\"",
            "#     without tftp-root dnsmasq served every file of this host; the files that it names are in /srv/test",
        ],
    );
    assert!(!output.contains(UNSUPPORTED), "{output}");
    let apart = "dhcp-boot=/srv/pxelinux.0\ndhcp-boot=tag:efi,/efi/ipxe.efi\n";
    let output = has(
        &format!("{rootless}{apart}"),
        &[
            CHANGED,
            "#     without tftp-root this was /srv/pxelinux.0; here it is srv/pxelinux.0 in the boot directory",
            "#     without tftp-root this was /efi/ipxe.efi; here it is efi/ipxe.efi in the boot directory",
        ],
    );
    assert!(!output.contains("boot-dir"), "{output}");
    has(
        "enable-tftp\npxe-service=x86PC,\"PXE\",pxelinux\n",
        &[CHANGED, "#     without tftp-root this was /pxelinux.0; here it is pxelinux.0 in the boot directory"],
    );
    has(
        "dhcp-boot=/srv/pxelinux.0\n",
        &[
            "# Before you start the server:",
            "#   dnsmasq sent no files, so another TFTP server of that host did. Set `boot-dir` to its directory (in \
             Debian \
             TFTP_DIRECTORY in /etc/default/tftpd-hpa), or put these files into /var/lib/proxydhcpd/boot: \
             srv/pxelinux.0. Then stop that server, because proxydhcpd sends them",
        ],
    );
    // The import does not change the names of files on another server.
    let output = has("dhcp-boot=/srv/pxelinux.0,x,192.0.2.5\n", &["default = \"tftp://192.0.2.5//srv/pxelinux.0\""]);
    assert!(!output.contains(UNSUPPORTED), "{output}");
}

#[test]
fn an_error_in_the_file_has_its_location() {
    for (text, message) in [
        ("port=0\ndhcp-bot=pxelinux.0", "d:2:1: unknown option `dhcp-bot` (did you mean `dhcp-boot`?)"),
        ("pxe-service=x86-64_EFU,\"a\",b", "d:1:13: unknown architecture `x86-64_EFU` (did you mean `x86-64_EFI`?)"),
        ("dhcp-mac=set:x,00:60", "d:1:16: this must be a MAC address, with `*` for any octet"),
        ("dhcp-boot", "d:1:1: `dhcp-boot` needs a value after `=`"),
    ] {
        let source = Source::new("d", text.into()).unwrap();
        assert_eq!(import(&source, Some(ImportFormat::Dnsmasq), &this_host()).unwrap_err()[0].one_line(), message);
    }
}
