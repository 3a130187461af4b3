//! The texts that many machines have in common, names of profiles and variables, each stored once with the number of
//! its users. A text without users makes room for another one.

use super::chunked::Chunked;
use super::entries::Record;
use super::index::{KeyIndex, hash};
use super::machine::{Machine, NONE};
use alloc::string::String;
use alloc::vec::Vec;

/// The texts, by number.
#[derive(Clone, Debug)]
pub struct Texts {
    chunks: Chunked<Chunk>,
    index: KeyIndex,
    /// The number of places, vacant ones included.
    len: u32,
    /// The first vacant place; [`NONE`] if no place is vacant.
    vacant: u32,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    places: Vec<Place>,
    text: String,
    /// The number of octets of `text` that belong to no place any more.
    unused: usize,
}

/// The place of a text.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The start of the text in its chunk. If the place is vacant: the next vacant place, or [`NONE`].
    start: u32,
    length: u32,
    /// The number of machines that use the text; 0 if the place is vacant.
    users: u32,
}

impl Texts {
    /// The text with this number.
    pub fn get(&self, number: u32) -> &str {
        let (chunk, place) = self.chunks.at(number);
        chunk.get(place)
    }

    /// A record with the numbers of the texts of a machine, which becomes a user of them.
    pub fn acquire_for(&mut self, mut record: Record, machine: &Machine<'_>) -> Record {
        let variables = Some(machine.variables).filter(|text| !text.is_empty());
        record.variables = variables.map_or(NONE, |text| self.acquire(text));
        record.profile = machine.profile.map_or(NONE, |name| self.acquire(name));
        record
    }

    /// Adds a user to this text and returns the text's number.
    pub fn acquire(&mut self, text: &str) -> u32 {
        let Texts { chunks, index, len, vacant } = self;
        let number = if *vacant == NONE { *len } else { *vacant };
        let is_same = |other: u32| {
            let (chunk, place) = chunks.at(other);
            chunk.get(place) == text
        };
        if let Some(known) = index.insert(hash(text.as_bytes()), number, is_same) {
            let (chunk, place) = chunks.at_mut(known.number);
            chunk.places[place].users += 1;
            return known.number;
        }
        let (chunk, place) = chunks.at_mut(number);
        if number == *len {
            *len += 1;
            chunk.places.push(Place::default());
        } else {
            *vacant = chunk.places[place].start;
        }
        chunk.places[place] = Place { start: chunk.text.len() as u32, length: text.len() as u32, users: 1 };
        chunk.text.push_str(text);
        number
    }

    /// Removes a user from the text with this number.
    pub fn release(&mut self, number: u32) {
        let (chunk, place) = self.chunks.at_mut(number);
        chunk.places[place].users -= 1;
        if chunk.places[place].users > 0 {
            return;
        }
        let hash = hash(chunk.get(place).as_bytes());
        self.index.remove(hash, |other| other == number);
        chunk.unused += chunk.places[place].length as usize;
        chunk.places[place] = Place { start: self.vacant, ..Place::default() };
        self.vacant = number;
        if chunk.unused > chunk.text.len() / 2 {
            chunk.compact();
        }
    }

    /// Gives back the memory that the texts need only while many are added.
    pub fn shrink_to_fit(&mut self) {
        self.chunks.for_each_mut(|chunk| {
            chunk.places.shrink_to_fit();
            chunk.text.shrink_to_fit();
        });
    }
}

impl Default for Texts {
    fn default() -> Self {
        Texts { chunks: Chunked::default(), index: KeyIndex::default(), len: 0, vacant: NONE }
    }
}

impl Chunk {
    fn get(&self, place: usize) -> &str {
        let Place { start, length, .. } = self.places[place];
        &self.text[start as usize..][..length as usize]
    }

    fn compact(&mut self) {
        let mut text = String::with_capacity(self.text.len() - self.unused);
        for place in self.places.iter_mut().filter(|place| place.users > 0) {
            let start = text.len() as u32;
            text.push_str(&self.text[place.start as usize..][..place.length as usize]);
            place.start = start;
        }
        (self.text, self.unused) = (text, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn texts_without_users_leave_no_trace() {
        let mut texts = Texts::default();
        let menu = texts.acquire("menu");
        assert_eq!(texts.acquire("menu"), menu);
        for number in 0..10_000 {
            let text = format!("{number}{:500}", "");
            let added = texts.acquire(&text);
            assert_eq!(texts.get(added), text);
            texts.release(added);
        }
        texts.release(menu);
        assert_eq!(texts.get(menu), "menu");
        let (chunk, _) = texts.chunks.at(menu);
        assert!(texts.len == 2 && chunk.text.len() < 2000, "{} {}", texts.len, chunk.text.len());
    }
}
