//! Reads a stream of server-sent events (WHATWG HTML 9.2.6), as the server sends them.

use std::fmt;

/// The maximum size of a message, in octets.
const MAX_MESSAGE: usize = 1 << 20;

/// A message of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The identifier.
    pub id: Option<String>,
    /// The name of the kind of message. `None`: it has no name.
    pub event: Option<String>,
    /// The data.
    pub data: String,
}

/// Splits the stream into messages.
#[derive(Debug, Default)]
pub struct MessageReader {
    /// Octets of a line that has not ended.
    line: Vec<u8>,
    message: Message,
}

/// The stream contains a message that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl MessageReader {
    /// Adds octets of the stream. Returns the messages that they complete.
    pub fn push(&mut self, octets: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut messages = Vec::new();
        for part in octets.split_inclusive(|octet| *octet == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() + self.message.data.len() > MAX_MESSAGE {
                return Err(TooLong);
            }
            if part.ends_with(b"\n") {
                messages.extend(self.end_line());
            }
        }
        Ok(messages)
    }

    /// Reads a line. Returns the message if it ends there: at an empty line.
    fn end_line(&mut self) -> Option<Message> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return (!message.data.is_empty()).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.message.id = Some(value.to_owned()),
            "event" => self.message.event = Some(value.to_owned()),
            "data" if self.message.data.is_empty() => value.clone_into(&mut self.message.data),
            "data" => self.message.data.extend(["\n", value]),
            // An empty field is a comment. Unknown fields are of a later version.
            _ => {}
        }
        None
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message is longer than 1 MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_complete_at_an_empty_line() {
        let mut reader = MessageReader::default();
        assert_eq!(reader.push(b": comment\n\nid: 1\nda"), Ok(vec![]));
        let messages = reader.push(b"ta: {\"a\":\ndata: 1}\r\n\nevent:missed\ndata: 2\n\nid: 3\n\n").unwrap();
        let first = Message { id: Some("1".into()), event: None, data: "{\"a\":\n1}".into() };
        assert_eq!(messages, [first, Message { id: None, event: Some("missed".into()), data: "2".into() }]);
    }

    #[test]
    fn a_message_without_an_end_is_refused() {
        let mut reader = MessageReader::default();
        let long = vec![b'x'; MAX_MESSAGE / 2];
        assert_eq!(reader.push(&long), Ok(vec![]));
        assert_eq!((reader.push(&long), reader.push(b"x")), (Ok(vec![]), Err(TooLong)));
    }
}
