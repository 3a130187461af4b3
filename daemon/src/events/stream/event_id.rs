//! The identifier of an event in the stream, with which a watcher continues after a lost connection.

use std::fmt;
use std::str::FromStr;

/// The identifier of an event: the server's start and the number of the event, so that an identifier from before a
/// restart does not mean another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The start of the server, in milliseconds since 1970.
    pub start: u64,
    /// The number of the event since then, from 1.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.start, self.number)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<EventId, ()> {
        let (start, number) = text.split_once('-').ok_or(())?;
        let start = u64::from_str_radix(start, 16).map_err(drop)?;
        Ok(EventId { start, number: number.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_parsed_as_it_was_written() {
        let id = EventId { start: 0x19b_0000, number: 17 };
        assert_eq!((id.to_string().as_str(), id.to_string().parse()), ("19b0000-17", Ok(id)));
        for wrong in ["", "17", "x-1", "1-", "1-x"] {
            assert_eq!(wrong.parse::<EventId>(), Err(()), "{wrong}");
        }
    }
}
