//! The values of the history, as the file and the API have them.

use crate::events::wall_clock::rfc3339;
use crate::story::json::{BootRecord, MachineRecord};
use crate::vendors::vendor;
use proxydhcpd_reading::identifiers::parse_any_mac;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use utoipa::ToSchema;

/// A time, in milliseconds since 1970-01-01 UTC. JSON has it as in RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

/// A boot of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoredBoot {
    /// The number of the boot in the history; 0 before it is stored.
    pub id: i64,
    /// The machine: its hardware address, `DUID` and the end of its DUID, its UUID or, if it showed nothing else, its
    /// IP address.
    pub machine: String,
    /// The hardware address; absent if no packet shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// The name of the machine's entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The last known IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The address of the relay through which it requested the boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// Its UUID, unless that is a placeholder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Whether the machine has begun another boot after this one.
    pub is_over: bool,
    /// The time of the first step.
    #[serde(skip)]
    pub began: Time,
    /// The time of the last step so far.
    #[serde(skip)]
    pub last: Time,
    /// The time of the verdict.
    #[serde(skip)]
    pub judged: Option<Time>,
    /// The boot, as the story of the machine shows it.
    #[serde(flatten)]
    pub record: BootRecord,
}

impl StoredBoot {
    /// The machine.
    pub fn machine_record(&self) -> MachineRecord {
        let StoredBoot { hardware, address, entry, relay, uuid, .. } = self.clone();
        let vendor = hardware.as_deref().and_then(parse_any_mac).and_then(vendor).map(str::to_owned);
        MachineRecord { hardware, address, entry, vendor, relay, uuid }
    }
}

/// A machine and its last boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMachine {
    /// The number of its boots in the history.
    pub boots: u32,
    /// The last one.
    pub last_boot: StoredBoot,
}

/// A page of the list of machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredMachines {
    /// The machines, the one with the latest boot first.
    pub machines: Vec<StoredMachine>,
    /// The number of all machines that match.
    pub total: usize,
}

/// A report of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoredReport {
    /// The number of the report in the history; 0 before it is stored.
    pub id: i64,
    /// The machine, as in [`StoredBoot::machine`].
    pub machine: String,
    /// The name of the machine's entry.
    pub entry: Option<String>,
    /// The IP address.
    pub address: Option<String>,
    /// The time. Of repeats within ten seconds, that of the first.
    #[schema(value_type = String, format = DateTime)]
    pub time: Time,
    /// The number of repeats within ten seconds, the first included.
    pub times: u32,
    /// The kind of report: `progress`, `installed`, `install-failed`, `script-error`, `memory`, `syslog`.
    #[schema(value_type = String)]
    pub kind: Cow<'static, str>,
    /// The severity of a line of syslog (RFC 5424 6.2.1): 0 is an emergency, 7 is debugging.
    pub severity: Option<u8>,
    /// The words of the machine, escaped, with what the server adds.
    pub text: String,
}

impl Time {
    /// The time on the wall clock.
    pub fn from_wall_clock(time: SystemTime) -> Time {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The time in the format of RFC 3339, in UTC.
    pub fn rfc3339(self) -> String {
        rfc3339(UNIX_EPOCH.checked_add(Duration::from_millis(self.0)).unwrap_or(UNIX_EPOCH))
    }

    /// The time so many milliseconds later.
    pub fn plus(self, milliseconds: u64) -> Time {
        Time(self.0.saturating_add(milliseconds))
    }
}

/// SQLite has signed integers.
impl ToSql for Time {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let milliseconds = value.as_i64()?;
        u64::try_from(milliseconds).map(Time).map_err(|_| FromSqlError::OutOfRange(milliseconds))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}
