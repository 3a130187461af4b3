//! The `Range` field: the requested octets of a file (RFC 9110 section 14).

use std::ops::Range;

/// The octets to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedRange {
    /// The whole file.
    Whole,
    /// These octets of the file.
    Part(Range<u64>),
    /// The range begins after the end of the file.
    Unsatisfiable,
}

/// Parses the value of a `Range` field for a file of `size` octets. For several ranges, another unit, or bad syntax,
/// returns the whole file, as RFC 9110 14.2 allows. No boot client requests several ranges, and other clients can cope
/// with the whole file.
pub fn parse_range(value: &str, size: u64) -> RequestedRange {
    let Some((first, last)) = single(value) else {
        return RequestedRange::Whole;
    };
    match (first, last) {
        (Some(first), Some(last)) if last < first => RequestedRange::Whole,
        (Some(first), _) if first >= size => RequestedRange::Unsatisfiable,
        (Some(first), last) => RequestedRange::Part(first..last.map_or(size, |last| last.saturating_add(1).min(size))),
        (None, Some(0)) => RequestedRange::Unsatisfiable,
        // `Content-Range` cannot express a range of an empty file.
        (None, Some(_)) if size == 0 => RequestedRange::Whole,
        (None, Some(suffix)) => RequestedRange::Part(size.saturating_sub(suffix)..size),
        (None, None) => RequestedRange::Whole,
    }
}

/// The first and the last position of a single range. For `-500`, only the second value is present, and it is a length.
/// Returns `None` if the value is not a single range of octets.
fn single(value: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, ranges) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = ranges.split(',').map(str::trim).filter(|range| !range.is_empty());
    let (first, last) = ranges.next()?.split_once('-')?;
    if ranges.next().is_some() {
        return None;
    }
    Some((position(first)?, position(last)?))
}

/// Parses a position, which may be empty. Returns `None` if it contains anything but digits. A position that is too
/// large for u64 becomes the largest u64, which is after the end of every file.
fn position(digits: &str) -> Option<Option<u64>> {
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    Some((!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_range_ends_at_the_end_of_the_file() {
        for (value, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-499", 0..500),
            ("bytes=500-", 500..1000),
            ("bytes=999-999", 999..1000),
            ("bytes=0-1000", 0..1000),
            ("bytes=0-99999999999999999999999", 0..1000),
            ("bytes=-1", 999..1000),
            ("bytes=-5000", 0..1000),
            ("bytes=-99999999999999999999999", 0..1000),
            ("Bytes= 5-6 ,", 5..7),
        ] {
            assert_eq!(parse_range(value, 1000), RequestedRange::Part(part), "{value}");
        }
    }

    #[test]
    fn a_range_after_the_end_is_unsatisfiable() {
        for value in ["bytes=1000-", "bytes=1000-2000", "bytes=99999999999999999999999-", "bytes=-0"] {
            assert_eq!(parse_range(value, 1000), RequestedRange::Unsatisfiable, "{value}");
        }
        assert_eq!(parse_range("bytes=0-", 0), RequestedRange::Unsatisfiable);
    }

    #[test]
    fn any_other_value_gets_the_whole_file() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=6-5",
            "bytes=0-1,5-6",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=0x1-2",
            "lines=0-1",
            "bytes 0-1",
        ] {
            assert_eq!(parse_range(value, 1000), RequestedRange::Whole, "{value}");
        }
        assert_eq!(parse_range("bytes=-5", 0), RequestedRange::Whole);
    }
}
