//! Tests of the file of the history, with times as values.

use super::handover::{REPEATS, Written};
use super::queue::{Job, Shared};
use super::row::BootRow;
use super::schema::{APPLICATION_ID, FIRST_VERSION, VERSION};
use super::store::StoreError;
use super::{
    BootFilter, FILE, History, HistoryError, MachineConditions, MachineFilter, ReportFilter, Store, StoredBoot,
    StoredReport, Time, VerdictFilter, machines, query, writer,
};
use crate::events::Events;
use crate::settings::HistoryConfig;
use crate::story::StoryBook;
use crate::story::json::{BootRecord, StageRecord, StepRecord, StepWhat, VerdictRecord};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::event::Event;
use proxydhcpd_core::identity::{HardwareAddress, MachineKey};
use proxydhcpd_core::link::{Network, Network4};
use proxydhcpd_core::story::{ClientKind, OfferKind, ShortText, Stage, StoryEvent, StoryWhat, VerdictCode};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tempfile::TempDir;

const DAY: u64 = 24 * 60 * 60 * 1000;
/// 2026-11-30T00:00:00Z.
const NOW: Time = Time(1_795_996_800_000);

fn store() -> (TempDir, PathBuf, Store) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let store = Store::open(&path).unwrap();
    (directory, path, store)
}

/// The boot of a machine that began at this time.
fn boot(machine: u32, began: Time) -> StoredBoot {
    let [a, b, c, d] = machine.to_be_bytes();
    let mac = format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
    let last = began.plus(5000);
    let stage = |name: &str, after_ms| StageRecord {
        name: name.to_owned(),
        at: began.plus(u64::from(after_ms)).rfc3339(),
        after_ms,
    };
    let offer = StepWhat::Replied {
        client: "x64 UEFI".to_owned(),
        port: 67,
        offer: "loader".to_owned(),
        file: "ipxe.efi".to_owned(),
    };
    let step = StepRecord { at: began.rfc3339(), after_ms: 20, last_after_ms: 20, times: 1, stage: None, what: offer };
    StoredBoot {
        id: 0,
        machine: mac.clone(),
        hardware: Some(mac),
        entry: None,
        address: Some("192.0.2.107".to_owned()),
        relay: None,
        uuid: None,
        is_over: false,
        began,
        last,
        judged: None,
        record: BootRecord {
            began: began.rfc3339(),
            last: last.rfc3339(),
            client: Some("x64 UEFI".to_owned()),
            method: None,
            interface: Some("eth0".to_owned()),
            profile: None,
            stage: Some("offered".to_owned()),
            stages: vec![stage("asked", 0), stage("offered", 20)],
            steps: vec![step],
            verdict: None,
        },
    }
}

/// The row of a boot.
fn row(boot: &StoredBoot) -> BootRow {
    let StoredBoot { record, .. } = boot;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let verdict = |text: fn(&VerdictRecord) -> &String| record.verdict.as_ref().map(text).cloned().unwrap_or_default();
    BootRow {
        is_known: false,
        machine: boot.machine.clone(),
        hardware: text(&boot.hardware),
        entry: text(&boot.entry),
        address: text(&boot.address),
        relay: text(&boot.relay),
        uuid: text(&boot.uuid),
        interface: text(&record.interface),
        profile: text(&record.profile),
        client: text(&record.client),
        method: text(&record.method),
        began: boot.began,
        last: boot.last,
        is_over: boot.is_over,
        stage: text(&record.stage),
        stages: Stage::ALL.map(|stage| {
            let reached = record.stages.iter().find(|reached| reached.name == stage.name())?;
            Some(boot.began.plus(reached.after_ms.into()))
        }),
        verdict: verdict(|verdict| &verdict.code),
        judged: boot.judged,
        observation: verdict(|verdict| &verdict.observation),
        remedy: verdict(|verdict| &verdict.remedy),
        steps: serde_json::to_vec(&record.steps).unwrap(),
    }
}

fn write_boots(store: &mut Store, boots: impl IntoIterator<Item = StoredBoot>) {
    store.write(|rows| boots.into_iter().try_for_each(|boot| rows.write_boot(&row(&boot)))).unwrap();
}

fn write_report(store: &mut Store, report: &StoredReport) {
    store.write(|rows| rows.add_report(report)).unwrap();
}

/// The boot with this verdict.
fn failed(boot: StoredBoot, code: VerdictCode) -> StoredBoot {
    let (code, title) = (code.id().to_owned(), code.row().title.to_owned());
    let verdict = VerdictRecord {
        at: boot.last.rfc3339(),
        code,
        title,
        observation: "The machine stopped".to_owned(),
        remedy: "Start it".to_owned(),
    };
    StoredBoot { judged: Some(boot.last), record: BootRecord { verdict: Some(verdict), ..boot.record }, ..boot }
}

fn boots(path: &Path, filter: BootFilter) -> Vec<StoredBoot> {
    query::boots(path, &filter).unwrap()
}

#[test]
fn a_boot_is_updated_in_place_and_read_as_it_was_written() {
    let (_directory, path, mut store) = store();
    let first = boot(1, NOW);
    write_boots(&mut store, [first.clone()]);
    write_boots(&mut store, [boot(2, NOW.plus(1))]);
    let mut later = failed(first, VerdictCode::FileMissing);
    later.entry = Some("web1".to_owned());
    later.is_over = true;
    later.record.stage = Some("kernel".to_owned());
    let at = NOW.plus(4000).rfc3339();
    later.record.stages.push(StageRecord { name: "kernel".to_owned(), at, after_ms: 4000 });
    write_boots(&mut store, [later.clone()]);
    let found = boots(&path, BootFilter { machine: Some("web1".into()), ..BootFilter::default() });
    assert_eq!(found, [StoredBoot { id: 1, ..later }]);
    assert_eq!(boots(&path, BootFilter::default()).len(), 2);
    let json = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(json["began"], "2026-11-30T00:00:00.000Z");
    assert_eq!(json["stages"][2]["name"], "kernel");
    assert_eq!(json["steps"][0]["kind"], "replied");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn filters_choose_boots_and_pages_follow_each_other() {
    let (_directory, path, mut store) = store();
    for machine in 0..10 {
        let boot = boot(machine, NOW.plus(u64::from(machine / 2)));
        let boot = if machine % 2 == 0 { failed(boot, VerdictCode::BootLoop) } else { boot };
        write_boots(&mut store, [boot]);
    }
    let count = |filter| boots(&path, filter).len();
    let all = BootFilter::default;
    assert_eq!(count(BootFilter { machine: Some("02:00:00:00:00:03".into()), ..all() }), 1);
    assert_eq!(count(BootFilter { machine: Some("192.0.2.107".into()), ..all() }), 10);
    assert_eq!(count(BootFilter { machine: Some("' OR 1=1 --".into()), ..all() }), 0);
    assert_eq!(count(BootFilter { since: Some(NOW.plus(1)), until: Some(NOW.plus(2)), ..all() }), 4);
    assert_eq!(count(BootFilter { verdict: Some(VerdictFilter::Any), ..all() }), 5);
    assert_eq!(count(BootFilter { verdict: Some(VerdictFilter::Code("boot-loop".into())), ..all() }), 5);
    assert_eq!(count(BootFilter { verdict: Some(VerdictFilter::Code("option-60".into())), ..all() }), 0);
    // Over IPv6, a machine is known by its DUID.
    let by_duid = StoredBoot { machine: "DUID 00:01".into(), address: None, ..boot(20, NOW.plus(DAY)) };
    write_boots(&mut store, [by_duid]);
    assert_eq!(count(BootFilter { machine: Some("02:00:00:00:00:14".into()), ..all() }), 1);
    assert_eq!(count(BootFilter { machine: Some("DUID 00:01".into()), ..all() }), 1);
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = boots(&path, BootFilter { limit: Some(3), before, ..all() });
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        pages.extend(page);
    }
    assert_eq!(pages, boots(&path, all()));
    assert!(pages.is_sorted_by_key(|boot| std::cmp::Reverse(boot.began)));
}

#[test]
fn each_machine_is_listed_once_by_its_last_boot() {
    let (_directory, path, mut store) = store();
    // Machine 0 booted last, and machine 4 first.
    for machine in 0..5 {
        let began = NOW.plus(1000 - u64::from(machine));
        let first = failed(boot(machine, Time(began.0 - DAY)), VerdictCode::BootLoop);
        let last = boot(machine, began);
        let last = if machine % 2 == 1 { failed(last, VerdictCode::FileMissing) } else { last };
        write_boots(&mut store, [first, last]);
    }
    let listed = |filter: MachineFilter| {
        let found = machines::machines(&path, &filter).unwrap();
        let last = found.machines.iter().map(|machine| {
            assert_eq!((machine.boots, machine.last_boot.began > NOW), (2, true), "{machine:?}");
            machine.last_boot.machine.as_bytes().last().copied().map(char::from).unwrap()
        });
        (last.collect::<String>(), found.total)
    };
    let all = || MachineFilter { limit: 10, ..MachineFilter::default() };
    assert_eq!(listed(all()), ("01234".to_owned(), 5));
    assert_eq!(listed(MachineFilter { limit: 2, offset: 1, ..all() }), ("12".to_owned(), 5));
    assert_eq!(listed(MachineFilter { limit: 0, ..all() }), (String::new(), 5));
    let failed = MachineConditions { failed: true, ..MachineConditions::default() };
    assert_eq!(listed(MachineFilter { conditions: failed, ..all() }), ("13".to_owned(), 2));
    let without = [boot(1, NOW).machine, boot(4, NOW).machine].into();
    assert_eq!(listed(MachineFilter { without, offset: 1, ..all() }), ("23".to_owned(), 3));
}

#[test]
fn machines_are_chosen_by_their_last_boot() {
    let (_directory, path, mut store) = store();
    for machine in 0..6 {
        let old = StoredBoot { relay: Some("10.9.0.1".to_owned()), ..boot(machine, Time(NOW.0 - DAY)) };
        let StoredBoot { record, .. } = boot(machine, NOW.plus(u64::from(machine)));
        let last = StoredBoot {
            entry: (machine == 5).then(|| "Web5".to_owned()),
            address: (machine != 0).then(|| format!("192.0.{}.7", machine % 2)),
            relay: (machine < 2).then(|| "10.1.0.1".to_owned()),
            uuid: Some("11223344-5566-7788-99aa-bbccddeeff00".to_owned()),
            record: BootRecord { profile: Some(format!("p{}", machine % 3)), ..record },
            ..boot(machine, NOW.plus(u64::from(machine)))
        };
        let last = if machine == 4 { failed(last, VerdictCode::FileMissing) } else { last };
        write_boots(&mut store, [old, last]);
    }
    let chosen = |conditions: MachineConditions, offset| {
        let filter = MachineFilter { conditions, offset, limit: 2, ..MachineFilter::default() };
        let found = machines::machines(&path, &filter).unwrap();
        let by_boot: Vec<String> = found.machines.iter().filter_map(|it| it.last_boot.hardware.clone()).collect();
        assert_eq!(machines::identifiers(&path, &filter).unwrap(), by_boot);
        let digit = |hardware: &String| hardware.chars().last().unwrap();
        (by_boot.iter().map(digit).collect::<String>(), found.total)
    };
    let any = MachineConditions::default;
    let text = |text: &str| Some(text.to_owned());
    let network = |address: [u8; 4]| Some(Network::V4(Network4 { address: address.into(), prefix: 24 }));
    assert_eq!(chosen(any(), 1), ("43".to_owned(), 6));
    assert_eq!(chosen(MachineConditions { relay: "10.1.0.1".parse().ok(), ..any() }, 0), ("10".to_owned(), 2));
    assert_eq!(chosen(MachineConditions { relay: "10.9.0.1".parse().ok(), ..any() }, 0), (String::new(), 0));
    assert_eq!(chosen(MachineConditions { subnet: network([192, 0, 1, 0]), ..any() }, 0), ("53".to_owned(), 3));
    assert_eq!(chosen(MachineConditions { subnet: network([192, 0, 1, 0]), ..any() }, 2), ("1".to_owned(), 3));
    // The address of machine 0 is unknown, and its relay is in the network.
    assert_eq!(chosen(MachineConditions { subnet: network([10, 1, 0, 0]), ..any() }, 0), ("0".to_owned(), 1));
    assert_eq!(chosen(MachineConditions { profile: text("p1"), ..any() }, 0), ("41".to_owned(), 2));
    assert_eq!(chosen(MachineConditions { verdict: text("file-missing"), ..any() }, 0), ("4".to_owned(), 1));
    assert_eq!(chosen(MachineConditions { search: text("wEB"), ..any() }, 0), ("5".to_owned(), 1));
    assert_eq!(chosen(MachineConditions { search: text("' OR 1=1 --"), ..any() }, 0), (String::new(), 0));
    assert_eq!(chosen(MachineConditions { profile: text("' OR 1=1 --"), ..any() }, 0), (String::new(), 0));
}

/// The first version had no relay and no UUID.
#[test]
fn a_file_of_the_first_version_keeps_its_boots() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let first = Connection::open(&path).unwrap();
    first.execute_batch(FIRST_VERSION).unwrap();
    first.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    first.pragma_update(None, "user_version", 1).unwrap();
    let add = "INSERT INTO boots (machine, began, last, is_over, steps) VALUES ('02:00:00:00:00:01', ?1, ?1, 0, '[]')";
    first.execute(add, [NOW]).unwrap();
    drop(first);
    let mut store = Store::open(&path).unwrap();
    let second = StoredBoot { relay: Some("10.1.0.1".to_owned()), ..boot(2, NOW.plus(1)) };
    write_boots(&mut store, [second]);
    let relays: Vec<_> = boots(&path, BootFilter::default()).into_iter().map(|boot| boot.relay).collect();
    assert_eq!(relays, [Some("10.1.0.1".to_owned()), None]);
    Store::open(&path).unwrap();
}

#[test]
fn a_boot_that_is_part_of_another_is_removed() {
    let (_directory, path, mut store) = store();
    let [first, second] = [boot(1, NOW), boot(1, NOW.plus(1))];
    write_boots(&mut store, [first.clone(), second.clone()]);
    let machine = MachineKey::from_hardware(&HardwareAddress::from_mac([2, 0, 0, 0, 0, 1]));
    store.write(|rows| rows.remove_boot(machine, first.began)).unwrap();
    let left: Vec<Time> = boots(&path, BootFilter::default()).iter().map(|boot| boot.began).collect();
    assert_eq!(left, [second.began]);
}

#[test]
fn repeated_reports_within_ten_seconds_are_one() {
    let (_directory, path, mut store) = store();
    let report = |text: &str, at: u64| StoredReport {
        machine: "02:00:00:00:00:01".to_owned(),
        time: NOW.plus(at),
        times: 1,
        kind: "progress".into(),
        text: text.to_owned(),
        ..StoredReport::default()
    };
    for (text, at) in [("copying", 0), ("copying", 9000), ("partitioning", 9500), ("copying", 20_000)] {
        write_report(&mut store, &report(text, at));
    }
    let found = query::reports(&path, &ReportFilter::default()).unwrap();
    let found: Vec<_> = found.iter().map(|report| (&*report.text, report.times)).collect();
    assert_eq!(found, [("copying", 1), ("partitioning", 1), ("copying", 2)]);
}

#[test]
fn boots_and_reports_older_than_the_limit_are_removed_in_small_steps() {
    let (_directory, path, mut store) = store();
    for machine in 0..1000 {
        write_boots(&mut store, [boot(machine, NOW.plus(u64::from(machine) * DAY / 10))]);
    }
    let report = StoredReport { time: NOW.plus(DAY), kind: "memory".into(), ..StoredReport::default() };
    write_report(&mut store, &report);
    let oldest = NOW.plus(50 * DAY);
    let mut steps = 0;
    while store.shrink(oldest, u64::MAX).unwrap() {
        steps += 1;
    }
    assert!((3..10).contains(&steps), "{steps} steps");
    let left = boots(&path, BootFilter::default());
    assert_eq!((left.len(), left.last().unwrap().began), (500, oldest));
    assert!(query::reports(&path, &ReportFilter::default()).unwrap().is_empty());
}

#[test]
fn the_oldest_boots_make_room_and_the_file_shrinks() {
    let (_directory, path, mut store) = store();
    for begin in (0..12_000).step_by(1000) {
        write_boots(&mut store, (begin..begin + 1000).map(|n| boot(n, NOW.plus(n.into()))));
    }
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    assert!(store.used_size().unwrap() > 2 << 20);
    while store.shrink(Time(0), 1 << 20).unwrap() {}
    assert!(store.used_size().unwrap() <= 1 << 20);
    let left = boots(&path, BootFilter::default());
    assert_eq!(left[0].began, NOW.plus(11_999), "the latest boot stays");
    assert!(left.len() > 500, "{} boots are left", left.len());
    while store.shrink(Time(0), u64::MAX).unwrap() {}
    drop(store);
    assert!(size(&path) < 3 << 19, "the file has {} octets", size(&path));
}

#[test]
fn a_later_schema_and_the_database_of_another_program_are_not_touched() {
    let (_directory, path, store) = store();
    drop(store);
    for (statement, expected) in [("PRAGMA user_version = 99", "Newer(99)"), ("PRAGMA application_id = 7", "Foreign")] {
        Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        let before = fs::read(&path).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert_eq!(format!("{error:?}"), expected);
        assert_eq!(fs::read(&path).unwrap(), before);
        Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION).unwrap();
    }
}

#[test]
fn a_link_instead_of_the_file_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let precious = directory.path().join("precious");
    fs::write(&precious, "").unwrap();
    let path = directory.path().join(FILE);
    std::os::unix::fs::symlink(&precious, &path).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Sqlite(_))));
    assert_eq!(fs::read(&precious).unwrap(), b"");
}

/// The events of state files, as texts.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl crate::events::reader::Reader for Notes {
    fn read(&mut self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{:?}", event.what));
    }
}

/// The server replies to a machine at this time, in milliseconds since its start.
fn reply(stories: &StoryBook, machine: u32, at: u64) {
    let [a, b, c, d] = machine.to_be_bytes();
    let hardware = HardwareAddress::from_mac([2, 0, a, b, c, d]);
    let key = MachineKey::from_hardware(&hardware);
    stories.note(&StoryEvent {
        at,
        key,
        hardware: Some(hardware),
        address: None,
        relay: None,
        machine_id: None,
        entry: ShortText::default(),
        link: ShortText::new("eth0"),
        what: StoryWhat::Replied {
            client: ClientKind { arch: Arch::X64, ..ClientKind::default() },
            port: Port::Dhcp,
            file: ShortText::new("ipxe.efi"),
            offer: OfferKind::Loader,
            profile: ShortText::default(),
        },
    });
    stories.note_changed(key);
}

/// Runs the thread that writes until it has done these jobs and is stopped, and returns the events.
fn run_writer(path: &Path, stories: &StoryBook, jobs: Vec<Job>) -> Vec<String> {
    let (events, notes) = (Events::default(), Notes::default());
    events.add(notes.clone());
    let shared = Shared::new(path.to_owned(), HistoryConfig::default());
    let (done, _ended) = sync_channel(1);
    assert!(jobs.into_iter().chain([Job::Stop(done)]).all(|job| shared.send(job)));
    writer::run(&shared, &events, stories);
    notes.0.lock().unwrap().clone()
}

/// Writes the boots that changed at this time, as the thread does each second.
fn round(store: &mut Store, written: &mut Written, stories: &StoryBook, now: u64) {
    let machines = stories.take_changed(usize::MAX).machines;
    let round = store.write(|rows| written.write(machines, stories, rows, (now, REPEATS), NOW)).unwrap();
    written.commit(round, now).into_iter().for_each(|machine| stories.note_changed(machine));
}

#[test]
fn a_boot_is_written_when_it_changes_and_repeats_every_ten_seconds() {
    let (_directory, path, mut store) = store();
    let (mut written, stories) = (Written::default(), StoryBook::default());
    let times = |written: &mut Written, store: &mut Store, now| {
        round(store, written, &stories, now);
        let found = boots(&path, BootFilter::default());
        found.iter().rev().map(|boot| boot.record.steps.iter().map(|step| step.times).sum()).collect::<Vec<u16>>()
    };
    reply(&stories, 1, 0);
    assert_eq!(times(&mut written, &mut store, 1000), [1]);
    (2000..9000).step_by(1000).for_each(|at| reply(&stories, 1, at));
    assert_eq!(times(&mut written, &mut store, 9000), [1], "repeats wait");
    assert_eq!(times(&mut written, &mut store, 11_000), [8]);
    assert!(stories.take_changed(usize::MAX).machines.is_empty());
    // After a pause of a minute, the firmware begins another boot. Both are written, the first for its end.
    reply(&stories, 1, 70_000);
    assert_eq!(times(&mut written, &mut store, 71_000), [8, 1]);
    let found = boots(&path, BootFilter::default());
    assert_eq!(found.iter().map(|boot| boot.is_over).collect::<Vec<_>>(), [false, true]);
    let boot = &found[1];
    assert_eq!((&*boot.machine, boot.hardware.as_deref()), ("02:00:00:00:00:01", Some("02:00:00:00:00:01")));
    assert_eq!((boot.began, boot.last), (NOW, NOW.plus(8000)));
    let record = &boot.record;
    assert_eq!((record.client.as_deref(), record.method.as_deref()), (Some("x64 UEFI"), Some("PXE over IPv4")));
    assert_eq!((record.interface.as_deref(), record.profile.as_deref()), (Some("eth0"), None));
    let names = stories.stories();
    let story = names.machines().next().unwrap().1;
    let clock = |at| UNIX_EPOCH + Duration::from_millis(NOW.plus(at).0);
    assert_eq!(*record, BootRecord::new(&story.boots[0], names.names(), &clock), "as the stories show it");
}

#[test]
fn a_boot_that_was_not_committed_is_written_later() {
    let (_directory, path, mut store) = store();
    let (mut written, stories) = (Written::default(), StoryBook::default());
    reply(&stories, 1, 0);
    let machines = stories.take_changed(usize::MAX).machines;
    let failed = store.write(|rows| {
        written.write(machines.clone(), &stories, rows, (1000, REPEATS), NOW)?;
        Err::<(), _>(rusqlite::Error::InvalidQuery)
    });
    assert!(failed.is_err() && boots(&path, BootFilter::default()).is_empty());
    machines.into_iter().for_each(|machine| stories.note_changed(machine));
    round(&mut store, &mut written, &stories, 2000);
    assert_eq!(boots(&path, BootFilter::default()).len(), 1);
}

#[test]
fn a_known_boot_whose_machine_or_row_changed_is_written_whole() {
    let (_directory, path, mut store) = store();
    let first = boot(1, NOW);
    let known = |boot: &StoredBoot| BootRow { is_known: true, ..row(boot) };
    write_boots(&mut store, [first.clone()]);
    let mut later = StoredBoot { last: NOW.plus(6000), ..first };
    later.record.last = later.last.rfc3339();
    store.write(|rows| rows.write_boot(&known(&later))).unwrap();
    assert_eq!(boots(&path, BootFilter::default()), [StoredBoot { id: 1, ..later.clone() }]);
    later.address = Some("192.0.2.108".to_owned());
    let later = failed(later, VerdictCode::BootLoop);
    store.write(|rows| rows.write_boot(&known(&later))).unwrap();
    assert_eq!(boots(&path, BootFilter::default()), [StoredBoot { id: 1, ..later.clone() }]);
    // The limits removed it.
    while store.shrink(NOW.plus(1), u64::MAX).unwrap() {}
    assert!(boots(&path, BootFilter::default()).is_empty());
    store.write(|rows| rows.write_boot(&known(&later))).unwrap();
    assert_eq!(boots(&path, BootFilter::default()).len(), 1);
}

#[test]
fn every_condition_on_a_machine_uses_an_index() {
    let (_directory, path, _store) = store();
    let filter = BootFilter { machine: Some("pc1".into()), ..BootFilter::default() };
    let plan = query::plan(&path, &filter);
    assert!(plan.len() > 4 && plan.iter().all(|step| !step.starts_with("SCAN")), "{plan:#?}");
}

#[test]
fn a_damaged_file_is_set_aside_and_two_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    for round in 0..4 {
        fs::write(&path, format!("no database {round}").repeat(1000)).unwrap();
        let stories = StoryBook::default();
        reply(&stories, round, 0);
        let events = run_writer(&path, &stories, vec![Job::Boots]);
        assert!(events.len() == 1 && events[0].contains("HistoryDamaged"), "{events:?}");
        assert_eq!(boots(&path, BootFilter::default()).len(), 1);
    }
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut kept: Vec<String> = names
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.contains("damaged") && !name.ends_with("-wal"))
        .collect();
    kept.sort();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(fs::read_to_string(directory.path().join(&kept[1])).unwrap().starts_with("no database 3"));
}

#[test]
fn damage_that_shows_later_is_set_aside_too() {
    let (directory, path, mut store) = store();
    write_boots(&mut store, (0..2000).map(|n| boot(n, NOW)));
    drop(store);
    // The first pages, which every start reads, stay whole.
    let mut octets = fs::read(&path).unwrap();
    let begin = 20 * 4096;
    octets[begin..].fill(0xff);
    fs::write(&path, octets).unwrap();
    let history = History(Some(Arc::new(Shared::new(path.clone(), HistoryConfig::default()))));
    assert!(matches!(history.boots(&BootFilter::default()), Err(HistoryError::Unreadable(_))));
    let (events, notes) = (Events::default(), Notes::default());
    events.add(notes.clone());
    history.start(&events, &StoryBook::default());
    let started = Instant::now();
    while notes.0.lock().unwrap().is_empty() || !history.0.as_ref().unwrap().is_open() {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    history.stop(Duration::from_secs(5));
    assert!(notes.0.lock().unwrap()[0].contains("HistoryDamaged"), "{notes:?}");
    assert_eq!(history.boots(&BootFilter::default()).unwrap(), []);
    assert!(
        fs::read_dir(directory.path())
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().contains(".damaged-") })
    );
}

#[test]
fn a_file_that_cannot_be_opened_is_one_event() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    fs::create_dir(&path).unwrap();
    let stories = StoryBook::default();
    reply(&stories, 1, 0);
    let events = run_writer(&path, &stories, vec![Job::Boots, Job::Boots]);
    assert!(events.len() == 1 && events[0].contains("HistoryUnavailable"), "{events:?}");
    assert_eq!(stories.take_changed(usize::MAX).machines.len(), 1, "the boot waits");
}

#[test]
fn a_history_that_is_off_has_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let config = HistoryConfig { enabled: false, ..HistoryConfig::default() };
    let history = History::new(directory.path(), &config);
    history.start(&Events::default(), &StoryBook::default());
    assert!(matches!(history.boots(&BootFilter::default()), Err(HistoryError::Off)));
    history.stop(Duration::from_secs(1));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
