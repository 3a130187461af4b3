//! Parses a range of ports, as flags and keys write it.

use std::ops::RangeInclusive;

/// Parses `FIRST-LAST`, for example `50000-50999`.
pub fn parse_port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    match text.split_once('-').and_then(|(first, last)| Some((port(first)?, port(last)?))) {
        Some((first, last)) if first <= last => Ok(first..=last),
        _ => Err("expected two ports, the lower one first, for example 50000-50999".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_range_is_two_ports_in_order() {
        assert_eq!(parse_port_range("50000-50999"), Ok(50000..=50999));
        assert_eq!(parse_port_range("69-69"), Ok(69..=69));
        for wrong in ["", "5", "2-1", "0-5", "1-65536", "a-b", "1-2-3"] {
            assert!(parse_port_range(wrong).is_err(), "{wrong}");
        }
    }
}
