//! Compares lookups of machines with lookups in a table that is too simple to be wrong.

use super::{
    AddError, AmbiguousMachine, BootMode, DoubtReason, DoubtfulEntry, FoundEntry, IdentityKind, Inventory,
    InventoryBuilder, Lookup, Machine, SharedIdentity,
};
use crate::identity::{Identifiers, ShownIdentities};
use crate::plan::pattern::MacPattern;
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::collection::{btree_map, vec};
use proptest::option::{self, of};
use proptest::prelude::*;

/// A machine as the configuration describes it.
#[derive(Clone, Debug)]
struct MachineConfig {
    macs: Vec<[u8; 6]>,
    uuid: Option<[u8; 16]>,
    serial: Option<String>,
    profile: Option<&'static str>,
    boot_mode: BootMode,
    variables: String,
}

impl MachineConfig {
    fn machine<'a>(&'a self, name: &'a str) -> Machine<'a> {
        let MachineConfig { macs, uuid, serial, profile, boot_mode, variables } = self;
        let (serial, uuid) = (serial.as_deref(), *uuid);
        Machine { name, macs, uuid, serial, profile: *profile, boot_mode: *boot_mode, variables }
    }
}

/// The number of addresses is small, so machines often list the same one. The third octet of a shared address is 9.
fn a_mac() -> impl Strategy<Value = [u8; 6]> {
    (0..10u8, 0..12u8).prop_map(|(maker, number)| [2, 0, maker, 0, 0, number])
}

fn a_uuid() -> impl Strategy<Value = [u8; 16]> {
    prop_oneof![
        8 => (0..24u8).prop_map(|number| [9, 2, 3, number, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        1 => Just([0xff; 16])
    ]
}

fn a_serial() -> impl Strategy<Value = String> {
    "[AaBb][1-3]{1,2}"
}

fn config() -> impl Strategy<Value = MachineConfig> {
    let boot_mode =
        prop_oneof![Just(BootMode::Unspecified), Just(BootMode::Always), Just(BootMode::Once), Just(BootMode::Never)];
    let identities = (vec(a_mac(), 0..4), of(a_uuid()), of(a_serial()));
    (
        identities,
        of(prop_oneof![Just("menu"), Just("debian"), Just("grub")]),
        boot_mode,
        prop_oneof![Just(""), Just("{\"role\":\"web\"}"), Just("{}")],
    )
        .prop_map(|((macs, uuid, serial), profile, boot_mode, variables)| MachineConfig {
            macs,
            uuid,
            serial,
            profile,
            boot_mode,
            variables: variables.into(),
        })
}

fn shared_macs() -> Vec<MacPattern> {
    Vec::from(["02:00:09:*".parse().unwrap()])
}

/// Returns, for each identity, the machines that list it. Each machine occurs once.
fn owners<K: Ord>(listed: impl Iterator<Item = (K, u32)>) -> BTreeMap<K, Vec<u32>> {
    let mut owners = BTreeMap::<K, Vec<u32>>::new();
    for (key, id) in listed {
        let ids = owners.entry(key).or_default();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    owners
}

struct Oracle {
    names: BTreeMap<String, Vec<u32>>,
    macs: BTreeMap<[u8; 6], Vec<u32>>,
    uuids: BTreeMap<[u8; 16], Vec<u32>>,
    serials: BTreeMap<String, Vec<u32>>,
    config: Vec<MachineConfig>,
}

fn is_shared_mac(mac: &[u8; 6]) -> bool {
    mac[2] == 9
}

impl Oracle {
    fn new(site: &BTreeMap<String, MachineConfig>) -> Oracle {
        let each = || (0u32..).zip(site.values());
        let known = |uuid: &[u8; 16]| *uuid != [0; 16] && *uuid != [0xff; 16];
        let macs = each().flat_map(|(id, machine)| machine.macs.iter().map(move |mac| (*mac, id)));
        Oracle {
            names: owners((0..).zip(site.keys()).map(|(id, name)| (name.clone(), id))),
            macs: owners(macs.filter(|(mac, _)| !is_shared_mac(mac))),
            uuids: owners(each().filter_map(|(id, machine)| Some((machine.uuid.filter(known)?, id)))),
            serials: owners(each().filter_map(|(id, machine)| Some((machine.serial.as_ref()?.to_lowercase(), id)))),
            config: site.values().cloned().collect(),
        }
    }

    fn doubt(&self, id: u32, by: IdentityKind, identity: &ShownIdentities<'_>) -> Option<DoubtReason> {
        let own: Vec<_> = self.config[id as usize].macs.iter().filter(|mac| !is_shared_mac(mac)).collect();
        let shown: Vec<_> = identity.identifiers.macs.iter().flatten().collect();
        match by {
            IdentityKind::Name | IdentityKind::Mac => None,
            _ if own.is_empty() || shown.iter().any(|mac| is_shared_mac(mac) || own.contains(mac)) => None,
            IdentityKind::Uuid if shown.is_empty() => identity.shares_uuid.then_some(DoubtReason::NoAddress),
            _ => (!shown.is_empty()).then_some(DoubtReason::OtherAddress),
        }
    }

    fn find(&self, identity: &ShownIdentities<'_>) -> Lookup {
        let Identifiers { macs, uuids } = identity.identifiers;
        let unshared = |ids: &Vec<u32>| if let [id] = ids[..] { Some(id) } else { None };
        let listed = [
            (identity.name.and_then(|name| self.names.get(name)), IdentityKind::Name),
            (uuids[0].and_then(|uuid| self.uuids.get(&uuid)), IdentityKind::Uuid),
            (uuids[1].and_then(|uuid| self.uuids.get(&uuid)), IdentityKind::Uuid),
            (identity.serial.and_then(|serial| self.serials.get(&serial.to_lowercase())), IdentityKind::Serial),
            (macs[0].and_then(|mac| self.macs.get(&mac)), IdentityKind::Mac),
            (macs[1].and_then(|mac| self.macs.get(&mac)), IdentityKind::Mac),
        ];
        let listed: Vec<_> = listed.into_iter().filter_map(|(ids, by)| Some((unshared(ids?)?, by))).collect();
        let why = |(machine, by): &(u32, IdentityKind)| self.doubt(*machine, *by, identity);
        let sure: Vec<_> = listed.iter().copied().filter(|one| why(one).is_none()).collect();
        let first = sure.first().copied();
        let mut others = listed.iter().copied().filter(|(machine, _)| first.is_none_or(|(found, _)| *machine != found));
        let doubt = others
            .clone()
            .filter(|_| first.is_none_or(|(_, by)| by != IdentityKind::Name))
            .find(|one| why(one).is_some());
        let doubt = doubt.map(|(machine, by)| DoubtfulEntry { machine, by, reason: why(&(machine, by)).unwrap() });
        let Some((machine, by)) = first else { return Lookup { doubt, ..Lookup::default() } };
        let other = others.find(|one| why(one).is_none());
        let own = self.config[machine as usize].uuid.filter(|uuid| *uuid != [0xff; 16]);
        let differs =
            by == IdentityKind::Mac && uuids[0].is_some() && own.is_some_and(|own| !uuids.contains(&Some(own)));
        let same_kind = other.filter(|(_, other_by)| *other_by == by);
        match same_kind.or(doubt.filter(|_| differs).map(|doubt| (doubt.machine, doubt.by))) {
            Some(second) => {
                Lookup { found: None, ambiguous: Some(AmbiguousMachine { machines: [(machine, by), second] }), doubt }
            }
            None => Lookup { found: Some(FoundEntry { machine, by, conflicting: other }), ambiguous: None, doubt },
        }
    }

    fn sharers(&self, identity: &ShownIdentities<'_>, found: Option<FoundEntry>) -> BTreeSet<(u32, IdentityKind)> {
        if found.is_some_and(|found| found.by == IdentityKind::Name) {
            return BTreeSet::new();
        }
        let Identifiers { macs, uuids } = identity.identifiers;
        let serial = identity.serial.and_then(|serial| self.serials.get(&serial.to_lowercase()));
        let of_uuids = uuids.into_iter().flatten().map(|uuid| (self.uuids.get(&uuid), IdentityKind::Uuid));
        let of_macs = macs.into_iter().flatten().map(|mac| (self.macs.get(&mac), IdentityKind::Mac));
        let mut sharers = BTreeSet::new();
        for (ids, by) in of_uuids.chain(of_macs).chain([(serial, IdentityKind::Serial)]) {
            let Some(ids) = ids.filter(|ids| ids.len() > 1) else { continue };
            let agrees = found.is_some_and(|found| ids.contains(&found.machine));
            let fits = |id: &u32| {
                let MachineConfig { uuid, serial, .. } = &self.config[*id as usize];
                let is_key = |uuid: &[u8; 16]| *uuid != [0; 16] && *uuid != [0xff; 16];
                let other_uuid =
                    uuids[0].is_some() && uuid.filter(is_key).is_some_and(|own| !uuids.contains(&Some(own)));
                let other_serial = |own: &String| identity.serial.is_some_and(|asked| !asked.eq_ignore_ascii_case(own));
                let other_mac = self.doubt(*id, IdentityKind::Uuid, identity) == Some(DoubtReason::OtherAddress);
                !other_uuid && !other_mac && !serial.as_ref().is_some_and(other_serial)
            };
            let counts = |id: &&u32| found.is_none_or(|found| found.machine != **id) && (!agrees || fits(id));
            sharers.extend(ids.iter().filter(counts).map(|id| (*id, by)));
        }
        sharers
    }

    fn shared(&self) -> usize {
        let several = |ids: &&Vec<u32>| ids.len() > 1;
        self.macs.values().filter(several).count()
            + self.uuids.values().filter(several).count()
            + self.serials.values().filter(several).count()
    }
}

fn built(site: &BTreeMap<String, MachineConfig>) -> Inventory {
    let mut builder = InventoryBuilder::default();
    for (name, config) in site {
        assert_eq!(builder.add(&config.machine(name)), Ok(()));
    }
    builder.finish(&shared_macs())
}

proptest! {
    #[test]
    fn each_lookup_has_the_same_result_as_in_the_simple_table(
        site in btree_map("[a-c]{1,3}", config(), 0..40),
        asked in vec(
            (of("[a-c]{1,3}"), [of(a_uuid()), of(a_uuid())], of(a_serial()), [of(a_mac()), of(a_mac())], any::<bool>()),
            40,
        ),
    ) {
        let (machines, oracle) = (built(&site), Oracle::new(&site));
        for (name, uuids, serial, [one, other], shares_uuid) in &asked {
            let shares_uuid = *shares_uuid;
            let identifiers = Identifiers { macs: [*one, *other, None], uuids: *uuids };
            let (serial, name) = (serial.as_deref(), name.as_deref());
            let identity = ShownIdentities { identifiers, serial, name, shares_uuid };
            prop_assert_eq!(machines.find(&identity), oracle.find(&identity), "{:?}", identity);
            let found = machines.find(&identity).found;
            let sharers: BTreeSet<_> = machines.sharers(&identity, found).collect();
            prop_assert_eq!(sharers, oracle.sharers(&identity, found), "{:?}", identity);
            let alone = ShownIdentities { name: None, ..identity };
            prop_assert_eq!(machines.find(&alone), oracle.find(&alone), "{:?}", alone);
            let identifiers = Identifiers { uuids: [None; 2], ..identifiers };
            let address = ShownIdentities { identifiers, ..ShownIdentities::default() };
            prop_assert_eq!(machines.find(&address), oracle.find(&address), "{:?}", address);
        }
        prop_assert_eq!(machines.shared_identities().1, oracle.shared());
        prop_assert_eq!(machines.shared_identities().0.len(), oracle.shared().min(20));
    }

    #[test]
    fn the_list_returns_the_machines_that_were_added(site in btree_map("[A-Za-z0-9._-]{1,63}", config(), 0..60)) {
        let machines = built(&site);
        prop_assert_eq!(machines.len(), site.len());
        for ((name, config), machine) in site.iter().zip(machines.iter()) {
            let uuid = config.uuid.filter(|uuid| *uuid != [0; 16] && *uuid != [0xff; 16]);
            prop_assert_eq!(machine, Machine { uuid, ..config.machine(name) });
        }
    }
}

/// A change of one machine: a new entry, or `None` to remove the entry.
type Change = (String, Option<MachineConfig>);

fn changed(machines: &Inventory, (name, config): &Change) -> Inventory {
    match config {
        Some(config) => machines.with_machine(&config.machine(name)).unwrap(),
        None => machines.without_machine(name),
    }
}

/// The entries that a lookup leads to, by name, because lists that differ in their order have different indices.
fn found_names(machines: &Inventory, identity: &ShownIdentities<'_>) -> impl PartialEq + core::fmt::Debug + use<> {
    let name = |id| machines.get(id).name.to_owned();
    let Lookup { found, ambiguous, doubt } = machines.find(identity);
    let sharers: BTreeSet<_> = machines.sharers(identity, found).map(|(id, by)| (name(id), by)).collect();
    (
        found.map(|found| (name(found.machine), found.by, found.conflicting.map(|(other, by)| (name(other), by)))),
        ambiguous.map(|ambiguous| ambiguous.machines.map(|(id, by)| (name(id), by))),
        doubt.map(|doubt| (name(doubt.machine), doubt.by, doubt.reason)),
        sharers,
    )
}

fn assert_same_lookups(machines: &Inventory, other: &Inventory) {
    let macs = || (0..10u8).flat_map(|maker| (0..12u8).map(move |number| [2, 0, maker, 0, 0, number]));
    let uuid = |number| [9, 2, 3, number, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    let serials = ["A1", "a2", "A3", "b1", "B2", "b3", "A11", "a12", "B33"];
    let mut identities: Vec<ShownIdentities<'_>> = Vec::new();
    for (number, mac) in (0..120u8).zip(macs()) {
        let serial = serials.get(usize::from(number) % 20).copied();
        let identifiers = Identifiers { macs: [Some(mac), None, None], uuids: [Some(uuid(number % 25)), None] };
        let alone = Identifiers { uuids: [None; 2], ..identifiers };
        let without = Identifiers { macs: [None; 3], ..identifiers };
        identities.push(ShownIdentities { identifiers, serial, shares_uuid: true, ..ShownIdentities::default() });
        identities.push(ShownIdentities { identifiers: alone, ..ShownIdentities::default() });
        identities.push(ShownIdentities { identifiers: without, ..ShownIdentities::default() });
        identities.push(ShownIdentities { serial, ..ShownIdentities::default() });
        assert_eq!(machines.lists_mac(&mac), other.lists_mac(&mac));
        assert_eq!(machines.has_uuid(&uuid(number)), other.has_uuid(&uuid(number)));
        let macs = [mac];
        let asked = Machine { macs: &macs, uuid: Some(uuid(number)), serial, ..Machine::default() };
        assert_eq!(machines.entries_listing(&asked), other.entries_listing(&asked));
    }
    for identity in &identities {
        assert_eq!(found_names(machines, identity), found_names(other, identity), "{identity:?}");
    }
    assert_eq!(machines.shared_identities(), other.shared_identities());
    assert_eq!((machines.len(), machines.has_boot_once()), (other.len(), other.has_boot_once()));
}

/// The list with the same machines in the same order, built in one step.
fn rebuilt(machines: &Inventory) -> Inventory {
    Inventory::new(&machines.iter().collect::<Vec<_>>(), &shared_macs())
}

proptest! {
    #[test]
    fn a_list_after_changes_equals_one_that_is_built_at_once(
        site in btree_map("[a-c]{1,2}", config(), 0..12),
        changes in vec(("[a-d]{1,2}", option::weighted(0.7, config())), 0..60),
        kept in 0..60usize,
    ) {
        let mut machines = built(&site);
        let mut expected = site;
        let mut earlier = None;
        for (number, change) in changes.iter().enumerate() {
            if number == kept {
                earlier = Some((machines.clone(), rebuilt(&machines), machines.version()));
            }
            let before = (machines.version(), machines.get_by_name(&change.0).is_some());
            machines = changed(&machines, change);
            let may_be_equal = change.1.is_some() == before.1;
            prop_assert!(machines.version() == before.0 + 1 || machines.version() == before.0 && may_be_equal);
            match &change.1 {
                Some(config) => expected.insert(change.0.clone(), config.clone()),
                None => expected.remove(&change.0),
            };
        }
        let mut names: Vec<&str> = machines.iter().map(|machine| machine.name).collect();
        names.sort_unstable();
        prop_assert!(names.iter().eq(expected.keys()));
        for (name, config) in &expected {
            let uuid = config.uuid.filter(|uuid| *uuid != [0xff; 16]);
            prop_assert_eq!(machines.get_by_name(name), Some(Machine { uuid, ..config.machine(name) }));
        }
        let other = rebuilt(&machines);
        prop_assert_eq!(&machines, &other);
        assert_same_lookups(&machines, &other);
        if let Some((earlier, rebuilt, version)) = earlier {
            prop_assert_eq!((&earlier, earlier.version()), (&rebuilt, version));
            assert_same_lookups(&earlier, &rebuilt);
        }
    }
}

#[test]
fn thousands_of_changes_keep_every_machine_findable() {
    const SIZE: u32 = 3_000;
    let names: Vec<String> = (0..2 * SIZE).map(|number| format!("pc{number}")).collect();
    let mac = |number: u32| [2, 1, 0, 0, (number >> 8) as u8, number as u8];
    let mut builder = InventoryBuilder::default();
    for number in 0..SIZE {
        let name = &names[number as usize];
        builder.add(&Machine { name, macs: &[mac(number)], ..Machine::default() }).unwrap();
    }
    let built = builder.finish(&[]);
    let mut machines = built.clone();
    for number in SIZE..2 * SIZE {
        let name = &names[number as usize];
        machines = machines.with_machine(&Machine { name, macs: &[mac(number)], ..Machine::default() }).unwrap();
    }
    for number in (0..2 * SIZE).step_by(3) {
        machines = machines.without_machine(&names[number as usize]);
    }
    let found = |list: &Inventory, number| {
        let identifiers = Identifiers::new(Some(mac(number)), None);
        let found = list.get_by_identity(&ShownIdentities { identifiers, ..ShownIdentities::default() });
        found.map(|found| found.name.to_owned())
    };
    for number in 0..2 * SIZE {
        let name = Some(names[number as usize].clone());
        assert_eq!(found(&machines, number), name.clone().filter(|_| number % 3 != 0));
        assert_eq!(found(&built, number), name.filter(|_| number < SIZE));
    }
    assert_eq!((machines.len(), built.len()), (4_000, 3_000));
}

#[test]
fn an_entry_has_the_version_of_its_last_change() {
    let web1 = Machine { name: "web1", macs: &[[2, 0, 0, 0, 0, 1]], ..Machine::default() };
    let web2 = Machine { name: "web2", macs: &[[2, 0, 0, 0, 0, 2]], ..Machine::default() };
    let first = Inventory::new(&[web1], &[]).with_machine(&web2).unwrap();
    let debian = Machine { profile: Some("debian"), ..web2 };
    let second = first.with_machine(&debian).unwrap();
    let versions = |list: &Inventory| (list.version(), list.entry_version("web1"), list.entry_version("web2"));
    assert_eq!(versions(&first), (1, Some(0), Some(1)));
    assert_eq!(versions(&second), (2, Some(0), Some(2)));
    assert_eq!(versions(&second.with_machine(&debian).unwrap()), versions(&second), "an equal entry");
    assert_eq!(versions(&second.without_machine("web3")), versions(&second));
    assert_eq!(versions(&second.without_machine("web1")), (3, None, Some(2)));
    let reloaded = Inventory::new(&[debian, web1], &[]).succeeding(&second);
    assert_eq!(versions(&reloaded), versions(&second), "a reload without a change");
    let reloaded = Inventory::new(&[web2, web1], &[]).succeeding(&second);
    assert_eq!(versions(&reloaded), (3, Some(0), Some(3)));
    assert_eq!(Inventory::new(&[web1], &[]).succeeding(&second).version(), 3);
}

#[test]
fn a_new_entry_takes_its_name_and_its_identities_from_removed_entries() {
    let (a, b, c) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 3]);
    let by = |mac| ShownIdentities { identifiers: Identifiers::new(Some(mac), None), ..ShownIdentities::default() };
    let name = |list: &Inventory, mac| {
        let found = list.find(&by(mac)).found;
        found.map(|found| (list.get(found.machine).name.to_owned(), list.is_removed_entry(found.machine)))
    };
    let gone = [
        Machine { name: "old", macs: &[a, b], ..Machine::default() },
        Machine { name: "older", macs: &[c], ..Machine::default() },
    ];
    let machines = Inventory::new(&[], &[]).with_removed_entries(&gone);
    assert_eq!((machines.len(), machines.version(), machines.iter().count()), (0, 0, 0));
    assert_eq!(name(&machines, a), Some(("old".into(), true)));
    let web1 = Machine { name: "web1", macs: &[a, c], ..Machine::default() };
    let machines = machines.with_machine(&web1).unwrap();
    assert_eq!(name(&machines, a), Some(("web1".into(), false)));
    assert_eq!(name(&machines, b), Some(("old".into(), true)));
    assert_eq!(name(&machines, c), Some(("web1".into(), false)));
    let old = Machine { name: "old", macs: &[b], ..Machine::default() };
    let machines = machines.with_machine(&old).unwrap();
    assert_eq!(name(&machines, b), Some(("old".into(), false)));
    assert_eq!(machines, Inventory::new(&[old, web1], &[]).with_removed_entries(&[]));
    let names: Vec<&str> = machines.iter().map(|machine| machine.name).collect();
    assert_eq!(names, ["old", "web1"]);
}

#[test]
fn a_duplicate_name_is_an_error_and_an_error_changes_nothing() {
    let mut builder = InventoryBuilder::default();
    let web1 = Machine { name: "web1", macs: &[[2, 0, 0, 0, 0, 1]], ..Machine::default() };
    let (again, web2) = (Machine { serial: Some("A"), ..web1 }, Machine { name: "web2", ..web1 });
    assert_eq!(builder.add(&web1), Ok(()));
    assert_eq!(builder.add(&again), Err(AddError::NameTaken));
    assert_eq!(builder.add(&Machine { name: &"x".repeat(256), ..web1 }), Err(AddError::TooLarge));
    assert_eq!(builder.add(&Machine { serial: Some(&"x".repeat(65536)), ..web1 }), Err(AddError::TooLarge));
    assert_eq!(builder.add(&web2), Ok(()));
    assert_eq!(builder.names().collect::<Vec<_>>(), ["web1", "web2"]);
    let machines = builder.finish(&[]);
    assert_eq!(machines, Inventory::new(&[web1, web2], &[]));
    assert_eq!(machines.iter().collect::<Vec<_>>(), [web1, web2]);
}

#[test]
fn a_shared_identity_is_listed_with_some_of_its_machines() {
    let names: Vec<String> = (0..30).map(|number| format!("pc{number}")).collect();
    let macs: Vec<[[u8; 6]; 2]> = (0..30).map(|number| [[2, 0, 0, 0, 0, 7], [2, 0, 0, 0, 1, number / 2]]).collect();
    let machine = |(name, macs)| Machine { name, macs, serial: Some("Default string"), ..Machine::default() };
    let site: Vec<Machine<'_>> =
        names.iter().map(|name| &name[..]).zip(macs.iter().map(|macs| &macs[..])).map(machine).collect();
    let machines = Inventory::new(&site, &[]);
    let (shared, count) = machines.shared_identities();
    assert_eq!((shared.len(), count), (17, 17));
    let first = Vec::from(["pc0", "pc1", "pc2", "pc3"]);
    let serial = SharedIdentity {
        by: IdentityKind::Serial,
        identity: "Default string".into(),
        machines: first.clone(),
        count: 30,
    };
    let mac =
        SharedIdentity { by: IdentityKind::Mac, identity: "02:00:00:00:00:07".into(), machines: first, count: 30 };
    assert_eq!(shared[..2], [serial, mac]);
    assert_eq!(shared[3].machines, ["pc2", "pc3"]);
    let identifiers = Identifiers::new(Some([2, 0, 0, 0, 0, 7]), None);
    assert_eq!(machines.find(&ShownIdentities { identifiers, ..ShownIdentities::default() }), Lookup::default());
}
