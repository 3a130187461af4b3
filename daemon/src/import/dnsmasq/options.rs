//! Reading the lines: each key has its function, which says what the line means, what of it is lost, or what is wrong.

use super::super::host_info::HostInfo;
use super::super::translation::RELAY_PREFIX;
use super::super::output::{LineOutcome, merge_outcomes};
use super::config::*;
use super::hosts_files::HostsFiles;
use super::unsupported;
use super::lines::{DnsmasqArg, DnsmasqLine};
use super::arguments::*;
use crate::config::diagnostic::Diagnostic;
use crate::suggest::closest_match;
use std::net::Ipv4Addr;

/// What was read.
#[derive(Debug, Default)]
pub struct ParsedOptions {
    pub config: DnsmasqConfig,
    /// What is to be told of lines. A line that is not here has its effect.
    pub outcomes: Vec<(LineId, LineOutcome)>,
    pub diagnostics: Vec<Diagnostic>,
}

/// `Ok`: the line has its effect, but for what is told of it.
type Taken = Result<Option<LineOutcome>, Box<Diagnostic>>;

pub fn parse(lines: &[DnsmasqLine], here: &HostInfo) -> ParsedOptions {
    let mut reader = Reader { read: ParsedOptions::default(), hosts: HostsFiles::from_lines(lines), own: own(lines, here) };
    reader.read.config.is_proxy = proxy(lines);
    for (id, line) in lines.iter().enumerate() {
        match reader.line(id, line) {
            Ok(fate) => {
                if let Some(LineOutcome::Unsupported(_)) = &fate {
                    reader.read.config.unsupported_tags.extend(tags_set(line));
                }
                reader.read.outcomes.extend(fate.map(|fate| (id, fate)));
            }
            Err(error) => reader.read.diagnostics.push(*error),
        }
    }
    reader.read
}

fn proxy(lines: &[DnsmasqLine]) -> bool {
    lines.iter().any(|line| line.key == "dhcp-range" && line.args().iter().any(|arg| arg.text == "proxy"))
}

fn own(lines: &[DnsmasqLine], here: &HostInfo) -> Vec<Ipv4Addr> {
    let sends_files = lines.iter().any(|line| line.key == "enable-tftp");
    here.networks.iter().filter(|_| sends_files).map(|(_, network)| network.address).collect()
}

/// The tags that a line sets; some keys take them without `set:`.
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
    let bare = BARE.contains(&line.key.as_str()).then(|| line.args().first()).flatten();
    let bare = bare.map(|arg| tag_to_set(&arg.text).to_owned());
    bare.into_iter()
        .chain(line.args().iter().filter_map(|arg| arg.text.strip_prefix("set:")).map(str::to_owned))
        .collect()
}

struct Reader {
    read: ParsedOptions,
    hosts: HostsFiles,
    /// Addresses of this machine, where dnsmasq sent files from.
    own: Vec<Ipv4Addr>,
}

/// Every key that a function reads.
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

/// Whether dnsmasq has an option of this name.
pub fn is_key(key: &str) -> bool {
    KEYS.contains(&key) || unsupported::keys().any(|known| known == key)
}

/// Whether the option is nothing without a value, so that on a command line the next word is its value.
pub fn takes_value(key: &str) -> bool {
    KEYS.contains(&key) && !["enable-tftp", "tftp-lowercase", "tftp-single-port"].contains(&key)
}

impl Reader {
    fn line(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        match line.key.as_str() {
            "dhcp-boot" => self.boot(id, line),
            "pxe-service" => self.service(id, line),
            "pxe-prompt" => self.prompt(id, line),
            "dhcp-pxe-vendor" => self.vendors(id, line),
            "dhcp-match" => self.matches(id, line),
            "dhcp-vendorclass" | "dhcp-userclass" | "dhcp-mac" | "dhcp-circuitid" => self.mark(id, line),
            "tag-if" => self.tag_if(id, line),
            "dhcp-host" => self.host(id, line),
            "dhcp-hostsfile" => lost("describe the machines in this file or in machine files"),
            "dhcp-ignore" => self.ignore(id, line),
            "dhcp-range" => self.range(id, line),
            "dhcp-option" | "dhcp-option-force" => self.option(id, line),
            "interface" => {
                let names = require_args(line)?.iter().map(|arg| (id, arg.text.clone()));
                self.read.config.interfaces.extend(names.filter(|(_, name)| name != "lo"));
                Ok(None)
            }
            "listen-address" => self.listen(id, line),
            "port" if line.args().first().is_some_and(|port| port.text == "0") => {
                needless("this is no DNS server anyway")
            }
            "except-interface" if line.args().iter().all(|arg| arg.text == "lo") => {
                needless("the loopback interface is not served anyway")
            }
            key if key.starts_with("tftp-") || key == "enable-tftp" => self.tftp(id, line),
            key => unsupported::outcome(key).map(Some).ok_or_else(|| Box::new(unknown(line))),
        }
    }

    fn boot(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let (tags, args) = split_tags(require_args(line)?);
        let file = require_first(line, args, "a file name")?.text.clone();
        let (server, of_server) = self.server(args.get(2));
        let of_name = args.get(1).and_then(|arg| of_name(&file, arg));
        self.read.config.boots.push(DhcpBoot { line: id, tags, file, server });
        Ok(merge_outcomes([of_name, of_server, too_much(args, 3)].into_iter().flatten()))
    }

    /// An address, or a name from the files of hosts.
    fn server(&self, arg: Option<&DnsmasqArg>) -> (FileServer, Option<LineOutcome>) {
        let Some(arg) = arg.filter(|arg| !arg.text.is_empty()) else { return (FileServer::ThisServer, None) };
        match arg.text.parse::<Ipv4Addr>().ok().or_else(|| self.hosts.lookup(&arg.text)) {
            Some(address) if self.own.contains(&address) => (FileServer::ThisServer, None),
            Some(address) if !address.is_unspecified() => (FileServer::Address(address), None),
            Some(_) => (FileServer::ThisServer, None),
            // dnsmasq says 0.0.0.0 then, and the machine asks who has answered it.
            None => {
                let why = format!(
                    "`{}` stands in no file of hosts, or dnsmasq reads none (port=0): it sent machines to this server",
                    arg.text
                );
                (FileServer::ThisServer, Some(LineOutcome::Changed(why)))
            }
        }
    }

    fn service(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let (tags, args) = split_tags(require_args(line)?);
        let arch = parse_arch(line, require_first(line, args, "a type of machine")?)?;
        let title = require_first(line, args.get(1..).unwrap_or_default(), "a text for the menu")?.text.clone();
        let (server, fate) = self.server(args.get(3));
        let does = match args.get(2).map(|arg| (arg.text.as_str(), arg.text.parse::<u16>())) {
            None | Some(("", _)) | Some((_, Ok(0))) => ServiceAction::LocalDisk,
            Some((_, Ok(kind))) => {
                ServiceAction::BootServer(kind, if let FileServer::Address(address) = server { Some(address) } else { None })
            }
            Some((name, Err(_))) => ServiceAction::File(name.to_owned(), server),
        };
        // The title is all that a Raspberry Pi looks for: what the line gives nobody fetches.
        if title.contains("Raspberry Pi Boot") {
            self.read.config.raspberry_pi_lines.push(id);
            return needless("a Raspberry Pi is recognised, and told so, where the boot directory has files for one");
        }
        if OBSOLETE_ARCHS.contains(&arch.0) {
            return needless("no machine of this kind is known to boot over the network any more");
        }
        self.read.config.services.push(PxeService { line: id, tags, arch, title, action: does });
        Ok(merge_outcomes([fate, too_much(args, 4)].into_iter().flatten()))
    }

    fn prompt(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let (tags, args) = split_tags(require_args(line)?);
        let text = require_first(line, args, "a text")?.text.clone();
        let timeout = args.get(1).map(|arg| parse_number(line, arg)).transpose()?.unwrap_or(255);
        self.read.config.prompts.push(PxePrompt { line: id, tags, text, timeout });
        Ok(too_much(args, 2))
    }

    fn vendors(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let words = require_args(line)?.iter().map(|arg| (id, arg.text.clone()));
        self.read.config.vendor_classes.extend(words.filter(|(_, word)| word != "PXEClient"));
        Ok(None)
    }

    /// `dhcp-match=set:TAG,OPTION[,VALUE]`.
    fn matches(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let args = require_args(line)?;
        if let [tag, relay] = args
            && let Some(address) = relay.text.strip_prefix(RELAY_PREFIX).and_then(|address| address.parse::<Ipv4Addr>().ok())
        {
            let test = TagTest::Relay(address.octets());
            self.read.config.tag_matches.push(TagMatch { line: id, tag: tag_to_set(&tag.text).to_owned(), test });
            return Ok(None);
        }
        let names_option = |arg: &DnsmasqArg| {
            arg.text.parse::<u8>().is_ok() || arg.text.starts_with("option:") || arg.text.contains("encap:")
        };
        let Some(at) = args.iter().position(names_option).filter(|at| *at > 0) else {
            return Err(invalid_option(line, "a tag and a DHCP option, as in `set:efi,option:client-arch,7`"));
        };
        let values = &args[at + 1..];
        let word = args[at].text.trim_start_matches("option:");
        let code = OPTION_CODES.iter().find(|(name, _)| *name == word).map_or(word, |(_, code)| code);
        let test = match (code, values) {
            ("93", []) => Some(TagTest::Always),
            ("93", [value]) => parse_arch_code(&value.text).map(TagTest::Arch),
            // Only iPXE sends this option, so a part of it is iPXE's as well.
            ("175", _) => Some(TagTest::Ipxe),
            ("60", []) => Some(TagTest::Always),
            ("60", [value]) => Some(TagTest::vendor_class(&value.text)),
            ("77", [value]) => Some(TagTest::UserClass(value.text.clone())),
            ("97", [value]) => parse_uuid(&value.text).map(TagTest::Uuid),
            _ => None,
        };
        let Some(test) = test else {
            return lost(
                "of what a machine says, rules know its architecture, classes, addresses, UUID and whether it is iPXE",
            );
        };
        for arg in &args[..at] {
            self.read.config.tag_matches.push(TagMatch { line: id, tag: tag_to_set(&arg.text).to_owned(), test: test.clone() });
        }
        let of_ipxe = code == "175" && !values.is_empty();
        Ok(of_ipxe.then(|| {
            LineOutcome::Changed(
                "it is taken for iPXE, whatever that can do: one without the feature gets the tag, too".into(),
            )
        }))
    }

    fn mark(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let args = require_args(line)?;
        let [tag, .., value] = args else { return Err(invalid_option(line, "a tag and a text")) };
        let text = value.text.clone();
        if text.is_empty() {
            return Err(invalid_option(line, "a text behind the tag"));
        }
        let test = match line.key.as_str() {
            "dhcp-vendorclass" if args.len() > 2 => return lost("vendor classes of an enterprise are not known here"),
            "dhcp-vendorclass" => TagTest::vendor_class(&text),
            "dhcp-userclass" => TagTest::UserClass(text),
            "dhcp-mac" => {
                TagTest::Mac(parse_mac_pattern(&text).ok_or_else(|| invalid_arg(line, value, "a MAC address, with `*` for any octet"))?.0)
            }
            _ => match parse_circuit_id(&text) {
                Some(text) => TagTest::CircuitId(text),
                None => return lost("a circuit id is matched as text here"),
            },
        };
        self.read.config.tag_matches.push(TagMatch { line: id, tag: tag_to_set(&tag.text).to_owned(), test });
        Ok(None)
    }

    fn tag_if(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
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
            return lost("tags with a wildcard are not understood");
        }
        self.read.config.tag_ifs.push(TagIf { line: id, set_tags: sets, tags });
        Ok(None)
    }

    fn host(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let mut host = DhcpHost { line: id, macs: Vec::new(), set_tags: Vec::new(), name: None, ignore: false };
        let mut left = Vec::new();
        for arg in require_args(line)? {
            let text = arg.text.as_str();
            if let Some(tag) = text.strip_prefix("set:").or_else(|| text.strip_prefix("net:")) {
                host.set_tags.push(tag.to_owned());
            } else if text.starts_with("id:") || text.starts_with("tag:") {
                left.push(text);
            } else if text == "ignore" {
                host.ignore = true;
            } else if let Some(mac) = parse_mac_pattern(text) {
                host.macs.push(mac);
            } else if text.contains(':') && !text.starts_with('[') {
                return Err(invalid_arg(line, arg, "a MAC address, with `*` for any octet"));
            } else if is_host_name(text) {
                host.name = Some(text.to_owned());
            } else if !text.is_empty() {
                left.push(text);
            }
        }
        if host.macs.is_empty() {
            return lost("a machine that boots is known by its MAC address, and here is none");
        }
        let why = (!left.is_empty()).then(|| format!("`{}` is for the DHCP server to say", left.join(",")));
        self.read.config.hosts.push(host);
        Ok(why.map(LineOutcome::Changed))
    }

    fn ignore(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let tags = require_args(line)?.iter().filter_map(|arg| parse_tag(&arg.text).or_else(|| parse_bare_tag(&arg.text))).collect();
        self.read.config.ignores.push((id, tags));
        Ok(None)
    }

    /// `dhcp-range=[tag:X,][set:X,]ADDRESS,proxy[,MASK]`, or two addresses of a lease server. What is told of it
    /// depends on all of them: see networks.rs.
    fn range(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let (filter, args) = split_tags(require_args(line)?);
        let Some(at) = args.iter().position(|arg| arg.text.parse::<Ipv4Addr>().is_ok()) else {
            return Ok(Some(LineOutcome::Grouped(NO_LEASES)));
        };
        let address = |index: usize| args.get(index).and_then(|arg| arg.text.parse::<Ipv4Addr>().ok());
        self.read.config.ranges.push(DhcpRange {
            line: id,
            required_tags: filter,
            set_tags: args[..at].iter().map(|arg| tag_to_set(&arg.text).to_owned()).collect(),
            start: address(at).unwrap_or(Ipv4Addr::UNSPECIFIED),
            mask: address(at + 2),
            address_span: args[at].span.clone(),
            is_proxy: args.get(at + 1).is_some_and(|arg| arg.text == "proxy"),
        });
        Ok(None)
    }

    fn option(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        if line.args().iter().any(|arg| arg.text == "vendor:PXEClient") {
            return needless("option 43 is made here as each firmware takes it, and never mentions multicast");
        }
        let (tags, args) = split_option_tags(line.args());
        match args.first().map(|arg| arg.text.as_str()) {
            Some("option6:bootfile-url" | "option6:59") => {
                self.read.config.ipv6_boot_lines.push(id);
                changed(
                    "over IPv6 this server answers by itself, with the loaders of the boot directory (docs/ipv6.md)",
                )
            }
            // A proxy of dnsmasq sends the options of `dhcp-option-pxe` only.
            _ if self.read.config.is_proxy => needless("a proxy does not send it, nor did dnsmasq; the DHCP server may"),
            Some("option:bootfile-name" | "67") if args.len() == 2 => {
                let boot = DhcpBoot { line: id, tags, file: args[1].text.clone(), server: FileServer::ThisServer };
                self.read.config.option_boots.push(boot);
                Ok(None)
            }
            Some("option:tftp-server" | "66" | "150" | "option:server-ip-address") if args.len() == 2 => {
                let (server, fate) = self.server(args.get(1));
                self.read.config.option_servers.push((id, server));
                Ok(fate)
            }
            Some("option:vendor-class" | "60") => needless("each firmware is told the class that it looks for"),
            _ => Ok(Some(LineOutcome::Grouped(NO_OPTIONS))),
        }
    }

    fn listen(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        for arg in require_args(line)? {
            match arg.text.parse::<Ipv4Addr>() {
                Ok(address) if address.is_loopback() || address.is_unspecified() => {}
                Ok(address) => self.read.config.addresses.push((id, address)),
                Err(_) if arg.text.contains(':') => return lost("IPv6 is not served"),
                Err(_) => return Err(invalid_arg(line, arg, "an IPv4 address")),
            }
        }
        Ok(None)
    }

    fn tftp(&mut self, id: LineId, line: &DnsmasqLine) -> Taken {
        let tftp = &mut self.read.config.tftp;
        match (line.key.as_str(), line.args()) {
            ("enable-tftp", interfaces) => {
                tftp.enabled = Some(id);
                if !interfaces.is_empty() {
                    return changed("files are served on every interface that `interfaces` lists");
                }
            }
            ("tftp-root", [root, interface @ ..]) => {
                let root = root.text.trim_end_matches('/');
                let root = if root.is_empty() { "/" } else { root };
                return Ok(tftp.set_root(root, interface.is_empty()));
            }
            ("tftp-lowercase", []) => tftp.ignore_case = true,
            ("tftp-single-port", []) => tftp.single_port = true,
            ("tftp-max", [most]) => tftp.max_transfers = Some(parse_number::<u16>(line, most)?.clamp(1, 4096)),
            ("tftp-port-range", [low, high]) => {
                tftp.port_range = Some((parse_number(line, low)?, parse_number(line, high)?));
                tftp.port_range_line = Some(id);
            }
            (key, _) => return unsupported::outcome(key).map(Some).ok_or_else(|| Box::new(unknown(line))),
        }
        Ok(None)
    }
}

/// The second value of `dhcp-boot` is the server's name, which firmware does not go by.
fn of_name(file: &str, name: &DnsmasqArg) -> Option<LineOutcome> {
    let text = name.text.as_str();
    match text {
        "" => None,
        _ if text.contains("://") => Some(LineOutcome::Unsupported(format!(
            "{text} stands where dnsmasq wants the name of a server, and the file is {file}: if {file} was meant to be a tag, \
             write tag:{file},{text}"
        ))),
        _ if text.parse::<Ipv4Addr>().is_ok() => Some(LineOutcome::Changed(format!(
            "{text} stands where dnsmasq wants the name of a server, so machines went to this server, and do here; if they are \
             to go there, write {file},,{text}"
        ))),
        _ => Some(LineOutcome::Changed(format!("machines go by a server's address: its name {text} is not sent"))),
    }
}

fn too_much(args: &[DnsmasqArg], most: usize) -> Option<LineOutcome> {
    let rest: Vec<&str> =
        args.get(most..)?.iter().map(|arg| arg.text.as_str()).filter(|text| !text.is_empty()).collect();
    (!rest.is_empty()).then(|| LineOutcome::Unsupported(format!("`{}` has no meaning there, to dnsmasq neither", rest.join(","))))
}

pub const NO_LEASES: &str = "for addresses come from the DHCP server";
const NO_OPTIONS: &str = "for DHCP options come from the DHCP server";

fn lost(why: &str) -> Taken {
    Ok(Some(LineOutcome::Unsupported(why.to_owned())))
}

fn changed(why: &str) -> Taken {
    Ok(Some(LineOutcome::Changed(why.to_owned())))
}

fn needless(why: &str) -> Taken {
    Ok(Some(LineOutcome::Unneeded(why.to_owned())))
}

fn unknown(line: &DnsmasqLine) -> Diagnostic {
    let error = line.error(&line.key_span, format!("unknown option `{}`", line.key));
    match closest_match(&line.key, KEYS.into_iter().chain(unsupported::keys())) {
        Some(meant) => error.help(format!("did you mean `{meant}`?")),
        None => error.help("dnsmasq has none of this name"),
    }
}
