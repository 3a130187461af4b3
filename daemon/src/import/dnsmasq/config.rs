//! What a dnsmasq configuration says of network boots, as values: each line is read once.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::super::output::LineOutcome;
use crate::config::diagnostic::Span;
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::link::Network4;
use proxydhcpd_core::plan::pattern::MacPattern;

/// A line by its place in the list of all.
pub type LineId = usize;

#[derive(Debug, Default)]
pub struct DnsmasqConfig {
    /// Whose file it is, if it is not dnsmasq's.
    pub server: Option<&'static str>,
    pub boots: Vec<DhcpBoot>,
    /// Options 67 and 66: what a lease server boots where no `dhcp-boot` says it.
    pub option_boots: Vec<DhcpBoot>,
    pub option_servers: Vec<(LineId, FileServer)>,
    /// `pxe-service` lines that are there for Raspberry Pis.
    pub raspberry_pi_lines: Vec<LineId>,
    /// Options that name a program for machines that boot over IPv6.
    pub ipv6_boot_lines: Vec<LineId>,
    pub services: Vec<PxeService>,
    pub prompts: Vec<PxePrompt>,
    pub tag_matches: Vec<TagMatch>,
    pub tag_ifs: Vec<TagIf>,
    pub hosts: Vec<DhcpHost>,
    pub ignores: Vec<(LineId, Vec<TagLiteral>)>,
    /// It leaves the addresses to another server, as we do.
    pub is_proxy: bool,
    pub ranges: Vec<DhcpRange>,
    pub interfaces: Vec<(LineId, String)>,
    pub addresses: Vec<(LineId, Ipv4Addr)>,
    pub vendor_classes: Vec<(LineId, String)>,
    /// Tags that lines without an equivalent would have set.
    pub unsupported_tags: BTreeSet<String>,
    pub tftp: TftpOptions,
}

#[derive(Debug, Default)]
pub struct TftpOptions {
    /// It served TFTP itself, says this line.
    pub enabled: Option<LineId>,
    pub root: Option<String>,
    pub ignore_case: bool,
    pub port_range: Option<(u16, u16)>,
    pub port_range_line: Option<LineId>,
    pub single_port: bool,
    pub max_transfers: Option<u16>,
}

/// `tag:x`, `tag:!x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagLiteral {
    pub tag: String,
    pub negated: bool,
}

/// Who has the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileServer {
    ThisServer,
    Address(Ipv4Addr),
}

/// `dhcp-boot`.
#[derive(Debug)]
pub struct DhcpBoot {
    pub line: LineId,
    pub tags: Vec<TagLiteral>,
    pub file: String,
    pub server: FileServer,
}

/// `pxe-service`.
#[derive(Debug)]
pub struct PxeService {
    pub line: LineId,
    pub tags: Vec<TagLiteral>,
    pub arch: Arch,
    pub title: String,
    pub action: ServiceAction,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceAction {
    LocalDisk,
    File(String, FileServer),
    /// A boot server of this type, at an address or wherever it is.
    BootServer(u16, Option<Ipv4Addr>),
}

/// `pxe-prompt`.
#[derive(Debug)]
pub struct PxePrompt {
    pub line: LineId,
    pub tags: Vec<TagLiteral>,
    pub text: String,
    pub timeout: u8,
}

/// A line that sets a tag where its test holds.
#[derive(Debug)]
pub struct TagMatch {
    pub line: LineId,
    pub tag: String,
    pub test: TagTest,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagTest {
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
    pub set_tags: Vec<String>,
    pub tags: Vec<TagLiteral>,
}

/// `dhcp-host` with hardware addresses.
#[derive(Debug)]
pub struct DhcpHost {
    pub line: LineId,
    pub macs: Vec<MacPattern>,
    pub set_tags: Vec<String>,
    pub name: Option<String>,
    pub ignore: bool,
}

/// `dhcp-range`.
#[derive(Debug)]
pub struct DhcpRange {
    pub line: LineId,
    pub required_tags: Vec<TagLiteral>,
    pub set_tags: Vec<String>,
    pub start: Ipv4Addr,
    pub mask: Option<Ipv4Addr>,
    /// Where the address stands, for what is to be said of it.
    pub address_span: Span,
    pub is_proxy: bool,
}

impl TftpOptions {
    /// The directory for all goes before that of one interface, which goes before others.
    pub fn set_root(&mut self, root: &str, for_all: bool) -> Option<LineOutcome> {
        match &self.root {
            Some(known) if known != root && !for_all => {
                Some(LineOutcome::Unsupported(format!("the boot directory is the same on every interface: {known}")))
            }
            _ => {
                self.root = Some(root.to_owned());
                (!for_all).then(|| LineOutcome::Changed("the boot directory is the same on every interface".into()))
            }
        }
    }
}

impl DnsmasqConfig {
    pub fn source_server(&self) -> &'static str {
        self.server.unwrap_or("dnsmasq")
    }

    /// Whether a line that is imported sets this tag.
    pub fn sets_tag(&self, tag: &String) -> bool {
        let by_if = self.tag_ifs.iter().flat_map(|tag_if| &tag_if.set_tags);
        let by_host = self.hosts.iter().flat_map(|host| &host.set_tags);
        by_if.chain(by_host).chain(self.tag_matches.iter().map(|mark| &mark.tag)).any(|known| known == tag)
    }
}

/// Whether the code is one of UEFI HTTP boot.
pub fn is_http_arch(code: u16) -> bool {
    Arch(code).transport() == Some(Transport::Http)
}

impl TagTest {
    /// A part of option 60. The class of UEFI HTTP boot, and the digits behind it, are known for what they are.
    pub fn vendor_class(text: &str) -> TagTest {
        let Some(rest) = text.strip_prefix("HTTPClient") else { return TagTest::VendorClass(text.to_owned()) };
        let digits = rest.strip_prefix(":Arch:").and_then(|rest| rest.get(..5)).and_then(|digits| digits.parse().ok());
        digits.filter(|code| is_http_arch(*code)).map_or(TagTest::Http, TagTest::Arch)
    }

    pub fn subnet(network: Network4) -> TagTest {
        TagTest::Subnet(network.address.octets(), network.prefix)
    }
}
