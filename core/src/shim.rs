//! shim is the loader that Microsoft signs for Linux distributions. This module finds the program that shim starts, and
//! the files that shim means by its unusual requests.
//!
//! | request | when | evidence |
//! |---|---|---|
//! | `grubx64.efi` in shim's directory; over HTTP with two separators before the name | always | shim 16.1 in the e2e tests |
//! | `X.efi` in shim's directory | if iPXE's shim is named `X-shim.efi` or `X-shimx64.efi` | ipxe/shim shim.c automatic_next_path |
//! | `ipxe.efi` at the root | if shim is iPXE's, and no DHCP header names a file | ipxe#1684, automatic_next_path |
//! | `grubx64.efi` at the root | if no DHCP header names a file | shim#300, shim#524, shim#710 |
//! | an octet above 7f and a word, in shim's directory: `?Onboard`, `?USB` | if shim 15.8, on Dell's Latitude, OptiPlex and Wyse, mistakes the title of a boot entry for load options | shim#649, shim#696 |
//! | `revocations*.efi`, `shim_certificate_0.efi` | always; shim continues if the file is missing | shim.c load_unbundled_trust |
//!
//! The last row needs no special case. The server must refuse a missing file as "file not found": after "access
//! violation" (TFTP's ERROR 2) shim 16 and later start MokManager, but after "file not found" they fall back to the
//! second stage (netboot.c status_from_error, shim.c init_grub).

use crate::arch::{ARCHITECTURES, Arch};
use crate::file_name::normalize;
use crate::plan::Plan;
use crate::plan::offer::Loader;
use alloc::format;
use alloc::string::String;

/// The path of the program that shim starts if the file of shim has this name; `None` if shim has no such name.
pub fn second_stage(shim: &str) -> Option<String> {
    let (directory, file) = split(shim);
    let (stem, extension) = file.split_at_checked(file.len().checked_sub(".efi".len())?)?;
    if !extension.eq_ignore_ascii_case(".efi") {
        return None;
    }
    let is_shim_word = |word: &str| word.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("shim"));
    if let Some((program, word)) = stem.rsplit_once('-') {
        // Up to four octets, the architecture, may follow `shim`.
        let is_shim = !program.is_empty() && is_shim_word(word) && word.len() <= 8;
        return is_shim.then(|| format!("{directory}{program}{extension}"));
    }
    let suffix = is_shim_word(stem).then(|| &stem[4..])?;
    let suffix =
        ARCHITECTURES.iter().filter_map(|row| row.names.shim).find(|known| known.eq_ignore_ascii_case(suffix))?;
    Some(format!("{directory}grub{suffix}.efi"))
}

/// The file that shim means by this normalized name, for which no file exists; `None` if that is uncertain.
pub fn resolve_missing(plan: &Plan, name: &str) -> Option<String> {
    let resolve = |shim: &Loader| {
        let second = second_stage(&shim.name)?;
        let by_its_name = split(&second).1 == name;
        let by_default = name == "ipxe.efi" && shim.name.contains("-shim");
        (second != name && (by_its_name || by_default)).then_some(second)
    };
    unambiguous(plan.all_loaders().filter(|loader| loader.path.is_some()).filter_map(resolve))
}

/// The file that shim means by this name, which is not UTF-8; `None` if that is uncertain. All machines known to send
/// such names are x64.
pub fn resolve_garbled(plan: &Plan, name: &[u8]) -> Option<String> {
    let at = name.iter().rposition(|octet| b"/\\".contains(octet)).map_or(0, |at| at + 1);
    let (directory, word) = name.split_at(at);
    let [0x80..=0xff, letters @ ..] = word else { return None };
    if letters.is_empty() || !letters.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let directory = normalize(directory).unwrap_or_default();
    let x64_loaders =
        [&plan.offer.loaders].into_iter().chain(plan.policy.profiles.iter().map(|profile| &profile.loaders));
    let x64_loaders = x64_loaders.filter_map(|loaders| loaders.get(&Arch::X64)).filter(|loader| loader.path.is_some());
    let in_directory = x64_loaders.filter(|shim| split(&shim.name).0.trim_end_matches('/') == directory);
    unambiguous(in_directory.filter_map(|shim| second_stage(&shim.name)))
}

/// The first candidate, if all candidates are the same file; otherwise `None`.
fn unambiguous(mut candidates: impl Iterator<Item = String>) -> Option<String> {
    let first = candidates.next()?;
    candidates.all(|other| other == first).then_some(first)
}

/// Splits a path into the directory, with the separator, and the file name.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::offer::Offer;
    use crate::plan::profile::Profile;
    use alloc::borrow::ToOwned;

    fn plan(loaders: &[(Arch, &str)]) -> Plan {
        let loader = |name: &str| Loader { name: name.to_owned(), path: Some("/x".to_owned()) };
        Plan {
            offer: Offer {
                loaders: loaders.iter().map(|(arch, name)| (*arch, loader(name))).collect(),
                ..Offer::default()
            }
            .into(),
            ..Plan::default()
        }
    }

    fn x64(name: &str) -> Plan {
        plan(&[(Arch::X64, name)])
    }

    #[test]
    fn the_name_of_a_shim_determines_the_program_that_it_starts() {
        for (shim, second) in [
            ("shimx64.efi", "grubx64.efi"),
            ("SHIMX64.EFI", "grubx64.efi"),
            ("debian/shimaa64.efi", "debian/grubaa64.efi"),
            ("shimriscv64.efi", "grubriscv64.efi"),
            ("ipxe-shimx64.efi", "ipxe.efi"),
            ("snponly-shim.efi", "snponly.efi"),
            ("a/my-own-shimaa64.efi", "a/my-own.efi"),
        ] {
            assert_eq!(second_stage(shim).as_deref(), Some(second), "{shim}");
        }
    }

    #[test]
    fn other_programs_have_no_second_stage() {
        for name in [
            "snponly.efi",
            "shim.efi",
            "shimx64.efi.signed",
            "-shimx64.efi",
            "shim-review.efi",
            "a-shimriscv64.efi",
            "shimx65.efi",
            "",
            "é.efi",
            "shié",
        ] {
            assert_eq!(second_stage(name), None, "{name}");
        }
    }

    #[test]
    fn a_second_stage_requested_at_the_root_is_the_one_in_the_directory_of_the_shim() {
        assert_eq!(resolve_missing(&x64("a/shimx64.efi"), "grubx64.efi").as_deref(), Some("a/grubx64.efi"));
        assert_eq!(resolve_missing(&x64("a/snponly-shim.efi"), "snponly.efi").as_deref(), Some("a/snponly.efi"));
        assert_eq!(resolve_missing(&x64("a/shimx64.efi"), "grubaa64.efi"), None);
        assert_eq!(
            resolve_missing(&x64("shimx64.efi"), "grubx64.efi"),
            None,
            "the requested name itself, which does not exist"
        );
    }

    #[test]
    fn an_ipxe_requested_by_ipxes_shim_is_the_one_that_the_shim_is_named_after() {
        assert_eq!(resolve_missing(&x64("snponly-shimx64.efi"), "ipxe.efi").as_deref(), Some("snponly.efi"));
        for other in ["shimx64.efi", "snponly.efi", "ipxe-shimx64.efi"] {
            assert_eq!(resolve_missing(&x64(other), "ipxe.efi"), None, "{other}");
        }
    }

    #[test]
    fn an_ambiguous_request_means_no_file() {
        let both = |of_arm| plan(&[(Arch::X64, "x/ipxe-shim.efi"), (Arch(11), of_arm)]);
        assert_eq!(resolve_missing(&both("a/ipxe-shim.efi"), "ipxe.efi"), None);
        assert_eq!(resolve_missing(&both("snponly.efi"), "ipxe.efi").as_deref(), Some("x/ipxe.efi"));
    }

    #[test]
    fn optional_files_of_shim_mean_no_other_file() {
        for name in ["revocations.efi", "revocations_sku.efi", "revocations_sbat.efi", "shim_certificate_0.efi"] {
            assert_eq!(resolve_missing(&x64("a/shimx64.efi"), name), None, "{name}");
        }
    }

    #[test]
    fn the_title_of_a_boot_entry_means_the_second_stage() {
        let plan = x64("grub/shimx64.efi");
        for name in [&b"grub/\xeaOnboard"[..], b"/grub\\\xeaUSB", b"//grub//\x80Onboard"] {
            assert_eq!(resolve_garbled(&plan, name).as_deref(), Some("grub/grubx64.efi"), "{name:02x?}");
        }
        assert_eq!(resolve_garbled(&x64("shimx64.efi"), b"\xeaOnboard").as_deref(), Some("grubx64.efi"));
    }

    #[test]
    fn the_shim_of_a_profile_counts_too() {
        let of_profile = Profile { loaders: x64("a/shimx64.efi").offer.loaders.clone(), ..Profile::default() };
        let plan = x64("snponly.efi").with_policy(|policy| policy.profiles = alloc::vec![of_profile].into());
        assert_eq!(resolve_missing(&plan, "grubx64.efi").as_deref(), Some("a/grubx64.efi"));
        assert_eq!(resolve_garbled(&plan, b"a/\xeaOnboard").as_deref(), Some("a/grubx64.efi"));
    }

    #[test]
    fn other_garbled_names_mean_no_file() {
        let plan = x64("grub/shimx64.efi");
        for name in
            [&b"\xeaOnboard"[..], b"other/\xeaOnboard", b"grub/\xea", b"grub/\xea.efi", b"grub/a\xeab", b"grub/", b""]
        {
            assert_eq!(resolve_garbled(&plan, name), None, "{name:02x?}");
        }
        assert_eq!(resolve_garbled(&x64("snponly.efi"), b"\xeaOnboard"), None);
    }
}
