//! A server with its page open, and clients that send any octets.

use crate::common::server::{Server, one_network};
use proxydhcpd_testbed::Host;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;

/// The address of the page.
pub const PAGE: &str = "192.0.2.10:8067";
pub const PASSWORD: &str = "correct horse battery";
/// The page is open to the network by plain HTTP.
pub const OPEN: &str = "[web]\nlisten = [\"192.0.2.10:8067\"]\nplain-http = true\n";
/// The timeout of a response. It is long enough for a busy host, so a test that reaches it has failed.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// A server at 192.0.2.10 with its page, and a machine at 192.0.2.107 (and .108) that attacks it.
pub struct Page {
    pub server: Server,
    pub host: Host,
    pub machine: Host,
}

/// A response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Page {
    /// Starts the server with these lines in its configuration.
    pub fn start(lines: &str) -> Page {
        let (host, machine) = one_network();
        machine.run("ip address add 192.0.2.108/24 dev eth0");
        let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), lines);
        server.wait_for_line("this link opens it once");
        server.wait_for_line("ready");
        Page { server, host, machine }
    }

    /// The path of the link in the log.
    pub fn link(&self) -> String {
        let log = self.server.log();
        let (_, path) = log.rsplit_once("/start/").expect("no link in the log");
        format!("/start/{}", &path[..64])
    }

    /// A connection of the machine, from this one of its addresses.
    pub fn connect_from(&self, source: &str) -> TcpStream {
        let stream = self.machine.on(|| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&format!("{source}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
            socket.connect(&PAGE.parse::<SocketAddr>().unwrap().into()).unwrap();
            TcpStream::from(socket)
        });
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        stream
    }

    /// Sends these octets, and returns everything that the server sends until it closes the connection.
    pub fn exchange(&self, octets: &[u8]) -> String {
        let mut stream = self.connect_from("192.0.2.107");
        // The server may close the connection before it has read everything.
        let _ = stream.write_all(octets);
        read_to_end(&mut stream)
    }

    /// Sends a request with these lines of headers, which end with CR LF.
    pub fn request(&self, method: &str, target: &str, headers: &str, body: &str) -> Reply {
        self.request_from("192.0.2.107", method, target, headers, body)
    }

    pub fn request_from(&self, source: &str, method: &str, target: &str, headers: &str, body: &str) -> Reply {
        let mut stream = self.connect_from(source);
        let length = body.len();
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {PAGE}\r\nConnection: close\r\n{headers}");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
        Reply::parse(&read_to_end(&mut stream))
    }

    pub fn get(&self, target: &str, headers: &str) -> Reply {
        self.request("GET", target, headers, "")
    }

    /// Sends a form as a page of the server does.
    pub fn post_form(&self, target: &str, headers: &str, form: &str) -> Reply {
        self.request("POST", target, &format!("{OWN_FORM}{headers}"), form)
    }

    /// Sets the password with the link, and returns the header with the cookie.
    pub fn log_in(&self) -> String {
        let form = format!("password={0}&again={0}", PASSWORD.replace(' ', "+"));
        self.post_form(&self.link(), "", &form).cookie()
    }

    /// Runs a command that asks the server.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.client(arguments).output().unwrap()
    }

    pub fn client(&self, arguments: &[&str]) -> Command {
        self.server.client(&[arguments, &["-c", "CONFIG"]].concat())
    }

    /// Makes a token, and returns the header with it.
    pub fn token(&self, name: &str, scope: &str) -> String {
        let made = self.command(&["web", "token", "add", name, "--scope", scope]);
        assert!(made.status.success(), "{made:?}");
        format!("Authorization: Bearer {}\r\n", String::from_utf8(made.stdout).unwrap().trim())
    }

    /// The memory of the server, in KiB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// The headers of a form of the page.
pub const OWN_FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n";

impl Reply {
    pub fn parse(text: &str) -> Reply {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The header with the cookie of the session that begins.
    pub fn cookie(&self) -> String {
        let cookie = self.header("set-cookie").unwrap_or_else(|| panic!("no session: {self:?}"));
        format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
    }
}

pub fn read_to_end(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    // A reset ends the connection, too.
    let _ = stream.read_to_end(&mut octets);
    String::from_utf8_lossy(&octets).into_owned()
}
