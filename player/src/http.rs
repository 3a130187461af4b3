//! The HTTP requests of firmware, iPXE and systems, and a reader of responses (RFC 9112), without I/O.

use crate::content::Content;
use crate::url::Url;

/// The longest head of a response that the client accepts, in octets.
const MAX_HEAD: usize = 16 * 1024;

/// The program that sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpDialect {
    /// UEFI (EDK2).
    Uefi,
    /// iPXE.
    Ipxe,
    /// The installer, with wget.
    System,
}

/// Writes a request with this method.
pub fn request(dialect: HttpDialect, method: &str, url: &Url) -> Vec<u8> {
    let fields = match dialect {
        HttpDialect::Uefi => {
            format!("Host: {}\r\nAccept: */*\r\nUser-Agent: UefiHttpBoot/1.0\r\n", url.authority)
        }
        HttpDialect::Ipxe => {
            format!("Connection: keep-alive\r\nUser-Agent: iPXE/1.21.1\r\nHost: {}\r\n", url.authority)
        }
        HttpDialect::System => {
            format!("Host: {}\r\nUser-Agent: Wget\r\nConnection: close\r\n", url.authority)
        }
    };
    format!("{method} {} HTTP/1.1\r\n{fields}\r\n", url.path).into_bytes()
}

/// Reads a response from the octets of a connection.
#[derive(Debug)]
pub struct Response {
    /// Whether the request was HEAD, so that no body follows.
    is_head: bool,
    head: Vec<u8>,
    /// The status code; 0 until the head has arrived.
    pub status: u16,
    body: Body,
    /// The content so far.
    pub content: Content,
    /// The length of the content so far, in octets; after HEAD, the length that the server states.
    pub length: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// The head has not ended.
    Head,
    /// So many octets are to come.
    Remaining(u64),
    /// A chunk follows: its size in hexadecimal so far, and whether its line goes on.
    ChunkSize(u64),
    /// So many octets of a chunk are to come, with the line end after them.
    Chunk(u64),
    /// Until the server closes the connection.
    UntilClose,
    /// It has ended.
    Complete,
    /// It cannot be read.
    Malformed,
}

impl Response {
    /// Creates a reader.
    pub fn new(is_head: bool) -> Response {
        Response { is_head, head: Vec::new(), status: 0, body: Body::Head, content: Content::default(), length: 0 }
    }

    /// Whether the response is complete.
    pub fn is_complete(&self) -> bool {
        self.body == Body::Complete
    }

    /// Whether the response is not HTTP.
    pub fn is_malformed(&self) -> bool {
        self.body == Body::Malformed
    }

    /// Records that the server closed the connection.
    pub fn close(&mut self) {
        self.body = if self.body == Body::UntilClose { Body::Complete } else { Body::Malformed };
    }

    /// Reads the next octets.
    pub fn push(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() && !self.is_complete() && !self.is_malformed() {
            octets = match self.body {
                Body::Head => self.push_head(octets),
                Body::Remaining(left) => {
                    let (taken, rest) = split(octets, left);
                    self.keep(taken);
                    let left = left - taken.len() as u64;
                    self.body = if left == 0 { Body::Complete } else { Body::Remaining(left) };
                    rest
                }
                Body::ChunkSize(size) => self.push_chunk_size(size, octets),
                Body::Chunk(left) => {
                    let (taken, rest) = split(octets, left);
                    let line_end = left.saturating_sub(2).min(taken.len() as u64) as usize;
                    self.keep(taken.get(..line_end).unwrap_or_default());
                    let left = left - taken.len() as u64;
                    self.body = if left == 0 { Body::ChunkSize(0) } else { Body::Chunk(left) };
                    rest
                }
                Body::UntilClose => {
                    self.keep(octets);
                    &[]
                }
                Body::Complete | Body::Malformed => &[],
            };
        }
    }

    fn push_head<'a>(&mut self, octets: &'a [u8]) -> &'a [u8] {
        const END: &[u8] = b"\r\n\r\n";
        let before = self.head.len();
        self.head.extend_from_slice(octets);
        let Some(end) = self.head.windows(END.len()).position(|window| window == END).map(|at| at + END.len()) else {
            if self.head.len() > MAX_HEAD {
                self.body = Body::Malformed;
            }
            return &[];
        };
        self.head.truncate(end);
        self.body = self.read_head().unwrap_or(Body::Malformed);
        octets.get(end.saturating_sub(before)..).unwrap_or_default()
    }

    fn read_head(&mut self) -> Option<Body> {
        let head = std::str::from_utf8(&self.head).ok()?;
        let mut lines = head.split("\r\n");
        self.status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        let field = |name: &str| {
            let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
            fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let length = field("content-length").and_then(|value| value.parse().ok());
        let is_chunked = field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if self.is_head {
            self.length = length.unwrap_or(0);
        }
        Some(match length {
            _ if self.is_head || self.status == 204 || self.status == 304 => Body::Complete,
            _ if is_chunked => Body::ChunkSize(0),
            Some(0) => Body::Complete,
            Some(length) => Body::Remaining(length),
            None => Body::UntilClose,
        })
    }

    /// Reads the octets of a chunk's size line, one at a time.
    fn push_chunk_size<'a>(&mut self, size: u64, octets: &'a [u8]) -> &'a [u8] {
        let Some((octet, rest)) = octets.split_first() else { return &[] };
        self.body = match octet {
            b'\r' => Body::ChunkSize(size),
            b'\n' if size == 0 => Body::Complete,
            b'\n' => Body::Chunk(size.saturating_add(2)),
            digit => match char::from(*digit).to_digit(16) {
                Some(value) => Body::ChunkSize(size.saturating_mul(16).saturating_add(value.into())),
                None => Body::Malformed,
            },
        };
        rest
    }

    fn keep(&mut self, octets: &[u8]) {
        self.content.push(octets);
        self.length += octets.len() as u64;
    }
}

/// Splits off at most `length` octets.
fn split(octets: &[u8], length: u64) -> (&[u8], &[u8]) {
    octets.split_at(usize::try_from(length).unwrap_or(usize::MAX).min(octets.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(is_head: bool, text: &str, piece: usize) -> Response {
        let mut response = Response::new(is_head);
        text.as_bytes().chunks(piece).for_each(|octets| response.push(octets));
        response
    }

    #[test]
    fn a_response_is_read_in_pieces_of_any_size() {
        for piece in [1, 3, 1000] {
            let plain = read(false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", piece);
            assert_eq!((plain.status, plain.content.kept(), plain.is_complete()), (200, &b"hello"[..], true));
            let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
            let chunked = read(false, text, piece);
            assert_eq!((chunked.content.kept(), chunked.is_complete()), (&b"hello!"[..], true));
            let head = read(true, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", piece);
            assert_eq!((head.length, head.is_complete()), (5, true));
        }
    }

    #[test]
    fn a_connection_that_ends_early_is_malformed() {
        let mut response = read(false, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 1000);
        response.close();
        assert!(response.is_malformed());
    }

    #[test]
    fn ipxe_sends_its_fields() {
        let url = Url::parse("http://10.77.0.2:8080/linux").unwrap();
        let text = String::from_utf8(request(HttpDialect::Ipxe, "GET", &url)).unwrap();
        assert!(text.starts_with("GET /linux HTTP/1.1\r\n") && text.contains("User-Agent: iPXE/"));
    }
}
