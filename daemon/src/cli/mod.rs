//! The command line: the flags that every command has, including those of the Python daemon, and the commands.

mod boot;
mod check;
mod command;
mod completions;
mod control_client;
mod doctor;
mod explain;
mod found_fault;
pub mod import;
mod machine;
mod machine_flags;
mod machines;
mod many_machines;
mod menu_password;
mod output;
mod password_input;
mod probe;
mod progress;
mod rearm;
mod render;
mod replay;
mod serve;
mod server_sent_events;
mod status;
mod story;
mod wake;
mod watch;
mod web;

use clap::{CommandFactory, Parser, Subcommand};
use command::{CommandError, CommandResult, GlobalFlags};
use output::{print_diagnostic, report_config_error, report_output_error};
use serve::Serve;
use std::process::ExitCode;

/// Declares the commands from the list of their arguments. The module of the arguments also runs the command.
macro_rules! commands {
    ($($module:ident::$Arguments:ident,)+) => {
        /// The command to run, with its arguments.
        #[derive(Debug, Subcommand)]
        enum Command {
            $($Arguments($module::$Arguments),)+
        }

        impl Command {
            fn run(&self, flags: &GlobalFlags) -> CommandResult {
                match self {
                    $(Self::$Arguments(arguments) => $module::run(arguments, flags),)+
                }
            }
        }
    };
}

// The commands, in the order of `--help`.
commands! {
    serve::Serve,
    check::Check,
    explain::Explain,
    probe::Probe,
    doctor::Doctor,
    import::Import,
    rearm::Rearm,
    render::Render,
    replay::Replay,
    status::Status,
    machines::Machines,
    story::Story,
    boot::Boot,
    wake::Wake,
    machine::Machine,
    watch::Watch,
    web::Web,
    menu_password::MenuPassword,
    completions::Completions,
}

/// Parses the command line, runs the command and returns its exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.flags.output.set_color_choice();
    let result = cli.into_command().and_then(|(command, flags)| command.run(&flags));
    result.unwrap_or_else(|error| match error {
        CommandError::Config(error) => report_config_error(&error),
        CommandError::Control(error) => {
            print_diagnostic(&error);
            ExitCode::FAILURE
        }
        CommandError::Output(error) => report_output_error(&error),
        CommandError::Usage(message) => Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit(),
    })
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
  proxydhcpd doctor                     find the faults of this host and its networks
  proxydhcpd import /etc/dnsmasq.conf   convert this file to proxydhcpd.toml
  proxydhcpd status                     show the state of the running server
  proxydhcpd machines                   show the machines that booted, and how far each came
  proxydhcpd story web1                 show what this machine did, and why its boot failed
  proxydhcpd boot web1 rescue --once    let this machine boot another profile, once
  proxydhcpd wake web1                  send this machine a Wake-on-LAN packet
  proxydhcpd machine add lab3 --mac 52:54:00:12:34:56
                                        add an entry that the server keeps
  proxydhcpd watch                      show what the running server does, as it happens
  proxydhcpd web open                   open the page for operators to the served networks
  proxydhcpd replay boot.pcap           show the boots in a packet capture, and why they failed

Exit status: 0 after a signal; 1 if the server cannot run on this host; 2 for wrong usage or an
invalid file."
)]
pub struct Cli {
    /// `None`: `serve`.
    #[command(subcommand)]
    command: Option<Command>,

    /// The flags of `serve` without the command.
    #[command(flatten)]
    serve: Serve,

    #[command(flatten)]
    flags: GlobalFlags,
}

impl Cli {
    /// The command and its flags. The flags of `serve` may precede the command.
    fn into_command(self) -> Result<(Command, GlobalFlags), CommandError> {
        let Self { command, serve, flags } = self;
        let flags = GlobalFlags { definition: Cli::command, ..flags };
        let command = match command {
            None => Command::Serve(serve),
            Some(Command::Serve(after)) => Command::Serve(serve.merge(after)),
            Some(_) if serve.daemon => return Err(CommandError::Usage("--daemon works only with `serve`")),
            Some(command) => command,
        };
        Ok((command, flags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(words.split_whitespace())
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
            let (command, GlobalFlags { settings, .. }) = parse(words).unwrap().into_command().unwrap();
            assert!(matches!(command, Command::Serve(Serve { daemon: true, detached: false })), "{words}");
            assert!(settings.proxy_only && settings.config == Some("/x.ini".into()), "{words}");
        }
        let (command, _) = parse("proxydhcpd").unwrap().into_command().unwrap();
        assert!(matches!(command, Command::Serve(Serve { daemon: false, .. })));
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
