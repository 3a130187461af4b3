//! Names of requested files, as relative paths in the boot directory.

use alloc::string::String;
use core::fmt;

/// Why a name cannot be a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// The name is empty, or has only separators and `.` components.
    Empty,
    /// The name has a `..` component. The server refuses it even if the path would stay in the boot directory, because
    /// no boot program needs such a name.
    Traversal,
    /// The name has control characters, which would garble a terminal.
    Control,
    /// The name is not UTF-8, the encoding of the menu and the logs.
    NotUtf8,
}

/// The relative path for a requested name, or the reason why the name cannot be a path. `\` is a separator like `/`,
/// because Windows loaders send it. Several separators count as one. Leading and trailing separators and `.` components
/// have no meaning.
///
/// A name ends at its first 0xff: several BIOS ROMs read option 67 as a C string and read the End option (0xff), and
/// the octets after it, as part of the name.
pub fn normalize(name: &[u8]) -> Result<String, BadName> {
    let name = name.split(|&octet| octet == 0xff).next().unwrap_or_default();
    if name.iter().any(u8::is_ascii_control) {
        return Err(BadName::Control);
    }
    let name = core::str::from_utf8(name).map_err(|_| BadName::NotUtf8)?;
    let mut path = String::with_capacity(name.len());
    for component in name.split(['/', '\\']) {
        match component {
            "" | "." => {}
            ".." => return Err(BadName::Traversal),
            component => {
                if !path.is_empty() {
                    path.push('/');
                }
                path.push_str(component);
            }
        }
    }
    if path.is_empty() { Err(BadName::Empty) } else { Ok(path) }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadName::Empty => "an empty name",
            BadName::Traversal => "a name with a .. component",
            BadName::Control => "a name with control characters",
            BadName::NotUtf8 => "a name that is not UTF-8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn separators_of_either_kind_and_number_become_one_slash() {
        for (name, path) in [
            ("boot.ipxe", "boot.ipxe"),
            ("/boot.ipxe", "boot.ipxe"),
            ("\\Boot\\BCD", "Boot/BCD"),
            ("//EFI\\/boot/./x64.efi", "EFI/boot/x64.efi"),
            ("./a/", "a"),
            ("...", "..."),
            ("a..b/..c", "a..b/..c"),
            ("grüße.efi", "grüße.efi"),
        ] {
            assert_eq!(normalize(name.as_bytes()).as_deref(), Ok(path), "{name}");
        }
    }

    #[test]
    fn a_name_ends_at_the_first_0xff() {
        assert_eq!(normalize(b"undionly.kpxe\xff").as_deref(), Ok("undionly.kpxe"));
        assert_eq!(normalize(b"undionly.kpxe\xff\x42\x00\xff..").as_deref(), Ok("undionly.kpxe"));
        assert_eq!(normalize(b"\xffundionly.kpxe"), Err(BadName::Empty));
    }

    #[test]
    fn a_parent_component_is_refused() {
        for name in ["..", "../a", "a/..", "a/../b", "..\\..\\etc/passwd", "/..", "a\\..\\b"] {
            assert_eq!(normalize(name.as_bytes()), Err(BadName::Traversal), "{name}");
        }
    }

    #[test]
    fn control_octets_are_refused() {
        for octet in (0..0x20).chain([0x7f]) {
            assert_eq!(normalize(&[b'a', octet, b'b']), Err(BadName::Control), "{octet:#04x}");
        }
    }

    #[test]
    fn an_empty_name_is_refused() {
        for name in ["", "/", "\\", ".", "/./."] {
            assert_eq!(normalize(name.as_bytes()), Err(BadName::Empty), "{name}");
        }
        assert_eq!(normalize(b"a\x80"), Err(BadName::NotUtf8));
    }

    proptest! {
        #[test]
        fn a_normalized_name_stays_in_the_directory_and_normalizes_to_itself(
            name in proptest::collection::vec(
                prop_oneof![Just(b'.'), Just(b'/'), Just(b'\\'), Just(b'a'), any::<u8>()], 0..40),
        ) {
            if let Ok(path) = normalize(&name) {
                prop_assert!(path.split('/').all(|component| !["", ".", ".."].contains(&component)), "{}", path);
                prop_assert!(!path.contains('\\'));
                prop_assert_eq!(normalize(path.as_bytes()), Ok(path.clone()));
            }
        }
    }
}
