//! Tests of `replay`: the stories of real firmware in captures, files that are no captures, and a comparison with the
//! stories of a running server. Needs root.

#[path = "../common/mod.rs"]
mod common;

mod live;

use common::server::PROGRAM;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/captures");

/// Runs `replay` with these arguments.
pub fn replay(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("replay").args(arguments).output().unwrap()
}

/// The stories in a capture: for each boot its client, its furthest stage, and the code of its verdict.
pub fn boots(json: &Value) -> Vec<String> {
    let boots = json.as_array().unwrap().iter().flat_map(|story| story["boots"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    boots.map(|boot| [&boot["client"], &boot["stage"], &boot["verdict"]["code"]].map(text).join(", ")).collect()
}

fn boots_of(capture: &str) -> Vec<String> {
    let output = replay(&["--json", &format!("{CAPTURES}/{capture}.pcap")]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    boots(&serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn captures_of_real_firmware_have_their_stories() {
    for (capture, expected) in [
        ("bios-ipxe-rom-2019", &["iPXE on x86 BIOS, offered, -"][..]),
        ("http-boot-x64-2022", &["x64 UEFI HTTP, offered, -"]),
        ("ipxe-riscv64-2025", &["iPXE on RISC-V 64 UEFI, asked, -"]),
        ("secure-boot-shim-grub-x64-2022", &["x64 UEFI, loader, -"]),
        ("uefi-arm64-2025-no-answer", &["ARM 64 UEFI, asked, -"]),
        ("uefi-arm64-2025-then-ipxe-2025", &["ARM 64 UEFI, loader, -"]),
        ("uefi-x64-2022-then-ipxe-2025", &["x64 UEFI, loader, -"]),
        ("uefi-x64-2022-ipv6-first-no-answer", &["x64 UEFI, asked, -"]),
    ] {
        assert_eq!(boots_of(capture), expected, "{capture}");
    }
}

#[test]
fn the_text_shows_the_steps_with_their_times() {
    let output = replay(&[&format!("{CAPTURES}/uefi-x64-2022-then-ipxe-2025.pcap"), "--machine", "52:54:00:77:00:10"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "server 10.77.0.2, 14 packets in 5 s from 2026-11-23T17:28:53.723Z",
        "52:54:00:77:00:10, 10.77.0.113",
        "2026-11-23T17:28:53Z, x64 UEFI, PXE over IPv4",
        "4.207 s             x64 UEFI, port 4011: ipxe-amd64.efi",
        "5.219 s  loader     loader ipxe-amd64.efi over TFTP: complete,",
        "5.519 s             script autoexec.ipxe over TFTP: refused",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("let it run for a minute"));
    assert_eq!(output.status.code(), Some(0));
    let another = replay(&[&format!("{CAPTURES}/uefi-x64-2022-then-ipxe-2025.pcap"), "--machine", "02:00:00:00:00:01"]);
    assert!(String::from_utf8_lossy(&another.stdout).contains("no boot"));
}

#[test]
fn a_chosen_server_is_the_only_one_whose_replies_count() {
    let file = format!("{CAPTURES}/uefi-x64-2022-then-ipxe-2025.pcap");
    let output = replay(&["--json", "--server", "10.77.0.9", &file]);
    let json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(boots(&json), ["x64 UEFI, asked, -"]);
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let path = path.to_str().unwrap();
    let capture = fs::read(format!("{CAPTURES}/uefi-x64-2022-then-ipxe-2025.pcap")).unwrap();
    for (octets, reason) in [
        (&b"hello, I am a text"[..], "it is no packet capture"),
        (&[0x1f, 0x8b, 8, 0, 0], "decompress it with `gunzip`"),
        (&[], "it is empty"),
        (&capture[..30], "it is truncated within its first packet"),
    ] {
        fs::write(path, octets).unwrap();
        let output = replay(&[path]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(reason), "{reason}: {stderr}");
        assert_eq!(output.status.code(), Some(2), "{reason}");
    }
    let output = replay(&["/nonexistent/boot.pcap"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("No such file"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
    // The story until the damage, and a warning.
    fs::write(path, &capture[..capture.len() - 3]).unwrap();
    let output = replay(&[path]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("truncated within a packet"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("ipxe-amd64.efi"));
}

#[test]
fn a_capture_is_read_from_a_pipe_and_in_the_other_format() {
    let file = format!("{CAPTURES}/uefi-x64-2022-then-ipxe-2025.pcap");
    let directory = tempfile::tempdir().unwrap();
    let pcapng = directory.path().join("file.pcapng");
    let status = Command::new("editcap").args(["-F", "pcapng", &file]).arg(&pcapng).status().unwrap();
    assert!(status.success());
    let expected = replay(&["--json", &file]).stdout;
    for path in [file, pcapng.to_str().unwrap().to_owned()] {
        let mut command = Command::new(PROGRAM);
        let command = command.args(["replay", "--json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(&fs::read(path).unwrap()).unwrap();
        let output = process.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), String::from_utf8(expected.clone()).unwrap());
    }
}
