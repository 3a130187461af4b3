//! Builds our programs for UEFI (`efi/`), each for every target that the toolchain has: `rustup target add
//! x86_64-unknown-uefi` and its like, which `make` does. One that cannot be built is left out: menus then make do with what
//! iPXE itself can, and over IPv6 it is started without its script.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAMS: [&str; 2] = ["local-disk", "with-script"];

/// Architecture and Rust's target. RISC-V and LoongArch have none, and no iPXE that is too old to start a disk itself.
const TARGETS: [(&str, &str); 3] =
    [("uefi-ia32", "i686-unknown-uefi"), ("uefi-x64", "x86_64-unknown-uefi"), ("uefi-arm64", "aarch64-unknown-uefi")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=efi");
    let rustc = env::var("RUSTC").expect("cargo names the compiler");
    // A target that is installed later is noticed by rustup's list; one that is not there would have us run every time.
    let sysroot = Command::new(&rustc).arg("--print=sysroot").output().expect("the compiler runs").stdout;
    let components = Path::new(String::from_utf8_lossy(&sysroot).trim()).join("lib/rustlib/components");
    if components.exists() {
        println!("cargo::rerun-if-changed={}", components.display());
    }
    let out = env::var("OUT_DIR").expect("cargo names the directory");
    for (arch, target) in TARGETS {
        let all_built = PROGRAMS.map(|name| {
            let program = Path::new(&out).join(format!("{name}-{arch}.efi"));
            let built = build(&rustc, name, target, &program);
            if !built {
                std::fs::write(&program, []).expect("the output directory can be written to");
            }
            built
        });
        if arch == "uefi-x64" && all_built != [true; PROGRAMS.len()] {
            println!("cargo::warning=no programs of ours for {arch}: rustup target add {target}");
        }
    }
}

fn build(rustc: &str, name: &str, target: &str, program: &Path) -> bool {
    Command::new(rustc)
        .args(["--edition=2024", "--target", target, &format!("efi/{name}.rs"), "-o"])
        .arg(program)
        .args(["-Copt-level=s", "-Clto=fat", "-Cpanic=abort", "-Cstrip=symbols"])
        .arg(format!("--crate-name={}", name.replace('-', "_")))
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
