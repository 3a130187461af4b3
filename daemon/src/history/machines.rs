//! Reads the machines of the history, each with its last boot.

use super::conditions::{MachineConditions, MachineFacts};
use super::query::{HistoryError, connect, read_boot};
use super::stored::{StoredMachine, StoredMachines, Time};
use crate::vendors::vendor;
use proxydhcpd_reading::identifiers::parse_any_mac;
use rusqlite::{Connection, Row, named_params, params};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

/// Chooses machines.
#[derive(Clone, Debug, Default)]
pub struct MachineFilter {
    /// The machines to leave out, by [`super::StoredBoot::machine`].
    pub without: BTreeSet<String>,
    /// The one machine to choose, by [`super::StoredBoot::machine`]; `None`: any.
    pub only: Option<String>,
    /// The conditions that machines meet with their last boot.
    pub conditions: MachineConditions,
    /// The number of machines to skip.
    pub offset: usize,
    /// The largest number of machines.
    pub limit: usize,
}

/// A machine, its last boot, and the number of its boots.
struct LastBoot {
    machine: String,
    began: Time,
    boots: u32,
}

/// The last boot of each machine. The unique index has all of this.
const LATEST: &str = "SELECT machine, max(began) AS began, count(*) AS number FROM boots GROUP BY machine";
/// The last boots with what the conditions are about. NULL for a condition: it does not apply.
const LATEST_THAT_MATCH: &str = "SELECT latest.machine, latest.began, latest.number,
    boots.hardware, boots.entry, boots.address, boots.relay, boots.profile, boots.verdict
    FROM (SELECT machine, max(began) AS began, count(*) AS number FROM boots GROUP BY machine) AS latest
    JOIN boots ON boots.machine = latest.machine AND boots.began = latest.began
    WHERE (:failed = 0 OR boots.verdict IS NOT NULL) AND (:relay IS NULL OR boots.relay = :relay)
    AND (:profile IS NULL OR boots.profile = :profile) AND (:verdict IS NULL OR boots.verdict = :verdict)
    ORDER BY latest.began DESC, latest.machine";

/// The machines of a filter, the one with the latest boot first.
pub fn machines(path: &Path, filter: &MachineFilter) -> Result<StoredMachines, HistoryError> {
    read_at_once(path, |connection| {
        let (last, total) = last_boots(connection, filter)?;
        let mut statement = connection.prepare("SELECT * FROM boots WHERE machine = ?1 AND began = ?2")?;
        let mut machines = Vec::with_capacity(last.len());
        for LastBoot { machine, began, boots } in last {
            let last_boot = statement.query_row(params![machine, began], read_boot)?;
            machines.push(StoredMachine { boots, last_boot });
        }
        Ok(StoredMachines { machines, total })
    })
}

/// The machines of a filter by their hardware address or, without one, by [`super::StoredBoot::machine`].
pub fn identifiers(path: &Path, filter: &MachineFilter) -> Result<Vec<String>, HistoryError> {
    read_at_once(path, |connection| {
        let (last, _) = last_boots(connection, filter)?;
        let mut statement = connection.prepare("SELECT hardware FROM boots WHERE machine = ?1 AND began = ?2")?;
        let identifier = |LastBoot { machine, began, .. }: LastBoot| {
            let hardware: Option<String> = statement.query_row(params![machine, began], |row| row.get(0))?;
            Ok(hardware.unwrap_or(machine))
        };
        last.into_iter().map(identifier).collect()
    })
}

/// Reads with one view of the file: its writer may remove a boot between two statements.
fn read_at_once<T>(path: &Path, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, HistoryError> {
    let read = |mut connection: Connection| read(&*connection.transaction()?);
    connect(path).and_then(read).map_err(HistoryError::Unreadable)
}

/// The last boots of the machines of a filter, and the number of all machines that match.
fn last_boots(connection: &Connection, filter: &MachineFilter) -> rusqlite::Result<(Vec<LastBoot>, usize)> {
    let conditions = &filter.conditions;
    let mut choice = Choice { filter, last: Vec::new(), total: 0 };
    if *conditions == MachineConditions::default() {
        let mut statement = connection.prepare(&format!("{LATEST} ORDER BY began DESC, machine"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            choice.add(row)?;
        }
    } else {
        let mut statement = connection.prepare(LATEST_THAT_MATCH)?;
        let mut rows = statement.query(named_params! {
            ":failed": conditions.failed,
            ":relay": conditions.relay.map(|relay| relay.to_string()),
            ":profile": conditions.profile,
            ":verdict": conditions.verdict,
        })?;
        while let Some(row) = rows.next()? {
            if meets(row, conditions)? {
                choice.add(row)?;
            }
        }
    }
    Ok((choice.last, choice.total))
}

/// Whether the machine of a row meets the conditions, of which SQLite has no equivalent for some.
fn meets(row: &Row<'_>, conditions: &MachineConditions) -> rusqlite::Result<bool> {
    let known = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()?);
    let text = |column| known(column).map(Option::unwrap_or_default);
    let address = |column| text(column).map(|text| text.parse::<IpAddr>().ok());
    let hardware = text("hardware")?;
    Ok(conditions.admit(&MachineFacts {
        hardware,
        entry: text("entry")?,
        vendor: parse_any_mac(hardware).and_then(vendor).unwrap_or_default(),
        address: address("address")?,
        relay: address("relay")?,
        profile: text("profile")?,
        verdict: known("verdict")?,
    }))
}

/// Collects the page of a filter.
struct Choice<'a> {
    filter: &'a MachineFilter,
    last: Vec<LastBoot>,
    total: usize,
}

impl Choice<'_> {
    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let MachineFilter { without, only, offset, limit, .. } = self.filter;
        let machine: String = row.get(0)?;
        if without.contains(&machine) || only.as_ref().is_some_and(|only| *only != machine) {
            return Ok(());
        }
        if self.total >= *offset && self.last.len() < *limit {
            self.last.push(LastBoot { machine, began: row.get(1)?, boots: row.get(2)? });
        }
        self.total += 1;
        Ok(())
    }
}
