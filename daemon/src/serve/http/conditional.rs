//! Conditional requests: entity tags, dates, and what they change (RFC 9110 section 13).

use crate::files::{ServedContent, Opened};
use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};

/// What tells one state of a file from another. Text that was rendered for a request has no date.
#[derive(Clone, Debug, Default)]
pub struct Validators {
    /// A strong entity tag, with its quotes.
    pub etag: Option<String>,
    /// In whole seconds, as `Last-Modified` says it.
    pub last_modified: Option<SystemTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreconditionResult {
    Send,
    NotModified,
    PreconditionFailed,
}

impl Validators {
    pub fn new(file: &Opened, now: SystemTime) -> Validators {
        let Some(modified) = file.modified else { return Validators { etag: of_text(file), last_modified: None } };
        // A time before 1970 is an error here, and has no Last-Modified; nor has one that lies in the future
        // (RFC 9110 8.8.2.1). The tag takes both.
        let (sign, since) = match modified.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => ("", since),
            Err(before) => ("-", before.duration()),
        };
        let tag = format!("\"{:x}-{sign}{:x}-{:x}\"", file.inode, since.as_nanos(), file.size);
        let said = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
        Validators { etag: Some(tag), last_modified: (sign.is_empty() && said <= now).then_some(said) }
    }

    /// RFC 9110 13.2.2, in its order; a tag outweighs a date of the same sense.
    pub fn evaluate(&self, headers: &HeaderMap) -> PreconditionResult {
        if headers.contains_key(IF_MATCH) {
            if !tags(headers, IF_MATCH).any(|tag| tag == "*" || Some(tag) == self.etag.as_deref()) {
                return PreconditionResult::PreconditionFailed;
            }
        } else if let Some((modified, since)) = self.last_modified.zip(date(headers, IF_UNMODIFIED_SINCE))
            && modified > since
        {
            return PreconditionResult::PreconditionFailed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if tags(headers, IF_NONE_MATCH).any(|tag| tag == "*" || Some(weakened(tag)) == self.etag.as_deref()) {
                return PreconditionResult::NotModified;
            }
        } else if let Some((modified, since)) = self.last_modified.zip(date(headers, IF_MODIFIED_SINCE))
            && modified <= since
        {
            return PreconditionResult::NotModified;
        }
        PreconditionResult::Send
    }

    /// Whether a range may be cut from this state of the file: `If-Range` is absent or names it exactly. A date does
    /// so only if it has passed by a second, since the file may have changed twice within one (RFC 9110 8.8.2.2).
    pub fn allows_range(&self, headers: &HeaderMap, now: SystemTime) -> bool {
        let Some(value) = headers.get(IF_RANGE) else { return true };
        let Ok(value) = value.to_str() else { return false };
        match httpdate::parse_http_date(value) {
            Ok(date) => self.last_modified == Some(date) && date + Duration::from_secs(1) <= now,
            Err(_) => Some(value) == self.etag.as_deref(),
        }
    }
}

/// The same text has the same tag, whoever it was rendered for.
fn of_text(file: &Opened) -> Option<String> {
    let ServedContent::Text(text) = &file.content else { return None };
    let digest = Sha256::digest(text);
    let octets: String = digest[..12].iter().map(|octet| format!("{octet:02x}")).collect();
    Some(format!("\"{octets}\""))
}

/// The tags of a list field. Ours has no comma, so a foreign one that has is cut apart without harm.
fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn weakened(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"1-2-3\"";
    const THEN: &str = "Sat, 01 Jan 2022 00:00:00 GMT";
    const BEFORE: &str = "Fri, 31 Dec 2021 23:59:59 GMT";
    const LATER: &str = "Sat, 01 Jan 2022 00:00:01 GMT";

    fn validators() -> Validators {
        Validators { etag: Some(TAG.into()), last_modified: Some(httpdate::parse_http_date(THEN).unwrap()) }
    }

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_matrix_of_preconditions() {
        use PreconditionResult::{NotModified, PreconditionFailed, Send};
        let other = "\"4-5-6\"";
        let weak = "W/\"1-2-3\"";
        let list = "\"4-5-6\", \"1-2-3\"";
        for (fields, verdict) in [
            (vec![], Send),
            (vec![(IF_NONE_MATCH, TAG)], NotModified),
            (vec![(IF_NONE_MATCH, weak)], NotModified),
            (vec![(IF_NONE_MATCH, list)], NotModified),
            (vec![(IF_NONE_MATCH, other), (IF_NONE_MATCH, TAG)], NotModified),
            (vec![(IF_NONE_MATCH, "*")], NotModified),
            (vec![(IF_NONE_MATCH, other)], Send),
            (vec![(IF_MODIFIED_SINCE, THEN)], NotModified),
            (vec![(IF_MODIFIED_SINCE, LATER)], NotModified),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], Send),
            (vec![(IF_MODIFIED_SINCE, "yesterday")], Send),
            // A tag that differs outweighs a date that does not.
            (vec![(IF_NONE_MATCH, other), (IF_MODIFIED_SINCE, THEN)], Send),
            (vec![(IF_NONE_MATCH, TAG), (IF_MODIFIED_SINCE, BEFORE)], NotModified),
            (vec![(IF_MATCH, TAG)], Send),
            (vec![(IF_MATCH, "*")], Send),
            (vec![(IF_MATCH, weak)], PreconditionFailed),
            (vec![(IF_MATCH, other)], PreconditionFailed),
            (vec![(IF_MATCH, TAG), (IF_UNMODIFIED_SINCE, BEFORE)], Send),
            (vec![(IF_UNMODIFIED_SINCE, THEN)], Send),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE)], PreconditionFailed),
            (vec![(IF_MATCH, TAG), (IF_NONE_MATCH, TAG)], NotModified),
            (vec![(IF_MATCH, other), (IF_NONE_MATCH, TAG)], PreconditionFailed),
        ] {
            assert_eq!(validators().evaluate(&headers(&fields)), verdict, "{fields:?}");
        }
    }

    #[test]
    fn a_range_stands_only_for_the_very_same_file() {
        let now = validators().last_modified.unwrap() + Duration::from_secs(60);
        for (value, stands) in
            [(TAG, true), (THEN, true), ("\"4-5-6\"", false), ("W/\"1-2-3\"", false), (BEFORE, false), (LATER, false)]
        {
            assert_eq!(validators().allows_range(&headers(&[(IF_RANGE, value)]), now), stands, "{value}");
        }
        assert!(validators().allows_range(&headers(&[]), now));
        let same_second = validators().last_modified.unwrap() + Duration::from_millis(900);
        assert!(!validators().allows_range(&headers(&[(IF_RANGE, THEN)]), same_second));
    }

    #[test]
    fn rendered_text_has_a_tag_by_what_it_says_and_no_date() {
        let of = |text: &str| Validators::new(&Opened::text(text.as_bytes()), SystemTime::now());
        let (text, tag) = (of("#!ipxe"), of("#!ipxe").etag.unwrap());
        assert!(text.last_modified.is_none() && tag.len() == 26 && of("#!ipxe\n").etag.unwrap() != tag);
        assert_eq!(text.evaluate(&headers(&[(IF_NONE_MATCH, TAG), (IF_MODIFIED_SINCE, THEN)])), PreconditionResult::Send);
        assert_eq!(text.evaluate(&headers(&[(IF_NONE_MATCH, &tag)])), PreconditionResult::NotModified);
        assert!(!text.allows_range(&headers(&[(IF_RANGE, TAG)]), SystemTime::now()));
        assert!(text.allows_range(&headers(&[(IF_RANGE, &tag)]), SystemTime::now()));
    }

    #[test]
    fn a_time_that_no_date_field_can_say_is_left_out() {
        let now = SystemTime::now();
        let file = |modified| Opened { modified: Some(modified), inode: 7, ..Opened::text(*b"x") };
        let old = Validators::new(&file(SystemTime::UNIX_EPOCH - Duration::from_nanos(1)), now);
        assert_eq!((old.etag.as_deref(), old.last_modified), (Some("\"7--1-1\""), None));
        let future = Validators::new(&file(now + Duration::from_secs(400 * 365 * 86400 * 20)), now);
        assert!(future.etag.is_some() && future.last_modified.is_none());
    }
}
