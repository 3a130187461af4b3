//! The response to a request: status, header fields, and the octets of the body.

use super::conditional::{PreconditionResult, Validators};
use super::content_type::{TEXT_PLAIN, content_type};
use super::handler::{HttpResponse, Payload};
use super::page;
use super::range::{RequestedRange, parse_range};
use crate::files::Opened;
use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, RANGE,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use proxydhcpd_core::fetch::Refusal;
use std::time::SystemTime;

/// The description of this server, for `/`. Firmware with the URL `http://server/` gets plain text, which it cannot
/// mistake for a program.
pub fn description(headers: &HeaderMap) -> HttpResponse {
    match page::accepts_html(headers) {
        true => html_response(StatusCode::OK),
        false => text_response(StatusCode::OK, TEXT_PLAIN, page::SERVER_TEXT),
    }
}

/// The response to a request with a method other than these.
pub fn method_not_allowed(allowed: &str) -> HttpResponse {
    let mut response = status_response(StatusCode::METHOD_NOT_ALLOWED);
    set(&mut response, ALLOW, allowed);
    response
}

/// A response without a body.
pub fn empty_response(status: StatusCode) -> HttpResponse {
    let mut response = Response::new(Payload::empty());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        set(&mut response, CONTENT_LENGTH, "0");
    }
    response
}

/// The response to a request for `name`, which `open` has opened or refused.
pub fn build(request: &Parts, name: &[u8], opened: Result<Opened, Refusal>, now: SystemTime) -> HttpResponse {
    let status = match opened {
        Ok(opened) => return file_response(request, name, opened, now),
        Err(Refusal::TemplateError) => {
            return text_response(StatusCode::INTERNAL_SERVER_ERROR, TEXT_PLAIN, UNRENDERED);
        }
        Err(Refusal::NotFound) => StatusCode::NOT_FOUND,
        Err(Refusal::Denied) => StatusCode::FORBIDDEN,
        Err(Refusal::BadName) => StatusCode::BAD_REQUEST,
        Err(Refusal::Failed(_)) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if page::accepts_html(&request.headers) { html_response(status) } else { status_response(status) }
}

/// The body of the response when a template fails. It omits the error, because a template may contain secrets: only the
/// log has the error.
const UNRENDERED: &str = "This template cannot be rendered for this machine; the log of proxydhcpd shows the error.\n";

/// Whether the response may contain `Connection: keep-alive`. iPXE reuses a connection only if the response contains
/// it, even with HTTP/1.1, and gives up if it does not know a value of the field (http_parse_connection in iPXE's
/// httpcore.c). So the server sends the field with this value alone, and only to a client that sent this value alone.
pub fn requests_keep_alive(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONNECTION).into_iter();
    values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive")) && values.next().is_none()
}

/// Adds `Connection: keep-alive`.
pub fn set_keep_alive(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
}

/// Percent-decodes a path. Returns `None` if a `%` is not followed by two hexadecimal digits.
pub fn percent_decode(path: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut octets = path.bytes();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => hex_digit(octets.next()?)? << 4 | hex_digit(octets.next()?)?,
            octet => octet,
        });
    }
    Some(decoded)
}

fn hex_digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|hex_digit| u8::try_from(hex_digit).ok())
}

fn file_response(request: &Parts, name: &[u8], opened: Opened, now: SystemTime) -> HttpResponse {
    let validators = Validators::new(&opened, now);
    let mut response = match validators.evaluate(&request.headers) {
        PreconditionResult::Send => content_response(request, name, opened, &validators, now),
        PreconditionResult::NotModified => {
            let mut response = Response::new(Payload::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        PreconditionResult::PreconditionFailed => {
            return status_response(StatusCode::PRECONDITION_FAILED);
        }
    };
    set(&mut response, ETAG, &validators.etag);
    if let Some(modified) = validators.last_modified {
        set(&mut response, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    response
}

fn content_response(
    request: &Parts,
    name: &[u8],
    opened: Opened,
    validators: &Validators,
    now: SystemTime,
) -> HttpResponse {
    let size = opened.size();
    let part = match requested_range(request, size, validators, now) {
        RequestedRange::Whole => None,
        RequestedRange::Part(part) => Some(part),
        RequestedRange::Unsatisfiable => {
            let mut response = status_response(StatusCode::RANGE_NOT_SATISFIABLE);
            set(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
            return response;
        }
    };
    let media_type = content_type(name, &opened);
    let octets = part.clone().unwrap_or(0..size);
    let length = octets.end - octets.start;
    let mut response = Response::new(Payload::Range(opened, octets));
    if let Some(part) = part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        set(&mut response, CONTENT_RANGE, &format!("bytes {}-{}/{size}", part.start, part.end - 1));
    }
    set(&mut response, CONTENT_LENGTH, &length.to_string());
    set(&mut response, CONTENT_TYPE, media_type);
    set(&mut response, ACCEPT_RANGES, "bytes");
    response
}

/// The requested range. Only GET has ranges (RFC 9110 14.2). Several `Range` fields count as several ranges, for which
/// the whole file is sent.
fn requested_range(request: &Parts, size: u64, validators: &Validators, now: SystemTime) -> RequestedRange {
    let mut fields = request.headers.get_all(RANGE).into_iter();
    match (fields.next().and_then(|value| value.to_str().ok()), fields.next()) {
        (Some(value), None) if request.method == Method::GET && validators.allows_range(&request.headers, now) => {
            parse_range(value, size)
        }
        _ => RequestedRange::Whole,
    }
}

/// A response with the text of its status.
pub fn status_response(status: StatusCode) -> HttpResponse {
    text_response(status, TEXT_PLAIN, page::status_text(status))
}

/// An HTML page, for a web browser.
fn html_response(status: StatusCode) -> HttpResponse {
    let mut response = text_response(status, "text/html; charset=utf-8", page::html(status));
    set(&mut response, CONTENT_SECURITY_POLICY, page::POLICY);
    response
}

fn text_response(status: StatusCode, media_type: &str, text: &'static str) -> HttpResponse {
    let mut response = Response::new(Payload::Text(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    set(&mut response, CONTENT_LENGTH, &text.len().to_string());
    set(&mut response, CONTENT_TYPE, media_type);
    response
}

/// Sets a header field. The values that this module creates contain no control characters.
pub fn set(response: &mut HttpResponse, name: HeaderName, value: &str) {
    response.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value made here is visible ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, fields: &[(HeaderName, &str)]) -> Parts {
        let mut request = hyper::Request::builder().method(method).uri("/");
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn opened() -> Opened {
        Opened::text("0123456789")
    }

    fn field(response: &HttpResponse, name: HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
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
    fn head_has_the_header_of_get() {
        let (get, head) = (ask(Method::GET, &[]), ask(Method::HEAD, &[]));
        assert_eq!((get.status(), get.headers()), (head.status(), head.headers()));
        assert_eq!(field(&head, CONTENT_LENGTH), Some("10"));
        assert!(matches!(get.body(), Payload::Range(_, range) if *range == (0..10)));
    }

    #[test]
    fn head_ignores_ranges() {
        assert_eq!(ask(Method::HEAD, &[(RANGE, "bytes=0-1")]).status(), StatusCode::OK);
    }

    #[test]
    fn a_partial_response_names_its_range() {
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
    fn preconditions_take_precedence_over_ranges() {
        let tag = field(&ask(Method::GET, &[]), ETAG).unwrap().to_owned();
        let same = ask(Method::GET, &[(RANGE, "bytes=2-4"), (hyper::header::IF_NONE_MATCH, &tag)]);
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert_eq!((field(&same, ETAG), field(&same, CONTENT_LENGTH)), (Some(tag.as_str()), None));
        let other = ask(Method::GET, &[(RANGE, "bytes=99-"), (hyper::header::IF_RANGE, "\"other\"")]);
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn every_refusal_has_its_status_and_its_length() {
        for (refusal, status) in [
            (Refusal::NotFound, 404),
            (Refusal::Denied, 403),
            (Refusal::BadName, 400),
            (Refusal::Failed(libc::EIO), 500),
            (Refusal::TemplateError, 500),
        ] {
            let response = build(&request(Method::GET, &[]), b"/x", Err(refusal), SystemTime::now());
            let Payload::Text(text) = response.body() else { panic!("{refusal:?}") };
            assert_eq!(
                (response.status().as_u16(), field(&response, CONTENT_LENGTH)),
                (status, Some(&*text.len().to_string()))
            );
        }
    }

    #[test]
    fn keep_alive_is_sent_only_to_a_client_that_sent_it_alone() {
        let is_keep_alive = |fields: &[(HeaderName, &str)]| requests_keep_alive(&request(Method::GET, fields).headers);
        assert!(is_keep_alive(&[(CONNECTION, "Keep-Alive")]));
        for other in [&[][..], &[(CONNECTION, "close")], &[(CONNECTION, "keep-alive, close")]] {
            assert!(!is_keep_alive(other), "{other:?}");
        }
        assert!(!is_keep_alive(&[(CONNECTION, "keep-alive"), (CONNECTION, "close")]));
    }
}
