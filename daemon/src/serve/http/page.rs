//! What a person is shown: what this server is, and where to look; and what each status says in words. Firmware and
//! iPXE never ask for HTML.

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
            "<p>This is a network-boot server. Machines that start from the network fetch their loaders, scripts and \
             kernels here. \
             Files are served by their names, and directories are not listed.\n",
            "<p>On the server itself:\n<ul>\n",
            "<li><code>proxydhcpd check</code> shows what is served, and what is wrong with it.\n",
            "<li><code>proxydhcpd explain --client uefi-x64</code> shows what such a machine gets, and why.\n",
            "<li><code>journalctl -u proxydhcpd</code> shows which machines asked, and what they were given.\n",
            "</ul>\n"
        )
    };
}

/// The page for programs that do not ask for HTML: curl, wget, monitors.
pub const SERVER_TEXT: &str = "This is proxydhcpd, a network-boot server: machines fetch their loaders, scripts and kernels here.\n\
                        Files are served by their names, and directories are not listed. `proxydhcpd check` on the server \
                        shows what is served.\n";

/// Nothing may be loaded or run by it, whatever a later change lets into it.
pub const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// EDK2 accepts `*/*`, GRUB, shim and iPXE say nothing.
pub fn accepts_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).into_iter();
    accepted.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/html"))
}

/// Every browser's name begins so, and a page cannot take it away (with another, the browser asks for leave first, by
/// OPTIONS).
pub fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(USER_AGENT).is_some_and(|name| name.as_bytes().starts_with(b"Mozilla/"))
}

/// The page for an answer of this status. It has no part that anybody could fill.
pub fn html(status: StatusCode) -> &'static str {
    match status {
        StatusCode::OK => page!("proxydhcpd"),
        StatusCode::FORBIDDEN => page!("403 Forbidden"),
        StatusCode::NOT_FOUND => page!("404 Not Found"),
        _ => page!("This request cannot be answered"),
    }
}

/// A status in words, for the same programs.
pub fn status_text(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Bad Request\n",
        StatusCode::FORBIDDEN => "Forbidden\n",
        StatusCode::NOT_FOUND => "Not Found\n",
        StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed\n",
        StatusCode::PRECONDITION_FAILED => "Precondition Failed\n",
        StatusCode::RANGE_NOT_SATISFIABLE => "Range Not Satisfiable\n",
        StatusCode::INTERNAL_SERVER_ERROR => "Internal Server Error\n",
        _ => "This request cannot be answered\n",
    }
}
