//! `cargo test -p proxydhcpd-e2e` boots machines from the real binary.

/// Defines `ALL`, which lists the cases of a file, each with its name and its function.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub const ALL: &[(&str, crate::Case)] = &[$((stringify!($name), $name)),*];
    };
}

mod cases;
mod configuration;
mod faults;
mod firmware;
mod installers;
mod ipv6;
mod menu;
mod missed_offers;
mod more_faults;
mod profiles;
mod reports;
mod secure_boot;
mod service;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use proxydhcpd_e2e::{WorkDir, installed_loaders, server, systemd_host};
use proxydhcpd_testbed::sandbox;

type Case = fn(&WorkDir) -> Result<()>;

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    if !arguments.list {
        server::binary()?;
        sandbox::enter();
        systemd_host::mount_control_groups();
        installed_loaders::hide();
    }
    // Each emulator uses a whole core, so with more than two at a time each would only be slower.
    arguments.test_threads.get_or_insert(2);
    let boots = [
        cases::ALL,
        configuration::ALL,
        firmware::ALL,
        installers::ALL,
        ipv6::ALL,
        menu::ALL,
        profiles::ALL,
        secure_boot::ALL,
        service::ALL,
    ]
    .into_iter()
    .flatten();
    let boots = boots.map(|(name, case)| {
        Trial::test(*name, || run(name, |work| case(work).and_then(|()| missed_offers::no_machine_is_reported(work))))
    });
    // The machines of these cases do not boot.
    let faults = [faults::ALL, missed_offers::ALL, more_faults::ALL, reports::ALL].into_iter().flatten();
    let faults = faults.map(|(name, case)| Trial::test(*name, move || run(name, case)));
    libtest_mimic::run(&arguments, boots.chain(faults).collect()).exit()
}

/// Runs one case in a new work directory. A failure message includes the logs.
fn run(name: &str, case: impl Fn(&WorkDir) -> Result<()>) -> Result<(), Failed> {
    let work = WorkDir::new(name)?;
    case(&work).map_err(|error| Failed::from(format!("{error:#}\n{}", work.evidence())))?;
    work.log_progress(name);
    Ok(())
}
