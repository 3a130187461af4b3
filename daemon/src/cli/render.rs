//! `render`: prints the text that a machine would receive. The code that serves files renders it.

use super::command::{CommandResult, GlobalFlags};
use super::output::print_diagnostic;
use crate::config::ConfigError;
use crate::explain::client::{ClientKind, EXAMPLE_MAC, Mac, ServerAddress, Uuid};
use crate::explain::observed_client::{neighbour, with_observed_client};
use crate::files::Opened;
use crate::preview::boot_once_records::BootOnceRecords;
use crate::preview::{self, Preview};
use clap::Args;
use proxydhcpd_core::fetch::{self, Fetch, Refusal};
use proxydhcpd_core::link::{Link, Network};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};
use proxydhcpd_reading::suggest::closest_match;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

/// Print the script or template that a machine would receive
///
/// Runs the code that serves files, so the text is the one that the machine would receive, to the octet; only addresses
/// may differ. Nothing is sent. An error in a template is reported with its location.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd render --machine web1                   the script that this machine would run
  proxydhcpd render debian --machine web1            the same if its profile were `debian`
  proxydhcpd render preseed.cfg --machine web1       a template, for this machine
  proxydhcpd render preseed.cfg --mac 52:54:00:12:34:56
                                                     a template, for the machine with this address
  proxydhcpd render rescue --client ipxe-bios        a profile, for an example machine with BIOS

Exit status: 0 on success; 1 if the template cannot be rendered for this machine; 2 for an unknown
name or an invalid configuration.")]
pub struct Render {
    /// A profile, or a template by its path in the template directory [default: the profile that the machine boots]
    #[arg(value_name = "PROFILE|TEMPLATE")]
    pub target: Option<String>,

    /// The machine's name in the configuration
    #[arg(long, value_name = "NAME")]
    pub machine: Option<String>,

    /// The machine's MAC address [default: 02:00:00:00:00:01, if no flag identifies the machine]
    #[arg(long)]
    pub mac: Option<Mac>,

    /// The machine's UUID, as its firmware prints it
    #[arg(long)]
    pub uuid: Option<Uuid>,

    /// The machine's serial number
    #[arg(long)]
    pub serial: Option<String>,

    /// The client that sends the request, as listed by `proxydhcpd explain --help`
    #[arg(long, value_name = "ID", default_value = "ipxe-x64")]
    pub client: ClientKind,

    /// The machine's IP address [default: one in the server's network]
    #[arg(long)]
    pub address: Option<IpAddr>,

    /// Use this server address and network instead of those of this host
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub server: Option<ServerAddress>,
}

impl Render {
    /// Whether no flag identifies a machine.
    fn is_example(&self) -> bool {
        self.machine.is_none() && self.mac.is_none() && self.uuid.is_none() && self.serial.is_none()
    }
}

/// Prints the text on standard output, and diagnostics on standard error.
pub fn run(args: &Render, flags: &GlobalFlags) -> CommandResult {
    let context = preview::load(&flags.settings)?;
    let plan = &context.site.plan;
    let target = RenderTarget::new(args, plan)?;
    if let (Some(server), Some(address)) = (args.server, args.address)
        && server.address().is_ipv6() != address.is_ipv6()
    {
        let error = Diagnostic::error("--address and --server are of different address families");
        return Err(ConfigError(vec![error]).into());
    }
    let (network, interface) = server_network(args, &context);
    let address = args.address.unwrap_or_else(|| another_address(network));
    let name = format!("{}{}", request_identity(args, plan)?, target.file_name());
    let request = FileRequest {
        protocol: plan.offer.http.map_or(Protocol::Tftp, Protocol::Http),
        name: name.as_bytes(),
        server: ServerAddress(network).address(),
        client: SocketAddr::from((address, 1024)),
        interface: &interface,
    };
    let mac = args.mac.or(args.is_example().then_some(EXAMPLE_MAC));
    let mut warnings = Vec::new();
    let observations = context.observations(&mut warnings);
    let mut observations = with_observed_client(observations, args.client, mac.unwrap_or(Mac([0; 6])), address);
    let records = BootOnceRecords::load(&context, &mut observations, &mut warnings);
    warnings.iter().for_each(print_diagnostic);
    let mut fetched = match target {
        RenderTarget::Profile(profile) => fetch::preview_menu(plan, &observations, &request, profile),
        RenderTarget::Decided | RenderTarget::Template(_) => fetch::fetch(plan, &observations, &request).answer,
    };
    if let Ok(fetch) = &mut fetched {
        records.set_token(&context, &observations, fetch);
    }
    let mut has_failed = false;
    let opened = fetched.and_then(|fetch: Fetch| {
        // The server sends a menu even if an entry cannot be rendered. It marks that entry, and the others work.
        let is_menu = matches!(fetch, Fetch::Menu(_));
        context.site.open(fetch, &request, |failure, _| {
            let severity = if is_menu { Severity::Warning } else { failure.diagnostic.severity };
            print_diagnostic(&Diagnostic { severity, ..(*failure.diagnostic).clone() });
            has_failed = !is_menu;
        })
    });
    match opened {
        Ok((opened, _)) if !has_failed => {
            if args.is_example() {
                anstream::eprintln!("for an example machine; choose one with --machine or --mac");
            }
            if !records.has_key() && contains_token_url(&opened) {
                anstream::eprintln!(
                    "done_url and report_url lack their token here: the server has stored no key, or the key cannot be \
                     read"
                );
            }
            print(&opened).map_err(|error| critical_error(format!("standard output: {error}")))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) if !has_failed => Err(critical_error(match refusal {
            Refusal::Denied => "a rule denies this machine".to_owned(),
            refusal => format!("the server would refuse this request: {refusal:?}"),
        })
        .into()),
        _ => Ok(ExitCode::FAILURE),
    }
}

/// The text to render.
enum RenderTarget<'a> {
    /// The script that the machine boots.
    Decided,
    /// The script of this profile.
    Profile(&'a str),
    /// The template with this name.
    Template(&'a str),
}

impl<'a> RenderTarget<'a> {
    fn new(args: &'a Render, plan: &Plan) -> Result<RenderTarget<'a>, ConfigError> {
        let Some(name) = args.target.as_deref() else { return Ok(RenderTarget::Decided) };
        if plan.profile(name).is_some() {
            return Ok(RenderTarget::Profile(name));
        }
        if plan.offer.templates.contains(name) {
            return Ok(RenderTarget::Template(name));
        }
        let profiles = plan.policy.profiles.iter().map(|profile| profile.name.as_str());
        let known = profiles.chain(plan.offer.templates.iter().map(String::as_str));
        Err(unknown_name("profile or template", name, known))
    }

    /// The name of the file to request.
    fn file_name(&self) -> &str {
        match self {
            RenderTarget::Template(name) => name,
            _ => "menu.ipxe",
        }
    }
}

/// The directory in the requested name, which states the machine's identity.
fn request_identity(args: &Render, plan: &Plan) -> Result<String, ConfigError> {
    let mut path = String::from("machine/");
    if let Some(name) = &args.machine {
        if plan.inventory.get_by_name(name).is_none() {
            let names = plan.inventory.iter().map(|machine| machine.name);
            return Err(unknown_name("machine", name, names));
        }
        write!(path, "name={name}/").ok();
    }
    if let Some(mac) = args.mac.or(args.is_example().then_some(EXAMPLE_MAC)) {
        write!(path, "mac={mac}/").ok();
    }
    if let Some(uuid) = args.uuid {
        let digits: String = uuid.0.iter().map(|octet| format!("{octet:02x}")).collect();
        write!(path, "uuid={digits}/").ok();
    }
    if let Some(serial) = &args.serial {
        let digits: String = serial.bytes().map(|octet| format!("{octet:02x}")).collect();
        write!(path, "serial={digits}/").ok();
    }
    Ok(path)
}

/// The server's address with its network, and the name of its interface. The interface is the one in the network of the
/// machine's address, or else the first that has an address of this family.
fn server_network(args: &Render, context: &Preview) -> (Network, String) {
    let ipv6 = args.address.is_some_and(|address| address.is_ipv6());
    let network_of = |link: &Link| match ipv6 {
        true => link
            .address6()
            .and_then(|own| link.ipv6.iter().find(|network| network.address == own))
            .copied()
            .map(Network::V6),
        false => link.ipv4.first().copied().map(Network::V4),
    };
    let examples = preview::example_links(None, None);
    let links = || context.links.iter().chain(&examples);
    let same_network = args.address.and_then(|address| links().find(|link| link.reaches(address)));
    let link = same_network.into_iter().chain(links()).find(|link| network_of(link).is_some());
    let (network, name) =
        link.and_then(|link| Some((network_of(link)?, link.name.clone()))).expect("the example has both families");
    match args.server {
        Some(server) => (server.0, name),
        None => (network, name),
    }
}

/// An address of this network other than the server's.
fn another_address(network: Network) -> IpAddr {
    match network {
        Network::V4(network) => neighbour(network).into(),
        Network::V6(network) => Ipv6Addr::from(u128::from(network.address) ^ 0b0110_0000).into(),
    }
}

/// Whether the text contains a `done_url`, with which a machine completes its boot-once, or a `report_url`.
fn contains_token_url(opened: &Opened) -> bool {
    let contains = |url: &[u8]| opened.in_memory().is_some_and(|text| text.windows(url.len()).any(|part| part == url));
    contains(b"/done") || contains(b"/report")
}

fn print(opened: &Opened) -> io::Result<()> {
    let (mut buffer, mut offset) = ([0; 8192], 0);
    let mut out = io::stdout().lock();
    while offset < opened.size() {
        let count = opened.read_at(&mut buffer, offset)?;
        out.write_all(&buffer[..count])?;
        offset += count as u64;
    }
    out.flush()
}

fn unknown_name<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> ConfigError {
    let known: Vec<&str> = known.collect();
    let help = match (closest_match(name, known.iter().copied()), known.len()) {
        (Some(suggestion), _) => format!("did you mean `{suggestion}`?"),
        (None, 0) => format!("the configuration has no {kind}"),
        (None, 1..=20) => format!("known: {}", known.join(", ")),
        (None, many) => format!("{many} are known, among them {}", known[..20].join(", ")),
    };
    ConfigError(vec![Diagnostic::error(format!("unknown {kind} `{name}`")).help(help)])
}

fn critical_error(message: String) -> ConfigError {
    ConfigError(vec![Diagnostic::critical(message)])
}
