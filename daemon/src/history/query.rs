//! Reads the history, over a connection that only reads.

use super::stored::{StoredBoot, StoredReport, Time};
use crate::story::json::{BootRecord, StageRecord, VerdictRecord};
use proxydhcpd_core::story::{Stage, VerdictCode};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OpenFlags, Row};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// The longest wait for a lock of the file.
const WAIT: Duration = Duration::from_secs(1);
/// The largest number of rows of an answer.
const MAX_ROWS: usize = 1000;

/// Chooses boots. The default chooses all.
#[derive(Clone, Debug, Default)]
pub struct BootFilter {
    /// The machine: its hardware address, the name of its entry, its IP address, or [`StoredBoot::machine`].
    pub machine: Option<String>,
    /// The machine, only by [`StoredBoot::machine`]: other machines may have had its IP address.
    pub key: Option<String>,
    /// The earliest begin.
    pub since: Option<Time>,
    /// The latest begin.
    pub until: Option<Time>,
    /// The verdict.
    pub verdict: Option<VerdictFilter>,
    /// The largest number of boots, at most 1000. `None`: 1000.
    pub limit: Option<usize>,
    /// The number of a boot: only boots that began before it, for the next page.
    pub before: Option<i64>,
}

/// Chooses boots by their verdict.
#[derive(Clone, Debug)]
pub enum VerdictFilter {
    /// Boots that failed.
    Any,
    /// Boots that failed in this way: the stable name of the verdict.
    Code(String),
}

/// Chooses reports. The default chooses all.
#[derive(Clone, Debug, Default)]
pub struct ReportFilter {
    /// The machine: the name of its entry, its IP address, or [`StoredReport::machine`].
    pub machine: Option<String>,
    /// The earliest time.
    pub since: Option<Time>,
    /// The latest time.
    pub until: Option<Time>,
    /// The largest number of reports, at most 1000. `None`: 1000.
    pub limit: Option<usize>,
    /// The number of a report: only earlier ones, for the next page.
    pub before: Option<i64>,
}

/// Why the history cannot be read.
#[derive(Debug)]
pub enum HistoryError {
    /// The configuration turns the history off.
    Off,
    /// The file cannot be read.
    Unreadable(rusqlite::Error),
}

/// The conditions of a query, with their values.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<(&'static str, Box<dyn ToSql>)>,
}

impl Conditions {
    /// Adds a condition, if there is a value for its parameter.
    fn add<T: ToSql + 'static>(&mut self, condition: &str, parameter: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.text += if self.text.is_empty() { " WHERE " } else { " AND " };
            self.text += condition;
            self.values.push((parameter, Box::new(value)));
        }
    }

    fn query<T>(
        &self,
        path: &Path,
        statement: &str,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let connection = connect(path)?;
        let values: Vec<(&str, &dyn ToSql)> = self.values.iter().map(|(name, value)| (*name, &**value)).collect();
        connection.prepare(statement)?.query_map(&values[..], read)?.collect()
    }
}

/// A connection to the file that only reads.
pub fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(WAIT)?;
    Ok(connection)
}

/// The boots of a filter, the latest first.
pub fn boots(path: &Path, filter: &BootFilter) -> Result<Vec<StoredBoot>, HistoryError> {
    let (conditions, statement) = boots_statement(filter);
    conditions.query(path, &statement, read_boot).map_err(HistoryError::Unreadable)
}

fn boots_statement(filter: &BootFilter) -> (Conditions, String) {
    let mut conditions = Conditions::default();
    let is_machine = "(machine IN (:machine, lower(:machine)) OR (hardware <> machine AND hardware = lower(:machine)) \
         OR entry = :machine OR address = lower(:machine))";
    conditions.add(is_machine, ":machine", filter.machine.clone());
    conditions.add("machine = :key", ":key", filter.key.clone());
    conditions.add("began >= :since", ":since", filter.since);
    conditions.add("began <= :until", ":until", filter.until);
    match &filter.verdict {
        None => {}
        Some(VerdictFilter::Any) => conditions.add("verdict >= :verdict", ":verdict", Some("")),
        Some(VerdictFilter::Code(code)) => conditions.add("verdict = :verdict", ":verdict", Some(code.clone())),
    }
    conditions.add("(began, id) < (SELECT began, id FROM boots WHERE id = :before)", ":before", filter.before);
    let limit = filter.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS);
    let statement = format!("SELECT * FROM boots{} ORDER BY began DESC, id DESC LIMIT {limit}", conditions.text);
    (conditions, statement)
}

/// The steps of SQLite for the boots of a filter.
#[cfg(test)]
pub fn plan(path: &Path, filter: &BootFilter) -> Vec<String> {
    let (conditions, statement) = boots_statement(filter);
    let statement = format!("EXPLAIN QUERY PLAN {statement}");
    conditions.query(path, &statement, |row| row.get("detail")).unwrap()
}

/// The reports of a filter, the latest first.
pub fn reports(path: &Path, filter: &ReportFilter) -> Result<Vec<StoredReport>, HistoryError> {
    let mut conditions = Conditions::default();
    conditions.add(
        "(machine IN (:machine, lower(:machine)) OR entry = :machine OR address = lower(:machine))",
        ":machine",
        filter.machine.clone(),
    );
    conditions.add("time >= :since", ":since", filter.since);
    conditions.add("time <= :until", ":until", filter.until);
    conditions.add("(time, id) < (SELECT time, id FROM reports WHERE id = :before)", ":before", filter.before);
    let limit = filter.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS);
    let statement = format!(
        "SELECT id, machine, entry, address, time, times, kind, severity, text FROM reports{} \
         ORDER BY time DESC, id DESC LIMIT {limit}",
        conditions.text
    );
    conditions.query(path, &statement, read_report).map_err(HistoryError::Unreadable)
}

/// A row of the table of boots.
pub fn read_boot(row: &Row<'_>) -> rusqlite::Result<StoredBoot> {
    let (began, last, judged): (Time, Time, Option<Time>) = (row.get("began")?, row.get("last")?, row.get("judged")?);
    let mut stages = Vec::new();
    for stage in Stage::ALL {
        if let Some(time) = row.get::<_, Option<Time>>(stage.name())? {
            let after_ms = u32::try_from(time.0.saturating_sub(began.0)).unwrap_or(u32::MAX);
            stages.push(StageRecord { name: stage.name().to_owned(), at: time.rfc3339(), after_ms });
        }
    }
    let steps: String = row.get("steps")?;
    let record = BootRecord {
        began: began.rfc3339(),
        last: last.rfc3339(),
        client: row.get("client")?,
        method: row.get("method")?,
        interface: row.get("interface")?,
        profile: row.get("profile")?,
        stage: row.get("stage")?,
        stages,
        // A later version of the program may have steps that this one does not know.
        steps: serde_json::from_str(&steps).unwrap_or_default(),
        verdict: read_verdict(row, judged.unwrap_or(last))?,
    };
    Ok(StoredBoot {
        id: row.get("id")?,
        machine: row.get("machine")?,
        hardware: row.get("hardware")?,
        entry: row.get("entry")?,
        address: row.get("address")?,
        relay: row.get("relay")?,
        uuid: row.get("uuid")?,
        is_over: row.get("is_over")?,
        began,
        last,
        judged,
        record,
    })
}

fn read_verdict(row: &Row<'_>, judged: Time) -> rusqlite::Result<Option<VerdictRecord>> {
    let Some(code) = row.get::<_, Option<String>>("verdict")? else { return Ok(None) };
    let text = |column| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    let title = VerdictCode::from_id(&code).map(|code| code.row().title).unwrap_or_default().to_owned();
    let (observation, remedy) = (text("observation")?, text("remedy")?);
    Ok(Some(VerdictRecord { at: judged.rfc3339(), code, title, observation, remedy }))
}

fn read_report(row: &Row<'_>) -> rusqlite::Result<StoredReport> {
    Ok(StoredReport {
        id: row.get(0)?,
        machine: row.get(1)?,
        entry: row.get(2)?,
        address: row.get(3)?,
        time: row.get(4)?,
        times: row.get(5)?,
        kind: row.get::<_, String>(6)?.into(),
        severity: row.get(7)?,
        text: row.get(8)?,
    })
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HistoryError::Off => f.write_str("the history of boots is off: set `enabled = true` in [history]"),
            HistoryError::Unreadable(error) => write!(f, "cannot read the history of boots: {error}"),
        }
    }
}

impl std::error::Error for HistoryError {}
