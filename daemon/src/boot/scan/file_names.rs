//! What the names of files say: which is a kernel, which an initrd, and what they have in common.

use std::cmp::Ordering;

/// A kernel or an initrd, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedName {
    pub name: String,
    /// The words of the name that tell it from others of its kind, in lower case: version, flavour, architecture.
    pub words: Vec<String>,
}

/// Words that mean a kernel, the surest first: in `vmlinuz-linux` the second is Arch's name of a flavour.
const KERNELS: [&str; 7] = ["vmlinuz", "bzimage", "zimage", "vmlinux", "kernel", "linux", "image"];
const INITRDS: [&str; 2] = ["initrd", "initramfs"];
/// Initrds that are not called so, and the flavour of the kernel that they belong to.
const OTHER_INITRDS: [(&str, &[&str]); 5] =
    [("sysresccd.img", &[]), ("core.gz", &[]), ("tinycore.gz", &[]), ("corepure64.gz", &["64"]), ("all.rdz", &[])];
/// Words that tell how a file is packed, not which it is.
const PACKING: [&str; 13] =
    ["img", "gz", "xz", "lz", "lz4", "lzma", "zst", "bz2", "cpio", "igz", "rdz", "efi", "signed"];
/// Endings of files that may lie beside a kernel under its name and are none.
const DOCUMENTS: [&str; 27] = [
    "txt", "md", "html", "cfg", "conf", "json", "xml", "log", "list", "manifest", "sig", "asc", "gpg", "md5", "sha1",
    "sha256", "sha512", "deb", "udeb", "rpm", "apk", "ko", "c32", "ipxe", "iso", "squashfs", "config",
];

/// A name that may be a kernel's; what the file is, its head tells.
pub fn kernel_name(name: &str) -> Option<ParsedName> {
    let ending = extension(name);
    if is_document(&ending) || is_microcode(name) || initrd_name(name).is_some() {
        return None;
    }
    let words = words(name);
    // Of EFI programs only those that say it: `linux.efi` brings its initrd along.
    let kinds = if ending == "efi" { &KERNELS[..1] } else { &KERNELS[..] };
    let (at, rest) = kinds.iter().find_map(|kind| position(&words, kind))?;
    let own = without(&words, at, rest);
    Some(ParsedName { name: name.to_owned(), words: own.into_iter().filter(|word| !PACKING.contains(&&word[..])).collect() })
}

/// Whether a name says of itself that it is a kernel's: such a file that is none is worth a word.
pub fn is_certain_kernel_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    kernel_name(name).is_some() && KERNELS[..6].iter().any(|kind| lower.starts_with(kind))
}

/// A name that is an initrd's.
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

/// An archive that the kernel may unpack, and whose name does not say that it is an initrd.
pub fn is_cpio_archive(name: &str) -> bool {
    let words = words(name);
    words.iter().any(|word| word == "cpio") && INITRDS.iter().all(|kind| position(&words, kind).is_none())
}

/// Updates of the processor's microcode: the kernel takes them from the first initrd only.
pub fn is_microcode(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (lower.contains("ucode") || lower.contains("microcode")) && !is_document(&extension(name))
}

/// In the order in which people count: `-9` before `-10`.
pub fn natural_order(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    while !one.is_empty() && !other.is_empty() {
        let (first, second) = (number(one), number(other));
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

fn number(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

/// What follows the last dot, in lower case.
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

/// Where the word of this kind stands, and what follows it in the same word: digits (`vmlinuz64`), or anything if the
/// name begins with it.
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
