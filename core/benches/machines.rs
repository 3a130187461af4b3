//! The cost of machines, of lookups among them, and of a change of one, for a thousand, a hundred thousand and a
//! million machines. One line each:
//!
//! - `build`: milliseconds to build the list, octets of memory per machine, and at most while the list is built;
//! - an identity: nanoseconds for a lookup of a random machine that exists, and of one that does not;
//! - a change: microseconds (median, maximum), and octets that the new version needs in addition to the previous one;
//! - `clone`: nanoseconds.

use proxydhcpd_core::identity::{Identifiers, ShownIdentities};
use proxydhcpd_core::plan::inventory::{Inventory, InventoryBuilder, Machine};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];
const LOOKUPS: u32 = 1_000_000;
const BUILDS: usize = 5;
const CHANGES: usize = 1_000;

fn main() {
    for size in SIZES {
        let machines = build(size);
        // The lookups leave millions of small free blocks, which the allocator would collect during a change.
        for (change, apply) in CHANGE_KINDS {
            measure_change(&machines, change, apply, size);
        }
        for (identity, select) in IDENTITIES {
            let hits = nanoseconds(&machines, select, 0, size);
            let misses = nanoseconds(&machines, select, size, size);
            println!("{size} {identity} {hits:.0} {misses:.0}");
        }
        let start = Instant::now();
        (0..CHANGES).for_each(|_| drop(black_box(machines.clone())));
        println!("{size} clone {}", start.elapsed().as_nanos() / CHANGES as u128);
    }
}

fn build(size: u32) -> Inventory {
    let seconds = || {
        let start = Instant::now();
        let machines = black_box(site(size));
        let elapsed = start.elapsed();
        drop(machines);
        elapsed.as_secs_f64()
    };
    let milliseconds = 1e3 * median((0..BUILDS).map(|_| seconds()).collect());
    let before = OCTETS.load(Ordering::Relaxed);
    MAX_OCTETS.store(before, Ordering::Relaxed);
    let machines = site(size);
    let each = |octets: &AtomicUsize| (octets.load(Ordering::Relaxed) - before) as f64 / f64::from(size);
    println!("{size} build {milliseconds:.1} {:.1} {:.1}", each(&OCTETS), each(&MAX_OCTETS));
    machines
}

/// Changes a machine: the one with this number, which exists.
type Change = fn(&Inventory, u32) -> Inventory;

const CHANGE_KINDS: [(&str, Change); 4] = [
    ("change-profile", |machines, number| with(machines, number, number, "debian")),
    ("change-identities", |machines, number| with(machines, number, number | 1 << 30, "menu")),
    ("add", |machines, number| with(machines, number | 1 << 30, number | 1 << 30, "menu")),
    ("remove", |machines, number| machines.without_machine(&name(number))),
];

/// The list with a machine: its name has one number, its identities have another one.
fn with(machines: &Inventory, named: u32, identified: u32, profile: &str) -> Inventory {
    with_machine(named, identified, profile, |machine| machines.with_machine(machine).expect("it is small"))
}

/// Each change continues from the previous one, and the previous list is dropped, as in a server.
fn measure_change(machines: &Inventory, change: &str, apply: Change, size: u32) {
    let mut current = machines.clone();
    let mut random = random(0, size);
    let (mut microseconds, mut octets) = (Vec::new(), Vec::new());
    for _ in 0..CHANGES {
        let number = random();
        let before = OCTETS.load(Ordering::Relaxed);
        let start = Instant::now();
        let next = apply(&current, number);
        let after = OCTETS.load(Ordering::Relaxed);
        current = next;
        microseconds.push(start.elapsed().as_secs_f64() * 1e6);
        octets.push((after - before) as f64);
    }
    let max = microseconds.iter().copied().fold(0.0, f64::max);
    println!("{size} {change} {:.1} {max:.1} {:.0}", median(microseconds), median(octets));
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Selects the identities to look up together.
type Select = for<'a> fn(ShownIdentities<'a>) -> ShownIdentities<'a>;

const IDENTITIES: [(&str, Select); 5] = [
    ("mac", |all| identity_of(all.identifiers.macs[0], None)),
    ("uuid", |all| identity_of(None, all.identifiers.uuids[0])),
    ("serial", |all| ShownIdentities { serial: all.serial, ..ShownIdentities::default() }),
    ("name", |all| ShownIdentities { name: all.name, ..ShownIdentities::default() }),
    // The identities in a DHCP packet.
    ("mac+uuid", |all| ShownIdentities { identifiers: all.identifiers, ..ShownIdentities::default() }),
];

fn identity_of<'a>(mac: Option<[u8; 6]>, uuid: Option<[u8; 16]>) -> ShownIdentities<'a> {
    ShownIdentities { identifiers: Identifiers::new(mac, uuid), ..ShownIdentities::default() }
}

fn site(size: u32) -> Inventory {
    let mut builder = InventoryBuilder::default();
    for number in 0..size {
        with_machine(number, number, "menu", |machine| builder.add(machine)).expect("names differ");
    }
    builder.finish(&[])
}

fn with_machine<T>(named: u32, identified: u32, profile: &str, call: impl FnOnce(&Machine<'_>) -> T) -> T {
    let (name, serial) = (name(named), serial(identified));
    let macs = [mac(identified), mac(identified | 1 << 31)];
    let (uuid, serial) = (Some(uuid(identified)), Some(&serial[..]));
    call(&Machine { name: &name, macs: &macs, uuid, serial, profile: Some(profile), ..Machine::default() })
}

fn name(number: u32) -> String {
    format!("pc{number:07}")
}

fn serial(number: u32) -> String {
    format!("S{number:09X}")
}

fn mac(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 0, a, b, c, d]
}

fn uuid(number: u32) -> [u8; 16] {
    let mut uuid = [0x42; 16];
    uuid[4..8].copy_from_slice(&number.to_be_bytes());
    uuid
}

/// Random numbers from `first` to `first + size`.
fn random(first: u32, size: u32) -> impl FnMut() -> u32 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        first + (state >> 32) as u32 % size
    }
}

/// The mean time of a lookup over a million of them, without the time that it takes to build the identities. The
/// lookups are for the machines `first` to `first + size`.
fn nanoseconds(machines: &Inventory, select: Select, first: u32, size: u32) -> f64 {
    let mut random = random(first, size);
    let lookups: Vec<(u32, String, String)> =
        (0..LOOKUPS).map(|_| random()).map(|number| (number, name(number), serial(number))).collect();
    let start = Instant::now();
    let mut found = 0;
    for (number, name, serial) in &lookups {
        let identifiers = Identifiers::new(Some(mac(*number)), Some(uuid(*number)));
        let identity =
            select(ShownIdentities { identifiers, serial: Some(serial), name: Some(name), shares_uuid: false });
        found += u32::from(black_box(machines.get_by_identity(&identity)).is_some());
    }
    let elapsed = start.elapsed();
    assert_eq!(found, if first == 0 { LOOKUPS } else { 0 });
    elapsed.as_nanos() as f64 / f64::from(LOOKUPS)
}

/// The allocator of the system, which counts the octets in use.
struct CountingAllocator;

static OCTETS: AtomicUsize = AtomicUsize::new(0);
static MAX_OCTETS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn count(size: usize) {
    let octets = OCTETS.fetch_add(size, Ordering::Relaxed) + size;
    MAX_OCTETS.fetch_max(octets, Ordering::Relaxed);
}

// SAFETY: every call goes to the allocator of the system unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as required of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        OCTETS.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as required of the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        OCTETS.fetch_sub(layout.size(), Ordering::Relaxed);
        count(size);
        // SAFETY: as required of the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
