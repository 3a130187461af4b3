//! Parses JSON as Kea does: three kinds of comments are allowed, and commas after the last element.

use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use serde_json::Value;

/// Parses the file. Comments become spaces, so the locations of errors stay correct.
pub fn parse(source: &Source) -> Result<Value, Diagnostic> {
    let json_text = strip_comments(&source.text);
    serde_json::from_str(&json_text).map_err(|error| {
        let line_start: usize =
            json_text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = line_start + error.column().saturating_sub(1);
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or_default().to_owned();
        source.error(at..at + 1, message)
    })
}

/// Returns the text with spaces instead of comments, includes and trailing commas.
pub fn strip_comments(text: &str) -> String {
    let mut octets = text.as_bytes().to_vec();
    let mut last_comma = None;
    let mut at = 0;
    while at < octets.len() {
        let rest = &octets[at..];
        let length = match rest[0] {
            b'"' => {
                let length = string_length(rest);
                last_comma = None;
                at += length;
                continue;
            }
            b'#' => line_length(rest),
            b'/' if rest.starts_with(b"//") => line_length(rest),
            b'/' if rest.starts_with(b"/*") => {
                rest.windows(2).skip(2).position(|pair| pair == b"*/").map_or(rest.len(), |length| length + 4)
            }
            // `<?include "file"?>`
            b'<' if rest.starts_with(b"<?") => {
                rest.windows(2).position(|pair| pair == b"?>").map_or(rest.len(), |length| length + 2)
            }
            octet => {
                match octet {
                    b',' => last_comma = Some(at),
                    b'}' | b']' => {
                        if let Some(last_comma) = last_comma.take() {
                            octets[last_comma] = b' ';
                        }
                    }
                    octet if octet.is_ascii_whitespace() => {}
                    _ => last_comma = None,
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

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len())
}

/// The length of the string at the start of the text, including its quotes.
fn string_length(rest: &[u8]) -> usize {
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
