//! Recognises kernels and initrds by their file names, and what the names have in common.

use std::cmp::Ordering;

/// The parsed name of a kernel or of an initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedName {
    /// The file name.
    pub name: String,
    /// The words that distinguish the file from others of its kind, in lower case: version, flavour, architecture.
    pub words: Vec<String>,
}

/// Words for a kernel, the most certain first: in `vmlinuz-linux` the second is Arch's name of a flavour.
const KERNELS: [&str; 7] = ["vmlinuz", "bzimage", "zimage", "vmlinux", "kernel", "linux", "image"];
const INITRDS: [&str; 2] = ["initrd", "initramfs"];
/// Initrds with other names, each with the flavour of its kernel.
const OTHER_INITRDS: [(&str, &[&str]); 5] =
    [("sysresccd.img", &[]), ("core.gz", &[]), ("tinycore.gz", &[]), ("corepure64.gz", &["64"]), ("all.rdz", &[])];
/// Words that describe the packing of a file, not its content.
const PACKING: [&str; 13] =
    ["img", "gz", "xz", "lz", "lz4", "lzma", "zst", "bz2", "cpio", "igz", "rdz", "efi", "signed"];
/// Extensions of files that have the name of a kernel and are none.
const DOCUMENTS: [&str; 27] = [
    "txt", "md", "html", "cfg", "conf", "json", "xml", "log", "list", "manifest", "sig", "asc", "gpg", "md5", "sha1",
    "sha256", "sha512", "deb", "udeb", "rpm", "apk", "ko", "c32", "ipxe", "iso", "squashfs", "config",
];

/// Parses a name that may be a kernel's; the file's head decides.
pub fn kernel_name(name: &str) -> Option<ParsedName> {
    let ending = extension(name);
    if is_document(&ending) || is_microcode(name) || initrd_name(name).is_some() {
        return None;
    }
    let words = words(name);
    // Among EFI programs, only those named `vmlinuz` are kernels to offer: a `linux.efi` already contains its initrd.
    let kinds = if ending == "efi" { &KERNELS[..1] } else { &KERNELS[..] };
    let (at, rest) = kinds.iter().find_map(|kind| position(&words, kind))?;
    let own = without(&words, at, rest);
    Some(ParsedName {
        name: name.to_owned(),
        words: own.into_iter().filter(|word| !PACKING.contains(&&word[..])).collect(),
    })
}

/// Whether the name certainly means a kernel: if the file is none, it is reported.
pub fn is_certain_kernel_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    kernel_name(name).is_some() && KERNELS[..6].iter().any(|kind| lower.starts_with(kind))
}

/// Parses an initrd's name.
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

/// Whether this is an archive that the kernel may unpack, without the name of an initrd.
pub fn is_cpio_archive(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| word == "cpio") && INITRDS.iter().all(|kind| position(&words, kind).is_none())
}

/// Whether this is a microcode update: the kernel reads it from the first initrd only.
pub fn is_microcode(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (lower.contains("ucode") || lower.contains("microcode")) && !is_document(&extension(name))
}

/// Natural order: `-9` before `-10`.
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

/// The part after the last dot, in lower case.
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

/// The position of the word of this kind, and what follows the kind in that word: digits (`vmlinuz64`), or anything if
/// it is the first word.
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
