//! Recognises kernels and initrds by their file names, and splits the names into words to compare.

use std::cmp::Ordering;

/// The parsed name of a kernel or of an initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedName {
    /// The file name.
    pub name: String,
    /// The words that distinguish the file from others of its kind, in lower case: version, flavour, architecture.
    pub words: Vec<String>,
}

/// Words for a kernel, the most certain first: in `vmlinuz-linux`, `linux` is the name of a flavour in Arch Linux.
const KERNELS: [&str; 7] = ["vmlinuz", "bzimage", "zimage", "vmlinux", "kernel", "linux", "image"];
const INITRDS: [&str; 2] = ["initrd", "initramfs"];
/// Initrds with other names, each with the flavour of its kernel.
const OTHER_INITRDS: [(&str, &[&str]); 5] =
    [("sysresccd.img", &[]), ("core.gz", &[]), ("tinycore.gz", &[]), ("corepure64.gz", &["64"]), ("all.rdz", &[])];
/// Words that describe the format of a file, not its content.
const PACKING: [&str; 13] =
    ["img", "gz", "xz", "lz", "lz4", "lzma", "zst", "bz2", "cpio", "igz", "rdz", "efi", "signed"];
/// Extensions of files that are no kernel, even if they have the name of one.
const DOCUMENTS: [&str; 27] = [
    "txt", "md", "html", "cfg", "conf", "json", "xml", "log", "list", "manifest", "sig", "asc", "gpg", "md5", "sha1",
    "sha256", "sha512", "deb", "udeb", "rpm", "apk", "ko", "c32", "ipxe", "iso", "squashfs", "config",
];

/// Parses the name of a file that may be a kernel; `None` if the name is not that of a kernel. The first octets of the
/// file decide whether it is one.
pub fn kernel_name(name: &str) -> Option<ParsedName> {
    let ending = extension(name);
    if is_document(&ending) || is_microcode(name) || initrd_name(name).is_some() {
        return None;
    }
    let words = words(name);
    // Among EFI programs, only those named `vmlinuz` are kernels to offer: `linux.efi` already contains its initrd.
    let kinds = if ending == "efi" { &KERNELS[..1] } else { &KERNELS[..] };
    let (at, rest) = kinds.iter().find_map(|kind| position(&words, kind))?;
    let own = without(&words, at, rest);
    Some(ParsedName {
        name: name.to_owned(),
        words: own.into_iter().filter(|word| !PACKING.contains(&&word[..])).collect(),
    })
}

/// Whether the name is certainly that of a kernel. If such a file is no kernel, the scan reports it.
pub fn is_certain_kernel_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    kernel_name(name).is_some() && KERNELS[..6].iter().any(|kind| lower.starts_with(kind))
}

/// Parses an initrd's name; `None` if the name is not that of an initrd.
pub fn initrd_name(name: &str) -> Option<ParsedName> {
    let lower = name.to_ascii_lowercase();
    let named = |own: Vec<String>| Some(ParsedName { name: name.to_owned(), words: own });
    if let Some((_, own)) = OTHER_INITRDS.iter().find(|(other, _)| *other == lower) {
        return named(own.iter().map(|&word| word.to_owned()).collect());
    }
    if is_document(&extension(name)) || is_microcode(name) || extension(name) == "efi" {
        return None;
    }
    let words = words(name);
    let own = match INITRDS.iter().find_map(|kind| position(&words, kind)) {
        Some((at, rest)) => without(&words, at, rest),
        // `flatcar_production_pxe_image.cpio.gz`
        None if is_cpio_archive(name) => words.into_iter().filter(|word| word != "image").collect(),
        None => return None,
    };
    named(own.into_iter().filter(|word| !PACKING.contains(&&word[..])).collect())
}

/// Whether this is the name of an archive that the kernel can unpack, but not the name of an initrd.
pub fn is_cpio_archive(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| word == "cpio") && INITRDS.iter().all(|kind| position(&words, kind).is_none())
}

/// Whether this is the name of a microcode update, which the kernel reads only from the first initrd.
pub fn is_microcode(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (lower.contains("ucode") || lower.contains("microcode")) && !is_document(&extension(name))
}

/// Compares two names in natural order: `-9` is less than `-10`.
pub fn natural_order(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    while !one.is_empty() && !other.is_empty() {
        let (first, second) = (leading_digits(one), leading_digits(other));
        let order = if first.is_empty() || second.is_empty() {
            let (a, b) = (one.chars().next(), other.chars().next());
            one = &one[a.map_or(0, char::len_utf8)..];
            other = &other[b.map_or(0, char::len_utf8)..];
            a.cmp(&b)
        } else {
            (one, other) = (&one[first.len()..], &other[second.len()..]);
            let [a, b] = [first, second].map(|digits| digits.trim_start_matches('0'));
            (a.len(), a).cmp(&(b.len(), b))
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    one.len().cmp(&other.len())
}

fn leading_digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

/// The part of the name after the last dot, in lower case. Empty if there is no dot.
pub fn extension(name: &str) -> String {
    name.rsplit_once('.').map_or_else(String::new, |(_, ending)| ending.to_ascii_lowercase())
}

fn is_document(ending: &str) -> bool {
    DOCUMENTS.contains(&ending)
}

fn words(name: &str) -> Vec<String> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect()
}

/// The position of the first word that begins with `kind`, and the rest of that word. The rest must consist of digits
/// (`vmlinuz64`) unless the word is the first of the name.
fn position(words: &[String], kind: &str) -> Option<(usize, String)> {
    words.iter().enumerate().find_map(|(at, word)| {
        let rest = word.strip_prefix(kind)?;
        (at == 0 || rest.bytes().all(|octet| octet.is_ascii_digit())).then(|| (at, rest.to_owned()))
    })
}

fn without(words: &[String], at: usize, rest: String) -> Vec<String> {
    let kept = Some(rest).filter(|rest| !rest.is_empty());
    words[..at].iter().cloned().chain(kept).chain(words[at + 1..].iter().cloned()).collect()
}
