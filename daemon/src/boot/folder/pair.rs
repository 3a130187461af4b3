//! A kernel with *its* initrd: another kernel's has other modules, and the machine stands still in it.

use super::names::{Named, is_archive};

/// Words of initrds that are kept for a bad day.
const SPARE: [&str; 5] = ["fallback", "old", "bak", "orig", "kdump"];
const ARCHITECTURES: [&str; 11] =
    ["amd64", "x86", "64", "i386", "i486", "i586", "i686", "arm64", "aarch64", "riscv64", "loongarch64"];

/// The initrds of a kernel, of those in its folder; microcode comes on top. `kernels`: all kernels of the folder.
///
/// In this order: the one that has the same words in its name (`vmlinuz-6.1.0-10` and `initrd.img-6.1.0-10`); the one whose
/// words differ by an architecture alone; for the only kernel of a folder all that do not speak of another one.
pub fn initrds<'a>(kernel: &Named, kernels: &[Named], initrds: &'a [Named]) -> Vec<&'a str> {
    let alone = kernels.len() == 1;
    let of_another = |initrd: &Named| kernels.iter().any(|other| other != kernel && other.own == initrd.own);
    let exact = initrds.iter().find(|initrd| initrd.own == kernel.own);
    let near = || initrds.iter().find(|initrd| plain(initrd) == plain(kernel) && !of_another(initrd));
    let (archives, proper): (Vec<&Named>, Vec<&Named>) = initrds.iter().partition(|initrd| is_archive(&initrd.name));
    let mut chosen: Vec<&Named> = match exact.or_else(near) {
        Some(own) => vec![own],
        None if alone => proper.into_iter().filter(|initrd| may_belong(kernel, initrd)).collect(),
        None => return Vec::new(),
    };
    // What else a kernel is to unpack: firmware, an overlay.
    if alone {
        let more: Vec<&Named> = archives.into_iter().filter(|archive| !chosen.contains(archive)).collect();
        chosen.extend(more);
    }
    chosen.into_iter().map(|initrd| &initrd.name[..]).collect()
}

/// Whether nothing in its name speaks of another kernel.
fn may_belong(kernel: &Named, initrd: &Named) -> bool {
    let has = |named: &Named, word: &String| named.own.contains(word);
    let spare = initrd.own.iter().any(|word| SPARE.contains(&&word[..]) && !has(kernel, word));
    // `initramfs-linux-lts` beside `vmlinuz-linux`
    let flavoured = !kernel.own.is_empty()
        && kernel.own.len() < initrd.own.len()
        && kernel.own.iter().all(|word| has(initrd, word));
    let [one, other] = [kernel, initrd].map(version);
    let versions_differ = !one.is_empty() && !other.is_empty() && one != other;
    !spare && !flavoured && !versions_differ
}

/// Numbers of the name, if there are several: one alone is no version (`linux26`, `initrd1`).
fn version(named: &Named) -> Vec<&str> {
    let words = plain(named).into_iter().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let numbers: Vec<&str> = words.collect();
    if numbers.len() > 1 { numbers } else { Vec::new() }
}

fn plain(named: &Named) -> Vec<&str> {
    named.own.iter().map(String::as_str).filter(|word| !ARCHITECTURES.contains(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::names::{initrd, kernel};
    use super::initrds;

    /// Each kernel of a folder with its initrds.
    fn paired(files: &str) -> Vec<String> {
        let kernels: Vec<_> = files.split(' ').filter_map(kernel).collect();
        let found: Vec<_> = files.split(' ').filter_map(initrd).collect();
        let line = |own: Vec<&str>| if own.is_empty() { "-".to_owned() } else { own.join("+") };
        kernels.iter().map(|one| format!("{} {}", one.name, line(initrds(one, &kernels, &found)))).collect()
    }

    #[test]
    fn a_kernel_is_given_its_own_initrd_and_never_another_kernels() {
        for (files, expected) in [
            // B28: a version is a whole word.
            (
                "vmlinuz-6.1.0-1 vmlinuz-6.1.0-10 initrd.img-6.1.0-1 initrd.img-6.1.0-10",
                &["vmlinuz-6.1.0-1 initrd.img-6.1.0-1", "vmlinuz-6.1.0-10 initrd.img-6.1.0-10"][..],
            ),
            ("vmlinuz-6.1.0-1 initrd.img-6.1.0-10", &["vmlinuz-6.1.0-1 -"]),
            // B27: Arch's /boot.
            (
                "vmlinuz-linux vmlinuz-linux-lts initramfs-linux.img initramfs-linux-fallback.img initramfs-linux-lts.img initramfs-linux-lts-fallback.img",
                &["vmlinuz-linux initramfs-linux.img", "vmlinuz-linux-lts initramfs-linux-lts.img"],
            ),
            ("vmlinuz-linux initramfs-linux-lts.img initramfs-linux-fallback.img", &["vmlinuz-linux -"]),
            ("vmlinuz vmlinuz-PAE initrd.img initrd-PAE.img", &["vmlinuz initrd.img", "vmlinuz-PAE initrd-PAE.img"]),
            ("vmlinuz vmlinuz-PAE initrd.img", &["vmlinuz initrd.img", "vmlinuz-PAE -"]),
            // B1: Ubuntu's two.
            ("hwe-initrd hwe-vmlinuz initrd vmlinuz", &["hwe-vmlinuz hwe-initrd", "vmlinuz initrd"]),
            // B12, B13
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
        ] {
            assert_eq!(paired(files), expected, "{files}");
        }
    }
}
