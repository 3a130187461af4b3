//! Staged faults: each boot that fails ends in its verdict, and boots again after the remedy. The faults are firewalls,
//! files, other servers and packets that never come; the events are those of the server itself. Needs root.

/// Defines `ALL`, which lists the cases of a file, each with its name and its function.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub const ALL: &[(&str, fn())] = &[$((stringify!($name), $name)),*];
    };
}

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod at_once;
mod files;
mod firewalls;
mod installers;
mod network;
mod offers;
mod raw_packets;
mod recoveries;
mod settings;
mod several;
mod silence;

use libtest_mimic::{Arguments, Trial};

/// The number of cases at a time. They wait most of the time, for proofs that take a machine half a minute.
const AT_ONCE: usize = 12;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let all = [
        addresses::ALL,
        at_once::ALL,
        files::ALL,
        firewalls::ALL,
        installers::ALL,
        offers::ALL,
        raw_packets::ALL,
        recoveries::ALL,
        settings::ALL,
        several::ALL,
        silence::ALL,
    ];
    let trial = |(name, case): &(&'static str, fn())| {
        let case = *case;
        Trial::test(*name, move || {
            case();
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, all.into_iter().flatten().map(trial).collect()).exit();
}
