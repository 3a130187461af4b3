//! `story`: the boots of one machine, step by step, and why one failed.

use super::command::{CommandResult, GlobalFlags};
use super::control_client::{ControlClient, ControlError, json};
use super::output::{OutputError, print, print_diagnostic};
use super::watch::percent_encoded;
use crate::story::json::StoryRecord;
use crate::story::render::StoryText;
use clap::Args;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// How often `--follow` asks for the story.
const PAUSE: Duration = Duration::from_millis(500);

/// Show what a machine did at each of its boots, and why one failed
///
/// Each boot has its steps with their times, as the server saw them, and the stages that it reached: asked, offered,
/// loader, script, kernel, system, installed. A boot that failed ends in a sentence that states what the server saw,
/// and what to do. Without a proof, there is no such sentence.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd story 52:54:00:12:34:56      the boots of this machine
  proxydhcpd story web1 --follow          what it does, while it boots
  proxydhcpd story web1 --earlier 100     and its boots of the last weeks, from the history
  proxydhcpd story 192.0.2.50 --json      for a program, by its address

Exit status: 0 on success; 1 if the server does not know the machine, does not run or may not be asked.")]
pub struct Story {
    /// The machine: its MAC address, the name of its entry, or its IP address
    #[arg(value_name = "MACHINE")]
    pub machine: String,

    /// Show only the last boot
    #[arg(long, conflicts_with = "earlier")]
    pub last: bool,

    /// Show this number of earlier boots from the history, too
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub earlier: usize,

    /// Go on, and show each step as it happens
    #[arg(short, long)]
    pub follow: bool,

    /// Print JSON: the resource /api/v1/machines/MACHINE/story; with --follow, in one line at each change
    #[arg(long)]
    pub json: bool,
}

/// Prints the story.
pub fn run(arguments: &Story, flags: &GlobalFlags) -> CommandResult {
    let client = ControlClient::new(flags)?;
    if arguments.follow {
        return follow(arguments, &client);
    }
    let story = request(arguments, &client)?;
    match arguments.json {
        true => print(format_args!("{}\n", json(&story)))?,
        false => print(StoryText(&story))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn request(arguments: &Story, client: &ControlClient) -> Result<StoryRecord, ControlError> {
    let machine = percent_encoded(&arguments.machine);
    let resource = format!("/api/v1/machines/{machine}/story?earlier={}", arguments.earlier);
    let mut story = client.get::<StoryRecord>(&resource)?;
    if arguments.last {
        let earlier = story.boots.len().saturating_sub(1);
        story.boots.drain(..earlier);
    }
    Ok(story)
}

/// Prints what is new in the story, until ^C. A machine that has not booted yet may boot later, and a server that has
/// ended may come back.
fn follow(arguments: &Story, client: &ControlClient) -> CommandResult {
    let mut printed = BTreeSet::new();
    let mut last = None;
    // Whether the server has answered once, and whether the user has read what the command waits for.
    let (mut was_answered, mut is_announced) = (false, false);
    loop {
        match request(arguments, client) {
            Ok(story) => {
                (was_answered, is_announced) = (true, false);
                if last.as_ref() != Some(&story) {
                    match arguments.json {
                        true => print(format_args!("{}\n", serde_json::to_string(&story).unwrap_or_default()))?,
                        false => print_new_lines(&story, &mut printed)?,
                    }
                    last = Some(story);
                }
            }
            Err(error) if error.is_unknown || error.is_temporary && was_answered => {
                was_answered = true;
                if !is_announced {
                    print_diagnostic(&waiting(arguments, error));
                }
                is_announced = true;
            }
            Err(error) => return Err(error.into()),
        }
        thread::sleep(PAUSE);
    }
}

/// The warning that the command waits.
fn waiting(arguments: &Story, error: ControlError) -> Diagnostic {
    let message = match error.is_unknown {
        true => format!("no boot of {} is known yet", arguments.machine),
        false => error.diagnostic.message,
    };
    Diagnostic::warning(message).help("waiting for it; ^C ends this command")
}

/// Prints the lines of the story that were not printed before.
fn print_new_lines(story: &StoryRecord, printed: &mut BTreeSet<String>) -> Result<(), OutputError> {
    for boot in &story.boots {
        let single = StoryRecord { boots: vec![boot.clone()], ..story.clone() };
        for line in StoryText(&single).to_string().lines() {
            if printed.insert(format!("{}{line}", boot.began)) {
                print(format_args!("{line}\n"))?;
            }
        }
    }
    Ok(())
}
