//! The texts of stories: names of files, entries, profiles and interfaces. Many boots have the same texts, so each text
//! is stored once, as long as a boot uses it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The number of a text in [`Names`]. The number 0 is the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameId(u32);

/// The texts, with the number of uses of each.
#[derive(Debug, Default)]
pub struct Names {
    numbers: BTreeMap<Arc<str>, u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    text: Option<Arc<str>>,
    uses: u32,
}

impl NameId {
    /// Whether the text is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Names {
    /// Stores a text, or counts another use of it. Every use ends with [`Names::release`].
    pub fn store(&mut self, text: &str) -> NameId {
        if text.is_empty() {
            return NameId::default();
        }
        if let Some(number) = self.numbers.get(text).copied() {
            return self.keep(NameId(number));
        }
        let text: Arc<str> = text.into();
        let slot = Slot { text: Some(Arc::clone(&text)), uses: 1 };
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot::default());
                self.slots.len() as u32 - 1
            }
        };
        if let Some(place) = self.slots.get_mut(index as usize) {
            *place = slot;
        }
        self.numbers.insert(text, index + 1);
        NameId(index + 1)
    }

    /// Counts another use of a text.
    pub fn keep(&mut self, name: NameId) -> NameId {
        if let Some(slot) = self.slot(name) {
            slot.uses += 1;
        }
        name
    }

    /// Ends a use of a text, and removes a text without uses.
    pub fn release(&mut self, name: NameId) {
        let Some(slot) = self.slot(name) else { return };
        slot.uses = slot.uses.saturating_sub(1);
        if slot.uses == 0
            && let Some(text) = slot.text.take()
        {
            self.numbers.remove(&text);
            self.free.push(name.0 - 1);
        }
    }

    /// The text.
    pub fn text(&self, name: NameId) -> &str {
        let slot = (name.0 as usize).checked_sub(1).and_then(|index| self.slots.get(index));
        slot.and_then(|slot| slot.text.as_deref()).unwrap_or_default()
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    fn slot(&mut self, name: NameId) -> Option<&mut Slot> {
        self.slots.get_mut((name.0 as usize).checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_stored_once_as_long_as_it_is_used() {
        let mut names = Names::default();
        let first = names.store("snponly.efi");
        assert_eq!(names.store("snponly.efi"), first);
        let other = names.store("boot.ipxe");
        assert_eq!((names.text(first), names.text(other), names.len()), ("snponly.efi", "boot.ipxe", 2));
        names.release(first);
        assert_eq!(names.text(first), "snponly.efi");
        names.release(first);
        assert_eq!((names.text(first), names.len()), ("", 1));
        assert_eq!(names.store("menu.ipxe"), first, "the number is used again");
        assert!(names.store("").is_empty() && names.text(NameId::default()).is_empty());
    }
}
