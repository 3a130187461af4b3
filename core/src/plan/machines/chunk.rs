//! The entries of a thousand machines, in a few arrays without a pointer or an allocation per machine.

use super::chunked::Chunked;
use super::{AddError, Machine, MachineIndex, NONE, Policy, is_key};
use alloc::string::String;
use alloc::vec::Vec;
use core::slice;

/// All entries.
pub type Entries = Chunked<Chunk>;

/// The entries of a chunk.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    records: Vec<Record>,
    /// The version of the list in which each record changed last.
    versions: Vec<u64>,
    /// The addresses of each machine that has several.
    macs: Vec<[u8; 6]>,
    /// The name of each machine, followed by its serial number.
    text: String,
    /// The number of elements of `macs` and octets of `text` that belong to no record any more.
    unused: usize,
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
    /// The start of the name in [`Chunk::text`].
    text: u32,
    /// The start of the addresses in [`Chunk::macs`], if there are several.
    macs: u32,
    serial_length: u16,
    mac_count: u16,
    name_length: u8,
    /// What the place holds.
    pub state: State,
}

/// What the place of an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The entry of a machine.
    Entry(Policy),
    /// A removed entry, known from the boot-once state only.
    Removed,
    /// Nothing.
    Vacant,
}

impl Record {
    /// A record for this machine, without its texts and its place in the arrays; an error if the machine exceeds a
    /// limit.
    pub fn new(machine: &Machine<'_>, state: State) -> Result<Record, AddError> {
        Ok(Record {
            uuid: machine.uuid.filter(is_key).unwrap_or_default(),
            mac: machine.macs.first().copied().unwrap_or_default(),
            variables: NONE,
            profile: NONE,
            text: 0,
            macs: 0,
            serial_length: machine.serial.unwrap_or_default().len().try_into().map_err(|_| AddError::TooLarge)?,
            mac_count: machine.macs.len().try_into().map_err(|_| AddError::TooLarge)?,
            name_length: machine.name.len().try_into().map_err(|_| AddError::TooLarge)?,
            state,
        })
    }

    fn text_length(&self) -> usize {
        usize::from(self.name_length) + usize::from(self.serial_length)
    }

    /// The number of addresses in [`Chunk::macs`].
    fn stored_macs(&self) -> usize {
        if self.mac_count > 1 { self.mac_count.into() } else { 0 }
    }
}

impl Chunk {
    /// The record at this place.
    pub fn record(&self, place: usize) -> &Record {
        &self.records[place]
    }

    /// Sets the version of the list in which the record at this place changed last.
    pub fn set_version(&mut self, place: usize, version: u64) {
        self.versions[place] = version;
    }

    /// Adds a place at the end of the chunk, or fills a vacant place. `texts` are the numbers of the texts of the
    /// machine's variables and profile.
    pub fn fill(&mut self, place: usize, record: Record, machine: &Machine<'_>, texts: (u32, u32), version: u64) {
        let (text, macs, (variables, profile)) = (self.text.len() as u32, self.macs.len() as u32, texts);
        let record = Record { text, macs, variables, profile, ..record };
        if place < self.records.len() {
            // The chunk grows by this entry only, not by many.
            self.text.reserve_exact(record.text_length());
            self.macs.reserve_exact(record.stored_macs());
        }
        self.text.push_str(machine.name);
        self.text.push_str(machine.serial.unwrap_or_default());
        self.macs.extend_from_slice(&machine.macs[..record.stored_macs()]);
        if place == self.records.len() {
            self.records.push(record);
            self.versions.push(version);
        } else {
            (self.records[place], self.versions[place]) = (record, version);
        }
    }

    /// Makes a place vacant. `next` is the next vacant place of the list.
    pub fn vacate(&mut self, place: usize, next: u32) {
        let record = &mut self.records[place];
        self.unused += record.text_length() + record.stored_macs();
        *record = Record {
            uuid: [0; 16],
            variables: next,
            profile: NONE,
            serial_length: 0,
            mac_count: 0,
            name_length: 0,
            state: State::Vacant,
            ..*record
        };
        if self.unused > (self.text.len() + self.macs.len()) / 4 {
            self.compact();
        }
    }

    /// Gives back the memory that the chunk needs only while entries are added to it.
    pub fn shrink_to_fit(&mut self) {
        self.records.shrink_to_fit();
        self.versions.shrink_to_fit();
        self.macs.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    /// Drops the addresses and texts that belong to no record.
    fn compact(&mut self) {
        let mut macs = Vec::with_capacity(self.macs.len());
        let mut text = String::with_capacity(self.text.len());
        for record in &mut self.records {
            let (text_start, macs_start) = (text.len() as u32, macs.len() as u32);
            text.push_str(&self.text[record.text as usize..][..record.text_length()]);
            macs.extend_from_slice(&self.macs[record.macs as usize..][..record.stored_macs()]);
            (record.text, record.macs) = (text_start, macs_start);
        }
        (self.macs, self.text, self.unused) = (macs, text, 0);
    }
}

impl Entries {
    /// The record of a machine.
    pub fn record(&self, id: MachineIndex) -> &Record {
        let (chunk, place) = self.at(id);
        chunk.record(place)
    }

    /// The name of a machine.
    pub fn name(&self, id: MachineIndex) -> &str {
        let (chunk, place) = self.at(id);
        let Record { text, name_length, .. } = *chunk.record(place);
        &chunk.text[text as usize..][..usize::from(name_length)]
    }

    /// The serial number of a machine; empty if it has none.
    pub fn serial(&self, id: MachineIndex) -> &str {
        let (chunk, place) = self.at(id);
        let Record { text, name_length, serial_length, .. } = *chunk.record(place);
        &chunk.text[text as usize + usize::from(name_length)..][..usize::from(serial_length)]
    }

    /// The UUID of a machine; zeros if it has none.
    pub fn uuid(&self, id: MachineIndex) -> &[u8; 16] {
        &self.record(id).uuid
    }

    /// The addresses of a machine.
    pub fn macs(&self, id: MachineIndex) -> &[[u8; 6]] {
        let (chunk, place) = self.at(id);
        let record = chunk.record(place);
        match record.mac_count {
            1 => slice::from_ref(&record.mac),
            _ => &chunk.macs[record.macs as usize..][..record.stored_macs()],
        }
    }

    /// Whether a machine has this address.
    pub fn has_mac(&self, id: MachineIndex, mac: &[u8; 6]) -> bool {
        let record = self.record(id);
        record.mac_count > 0 && record.mac == *mac || record.mac_count > 1 && self.macs(id).contains(mac)
    }

    /// The version of the list in which the entry of a machine changed last.
    pub fn version(&self, id: MachineIndex) -> u64 {
        let (chunk, place) = self.at(id);
        chunk.versions[place]
    }

    /// When a machine boots its profile.
    pub fn policy(&self, id: MachineIndex) -> Policy {
        match self.record(id).state {
            State::Entry(policy) => policy,
            State::Removed | State::Vacant => Policy::Unspecified,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_gone_leave_no_trace() {
        let mut entries = Entries::default();
        let machine = |name| Machine { name, macs: &[[2, 0, 0, 0, 0, 1]; 2], serial: Some("S1"), ..Machine::default() };
        let fill = |entries: &mut Entries, id, name| {
            let record = Record::new(&machine(name), State::Entry(Policy::Always)).unwrap();
            let (chunk, place) = entries.at_mut(id);
            chunk.fill(place, record, &machine(name), (NONE, NONE), 0);
        };
        fill(&mut entries, 0, "web1");
        fill(&mut entries, 1, "web2");
        for _ in 0..1000 {
            let (chunk, place) = entries.at_mut(1);
            chunk.vacate(place, NONE);
            fill(&mut entries, 1, "web2");
        }
        assert_eq!((entries.name(0), entries.name(1), entries.serial(1)), ("web1", "web2", "S1"));
        let (chunk, _) = entries.at(0);
        assert!(chunk.text.len() < 40 && chunk.macs.len() < 6, "{} {}", chunk.text.len(), chunk.macs.len());
    }
}
