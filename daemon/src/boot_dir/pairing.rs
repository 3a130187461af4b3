//! Pairs a kernel with *its* initrd. With another kernel's initrd, the modules do not match the kernel, and the machine
//! hangs.

use super::file_names::{ParsedName, is_cpio_archive};
use proxydhcpd_core::arch::Arch;

/// Words in the names of spare initrds, which are not used unless the kernel's name contains the word too.
const SPARE: [&str; 5] = ["fallback", "old", "bak", "orig", "kdump"];

/// Selects the initrds of a kernel from those in its directory. The caller adds microcode. `kernels`: all kernels of
/// the directory.
///
/// The first choice is the initrd with the same words in its name (`vmlinuz-6.1.0-10` and `initrd.img-6.1.0-10`). The
/// second is an initrd whose words differ from the kernel's by an architecture only. Without these, the only kernel of
/// a directory gets all initrds that do not name another kernel.
pub fn initrds_of<'a>(kernel: &ParsedName, kernels: &[ParsedName], initrds: &'a [ParsedName]) -> Vec<&'a str> {
    let alone = kernels.len() == 1;
    let belongs_to_another =
        |initrd: &ParsedName| kernels.iter().any(|other| other != kernel && other.words == initrd.words);
    let exact = initrds.iter().find(|initrd| initrd.words == kernel.words);
    let is_near = |initrd: &&ParsedName| {
        words_without_architecture(initrd) == words_without_architecture(kernel)
            && !belongs_to_another(initrd)
            && !architectures_differ(kernel, initrd)
    };
    let near = || initrds.iter().find(is_near);
    let (archives, proper): (Vec<&ParsedName>, Vec<&ParsedName>) =
        initrds.iter().partition(|initrd| is_cpio_archive(&initrd.name));
    let mut chosen: Vec<&ParsedName> = match exact.or_else(near) {
        Some(own) => vec![own],
        None if alone => proper.into_iter().filter(|initrd| may_belong(kernel, initrd)).collect(),
        None => return Vec::new(),
    };
    // The kernel unpacks additional archives too, such as firmware or an overlay.
    if alone {
        let more: Vec<&ParsedName> = archives.into_iter().filter(|archive| !chosen.contains(archive)).collect();
        chosen.extend(more);
    }
    chosen.into_iter().map(|initrd| &initrd.name[..]).collect()
}

/// Whether the initrd's name does not exclude this kernel.
fn may_belong(kernel: &ParsedName, initrd: &ParsedName) -> bool {
    let has = |named: &ParsedName, word: &String| named.words.contains(word);
    let spare = initrd.words.iter().any(|word| SPARE.contains(&&word[..]) && !has(kernel, word));
    // `initramfs-linux-lts` is for another flavour than `vmlinuz-linux`.
    let flavoured = !kernel.words.is_empty()
        && kernel.words.len() < initrd.words.len()
        && kernel.words.iter().all(|word| has(initrd, word));
    let [one, other] = [kernel, initrd].map(version);
    let versions_differ = !one.is_empty() && !other.is_empty() && one != other;
    !spare && !flavoured && !versions_differ && !architectures_differ(kernel, initrd)
}

/// The numbers in the name, if there are several. A single number is not a version (`linux26`, `initrd1`).
fn version(named: &ParsedName) -> Vec<&str> {
    let words =
        words_without_architecture(named).into_iter().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let numbers: Vec<&str> = words.collect();
    if numbers.len() > 1 { numbers } else { Vec::new() }
}

fn words_without_architecture(named: &ParsedName) -> Vec<&str> {
    named.words.iter().map(String::as_str).filter(|word| architecture(word).is_none()).collect()
}

/// Whether both names contain an architecture, and the two differ. If a name contains several, the last one counts
/// (`x86_64`).
fn architectures_differ(kernel: &ParsedName, initrd: &ParsedName) -> bool {
    let architecture_of = |named: &ParsedName| named.words.iter().rev().find_map(|word| architecture(word));
    architecture_of(kernel).zip(architecture_of(initrd)).is_some_and(|(one, other)| one != other)
}

fn architecture(word: &str) -> Option<Arch> {
    Arch::with(|row| row.names.words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::super::file_names::{initrd_name, kernel_name};
    use super::initrds_of;

    /// Each kernel of a directory with its initrds.
    fn paired(files: &str) -> Vec<String> {
        let kernels: Vec<_> = files.split(' ').filter_map(kernel_name).collect();
        let found: Vec<_> = files.split(' ').filter_map(initrd_name).collect();
        let line = |own: Vec<&str>| if own.is_empty() { "-".to_owned() } else { own.join("+") };
        kernels.iter().map(|one| format!("{} {}", one.name, line(initrds_of(one, &kernels, &found)))).collect()
    }

    #[test]
    fn a_kernel_gets_its_own_initrd_and_never_another_kernels() {
        for (files, expected) in [
            // A version is a whole word.
            (
                "vmlinuz-6.1.0-1 vmlinuz-6.1.0-10 initrd.img-6.1.0-1 initrd.img-6.1.0-10",
                &["vmlinuz-6.1.0-1 initrd.img-6.1.0-1", "vmlinuz-6.1.0-10 initrd.img-6.1.0-10"][..],
            ),
            ("vmlinuz-6.1.0-1 initrd.img-6.1.0-10", &["vmlinuz-6.1.0-1 -"]),
            // Arch Linux's /boot.
            (
                "vmlinuz-linux vmlinuz-linux-lts initramfs-linux.img initramfs-linux-fallback.img \
                 initramfs-linux-lts.img initramfs-linux-lts-fallback.img",
                &["vmlinuz-linux initramfs-linux.img", "vmlinuz-linux-lts initramfs-linux-lts.img"],
            ),
            ("vmlinuz-linux initramfs-linux-lts.img initramfs-linux-fallback.img", &["vmlinuz-linux -"]),
            ("vmlinuz vmlinuz-PAE initrd.img initrd-PAE.img", &["vmlinuz initrd.img", "vmlinuz-PAE initrd-PAE.img"]),
            ("vmlinuz vmlinuz-PAE initrd.img", &["vmlinuz initrd.img", "vmlinuz-PAE -"]),
            // Ubuntu's two kernels.
            ("hwe-initrd hwe-vmlinuz initrd vmlinuz", &["hwe-vmlinuz hwe-initrd", "vmlinuz initrd"]),
            (
                "flatcar_production_pxe.vmlinuz flatcar_production_pxe_image.cpio.gz",
                &["flatcar_production_pxe.vmlinuz flatcar_production_pxe_image.cpio.gz"],
            ),
            (
                "fedora-coreos-41.2-live-kernel-x86_64 fedora-coreos-41.2-live-initramfs.x86_64.img",
                &["fedora-coreos-41.2-live-kernel-x86_64 fedora-coreos-41.2-live-initramfs.x86_64.img"],
            ),
            ("k3os-vmlinuz-amd64 k3os-initrd-amd64", &["k3os-vmlinuz-amd64 k3os-initrd-amd64"]),
            (
                "harvester-v1.3.1-vmlinuz-amd64 harvester-v1.3.1-initrd-amd64",
                &["harvester-v1.3.1-vmlinuz-amd64 harvester-v1.3.1-initrd-amd64"],
            ),
            ("vmlinuz vmlinuz64 core.gz corepure64.gz", &["vmlinuz core.gz", "vmlinuz64 corepure64.gz"]),
            (
                "debian-12-amd64-linux debian-12-amd64-initrd.gz rocky-9-x86_64-vmlinuz rocky-9-x86_64-initrd.img",
                &[
                    "debian-12-amd64-linux debian-12-amd64-initrd.gz",
                    "rocky-9-x86_64-vmlinuz rocky-9-x86_64-initrd.img",
                ],
            ),
            ("vmlinuz sysresccd.img", &["vmlinuz sysresccd.img"]),
            ("vmlinuz-6.1.0-10-amd64 initrd-6.1.0-10.img", &["vmlinuz-6.1.0-10-amd64 initrd-6.1.0-10.img"]),
            ("linux26 initrd.img", &["linux26 initrd.img"]),
            ("linux initrd.gz firmware.cpio.gz", &["linux initrd.gz+firmware.cpio.gz"]),
            ("bzImage initrd1.img initrd2.img", &["bzImage initrd1.img+initrd2.img"]),
            ("vmlinuz vmlinuz.old initrd.img initrd.img.old", &["vmlinuz initrd.img", "vmlinuz.old initrd.img.old"]),
            ("VMLINUZ INITRD.IMG", &["VMLINUZ INITRD.IMG"]),
            (
                "vmlinuz-6.1.0-9-amd64 vmlinuz-6.1.0-10-amd64 initrd-6.1.0-9.img initrd-6.1.0-10.img",
                &["vmlinuz-6.1.0-9-amd64 initrd-6.1.0-9.img", "vmlinuz-6.1.0-10-amd64 initrd-6.1.0-10.img"],
            ),
            ("vmlinuz initrd.img.old", &["vmlinuz -"]),
            ("vmlinuz initrd-amd64.img initrd.img", &["vmlinuz initrd.img"]),
            // An initrd for another architecture, and an initrd with another name for the same architecture.
            ("vmlinuz-i686 initrd-amd64 initrd-i686", &["vmlinuz-i686 initrd-i686"]),
            ("vmlinuz-arm64 initrd-amd64.gz", &["vmlinuz-arm64 -"]),
            ("vmlinuz-x86_64 initrd-amd64.gz", &["vmlinuz-x86_64 initrd-amd64.gz"]),
            (
                "vmlinuz-a64 vmlinuz-amd64 initrd-aarch64 initrd-x86_64",
                &["vmlinuz-a64 initrd-aarch64", "vmlinuz-amd64 initrd-x86_64"],
            ),
            ("vmlinuz64 initrd.gz", &["vmlinuz64 initrd.gz"]),
        ] {
            assert_eq!(paired(files), expected, "{files}");
        }
    }
}
