//! `replay`: prints the stories of the boots in a packet capture.

mod input;

use super::command::{CommandResult, GlobalFlags};
use super::output::{OutputError, print, print_diagnostic};
use crate::boot_files::script::notes::script_notes;
use crate::config::ConfigError;
use crate::events::wall_clock::rfc3339;
use crate::explain::client::Mac;
use crate::story::json::StoryRecord;
use crate::story::render::StoryText;
use clap::Args;
use input::{Input, Pass};
use proxydhcpd_core::identity::MachineKey;
use proxydhcpd_core::replay::{FoundServers, Replay as Rebuild, Survey, local_name};
use proxydhcpd_core::story::{Boot, MachineStory, Stage};
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time without packets of a machine, in milliseconds, after which every verdict is given.
const VERDICT_WAIT: u64 = 60_000;

/// Show the boots in a packet capture
///
/// Reads a capture (pcap or pcapng) from a file or from standard input, and shows each boot in it: when the machine
/// requested what, what a server sent, how far the boot came and, if it failed, why, with the cure: the verdicts that
/// the running server gives. The packets are the evidence: the replies and the files are those that were really sent,
/// and time is that of the capture. The server may be any proxyDHCP server. Nothing is sent.
///
/// Capture on the host of the server, with whole packets: `tcpdump -i eth0 -w boot.pcap`. A request for a file without
/// a reply counts as one that did not reach the server. Some verdicts need a minute without packets of the machine, so
/// let the capture run that long after the failure.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd replay boot.pcap                              show every boot in this capture
  proxydhcpd replay boot.pcap --machine 52:54:00:12:34:56  show the boots of one machine
  proxydhcpd replay boot.pcap --server 192.0.2.10          show the boots from this server
  tcpdump -i eth0 -U -w - | proxydhcpd replay -            show the boots until you stop tcpdump

Exit status: 0 if no boot failed; 1 if a boot failed; 2 if the capture cannot be read.")]
pub struct Replay {
    /// The capture; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The server whose boots to show; repeat it for another address of the server, such as that for IPv6 [default:
    /// every server that answers boot clients and assigns no addresses, or else the one that serves most files]
    #[arg(long, value_name = "ADDRESS")]
    pub server: Vec<IpAddr>,

    /// Show only the machine with this MAC address
    #[arg(long, value_name = "MAC")]
    pub machine: Option<Mac>,

    /// Print JSON: a list of machines with their boots
    #[arg(long)]
    pub json: bool,
}

/// Reads the capture, prints the stories, and returns the exit status.
pub fn run(arguments: &Replay, _flags: &GlobalFlags) -> CommandResult {
    let error = |message: String| {
        let message = format!("cannot read the capture {}: {message}", arguments.file.display());
        ConfigError(vec![Diagnostic::error(message)])
    };
    let mut input = Input::open(&arguments.file).map_err(&error)?;
    let mut survey = Survey::default();
    let pass = input.read(1, |packet| survey.packet(&packet.packet)).map_err(&error)?;
    let servers = survey.servers(&arguments.server);
    let mut replay = rebuild(&servers);
    input.read(2, |packet| replay.packet(packet.at, packet.interface, &packet.packet)).map_err(&error)?;
    replay.finish();
    let clock = |at: u64| wall_clock(replay.wall_clock(at));
    let is_shown = |record: &StoryRecord| {
        arguments
            .machine
            .is_none_or(|mac| record.machine.hardware.as_ref().is_some_and(|known| *known == mac.to_string()))
    };
    let stories = replay.stories();
    let records = stories.iter().map(|(_, story)| StoryRecord::new(story, replay.names(), &clock));
    let records: Vec<StoryRecord> = records.filter(is_shown).collect();
    if arguments.json {
        print(format_args!("{}\n", serde_json::to_string_pretty(&records).unwrap_or_default()))?;
    } else {
        print_stories(&pass, &servers, &records)?;
    }
    warnings(&pass).iter().for_each(print_diagnostic);
    let is_early = |(_, story): &&(MachineKey, &MachineStory)| {
        story.last_boot().is_some_and(|boot| ends_too_early(boot, replay.now()))
    };
    let early = stories.iter().filter(is_early).count();
    if early > 0 && !arguments.json {
        let warning = Diagnostic::warning(format!("the capture ends while {early} of the machines may still boot"));
        print_diagnostic(&warning.help("let it run for a minute after the failure: some verdicts need that time"));
    }
    let has_failed = records.iter().flat_map(|story| &story.boots).any(|boot| boot.verdict.is_some());
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A replay without packets, of the boots from these servers.
pub fn rebuild(servers: &FoundServers) -> Rebuild {
    let addresses = servers.addresses.clone();
    let inspect =
        move |name: &str, text: &[u8]| script_notes(name, name, text, false, |url| local_name(&addresses, url));
    Rebuild::new(servers, Box::new(inspect))
}

/// Whether a boot has no verdict, and ended so shortly before the capture that it may have gone on.
fn ends_too_early(boot: &Boot, end: u64) -> bool {
    boot.verdict.is_none() && !boot.has_reached(Stage::Kernel) && end.saturating_sub(boot.last) < VERDICT_WAIT
}

fn print_stories(pass: &Pass, servers: &FoundServers, records: &[StoryRecord]) -> Result<(), OutputError> {
    let addresses: Vec<String> = servers.addresses.iter().map(ToString::to_string).collect();
    let server = match &addresses[..] {
        [] => "no boot server".to_owned(),
        [server] => format!("server {server}"),
        several => format!("servers {}", several.join(", ")),
    };
    let seconds = Duration::from_nanos(pass.last.saturating_sub(pass.first)).as_secs();
    let began = rfc3339(wall_clock(pass.first));
    print(format_args!("{server}, {} packets in {seconds} s from {began}\n", pass.packets))?;
    for record in records {
        print(format_args!("\n{}", StoryText(record)))?;
    }
    if records.is_empty() {
        print("\nno boot: no machine requested one in this capture\n")?;
    }
    Ok(())
}

/// The parts of the capture that could not be read.
fn warnings(pass: &Pass) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    if let Some(damage) = &pass.damage {
        let warning = Diagnostic::warning(format!("the stories end early: {damage}"));
        warnings.push(warning.help("capture again, and stop tcpdump with Ctrl-C before you copy its file"));
    }
    if pass.unknown_frames > 0 {
        let (frames, link_type) = (pass.unknown_frames, pass.unknown_link_type);
        let warning = Diagnostic::warning(format!("{frames} frames have the unknown link type {link_type}"));
        warnings.push(warning.help("capture on an Ethernet interface, or with `tcpdump -i any`"));
    }
    if pass.cut_frames > 0 {
        let warning = Diagnostic::warning(format!("{} packets were not captured whole", pass.cut_frames));
        warnings.push(warning.help("capture whole packets: `tcpdump -s 0`; scripts in cut packets are not checked"));
    }
    warnings
}

/// A time in nanoseconds since 1970.
fn wall_clock(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}
