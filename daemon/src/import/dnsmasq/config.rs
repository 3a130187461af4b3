//! The network boot settings of a dnsmasq configuration as values.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::super::output::LineOutcome;
use crate::config::diagnostic::Span;
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::link::Network4;
use proxydhcpd_core::plan::pattern::MacPattern;

/// The index of a line in the list of all lines.
pub type LineId = usize;

/// All settings that decide what machines boot.
#[derive(Debug, Default)]
pub struct DnsmasqConfig {
    /// The name of the server, unless it is dnsmasq.
    pub server: Option<&'static str>,
    /// `dhcp-boot` lines.
    pub boots: Vec<DhcpBoot>,
    /// Option 67 of a dnsmasq that assigns leases. It applies if no `dhcp-boot` does.
    pub option_boots: Vec<DhcpBoot>,
    /// Option 66 of such a dnsmasq.
    pub option_servers: Vec<(LineId, FileServer)>,
    /// `pxe-service` lines for Raspberry Pis.
    pub raspberry_pi_lines: Vec<LineId>,
    /// Options with a boot file for machines that boot over IPv6.
    pub ipv6_boot_lines: Vec<LineId>,
    /// `pxe-service` lines.
    pub services: Vec<PxeService>,
    /// `pxe-prompt` lines.
    pub prompts: Vec<PxePrompt>,
    /// Lines that set a tag if a test holds, such as `dhcp-match`.
    pub tag_matches: Vec<TagMatch>,
    /// `tag-if` lines.
    pub tag_ifs: Vec<TagIf>,
    /// `dhcp-host` lines with MAC addresses.
    pub hosts: Vec<DhcpHost>,
    /// `dhcp-ignore` lines.
    pub ignores: Vec<(LineId, Vec<TagLiteral>)>,
    /// Whether dnsmasq is a proxyDHCP server: another server assigns the addresses.
    pub is_proxy: bool,
    /// `dhcp-range` lines.
    pub ranges: Vec<DhcpRange>,
    /// `interface` lines.
    pub interfaces: Vec<(LineId, String)>,
    /// `listen-address` lines.
    pub addresses: Vec<(LineId, Ipv4Addr)>,
    /// `dhcp-pxe-vendor` lines.
    pub vendor_classes: Vec<(LineId, String)>,
    /// Tags that lines without an equivalent set.
    pub unsupported_tags: BTreeSet<String>,
    /// The TFTP settings.
    pub tftp: TftpOptions,
}

/// The TFTP settings.
#[derive(Debug, Default)]
pub struct TftpOptions {
    /// The `enable-tftp` line. `None`: dnsmasq serves no files.
    pub enabled: Option<LineId>,
    /// `tftp-root`.
    pub root: Option<String>,
    /// `tftp-lowercase`.
    pub ignore_case: bool,
    /// `tftp-port-range`.
    pub port_range: Option<(u16, u16)>,
    /// The line of `tftp-port-range`.
    pub port_range_line: Option<LineId>,
    /// `tftp-single-port`.
    pub single_port: bool,
    /// `tftp-max`.
    pub max_transfers: Option<u16>,
}

/// `tag:x`, `tag:!x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagLiteral {
    /// The name of the tag.
    pub tag: String,
    /// Whether the tag must not be set.
    pub negated: bool,
}

/// The server that has the boot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileServer {
    /// This server.
    ThisServer,
    /// The TFTP server at this address.
    Address(Ipv4Addr),
}

/// `dhcp-boot`.
#[derive(Debug)]
pub struct DhcpBoot {
    /// Its line.
    pub line: LineId,
    /// The tags that it requires.
    pub tags: Vec<TagLiteral>,
    /// The boot file.
    pub file: String,
    /// The server that has the file.
    pub server: FileServer,
}

/// `pxe-service`.
#[derive(Debug)]
pub struct PxeService {
    /// Its line.
    pub line: LineId,
    /// The tags that it requires.
    pub tags: Vec<TagLiteral>,
    /// The architecture that it is for.
    pub arch: Arch,
    /// The text in the menu.
    pub title: String,
    /// The action of the machine if a user selects the item.
    pub action: ServiceAction,
}

/// The action of a machine for a menu item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceAction {
    /// It boots its disk.
    LocalDisk,
    /// It downloads a file.
    File(String, FileServer),
    /// It asks a boot server of this type. `None`: the machine discovers the server's address.
    BootServer(u16, Option<Ipv4Addr>),
}

/// `pxe-prompt`.
#[derive(Debug)]
pub struct PxePrompt {
    /// Its line.
    pub line: LineId,
    /// The tags that it requires.
    pub tags: Vec<TagLiteral>,
    /// The text.
    pub text: String,
    /// In seconds; 255: no timeout.
    pub timeout: u8,
}

/// A line that sets a tag if its test holds.
#[derive(Debug)]
pub struct TagMatch {
    /// The line.
    pub line: LineId,
    /// The tag that it sets.
    pub tag: String,
    /// The test.
    pub test: TagTest,
}

/// A test of a machine's requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagTest {
    /// It holds for every network boot client.
    Always,
    /// Option 93 is this architecture.
    Arch(u16),
    /// The request has option 175.
    Ipxe,
    /// Option 60 starts with HTTPClient.
    Http,
    /// Option 60 contains this text.
    VendorClass(String),
    /// Option 77 contains this text.
    UserClass(String),
    /// The MAC address has these octets.
    Mac([Option<u8>; 6]),
    /// The relay sends this circuit ID (option 82).
    CircuitId(String),
    /// The UUID (option 97), in printed order.
    Uuid([u8; 16]),
    /// The relay has this address.
    Relay([u8; 4]),
    /// The machine is in this network: address and prefix length.
    Subnet([u8; 4], u8),
    /// The request arrives on this interface.
    Interface(String),
}

/// `tag-if`.
#[derive(Debug)]
pub struct TagIf {
    /// Its line.
    pub line: LineId,
    /// The tags that it sets.
    pub set_tags: Vec<String>,
    /// The tags that it requires.
    pub tags: Vec<TagLiteral>,
}

/// `dhcp-host` with MAC addresses.
#[derive(Debug)]
pub struct DhcpHost {
    /// Its line.
    pub line: LineId,
    /// The MAC addresses, which may have wildcards.
    pub macs: Vec<MacPattern>,
    /// The tags that it sets.
    pub set_tags: Vec<String>,
    /// The host name.
    pub name: Option<String>,
    /// Whether dnsmasq ignores the host.
    pub ignore: bool,
}

/// `dhcp-range`.
#[derive(Debug)]
pub struct DhcpRange {
    /// Its line.
    pub line: LineId,
    /// The tags that it requires.
    pub required_tags: Vec<TagLiteral>,
    /// The tags that it sets.
    pub set_tags: Vec<String>,
    /// The first address, or the address of the network.
    pub start: Ipv4Addr,
    /// The network mask. `None`: that of the interface.
    pub mask: Option<Ipv4Addr>,
    /// The span of the address in the file, for errors.
    pub address_span: Span,
    /// Whether it is a proxyDHCP range, without leases.
    pub is_proxy: bool,
}

impl TftpOptions {
    /// Sets the boot directory. A directory for all interfaces takes precedence over that of one interface, which takes
    /// precedence over later ones.
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
    /// The name of the server, for messages.
    pub fn source_server(&self) -> &'static str {
        self.server.unwrap_or("dnsmasq")
    }

    /// Whether an imported line sets this tag.
    pub fn sets_tag(&self, tag: &String) -> bool {
        let set_by_tag_if = self.tag_ifs.iter().flat_map(|tag_if| &tag_if.set_tags);
        let set_by_host = self.hosts.iter().flat_map(|host| &host.set_tags);
        set_by_tag_if
            .chain(set_by_host)
            .chain(self.tag_matches.iter().map(|tag_match| &tag_match.tag))
            .any(|known| known == tag)
    }
}

/// Whether the architecture code is one of UEFI HTTP boot.
pub fn is_http_arch(code: u16) -> bool {
    Arch(code).transport() == Some(Transport::Http)
}

impl TagTest {
    /// The test for a text in option 60. The class of UEFI HTTP boot becomes a test for HTTP or for its architecture.
    pub fn vendor_class(text: &str) -> TagTest {
        let Some(rest) = text.strip_prefix("HTTPClient") else { return TagTest::VendorClass(text.to_owned()) };
        let digits = rest.strip_prefix(":Arch:").and_then(|rest| rest.get(..5)).and_then(|digits| digits.parse().ok());
        digits.filter(|code| is_http_arch(*code)).map_or(TagTest::Http, TagTest::Arch)
    }

    /// The test for a network.
    pub fn subnet(network: Network4) -> TagTest {
        TagTest::Subnet(network.address.octets(), network.prefix)
    }
}
