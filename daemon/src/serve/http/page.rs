//! The pages for people: a description of this server, and the text of each status. Firmware and iPXE never accept
//! HTML.

use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderMap, USER_AGENT};

macro_rules! page {
    ($heading:literal) => {
        concat!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n",
            "<meta name=\"viewport\" content=\"width=device-width\">\n",
            "<title>",
            $heading,
            "</title>\n<h1>",
            $heading,
            "</h1>\n",
            "<p>This is a network-boot server. Machines that boot from the network download loaders, scripts and \
             kernels here. Files are served by name; directories are not listed.\n",
            "<p>On the server itself:\n<ul>\n",
            "<li><code>proxydhcpd check</code> lists the files that it serves, and problems with them.\n",
            "<li><code>proxydhcpd explain --client uefi-x64</code> shows how it boots such a machine, and why.\n",
            "<li><code>journalctl -u proxydhcpd</code> shows the machines' requests and the replies.\n",
            "</ul>\n"
        )
    };
}

/// The text for programs that do not accept HTML: curl, wget, monitors.
pub const SERVER_TEXT: &str = "\
This is proxydhcpd, a network-boot server: machines download loaders, scripts and kernels here.
Files are served by name; directories are not listed. Run `proxydhcpd check` on the server to list them.
";

/// The content security policy of the pages: a page may neither load nor run anything, whatever a later change adds to
/// it.
pub const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Whether the client accepts HTML. EDK2 accepts `*/*`; GRUB, shim and iPXE send no `Accept`.
pub fn accepts_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).into_iter();
    accepted.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/html"))
}

/// Whether the client is a web browser. The `User-Agent` of every browser begins with `Mozilla/`. A web page cannot
/// change that: before the browser sends another value, it asks for permission by OPTIONS, which this server refuses.
pub fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|name| name.as_bytes().starts_with(b"Mozilla/"))
}

/// The page for a response with this status. It contains nothing from the request.
pub fn html(status: StatusCode) -> &'static str {
    match status {
        StatusCode::OK => page!("proxydhcpd"),
        StatusCode::FORBIDDEN => page!("403 Forbidden"),
        StatusCode::NOT_FOUND => page!("404 Not Found"),
        _ => page!("The request failed"),
    }
}

/// The text of a status, for programs that do not accept HTML.
pub fn status_text(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Bad Request\n",
        StatusCode::UNAUTHORIZED => "Unauthorized\n",
        StatusCode::FORBIDDEN => "Forbidden\n",
        StatusCode::NOT_FOUND => "Not Found\n",
        StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed\n",
        StatusCode::PRECONDITION_FAILED => "Precondition Failed\n",
        StatusCode::RANGE_NOT_SATISFIABLE => "Range Not Satisfiable\n",
        StatusCode::TOO_MANY_REQUESTS => "Too Many Requests\n",
        StatusCode::INTERNAL_SERVER_ERROR => "Internal Server Error\n",
        StatusCode::SERVICE_UNAVAILABLE => "Service Unavailable\n",
        _ => "The request failed\n",
    }
}
