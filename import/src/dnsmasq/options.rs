//! Parses the lines. For each key, a method reads the settings, and returns the outcome of the line or an error.

use super::super::host_info::HostInfo;
use super::super::output::{LineOutcome, merge_outcomes};
use super::super::translation::RELAY_PREFIX;
use super::arguments::*;
use super::config::*;
use super::hosts_files::HostsFiles;
use super::lines::{DnsmasqArg, DnsmasqLine};
use super::unsupported;
use proxydhcpd_core::arch::Prevalence;
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::suggest::closest_match;
use std::net::Ipv4Addr;

/// The parsed lines.
#[derive(Debug, Default)]
pub struct ParsedOptions {
    /// The settings.
    pub config: DnsmasqConfig,
    /// The outcomes of the lines. A line without an outcome is imported unchanged.
    pub outcomes: Vec<(LineId, LineOutcome)>,
    /// Errors in the lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// The outcome of a line. `Ok(None)`: the line is imported unchanged.
type OptionResult = Result<Option<LineOutcome>, Box<Diagnostic>>;

/// Parses all lines.
pub fn parse(lines: &[DnsmasqLine], host: &HostInfo) -> ParsedOptions {
    let mut parser = OptionParser {
        parsed: ParsedOptions::default(),
        hosts: HostsFiles::from_lines(lines),
        local_addresses: local_addresses(lines, host),
    };
    parser.parsed.config.is_proxy = is_proxy(lines);
    for (id, line) in lines.iter().enumerate() {
        match parser.line(id, line) {
            Ok(outcome) => {
                if let Some(LineOutcome::Unsupported(_)) = &outcome {
                    parser.parsed.config.unsupported_tags.extend(tags_set(line));
                }
                parser.parsed.outcomes.extend(outcome.map(|outcome| (id, outcome)));
            }
            Err(error) => parser.parsed.diagnostics.push(*error),
        }
    }
    parser.parsed
}

fn is_proxy(lines: &[DnsmasqLine]) -> bool {
    lines.iter().any(|line| line.key == "dhcp-range" && line.args().iter().any(|arg| arg.text == "proxy"))
}

fn local_addresses(lines: &[DnsmasqLine], host: &HostInfo) -> Vec<Ipv4Addr> {
    let sends_files = lines.iter().any(|line| line.key == "enable-tftp");
    host.networks.iter().filter(|_| sends_files).map(|(_, network)| network.address).collect()
}

/// The tags that a line sets. After some keys, the prefix `set:` is optional.
fn tags_set(line: &DnsmasqLine) -> Vec<String> {
    const BARE: [&str; 9] = [
        "dhcp-match",
        "dhcp-name-match",
        "dhcp-vendorclass",
        "dhcp-userclass",
        "dhcp-mac",
        "dhcp-circuitid",
        "dhcp-remoteid",
        "dhcp-subscrid",
        "dhcp-proxy",
    ];
    let bare_tag = BARE.contains(&line.key.as_str()).then(|| line.args().first()).flatten();
    let bare_tag = bare_tag.map(|arg| tag_to_set(&arg.text).to_owned());
    bare_tag
        .into_iter()
        .chain(line.args().iter().filter_map(|arg| arg.text.strip_prefix("set:")).map(str::to_owned))
        .collect()
}

struct OptionParser {
    parsed: ParsedOptions,
    hosts: HostsFiles,
    /// The addresses of this host, if dnsmasq sends files. Otherwise empty.
    local_addresses: Vec<Ipv4Addr>,
}

/// Every key that has a method.
const KEYS: [&str; 25] = [
    "dhcp-boot",
    "pxe-service",
    "pxe-prompt",
    "dhcp-pxe-vendor",
    "dhcp-match",
    "dhcp-vendorclass",
    "dhcp-userclass",
    "dhcp-mac",
    "dhcp-circuitid",
    "tag-if",
    "dhcp-host",
    "dhcp-hostsfile",
    "dhcp-ignore",
    "dhcp-range",
    "dhcp-option",
    "dhcp-option-force",
    "interface",
    "listen-address",
    "enable-tftp",
    "tftp-root",
    "tftp-lowercase",
    "tftp-max",
    "tftp-port-range",
    "tftp-single-port",
    "port",
];

/// Whether dnsmasq has an option with this name.
pub fn is_key(key: &str) -> bool {
    KEYS.contains(&key) || unsupported::keys().any(|known| known == key)
}

/// Whether the option requires a value, so on a command line the next word may be its value.
pub fn takes_value(key: &str) -> bool {
    KEYS.contains(&key) && !["enable-tftp", "tftp-lowercase", "tftp-single-port"].contains(&key)
}

impl OptionParser {
    fn line(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        match line.key.as_str() {
            "dhcp-boot" => self.boot(id, line),
            "pxe-service" => self.service(id, line),
            "pxe-prompt" => self.prompt(id, line),
            "dhcp-pxe-vendor" => self.vendors(id, line),
            "dhcp-match" => self.matches(id, line),
            "dhcp-vendorclass" | "dhcp-userclass" | "dhcp-mac" | "dhcp-circuitid" => self.tag_match(id, line),
            "tag-if" => self.tag_if(id, line),
            "dhcp-host" => self.host(id, line),
            "dhcp-hostsfile" => unsupported("the file is not imported: describe its machines here or in machine files"),
            "dhcp-ignore" => self.ignore(id, line),
            "dhcp-range" => self.range(id, line),
            "dhcp-option" | "dhcp-option-force" => self.option(id, line),
            "interface" => {
                let names = require_args(line)?.iter().map(|arg| (id, arg.text.clone()));
                self.parsed.config.interfaces.extend(names.filter(|(_, name)| name != "lo"));
                Ok(None)
            }
            "listen-address" => self.listen(id, line),
            "port" if line.args().first().is_some_and(|port| port.text == "0") => {
                unneeded("this is not a DNS server anyway")
            }
            "except-interface" if line.args().iter().all(|arg| arg.text == "lo") => {
                unneeded("the server does not serve the loopback interface anyway")
            }
            key if key.starts_with("tftp-") || key == "enable-tftp" => self.tftp(id, line),
            key => unsupported::outcome(key).map(Some).ok_or_else(|| Box::new(unknown_option(line))),
        }
    }

    fn boot(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let (tags, args) = split_tags(require_args(line)?);
        let file = require_first(line, args, "a file name")?.text.clone();
        let (server, server_outcome) = self.server(args.get(2));
        let name_outcome = args.get(1).and_then(|arg| server_name_outcome(&file, arg));
        self.parsed.config.boots.push(DhcpBoot { line: id, tags, file, server });
        Ok(merge_outcomes([name_outcome, server_outcome, excess_values(args, 3)].into_iter().flatten()))
    }

    /// The server of a file, given as an address or as a name from the hosts files. Also returns the outcome of the
    /// line, if its meaning changes.
    fn server(&self, arg: Option<&DnsmasqArg>) -> (FileServer, Option<LineOutcome>) {
        let Some(arg) = arg.filter(|arg| !arg.text.is_empty()) else { return (FileServer::ThisServer, None) };
        match arg.text.parse::<Ipv4Addr>().ok().or_else(|| self.hosts.lookup(&arg.text)) {
            Some(address) if self.local_addresses.contains(&address) => (FileServer::ThisServer, None),
            Some(address) if !address.is_unspecified() => (FileServer::Address(address), None),
            Some(_) => (FileServer::ThisServer, None),
            // If dnsmasq cannot resolve the name, it sends 0.0.0.0, and the machine uses the server that replied.
            None => {
                let reason = format!(
                    "`{}` is in no hosts file, or dnsmasq reads none (port=0): it sent machines to this server, too",
                    arg.text
                );
                (FileServer::ThisServer, Some(LineOutcome::Changed(reason)))
            }
        }
    }

    fn service(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let (tags, args) = split_tags(require_args(line)?);
        let arch = parse_arch(line, require_first(line, args, "a type of machine")?)?;
        let title = require_first(line, args.get(1..).unwrap_or_default(), "a text for the menu")?.text.clone();
        let (server, outcome) = self.server(args.get(3));
        let action = match args.get(2).map(|arg| (arg.text.as_str(), arg.text.parse::<u16>())) {
            None | Some(("", _)) | Some((_, Ok(0))) => ServiceAction::LocalDisk,
            Some((_, Ok(kind))) => ServiceAction::BootServer(
                kind,
                if let FileServer::Address(address) = server { Some(address) } else { None },
            ),
            Some((name, Err(_))) => ServiceAction::File(name.to_owned(), server),
        };
        // A Raspberry Pi requires this title in the reply. It never downloads the file that the line names.
        if title.contains("Raspberry Pi Boot") {
            self.parsed.config.raspberry_pi_lines.push(id);
            return unneeded(
                "the server recognises a Raspberry Pi and replies if the boot directory contains its files",
            );
        }
        if arch.info().is_some_and(|row| row.prevalence == Prevalence::Deprecated) {
            return unneeded("no known machine with this architecture still boots over the network");
        }
        self.parsed.config.services.push(PxeService { line: id, tags, arch, title, action });
        Ok(merge_outcomes([outcome, excess_values(args, 4)].into_iter().flatten()))
    }

    fn prompt(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let (tags, args) = split_tags(require_args(line)?);
        let text = require_first(line, args, "a text")?.text.clone();
        let timeout = args.get(1).map(|arg| parse_number(line, arg)).transpose()?.unwrap_or(255);
        self.parsed.config.prompts.push(PxePrompt { line: id, tags, text, timeout });
        Ok(excess_values(args, 2))
    }

    fn vendors(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let words = require_args(line)?.iter().map(|arg| (id, arg.text.clone()));
        self.parsed.config.vendor_classes.extend(words.filter(|(_, word)| word != "PXEClient"));
        Ok(None)
    }

    /// Parses `dhcp-match=set:TAG,OPTION[,VALUE]`.
    fn matches(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let args = require_args(line)?;
        if let [tag, relay] = args
            && let Some(address) =
                relay.text.strip_prefix(RELAY_PREFIX).and_then(|address| address.parse::<Ipv4Addr>().ok())
        {
            let test = TagTest::Relay(address.octets());
            self.parsed.config.tag_matches.push(TagMatch { line: id, tag: tag_to_set(&tag.text).to_owned(), test });
            return Ok(None);
        }
        let names_option = |arg: &DnsmasqArg| {
            arg.text.parse::<u8>().is_ok() || arg.text.starts_with("option:") || arg.text.contains("encap:")
        };
        let Some(option_index) = args.iter().position(names_option).filter(|option_index| *option_index > 0) else {
            return Err(invalid_option(line, "a tag and a DHCP option, as in `set:efi,option:client-arch,7`"));
        };
        let values = &args[option_index + 1..];
        let word = args[option_index].text.trim_start_matches("option:");
        let code = OPTION_CODES.iter().find(|(name, _)| *name == word).map_or(word, |(_, code)| code);
        let test = match (code, values) {
            ("93", []) => Some(TagTest::Always),
            ("93", [value]) => parse_arch_code(&value.text).map(TagTest::Arch),
            // Only iPXE sends option 175, so a test for any part of the option is a test for iPXE.
            ("175", _) => Some(TagTest::Ipxe),
            ("60", []) => Some(TagTest::Always),
            ("60", [value]) => Some(TagTest::vendor_class(&value.text)),
            ("77", [value]) => Some(TagTest::UserClass(value.text.clone())),
            ("97", [value]) => parse_uuid(&value.text).map(TagTest::Uuid),
            _ => None,
        };
        let Some(test) = test else {
            return unsupported(
                "rules can test only the architecture, classes, addresses and UUID of a machine, and if it is iPXE",
            );
        };
        for arg in &args[..option_index] {
            self.parsed.config.tag_matches.push(TagMatch {
                line: id,
                tag: tag_to_set(&arg.text).to_owned(),
                test: test.clone(),
            });
        }
        let tests_feature = code == "175" && !values.is_empty();
        Ok(tests_feature.then(|| {
            LineOutcome::Changed(
                "any iPXE gets the tag, including one without this feature: rules cannot test features of iPXE".into(),
            )
        }))
    }

    fn tag_match(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let args = require_args(line)?;
        let [tag, .., value] = args else { return Err(invalid_option(line, "a tag and a text")) };
        let text = value.text.clone();
        if text.is_empty() {
            return Err(invalid_option(line, "a text after the tag"));
        }
        let test = match line.key.as_str() {
            "dhcp-vendorclass" if args.len() > 2 => return unsupported("enterprise vendor classes are not supported"),
            "dhcp-vendorclass" => TagTest::vendor_class(&text),
            "dhcp-userclass" => TagTest::UserClass(text),
            "dhcp-mac" => TagTest::Mac(
                parse_mac_pattern(&text)
                    .ok_or_else(|| invalid_arg(line, value, "a MAC address, with `*` for any octet"))?
                    .0,
            ),
            _ => match parse_circuit_id(&text) {
                Some(text) => TagTest::CircuitId(text),
                None => return unsupported("only circuit IDs that are text are supported"),
            },
        };
        self.parsed.config.tag_matches.push(TagMatch { line: id, tag: tag_to_set(&tag.text).to_owned(), test });
        Ok(None)
    }

    fn tag_if(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let (mut sets, mut tags) = (Vec::new(), Vec::new());
        for arg in require_args(line)? {
            match (arg.text.strip_prefix("set:"), parse_tag(&arg.text)) {
                (Some(tag), _) => sets.push(tag.to_owned()),
                (None, Some(literal)) => tags.push(literal),
                _ => return Err(invalid_arg(line, arg, "`set:TAG`, `tag:TAG` or `tag:!TAG`")),
            }
        }
        if sets.is_empty() {
            return Err(invalid_option(line, "a tag to set, as in `set:efi,tag:efi32`"));
        }
        if tags.iter().any(|literal| literal.tag.ends_with('*')) {
            return unsupported("tags with a wildcard are not supported");
        }
        self.parsed.config.tag_ifs.push(TagIf { line: id, set_tags: sets, tags });
        Ok(None)
    }

    fn host(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let mut host = DhcpHost { line: id, macs: Vec::new(), set_tags: Vec::new(), name: None, ignore: false };
        let mut ignored_values = Vec::new();
        for arg in require_args(line)? {
            let text = arg.text.as_str();
            if let Some(tag) = text.strip_prefix("set:").or_else(|| text.strip_prefix("net:")) {
                host.set_tags.push(tag.to_owned());
            } else if text.starts_with("id:") || text.starts_with("tag:") {
                ignored_values.push(text);
            } else if text == "ignore" {
                host.ignore = true;
            } else if let Some(mac) = parse_mac_pattern(text) {
                host.macs.push(mac);
            } else if text.contains(':') && !text.starts_with('[') {
                return Err(invalid_arg(line, arg, "a MAC address, with `*` for any octet"));
            } else if is_host_name(text) {
                host.name = Some(text.to_owned());
            } else if !text.is_empty() {
                ignored_values.push(text);
            }
        }
        if host.macs.is_empty() {
            return unsupported("a boot client is identified by its MAC address, and this line has none");
        }
        let reason = (!ignored_values.is_empty())
            .then(|| format!("`{}` is a setting for the DHCP server", ignored_values.join(",")));
        self.parsed.config.hosts.push(host);
        Ok(reason.map(LineOutcome::Changed))
    }

    fn ignore(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let tags = require_args(line)?
            .iter()
            .filter_map(|arg| parse_tag(&arg.text).or_else(|| parse_bare_tag(&arg.text)))
            .collect();
        self.parsed.config.ignores.push((id, tags));
        Ok(None)
    }

    /// Parses `dhcp-range=[tag:X,][set:X,]ADDRESS,proxy[,MASK]`, or a range of leases between two addresses. The
    /// outcome depends on all ranges, so networks.rs determines it.
    fn range(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let (filter, args) = split_tags(require_args(line)?);
        let Some(address_index) = args.iter().position(|arg| arg.text.parse::<Ipv4Addr>().is_ok()) else {
            return Ok(Some(LineOutcome::Grouped(NO_LEASES)));
        };
        let address = |index: usize| args.get(index).and_then(|arg| arg.text.parse::<Ipv4Addr>().ok());
        self.parsed.config.ranges.push(DhcpRange {
            line: id,
            required_tags: filter,
            set_tags: args[..address_index].iter().map(|arg| tag_to_set(&arg.text).to_owned()).collect(),
            start: address(address_index).unwrap_or(Ipv4Addr::UNSPECIFIED),
            mask: address(address_index + 2),
            address_span: args[address_index].span.clone(),
            is_proxy: args.get(address_index + 1).is_some_and(|arg| arg.text == "proxy"),
        });
        Ok(None)
    }

    fn option(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        if line.args().iter().any(|arg| arg.text == "vendor:PXEClient") {
            return unneeded("the server generates option 43 for each firmware, without multicast");
        }
        let (tags, args) = split_option_tags(line.args());
        match args.first().map(|arg| arg.text.as_str()) {
            Some("option6:bootfile-url" | "option6:59") => {
                self.parsed.config.ipv6_boot_lines.push(id);
                changed("over IPv6 the server offers the loaders of the boot directory (docs/ipv6.md)")
            }
            // As a proxy, dnsmasq sends only the options of `dhcp-option-pxe`.
            _ if self.parsed.config.is_proxy => {
                unneeded("a proxy does not send it, as in dnsmasq; the DHCP server may")
            }
            Some("option:bootfile-name" | "67") if args.len() == 2 => {
                let boot = DhcpBoot { line: id, tags, file: args[1].text.clone(), server: FileServer::ThisServer };
                self.parsed.config.option_boots.push(boot);
                Ok(None)
            }
            Some("option:tftp-server" | "66" | "150" | "option:server-ip-address") if args.len() == 2 => {
                let (server, outcome) = self.server(args.get(1));
                self.parsed.config.option_servers.push((id, server));
                Ok(outcome)
            }
            Some("option:vendor-class" | "60") => unneeded("the server sends the class that each firmware expects"),
            _ => Ok(Some(LineOutcome::Grouped(NO_OPTIONS))),
        }
    }

    fn listen(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        for arg in require_args(line)? {
            match arg.text.parse::<Ipv4Addr>() {
                Ok(address) if address.is_loopback() || address.is_unspecified() => {}
                Ok(address) => self.parsed.config.addresses.push((id, address)),
                Err(_) if arg.text.contains(':') => return unsupported("IPv6 addresses are not supported here"),
                Err(_) => return Err(invalid_arg(line, arg, "an IPv4 address")),
            }
        }
        Ok(None)
    }

    fn tftp(&mut self, id: LineId, line: &DnsmasqLine) -> OptionResult {
        let tftp = &mut self.parsed.config.tftp;
        match (line.key.as_str(), line.args()) {
            ("enable-tftp", interfaces) => {
                tftp.enabled = Some(id);
                if !interfaces.is_empty() {
                    return changed("the server sends files on every interface in `interfaces`");
                }
            }
            ("tftp-root", [root, interface @ ..]) => {
                // dnsmasq runs in `/`.
                let root = format!("/{}", root.text.trim_matches('/'));
                return Ok(tftp.set_root(&root, interface.is_empty()));
            }
            ("tftp-lowercase", []) => tftp.ignore_case = true,
            ("tftp-single-port", []) => tftp.single_port = true,
            ("tftp-max", [limit]) => tftp.max_transfers = Some(parse_number::<u16>(line, limit)?.clamp(1, 4096)),
            ("tftp-port-range", [low, high]) => {
                tftp.port_range = Some((parse_number(line, low)?, parse_number(line, high)?));
                tftp.port_range_line = Some(id);
            }
            (key, _) => return unsupported::outcome(key).map(Some).ok_or_else(|| Box::new(unknown_option(line))),
        }
        Ok(None)
    }
}

/// The outcome of the second value of `dhcp-boot`. This value is the server's name, which firmware does not use.
fn server_name_outcome(file: &str, name: &DnsmasqArg) -> Option<LineOutcome> {
    let text = name.text.as_str();
    match text {
        "" => None,
        _ if text.contains("://") => Some(LineOutcome::Unsupported(format!(
            "{text} is in the position of the server name, and the file is {file}: if {file} is a tag, write \
             tag:{file},{text}"
        ))),
        _ if text.parse::<Ipv4Addr>().is_ok() => Some(LineOutcome::Changed(format!(
            "{text} is in the position of the server name, so dnsmasq sent machines to this server, and the import \
             does the same; to send them to {text}, write {file},,{text}"
        ))),
        _ => {
            Some(LineOutcome::Changed(format!("the server name {text} is not sent: machines use the server's address")))
        }
    }
}

fn excess_values(args: &[DnsmasqArg], limit: usize) -> Option<LineOutcome> {
    let excess: Vec<&str> =
        args.get(limit..)?.iter().map(|arg| arg.text.as_str()).filter(|text| !text.is_empty()).collect();
    (!excess.is_empty())
        .then(|| LineOutcome::Unsupported(format!("`{}` has no meaning there, as in dnsmasq", excess.join(","))))
}

/// The reason for [`LineOutcome::Grouped`] of DHCP ranges with leases.
pub const NO_LEASES: &str = "because addresses come from the DHCP server";
const NO_OPTIONS: &str = "because DHCP options come from the DHCP server";

fn unsupported(reason: &str) -> OptionResult {
    Ok(Some(LineOutcome::Unsupported(reason.to_owned())))
}

fn changed(reason: &str) -> OptionResult {
    Ok(Some(LineOutcome::Changed(reason.to_owned())))
}

fn unneeded(reason: &str) -> OptionResult {
    Ok(Some(LineOutcome::Unneeded(reason.to_owned())))
}

fn unknown_option(line: &DnsmasqLine) -> Diagnostic {
    let error = line.error(&line.key_span, format!("unknown option `{}`", line.key));
    match closest_match(&line.key, KEYS.into_iter().chain(unsupported::keys())) {
        Some(suggestion) => error.help(format!("did you mean `{suggestion}`?")),
        None => error.help("dnsmasq has no option with this name"),
    }
}
