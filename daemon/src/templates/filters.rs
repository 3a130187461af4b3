//! Filters in addition to those of the engine. Each filter quotes values for one kind of text.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};
use std::fmt::Write;

/// Adds the filters to the engine.
pub fn add(environment: &mut Environment<'static>) {
    environment.add_filter("sh", |value: &Value| words(value, quoted));
    environment.add_filter("urlencode", |value: &Value| words(value, |text| Ok(encoded(text))));
}

/// Quotes a text, or quotes the members of a list and joins them with spaces. Returns an error for other values.
fn words(value: &Value, quote: impl Fn(&str) -> Result<String, Error>) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let each = value.try_iter()?.map(|member| word(&member, &quote)).collect::<Result<Vec<_>, _>>()?;
            Ok(each.join(" "))
        }
        _ => word(value, &quote),
    }
}

fn word(value: &Value, quote: impl Fn(&str) -> Result<String, Error>) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => quote(value.as_str().unwrap_or_default()),
        ValueKind::Number => quote(&value.to_string()),
        ValueKind::Bool => quote(if value.is_true() { "true" } else { "false" }),
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("a {kind} cannot be quoted"))),
    }
}

/// Quotes a text as one word of a POSIX shell (XCU 2.2.2): between apostrophes, only the apostrophe is special.
fn quoted(text: &str) -> Result<String, Error> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if text.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidOperation, "a shell word cannot contain NUL"));
    }
    if !text.is_empty() && text.chars().all(harmless) {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Percent-encodes a part of a URL (RFC 3986 2.3). Does not encode `/`, so that a path stays a path.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, octet| {
        match octet {
            octet if octet.is_ascii_alphanumeric() || b"-._~/".contains(&octet) => url.push(char::from(octet)),
            octet => drop(write!(url, "%{octet:02X}")),
        }
        url
    })
}
