//! The file of the history, as its one writer sees it.

use super::row::BootRow;
use super::schema;
use super::stored::{StoredReport, Time};
use proxydhcpd_core::identity::MachineKey;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The permissions of the file: others than the server and its group learn nothing about machines.
const MODE: u32 = 0o640;
/// The largest number of rows that one step removes, so that a step takes milliseconds.
const ROWS_A_STEP: u32 = 200;
/// The largest number of free pages that one step gives back to the file system.
const PAGES_A_STEP: usize = 1000;
/// Reports of a machine with the same words within this time, in milliseconds, are one.
const REPEAT: u64 = 10_000;
/// The cache of pages, in KiB.
const CACHE: i64 = 512;

/// Writes the new state of a boot whose indexed columns are the same.
const UPDATE_BOOT: &str = "UPDATE boots SET last = ?3, is_over = ?4, interface = ?8, profile = ?9, client = ?10,
    method = ?11, stage = ?12, asked = ?13, offered = ?14, loader = ?15, script = ?16, kernel = ?17, system = ?18,
    installed = ?19, judged = ?21, observation = ?22, remedy = ?23, steps = ?24, relay = ?25, uuid = ?26
    WHERE machine = ?1 AND began = ?2 AND hardware IS ?5 AND entry IS ?6 AND address IS ?7 AND verdict IS ?20";
/// Writes a boot, or its new state.
const REPLACE_BOOT: &str =
    "INSERT INTO boots (machine, began, last, is_over, hardware, entry, address, interface, profile, client, method,
    stage, asked, offered, loader, script, kernel, system, installed, verdict, judged, observation, remedy, steps,
    relay, uuid)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
    ?24, ?25, ?26)
    ON CONFLICT (machine, began) DO UPDATE SET last = ?3, is_over = ?4, hardware = ?5, entry = ?6, address = ?7,
    interface = ?8, profile = ?9, client = ?10, method = ?11, stage = ?12, asked = ?13, offered = ?14, loader = ?15,
    script = ?16, kernel = ?17, system = ?18, installed = ?19, verdict = ?20, judged = ?21, observation = ?22,
    remedy = ?23, steps = ?24, relay = ?25, uuid = ?26";

/// The open file.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

/// Writes rows in a transaction.
#[derive(Debug)]
pub struct Rows<'a> {
    transaction: Transaction<'a>,
}

/// Why the file cannot be opened or written.
#[derive(Debug)]
pub enum StoreError {
    /// The file is damaged.
    Damaged(rusqlite::Error),
    /// The file has a schema of this later version.
    Newer(i32),
    /// The file is a database of another program.
    Foreign,
    /// SQLite reports another error.
    Sqlite(rusqlite::Error),
    /// The file or its directory cannot be created.
    Io(io::Error),
}

impl Store {
    /// Opens the file, or creates it, and brings its schema to the present version. Writes to it, so that a disk
    /// without room shows at once.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let path = create(path).map_err(StoreError::Io)?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(&path, flags)?;
        let (version, is_empty) = schema::version(&connection)?;
        if version > schema::VERSION {
            return Err(StoreError::Newer(version));
        }
        if !is_empty && schema::application_id(&connection)? != schema::APPLICATION_ID {
            return Err(StoreError::Foreign);
        }
        if is_empty {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
        connection.pragma_update(None, "cache_size", -CACHE)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        schema::migrate(&mut connection, version)?;
        Ok(Store { connection })
    }

    /// Writes what `write` passes on, in one transaction.
    pub fn write<T>(&mut self, write: impl FnOnce(&Rows<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let rows = Rows { transaction: self.connection.transaction()? };
        let result = write(&rows)?;
        rows.transaction.commit()?;
        Ok(result)
    }

    /// Removes a small part of what began before `oldest`, or what is over `max_size` octets, oldest first. Gives free
    /// room back to the file system. Returns whether there is more to remove.
    pub fn shrink(&mut self, oldest: Time, max_size: u64) -> Result<bool, StoreError> {
        let mut removed = self.remove_before(oldest)?;
        if removed == 0 && self.used_size()? > max_size {
            removed = self.remove_before(Time(u64::MAX))?;
        }
        let free = self.pragma("freelist_count")?;
        if free > 0 {
            let statement = format!("PRAGMA incremental_vacuum({PAGES_A_STEP})");
            let mut statement = self.connection.prepare_cached(&statement)?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        Ok(removed > 0)
    }

    /// The octets in use, without free pages.
    pub fn used_size(&self) -> Result<u64, StoreError> {
        let pages = self.pragma("page_count")?.saturating_sub(self.pragma("freelist_count")?);
        Ok(pages * self.pragma("page_size")?)
    }

    /// Removes the oldest boots and reports of those that began before this time.
    fn remove_before(&mut self, time: Time) -> Result<usize, StoreError> {
        let transaction = self.connection.transaction()?;
        // The oldest boot and the oldest report may be of very different ages: only what is older than the last one of
        // this step goes.
        let last: Option<i64> = transaction
            .prepare_cached(
                "SELECT max(time) FROM (SELECT began AS time FROM boots WHERE began < ?1
                 UNION ALL SELECT time FROM reports WHERE time < ?1 ORDER BY time LIMIT ?2)",
            )?
            .query_row(params![time, ROWS_A_STEP], |row| row.get(0))
            .optional()?
            .flatten();
        let Some(last) = last else { return Ok(0) };
        let boots = transaction.prepare_cached("DELETE FROM boots WHERE began <= ?1")?.execute([last])?;
        let reports = transaction.prepare_cached("DELETE FROM reports WHERE time <= ?1")?.execute([last])?;
        transaction.commit()?;
        Ok(boots + reports)
    }

    fn pragma(&self, name: &str) -> Result<u64, StoreError> {
        let value: i64 = self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
        Ok(u64::try_from(value).unwrap_or_default())
    }
}

/// Creates the file if it is missing, and returns its path without links in its directory.
fn create(path: &Path) -> io::Result<PathBuf> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let path = directory.canonicalize()?.join(path.file_name().unwrap_or_default());
    match File::options().write(true).create_new(true).mode(MODE).open(&path) {
        // The umask may have removed the permissions of the group.
        Ok(file) => file.set_permissions(Permissions::from_mode(MODE))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(path)
}

impl Rows<'_> {
    /// Writes a boot.
    pub fn write_boot(&self, row: &BootRow) -> rusqlite::Result<()> {
        // The indexed columns of a known boot seldom change, and SQLite spares the indexes of columns that it does not
        // set.
        if !(row.is_known && self.execute(UPDATE_BOOT, row)? > 0) {
            self.execute(REPLACE_BOOT, row)?;
        }
        Ok(())
    }

    fn execute(&self, statement: &str, row: &BootRow) -> rusqlite::Result<usize> {
        let [asked, offered, loader, script, kernel, system, installed] = row.stages;
        self.transaction.prepare_cached(statement)?.execute(params![
            row.machine,
            row.began,
            row.last,
            row.is_over,
            some(&row.hardware),
            some(&row.entry),
            some(&row.address),
            some(&row.interface),
            some(&row.profile),
            some(&row.client),
            some(&row.method),
            some(&row.stage),
            asked,
            offered,
            loader,
            script,
            kernel,
            system,
            installed,
            some(&row.verdict),
            row.judged,
            some(&row.observation),
            some(&row.remedy),
            str::from_utf8(&row.steps).unwrap_or("[]"),
            some(&row.relay),
            some(&row.uuid),
        ])
    }

    /// Adds a report, or counts it as a repeat.
    pub fn add_report(&self, report: &StoredReport) -> rusqlite::Result<()> {
        let since = Time(report.time.0.saturating_sub(REPEAT));
        let mut repeat = self.transaction.prepare_cached(
            "UPDATE reports SET times = times + 1 WHERE id = (SELECT id FROM reports
             WHERE machine = ?1 AND time >= ?2 AND kind = ?3 AND text = ?4 ORDER BY time DESC LIMIT 1)",
        )?;
        if repeat.execute(params![report.machine, since, report.kind, report.text])? > 0 {
            return Ok(());
        }
        let mut add = self.transaction.prepare_cached(
            "INSERT INTO reports (machine, entry, address, time, times, kind, severity, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        add.execute(params![
            report.machine,
            report.entry,
            report.address,
            report.time,
            report.times,
            report.kind,
            report.severity,
            report.text,
        ])?;
        Ok(())
    }

    /// Removes the boot of this machine that began at this time.
    pub fn remove_boot(&self, machine: MachineKey, began: Time) -> rusqlite::Result<()> {
        let statement = "DELETE FROM boots WHERE machine = ?1 AND began = ?2";
        self.transaction.prepare_cached(statement)?.execute(params![machine.to_string(), began])?;
        Ok(())
    }
}

/// The text; `None` if it is empty.
fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Whether an error shows that the file is damaged, or is no database.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { StoreError::Damaged(error) } else { StoreError::Sqlite(error) }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Damaged(error) | StoreError::Sqlite(error) => error.fmt(f),
            StoreError::Newer(version) => write!(
                f,
                "its version {version} is that of a later proxydhcpd, and this one knows version {}: update \
                 proxydhcpd, or move the file away",
                schema::VERSION
            ),
            StoreError::Foreign => f.write_str("it is a database of another program: move it away"),
            StoreError::Io(error) => error.fmt(f),
        }
    }
}
