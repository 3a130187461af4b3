//! Holds the network boot settings of a dnsmasq configuration, as values.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::super::output::LineOutcome;
use proxydhcpd_core::arch::{Arch, Transport};
use proxydhcpd_core::link::Network4;
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_reading::diagnostic::Span;

/// The index of a line in the list of all lines.
pub type LineId = usize;

/// All settings that decide what machines boot.
#[derive(Debug, Default)]
pub struct DnsmasqConfig {
    /// The name of the imported server, unless that server is dnsmasq.
    pub server: Option<&'static str>,
    /// The `dhcp-boot` lines.
    pub boots: Vec<DhcpBoot>,
    /// The lines that set option 67, if dnsmasq assigns addresses. They apply to machines to which no `dhcp-boot`
    /// applies.
    pub option_boots: Vec<DhcpBoot>,
    /// The lines that set option 66, if dnsmasq assigns addresses.
    pub option_servers: Vec<(LineId, FileServer)>,
    /// The `pxe-service` lines for Raspberry Pi machines.
    pub raspberry_pi_lines: Vec<LineId>,
    /// The lines that set a boot file for machines that boot over IPv6.
    pub ipv6_boot_lines: Vec<LineId>,
    /// The other `pxe-service` lines.
    pub services: Vec<PxeService>,
    /// The `pxe-prompt` lines.
    pub prompts: Vec<PxePrompt>,
    /// The lines that set a tag if a test holds, such as `dhcp-match`.
    pub tag_matches: Vec<TagMatch>,
    /// The `tag-if` lines.
    pub tag_ifs: Vec<TagIf>,
    /// The `dhcp-host` lines with MAC addresses.
    pub hosts: Vec<DhcpHost>,
    /// The `dhcp-ignore` lines, each with the tags that it requires.
    pub ignores: Vec<(LineId, Vec<TagLiteral>)>,
    /// Whether dnsmasq is a proxyDHCP server: another server assigns the addresses.
    pub is_proxy: bool,
    /// The `dhcp-range` lines.
    pub ranges: Vec<DhcpRange>,
    /// The `interface` lines.
    pub interfaces: Vec<(LineId, String)>,
    /// The `listen-address` lines.
    pub addresses: Vec<(LineId, Ipv4Addr)>,
    /// The `dhcp-pxe-vendor` lines.
    pub vendor_classes: Vec<(LineId, String)>,
    /// The tags that are set by lines without an equivalent.
    pub unsupported_tags: BTreeSet<String>,
    /// The TFTP settings.
    pub tftp: TftpOptions,
}

/// The TFTP settings.
#[derive(Debug, Default)]
pub struct TftpOptions {
    /// The `enable-tftp` line. `None`: dnsmasq serves no files.
    pub enabled: Option<LineId>,
    /// The directory of `tftp-root`.
    pub root: Option<String>,
    /// Whether the file has `tftp-lowercase`.
    pub ignore_case: bool,
    /// The first and the last port of `tftp-port-range`.
    pub port_range: Option<(u16, u16)>,
    /// The line of `tftp-port-range`.
    pub port_range_line: Option<LineId>,
    /// Whether the file has `tftp-single-port`.
    pub single_port: bool,
    /// The limit of simultaneous transfers from `tftp-max`.
    pub max_transfers: Option<u16>,
}

/// A requirement on one tag: `tag:x`, or `tag:!x`.
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

/// A `dhcp-boot` line, or a line that sets option 67.
#[derive(Debug)]
pub struct DhcpBoot {
    /// The line of this setting.
    pub line: LineId,
    /// The tags that the line requires.
    pub tags: Vec<TagLiteral>,
    /// The boot file.
    pub file: String,
    /// The server that has the file.
    pub server: FileServer,
}

/// A `pxe-service` line.
#[derive(Debug)]
pub struct PxeService {
    /// The line of this setting.
    pub line: LineId,
    /// The tags that the line requires.
    pub tags: Vec<TagLiteral>,
    /// The architecture that the service is for.
    pub arch: Arch,
    /// The text that the menu shows.
    pub title: String,
    /// The action of the machine after a user selects the item.
    pub action: ServiceAction,
}

/// The action of a machine for a menu item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceAction {
    /// The machine boots its disk.
    LocalDisk,
    /// The machine downloads a file, and boots it.
    File(String, FileServer),
    /// The machine sends a request to a boot server of this type, at this address. `None`: the machine discovers the
    /// address.
    BootServer(u16, Option<Ipv4Addr>),
}

/// A `pxe-prompt` line.
#[derive(Debug)]
pub struct PxePrompt {
    /// The line of this setting.
    pub line: LineId,
    /// The tags that the line requires.
    pub tags: Vec<TagLiteral>,
    /// The text that the firmware shows.
    pub text: String,
    /// The timeout in seconds. 255 means no timeout.
    pub timeout: u8,
}

/// A line that sets a tag for machines that pass its test.
#[derive(Debug)]
pub struct TagMatch {
    /// The line.
    pub line: LineId,
    /// The tag that the line sets.
    pub tag: String,
    /// The test.
    pub test: TagTest,
}

/// A test of a machine's requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagTest {
    /// The test holds for every network boot client.
    Always,
    /// Option 93 contains this architecture.
    Arch(u16),
    /// The request has option 175.
    Ipxe,
    /// Option 60 starts with `HTTPClient`.
    Http,
    /// Option 60 contains this text.
    VendorClass(String),
    /// Option 77 contains this text.
    UserClass(String),
    /// The MAC address has these octets. `None` matches any octet.
    Mac([Option<u8>; 6]),
    /// The relay sends this circuit ID (option 82).
    CircuitId(String),
    /// The machine has this UUID (option 97), in printed order.
    Uuid([u8; 16]),
    /// The relay has this address.
    Relay([u8; 4]),
    /// The machine is in this network: address and prefix length.
    Subnet([u8; 4], u8),
    /// The request arrives on this interface.
    Interface(String),
}

/// A `tag-if` line.
#[derive(Debug)]
pub struct TagIf {
    /// The line of this setting.
    pub line: LineId,
    /// The tags that the line sets.
    pub set_tags: Vec<String>,
    /// The tags that the line requires.
    pub tags: Vec<TagLiteral>,
}

/// A `dhcp-host` line with MAC addresses.
#[derive(Debug)]
pub struct DhcpHost {
    /// The line of this setting.
    pub line: LineId,
    /// The MAC addresses, which may contain wildcards.
    pub macs: Vec<MacPattern>,
    /// The tags that the line sets.
    pub set_tags: Vec<String>,
    /// The host name.
    pub name: Option<String>,
    /// Whether dnsmasq ignores the host.
    pub ignore: bool,
}

/// A `dhcp-range` line.
#[derive(Debug)]
pub struct DhcpRange {
    /// The line of this setting.
    pub line: LineId,
    /// The tags that the line requires.
    pub required_tags: Vec<TagLiteral>,
    /// The tags that the line sets.
    pub set_tags: Vec<String>,
    /// The first address, or the address of the network.
    pub start: Ipv4Addr,
    /// The network mask. `None`: the mask of the interface applies.
    pub mask: Option<Ipv4Addr>,
    /// The span of the address in the file, for error messages.
    pub address_span: Span,
    /// Whether it is a proxyDHCP range, from which dnsmasq assigns no addresses.
    pub is_proxy: bool,
}

impl TftpOptions {
    /// Sets the boot directory. A directory for all interfaces takes precedence over a directory for one interface. Of
    /// several directories for one interface, the first applies. Returns the outcome of a line that is not imported
    /// unchanged.
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
    /// The name of the imported server, for messages.
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
    /// The test for a text in option 60. A text for UEFI HTTP boot becomes a test for the architecture in it, or for
    /// HTTP.
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
