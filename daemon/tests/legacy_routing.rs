//! Tests, with the real binary, that each client gets the same file from an old proxy.ini as from the Python daemon.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

const PROXY: &str = "[proxy]\nlisten_address = 0.0.0.0\ntftpd = 192.0.2.99\nfilename = pxelinux.0\n\
                     filename_efi32 = bootia32.efi\nfilename_efi64 = bootx64.efi\n\
                     vendor_specific_information = \"proxyDHCPd\"\n[pxe]\n";

#[test]
fn in_ipxe_mode_option_93_chooses_the_loader_and_option_77_the_script() {
    let file = ini("[ipxe]\nenabled = true\n");
    for (client, expected) in [
        ("bios", "undionly.kpxe"),
        ("uefi-x64", "ipxe.efi"),
        ("uefi-ebc", "ipxe.efi"),
        ("ipxe-bios", "boot.ipxe"),
        ("ipxe-x64", "boot.ipxe"),
        ("ipxe-arm64", "boot.ipxe"),
    ] {
        assert_eq!(reply(file.path(), client), Some(("192.0.2.99".into(), expected.into())), "{client}");
    }
}

#[test]
fn in_ipxe_mode_an_architecture_without_a_key_gets_no_reply() {
    let file = ini("[ipxe]\nenabled = true\n");
    for client in ["uefi-ia32", "uefi-arm32", "uefi-arm64", "uefi-riscv64", "uefi-loongarch64"] {
        assert_eq!(reply(file.path(), client), None, "{client}");
    }
    let with_keys = ini("[ipxe]\nenabled = true\narm64_bootstrap = a/ipxe-arm64.efi\nefi32_bootstrap = ia32.efi\n");
    assert_eq!(reply(with_keys.path(), "uefi-arm64").unwrap().1, "a/ipxe-arm64.efi");
    assert_eq!(reply(with_keys.path(), "uefi-ia32").unwrap().1, "ia32.efi");
    assert_eq!(reply(with_keys.path(), "uefi-riscv64"), None);
}

#[test]
fn in_ipxe_mode_names_in_the_file_override_the_defaults() {
    let file = ini("[ipxe]\nenabled = TRUE\nlegacy_bootstrap = l.kpxe\nefi_bootstrap = e.efi\n\
                    chainload_url = http://192.0.2.50/menu?x=1\n");
    assert_eq!(reply(file.path(), "bios").unwrap().1, "l.kpxe");
    assert_eq!(reply(file.path(), "uefi-x64").unwrap().1, "e.efi");
    assert_eq!(reply(file.path(), "ipxe-x64").unwrap().1, "http://192.0.2.50/menu?x=1");
}

#[test]
fn with_ipxe_mode_off_every_client_gets_the_file_of_its_firmware() {
    for off in ["", "[ipxe]\nenabled = false\n", "[ipxe]\nenabled = yes\n"] {
        let file = ini(off);
        for (client, expected) in [
            ("bios", "pxelinux.0"),
            ("uefi-ia32", "bootia32.efi"),
            ("uefi-x64", "bootx64.efi"),
            ("uefi-ebc", "bootx64.efi"),
            ("uefi-arm64", "pxelinux.0"),
            ("ipxe-x64", "bootx64.efi"),
            ("ipxe-bios", "pxelinux.0"),
        ] {
            assert_eq!(reply(file.path(), client), Some(("192.0.2.99".into(), expected.into())), "{client} {off:?}");
        }
    }
}

#[test]
fn http_boot_clients_get_no_reply_and_option_43_is_not_the_text_of_the_python_daemon() {
    let file = ini("[ipxe]\nenabled = true\n");
    for client in ["http-x64", "http-arm64"] {
        assert_eq!(reply(file.path(), client), None);
    }
    let output = explain(file.path(), "bios");
    assert!(!output.to_string().contains(&hex::encode("proxyDHCPd")), "{output}");
}

fn ini(more: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".ini").tempfile().unwrap();
    std::fs::write(file.path(), format!("{PROXY}{more}")).unwrap();
    file
}

/// Returns siaddr and file of the last reply to the firmware, which for UEFI is the reply from port 4011.
fn reply(file: &Path, client: &str) -> Option<(String, String)> {
    let output = explain(file, client);
    let last = output.as_array()?.iter().rfind(|exchange| exchange["follows"] == false)?;
    let reply = hex::decode(last["reply"].as_str()?).unwrap();
    let text = reply[108..236].split(|&octet| octet == 0).next().unwrap().to_vec();
    let siaddr = reply[20..24].iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    Some((siaddr, String::from_utf8(text).unwrap()))
}

fn explain(file: &Path, client: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    command.arg("-c").arg(file).args(["explain", "--json", "--client", client, "--server", "192.0.2.10/24"]);
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}
