//! One direction of a TCP connection: puts the segments into order (RFC 9293 3.4). Segments may be repeated, out of
//! order, or missing in the capture.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The maximum number of segments, and of their octets, that wait for an earlier one. If there are more, the capture
/// lacks the earlier one: a host would have repeated it.
const MAX_HELD: usize = 256;
const MAX_HELD_OCTETS: usize = 512 << 10;

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Stream {
    /// The sequence number of the first octet, once it is known.
    first: Option<u32>,
    /// The number of octets that were handed over.
    handed: u64,
    /// The segments that wait, by the offset of their first octet.
    held: BTreeMap<u64, Segment>,
    held_octets: usize,
}

/// A segment, as far as it was captured.
#[derive(Debug)]
struct Segment {
    octets: Vec<u8>,
    length: u64,
}

/// A part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// These octets.
    Octets(&'a [u8]),
    /// This number of octets, which the capture lacks.
    Missing(u64),
}

impl Stream {
    /// Begins the stream: `sequence` is the number of its first octet.
    pub fn begin(&mut self, sequence: u32) {
        *self = Stream { first: Some(sequence), ..Stream::default() };
    }

    /// Adds a segment, and hands over the parts that are in order now. `length` is its length, of which `octets` was
    /// captured. The first segment begins a stream whose beginning the capture lacks.
    pub fn add(&mut self, sequence: u32, octets: &[u8], length: usize, mut hand_over: impl FnMut(Part<'_>)) {
        if length == 0 {
            return;
        }
        let first = *self.first.get_or_insert(sequence);
        let Some(offset) = self.offset(first, sequence) else { return };
        let length = length as u64;
        if offset <= self.handed {
            self.hand(offset, octets, length, &mut hand_over);
        } else {
            let length_before = self.held.get(&offset).map_or(0, |known| known.length);
            if length > length_before {
                self.held_octets += octets.len();
                let replaced = self.held.insert(offset, Segment { octets: octets.to_vec(), length });
                self.held_octets -= replaced.map_or(0, |replaced| replaced.octets.len());
            }
        }
        while let Some(entry) = self.held.first_entry() {
            let offset = *entry.key();
            let is_full = self.held_octets > MAX_HELD_OCTETS;
            if offset > self.handed && !is_full {
                break;
            }
            let Segment { octets, length } = entry.remove();
            self.held_octets -= octets.len();
            self.hand(offset, &octets, length, &mut hand_over);
        }
        while self.held.len() > MAX_HELD
            && let Some((offset, Segment { octets, length })) = self.held.pop_first()
        {
            self.held_octets -= octets.len();
            self.hand(offset, &octets, length, &mut hand_over);
        }
    }

    /// Hands over the segments that wait, at the end of the stream.
    pub fn end(&mut self, mut hand_over: impl FnMut(Part<'_>)) {
        while let Some((offset, Segment { octets, length })) = self.held.pop_first() {
            self.hand(offset, &octets, length, &mut hand_over);
        }
        self.held_octets = 0;
    }

    /// The offset of a sequence number, which is near the octets that were handed over; `None` before the beginning.
    fn offset(&self, first: u32, sequence: u32) -> Option<u64> {
        let next = first.wrapping_add(self.handed as u32);
        self.handed.checked_add_signed((sequence.wrapping_sub(next) as i32).into())
    }

    fn hand(&mut self, offset: u64, octets: &[u8], length: u64, hand_over: &mut impl FnMut(Part<'_>)) {
        let end = offset.saturating_add(length);
        if end <= self.handed {
            return;
        }
        if offset > self.handed {
            hand_over(Part::Missing(offset - self.handed));
            self.handed = offset;
        }
        let known = usize::try_from(self.handed - offset).unwrap_or(usize::MAX);
        let new = octets.get(known..).unwrap_or_default();
        if !new.is_empty() {
            hand_over(Part::Octets(new));
        }
        let missing = (end - self.handed).saturating_sub(new.len() as u64);
        if missing > 0 {
            hand_over(Part::Missing(missing));
        }
        self.handed = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    /// The parts that a stream hands over for these segments, as text. A missing octet is `?`.
    fn handed(begin: Option<u32>, segments: &[(u32, &str, usize)]) -> String {
        let (mut stream, mut text) = (Stream::default(), String::new());
        begin.into_iter().for_each(|sequence| stream.begin(sequence));
        let mut add = |part: Part<'_>| match part {
            Part::Octets(octets) => text.push_str(core::str::from_utf8(octets).unwrap()),
            Part::Missing(length) => text.push_str(&format!("{:?<1$}", "", length as usize)),
        };
        for (sequence, octets, length) in segments {
            stream.add(*sequence, octets.as_bytes(), *length, &mut add);
        }
        stream.end(&mut add);
        text
    }

    #[test]
    fn segments_are_put_into_order() {
        let start = u32::MAX - 1;
        let segments = [(start.wrapping_add(4), "ef", 2), (start, "abcd", 4), (start.wrapping_add(2), "cdef", 4)];
        assert_eq!(handed(Some(start), &segments), "abcdef", "out of order, repeated, past the largest number");
        assert_eq!(handed(None, &[(5, "abc", 3), (8, "d", 1), (1, "xxxx", 4)]), "abcd", "begins in the middle");
    }

    #[test]
    fn octets_that_the_capture_lacks_are_counted() {
        assert_eq!(handed(Some(0), &[(0, "ab", 4), (4, "e", 1), (8, "i", 1)]), "ab??e???i");
        let mut stream = Stream::default();
        stream.begin(0);
        let mut missing = 0;
        for number in 1..10_000 {
            stream.add(number * 10, b"x", 1, |part| missing += u64::from(matches!(part, Part::Missing(_))));
        }
        assert!(stream.held.len() <= MAX_HELD && missing > 9000, "{} {missing}", stream.held.len());
    }
}
