//! The range that a request gets lies in the file and is what RFC 9110 14.1 says; preconditions have the result of RFC
//! 9110 13.2.2, stated here step by step.

use crate::input::Input;
use hyper::HeaderMap;
use hyper::header::{
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use proxydhcpd::serve::http::conditional::{PreconditionResult, Validators};
use proxydhcpd::serve::http::range::{RequestedRange, parse_range};
use std::time::{Duration, SystemTime};

const TAG: &str = "\"1-2-3\"";
/// The dates of a request: a second before the modification of the file, at it, a second later, a minute later.
const DATES: [(&str, i64); 4] = [
    ("Fri, 31 Dec 2021 23:59:59 GMT", -1),
    ("Sat, 01 Jan 2022 00:00:00 GMT", 0),
    ("Sat, 01 Jan 2022 00:00:01 GMT", 1),
    ("Sat, 01 Jan 2022 00:01:00 GMT", 60),
];
/// The lists of tags of a request, and whether each matches, also weakly.
const TAGS: [(&str, bool, bool); 6] = [
    (TAG, true, true),
    ("*", true, true),
    ("W/\"1-2-3\"", false, true),
    ("\"4-5-6\"", false, false),
    ("\"4-5-6\" , \"1-2-3\"", true, true),
    ("", false, false),
];

/// Reads the size of a file, two positions, a choice of preconditions, and the value of a field.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (size, first, last): (u64, u64, u64) = (input.next(), input.next(), input.next());
    let (form, fields): (u8, [u8; 5]) = (input.next(), input.next());
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    check_range(&text, size);
    for size in [size, size % 5000] {
        check_positions(form, first, last, size);
        check_positions(form, first % 6000, last % 6000, size);
    }
    check_preconditions(fields, &text);
}

fn check_range(value: &str, size: u64) {
    match parse_range(value, size) {
        RequestedRange::Part(part) => assert!(part.start < part.end && part.end <= size, "{value:?}: {part:?}"),
        RequestedRange::Unsatisfiable => assert!(value.contains('=') && value.contains('-'), "{value:?}"),
        RequestedRange::Whole => {}
    }
}

/// Checks a field with these positions against a plain statement of what they mean.
fn check_positions(form: u8, first: u64, last: u64, size: u64) {
    let (value, wanted) = match form % 4 {
        0 => (format!("bytes={first}-{last}"), (u128::from(first), u128::from(last) + 1)),
        1 => (format!("BYTES= {first}- ,"), (u128::from(first), u128::MAX)),
        2 => (format!("bytes=-{last}"), (u128::from(size.saturating_sub(last)), u128::from(size))),
        _ => (format!("bytes={first}-{last},{last}-"), (0, 0)),
    };
    let end = wanted.1.min(size.into());
    let expected = match form % 4 {
        0 if last < first => RequestedRange::Whole,
        2 if last == 0 => RequestedRange::Unsatisfiable,
        2 if size == 0 => RequestedRange::Whole,
        3 => RequestedRange::Whole,
        _ if wanted.0 >= end => RequestedRange::Unsatisfiable,
        _ => RequestedRange::Part(wanted.0 as u64..end as u64),
    };
    assert_eq!(parse_range(&value, size), expected, "{value} of {size}");
}

/// Checks the preconditions that `fields` selects: each number is a row of the tables above, or leaves its field out.
fn check_preconditions(fields: [u8; 5], text: &str) {
    let modified = httpdate(DATES[1].0);
    let validators = Validators { etag: TAG.into(), last_modified: Some(modified) };
    let [matches, unmodified, none_match, modified_since, range] = fields.map(usize::from);
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, value: &str| {
        headers.append(name, HeaderValue::from_str(value).expect("ASCII"));
    };
    let (matches, none_match) = (TAGS.get(matches % 8), TAGS.get(none_match % 8));
    let (unmodified, modified_since) = (DATES.get(unmodified % 6), DATES.get(modified_since % 6));
    matches.iter().for_each(|(tags, ..)| add(IF_MATCH, tags));
    none_match.iter().for_each(|(tags, ..)| add(IF_NONE_MATCH, tags));
    unmodified.iter().for_each(|(date, _)| add(IF_UNMODIFIED_SINCE, date));
    modified_since.iter().for_each(|(date, _)| add(IF_MODIFIED_SINCE, date));
    let range_value = [TAGS.map(|row| row.0).as_slice(), &DATES.map(|row| row.0)].concat().get(range % 12).copied();
    range_value.iter().for_each(|value| add(IF_RANGE, value));

    let fails = match (matches, unmodified) {
        (Some((_, is_match, _)), _) => !is_match,
        (None, Some((_, after))) => *after < 0,
        (None, None) => false,
    };
    let is_unchanged = match (none_match, modified_since) {
        (Some((_, _, is_match)), _) => *is_match,
        (None, Some((_, after))) => *after >= 0,
        (None, None) => false,
    };
    let expected = match (fails, is_unchanged) {
        (true, _) => PreconditionResult::PreconditionFailed,
        (false, true) => PreconditionResult::NotModified,
        (false, false) => PreconditionResult::Send,
    };
    assert_eq!(validators.evaluate(&headers), expected, "{headers:?}");
    let may_be_range = range_value.is_none_or(|value| value == TAG || value == DATES[1].0);
    assert_eq!(validators.allows_range(&headers, modified + Duration::from_secs(60)), may_be_range, "{headers:?}");

    // A field with any other value changes nothing that it does not say.
    let Ok(value) = HeaderValue::from_str(text) else { return };
    let with = |name: HeaderName| HeaderMap::from_iter([(name, value.clone())]);
    let is_date = httpdate::parse_http_date(text).is_ok();
    for (name, harmless) in [(IF_UNMODIFIED_SINCE, !is_date), (IF_MODIFIED_SINCE, !is_date)] {
        assert!(!harmless || validators.evaluate(&with(name)) == PreconditionResult::Send, "{text:?}");
    }
    assert!(text.contains("1-2-3") || is_date || !validators.allows_range(&with(IF_RANGE), modified), "{text:?}");
}

fn httpdate(date: &str) -> SystemTime {
    httpdate::parse_http_date(date).expect("a date")
}

/// Each row of the tables, and fields of clients.
pub fn seeds() -> Vec<Vec<u8>> {
    let numbers = |size: u64, first: u64, last: u64| [size, first, last].map(u64::to_le_bytes).concat();
    let values: [&[u8]; 9] = [
        b"bytes=0-499",
        b"bytes=500-",
        b"bytes=-1",
        b"Bytes= 5-6 ,",
        b"bytes=0-1,5-6",
        b"bytes=99999999999999999999999-",
        b"lines=0-1",
        b"\"1-2-3\"",
        b"Sat, 01 Jan 2022 00:00:00 GMT",
    ];
    let with_value =
        |(index, value): (u8, &[u8])| [&numbers(1000, 10, 900)[..], &[index, 7, 7, 7, 7, 11], value].concat();
    let rows = (0..12).map(|row| [&numbers(1000, 999, 0)[..], &[row, row, row + 1, row + 2, row + 3, row]].concat());
    (0..).zip(values).map(with_value).chain(rows).collect()
}
