//! The page for operators in a real browser, against the real binary. Needs root.

/// Defines `ALL`, which lists the cases of a file, each with its name and its function.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub const ALL: &[(&str, crate::Case)] = &[$((stringify!($name), $name)),*];
    };
}

mod access;
mod boots;
mod keyboard;
mod many;
mod other_sites;
mod pictures;
mod texts;
mod vanished;
mod without_script;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use proxydhcpd_browser::browser;
use proxydhcpd_e2e::{WorkDir, server};
use proxydhcpd_testbed::sandbox;

type Case = fn(&WorkDir) -> Result<()>;

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    if !arguments.list {
        server::binary()?;
        browser::installed()?;
        sandbox::enter();
    }
    // Two browsers, or a browser and an emulator, fill two cores.
    arguments.test_threads.get_or_insert(2);
    // The longest first.
    let cases = [
        pictures::ALL,
        boots::ALL,
        vanished::ALL,
        keyboard::ALL,
        many::ALL,
        without_script::ALL,
        texts::ALL,
        other_sites::ALL,
        access::ALL,
    ];
    let cases = cases.into_iter().flatten();
    let trials = cases.map(|(name, case)| Trial::test(*name, move || run(name, case))).collect();
    libtest_mimic::run(&arguments, trials).exit()
}

/// Runs one case in a new work directory. A failure message includes the logs.
fn run(name: &str, case: impl Fn(&WorkDir) -> Result<()>) -> Result<(), Failed> {
    let work = WorkDir::new(name)?;
    case(&work).map_err(|error| Failed::from(format!("{error:#}\n{}", work.evidence())))?;
    work.log_progress(name);
    Ok(())
}
