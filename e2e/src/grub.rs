//! GRUB images for the architectures that have no ready iPXE, made from Debian's modules.

use crate::cache;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What such an image needs to read a file over TFTP and to run it.
const MODULES: [&str; 7] = ["normal", "configfile", "efinet", "tftp", "net", "echo", "sleep"];

/// An image for `target` (`i386-efi`, `arm-efi`) that runs `grub/grub.cfg` of the TFTP server at `server`. The address
/// is built in: left alone, behind a proxy, GRUB takes the primary for its server (protocol.md 2.12). Its own address
/// it has from what the firmware was told.
pub fn image(lab: &WorkDir, target: &str, server: &str) -> Result<PathBuf> {
    make(lab.file(&format!("{target}.efi")), target, &["--prefix", &format!("(tftp,{server})/grub")])
}

/// An image that says `word` on the console and waits, wherever it comes from.
pub fn image_printing(lab: &WorkDir, target: &str, word: &str) -> Result<PathBuf> {
    let config = lab.file(&format!("{target}-that-says.cfg"));
    fs::write(&config, format!("echo {word}\nsleep 600\n"))?;
    make(
        lab.file(&format!("{target}-that-says.efi")),
        target,
        &["--prefix", "/", "--config", &config.to_string_lossy()],
    )
}

fn make(image: PathBuf, target: &str, arguments: &[&str]) -> Result<PathBuf> {
    let output = Command::new(cache::path("2022/grub-mkimage")?)
        .arg("--directory")
        .arg(cache::path(&format!("2022/{target}"))?)
        .args(["--format", target])
        .args(arguments)
        .arg("--output")
        .arg(&image)
        .args(MODULES)
        .output()
        .context("grub-mkimage")?;
    ensure!(output.status.success(), "grub-mkimage: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(image)
}

/// Puts a configuration that prints the token where an image looks for it.
pub fn configure(lab: &WorkDir, boot_dir: &Path) -> Result<()> {
    fs::create_dir(boot_dir.join("grub"))?;
    fs::write(boot_dir.join("grub/grub.cfg"), lab.token.grub_config())?;
    Ok(())
}
