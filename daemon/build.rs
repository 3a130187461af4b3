//! Builds the programs that start a local disk under UEFI (`efi/local-disk.rs`), one for each target that the toolchain
//! has: `rustup target add x86_64-unknown-uefi` and its like, which `make` does. One that cannot be built is left out,
//! and the menus of such machines make do with what iPXE itself can.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

/// Architecture and Rust's target. RISC-V and LoongArch have none, and no iPXE that is too old to start a disk itself.
const TARGETS: [(&str, &str); 3] =
    [("uefi-ia32", "i686-unknown-uefi"), ("uefi-x64", "x86_64-unknown-uefi"), ("uefi-arm64", "aarch64-unknown-uefi")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=efi/local-disk.rs");
    let rustc = env::var("RUSTC").expect("cargo names the compiler");
    // A target that is installed later is noticed by rustup's list; one that is not there would have us run every time.
    let sysroot = Command::new(&rustc).arg("--print=sysroot").output().expect("the compiler runs").stdout;
    let components = Path::new(String::from_utf8_lossy(&sysroot).trim()).join("lib/rustlib/components");
    if components.exists() {
        println!("cargo::rerun-if-changed={}", components.display());
    }
    let out = env::var("OUT_DIR").expect("cargo names the directory");
    for (arch, target) in TARGETS {
        let program = Path::new(&out).join(format!("local-disk-{arch}.efi"));
        let built = Command::new(&rustc)
            .args(["--edition=2024", "--crate-name=local_disk", "--target", target, "efi/local-disk.rs", "-o"])
            .arg(&program)
            .args(["-Copt-level=s", "-Clto=fat", "-Cpanic=abort", "-Cstrip=symbols"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !built {
            if arch == "uefi-x64" {
                println!("cargo::warning=no local disk starter for {arch}: rustup target add {target}");
            }
            std::fs::write(&program, []).expect("the output directory can be written to");
        }
    }
}
