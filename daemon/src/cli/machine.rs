//! `machine`: the entries that the server itself keeps.

use super::command::{CommandError, CommandResult, GlobalFlags};
use super::control_client::{ControlClient, json};
use super::output::print;
use super::watch::percent_encoded;
use crate::api::{EntryRecord, EntrySource, SeenEntryRequest};
use crate::edits::EntrySettings;
use clap::{Args, Subcommand};
use hyper::Method;
use hyper::header::{IF_MATCH, IF_NONE_MATCH};
use serde_json::Value;
use std::process::ExitCode;

/// Add, change and remove entries of machines that the server keeps
///
/// The server keeps these entries in its state directory, and applies a change at once. It does not change an entry
/// that a person wrote into the configuration or into a machine file.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd machine add lab3 --mac 52:54:00:12:34:56 --profile debian --boot once
  proxydhcpd machine add lab4 --from 192.0.2.107 --profile debian
                                                          from a machine that booted
  proxydhcpd machine edit lab3 --set disk=/dev/nvme0n1    set a variable for templates
  proxydhcpd machine edit lab3 --boot ''                  remove a setting
  proxydhcpd machine show lab3                            show any entry, also one in a file
  proxydhcpd machine remove lab3

Exit status: 0 on success; 1 if the server does not run, or refuses; 2 for wrong usage.")]
pub struct Machine {
    #[command(subcommand)]
    command: MachineCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum MachineCommand {
    /// Add an entry
    Add {
        /// The name of the machine; with --from, the default is its MAC address with hyphens
        #[arg(required_unless_present = "from")]
        name: Option<String>,

        /// Take the MAC address and the UUID of this machine that booted: its MAC address or its IP address
        #[arg(long, value_name = "MACHINE", conflicts_with_all = ["mac", "uuid"])]
        from: Option<String>,

        #[command(flatten)]
        changes: Changes,
    },
    /// Change the stated settings of an entry
    Edit {
        /// The name of the machine
        name: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Remove an entry, with the boot order of the machine
    Remove {
        /// The name of the machine
        name: String,
    },
    /// Show an entry, and who keeps it
    Show {
        /// The name of the machine
        name: String,
        /// Print JSON: the resource /api/v1/machines/NAME/entry
        #[arg(long)]
        json: bool,
    },
}

/// The settings to change. An empty value removes a setting.
#[derive(Args, Clone, Debug)]
struct Changes {
    /// A MAC address of the machine; repeat the flag for several, which replace all earlier ones
    #[arg(long)]
    mac: Vec<String>,

    /// The UUID of the machine, as its firmware setup shows it
    #[arg(long)]
    uuid: Option<String>,

    /// The serial number of the machine
    #[arg(long)]
    serial: Option<String>,

    /// The name of its profile
    #[arg(long)]
    profile: Option<String>,

    /// When it boots the profile: always, once or never
    #[arg(long)]
    boot: Option<String>,

    /// A variable for templates, as text; an empty value removes it
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_variable)]
    set: Vec<(String, String)>,
}

/// Asks the running server.
pub fn run(arguments: &Machine, flags: &GlobalFlags) -> CommandResult {
    let client = ControlClient::new(flags)?;
    match &arguments.command {
        MachineCommand::Add { name, from: Some(machine), changes } => {
            let mut settings = EntrySettings::default();
            changes.apply(&mut settings);
            let EntrySettings { profile, boot, serial, variables, .. } = settings;
            let request = SeenEntryRequest { name: name.clone(), profile, boot, serial, variables };
            let entry: EntryRecord = client.send(Method::POST, &resource(machine), &request)?;
            print(format_args!("the server keeps the entry {}\n", entry.name))?;
        }
        MachineCommand::Add { name, from: None, changes } => {
            let name = name.as_deref().unwrap_or_default();
            let mut settings = EntrySettings::default();
            changes.apply(&mut settings);
            client.send_if::<Value>(Method::PUT, &resource(name), &[(IF_NONE_MATCH, "*")], &settings)?;
            print(format_args!("the server keeps the entry {name}\n"))?;
        }
        MachineCommand::Edit { name, changes } => {
            edit(&client, name, changes)?;
            print(format_args!("the entry {name} has changed\n"))?;
        }
        MachineCommand::Remove { name } => {
            client.send::<Value>(Method::DELETE, &resource(name), &Value::Null)?;
            print(format_args!("the entry {name} is removed\n"))?;
        }
        MachineCommand::Show { name, json: as_json } => {
            let record: EntryRecord = client.get(&resource(name))?;
            match as_json {
                true => print(format_args!("{}\n", json(&record)))?,
                false => print(text(&record))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes the entry as it was read. The server refuses the change if another person changed the entry meanwhile.
fn edit(client: &ControlClient, name: &str, changes: &Changes) -> Result<(), CommandError> {
    let EntryRecord { etag, mut settings, .. } = client.get(&resource(name))?;
    changes.apply(&mut settings);
    client.send_if::<Value>(Method::PUT, &resource(name), &[(IF_MATCH, &etag)], &settings)?;
    Ok(())
}

fn resource(name: &str) -> String {
    format!("/api/v1/machines/{}/entry", percent_encoded(name))
}

/// The entry as a file of machines has it, after a line about who keeps it.
fn text(EntryRecord { name, source, place, settings, .. }: &EntryRecord) -> String {
    let keeper = match (source, place) {
        (EntrySource::Server, _) => "the server keeps this entry".to_owned(),
        (EntrySource::File, Some(place)) => format!("a person wrote this entry: {place}"),
        (EntrySource::File, None) => "a person wrote this entry".to_owned(),
    };
    format!("# {keeper}\n{}", settings.to_toml(name))
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("state a variable as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Changes {
    fn apply(&self, settings: &mut EntrySettings) {
        if !self.mac.is_empty() {
            settings.mac = self.mac.iter().filter(|mac| !mac.is_empty()).cloned().collect();
        }
        set(&mut settings.uuid, &self.uuid);
        set(&mut settings.serial, &self.serial);
        set(&mut settings.profile, &self.profile);
        set(&mut settings.boot, &self.boot);
        for (key, value) in &self.set {
            match value.is_empty() {
                true => drop(settings.variables.remove(key)),
                false => drop(settings.variables.insert(key.clone(), Value::String(value.clone()))),
            }
        }
    }
}

/// Replaces a setting if there is a new value. An empty value removes it.
fn set(setting: &mut Option<String>, value: &Option<String>) {
    if let Some(value) = value {
        *setting = Some(value.clone()).filter(|value| !value.is_empty());
    }
}
