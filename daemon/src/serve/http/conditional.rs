//! Conditional requests: entity tags, dates, and preconditions (RFC 9110 section 13).

use crate::files::Opened;
use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use std::time::{Duration, SystemTime};

/// The validators of a file, which identify its current state. Rendered text has no date.
#[derive(Clone, Debug)]
pub struct Validators {
    /// A strong entity tag, with its quotes.
    pub etag: String,
    /// The time of the last modification in whole seconds, for `Last-Modified`. A time before 1970 or in the future
    /// (RFC 9110 8.8.2.1) is left out, but is part of the tag.
    pub last_modified: Option<SystemTime>,
}

/// The result of evaluating the preconditions of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreconditionResult {
    /// Send the file.
    Send,
    /// 304 Not Modified.
    NotModified,
    /// 412 Precondition Failed.
    PreconditionFailed,
}

impl Validators {
    /// The validators of this content. A date after `now` is left out.
    pub fn new(opened: &Opened, now: SystemTime) -> Validators {
        let last_modified = opened.modified().and_then(whole_seconds).filter(|modified| *modified <= now);
        Validators { etag: format!("\"{}\"", opened.tag()), last_modified }
    }

    /// Evaluates the preconditions in the order of RFC 9110 13.2.2; a tag takes precedence over a date.
    pub fn evaluate(&self, headers: &HeaderMap) -> PreconditionResult {
        if headers.contains_key(IF_MATCH) {
            if !tags(headers, IF_MATCH).any(|tag| tag == "*" || tag == self.etag) {
                return PreconditionResult::PreconditionFailed;
            }
        } else if let Some((modified, since)) = self.last_modified.zip(date(headers, IF_UNMODIFIED_SINCE))
            && modified > since
        {
            return PreconditionResult::PreconditionFailed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            if tags(headers, IF_NONE_MATCH).any(|tag| tag == "*" || without_weak_prefix(tag) == self.etag) {
                return PreconditionResult::NotModified;
            }
        } else if let Some((modified, since)) = self.last_modified.zip(date(headers, IF_MODIFIED_SINCE))
            && modified <= since
        {
            return PreconditionResult::NotModified;
        }
        PreconditionResult::Send
    }

    /// Whether a range of this state of the file may be sent: `If-Range` is absent or matches exactly. A date matches
    /// only if it is at least a second old, since the file may change twice within a second (RFC 9110 8.8.2.2).
    pub fn allows_range(&self, headers: &HeaderMap, now: SystemTime) -> bool {
        let Some(value) = headers.get(IF_RANGE) else { return true };
        let Ok(value) = value.to_str() else { return false };
        match httpdate::parse_http_date(value) {
            Ok(date) => self.last_modified == Some(date) && date + Duration::from_secs(1) <= now,
            Err(_) => value == self.etag,
        }
    }
}

/// A time without its fraction of a second; `None` before 1970, which a date cannot express.
fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()))
}

/// The tags of a list field. This server's tags contain no comma, so splitting another server's tag does no harm.
fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn without_weak_prefix(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::open_loader;

    const TAG: &str = "\"1-2-3\"";
    const THEN: &str = "Sat, 01 Jan 2022 00:00:00 GMT";
    const BEFORE: &str = "Fri, 31 Dec 2021 23:59:59 GMT";
    const LATER: &str = "Sat, 01 Jan 2022 00:00:01 GMT";

    fn validators() -> Validators {
        Validators { etag: TAG.into(), last_modified: Some(httpdate::parse_http_date(THEN).unwrap()) }
    }

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn preconditions_are_evaluated_as_the_rfc_requires() {
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
            // A tag that differs takes precedence over a date that matches.
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
    fn a_range_is_allowed_only_for_the_same_state_of_the_file() {
        let now = validators().last_modified.unwrap() + Duration::from_secs(60);
        for (value, is_allowed) in
            [(TAG, true), (THEN, true), ("\"4-5-6\"", false), ("W/\"1-2-3\"", false), (BEFORE, false), (LATER, false)]
        {
            assert_eq!(validators().allows_range(&headers(&[(IF_RANGE, value)]), now), is_allowed, "{value}");
        }
        assert!(validators().allows_range(&headers(&[]), now));
        let same_second = validators().last_modified.unwrap() + Duration::from_millis(900);
        assert!(!validators().allows_range(&headers(&[(IF_RANGE, THEN)]), same_second));
    }

    #[test]
    fn rendered_text_has_a_hash_as_its_tag_and_no_date() {
        let of = |text: &'static str| Validators::new(&Opened::text(text), SystemTime::now());
        let (text, tag) = (of("#!ipxe"), of("#!ipxe").etag);
        assert!(text.last_modified.is_none() && tag.len() == 26 && of("#!ipxe\n").etag != tag);
        assert_eq!(
            text.evaluate(&headers(&[(IF_NONE_MATCH, TAG), (IF_MODIFIED_SINCE, THEN)])),
            PreconditionResult::Send
        );
        assert_eq!(text.evaluate(&headers(&[(IF_NONE_MATCH, &tag)])), PreconditionResult::NotModified);
        assert!(!text.allows_range(&headers(&[(IF_RANGE, TAG)]), SystemTime::now()));
        assert!(text.allows_range(&headers(&[(IF_RANGE, &tag)]), SystemTime::now()));
    }

    #[test]
    fn a_time_that_last_modified_cannot_express_is_left_out() {
        let (directory, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
        let path = directory.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let last_modified = |modified| {
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            Validators::new(&open_loader(&path).unwrap(), now).last_modified
        };
        let (minute, epoch) = (Duration::from_secs(60), SystemTime::UNIX_EPOCH);
        assert_eq!(last_modified(epoch + minute + Duration::from_millis(900)), Some(epoch + minute));
        assert_eq!(last_modified(epoch - Duration::from_millis(900)), None);
        assert_eq!(last_modified(now + minute), None);
    }
}
