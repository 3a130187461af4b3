//! `render`: the text that a machine would be sent, made by the very calls that serve.

use super::client::{ClientKind, EXAMPLE_MAC, Mac, ServerAddress};
use super::explain::neighbour;
use super::boot_once_records::BootOnceRecords;
use super::context::{self, CliContext};
use super::client_packet::ipxe_features;
use super::{Render, print_diagnostic};
use crate::config::ConfigError;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::flags::Flags;
use crate::files::{ServedContent, Opened};
use crate::suggest::closest_match;
use proxydhcpd_core::client::HardwareAddress;
use proxydhcpd_core::fetch::{self, Fetch, Refusal};
use proxydhcpd_core::link::{Link, Network};
use proxydhcpd_core::observations::{FirmwareInfo, AddressOwner, Observations};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::ProfileId;
use proxydhcpd_core::request::{Protocol, FileRequest};
use proxydhcpd_core::wire::pxe::Features;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

/// Prints the text on standard output and everything else on standard error.
pub fn run(args: &Render, flags: &Flags) -> Result<ExitCode, ConfigError> {
    let setting = context::load(flags)?;
    let plan = &setting.site.plan;
    let what = What::of(args, plan)?;
    if let (Some(server), Some(address)) = (args.server, args.address)
        && server.address().is_ipv6() != address.is_ipv6()
    {
        return Err(ConfigError(vec![Diagnostic::error("--address and --server are of two families")]));
    }
    let (network, interface) = here(args, &setting);
    let address = args.address.unwrap_or_else(|| beside(network));
    let name = format!("{}{}", identity(args, plan)?, what.rest());
    let request = FileRequest {
        protocol: plan.http.map_or(Protocol::Tftp, Protocol::Http),
        name: name.as_bytes(),
        server: ServerAddress(network).address(),
        client: SocketAddr::from((address, 1024)),
        interface: &interface,
    };
    let mac = args.mac.or(args.is_example().then_some(EXAMPLE_MAC));
    let mut memory = with_observed_client(setting.observations(), args.client, mac.unwrap_or(Mac([0; 6])), address);
    let marks = BootOnceRecords::load(&setting, &mut memory);
    let mut meant = match what {
        What::Profile(profile) => fetch::preview_menu(plan, &memory, &request, profile),
        What::Decided | What::Template(_) => fetch::fetch(plan, &memory, &request),
    };
    if let Ok(meant) = &mut meant {
        marks.set_token(&setting, &memory, meant);
    }
    let mut told = false;
    let opened = meant.and_then(|meant: Fetch| {
        // Of a menu the other entries are as good as ever: it is sent, with a mark on the one that failed.
        let is_menu = matches!(meant, Fetch::Menu(_));
        setting.site.open(meant, &request, |failure| {
            let severity = if is_menu { Severity::Warning } else { failure.diagnostic.severity };
            print_diagnostic(&Diagnostic { severity, ..(*failure.diagnostic).clone() });
            told = !is_menu;
        })
    });
    match opened {
        Ok(opened) if !told => {
            if args.is_example() {
                anstream::eprintln!("for an example machine; --machine or --mac say which one is meant");
            }
            if !marks.has_key() && is_about_done(&opened) {
                anstream::eprintln!("done_url is without its token here: the server has kept no key that can be read");
            }
            print(&opened).map_err(|error| wrong(format!("standard output: {error}")))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) if !told => Err(wrong(match refusal {
            Refusal::Denied => "a rule denies this machine".to_owned(),
            refusal => format!("this cannot be sent: {refusal:?}"),
        })),
        _ => Ok(ExitCode::FAILURE),
    }
}

/// What is to be rendered.
enum What<'a> {
    /// The script of the profile that is decided for the machine.
    Decided,
    /// The script of this profile.
    Profile(ProfileId),
    Template(&'a str),
}

impl<'a> What<'a> {
    fn of(args: &'a Render, plan: &Plan) -> Result<What<'a>, ConfigError> {
        let Some(name) = args.target.as_deref() else { return Ok(What::Decided) };
        if let Some(profile) = plan.profiles.iter().position(|profile| profile.name == name) {
            return Ok(What::Profile(profile));
        }
        if plan.templates.contains(name) {
            return Ok(What::Template(name));
        }
        let profiles = plan.profiles.iter().map(|profile| profile.name.as_str());
        let known = profiles.chain(plan.templates.iter().map(String::as_str));
        Err(unknown("profile or template", name, known))
    }

    fn rest(&self) -> &str {
        match self {
            What::Template(name) => name,
            _ => "menu.ipxe",
        }
    }
}

/// Who asks, as the name of a request says it.
fn identity(args: &Render, plan: &Plan) -> Result<String, ConfigError> {
    let mut identity = String::from("machine/");
    if let Some(name) = &args.machine {
        if plan.machines.get_by_name(name).is_none() {
            let names = (0..plan.machines.len() as u32).map(|id| plan.machines.get(id).name);
            return Err(unknown("machine", name, names));
        }
        write!(identity, "name={name}/").ok();
    }
    if let Some(mac) = args.mac.or(args.is_example().then_some(EXAMPLE_MAC)) {
        write!(identity, "mac={mac}/").ok();
    }
    if let Some(uuid) = args.uuid {
        let digits: String = uuid.0.iter().map(|octet| format!("{octet:02x}")).collect();
        write!(identity, "uuid={digits}/").ok();
    }
    if let Some(serial) = &args.serial {
        let digits: String = serial.bytes().map(|octet| format!("{octet:02x}")).collect();
        write!(identity, "serial={digits}/").ok();
    }
    Ok(identity)
}

/// As if its DHCP request had been heard.
pub(super) fn with_observed_client(mut memory: Observations, client: ClientKind, mac: Mac, address: IpAddr) -> Observations {
    let features = client.ipxe.then(|| Features::parse(&ipxe_features(client.arch))).flatten();
    let firmware = FirmwareInfo { arch: Some(client.arch), features };
    let mut octets = [0; 16];
    octets[..6].copy_from_slice(&mac.0);
    let hardware = HardwareAddress { htype: 1, hlen: 6, octets };
    memory.note_address(address, AddressOwner { hardware, machine: None, firmware }, 0);
    memory
}

/// Our own address, with its network and the interface that it is on: that of the network which the machine's address
/// is in, or else the first of its family.
fn here(args: &Render, setting: &CliContext) -> (Network, String) {
    let ipv6 = args.address.is_some_and(|address| address.is_ipv6());
    let of = |link: &Link| match ipv6 {
        true => link
            .address6()
            .and_then(|ours| link.ipv6.iter().find(|network| network.address == ours))
            .copied()
            .map(Network::V6),
        false => link.ipv4.first().copied().map(Network::V4),
    };
    let examples = context::example_links(None, None);
    let links = || setting.links.iter().chain(&examples);
    let beside = args.address.and_then(|address| links().find(|link| link.reaches(address)));
    let link = beside.into_iter().chain(links()).find(|link| of(link).is_some());
    let (network, name) =
        link.and_then(|link| Some((of(link)?, link.name.clone()))).expect("the example has both families");
    match args.server {
        Some(server) => (server.0, name),
        None => (network, name),
    }
}

/// Another address of the same network.
fn beside(network: Network) -> IpAddr {
    match network {
        Network::V4(network) => neighbour(network).into(),
        Network::V6(network) => Ipv6Addr::from(u128::from(network.address) ^ 0b0110_0000).into(),
    }
}

/// Whether it has a machine say that it is done.
fn is_about_done(opened: &Opened) -> bool {
    let ServedContent::Text(text) = &opened.content else { return false };
    let url = b"/done";
    text.windows(url.len()).any(|part| part == url)
}

fn print(opened: &Opened) -> io::Result<()> {
    let (mut buffer, mut offset) = ([0; 8192], 0);
    let mut out = io::stdout().lock();
    while offset < opened.size {
        let count = opened.read_at(&mut buffer, offset)?;
        out.write_all(&buffer[..count])?;
        offset += count as u64;
    }
    out.flush()
}

fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let known: Vec<&str> = known.collect();
    let help = match (closest_match(name, known.iter().copied()), known.len()) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, 0) => format!("the configuration has no {kind}"),
        (None, 1..=20) => format!("there are: {}", known.join(", ")),
        (None, many) => format!("there are {many}, among them {}", known[..20].join(", ")),
    };
    ConfigError(vec![Diagnostic::error(format!("there is no {kind} {name}")).help(help)])
}

fn wrong(message: String) -> ConfigError {
    ConfigError(vec![Diagnostic::critical(message)])
}
