//! Edits of the running site: the entries that the server keeps. Each applies at once, and outlives the server. These
//! functions may wait for the disk.

use super::State;
use crate::edits::{EditError, EntrySettings};
use crate::site::Site;
use proxydhcpd_core::event::edit::EditEvent;
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::suggest::closest_match;

/// Why an edit is refused.
#[derive(Debug)]
pub enum EditRefusal {
    /// A person wrote the entry. The value is its location.
    Written(String),
    /// The server keeps no entry, or no order, of this name.
    Missing,
    /// The settings are invalid. At least one diagnostic is an error.
    Invalid(Vec<Diagnostic>),
    /// There is no profile of this name. The value is one with a similar name.
    UnknownProfile(Option<String>),
    /// No download completes a boot-once of the profile.
    NeverCompletes,
    /// The entry of the machine says that it never boots from the network. The value is the location of the entry.
    Never(String),
    /// The configuration is an old proxy.ini, which has no profiles.
    Legacy,
    /// The edit cannot be kept.
    Unkept(EditError),
}

impl State {
    /// Keeps an entry, and drops an earlier one with its name.
    pub fn set_entry(&self, name: &str, settings: &EntrySettings) -> Result<(), EditRefusal> {
        let site = self.current_site();
        refuse_written(&site, name)?;
        let check = |profile: &str| match site.plan.profile(profile) {
            Some(_) => Ok(()),
            None => {
                let similar = similar_profile(&site, profile);
                let help = similar.map(|similar| format!("did you mean `{similar}`?"));
                Err((format!("there is no profile `{profile}`"), help))
            }
        };
        let machine = settings.check(name, &check).map_err(EditRefusal::Invalid)?;
        self.edits.set_entry(name, settings, machine).map_err(EditRefusal::Unkept)?;
        self.follow_edit(name, EditEvent::EntryKept);
        Ok(())
    }

    /// Removes an entry that the server keeps, with its boot order and its completed boot-once.
    pub fn remove_entry(&self, name: &str) -> Result<(), EditRefusal> {
        refuse_written(&self.site(), name)?;
        let removed = self.edits.remove_orders(&[name.to_owned()]).pop();
        removed.transpose().map_err(EditRefusal::Unkept)?;
        if !self.edits.remove_entry(name).map_err(EditRefusal::Unkept)? {
            return Err(EditRefusal::Missing);
        }
        self.follow_edit(name, EditEvent::EntryRemoved);
        self.reset_ordered(&[name.to_owned()]);
        Ok(())
    }

    /// Applies to a new site what changed since there were this many edits.
    pub fn apply_edits_since(&self, changes: u64) {
        self.change_machines(&self.edits.changed_since(changes));
    }

    fn follow_edit(&self, name: &str, event: EditEvent<'_>) {
        self.change_machines(&[name.to_owned()]);
        self.record_edit(name, event);
    }

    /// Makes the inventory follow the edits of these machines, at once.
    pub(super) fn change_machines(&self, names: &[String]) {
        self.change_site(|site| {
            site.plan.inventory = self.edits.apply_some(&site.plan.inventory, &site.files.written, names);
        });
    }

    /// Records an edit of this machine.
    pub(super) fn record_edit(&self, name: &str, event: EditEvent<'_>) {
        let machine = EventMachine { entry: Some(name), ..EventMachine::default() };
        self.events.record_now(Service::Host, machine, What::Edit(event));
    }
}

/// Refuses to change an entry that a person wrote.
fn refuse_written(site: &Site, name: &str) -> Result<(), EditRefusal> {
    if site.is_legacy() {
        return Err(EditRefusal::Legacy);
    }
    let is_written = site.files.written.get_by_name(name).is_some();
    if is_written { Err(EditRefusal::Written(site.location_of(name).unwrap_or_default())) } else { Ok(()) }
}

/// The name of a profile that is similar to this one.
pub(super) fn similar_profile(site: &Site, name: &str) -> Option<String> {
    let known = site.plan.policy.profiles.iter().map(|profile| profile.name.as_str());
    closest_match(name, known).map(str::to_owned)
}
