//! How often a proxy's ADVERTISE still counts beside a DHCPv6 server that is authoritative: its preference of 255 tells
//! the firmware to wait for nobody else (protocol.md 5.3). Twenty machines, two at a time; no test, because what comes
//! first is up to the machine that this runs on.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::capture::Capture;
use proxydhcpd_e2e::machine::{self, Machine};
use proxydhcpd_e2e::net::{Host, Segment};
use proxydhcpd_e2e::{WorkDir, peers, sandbox, server, site};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const BOOTS: usize = 20;
const AUTHORITATIVE: &[&str] = &["--dhcp-authoritative", "--enable-ra", "--dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h"];
/// From power-on to the end of PXE over IPv6, won or lost.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Result<()> {
    // `cargo test --benches` builds it and has it say nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    server::binary()?;
    sandbox::enter()?;
    let (next, won) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let boot = next.fetch_add(1, Ordering::Relaxed);
                    if boot >= BOOTS {
                        return;
                    }
                    let (release, machine) = match boot % 2 {
                        0 => ("2022", machine::x64_2022()),
                        _ => ("2025", machine::x64_2025()),
                    };
                    let outcome = race(boot, &machine);
                    eprintln!("race {}: x64 of {release}: {outcome:?}", boot + 1);
                    won.lock().expect("nobody panics with it").push((release, outcome));
                }
            });
        }
    });
    let boots = won.into_inner().expect("nobody panics with it");
    ensure!(boots.iter().all(|(_, outcome)| outcome.is_ok()), "not every race was run to its end");
    println!("\nPXE over IPv6 beside an authoritative DHCPv6 server (dnsmasq, preference 255), each on its own link");
    for release in ["2022", "2025"] {
        let of_release: Vec<bool> =
            boots.iter().filter(|(of, _)| *of == release).filter_map(|(_, won)| won.as_ref().ok().copied()).collect();
        let won = of_release.iter().filter(|won| **won).count();
        println!("  x64 of {release}: {won} of {} boots came to us for their loader", of_release.len());
    }
    Ok(())
}

/// Whether the machine took what we had said.
fn race(number: usize, machine: &Machine) -> Result<bool> {
    let lab = &WorkDir::new(&format!("race-{number}"))?;
    let segment = Segment::new(lab, "wire")?;
    let capture = Capture::start(lab, &segment, "wire")?;
    let (primary, ours) = (Host::new(lab, "primary")?, Host::new(lab, "server")?);
    segment.plug(&primary, "eth0", &["fd77::1/64"])?;
    segment.plug(&ours, "eth0", &["fd77::2/64"])?;
    let _primary = peers::dhcp6_server(lab, &primary, AUTHORITATIVE)?;
    let _server = site::serve(lab, &ours, site::boot_dir(lab, None)?)?;
    let mut running = machine.clone().with_ipv6_first().power_on(lab, &segment, "machine")?;
    let mut won = false;
    running.wait_until("the end of PXE over IPv6", PATIENCE, || {
        let asked = capture.packets("ip6 and udp dst port 69")?;
        won = !asked.is_empty();
        // IPv4 comes next, where IPv6 has come to nothing.
        let goes_on = !capture.packets("ip and udp dst port 67")?.is_empty();
        Ok(won || goes_on)
    })?;
    Ok(won)
}
