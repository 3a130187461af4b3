//! Does the work whose instructions `e2e/tests/instructions.rs` counts under callgrind. The argument names the work;
//! the program prints how often it did that, without the warm-up. Only [`measured`] counts.

mod answers;
mod http;
mod reference;
mod tftp;

use std::process::ExitCode;

/// Work with its name. It calls [`measured`] for what counts, and returns how often it did the work there.
type Work = (&'static str, fn() -> usize);

const ALL: &[Work] = &[
    ("reference", reference::run),
    ("answer-discover", || answers::run("ovmf-x64-discover")),
    ("answer-relayed-discover", || answers::run("relayed-x64-discover-option-82")),
    ("answer-request-4011", || answers::run("ovmf-x64-request-4011")),
    ("answer-ipxe", || answers::run("ipxe-x64-discover")),
    ("answer-solicit", || answers::run("relayed-pxe6-solicit")),
    ("answer-request6-4011", || answers::run("ovmf-pxe6-request-4011")),
    ("tftp-block", tftp::run),
    ("http-request", http::run),
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    match ALL.iter().find(|(name, _)| *name == wanted) {
        Some((_, run)) => {
            println!("{}", run());
            ExitCode::SUCCESS
        }
        None => {
            ALL.iter().for_each(|(name, _)| println!("{name}"));
            ExitCode::from(u8::from(!wanted.is_empty()))
        }
    }
}

/// callgrind counts the instructions of a thread while it is in this function, which it finds by its name.
#[unsafe(no_mangle)]
#[inline(never)]
fn proxydhcpd_measured(work: &mut dyn FnMut()) {
    work();
}

/// Does the work that counts.
fn measured(mut work: impl FnMut()) {
    proxydhcpd_measured(&mut work);
}
