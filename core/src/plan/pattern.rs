//! Patterns in rules: texts with `*` and `?`, and hardware addresses with wildcards.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// A pattern in which `*` matches any number of octets and `?` matches one; ASCII case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(pub String);

impl Glob {
    /// Whether the whole text matches. Runs in time proportional to the product of both lengths, because it backtracks
    /// to the last `*` only.
    pub fn matches(&self, text: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut at, mut position, mut star) = (0, 0, None);
        while position < text.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, position));
                    at += 1;
                }
                Some(&octet) if octet == b'?' || octet.eq_ignore_ascii_case(&text[position]) => {
                    at += 1;
                    position += 1;
                }
                _ => match &mut star {
                    Some((after, matched)) => {
                        *matched += 1;
                        (at, position) = (*after + 1, *matched);
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|&octet| octet == b'*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hardware address of six octets; `None` matches any octet: `52:54:00:*`, `52:54:00:12:34:56`, `*:*:*:00:00:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacPattern(pub [Option<u8>; 6]);

impl MacPattern {
    /// Whether the address matches. An address that does not have six octets never matches.
    pub fn matches(&self, octets: &[u8]) -> bool {
        octets.len() == 6
            && self.0.iter().zip(octets).all(|(expected, octet)| expected.is_none_or(|expected| expected == *octet))
    }
}

/// The text form: octets in hexadecimal, separated by colons or hyphens; `*` matches any octet. After a `*` at the end,
/// or after three or more octets (`00:e0:4c`), the remaining octets match anything.
impl FromStr for MacPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "a MAC address, or a part of one: \"52:54:00:12:34:56\", \"52:54:00:*\"";
        let parts: Vec<&str> = text.split([':', '-']).collect();
        if parts.len() > 6 || (parts.len() < 3 && !text.ends_with('*')) {
            return Err(EXPECTED);
        }
        let mut octets = [None; 6];
        for (octet, part) in octets.iter_mut().zip(&parts) {
            *octet = match *part {
                "*" => None,
                part if part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                    Some(u8::from_str_radix(part, 16).map_err(|_| EXPECTED)?)
                }
                _ => return Err(EXPECTED),
            };
        }
        Ok(MacPattern(octets))
    }
}

impl fmt::Display for MacPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            match octet {
                Some(octet) => write!(f, "{colon}{octet:02x}")?,
                None => write!(f, "{colon}*")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_text_and_a_question_mark_one_octet() {
        for (pattern, text, fits) in [
            ("PXEClient*", "PXEClient:Arch:00007", true),
            ("pxeclient:arch:0000?*", "PXEClient:Arch:00007:UNDI", true),
            ("eth*", "veth0", false),
            ("*eth*0", "veth10", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a?c", "ac", false),
            ("*a*b*c", "xxaxxbxxbxc", true),
            ("*a*b*c", "xxaxxbxxbx", false),
        ] {
            assert_eq!(Glob(pattern.into()).matches(text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_partial_address_matches_any_remaining_octets() {
        let mac = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
        for pattern in
            ["52:54:00:12:34:56", "52-54-00-12-34-56", "52:54:00", "52:54:00:*", "*", "*:*:*:12:34:56", "52:*"]
        {
            assert!(pattern.parse::<MacPattern>().unwrap().matches(&mac), "{pattern}");
        }
        assert!(!"52:54:01".parse::<MacPattern>().unwrap().matches(&mac));
        assert!(!"*".parse::<MacPattern>().unwrap().matches(&mac[..5]), "not an Ethernet address");
        for wrong in ["", "52", "52:54", "52:5:00", "52:54:00:12:34:56:78", "5g:54:00", "é2:54:00", "+1:54:00"] {
            assert!(wrong.parse::<MacPattern>().is_err(), "{wrong}");
        }
    }
}
