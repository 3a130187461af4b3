//! The media type of a file, from its content. UEFI HTTP boot recognises the kind of an image from three media types.
//! It uses the extension only if the response has none of these types (HttpBootCheckImageType). The content decides
//! here, because a file's name can be misleading or have no extension.

use crate::boot_files::image::{HEAD_SIZE, Image, identify};
use crate::files::Opened;

/// The media type of plain text.
pub const TEXT_PLAIN: &str = "text/plain; charset=utf-8";
/// Offset of the signature of an ISO 9660 file system, or of a UDF file system without ISO 9660.
const VOLUME_OFFSET: u64 = 0x8001;
const SECTOR_SIZE: usize = 512;

/// The media type of a file. `name` decides only about content that is both a disk and an ISO image (a hybrid image).
pub fn content_type(name: &[u8], opened: &Opened) -> &'static str {
    let has_disk_name = name.len().checked_sub(4).is_some_and(|at| name[at..].eq_ignore_ascii_case(b".img"));
    let head = read(opened, 0, HEAD_SIZE);
    if matches!(identify(&head), Image::Efi(_)) {
        return "application/efi";
    }
    let is_disk_image = is_disk(&head);
    if is_iso(&read(opened, VOLUME_OFFSET, 5)) && !(is_disk_image && has_disk_name) {
        return "application/vnd.efi-iso";
    }
    if is_disk_image {
        return "application/vnd.efi-img";
    }
    if is_text(&head) { TEXT_PLAIN } else { "application/octet-stream" }
}

/// Reads up to `size` octets; returns none after an error, which the body will report.
fn read(opened: &Opened, offset: u64, size: usize) -> Vec<u8> {
    let mut octets = vec![0; size];
    let count = if offset < opened.size() { opened.read_at(&mut octets, offset).unwrap_or(0) } else { 0 };
    octets.truncate(count);
    octets
}

fn is_iso(signature: &[u8]) -> bool {
    [b"CD001", b"BEA01"].iter().any(|known| signature == *known)
}

/// Whether this is the image of a disk with a partition table, or of a FAT file system without one. The boot sector of
/// both ends with 55 AA. The first sector of Linux kernels ends with 55 AA as well, a relic of floppy disks.
fn is_disk(head: &[u8]) -> bool {
    let Some((sector, rest)) = head.split_at_checked(SECTOR_SIZE) else { return false };
    if rest.starts_with(b"EFI PART") {
        return true;
    }
    if sector[SECTOR_SIZE - 2..] != [0x55, 0xaa] || rest.get(2..6) == Some(b"HdrS") {
        return false;
    }
    let is_fat = [&sector[54..], &sector[82..]].iter().any(|kind| kind.starts_with(b"FAT"));
    // An entry has its status in octet 0, its type in octet 4, and its length from octet 12 on.
    let mut entries = sector[446..SECTOR_SIZE - 2].chunks(16);
    let is_free = |entry: &[u8]| entry.iter().all(|octet| *octet == 0);
    let is_partition = |entry: &[u8]| entry[0] & 0x7f == 0 && entry[4] != 0 && entry[12..] != [0; 4];
    let partitioned = entries.clone().any(is_partition) && entries.all(|entry| is_free(entry) || is_partition(entry));
    is_fat || partitioned
}

/// Whether this is text: a script, or a file for an installer.
fn is_text(head: &[u8]) -> bool {
    // The last character may be incomplete, because `head` may end in the middle of it.
    let is_utf8 = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !head.is_empty() && !head.iter().any(|octet| octet.is_ascii_control() && !octet.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_files::image::tests::{bios, bzimage, efi};
    use crate::files::open_loader;

    /// The media type of this content. Asserts that it is the same for text in memory and for a file.
    fn kind(name: &str, content: &[u8]) -> &'static str {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, content).unwrap();
        let of_file = content_type(name.as_bytes(), &open_loader(&path).unwrap());
        assert_eq!(content_type(name.as_bytes(), &Opened::text(content.to_vec())), of_file, "{name}");
        of_file
    }

    fn iso() -> Vec<u8> {
        let mut image = vec![0; 0x8800];
        image[0x8000..0x8006].copy_from_slice(b"\x01CD001");
        image
    }

    fn partitioned(mut image: Vec<u8>) -> Vec<u8> {
        image[446..462].copy_from_slice(&[0x80, 0, 2, 0, 0x0c, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0]);
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        image
    }

    #[test]
    fn the_media_type_follows_the_content_whatever_the_name() {
        let fat = |at: usize| {
            let mut image = vec![0; 4096];
            image[at..at + 3].copy_from_slice(b"FAT");
            image[510..512].copy_from_slice(&[0x55, 0xaa]);
            image
        };
        let udf = {
            let mut image = vec![0; 0x8800];
            image[0x8001..0x8006].copy_from_slice(b"BEA01");
            image
        };
        let cut = format!("#{}", "\u{fc}".repeat(HEAD_SIZE));
        let gpt = [vec![0; 512], b"EFI PART".to_vec(), vec![0; 2048]].concat();
        for name in ["/loader", "/a.efi", "/a.iso", "/a.img", "/boot.ipxe", "/"] {
            assert_eq!(kind(name, &efi(0x8664)), "application/efi", "{name}");
            for volume in [&iso(), &udf] {
                assert_eq!(kind(name, volume), "application/vnd.efi-iso", "{name}");
            }
            for disk in [&partitioned(vec![0; 4096]), &fat(54), &fat(82), &gpt] {
                assert_eq!(kind(name, disk), "application/vnd.efi-img", "{name}");
            }
            for text in [&b"#!ipxe\nshell\n"[..], "set title H\u{fc}tte\n".as_bytes(), cut.as_bytes()] {
                assert_eq!(kind(name, text), TEXT_PLAIN, "{name}");
            }
            for other in [&bios()[..], &bzimage(true), b"\x1f\x8b\x08 initrd", b"", b"07070100\0", b"H\xfctte\n"] {
                assert_eq!(kind(name, other), "application/octet-stream", "{name}");
            }
        }
    }

    #[test]
    fn the_name_decides_about_a_hybrid_iso_image() {
        let both = partitioned(iso());
        assert_eq!(kind("/a.img", &both), "application/vnd.efi-img");
        for name in ["/a.iso", "/a", "/a.efi"] {
            assert_eq!(kind(name, &both), "application/vnd.efi-iso", "{name}");
        }
    }

    #[test]
    fn a_kernel_with_a_boot_sector_signature_is_no_disk() {
        let mut kernel = partitioned(bzimage(true));
        kernel.resize(4096, 0);
        assert_eq!(kind("/vmlinuz", &kernel), "application/octet-stream");
    }

    #[test]
    fn a_boot_sector_alone_is_no_disk() {
        let disk = partitioned(vec![0; 4096]);
        for (what, at, octets) in [
            ("no partition", 446, &[0; 16][..]),
            ("code instead of a second partition", 462, &[0x90, 0x90]),
            ("an odd status", 446, &[0x41]),
            ("no signature", 510, &[0; 2]),
        ] {
            let mut sector = disk.clone();
            sector[at..at + octets.len()].copy_from_slice(octets);
            assert_eq!(kind("/x.img", &sector), "application/octet-stream", "{what}");
        }
    }
}
