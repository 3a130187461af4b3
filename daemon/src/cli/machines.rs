//! `machines`: the machines that booted, as the server remembers them or as its history has them.

use super::command::{CommandResult, GlobalFlags};
use super::control_client::show;
use super::machine_flags::{MachineFlags, query};
use crate::api::{MachinePage, MachineSummary};
use crate::story::json::MachineRecord;
use clap::{Args, value_parser};
use owo_colors::OwoColorize;
use std::fmt::{self, Display};

/// Show the machines that booted, and how far each came
///
/// One line for each machine, the latest first: its last boot, the furthest stage of it (asked, offered, loader,
/// script, kernel, system, installed), and why it failed, if that is proven. Machines that have not requested a boot
/// since the server started are from the history.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd machines                          all machines that the server or its history knows
  proxydhcpd machines --failed                 only those whose last boot failed
  proxydhcpd machines --subnet 192.0.2.0/24    only those in this network
  proxydhcpd machines --search dell            only those with this text in their MAC address, name,
                                               IP address or vendor
  proxydhcpd machines --json | jq .machines    for a program

Exit status: 0 on success; 1 if the server does not run or this user may not ask it.")]
pub struct Machines {
    #[command(flatten)]
    pub only: MachineFlags,

    /// Only machines whose last boot had this profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// Show at most this number of machines, at most 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = value_parser!(u64).range(..=1000))]
    pub limit: u64,

    /// Skip this number of machines
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub offset: u64,

    /// Print JSON: the resource /api/v1/machines
    #[arg(long)]
    pub json: bool,
}

/// Prints the machines.
pub fn run(arguments: &Machines, flags: &GlobalFlags) -> CommandResult {
    let Machines { only, profile, limit, offset, json } = arguments;
    let query = query(&only.conditions(profile));
    let resource = format!("/api/v1/machines?{query}&limit={limit}&offset={offset}");
    let skipped = usize::try_from(*offset).unwrap_or(usize::MAX);
    show(flags, &resource, *json, |page: &MachinePage| Text { page, skipped }.to_string())
}

/// The machines as text.
struct Text<'a> {
    page: &'a MachinePage,
    /// The number of machines before this page.
    skipped: usize,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MachinePage { machines, total } = self.page;
        machines.iter().try_for_each(|machine| write_machine(f, machine))?;
        match total.saturating_sub(self.skipped.saturating_add(machines.len())) {
            0 if *total == 0 => writeln!(f, "no such machine has requested a boot"),
            0 => Ok(()),
            more => writeln!(f, "and {more} more: see --limit and --offset"),
        }
    }
}

fn write_machine(f: &mut fmt::Formatter<'_>, machine: &MachineSummary) -> fmt::Result {
    let MachineSummary { id, machine: MachineRecord { entry, vendor, relay, .. }, last_boot, is_remembered, .. } =
        machine;
    let began = last_boot.began.get(.."2026-01-01T00:00:00".len()).unwrap_or(&last_boot.began);
    let name = entry.as_ref().map(|entry| format!(" {entry}")).unwrap_or_default();
    let vendor = vendor.as_ref().map(|vendor| format!(" ({vendor})")).unwrap_or_default();
    let client = last_boot.client.as_deref().unwrap_or_default();
    let stage = last_boot.stage.as_deref().unwrap_or("-");
    write!(f, "{began}Z  {}{name}{vendor}  {client}  {}", id.bold(), stage.green())?;
    if let Some(relay) = relay {
        write!(f, "  by the relay {relay}")?;
    }
    if !is_remembered {
        write!(f, "  (from the history)")?;
    }
    match &last_boot.verdict {
        Some(verdict) => writeln!(f, "  {} {} ({})", "failed:".red(), verdict.observation, verdict.code),
        None => writeln!(f),
    }
}
