//! JSON as Kea reads it: with comments of three kinds, and commas behind the last element.

use crate::config::diagnostic::{Diagnostic, Source};
use serde_json::Value;

/// The file as a value. Comments become blanks, so that the places of errors are right.
pub fn parse(source: &Source) -> Result<Value, Diagnostic> {
    let plain = strip_comments(&source.text);
    serde_json::from_str(&plain).map_err(|error| {
        let before: usize = plain.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = before + error.column().saturating_sub(1);
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or_default().to_owned();
        source.error(at..at + 1, message)
    })
}

pub fn strip_comments(text: &str) -> String {
    let mut octets = text.as_bytes().to_vec();
    let mut comma = None;
    let mut at = 0;
    while at < octets.len() {
        let rest = &octets[at..];
        let length = match rest[0] {
            b'"' => {
                let length = string(rest);
                comma = None;
                at += length;
                continue;
            }
            b'#' => line(rest),
            b'/' if rest.starts_with(b"//") => line(rest),
            b'/' if rest.starts_with(b"/*") => {
                rest.windows(2).skip(2).position(|two| two == b"*/").map_or(rest.len(), |length| length + 4)
            }
            // `<?include "file"?>`
            b'<' if rest.starts_with(b"<?") => {
                rest.windows(2).position(|two| two == b"?>").map_or(rest.len(), |length| length + 2)
            }
            octet => {
                match octet {
                    b',' => comma = Some(at),
                    b'}' | b']' => {
                        if let Some(comma) = comma.take() {
                            octets[comma] = b' ';
                        }
                    }
                    octet if octet.is_ascii_whitespace() => {}
                    _ => comma = None,
                }
                at += 1;
                continue;
            }
        };
        octets[at..at + length].iter_mut().filter(|octet| **octet != b'\n').for_each(|octet| *octet = b' ');
        at += length;
    }
    String::from_utf8(octets).unwrap_or_default()
}

fn line(rest: &[u8]) -> usize {
    rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len())
}

/// The octets of a string with its quotes.
fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}
