//! The tables of the history. `user_version` has the version of the schema; each version has the statements that make
//! it from the one before.

use rusqlite::Connection;

/// `application_id`, by which `file` and this server know the file: "PXEh".
pub const APPLICATION_ID: i32 = 0x5058_4568;

/// The statements that make each version from the one before; the first makes version 1 from an empty file. Add a row,
/// never change one.
const MIGRATIONS: &[&str] = &[FIRST_VERSION, RELAYS_AND_UUIDS];

/// Makes version 1.
pub const FIRST_VERSION: &str = "
CREATE TABLE boots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    machine TEXT NOT NULL,
    hardware TEXT,
    entry TEXT,
    address TEXT,
    interface TEXT,
    profile TEXT,
    client TEXT,
    method TEXT,
    -- Times are milliseconds since 1970-01-01 UTC.
    began INTEGER NOT NULL,
    last INTEGER NOT NULL,
    is_over INTEGER NOT NULL,
    stage TEXT,
    asked INTEGER,
    offered INTEGER,
    loader INTEGER,
    script INTEGER,
    kernel INTEGER,
    system INTEGER,
    installed INTEGER,
    verdict TEXT,
    judged INTEGER,
    observation TEXT,
    remedy TEXT,
    -- A JSON array of objects.
    steps TEXT NOT NULL,
    UNIQUE (machine, began)
) STRICT;
CREATE INDEX boots_by_time ON boots (began);
-- Of most machines, it is the text in `machine`.
CREATE INDEX boots_by_hardware ON boots (hardware, began) WHERE hardware <> machine;
CREATE INDEX boots_by_entry ON boots (entry, began) WHERE entry IS NOT NULL;
CREATE INDEX boots_by_address ON boots (address, began) WHERE address IS NOT NULL;
CREATE INDEX boots_by_verdict ON boots (verdict, began) WHERE verdict IS NOT NULL;
CREATE TABLE reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    machine TEXT NOT NULL,
    entry TEXT,
    address TEXT,
    time INTEGER NOT NULL,
    times INTEGER NOT NULL,
    kind TEXT NOT NULL,
    severity INTEGER,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX reports_by_machine ON reports (machine, time);
CREATE INDEX reports_by_time ON reports (time);
";

/// Makes version 2.
const RELAYS_AND_UUIDS: &str = "
ALTER TABLE boots ADD COLUMN relay TEXT;
ALTER TABLE boots ADD COLUMN uuid TEXT;
";

/// The version of the schema that this server writes.
pub const VERSION: i32 = MIGRATIONS.len() as i32;

/// The present version of a file's schema, and whether the file is empty.
pub fn version(connection: &Connection) -> rusqlite::Result<(i32, bool)> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((version, tables == 0))
}

/// The `application_id` of a file.
pub fn application_id(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Makes the present schema from that of this version.
pub fn migrate(connection: &mut Connection, from: i32) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for statements in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or_default()) {
        transaction.execute_batch(statements)?;
    }
    // Written at each start, so that a full disk shows before any boot is lost.
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
