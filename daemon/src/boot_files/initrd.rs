//! Checks the initrd of a Linux kernel: one or more cpio archives, each of which may be compressed
//! (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).

use super::compression::{Compression, read_fully};
use super::fault::{ContentFault, common_fault};
use super::image::{self, HEAD_SIZE};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Checks an initrd. Returns its fault, or `None` if it has none. `for_linux`: a Linux kernel unpacks the initrd, so it
/// must be an archive; memdisk and wimboot accept other files. `read_budget` is the number of octets that this check
/// and later checks may still read. A larger file is accepted without reading its archives.
pub fn check(path: &Path, for_linux: bool, read_budget: &mut u64) -> io::Result<Option<ContentFault>> {
    let (head, size) = image::head(path)?;
    if let Some(fault) = common_fault(&head) {
        return Ok(Some(fault));
    }
    if image::kernel_arch(&head).is_some() && for_linux {
        let fix = "name the initrd that belongs to the kernel: initrd.img, initrd.gz, initramfs";
        return Ok(Some(ContentFault::new("is a kernel, not an initrd", fix)));
    }
    if Compression::from_magic(&head).is_none() && !is_cpio(&head) {
        let problem =
            "is no initrd that Linux can unpack: it is neither a cpio archive nor compressed in a known format";
        let fix = "name the initrd that belongs to the kernel, or copy it again";
        return Ok(for_linux.then(|| ContentFault::new(problem, fix)));
    }
    if size > *read_budget {
        return Ok(None);
    }
    *read_budget -= size;
    let whole = is_whole(&mut BufReader::with_capacity(64 << 10, File::open(path)?), size)?;
    Ok((!whole).then(|| ContentFault::copy_again("is truncated or damaged: the end of its archive is missing")))
}

fn is_cpio(head: &[u8]) -> bool {
    // Linux does not unpack the old cpio formats, octal and binary.
    head.starts_with(b"070701") || head.starts_with(b"070702")
}

/// Whether the archives are complete. Follows the uncompressed archives, such as microcode, which precedes the other
/// archives, and checks the first compressed one. Ignores everything after it.
fn is_whole(file: &mut (impl Read + Seek), size: u64) -> io::Result<bool> {
    let mut at = 0;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let mut head = Vec::new();
        file.by_ref().take(HEAD_SIZE as u64).read_to_end(&mut head)?;
        let zeros = head.iter().take_while(|octet| **octet == 0).count();
        if zeros > 0 {
            at += zeros as u64;
            continue;
        }
        if let Some(compression) = Compression::from_magic(&head) {
            file.seek(SeekFrom::Start(at))?;
            return compression.is_complete(file);
        }
        if !is_cpio(&head) {
            return Ok(true);
        }
        match end_of_cpio(file, at, size)? {
            Some(end) => at = end,
            None => return Ok(false),
        }
    }
}

/// The offset of the end of the archive that begins at `at`; `None` if the file ends before the archive does.
fn end_of_cpio(file: &mut (impl Read + Seek), mut at: u64, size: u64) -> io::Result<Option<u64>> {
    let begin = at;
    let padded = |length: u64| length.next_multiple_of(4);
    loop {
        let mut header = [0; 110];
        file.seek(SeekFrom::Start(at))?;
        if !read_fully(file, &mut header)? || !is_cpio(&header) {
            return Ok(None);
        }
        let number = |at: usize| {
            let digits = std::str::from_utf8(&header[at..at + 8]).ok()?;
            u64::from_str_radix(digits, 16).ok()
        };
        let (Some(length), Some(name_length)) = (number(54), number(94)) else { return Ok(None) };
        let mut name = Vec::new();
        file.by_ref().take(name_length.min(4096)).read_to_end(&mut name)?;
        let content = begin + padded(at - begin + 110 + name_length);
        at = begin + padded(content - begin + length);
        if name.starts_with(b"TRAILER!!!\0") {
            return Ok(Some(content));
        }
        if at > size {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_files::image::tests::bzimage;

    /// An archive that contains one file, with this name and content.
    fn cpio(name: &str, content: &[u8]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, content) in [(name, content), ("TRAILER!!!", b"")] {
            let fields = [0, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
            archive.extend(b"070701");
            archive.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
            archive.extend(name.bytes().chain([0]));
            archive.resize(archive.len().next_multiple_of(4), 0);
            archive.extend(content);
            archive.resize(archive.len().next_multiple_of(4), 0);
        }
        archive
    }

    fn problem(content: &[u8], for_linux: bool) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        check(file.path(), for_linux, &mut (1 << 20)).unwrap().map(|fault| fault.problem)
    }

    #[test]
    fn an_archive_is_complete_with_its_trailer() {
        let archive = cpio("kernel/x86/microcode/GenuineIntel.bin", &[7; 5000]);
        assert_eq!(problem(&archive, true), None);
        let padded = [&archive[..], &[0; 1000], &cpio("init", b"#!/bin/sh\n")].concat();
        assert_eq!(problem(&padded, true), None);
        for cut in [&archive[..4000], &padded[..padded.len() - 100], &archive[..100]] {
            let problem = problem(cut, true).expect("truncated");
            assert!(problem.starts_with("is truncated or damaged"), "{problem}");
        }
    }

    #[test]
    fn files_that_linux_cannot_unpack_are_reported_only_for_linux() {
        for (content, begins) in [
            (&bzimage(true)[..], "is a kernel"),
            (b"\x55\xaa some disk", "is no initrd"),
            (b"", "is empty"),
            (b"<!DOCTYPE HTML><title>404", "is a web page"),
        ] {
            assert!(problem(content, true).is_some_and(|problem| problem.starts_with(begins)), "{begins}");
        }
        assert_eq!(problem(b"\x55\xaa some disk", false), None);
        assert!(problem(b"", false).is_some());
    }
}
