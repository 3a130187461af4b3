//! Serves files by GET and HEAD, and receives the reports of machines by POST. Only this module decides by the method
//! and the path of a request.

use super::handler::{BodyLimit, Handler, HttpRequest, HttpResponse};
use super::menu_door::{self, MenuDoor};
use super::page;
use super::report_door::{self, ReportDoor};
use super::response;
use crate::files::{OpenFiles, ResolvedFile};
use hyper::header::HOST;
use hyper::{Method, StatusCode, Version};
use proxydhcpd_core::fetch::{Refusal, is_done_request, is_failure_report};
use proxydhcpd_core::report_request::report_format;
use proxydhcpd_core::request::{FileRequest, Protocol};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// A handler that sends what a function opens.
#[derive(Debug)]
pub struct FileHandler<O, R, M> {
    open: O,
    reports: R,
    menu: M,
    open_files: Mutex<OpenFiles>,
}

impl<O, R, M> FileHandler<O, R, M> {
    /// A handler that sends what this function opens, and that has these doors for reports and for protected items of
    /// the menu. The function may block.
    pub fn new(open: O, reports: R, menu: M) -> FileHandler<O, R, M> {
        FileHandler { open, reports, menu, open_files: Mutex::default() }
    }
}

impl<O, R, M> Handler for FileHandler<O, R, M>
where
    O: Fn(&FileRequest<'_>) -> ResolvedFile + Send + Sync + 'static,
    R: ReportDoor,
    M: MenuDoor,
{
    /// The response to a request that needs no file: a request that is refused whatever its path, or a request for `/`.
    fn response_at_once(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let (head, name) = (&request.head, request.name.as_deref().unwrap_or_default());
        // RFC 9112 3.2 requires exactly one `Host` field. HTTP/1.0, which some loaders use, does not have this field.
        let hosts = head.headers.get_all(HOST).iter().count();
        if hosts > 1 || hosts == 0 && head.version == Version::HTTP_11 {
            return Some(response::status_response(StatusCode::BAD_REQUEST));
        }
        let is_root = !name.is_empty() && name.iter().all(|octet| *octet == b'/');
        match head.method {
            Method::GET | Method::HEAD if is_root => Some(response::description(&head.headers)),
            // A web page in a browser must not report for a machine.
            Method::GET | Method::HEAD if is_failure_report(name) && page::is_browser(&head.headers) => {
                Some(response::status_response(StatusCode::FORBIDDEN))
            }
            Method::GET | Method::HEAD => {
                let refused = self.menu.admit(&file_request(request, name), head).err();
                refused.map(|refusal| menu_door::response(&refusal))
            }
            Method::POST if is_done_request(name) => None,
            Method::POST if report_format(name).is_some() => {
                let refused = self.reports.verify(&file_request(request, name)).err();
                refused.map(|refusal| response::empty_response(report_door::status(refusal)))
            }
            _ => Some(response::method_not_allowed("GET, HEAD")),
        }
    }

    fn body_limit(&self, request: &HttpRequest) -> Option<BodyLimit> {
        is_report(request).then_some(report_door::BODY_LIMIT)
    }

    fn response(&self, request: &HttpRequest) -> HttpResponse {
        let name = request.name.as_deref();
        if is_report(request) {
            return report_door::response(
                &self.reports,
                &file_request(request, name.unwrap_or_default()),
                &request.body,
            );
        }
        let open = |name| (self.open)(&file_request(request, name));
        let ResolvedFile { mut opened, ticket } = name.map_or_else(|| Err(Refusal::BadName).into(), open);
        if let Ok(opened) = &mut opened {
            self.open_files.lock().unwrap_or_else(PoisonError::into_inner).share(opened);
        }
        let mut response = response::build(&request.head, name.unwrap_or_default(), opened, SystemTime::now());
        response.extensions_mut().insert(ticket);
        response
    }
}

/// Whether the request posts a report.
fn is_report(request: &HttpRequest) -> bool {
    request.head.method == Method::POST && request.name.as_deref().is_some_and(|name| report_format(name).is_some())
}

fn file_request<'a>(request: &HttpRequest, name: &'a [u8]) -> FileRequest<'a> {
    let protocol = Protocol::Http(request.server.port());
    FileRequest { protocol, name, server: request.server.ip(), client: request.client, interface: "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::http::Payload;
    use bytes::Bytes;
    use hyper::Request;
    use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName};
    use std::net::{IpAddr, Ipv4Addr};

    fn request(method: Method, name: &str, fields: &[(HeaderName, &str)]) -> HttpRequest {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        let address = (IpAddr::V4(Ipv4Addr::LOCALHOST), 80).into();
        let head = request.body(()).unwrap().into_parts().0;
        HttpRequest { client: address, server: address, head, name: Some(name.into()), body: Ok(Bytes::new()) }
    }

    fn at_once(request: &HttpRequest) -> Option<HttpResponse> {
        FileHandler::new(|_: &FileRequest<'_>| Err(Refusal::NotFound).into(), (), ()).response_at_once(request)
    }

    fn field(response: &HttpResponse, name: HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn other_methods_get_405_with_the_allowed_methods() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::CONNECT] {
            let response = at_once(&request(method, "/a.efi", &[(HOST, "x")])).unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(field(&response, ALLOW), Some("GET, HEAD"));
        }
        assert!(at_once(&request(Method::GET, "/a.efi", &[(HOST, "x")])).is_none());
    }

    #[test]
    fn a_done_url_may_be_posted() {
        let name = "/machine/name=web1/done";
        assert!(at_once(&request(Method::POST, name, &[(HOST, "x")])).is_none());
        let put = at_once(&request(Method::PUT, name, &[(HOST, "x")])).unwrap();
        assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn a_request_for_the_root_gets_a_description_of_the_server() {
        for (fields, media_type) in [
            (&[(HOST, "x")][..], "text/plain; charset=utf-8"),
            (&[(HOST, "x"), (ACCEPT, "*/*")], "text/plain; charset=utf-8"),
            (&[(HOST, "x"), (ACCEPT, "text/html")], "text/html; charset=utf-8"),
        ] {
            for (name, method) in [("/", Method::GET), ("//", Method::GET), ("/", Method::HEAD)] {
                let response = at_once(&request(method, name, fields)).unwrap();
                let media_types = (response.status(), field(&response, CONTENT_TYPE));
                assert_eq!(media_types, (StatusCode::OK, Some(media_type)), "{name}");
                assert!(matches!(response.body(), Payload::Text(text) if text.ends_with(b"\n")));
            }
        }
        let undecodable = request(Method::GET, "", &[(HOST, "x")]);
        assert!(at_once(&undecodable).is_none());
    }

    #[test]
    fn a_request_must_name_one_host_except_in_http_1_0() {
        for hosts in [&[][..], &[(HOST, "a"), (HOST, "b")]] {
            let response = at_once(&request(Method::GET, "/a.efi", hosts)).unwrap();
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{hosts:?}");
        }
        let mut old = request(Method::GET, "/a.efi", &[]);
        old.head.version = Version::HTTP_10;
        assert!(at_once(&old).is_none());
    }
}
