//! The command line: flags, including those of the Python daemon, and subcommands.

mod boot_dir;
mod boot_once_records;
mod check;
pub mod client;
mod client_packet;
mod client_packet6;
mod content_check;
mod context;
mod explain;
mod import;
mod old_daemon;
mod rearm;
mod render;
mod secure_boot;
mod serve;
mod shared_uuids;
mod unread;

use crate::config::ConfigError;
use crate::config::flags::Flags;
use crate::reading::diagnostic::Diagnostic;
use clap::{ArgAction, ArgGroup, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use client::{ClientKind, Mac, PacketHex, ServerAddress, Uuid};
use proxydhcpd_core::arrival::Port;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing::level_filters::LevelFilter;

/// Parses the command line, runs the command and returns its exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.output.set_color_choice();
    let (command, flags, output) = cli.into_command().unwrap_or_else(|error| error.exit());
    match command {
        CliCommand::Serve(serve) => serve::run(&serve, flags, &output),
        CliCommand::Check(check) => check::run(&check, &flags),
        CliCommand::Rearm(rearm) => rearm::run(&rearm, &flags).unwrap_or_else(|error| report_config_error(&error)),
        CliCommand::Explain(explain) => {
            explain::run(&explain, &flags).unwrap_or_else(|error| report_config_error(&error))
        }
        CliCommand::Render(render) => render::run(&render, &flags).unwrap_or_else(|error| report_config_error(&error)),
        CliCommand::Import(import) => import::run(&import),
    }
}

/// Prints the errors of the configuration, and returns the exit status for them.
fn report_config_error(error: &ConfigError) -> ExitCode {
    error.0.iter().for_each(print_diagnostic);
    ExitCode::from(error.exit_status())
}

/// Prints a diagnostic on standard error. The text has colours if standard error is a terminal.
fn print_diagnostic(diagnostic: &Diagnostic) {
    anstream::eprintln!("{}", diagnostic.styled());
}

/// Boots the machines of a network next to its existing DHCP server
///
/// Without a command, proxydhcpd runs the server. The server needs no configuration: it finds the interfaces, the boot
/// loaders and the files of the boot directory. It assigns no addresses; the DHCP server of the network does that.
#[derive(Debug, Parser)]
#[command(
    name = "proxydhcpd",
    version,
    infer_long_args = true, // the Python daemon took `--conf` for `--config`
    after_help = "Examples:
  proxydhcpd                            serve every network of this host
  proxydhcpd -i eth1 -b /srv/boot       serve one network, from another boot directory
  proxydhcpd -c proxy.ini -d            start as the Python daemon was started
  proxydhcpd check                      show what would be served, and report errors
  proxydhcpd explain --client uefi-x64  show what this machine would receive, and why
  proxydhcpd render --machine web1      print the script that this machine would run
  proxydhcpd import /etc/dnsmasq.conf   convert this file to proxydhcpd.toml

Exit status: 0 after a signal; 1 if the server cannot run on this host; 2 for wrong usage or an
invalid file."
)]
pub struct Cli {
    /// `None`: `serve`.
    #[command(subcommand)]
    command: Option<CommandArgs>,

    /// The flags of `serve` without the command.
    #[command(flatten)]
    serve: Serve,

    /// The flags that change the configuration.
    #[command(flatten)]
    pub flags: Flags,

    /// The flags that change the output.
    #[command(flatten)]
    pub output: Output,
}

/// The flags that change what is printed and logged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Log more: -v adds why requests are ignored, and every file that a machine fetches
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "log_level")]
    pub verbose: u8,

    /// Log messages of this severity and above
    #[arg(long, global = true, value_name = "LEVEL", value_enum)]
    pub log_level: Option<LogLevel>,

    /// Use colours: auto means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub color: Color,
}

/// The values of `--log-level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The values of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// The flags of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct Serve {
    /// Run in the background, once the ports are open and the configuration is valid
    #[arg(short, long)]
    pub daemon: bool,

    /// This is the background process: its standard input is the pipe to the process that started it.
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// The command to run, with its arguments.
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
enum CommandArgs {
    /// Run the server (the default)
    Serve(Serve),
    Check(Check),
    Explain(Explain),
    Import(Import),
    Rearm(Rearm),
    Render(Render),
}

/// Reset boot-once: let these machines boot from the network again
///
/// Without a name, list the machines that completed their boot-once. The running server applies the reset within
/// seconds.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd rearm         list the machines that completed their boot-once
  proxydhcpd rearm web1    let web1 boot its profile once more

Exit status: 0 on success; 1 if a machine has not completed a boot-once, or its record cannot be
removed; 2 if the configuration is invalid.")]
pub struct Rearm {
    /// Names of machines in the configuration
    #[arg(value_name = "MACHINE")]
    pub machines: Vec<String>,
}

/// Show what the server would serve, and report errors in the configuration
///
/// Reads the configuration as `serve` does, and inspects the interfaces, the loaders and the boot directory. Opens no
/// port, sends nothing, and does not need root.
///
/// Checks the content of the offered files: whether kernels and initrds are complete and of the right kind, whether the
/// offered iPXE supports the commands in the scripts, and whether the files of this server that the scripts name exist.
/// Lists the files in the configuration directories that are not read, and other servers that the scripts depend on.
///
/// For each UEFI loader, shows the signer and whether machines with Secure Boot accept it, based on Microsoft's keys
/// and on the certificates that `secure-boot-certificates` lists in the configuration. The server does not know which
/// signatures a machine has revoked (its dbx).
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd check                      the configuration that `serve` reads
  proxydhcpd check proxy.ini            another file, for example the Python daemon's
  proxydhcpd check --json | jq .        for scripts
  proxydhcpd check --keys menu          the configuration keys of menus

Exit status: 0 if the server can start (there may be warnings); 1 if the configuration does not
fit this host; 2 if the configuration is invalid.")]
pub struct Check {
    /// The configuration file, as with --config
    file: Option<PathBuf>,

    /// List the configuration keys and exit: all keys, or those of this name or table
    #[arg(long, value_name = "WORD", num_args = 0..=1, default_missing_value = "", conflicts_with = "json")]
    pub keys: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Explain what a machine would receive, and why
///
/// Prints each step of the decision and each reply as a tree: which entry and which rule matched and which nearly
/// matched, the replies on port 67 and on port 4011, and then the script of its iPXE. Nothing is sent. Describe the
/// machine by flags, or give a packet of it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd explain --client uefi-x64               an x64 UEFI machine
  proxydhcpd explain --client bios --machine web1    a machine of the configuration, with BIOS
  proxydhcpd explain --client bios --relay 10.1.0.1  a BIOS machine behind a relay
  proxydhcpd explain --client ipxe-arm64             an ARM machine that already runs iPXE
  proxydhcpd explain --client uefi-x64 --ipv6        the boot over IPv6
  proxydhcpd explain --client uefi-x64 --port 4011   only its request on port 4011
  proxydhcpd explain 0101060012345678...             a DHCP packet in hex, or `-` for standard input

Clients: bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64, uefi-riscv64, uefi-loongarch64,
http-x64, http-arm64 and every other registered architecture (option 93); ipxe-bios, ipxe-x64,
ipxe-arm64 ... for a machine that already runs iPXE.

Exit status: 0 if the server answers the machine; 1 if it does not; 2 for wrong usage or an invalid
configuration.")]
#[command(group(ArgGroup::new("asks").args(["packet", "client"]).required(true)))]
pub struct Explain {
    /// The DHCP packet (UDP payload) in hex; `-` reads standard input
    #[arg(value_name = "HEX", conflicts_with_all = ["client", "mac", "uuid", "serial"])]
    pub packet: Option<PacketHex>,

    /// The client that sends the request: firmware or iPXE, and its architecture
    #[arg(long, value_name = "ID")]
    pub client: Option<ClientKind>,

    /// Send the identities of this machine of the configuration
    #[arg(long, value_name = "NAME", conflicts_with_all = ["packet", "mac", "uuid", "serial"])]
    pub machine: Option<String>,

    /// The machine's MAC address [default: 02:00:00:00:00:01]
    #[arg(long)]
    pub mac: Option<Mac>,

    /// The machine's UUID (option 97), as its firmware prints it
    #[arg(long)]
    pub uuid: Option<Uuid>,

    /// The machine's serial number, which its iPXE sends in the URL of its script
    #[arg(long)]
    pub serial: Option<String>,

    /// Send this vendor class (option 60) instead of the usual one
    #[arg(long, value_name = "TEXT", conflicts_with = "packet")]
    pub vendor_class: Option<String>,

    /// Send this user class (option 77) instead of the usual one (--ipxe-user-class lists those that mean iPXE)
    #[arg(long = "sends-user-class", value_name = "TEXT", conflicts_with = "packet")]
    pub user_class: Option<String>,

    /// Choose this item of the firmware's menu: 0x8001 and up, or the `type` in the configuration
    #[arg(long, value_name = "TYPE", value_parser = parse_item_type, conflicts_with = "packet")]
    pub item: Option<u16>,

    /// Boot over IPv6; a packet in hex is then a DHCPv6 message
    #[arg(long, conflicts_with_all = ["item", "circuit_id"])]
    pub ipv6: bool,

    /// The relay that forwards the request: its giaddr, or with --ipv6 its link-address
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Option<IpAddr>,

    /// The circuit ID that the relay adds (option 82, sub-option 1)
    #[arg(long, value_name = "TEXT", requires = "relay", conflicts_with = "packet")]
    pub circuit_id: Option<String>,

    /// The interface ID that the DHCPv6 relay adds (option 18)
    #[arg(long, value_name = "TEXT", requires_all = ["relay", "ipv6"], conflicts_with = "packet")]
    pub interface_id: Option<String>,

    /// Simulate only the request to this port: DHCP (67, or 547 with --ipv6) or boot server (4011) [default: the whole
    /// boot]
    #[arg(long, value_parser = ["67", "547", "4011"])]
    port: Option<String>,

    /// The source address of a packet in hex [default: from its header]
    #[arg(long, value_name = "ADDRESS:PORT", requires = "packet")]
    pub from: Option<SocketAddr>,

    /// Use this server address and network instead of those of this host
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub server: Option<ServerAddress>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

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

/// Parses the type of a menu item, in hexadecimal such as `0x8001`, or in decimal.
fn parse_item_type(text: &str) -> Result<u16, String> {
    let number = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u16::from_str_radix(digits, 16));
    number.map_err(|_| "expected a number up to 65535, for example 0x8001".to_owned())
}

/// Convert another server's configuration to proxydhcpd.toml
///
/// Reads the configuration of dnsmasq (its files, options on a command line, OpenWrt's, Pi-hole's), of ISC dhcpd, of
/// Kea or of the Python daemon, and prints a proxydhcpd.toml that gives each machine the same boot file. Lines without
/// an equivalent become comments at its top: the line, its number, and the reason. If the format is a known one
/// that is not supported, the error names it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd import /etc/dnsmasq.conf                 print the converted configuration
  proxydhcpd import /etc/dnsmasq.conf -o new.toml     write it to a new file
  proxydhcpd import /etc/dhcp/dhcpd.conf              convert the file of ISC dhcpd, Kea or OpenWrt
  proxydhcpd import proxy.ini -o new.toml             convert the file of the Python daemon
  proxydhcpd import /srv/tftp                         convert the files for machines in this directory
  proxydhcpd import list.csv --map device=name        convert a list of machines
  proxydhcpd check new.toml                           check the new file

Exit status: 0 on success; 2 if the file is invalid: each error is reported with line and column.")]
pub struct Import {
    /// The file, the directory that contains pxelinux.cfg, or `-` for standard input
    pub file: PathBuf,

    /// Write to this new file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// The format of the file [default: detected from its content]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub from: Option<FormatFlag>,

    /// Read a column of a CSV file as this key: name, mac, uuid, serial, profile, boot, or the name of a variable;
    /// may be repeated
    #[arg(long, value_name = "COLUMN=KEY", value_parser = parse_column_mapping)]
    pub map: Vec<(String, String)>,
}

fn parse_column_mapping(text: &str) -> Result<(String, String), String> {
    let (column, key) = text.split_once('=').ok_or("expected a column and a key, for example device=name")?;
    Ok((column.to_owned(), key.trim().to_owned()))
}

/// The values of `import --from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatFlag {
    /// The Python daemon's proxy.ini
    Ini,
    /// dnsmasq's dnsmasq.conf
    Dnsmasq,
    /// ISC dhcpd's dhcpd.conf
    Isc,
    /// Kea's kea-dhcp4.conf
    Kea,
    /// OpenWrt's /etc/config/dhcp
    Uci,
    /// Options of dnsmasq on a command line: of a unit, a script, a Compose file, or Pi-hole
    Options,
    /// A list of machines; the first line names the columns
    Csv,
}

impl Explain {
    fn port(&self) -> Option<Port> {
        self.port.as_deref().map(|port| if port == "4011" { Port::BootServer } else { Port::Dhcp })
    }
}

impl Cli {
    /// The command, with the flags from before and after it merged.
    ///
    /// # Errors
    /// Flags that conflict with the command.
    pub fn into_command(self) -> Result<(CliCommand, Flags, Output), clap::Error> {
        let Self { command, mut flags, output, serve } = self;
        let command = match command {
            None => CliCommand::Serve(serve),
            Some(CommandArgs::Serve(after)) => CliCommand::Serve(Serve {
                daemon: serve.daemon || after.daemon,
                detached: serve.detached || after.detached,
            }),
            Some(
                CommandArgs::Check(_)
                | CommandArgs::Explain(_)
                | CommandArgs::Import(_)
                | CommandArgs::Render(_)
                | CommandArgs::Rearm(_),
            ) if serve.daemon => {
                return Err(conflict("--daemon works only with `serve`"));
            }
            Some(CommandArgs::Check(Check { file: Some(_), .. })) if flags.config.is_some() => {
                return Err(conflict("the file to check is specified twice: as an argument and with --config"));
            }
            Some(CommandArgs::Check(mut check)) => {
                flags.config = flags.config.or(check.file.take());
                CliCommand::Check(check)
            }
            Some(CommandArgs::Explain(explain)) => CliCommand::Explain(explain),
            Some(CommandArgs::Import(import)) => CliCommand::Import(import),
            Some(CommandArgs::Rearm(rearm)) => CliCommand::Rearm(rearm),
            Some(CommandArgs::Render(render)) => CliCommand::Render(render),
        };
        Ok((command, flags, output))
    }
}

fn conflict(message: &str) -> clap::Error {
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

    /// Sets the colour choice for everything that is printed through `anstream`.
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
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_flags_of_the_python_daemon_still_work() {
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
    fn check_takes_the_file_as_an_argument() {
        assert_eq!(parse("proxydhcpd check a.ini --json").unwrap().1.config, Some("a.ini".into()));
        assert!(parse("proxydhcpd check a.ini -c b.ini").is_err());
        assert!(parse("proxydhcpd -c b.ini check a.ini").is_err());
        assert!(parse("proxydhcpd -d check").is_err());
    }

    #[test]
    fn explain_needs_a_packet_or_a_client() {
        assert!(parse("proxydhcpd explain").is_err());
        assert!(parse("proxydhcpd explain --client uefi-x64 --port 69").is_err());
        assert!(parse("proxydhcpd explain --client bios 0101").is_err());
        let Ok((CliCommand::Explain(explain), ..)) = parse("proxydhcpd explain --client ipxe-x64 --port 4011 -b /b")
        else {
            panic!("not parsed as `explain`")
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
