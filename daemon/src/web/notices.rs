//! The notices about the actions of the page, each with the edits that undo it. A redirect names the notice by a
//! secret, so that no link of another site can put words into the page.

use crate::access::Secret;
use crate::api::OrderRequest;
use crate::edits::EntrySettings;
use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The maximum number of notices. The oldest are forgotten first; a restart forgets all.
const MAX_NOTICES: usize = 256;

/// A notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The sentences. Words between backticks are names.
    pub text: String,
    /// The edits that undo it, one a machine; empty if nothing can.
    pub undo: Vec<Undo>,
}

/// An edit that undoes an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Undo {
    /// Cancel the boot order of this machine.
    CancelOrder(String),
    /// Order again what this machine was to boot.
    Order(String, OrderRequest),
    /// Give the entry of this name its earlier settings.
    SetEntry(String, EntrySettings),
    /// Remove the entry of this name.
    RemoveEntry(String),
}

/// The latest notices.
#[derive(Debug, Default)]
pub struct Notices(Mutex<VecDeque<(String, Notice)>>);

impl Notices {
    /// Adds a notice, and returns the secret that names it.
    ///
    /// # Errors
    /// The kernel gives no random numbers.
    pub fn add(&self, notice: Notice) -> io::Result<String> {
        let secret = Secret::new()?.as_str().to_owned();
        let mut notices = self.lock();
        notices.truncate(MAX_NOTICES - 1);
        notices.push_front((secret.clone(), notice));
        Ok(secret)
    }

    /// The notice with this secret.
    pub fn find(&self, secret: &str) -> Option<Notice> {
        self.lock().iter().find(|(known, _)| known == secret).map(|(_, notice)| notice.clone())
    }

    /// Removes the notice with this secret, so that it is undone once.
    pub fn take(&self, secret: &str) -> Option<Notice> {
        let mut notices = self.lock();
        let position = notices.iter().position(|(known, _)| known == secret)?;
        notices.remove(position).map(|(_, notice)| notice)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Notice)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_found_by_its_secret_until_it_is_taken_or_too_old() {
        let notices = Notices::default();
        let notice = |text: &str| Notice { text: text.to_owned(), undo: vec![Undo::CancelOrder("web1".to_owned())] };
        let first = notices.add(notice("first")).unwrap();
        assert_eq!(notices.find(&first), Some(notice("first")));
        assert_eq!(notices.find("first"), None);
        assert_eq!(notices.take(&first), Some(notice("first")));
        assert_eq!(notices.take(&first), None);
        let second = notices.add(notice("second")).unwrap();
        for _ in 0..MAX_NOTICES {
            notices.add(notice("later")).unwrap();
        }
        assert_eq!(notices.find(&second), None);
    }
}
