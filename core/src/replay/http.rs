//! HTTP requests for files and the responses to them (RFC 9112), as the segments of both sides show them.

use super::context::Context;
use super::dhcp::client_and_server;
use super::download::Download;
use super::stream::{Part, Stream};
use super::tftp::Transfers;
use crate::capture::Packet;
use crate::request::{FileRequest, Protocol};
use crate::story::FileEnd;
use crate::url::percent_decode;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// The maximum number of connections at a time. The one without a segment for the longest time makes room.
const MAX_CONNECTIONS: usize = 4096;
/// The maximum number of requests of a connection that wait for a response.
const MAX_REQUESTS: usize = 16;
/// The maximum length of the head of a request or a response, in octets.
const MAX_HEAD: usize = 16 << 10;

/// The connections, by the addresses of the client and of the server.
#[derive(Default)]
pub struct Connections(BTreeMap<(SocketAddr, SocketAddr), Connection>);

/// A connection.
#[derive(Default)]
struct Connection {
    last: u64,
    from_client: Direction,
    from_server: Direction,
    requests: VecDeque<Request>,
    response: Option<Response>,
}

/// One direction of a connection.
#[derive(Default)]
struct Direction {
    stream: Stream,
    state: State,
}

/// The part of a message that a direction reads.
enum State {
    /// The head of a message.
    Head(Vec<u8>),
    /// The body of a message, of which this number of octets is left. `None`: it ends with the connection.
    Body(Option<u64>),
    /// Anything but HTTP.
    Unknown,
}

/// A request for a file.
struct Request {
    at: u64,
    is_head: bool,
    /// Whether a machine may have sent it: it is a GET or a HEAD, and not from a browser.
    is_for_file: bool,
    /// The percent-decoded path.
    name: Vec<u8>,
}

/// The response to a request.
struct Response {
    download: Option<Download>,
    is_head: bool,
    status: u16,
    received: u64,
}

/// The head of a message: its first line, and the fields that matter.
struct Head<'a> {
    first_line: [&'a str; 2],
    length: Option<u64>,
    range_size: Option<u64>,
    is_browser: bool,
}

impl Default for State {
    fn default() -> Self {
        State::Head(Vec::new())
    }
}

impl Connections {
    /// Adds a TCP segment. `transfers` are settled by the requests of their machines.
    pub fn packet(&mut self, context: &mut Context, packet: &Packet<'_>, transfers: &mut Transfers) {
        let Some(tcp) = packet.tcp else { return };
        let Some((client, server, is_request)) = client_and_server(context, packet) else { return };
        let key = (client, server);
        if !self.0.contains_key(&key) {
            // A connection is of interest if it begins, or a request arrives.
            let is_request = is_request && is_request_line(packet.payload);
            if !(tcp.syn || is_request) {
                return;
            }
            self.make_room(context);
        }
        let now = context.now;
        let connection = self.0.entry(key).or_default();
        connection.last = now;
        let begins = connection.from_client.is_at_start() && connection.from_server.is_at_start();
        if tcp.syn {
            let direction = if is_request { &mut connection.from_client } else { &mut connection.from_server };
            if begins {
                direction.stream.begin(tcp.sequence.wrapping_add(1));
            }
        }
        let before = connection.requests.len();
        if is_request {
            connection.add_from_client(now, tcp.sequence, packet);
        } else {
            connection.add_from_server(context, key, tcp.sequence, packet);
        }
        if connection.requests.len() > before {
            transfers.settle_address(context, client.ip());
        }
        let ends = tcp.rst || tcp.fin && !is_request;
        if ends && let Some(mut connection) = self.0.remove(&key) {
            connection.end(context, key, tcp.rst);
        }
    }

    /// Adds the responses that are incomplete at the end of the capture.
    pub fn finish(&mut self, context: &mut Context) {
        for (_, connection) in core::mem::take(&mut self.0) {
            connection.unfinished(context);
        }
    }

    fn make_room(&mut self, context: &mut Context) {
        if self.0.len() < MAX_CONNECTIONS {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, connection)| connection.last).map(|(key, _)| *key);
        let oldest = oldest.and_then(|oldest| self.0.remove(&oldest));
        oldest.into_iter().for_each(|connection| connection.unfinished(context));
    }
}

impl Connection {
    fn add_from_client(&mut self, now: u64, sequence: u32, packet: &Packet<'_>) {
        let Connection { from_client: Direction { stream, state }, requests, .. } = self;
        stream.add(sequence, packet.payload, packet.length, |part| {
            state.read(part, |event| match event {
                Event::Head(head) => {
                    let Some(request) = Request::new(now, head) else { return State::Unknown };
                    if requests.len() < MAX_REQUESTS {
                        requests.push_back(request);
                    }
                    State::body(head.length)
                }
                Event::Octets(_) | Event::Missing(_) | Event::End => State::default(),
            });
        });
    }

    fn add_from_server(
        &mut self,
        context: &mut Context,
        key: (SocketAddr, SocketAddr),
        sequence: u32,
        packet: &Packet<'_>,
    ) {
        let Connection { from_server: Direction { stream, state }, requests, response, .. } = self;
        stream.add(sequence, packet.payload, packet.length, |part| {
            state.read(part, |event| respond(context, key, requests, response, event));
        });
    }

    /// The server has sent everything, or one side has reset the connection.
    fn end(&mut self, context: &mut Context, key: (SocketAddr, SocketAddr), is_reset: bool) {
        let Connection { from_server: Direction { stream, state }, requests, response, .. } = self;
        stream.end(|part| {
            state.read(part, |event| respond(context, key, requests, response, event));
        });
        let ends_with_connection = matches!(state, State::Body(None));
        if let Some(response) = response.take() {
            response.end(context, ends_with_connection && !is_reset);
        }
    }

    fn unfinished(self, context: &mut Context) {
        let download = self.response.and_then(|response| response.download);
        download.into_iter().for_each(|download| download.unfinished(context));
    }
}

impl Direction {
    fn is_at_start(&self) -> bool {
        matches!(&self.state, State::Head(octets) if octets.is_empty())
    }
}

/// A thing that a direction reads.
enum Event<'a> {
    Head(&'a Head<'a>),
    Octets(&'a [u8]),
    Missing(u64),
    /// The end of a body.
    End,
}

impl State {
    /// The state after the head of a message whose body has this length.
    fn body(length: Option<u64>) -> State {
        match length {
            None | Some(0) => State::default(),
            length => State::Body(length),
        }
    }

    /// Reads a part. `handle` handles a thing that it contains; its result for a head is the next state.
    fn read(&mut self, part: Part<'_>, mut handle: impl FnMut(Event<'_>) -> State) {
        let mut part = part;
        loop {
            let is_empty = matches!(part, Part::Octets([]) | Part::Missing(0));
            if is_empty {
                return;
            }
            match (&mut *self, part) {
                (State::Unknown, _) => return,
                (State::Head(_), Part::Missing(_)) => {
                    *self = State::Unknown;
                    return;
                }
                (State::Head(head), Part::Octets(octets)) => {
                    let known = head.len();
                    head.extend_from_slice(octets.get(..MAX_HEAD.min(octets.len())).unwrap_or_default());
                    let from = known.saturating_sub(3);
                    let end = head.get(from..).and_then(|new| new.windows(4).position(|four| four == b"\r\n\r\n"));
                    let Some(end) = end.map(|end| from + end + 4) else {
                        if head.len() > MAX_HEAD {
                            *self = State::Unknown;
                        }
                        return;
                    };
                    let next = match head.get(..end).and_then(Head::parse) {
                        Some(parsed) => handle(Event::Head(&parsed)),
                        None => State::Unknown,
                    };
                    *self = next;
                    part = Part::Octets(octets.get(end - known..).unwrap_or_default());
                }
                (State::Body(left), part_now) => {
                    let length = match part_now {
                        Part::Octets(octets) => octets.len() as u64,
                        Part::Missing(length) => length,
                    };
                    let own = left.map_or(length, |left| left.min(length));
                    let own_octets = usize::try_from(own).unwrap_or(usize::MAX);
                    match part_now {
                        Part::Octets(octets) => {
                            handle(Event::Octets(octets.get(..own_octets).unwrap_or(octets)));
                            part = Part::Octets(octets.get(own_octets..).unwrap_or_default());
                        }
                        Part::Missing(_) => {
                            handle(Event::Missing(own));
                            part = Part::Missing(length - own);
                        }
                    }
                    if let Some(left) = left {
                        *left -= own;
                        if *left == 0 {
                            *self = handle(Event::End);
                        }
                    }
                }
            }
        }
    }
}

/// Handles a thing that the server sent.
fn respond(
    context: &mut Context,
    (client, server): (SocketAddr, SocketAddr),
    requests: &mut VecDeque<Request>,
    response: &mut Option<Response>,
    event: Event<'_>,
) -> State {
    match event {
        Event::Head(head) => {
            let [version, status] = head.first_line;
            let Some(status) = status.parse::<u16>().ok().filter(|_| version.starts_with("HTTP/1.")) else {
                return State::Unknown;
            };
            if (100..200).contains(&status) {
                return State::default();
            }
            if let Some(before) = response.take() {
                before.end(context, true);
            }
            let Some(request) = requests.pop_front() else { return State::Unknown };
            let has_body = !request.is_head && status != 204 && status != 304;
            let new = Response::begin(context, (client, server), &request, status, head);
            match head.length.filter(|_| has_body) {
                Some(0) => {
                    new.end(context, true);
                    State::default()
                }
                length if has_body => {
                    *response = Some(new);
                    State::Body(length)
                }
                _ => {
                    new.end(context, true);
                    State::default()
                }
            }
        }
        Event::Octets(octets) => {
            response.iter_mut().for_each(|response| response.add(context, octets));
            State::default()
        }
        Event::Missing(length) => {
            response.iter_mut().for_each(|response| response.add_missing(length));
            State::default()
        }
        Event::End => {
            if let Some(response) = response.take() {
                response.end(context, true);
            }
            State::default()
        }
    }
}

impl Request {
    fn new(at: u64, head: &Head<'_>) -> Option<Request> {
        let [method, target] = head.first_line;
        let path = match target.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?.1,
            None => target.strip_prefix('/').unwrap_or(target),
        };
        let path = path.split('?').next().unwrap_or_default();
        let is_for_file = ["GET", "HEAD"].contains(&method) && !head.is_browser;
        Some(Request { at, is_head: method == "HEAD", is_for_file, name: percent_decode(path.as_bytes()) })
    }
}

impl Response {
    fn begin(
        context: &mut Context,
        (client, server): (SocketAddr, SocketAddr),
        request: &Request,
        status: u16,
        head: &Head<'_>,
    ) -> Response {
        let file = FileRequest {
            protocol: Protocol::Http(server.port()),
            name: &request.name,
            server: server.ip(),
            client,
            interface: "",
        };
        let mut download = request.is_for_file.then(|| Download::new(context, &file, request.at));
        let size = if status == 206 { head.range_size } else { head.length };
        if let Some(download) = download.as_mut().filter(|_| status < 400) {
            size.into_iter().for_each(|size| download.set_size(context, size));
        }
        Response { download, is_head: request.is_head, status, received: 0 }
    }

    fn add(&mut self, context: &mut Context, octets: &[u8]) {
        self.received += octets.len() as u64;
        self.download.iter_mut().for_each(|download| download.add(context, octets));
    }

    fn add_missing(&mut self, length: u64) {
        self.received = self.received.saturating_add(length);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.download.iter_mut().for_each(|download| download.add_missing(length));
    }

    fn end(self, context: &mut Context, is_whole: bool) {
        let Some(download) = self.download else { return };
        let end = match self.status {
            400.. => return download.refused(context, refusal_label(self.status)),
            _ if self.is_head => FileEnd::SizeProbe,
            206 => FileEnd::Part,
            200 if is_whole => FileEnd::Complete,
            304 => FileEnd::Complete,
            200 => FileEnd::Stopped,
            _ => return,
        };
        let now = context.now;
        download.ended(context, now, self.received, end);
    }
}

impl<'a> Head<'a> {
    fn parse(octets: &'a [u8]) -> Option<Head<'a>> {
        let text = core::str::from_utf8(octets).ok()?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let first_line = [words.next()?, words.next()?];
        let mut head = Head { first_line, length: None, range_size: None, is_browser: false };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.parse().ok();
            } else if name.eq_ignore_ascii_case("content-range") {
                head.range_size = value.rsplit('/').next().and_then(|size| size.parse().ok());
            } else if name.eq_ignore_ascii_case("user-agent") {
                head.is_browser = value.starts_with("Mozilla/");
            }
        }
        Some(head)
    }
}

/// Whether a segment begins with a request.
fn is_request_line(payload: &[u8]) -> bool {
    ["GET ", "HEAD ", "POST "].iter().any(|method| payload.starts_with(method.as_bytes()))
}

/// The label of the reason for which a server refuses a file with this status.
fn refusal_label(status: u16) -> &'static str {
    match status {
        400 => "http:refused:bad-request",
        403 => "http:refused:denied",
        404 => "http:refused:not-found",
        405 => "http:refused:method",
        _ => "http:refused:failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;

    /// The heads, octets and ends that a direction reads from these parts.
    fn read(parts: &[Part<'_>], body: Option<u64>) -> Vec<String> {
        let (mut state, mut read) = (State::default(), Vec::new());
        for part in parts {
            state.read(*part, |event| match event {
                Event::Head(head) => {
                    read.push(head.first_line.join(" "));
                    if body == Some(0) { State::default() } else { State::Body(body.or(head.length)) }
                }
                Event::Octets(octets) => {
                    read.push(String::from_utf8_lossy(octets).into_owned());
                    State::default()
                }
                Event::Missing(length) => {
                    read.push(format!("{length} missing"));
                    State::default()
                }
                Event::End => {
                    read.push("end".to_owned());
                    State::default()
                }
            });
        }
        read
    }

    #[test]
    fn heads_and_bodies_are_separated_wherever_the_segments_end() {
        let two =
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 404 Not Found\r\ncontent-length: 1\r\n\r\nx";
        let expected = vec!["HTTP/1.1 200", "abc", "end", "HTTP/1.1 404", "x", "end"];
        assert_eq!(read(&[Part::Octets(two)], None), expected);
        let octets: Vec<Part<'_>> = two.chunks(1).map(Part::Octets).collect();
        let joined: Vec<String> = vec!["HTTP/1.1 200", "a", "b", "c", "end", "HTTP/1.1 404", "x", "end"]
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert_eq!(read(&octets, None), joined);
        let missing = [Part::Octets(&two[..39]), Part::Missing(2), Part::Octets(&two[41..])];
        assert_eq!(read(&missing, None)[1..4], ["a", "2 missing", "end"].map(str::to_owned));
        assert_eq!(read(&[Part::Octets(b"\x16\x03\x01 TLS")], None), Vec::<String>::new());
    }
}
