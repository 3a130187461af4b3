//! What is said to a request: status, fields, and which octets follow.

use super::conditional::{Validators, PreconditionResult};
use super::content_type::{TEXT_PLAIN, content_type};
use super::page;
use super::range::{RequestedRange, parse_range};
use crate::files::Opened;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, RANGE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode, Version};
use proxydhcpd_core::fetch::{Refusal, is_done_request};
use std::ops::Range;
use std::time::SystemTime;

pub type HttpResponse = Response<Payload>;

#[derive(Debug)]
pub enum Payload {
    Empty,
    /// The status in words, for a person with a browser.
    Text(&'static str),
    Range(Opened, Range<u64>),
}

/// What needs no file: it is refused whatever it names, or it names no file and asks what answers here. Firmware whose
/// URL is `http://server/` gets text too, which it cannot mistake for a program.
pub fn answer_without_file(request: &Parts, name: &[u8]) -> Option<HttpResponse> {
    // RFC 9112 3.2. HTTP/1.0, which some loaders speak, has no such field.
    let hosts = request.headers.get_all(HOST).iter().count();
    if hosts > 1 || hosts == 0 && request.version == Version::HTTP_11 {
        return Some(words(StatusCode::BAD_REQUEST, &request.method));
    }
    let posted = request.method == Method::POST && is_done_request(name);
    if request.method != Method::GET && request.method != Method::HEAD && !posted {
        let mut answer = words(StatusCode::METHOD_NOT_ALLOWED, &request.method);
        set(&mut answer, ALLOW, "GET, HEAD");
        return Some(answer);
    }
    let names_no_file = !name.is_empty() && name.iter().all(|octet| *octet == b'/');
    names_no_file.then(|| match page::accepts_html(&request.headers) {
        true => shown(StatusCode::OK, &request.method),
        false => said(StatusCode::OK, TEXT_PLAIN, page::SERVER_TEXT, &request.method),
    })
}

/// Answers a request for `name`, which was opened or refused before.
pub fn build(request: &Parts, name: &[u8], opened: Result<Opened, Refusal>, now: SystemTime) -> HttpResponse {
    let status = match opened {
        Ok(opened) => return file(request, name, opened, now),
        Err(Refusal::TemplateError) => {
            return said(StatusCode::INTERNAL_SERVER_ERROR, TEXT_PLAIN, UNRENDERED, &request.method);
        }
        Err(Refusal::NotFound) => StatusCode::NOT_FOUND,
        Err(Refusal::Denied) => StatusCode::FORBIDDEN,
        Err(Refusal::BadName) => StatusCode::BAD_REQUEST,
        Err(Refusal::Failed) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if page::accepts_html(&request.headers) { shown(status, &request.method) } else { words(status, &request.method) }
}

/// Which name was missing is for the log only: what a template says may be a secret.
const UNRENDERED: &str = "This template cannot be rendered for this machine: the log of proxydhcpd says where.\n";

pub fn internal_error() -> HttpResponse {
    words(StatusCode::INTERNAL_SERVER_ERROR, &Method::GET)
}

/// iPXE uses a connection again only if it reads `Connection: keep-alive`, HTTP/1.1 or not, and gives up on a value
/// that it does not know (http_parse_connection in its httpcore.c): said alone, to who said it.
pub fn requests_keep_alive(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONNECTION).into_iter();
    values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive")) && values.next().is_none()
}

pub fn set_keep_alive(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
}

/// Percent-decodes a path. `None`: a `%` that two hexadecimal digits do not follow.
pub fn percent_decode(path: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut octets = path.bytes();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => digit(octets.next()?)? << 4 | digit(octets.next()?)?,
            octet => octet,
        });
    }
    Some(decoded)
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn file(request: &Parts, name: &[u8], opened: Opened, now: SystemTime) -> HttpResponse {
    let validators = Validators::new(&opened, now);
    let mut answer = match validators.evaluate(&request.headers) {
        PreconditionResult::Send => content(request, name, opened, &validators, now),
        PreconditionResult::NotModified => {
            let mut answer = Response::new(Payload::Empty);
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        }
        PreconditionResult::PreconditionFailed => return words(StatusCode::PRECONDITION_FAILED, &request.method),
    };
    if let Some(tag) = &validators.etag {
        set(&mut answer, ETAG, tag);
    }
    if let Some(modified) = validators.last_modified {
        set(&mut answer, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    answer
}

fn content(request: &Parts, name: &[u8], opened: Opened, validators: &Validators, now: SystemTime) -> HttpResponse {
    let size = opened.size;
    let part = match wanted_range(request, size, validators, now) {
        RequestedRange::Whole => None,
        RequestedRange::Part(part) => Some(part),
        RequestedRange::Unsatisfiable => {
            let mut answer = words(StatusCode::RANGE_NOT_SATISFIABLE, &request.method);
            set(&mut answer, CONTENT_RANGE, &format!("bytes */{size}"));
            return answer;
        }
    };
    let kind = content_type(name, &opened);
    let octets = part.clone().unwrap_or(0..size);
    let length = octets.end - octets.start;
    let mut answer = match request.method {
        Method::HEAD => Response::new(Payload::Empty),
        _ => Response::new(Payload::Range(opened, octets)),
    };
    if let Some(part) = part {
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        set(&mut answer, CONTENT_RANGE, &format!("bytes {}-{}/{size}", part.start, part.end - 1));
    }
    set(&mut answer, CONTENT_LENGTH, &length.to_string());
    set(&mut answer, CONTENT_TYPE, kind);
    set(&mut answer, ACCEPT_RANGES, "bytes");
    answer
}

/// Only GET has ranges (RFC 9110 14.2); several `Range` fields are several ranges.
fn wanted_range(request: &Parts, size: u64, validators: &Validators, now: SystemTime) -> RequestedRange {
    let mut fields = request.headers.get_all(RANGE).into_iter();
    match (fields.next().and_then(|value| value.to_str().ok()), fields.next()) {
        (Some(value), None) if request.method == Method::GET && validators.allows_range(&request.headers, now) => {
            parse_range(value, size)
        }
        _ => RequestedRange::Whole,
    }
}

fn words(status: StatusCode, method: &Method) -> HttpResponse {
    said(status, TEXT_PLAIN, page::status_text(status), method)
}

/// For a person with a browser.
fn shown(status: StatusCode, method: &Method) -> HttpResponse {
    let mut answer = said(status, "text/html; charset=utf-8", page::html(status), method);
    set(&mut answer, CONTENT_SECURITY_POLICY, page::POLICY);
    answer
}

fn said(status: StatusCode, kind: &str, text: &'static str, method: &Method) -> HttpResponse {
    let mut answer = Response::new(if method == Method::HEAD { Payload::Empty } else { Payload::Text(text) });
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_LENGTH, &text.len().to_string());
    set(&mut answer, CONTENT_TYPE, kind);
    answer
}

/// Values that we make have no control characters.
fn set(answer: &mut HttpResponse, name: HeaderName, value: &str) {
    answer.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value made here is visible ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::ACCEPT;
    use std::time::Duration;

    fn request(method: Method, fields: &[(HeaderName, &str)]) -> Parts {
        let mut request = hyper::Request::builder().method(method).uri("/");
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn opened() -> Opened {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_640_995_200);
        Opened { modified: Some(modified), inode: 1, ..Opened::text(*b"0123456789") }
    }

    fn field(answer: &HttpResponse, name: HeaderName) -> Option<&str> {
        answer.headers().get(name).map(|value| value.to_str().unwrap())
    }

    fn ask(method: Method, fields: &[(HeaderName, &str)]) -> HttpResponse {
        build(&request(method, fields), b"/a.efi", Ok(opened()), SystemTime::now())
    }

    #[test]
    fn a_path_is_decoded_octet_by_octet() {
        assert_eq!(percent_decode("/a%20b%2fc%FF%00").unwrap(), b"/a b/c\xff\0");
        for path in ["/%", "/%a", "/%zz", "/%+1"] {
            assert_eq!(percent_decode(path), None, "{path}");
        }
    }

    #[test]
    fn head_says_what_get_would_without_sending_it() {
        let (get, head) = (ask(Method::GET, &[]), ask(Method::HEAD, &[]));
        assert_eq!((get.status(), get.headers()), (head.status(), head.headers()));
        assert_eq!(field(&head, CONTENT_LENGTH), Some("10"));
        assert!(matches!(head.body(), Payload::Empty));
        assert!(matches!(get.body(), Payload::Range(_, range) if *range == (0..10)));
    }

    #[test]
    fn head_knows_no_ranges() {
        assert_eq!(ask(Method::HEAD, &[(RANGE, "bytes=0-1")]).status(), StatusCode::OK);
    }

    #[test]
    fn a_part_says_where_it_lies() {
        let part = ask(Method::GET, &[(RANGE, "bytes=2-4")]);
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!((field(&part, CONTENT_RANGE), field(&part, CONTENT_LENGTH)), (Some("bytes 2-4/10"), Some("3")));

        let beyond = ask(Method::GET, &[(RANGE, "bytes=10-")]);
        assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(field(&beyond, CONTENT_RANGE), Some("bytes */10"));
        assert_eq!(field(&beyond, CONTENT_TYPE), Some("text/plain; charset=utf-8"));

        let twice = ask(Method::GET, &[(RANGE, "bytes=0-1"), (RANGE, "bytes=5-6")]);
        assert_eq!(twice.status(), StatusCode::OK);
    }

    #[test]
    fn preconditions_go_before_ranges() {
        let tag = field(&ask(Method::GET, &[]), ETAG).unwrap().to_owned();
        let same = ask(Method::GET, &[(RANGE, "bytes=2-4"), (hyper::header::IF_NONE_MATCH, &tag)]);
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert_eq!((field(&same, ETAG), field(&same, CONTENT_LENGTH)), (Some(tag.as_str()), None));
        let other = ask(Method::GET, &[(RANGE, "bytes=99-"), (hyper::header::IF_RANGE, "\"other\"")]);
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn other_methods_are_told_which_there_are() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::CONNECT] {
            let answer = answer_without_file(&request(method, &[(HOST, "x")]), b"/a.efi").unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(field(&answer, ALLOW), Some("GET, HEAD"));
        }
        assert!(answer_without_file(&request(Method::GET, &[(HOST, "x")]), b"/a.efi").is_none());
    }

    #[test]
    fn a_request_that_names_no_file_is_told_what_answers_here() {
        for (fields, kind) in [
            (&[(HOST, "x")][..], "text/plain; charset=utf-8"),
            (&[(HOST, "x"), (ACCEPT, "*/*")], "text/plain; charset=utf-8"),
            (&[(HOST, "x"), (ACCEPT, "text/html")], "text/html; charset=utf-8"),
        ] {
            for name in ["/", "//"] {
                let [get, head] =
                    [Method::GET, Method::HEAD].map(|method| answer_without_file(&request(method, fields), name.as_bytes()));
                let (get, head) = (get.unwrap(), head.unwrap());
                assert_eq!((get.status(), field(&get, CONTENT_TYPE)), (StatusCode::OK, Some(kind)), "{name}");
                assert_eq!((head.status(), head.headers()), (get.status(), get.headers()), "{name}");
                assert!(matches!(get.body(), Payload::Text(text) if text.ends_with('\n')));
                assert!(matches!(head.body(), Payload::Empty));
            }
        }
        assert!(answer_without_file(&request(Method::GET, &[(HOST, "x")]), b"").is_none(), "a path that cannot be decoded");
    }

    #[test]
    fn a_request_names_one_host_unless_its_version_knows_none() {
        for hosts in [&[][..], &[(HOST, "a"), (HOST, "b")]] {
            let answer = answer_without_file(&request(Method::GET, hosts), b"/a.efi").unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{hosts:?}");
        }
        let mut old = request(Method::GET, &[]);
        old.version = Version::HTTP_10;
        assert!(answer_without_file(&old, b"/a.efi").is_none());
    }

    #[test]
    fn every_refusal_has_its_status_and_its_length() {
        for (refusal, status) in [
            (Refusal::NotFound, 404),
            (Refusal::Denied, 403),
            (Refusal::BadName, 400),
            (Refusal::Failed, 500),
            (Refusal::TemplateError, 500),
        ] {
            let answer = build(&request(Method::GET, &[]), b"/x", Err(refusal), SystemTime::now());
            let Payload::Text(text) = answer.body() else { panic!("{refusal:?}") };
            assert_eq!(
                (answer.status().as_u16(), field(&answer, CONTENT_LENGTH)),
                (status, Some(&*text.len().to_string()))
            );
        }
    }

    #[test]
    fn keep_alive_is_said_only_to_who_said_it_alone() {
        let says = |fields: &[(HeaderName, &str)]| requests_keep_alive(&request(Method::GET, fields).headers);
        assert!(says(&[(CONNECTION, "Keep-Alive")]));
        for other in [&[][..], &[(CONNECTION, "close")], &[(CONNECTION, "keep-alive, close")]] {
            assert!(!says(other), "{other:?}");
        }
        assert!(!says(&[(CONNECTION, "keep-alive"), (CONNECTION, "close")]));
    }
}
