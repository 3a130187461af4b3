//! How often firmware uses a proxy's ADVERTISE although the DHCPv6 server is authoritative: the server's preference of
//! 255 ends the firmware's wait for other servers (protocol.md 5.3). Twenty machines, two at a time. This is no test,
//! because the order of the packets depends on the host that runs it.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::capture::Capture;
use proxydhcpd_e2e::machine::{self, Machine};
use proxydhcpd_e2e::{WorkDir, peers, server, site};
use proxydhcpd_testbed::{Host, Segment, sandbox};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const BOOTS: usize = 20;
const AUTHORITATIVE: &[&str] = &["--dhcp-authoritative", "--enable-ra", "--dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h"];
/// From power-on to the end of PXE over IPv6, with or without a boot.
const RACE_TIMEOUT: Duration = Duration::from_secs(120);

fn main() -> Result<()> {
    // Under `cargo test --benches`, only check that this compiles.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    server::binary()?;
    sandbox::enter();
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
                    won.lock().expect("no thread panics while it holds the lock").push((release, outcome));
                }
            });
        }
    });
    let boots = won.into_inner().expect("no thread panics while it holds the lock");
    ensure!(boots.iter().all(|(_, outcome)| outcome.is_ok()), "some races failed");
    println!("\nPXE over IPv6 with an authoritative DHCPv6 server (dnsmasq, preference 255), each on a separate link");
    for release in ["2022", "2025"] {
        let of_release: Vec<bool> = boots
            .iter()
            .filter(|(raced, _)| *raced == release)
            .filter_map(|(_, won)| won.as_ref().ok().copied())
            .collect();
        let won = of_release.iter().filter(|won| **won).count();
        println!("  x64 of {release}: {won} of {} boots fetched their loader from this server", of_release.len());
    }
    Ok(())
}

/// Whether the machine used this server's ADVERTISE.
fn race(number: usize, machine: &Machine) -> Result<bool> {
    let work = &WorkDir::new(&format!("race-{number}"))?;
    let segment = Segment::new();
    let capture = Capture::start(work, &segment, "wire")?;
    let (dhcp_host, server_host) = (Host::without_dad(), Host::without_dad());
    segment.plug(&dhcp_host, "eth0", &["fd77::1/64"]);
    segment.plug(&server_host, "eth0", &["fd77::2/64"]);
    let _dhcp_server = peers::dhcp6_server(work, &dhcp_host, AUTHORITATIVE)?;
    let _server = site::serve(work, &server_host, site::boot_dir(work, None)?)?;
    let mut running = machine.clone().with_ipv6_first().power_on(work, &segment, "machine")?;
    let mut won = false;
    running.wait_until("the end of PXE over IPv6", RACE_TIMEOUT, || {
        let requests = capture.packets("ip6 and udp dst port 69")?;
        won = !requests.is_empty();
        // The firmware tries IPv4 after IPv6 has failed.
        let tries_ipv4 = !capture.packets("ip and udp dst port 67")?.is_empty();
        Ok(won || tries_ipv4)
    })?;
    Ok(won)
}
