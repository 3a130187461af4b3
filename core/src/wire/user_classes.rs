//! The user classes of a client, in the encodings of both families.

/// The user classes of a client: option 77, or option 15 of DHCPv6. They are the items of the list in the option, and
/// always the value as a whole, because iPXE, gPXE and many configured clients send a plain string.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserClasses<'a> {
    value: Option<&'a [u8]>,
    list: ClassList<'a>,
}

impl<'a> UserClasses<'a> {
    /// The user classes in option 77 (RFC 3004). A value that is no such list has no items.
    pub fn from_option77(value: &'a [u8]) -> Self {
        let list = ClassList { octets: value, length_octets: 1 };
        let mut walk = list;
        let is_list = walk.by_ref().all(|class| !class.is_empty()) && walk.octets.is_empty();
        UserClasses { value: Some(value), list: if is_list { list } else { ClassList::default() } }
    }

    /// The user classes in option 15 of DHCPv6 (RFC 8415 21.15).
    pub fn from_option15(value: &'a [u8]) -> Self {
        UserClasses { value: Some(value), list: ClassList { octets: value, length_octets: 2 } }
    }

    /// The classes.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.value.into_iter().chain(self.list)
    }
}

/// The items of a list, each with its length before it. The list ends at the first item that is longer than the rest.
#[derive(Clone, Copy, Debug, Default)]
struct ClassList<'a> {
    octets: &'a [u8],
    /// The number of octets of each length.
    length_octets: usize,
}

impl<'a> Iterator for ClassList<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) =
            self.octets.split_at_checked(self.length_octets).filter(|(length, _)| !length.is_empty())?;
        let length = length.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
        let (class, rest) = rest.split_at_checked(length)?;
        self.octets = rest;
        Some(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_classes_are_the_whole_value_and_the_items_of_a_list() {
        let classes = |classes: UserClasses<'static>| classes.iter().collect::<Vec<_>>();
        assert_eq!(classes(UserClasses::default()), [b""; 0]);
        assert_eq!(classes(UserClasses::from_option77(b"iPXE")), [b"iPXE"]);
        assert_eq!(classes(UserClasses::from_option77(b"\x04iPXE\x01x")), [&b"\x04iPXE\x01x"[..], b"iPXE", b"x"]);
        assert_eq!(classes(UserClasses::from_option77(b"\x04iPXE\x00")), [b"\x04iPXE\x00"], "an item is empty");
        assert_eq!(classes(UserClasses::from_option77(b"\x04iPXE\x02x")), [b"\x04iPXE\x02x"], "an item is too long");
        assert_eq!(classes(UserClasses::from_option15(b"iPXE")), [b"iPXE"]);
        assert_eq!(classes(UserClasses::from_option15(b"\0\x04iPXE\0\x02x")), [&b"\0\x04iPXE\0\x02x"[..], b"iPXE"]);
    }
}
