//! What a dnsmasq configuration says of network boots, as values: each line is read once.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::super::written::Fate;
use crate::config::diagnostic::Span;
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::link::Network4;
use proxydhcpd_core::plan::pattern::MacPattern;

/// A line by its place in the list of all.
pub type LineId = usize;

#[derive(Debug, Default)]
pub struct Config {
    /// Whose file it is, if it is not dnsmasq's.
    pub server: Option<&'static str>,
    pub boots: Vec<Boot>,
    /// Options 67 and 66: what a lease server boots where no `dhcp-boot` says it.
    pub option_boots: Vec<Boot>,
    pub option_servers: Vec<(LineId, Server)>,
    /// `pxe-service` lines that are there for Raspberry Pis.
    pub raspberry_pis: Vec<LineId>,
    /// Options that name a program for machines that boot over IPv6.
    pub ipv6_boots: Vec<LineId>,
    pub services: Vec<Service>,
    pub prompts: Vec<Prompt>,
    pub marks: Vec<Mark>,
    pub tag_ifs: Vec<TagIf>,
    pub hosts: Vec<Host>,
    pub ignores: Vec<(LineId, Vec<Literal>)>,
    /// It leaves the addresses to another server, as we do.
    pub proxy: bool,
    pub ranges: Vec<Range>,
    pub interfaces: Vec<(LineId, String)>,
    pub addresses: Vec<(LineId, Ipv4Addr)>,
    pub vendor_classes: Vec<(LineId, String)>,
    /// Tags that lines without an equivalent would have set.
    pub lost_tags: BTreeSet<String>,
    pub tftp: Tftp,
}

#[derive(Debug, Default)]
pub struct Tftp {
    /// It served TFTP itself, says this line.
    pub enabled: Option<LineId>,
    pub root: Option<String>,
    pub ignore_case: bool,
    pub ports: Option<(u16, u16)>,
    pub range_line: Option<LineId>,
    pub single_port: bool,
    pub most: Option<u16>,
}

/// `tag:x`, `tag:!x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    pub tag: String,
    pub not: bool,
}

/// Who has the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    Ours,
    At(Ipv4Addr),
}

/// `dhcp-boot`.
#[derive(Debug)]
pub struct Boot {
    pub line: LineId,
    pub tags: Vec<Literal>,
    pub file: String,
    pub server: Server,
}

/// `pxe-service`.
#[derive(Debug)]
pub struct Service {
    pub line: LineId,
    pub tags: Vec<Literal>,
    pub arch: Arch,
    pub title: String,
    pub does: Does,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Does {
    LocalDisk,
    File(String, Server),
    /// A boot server of this type, at an address or wherever it is.
    BootServer(u16, Option<Ipv4Addr>),
}

/// `pxe-prompt`.
#[derive(Debug)]
pub struct Prompt {
    pub line: LineId,
    pub tags: Vec<Literal>,
    pub text: String,
    pub timeout: u8,
}

/// A line that sets a tag where its test holds.
#[derive(Debug)]
pub struct Mark {
    pub line: LineId,
    pub tag: String,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    Always,
    Arch(u16),
    /// Option 175 is there.
    Ipxe,
    /// Option 60 begins with HTTPClient.
    Http,
    /// Option 60 contains it.
    VendorClass(String),
    /// Option 77 contains it.
    UserClass(String),
    Mac([Option<u8>; 6]),
    CircuitId(String),
    Uuid([u8; 16]),
    Relay([u8; 4]),
    Subnet([u8; 4], u8),
    Interface(String),
}

#[derive(Debug)]
pub struct TagIf {
    pub line: LineId,
    pub sets: Vec<String>,
    pub tags: Vec<Literal>,
}

/// `dhcp-host` with hardware addresses.
#[derive(Debug)]
pub struct Host {
    pub line: LineId,
    pub macs: Vec<MacPattern>,
    pub sets: Vec<String>,
    pub name: Option<String>,
    pub ignore: bool,
}

/// `dhcp-range`.
#[derive(Debug)]
pub struct Range {
    pub line: LineId,
    pub filter: Vec<Literal>,
    pub sets: Vec<String>,
    pub start: Ipv4Addr,
    pub mask: Option<Ipv4Addr>,
    /// Where the address stands, for what is to be said of it.
    pub at: Span,
    pub proxy: bool,
}

impl Tftp {
    /// The directory for all goes before that of one interface, which goes before others.
    pub fn take_root(&mut self, root: &str, for_all: bool) -> Option<Fate> {
        match &self.root {
            Some(known) if known != root && !for_all => {
                Some(Fate::Lost(format!("the boot directory is the same on every interface: {known}")))
            }
            _ => {
                self.root = Some(root.to_owned());
                (!for_all).then(|| Fate::Changed("the boot directory is the same on every interface".into()))
            }
        }
    }
}

impl Config {
    pub fn server(&self) -> &'static str {
        self.server.unwrap_or("dnsmasq")
    }

    /// Whether a line that is imported sets this tag.
    pub fn sets(&self, tag: &String) -> bool {
        let by_if = self.tag_ifs.iter().flat_map(|tag_if| &tag_if.sets);
        let by_host = self.hosts.iter().flat_map(|host| &host.sets);
        by_if.chain(by_host).chain(self.marks.iter().map(|mark| &mark.tag)).any(|known| known == tag)
    }
}

/// Whether the code is one of UEFI HTTP boot.
pub fn is_http(code: u16) -> bool {
    Arch(code).transport() == Some(Transport::Http)
}

impl Test {
    /// A part of option 60. The class of UEFI HTTP boot, and the digits behind it, are known for what they are.
    pub fn vendor_class(text: &str) -> Test {
        let Some(rest) = text.strip_prefix("HTTPClient") else { return Test::VendorClass(text.to_owned()) };
        let digits = rest.strip_prefix(":Arch:").and_then(|rest| rest.get(..5)).and_then(|digits| digits.parse().ok());
        digits.filter(|code| is_http(*code)).map_or(Test::Http, Test::Arch)
    }

    pub fn subnet(network: Network4) -> Test {
        Test::Subnet(network.address.octets(), network.prefix)
    }
}
