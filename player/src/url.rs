//! The URLs of boot files: `http://` and `tftp://` with an address.

use crate::failure::Failure;
use std::net::SocketAddr;

/// A URL, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the protocol is HTTP; otherwise it is TFTP.
    pub is_http: bool,
    /// The authority, as the `Host` field of HTTP has it.
    pub authority: String,
    /// The address and port of the server.
    pub server: SocketAddr,
    /// The path with its slash, percent-encoded.
    pub path: String,
}

impl Url {
    /// Parses a URL. Its host must be an address: a played machine resolves no names.
    pub fn parse(text: &str) -> Result<Url, Failure> {
        let refuse = || Failure::Url(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(refuse)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (is_http, port) = match scheme {
            "http" => (true, 80),
            "tftp" => (false, 69),
            _ => return Err(refuse()),
        };
        let with_port = |text: &str| format!("{text}:{port}").parse().ok();
        let server = authority.parse().ok().or_else(|| with_port(authority)).ok_or_else(refuse)?;
        Ok(Url { is_http, authority: authority.to_owned(), server, path: format!("/{path}") })
    }

    /// Resolves a reference against the URL of a script, as iPXE does: absolute, from the root, or next to it.
    pub fn join(base: &str, reference: &str) -> String {
        if reference.contains("://") {
            return reference.to_owned();
        }
        let path_start = base.find("://").map_or(0, |at| at + 3);
        let authority_end =
            base.get(path_start..).and_then(|rest| rest.find('/')).map_or(base.len(), |at| path_start + at);
        let end = match reference.starts_with('/') {
            true => authority_end,
            false => base.rfind('/').filter(|at| *at >= authority_end).map_or(base.len(), |at| at + 1),
        };
        format!("{}{reference}", base.get(..end).unwrap_or_default())
    }

    /// The file name for TFTP: the path without its slash, decoded.
    pub fn file_name(&self) -> String {
        let octets = self.path.as_bytes();
        let octets = octets.strip_prefix(b"/").unwrap_or(octets);
        let (mut name, mut at) = (Vec::new(), 0);
        while let Some(octet) = octets.get(at) {
            let code = octets.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
            let code = code.filter(|_| *octet == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
            name.push(code.unwrap_or(*octet));
            at += if code.is_some() { 3 } else { 1 };
        }
        String::from_utf8_lossy(&name).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_and_its_name_decoded() {
        let url = Url::parse("tftp://[fd77::2]/with-script/ipxe%20x.efi").unwrap();
        assert_eq!((url.server, url.is_http), ("[fd77::2]:69".parse().unwrap(), false));
        assert_eq!(url.file_name(), "with-script/ipxe x.efi");
        assert_eq!(Url::parse("http://10.77.0.2:8080/a").unwrap().server, "10.77.0.2:8080".parse().unwrap());
        assert!(Url::parse("ftp://10.77.0.2/a").is_err() && Url::parse("http://name/a").is_err());
    }

    #[test]
    fn a_reference_is_resolved_as_ipxe_does() {
        let base = "http://10.77.0.2:8080/machine/mac=1/menu.ipxe";
        assert_eq!(Url::join(base, "linux"), "http://10.77.0.2:8080/machine/mac=1/linux");
        assert_eq!(Url::join(base, "/linux"), "http://10.77.0.2:8080/linux");
        assert_eq!(Url::join(base, "tftp://10.77.0.9/x"), "tftp://10.77.0.9/x");
    }
}
