//! The entries, in a few columns without a pointer or an allocation per machine. Each column is in chunks of a thousand
//! machines without slack.

use super::add_error::AddError;
use super::chunked::{CHUNK_LENGTH, Chunked, place_of};
use super::machine::{BootMode, Machine, MachineIndex, NONE, is_key};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::iter::repeat_n;
use core::ops::Range;
use core::slice;

/// The limit of the length of a text. It keeps the offsets in a chunk below 4 GiB.
pub const MAX_TEXT: usize = 1 << 20;

/// All entries.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    records: Chunked<[Record]>,
    /// The version of the list in which each record changed last.
    versions: Chunked<[u64]>,
    /// The addresses of each machine that has several, in the order of the records.
    macs: Chunked<[[u8; 6]]>,
    /// The name of each machine, followed by its serial number, in the order of the records.
    text: Chunked<str>,
}

/// The parts of an entry that have a fixed size. A lookup seldom needs more.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The UUID; zeros if the machine has none.
    uuid: [u8; 16],
    /// The first address, if the machine has one.
    mac: [u8; 6],
    /// The number of the text of the variables; [`NONE`] if there are none. If the place is vacant: the next vacant
    /// place, or [`NONE`].
    pub variables: u32,
    /// The number of the text of the profile's name; [`NONE`] if the entry has no profile.
    pub profile: u32,
    /// The start of the name in the chunk of [`Entries::text`].
    text: u32,
    /// The start of the addresses in the chunk of [`Entries::macs`], if there are several.
    macs: u32,
    serial_length: u16,
    mac_count: u16,
    name_length: u8,
    /// The content of the place.
    pub state: State,
}

/// The content of the place of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The entry of a machine.
    Entry(BootMode),
    /// A removed entry, known from the boot-once state only.
    Removed,
    /// Nothing.
    Vacant,
}

impl Record {
    /// A record for this machine, without its texts and its place in the columns; an error if the machine exceeds a
    /// limit.
    pub fn new(machine: &Machine<'_>, state: State) -> Result<Record, AddError> {
        if machine.variables.len() > MAX_TEXT || machine.profile.is_some_and(|name| name.len() > MAX_TEXT) {
            return Err(AddError::TooLarge);
        }
        Ok(Record {
            uuid: machine.uuid.filter(is_key).unwrap_or_default(),
            mac: machine.macs.first().copied().unwrap_or_default(),
            serial_length: machine.serial.unwrap_or_default().len().try_into().map_err(|_| AddError::TooLarge)?,
            mac_count: machine.macs.len().try_into().map_err(|_| AddError::TooLarge)?,
            name_length: machine.name.len().try_into().map_err(|_| AddError::TooLarge)?,
            state,
            ..Record::vacant(NONE)
        })
    }

    /// A vacant place. `next` is the next vacant place.
    pub fn vacant(next: u32) -> Record {
        Record {
            uuid: [0; 16],
            mac: [0; 6],
            variables: next,
            profile: NONE,
            text: 0,
            macs: 0,
            serial_length: 0,
            mac_count: 0,
            name_length: 0,
            state: State::Vacant,
        }
    }

    fn text_length(&self) -> u32 {
        u32::from(self.name_length) + u32::from(self.serial_length)
    }

    /// The number of addresses in [`Entries::macs`].
    fn stored_macs(&self) -> u32 {
        if self.mac_count > 1 { self.mac_count.into() } else { 0 }
    }

    fn name_range(&self) -> Range<usize> {
        range(self.text, self.name_length.into())
    }

    fn serial_range(&self) -> Range<usize> {
        range(self.text + u32::from(self.name_length), self.serial_length.into())
    }

    fn text_range(&self) -> Range<usize> {
        range(self.text, self.text_length())
    }

    fn macs_range(&self) -> Range<usize> {
        range(self.macs, self.stored_macs())
    }
}

fn range(start: u32, length: u32) -> Range<usize> {
    start as usize..start as usize + length as usize
}

impl Entries {
    /// The record of a machine.
    pub fn record(&self, id: MachineIndex) -> &Record {
        self.records.get(id)
    }

    /// The name of a machine.
    pub fn name(&self, id: MachineIndex) -> &str {
        &self.text_of(id)[self.record(id).name_range()]
    }

    /// The serial number of a machine; empty if it has none.
    pub fn serial(&self, id: MachineIndex) -> &str {
        &self.text_of(id)[self.record(id).serial_range()]
    }

    /// The UUID of a machine; zeros if it has none.
    pub fn uuid(&self, id: MachineIndex) -> &[u8; 16] {
        &self.record(id).uuid
    }

    /// The addresses of a machine.
    pub fn macs(&self, id: MachineIndex) -> &[[u8; 6]] {
        let record = self.record(id);
        match record.mac_count {
            1 => slice::from_ref(&record.mac),
            _ => &self.macs.chunk(place_of(id).0).unwrap_or_default()[record.macs_range()],
        }
    }

    /// The first address of a machine, which needs no access to the others.
    pub fn first_mac(&self, id: MachineIndex) -> Option<&[u8; 6]> {
        let record = self.record(id);
        (record.mac_count > 0).then_some(&record.mac)
    }

    /// Whether a machine has this address.
    pub fn has_mac(&self, id: MachineIndex, mac: &[u8; 6]) -> bool {
        self.first_mac(id) == Some(mac) || self.record(id).mac_count > 1 && self.macs(id).contains(mac)
    }

    /// The version of the list in which the entry of a machine changed last.
    pub fn version(&self, id: MachineIndex) -> u64 {
        *self.versions.get(id)
    }

    /// Sets the version of the list in which the entry of a machine changed last.
    pub fn set_version(&mut self, id: MachineIndex, version: u64) {
        *self.versions.get_mut(id) = version;
    }

    /// When a machine boots its profile.
    pub fn boot_mode(&self, id: MachineIndex) -> BootMode {
        match self.record(id).state {
            State::Entry(boot_mode) => boot_mode,
            State::Removed | State::Vacant => BootMode::Unspecified,
        }
    }

    /// Replaces the content of a place, or adds a place at the end. `record` is the record of the machine.
    pub fn put(&mut self, id: MachineIndex, record: Record, machine: &Machine<'_>, version: u64) {
        let (chunk, place) = place_of(id);
        let records = self.records.chunk(chunk).unwrap_or_default();
        let text = self.text.chunk(chunk).unwrap_or_default();
        let macs = self.macs.chunk(chunk).unwrap_or_default();
        let end = Record { text: text.len() as u32, macs: macs.len() as u32, ..Record::vacant(NONE) };
        let before = *records.get(place).unwrap_or(&end);
        let record = Record { text: before.text, macs: before.macs, ..record };
        let moved = |later: &Record| Record {
            text: later.text - before.text_length() + record.text_length(),
            macs: later.macs - before.stored_macs() + record.stored_macs(),
            ..*later
        };
        let later = records.iter().skip(place + 1).map(moved);
        let records = records.iter().take(place).copied().chain([record]).chain(later).collect();
        let serial = machine.serial.unwrap_or_default();
        let (own_text, own_macs) = (before.text_range(), before.macs_range());
        let text: String = [&text[..own_text.start], machine.name, serial, &text[own_text.end..]].concat();
        let stored = &machine.macs[..record.stored_macs() as usize];
        let macs: Vec<[u8; 6]> = [&macs[..own_macs.start], stored, &macs[own_macs.end..]].concat();
        let versions = self.versions.chunk(chunk).unwrap_or_default();
        let later = versions.iter().skip(place + 1);
        let versions = versions.iter().take(place).chain([&version]).chain(later).copied().collect();
        self.set_chunk(chunk, records, versions, &macs, &text);
    }

    /// Replaces a chunk, or adds one. Parts that do not change stay shared with other versions.
    fn set_chunk(&mut self, chunk: usize, records: Arc<[Record]>, versions: Arc<[u64]>, macs: &[[u8; 6]], text: &str) {
        self.records.set(chunk, records);
        self.versions.set(chunk, versions);
        if self.macs.chunk(chunk) != Some(macs) {
            self.macs.set(chunk, macs.into());
        }
        if self.text.chunk(chunk) != Some(text) {
            self.text.set(chunk, text.into());
        }
    }

    fn text_of(&self, id: MachineIndex) -> &str {
        self.text.chunk(place_of(id).0).unwrap_or_default()
    }
}

/// Collects entries. The last chunk grows in place, until it is complete.
#[derive(Clone, Debug, Default)]
pub struct EntriesBuilder {
    complete: Entries,
    records: Vec<Record>,
    macs: Vec<[u8; 6]>,
    text: String,
}

impl EntriesBuilder {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.complete.records.len() * CHUNK_LENGTH + self.records.len()
    }

    /// The name of a machine.
    pub fn name(&self, id: MachineIndex) -> &str {
        let (chunk, place) = place_of(id);
        if chunk < self.complete.records.len() {
            return self.complete.name(id);
        }
        &self.text[self.records[place].name_range()]
    }

    /// Adds an entry. `record` is the record of the machine.
    pub fn push(&mut self, record: Record, machine: &Machine<'_>) {
        self.records.push(Record { text: self.text.len() as u32, macs: self.macs.len() as u32, ..record });
        self.text.push_str(machine.name);
        self.text.push_str(machine.serial.unwrap_or_default());
        self.macs.extend_from_slice(&machine.macs[..record.stored_macs() as usize]);
        if self.records.len() == CHUNK_LENGTH {
            self.complete_chunk();
        }
    }

    /// The entries.
    pub fn finish(mut self) -> Entries {
        if !self.records.is_empty() {
            self.complete_chunk();
        }
        self.complete
    }

    fn complete_chunk(&mut self) {
        let (chunk, versions) = (self.complete.records.len(), repeat_n(0, self.records.len()).collect());
        self.complete.set_chunk(chunk, self.records[..].into(), versions, &self.macs, &self.text);
        self.records.clear();
        self.macs.clear();
        self.text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_gone_leave_no_trace() {
        let mut entries = Entries::default();
        let machine = |name| Machine { name, macs: &[[2, 0, 0, 0, 0, 1]; 2], serial: Some("S1"), ..Machine::default() };
        let put = |entries: &mut Entries, id, name| {
            let record = Record::new(&machine(name), State::Entry(BootMode::Always)).unwrap();
            entries.put(id, record, &machine(name), 0);
        };
        put(&mut entries, 0, "web1");
        put(&mut entries, 1, "web2");
        put(&mut entries, 2, "web3");
        entries.put(1, Record::vacant(NONE), &Machine::default(), 0);
        assert_eq!((entries.name(2), entries.macs(2).len()), ("web3", 2));
        assert_eq!((entries.text.chunk(0), entries.macs.chunk(0).map(<[_]>::len)), (Some("web1S1web3S1"), Some(4)));
        put(&mut entries, 1, "db");
        assert_eq!((entries.name(1), entries.serial(1), entries.name(2)), ("db", "S1", "web3"));
        assert_eq!(entries.text.chunk(0), Some("web1S1dbS1web3S1"));
    }
}
