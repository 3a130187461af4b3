//! `cargo test -p proxydhcpd-e2e`: machines boot through the real binary.

mod cases;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use proxydhcpd_e2e::{Lab, sandbox, server};

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    if !arguments.list {
        server::binary()?;
        sandbox::enter()?;
    }
    // An emulator keeps a core busy; more than two at a time only make each other late.
    arguments.test_threads.get_or_insert(2);
    let trials = cases::ALL.iter().map(|(name, case)| Trial::test(*name, || run(name, *case)));
    libtest_mimic::run(&arguments, trials.collect()).exit()
}

/// One case in a lab of its own. What a failure leaves to read is said with it.
fn run(name: &str, case: cases::Case) -> Result<(), Failed> {
    let lab = Lab::new(name)?;
    case(&lab).map_err(|error| Failed::from(format!("{error:#}\n{}", lab.evidence())))?;
    lab.note(name);
    Ok(())
}
