//! The profiles between which a person chooses.

use crate::config::completes_boot_once;
use crate::state::State;
use proxydhcpd_core::plan::profile::{BootTarget, Profile};
use serde::Serialize;

/// A profile in a form.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileChoice {
    /// The name.
    pub name: String,
    /// The title, for people.
    pub title: String,
    /// Whether a machine can boot it once: a download completes its boot.
    pub can_be_once: bool,
    /// Whether it starts a system over the network.
    starts_system: bool,
}

/// The profiles, in the order of their names.
pub fn profile_choices(state: &State) -> Vec<ProfileChoice> {
    let site = state.site();
    let mut choices: Vec<ProfileChoice> = site.plan.policy.profiles.iter().map(ProfileChoice::new).collect();
    choices.sort_by(|one, other| one.name.cmp(&other.name));
    choices
}

/// The profile that a single click orders, once: one of those that the machine knows (of its entry, of its last boot),
/// or else the only one that installs a system. `None`: the person has to choose.
pub fn quick_choice<'a>(choices: &'a [ProfileChoice], known: &[Option<&str>]) -> Option<&'a ProfileChoice> {
    let quick = |choice: &&ProfileChoice| choice.can_be_once && choice.starts_system;
    let named = |name: &str| choices.iter().filter(quick).find(|choice| choice.name == name);
    let of_machine = known.iter().flatten().find_map(|name| named(name));
    let mut installers = choices.iter().filter(quick);
    of_machine.or_else(|| installers.next().filter(|_| installers.next().is_none()))
}

impl ProfileChoice {
    fn new(profile: &Profile) -> ProfileChoice {
        ProfileChoice {
            name: profile.name.clone(),
            title: profile.title.clone(),
            can_be_once: completes_boot_once(profile),
            starts_system: matches!(profile.boots, BootTarget::Linux(_) | BootTarget::Script(_) | BootTarget::Loader),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_orders_what_the_machine_knows_or_the_only_installer() {
        let choice = |name: &str, can_be_once, starts_system| ProfileChoice {
            name: name.to_owned(),
            title: name.to_owned(),
            can_be_once,
            starts_system,
        };
        let menu = choice("menu", true, false);
        let rescue = choice("rescue", false, true);
        let one = [choice("debian", true, true), menu.clone(), rescue.clone()];
        let two = [choice("debian", true, true), menu, rescue, choice("rocky", true, true)];
        let name = |choices: &[ProfileChoice], known: &[Option<&str>]| {
            quick_choice(choices, known).map(|choice| choice.name.clone())
        };
        assert_eq!(name(&one, &[None, Some("menu")]).as_deref(), Some("debian"));
        assert_eq!(name(&two, &[None, Some("menu")]), None);
        assert_eq!(name(&two, &[Some("gone"), Some("rocky")]).as_deref(), Some("rocky"));
        assert_eq!(name(&one[1..], &[Some("rescue")]), None);
    }
}
