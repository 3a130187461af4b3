//! The cost of a lookup among a thousand, a hundred thousand and a million machines, for random machines that exist
//! and random ones that do not. One line each: machines, identity, nanoseconds for hits, nanoseconds for misses.

use proxydhcpd_core::identity::Identifiers;
use proxydhcpd_core::plan::machines::{Identity, Machine, Machines, MachinesBuilder};
use std::hint::black_box;
use std::time::Instant;

const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];
const LOOKUPS: u32 = 1_000_000;

fn main() {
    for size in SIZES {
        let machines = site(size);
        for (identity, select) in IDENTITIES {
            let hits = nanoseconds(&machines, select, 0, size);
            let misses = nanoseconds(&machines, select, size, size);
            println!("{size} {identity} {hits:.0} {misses:.0}");
        }
    }
}

/// Selects the identities to look up together.
type Select = for<'a> fn(Identity<'a>) -> Identity<'a>;

const IDENTITIES: [(&str, Select); 5] = [
    ("mac", |all| identity_of(all.identifiers.macs[0], None)),
    ("uuid", |all| identity_of(None, all.identifiers.uuids[0])),
    ("serial", |all| Identity { serial: all.serial, ..Identity::default() }),
    ("name", |all| Identity { name: all.name, ..Identity::default() }),
    // The identities in a DHCP packet.
    ("mac+uuid", |all| Identity { identifiers: all.identifiers, ..Identity::default() }),
];

fn identity_of<'a>(mac: Option<[u8; 6]>, uuid: Option<[u8; 16]>) -> Identity<'a> {
    Identity { identifiers: Identifiers::new(mac, uuid), ..Identity::default() }
}

fn site(size: u32) -> Machines {
    let mut builder = MachinesBuilder::default();
    for number in 0..size {
        let (name, serial) = (format!("pc{number:07}"), format!("S{number:09X}"));
        let (macs, serial) = ([mac(number), mac(number | 1 << 31)], Some(&serial[..]));
        let machine = Machine { name: &name, macs: &macs, uuid: Some(uuid(number)), serial, ..Machine::default() };
        builder.add(&machine).expect("names differ");
    }
    builder.finish(&[])
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

/// The mean time of a lookup over a million of them, without the time that it takes to build the identities. The
/// lookups are for the machines `first` to `first + size`.
fn nanoseconds(machines: &Machines, select: Select, first: u32, size: u32) -> f64 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        first + (state >> 32) as u32 % size
    };
    let lookups: Vec<(u32, String, String)> = (0..LOOKUPS)
        .map(|_| random())
        .map(|number| (number, format!("pc{number:07}"), format!("S{number:09X}")))
        .collect();
    let start = Instant::now();
    let mut found = 0;
    for (number, name, serial) in &lookups {
        let identifiers = Identifiers::new(Some(mac(*number)), Some(uuid(*number)));
        let identity = select(Identity { identifiers, serial: Some(serial), name: Some(name), shares_uuid: false });
        found += u32::from(black_box(machines.find(&identity)).found.is_some());
    }
    let elapsed = start.elapsed();
    assert_eq!(found, if first == 0 { LOOKUPS } else { 0 });
    elapsed.as_nanos() as f64 / f64::from(LOOKUPS)
}
