//! GRUB images from Debian's modules, for the architectures for which Debian has no iPXE.

use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use proxydhcpd_testbed::cache;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules that an image needs to fetch and run a configuration over TFTP.
const MODULES: [&str; 7] = ["normal", "configfile", "efinet", "tftp", "net", "echo", "sleep"];

/// Creates an image for `target` (`i386-efi`, `arm-efi`) that runs `grub/grub.cfg` of the TFTP server at `server`. The
/// image contains the address of that server, because with a proxy GRUB would use the DHCP server's address
/// (protocol.md 2.12). GRUB copies the machine's address from the firmware.
pub fn image(work: &WorkDir, target: &str, server: &str) -> Result<PathBuf> {
    make(work.file(&format!("{target}.efi")), target, &["--prefix", &format!("(tftp,{server})/grub")])
}

/// Creates an image that prints `word` on the console and waits, wherever it is loaded from.
pub fn image_printing(work: &WorkDir, target: &str, word: &str) -> Result<PathBuf> {
    let config = work.file(&format!("{target}-that-says.cfg"));
    fs::write(&config, format!("echo {word}\nsleep 600\n"))?;
    make(
        work.file(&format!("{target}-that-says.efi")),
        target,
        &["--prefix", "/", "--config", &config.to_string_lossy()],
    )
}

fn make(image: PathBuf, target: &str, arguments: &[&str]) -> Result<PathBuf> {
    let output = Command::new(cache::path("2022/grub-mkimage"))
        .arg("--directory")
        .arg(cache::path(&format!("2022/{target}")))
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

/// Writes a configuration that prints the token to the path from which an image fetches its configuration.
pub fn configure(work: &WorkDir, boot_dir: &Path) -> Result<()> {
    fs::create_dir(boot_dir.join("grub"))?;
    fs::write(boot_dir.join("grub/grub.cfg"), work.token.grub_config())?;
    Ok(())
}
