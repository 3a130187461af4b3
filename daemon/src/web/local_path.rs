//! The path of a page of this server, as an address or a form states it.

/// The path, if it leads to a page of this server. Anything else, such as an address of another host, leads to the
/// board.
pub fn local_path(path: &str) -> &str {
    let is_plain = path.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\');
    if path.starts_with('/') && !path.starts_with("//") && is_plain { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_a_page_of_this_server() {
        for page in ["/", "/machines/52:54:00:12:34:56", "/?failed=true"] {
            assert_eq!(local_path(page), page);
        }
        for foreign in ["", "//example.org", "/\\example.org", "https://example.org", "javascript:alert(1)", "/a\r\nb"]
        {
            assert_eq!(local_path(foreign), "/");
        }
    }
}
