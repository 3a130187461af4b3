use super::*;
use proxydhcpd_core::plan::inventory::{BootMode, Inventory};

const MACS: [[u8; 6]; 2] = [[0x52, 0x54, 0, 0, 0, 1], [0x52, 0x54, 0, 0, 0, 2]];

/// Two machines that a person wrote: `web1` with its profile, and `web2`.
fn written() -> Inventory {
    let web1 = Machine { name: "web1", macs: &MACS[..1], profile: Some("debian"), ..Machine::default() };
    Inventory::new(&[web1, Machine { name: "web2", macs: &MACS[1..], ..Machine::default() }], &[])
}

fn boot(edits: &Edits, name: &str) -> Option<(Option<String>, BootMode)> {
    let machines = edits.apply(&written());
    machines.get_by_name(name).map(|machine| (machine.profile.map(str::to_owned), machine.boot_mode))
}

fn settings(profile: &str) -> EntrySettings {
    EntrySettings {
        mac: vec!["52:54:00:00:00:03".to_owned()],
        profile: Some(profile.to_owned()),
        variables: [("role".to_owned(), serde_json::json!({ "disks": [1, 2] }))].into(),
        ..EntrySettings::default()
    }
}

fn once(profile: &str) -> BootOrder {
    BootOrder { profile: profile.to_owned(), boot: BootMode::Once, ..BootOrder::default() }
}

fn set(edits: &Edits, name: &str, order: BootOrder) {
    edits.set_orders(vec![(name.to_owned(), order)]).pop().unwrap().unwrap();
}

fn remove(edits: &Edits, name: &str) -> bool {
    edits.remove_orders(&[name.to_owned()]).pop().unwrap().unwrap().is_some()
}

#[test]
fn a_boot_order_replaces_the_profile_until_it_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let (edits, _) = Edits::load(directory.path());
    set(&edits, "web1", once("rescue"));
    assert_eq!(boot(&edits, "web1"), Some((Some("rescue".to_owned()), BootMode::Once)));
    let (loaded, unreadable) = Edits::load(directory.path());
    assert!(unreadable.is_empty(), "{unreadable:?}");
    assert_eq!(loaded.order("web1"), Some(once("rescue")));
    assert!(loaded.complete_order("web1", 1000).unwrap() && !loaded.complete_order("web1", 2000).unwrap());
    assert_eq!(Edits::load(directory.path()).0.orders_completed_before(1001), ["web1"]);
    assert!(loaded.orders_completed_before(1000).is_empty());
    // The clock was set back.
    assert_eq!(loaded.orders_completed_after(900), ["web1"]);
    assert!(loaded.complete_order("web1", 900).unwrap());
    assert_eq!(loaded.order("web1").unwrap().completed, Some(900));
    assert!(remove(&loaded, "web1"));
    assert_eq!(boot(&loaded, "web1"), Some((Some("debian".to_owned()), BootMode::Unspecified)));
    assert!(Edits::load(directory.path()).0.order("web1").is_none());
}

#[test]
fn an_order_for_a_machine_without_an_entry_has_its_address() {
    let directory = tempfile::tempdir().unwrap();
    let (edits, _) = Edits::load(directory.path());
    let order = BootOrder { macs: vec![[2, 0, 0, 0, 0, 9]], ..once("rescue") };
    set(&edits, "02-00-00-00-00-09", order);
    let (loaded, _) = Edits::load(directory.path());
    let machines = loaded.apply(&written());
    assert_eq!(machines.get_by_name("02-00-00-00-00-09").unwrap().macs, [[2, 0, 0, 0, 0, 9]]);
    assert!(remove(&loaded, "02-00-00-00-00-09"));
    let machines = loaded.apply_some(&machines, &written(), &["02-00-00-00-00-09".to_owned()]);
    assert!(machines.get_by_name("02-00-00-00-00-09").is_none());
}

#[test]
fn an_entry_of_the_server_outlives_it_and_gives_way_to_one_that_a_person_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let (edits, _) = Edits::load(directory.path());
    for name in ["lab3", "web1"] {
        let settings = settings("rescue");
        edits.set_entry(name, &settings, settings.check(name, &|_| Ok(())).unwrap()).unwrap();
    }
    let (loaded, unreadable) = Edits::load(directory.path());
    assert!(unreadable.is_empty(), "{unreadable:?}");
    assert_eq!(boot(&loaded, "lab3").unwrap().0.as_deref(), Some("rescue"));
    assert_eq!(boot(&loaded, "web1").unwrap().0.as_deref(), Some("debian"));
    let machine = loaded.entry("lab3").unwrap();
    assert_eq!(EntrySettings::new(&machine.machine()), settings("rescue"));
    assert!(loaded.remove_entry("lab3").unwrap() && !loaded.remove_entry("lab3").unwrap());
    assert!(boot(&loaded, "lab3").is_none());
}

#[test]
fn the_reader_of_machine_files_checks_the_settings() {
    let unknown = |_: &str| Err(("there is no profile `rescu`".to_owned(), Some("did you mean `rescue`?".to_owned())));
    let errors = settings("rescu").check("lab3", &unknown).unwrap_err();
    assert_eq!(errors[0].help.as_deref(), Some("did you mean `rescue`?"));
    let invalid = EntrySettings { mac: vec!["52:54".to_owned()], ..EntrySettings::default() };
    assert!(!invalid.check("lab3", &|_| Ok(())).unwrap_err().is_empty());
    assert!(!settings("rescue").check("a/b", &|_| Ok(())).unwrap_err().is_empty());
}

#[test]
fn a_damaged_file_is_left_out_and_reported() {
    let directory = tempfile::tempdir().unwrap();
    let orders = directory.path().join("boot-orders");
    std::fs::create_dir(&orders).unwrap();
    std::fs::write(orders.join("web1.toml"), "profile = 1\n").unwrap();
    std::fs::write(orders.join("web2.toml"), once("rescue").to_toml()).unwrap();
    std::fs::write(orders.join(".web3.toml"), "half").unwrap();
    let (edits, unreadable) = Edits::load(directory.path());
    assert_eq!(unreadable.len(), 1);
    assert!(unreadable[0].path.ends_with("web1.toml"));
    assert!(edits.order("web2").is_some());
}

#[test]
fn changes_are_known_by_their_number() {
    let directory = tempfile::tempdir().unwrap();
    let (edits, _) = Edits::load(directory.path());
    set(&edits, "web1", once("rescue"));
    let before = edits.changes();
    set(&edits, "web2", once("rescue"));
    assert_eq!(edits.changed_since(before), ["web2"]);
    assert_eq!(edits.changed_since(0), ["web1", "web2"]);
}

#[test]
fn orders_for_many_machines_are_kept_together_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let (edits, _) = Edits::load(directory.path());
    let orders = |names: std::ops::Range<usize>| names.map(|number| (format!("m{number}"), once("rescue"))).collect();
    // The last order for a machine counts.
    let mut first: Vec<(String, BootOrder)> = orders(0..3);
    first.push(("m1".to_owned(), once("debian")));
    assert!(edits.set_orders(first).iter().all(Result::is_ok));
    let (loaded, unreadable) = Edits::load(directory.path());
    assert!(unreadable.is_empty());
    assert_eq!((loaded.order("m0"), loaded.order("m1")), (Some(once("rescue")), Some(once("debian"))));
    let results = edits.set_orders(orders(2..MAX_EDITS + 1));
    assert_eq!(results.len(), MAX_EDITS - 1);
    assert!(results.iter().all(|result| matches!(result, Err(EditError::Full))));
    assert!(edits.order("m3").is_none());
    let names = ["m0", "m1", "m9"].map(str::to_owned);
    let removed: Vec<bool> = edits.remove_orders(&names).into_iter().map(|it| it.unwrap().is_some()).collect();
    assert_eq!(removed, [true, true, false]);
    assert_eq!(Edits::load(directory.path()).0.open_orders(), ["m2"]);
    // A file cannot replace a directory; the other files are written.
    std::fs::create_dir_all(directory.path().join("boot-orders/m5.toml/x")).unwrap();
    let results = edits.set_orders(orders(4..7));
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(edits.order("m5").is_none() && edits.order("m6").is_some());
}
