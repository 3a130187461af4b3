//! The command line: the flags of the Python daemon, and verbs beside them.

mod boot_dir;
mod check;
pub mod client;
mod explain;
mod import;
mod boot_once_records;
mod content_check;
mod old_daemon;
mod rearm;
mod render;
mod secure_boot;
mod serve;
mod context;
mod shared_uuids;
mod client_packet;
mod client_packet6;
mod unread;

use crate::config::ConfigError;
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use clap::{ArgAction, ArgGroup, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use client::{ClientKind, Mac, PacketHex, ServerAddress, Uuid};
use proxydhcpd_core::arrival::Port;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;

/// Parse, dispatch, exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.output.set_color_choice();
    let (command, flags, output) = cli.into_command().unwrap_or_else(|wrong| wrong.exit());
    match command {
        CliCommand::Serve(serve) => serve::run(&serve, flags, &output),
        CliCommand::Check(check) => check::run(&check, &flags),
        CliCommand::Rearm(rearm) => rearm::run(&rearm, &flags).unwrap_or_else(|error| report_config_error(&error)),
        CliCommand::Explain(explain) => explain::run(&explain, &flags).unwrap_or_else(|error| report_config_error(&error)),
        CliCommand::Render(render) => render::run(&render, &flags).unwrap_or_else(|error| report_config_error(&error)),
        CliCommand::Import(import) => import::run(&import),
    }
}

/// Says what is wrong with the configuration.
fn report_config_error(error: &ConfigError) -> ExitCode {
    error.0.iter().for_each(print_diagnostic);
    ExitCode::from(error.exit_status())
}

fn print_diagnostic(diagnostic: &Diagnostic) {
    anstream::eprintln!("{}", diagnostic.styled());
}

/// Boots the machines of a network, beside the DHCP server that is already there
///
/// Without a verb it serves. It needs no configuration: it finds the interfaces, the boot loaders and the files of the
/// boot directory by itself, and leaves the addresses to the DHCP server of the network.
#[derive(Debug, Parser)]
#[command(
    name = "proxydhcpd",
    version,
    infer_long_args = true, // the Python daemon took `--conf` for `--config`
    after_help = "Examples:
  proxydhcpd                            serve every network of this machine
  proxydhcpd -i eth1 -b /srv/boot       one network, another boot directory
  proxydhcpd -c proxy.ini -d            as the Python daemon was started
  proxydhcpd check                      what would be served, and what is wrong with it
  proxydhcpd explain --client uefi-x64  what would this machine get, and why
  proxydhcpd render --machine web1      the script that this machine would run
  proxydhcpd import /etc/dnsmasq.conf   that file in our own words

Exit status: 0 after a signal; 1 if it cannot serve here; 2 for wrong usage or a wrong file."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Verb>,

    #[command(flatten)]
    serve: Serve,

    #[command(flatten)]
    pub flags: Flags,

    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Say more: -v tells why machines are not answered, and of every file that is fetched
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "log_level")]
    pub verbose: u8,

    /// What is logged
    #[arg(long, global = true, value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,

    /// Colours: auto is only on a terminal, and never if NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Serve {
    /// Go into the background, once everything is open and the configuration is good
    #[arg(short, long)]
    pub daemon: bool,

    /// We are that background process: our standard input is the pipe to who started us.
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// What is asked for.
#[derive(Debug)]
pub enum CliCommand {
    Serve(Serve),
    Check(Check),
    Explain(Explain),
    Import(Import),
    Rearm(Rearm),
    Render(Render),
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve: what happens without a verb
    Serve(Serve),
    Check(Check),
    Explain(Explain),
    Import(Import),
    Rearm(Rearm),
    Render(Render),
}

/// Let machines boot again that were to boot once, and have
///
/// Without a name: list them. The running server notices within seconds.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd rearm         which machines have used up their boot
  proxydhcpd rearm web1    the next boot of web1 is its profile's again

Exit status: 0 if it is done; 1 if a machine has used up nothing or its mark cannot be removed; 2 if the file is wrong.")]
pub struct Rearm {
    /// Names of machines, as the configuration has them
    #[arg(value_name = "MACHINE")]
    pub machines: Vec<String>,
}

/// Say what would be served, and what is wrong with it
///
/// Reads the configuration as `serve` would and looks at interfaces, loaders and the boot directory. Opens no port, sends
/// nothing, needs no root.
///
/// It looks into what is offered: whether kernels and initrds are whole and of the right kind, whether the iPXE that is
/// offered understands the scripts, and whether the files that they name on this server are there. It names files in
/// the directories of the configuration that are not read, and servers that the scripts need beside this one.
///
/// Of every loader for UEFI it says who signed it, and so whether machines with Secure Boot start it: by Microsoft's
/// keys, or by the certificates that `secure-boot-keys` lists in the configuration. What a machine itself has revoked
/// it cannot know.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd check                      the configuration that `serve` would find
  proxydhcpd check proxy.ini            another file, also one of the Python daemon
  proxydhcpd check --json | jq .        for scripts
  proxydhcpd check --keys menu          what can be said of menus in the configuration

Exit status: 0 if it can be served (there may be warnings); 1 if it does not fit this machine; 2 if the file is wrong.")]
pub struct Check {
    /// The file, as with --config
    file: Option<PathBuf>,

    /// Only say which keys the configuration can have: all, or those of this name or table
    #[arg(long, value_name = "WORD", num_args = 0..=1, default_missing_value = "", conflicts_with = "json")]
    pub keys: Option<String>,

    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Say what a machine would get, and why
///
/// Every step of the decision and the reply as a tree: which entry and which rule matched and which came near, what is
/// answered on port 67 and on 4011, and then what its iPXE is given. Nothing is sent. The machine is described by
/// flags, or given as a packet.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd explain --client uefi-x64               an x64 UEFI machine
  proxydhcpd explain --client bios --machine web1    a machine of the configuration
  proxydhcpd explain --client bios --relay 10.1.0.1  a BIOS machine behind a relay
  proxydhcpd explain --client ipxe-arm64             an ARM machine that already runs iPXE
  proxydhcpd explain --client uefi-x64 --ipv6        the boot over IPv6
  proxydhcpd explain --client uefi-x64 --port 4011   its second question
  proxydhcpd explain 0101060012345678...             a DHCP packet in hex, or `-` to read it from a pipe

Clients: bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64, uefi-riscv64, uefi-loongarch64, http-x64, http-arm64 and
every other architecture of the registry; ipxe-bios, ipxe-x64, ipxe-arm64 ... for a machine that already runs iPXE.")]
#[command(group(ArgGroup::new("asks").args(["packet", "client"]).required(true)))]
pub struct Explain {
    /// The DHCP packet (UDP payload) in hex; `-`: standard input
    #[arg(value_name = "HEX", conflicts_with_all = ["client", "mac", "uuid", "serial"])]
    pub packet: Option<PacketHex>,

    /// Kind of machine
    #[arg(long, value_name = "ID")]
    pub client: Option<ClientKind>,

    /// A machine of the configuration, by its name: its identities are what it says of itself
    #[arg(long, value_name = "NAME", conflicts_with_all = ["packet", "mac", "uuid", "serial"])]
    pub machine: Option<String>,

    /// Its MAC address [default: one that nobody has]
    #[arg(long)]
    pub mac: Option<Mac>,

    /// Its machine identifier (option 97), as printed by the firmware
    #[arg(long)]
    pub uuid: Option<Uuid>,

    /// Its serial number, which its iPXE tells us with the request for its script
    #[arg(long)]
    pub serial: Option<String>,

    /// Option 60, in place of what such a machine says
    #[arg(long, value_name = "TEXT", conflicts_with = "packet")]
    pub vendor_class: Option<String>,

    /// Option 77, in place of what such a machine says (--user-class says which of them mean iPXE)
    #[arg(long = "sends-user-class", value_name = "TEXT", conflicts_with = "packet")]
    pub user_class: Option<String>,

    /// What it chooses from its menu, by number: 0x8001 and up, or what the configuration says
    #[arg(long, value_name = "KIND", value_parser = item, conflicts_with = "packet")]
    pub item: Option<u16>,

    /// Over IPv6; a packet in hex is then one of DHCPv6
    #[arg(long, conflicts_with_all = ["item", "circuit_id"])]
    pub ipv6: bool,

    /// The relay that it is behind (giaddr; over IPv6 its address on the machine's link)
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Option<IpAddr>,

    /// What the relay says of the port that it is behind (option 82, sub-option 1)
    #[arg(long, value_name = "TEXT", requires = "relay", conflicts_with = "packet")]
    pub circuit_id: Option<String>,

    /// What a DHCPv6 relay says of the port that it is behind (option 18)
    #[arg(long, value_name = "TEXT", requires_all = ["relay", "ipv6"], conflicts_with = "packet")]
    pub interface_id: Option<String>,

    /// The port at which it asks: 67, over IPv6 547 (everybody), or 4011 (the boot server) [default: as its boot goes]
    #[arg(long, value_parser = ["67", "547", "4011"])]
    port: Option<String>,

    /// Where a packet in hex comes from [default: as its header says]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "packet")]
    pub from: Option<SocketAddr>,

    /// Our own address and network, in place of those that this machine has
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub server: Option<ServerAddress>,

    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Print the text that a machine would be sent: its script, or a template
///
/// Made by the calls that serve, so it is what the machine would get, to the octet; only the addresses may be others.
/// Nothing is sent. An error in a template is shown with its place.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd render --machine web1                   the script that this machine would run
  proxydhcpd render debian --machine web1            the same if its profile were `debian`
  proxydhcpd render preseed.cfg --machine web1       a template, for this machine
  proxydhcpd render preseed.cfg --mac 52:54:00:12:34:56
                                                     for whichever machine has this address
  proxydhcpd render rescue --client ipxe-bios        a profile, for an example machine with a BIOS

Exit status: 0; 1 if the template cannot be rendered for this machine; 2 if there is no such name, or the configuration
is wrong.")]
pub struct Render {
    /// A profile, or a template by its name below the template directory [default: what the machine boots]
    #[arg(value_name = "PROFILE|TEMPLATE")]
    pub target: Option<String>,

    /// The machine, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    pub machine: Option<String>,

    /// The machine's MAC address [default: one that nobody has, if nothing else says which machine]
    #[arg(long)]
    pub mac: Option<Mac>,

    /// Its machine identifier, as printed by the firmware
    #[arg(long)]
    pub uuid: Option<Uuid>,

    /// Its serial number
    #[arg(long)]
    pub serial: Option<String>,

    /// Kind of machine, as `explain` lists them
    #[arg(long, value_name = "ID", default_value = "ipxe-x64")]
    pub client: ClientKind,

    /// Its IP address [default: one of our network]
    #[arg(long)]
    pub address: Option<IpAddr>,

    /// Our own address and network, in place of those that this machine has
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub server: Option<ServerAddress>,
}

impl Render {
    /// Nothing says which machine is meant.
    fn is_example(&self) -> bool {
        self.machine.is_none() && self.mac.is_none() && self.uuid.is_none() && self.serial.is_none()
    }
}

/// `0x8001`, or in decimal.
fn item(text: &str) -> Result<u16, String> {
    let number = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u16::from_str_radix(digits, 16));
    number.map_err(|_| "a number up to 65535, for example 0x8001".to_owned())
}

/// Put another server's configuration into our own words
///
/// Reads the configuration of dnsmasq (its files, options on a command line, OpenWrt's, Pi-hole's), of ISC dhcpd, of
/// Kea or of the Python daemon, and prints a proxydhcpd.toml that gives every machine the same file. What has no
/// equivalent stands above it as comments: the line, its number, and why. Of other formats that it knows it says what
/// they are.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd import /etc/dnsmasq.conf                 look at what would come of it
  proxydhcpd import /etc/dnsmasq.conf -o new.toml     into a file, which must not be there
  proxydhcpd import /etc/dhcp/dhcpd.conf              ISC dhcpd's, or Kea's, or OpenWrt's
  proxydhcpd import proxy.ini -o new.toml             the file of the Python daemon
  proxydhcpd import /srv/tftp                         pxelinux.cfg, and netboot.xyz's scripts for machines
  proxydhcpd import list.csv --map device=name        machines of a list
  proxydhcpd check new.toml                           what it serves, and what is wrong with it

Exit status: 0 if the file was understood; 2 if it is wrong, and then each error is told with line and column.")]
pub struct Import {
    /// The file, the directory that pxelinux.cfg is in, or - for standard input
    pub file: PathBuf,

    /// Write to this new file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Whose file it is [default: as it looks]
    #[arg(long, value_name = "WHOSE", value_enum)]
    pub from: Option<FormatFlag>,

    /// What a column of a CSV is: name, mac, uuid, serial, profile, boot, or the name of a variable. May be given more
    /// than once
    #[arg(long, value_name = "COLUMN=KEY", value_parser = column)]
    pub map: Vec<(String, String)>,
}

fn column(text: &str) -> Result<(String, String), String> {
    let (column, key) = text.split_once('=').ok_or("a column and a key, for example device=name")?;
    Ok((column.to_owned(), key.trim().to_owned()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatFlag {
    /// The Python daemon's proxy.ini
    Ini,
    Dnsmasq,
    /// ISC dhcpd's dhcpd.conf
    Isc,
    /// Kea's kea-dhcp4.conf
    Kea,
    /// OpenWrt's /etc/config/dhcp
    Uci,
    /// Options of dnsmasq on a command line, in a unit, a script or a Compose file, or those of Pi-hole
    Options,
    /// A list of machines, whose first line names the columns
    Csv,
}

impl Explain {
    fn port(&self) -> Option<Port> {
        self.port.as_deref().map(|port| if port == "4011" { Port::BootServer } else { Port::Dhcp })
    }
}

impl Cli {
    /// What is asked for, with flags that may stand before or behind the verb.
    pub fn into_command(self) -> Result<(CliCommand, Flags, Output), clap::Error> {
        let Self { command, mut flags, output, serve } = self;
        let command = match command {
            None => CliCommand::Serve(serve),
            Some(Verb::Serve(after)) => CliCommand::Serve(Serve {
                daemon: serve.daemon || after.daemon,
                detached: serve.detached || after.detached,
            }),
            Some(Verb::Check(_) | Verb::Explain(_) | Verb::Import(_) | Verb::Render(_) | Verb::Rearm(_))
                if serve.daemon =>
            {
                return Err(contradiction("--daemon goes with serving only"));
            }
            Some(Verb::Check(Check { file: Some(_), .. })) if flags.config.is_some() => {
                return Err(contradiction("the file to check is given twice"));
            }
            Some(Verb::Check(mut check)) => {
                flags.config = flags.config.or(check.file.take());
                CliCommand::Check(check)
            }
            Some(Verb::Explain(explain)) => CliCommand::Explain(explain),
            Some(Verb::Import(import)) => CliCommand::Import(import),
            Some(Verb::Rearm(rearm)) => CliCommand::Rearm(rearm),
            Some(Verb::Render(render)) => CliCommand::Render(render),
        };
        Ok((command, flags, output))
    }
}

fn contradiction(message: &str) -> clap::Error {
    Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message)
}

impl Output {
    fn level_filter(&self) -> LevelFilter {
        match (self.log_level, self.verbose) {
            (Some(LogLevel::Error), _) => LevelFilter::ERROR,
            (Some(LogLevel::Warn), _) => LevelFilter::WARN,
            (Some(LogLevel::Info), _) | (None, 0) => LevelFilter::INFO,
            (Some(LogLevel::Debug), _) | (None, 1) => LevelFilter::DEBUG,
            (Some(LogLevel::Trace), _) | (None, _) => LevelFilter::TRACE,
        }
    }

    /// For everything that is printed through `anstream`.
    pub fn set_color_choice(&self) {
        match self.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<(CliCommand, Flags, Output), clap::Error> {
        Cli::try_parse_from(words.split_whitespace())?.into_command()
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_old_flags_serve() {
        for words in [
            "proxydhcpd -d -p -c /x.ini",
            "proxydhcpd --daemon --proxy-only --conf /x.ini",
            "proxydhcpd -p serve -dc /x.ini",
        ] {
            let (command, flags, _) = parse(words).unwrap();
            assert!(matches!(command, CliCommand::Serve(Serve { daemon: true, detached: false })), "{words}");
            assert!(flags.proxy_only && flags.config == Some("/x.ini".into()), "{words}");
        }
        assert!(matches!(parse("proxydhcpd").unwrap().0, CliCommand::Serve(Serve { daemon: false, .. })));
    }

    #[test]
    fn check_takes_the_file_by_itself() {
        assert_eq!(parse("proxydhcpd check a.ini --json").unwrap().1.config, Some("a.ini".into()));
        assert!(parse("proxydhcpd check a.ini -c b.ini").is_err());
        assert!(parse("proxydhcpd -c b.ini check a.ini").is_err());
        assert!(parse("proxydhcpd -d check").is_err());
    }

    #[test]
    fn explain_wants_a_machine() {
        assert!(parse("proxydhcpd explain").is_err());
        assert!(parse("proxydhcpd explain --client uefi-x64 --port 69").is_err());
        assert!(parse("proxydhcpd explain --client bios 0101").is_err());
        let Ok((CliCommand::Explain(explain), ..)) = parse("proxydhcpd explain --client ipxe-x64 --port 4011 -b /b")
        else {
            panic!("not understood")
        };
        assert_eq!(explain.port(), Some(Port::BootServer));
        assert!(explain.client.unwrap().ipxe);
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for words in
            ["--no-tftp --tftp-ports 5000-5001", "--http-port 80 --no-http", "-v --log-level warn", "--http-port 0"]
        {
            assert_eq!(parse(&format!("proxydhcpd {words}")).unwrap_err().exit_code(), 2, "{words}");
        }
    }
}
