//! Measures an attack, and checks what the honest machines saw.

use crate::attacker::Attacker;
use crate::common::server_process::Usage;
use crate::honest::{self, RETRY, Waits};
use crate::network::{ADDRESSES, Network};
use crate::table::Attack;
use proxydhcpd_player::report::Report;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long an attack lasts.
#[derive(Clone, Copy)]
pub struct Length {
    /// The time before the honest machines ask, in which the amplification is measured.
    pub alone: Duration,
    /// The time in which honest machines ask.
    pub asking: Duration,
    /// The number of whole boots of each kind.
    pub boots: usize,
    /// The time in which the server may close what the attacker has left open.
    pub settling: Duration,
}

/// The descriptors that the server opens after its start: the file of the history, and its boot directory.
const SOME: usize = 6;

/// In `make test`.
pub const SHORT: Length = Length {
    alone: Duration::from_millis(300),
    asking: Duration::from_millis(700),
    boots: 1,
    settling: Duration::ZERO,
};

/// In `make attacks`.
pub const LONG: Length = Length {
    alone: Duration::from_secs(2),
    asking: Duration::from_secs(4),
    boots: 10,
    settling: Duration::from_secs(20),
};

/// The results of an attack.
pub struct Measured {
    pub attack: &'static Attack,
    pub waits: Waits,
    pub boots: Report,
    pub factor: f64,
    pub before: Usage,
    pub after: Usage,
}

/// Attacks the server, while machines boot. `run` is the number of this attack on the network.
pub fn measure(attack: &'static Attack, network: &Network, length: Length, run: u32) -> Measured {
    let pid = network.server.pid();
    let (before, stop) = (Usage::of(pid), AtomicBool::new(false));
    let (waits, boots, factor) = thread::scope(|scope| {
        let octets = network.octets();
        let stopped = &stop;
        scope.spawn(move || {
            let attack = || Attacker::new(ADDRESSES, &network.server).run(attack.rate, 0, attack.send, stopped);
            network.attacker.on(attack);
        });
        // Ends the attack also if this thread panics.
        let _stops = Stops(&stop);
        thread::sleep(length.alone);
        let factor = network.octets().factor_since(octets);
        let boots = scope.spawn(move || network.machines.on(|| honest::boot(length.boots, run)));
        let waits = network.machines.on(|| honest::ask(attack.honest, length.asking));
        (waits, boots.join().unwrap(), factor)
    });
    let ended = Instant::now();
    while Usage::of(pid).descriptors > before.descriptors + SOME && ended.elapsed() < length.settling {
        thread::sleep(Duration::from_millis(100));
    }
    Measured { attack, waits, boots, factor, before, after: Usage::of(pid) }
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Measured {
    /// The longest boot.
    fn slowest_boot(&self) -> Duration {
        self.boots.boots.iter().map(|boot| boot.duration).max().unwrap_or_default()
    }

    /// Returns the reasons why the server did not hold.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, fault: String| faults.extend((!holds).then_some(fault));
        let Waits { asked, waits } = &self.waits;
        check(waits.len() == *asked, format!("{} of {asked} machines got no offer", asked - waits.len()));
        check(self.waits.longest() < RETRY, format!("a machine waited {:?} for its offer", self.waits.longest()));
        for (boot, failure) in self.boots.failures() {
            check(false, format!("a boot of the kind {} failed: {failure}", boot.kind));
        }
        check(self.slowest_boot() < RETRY, format!("a boot took {:?}", self.slowest_boot()));
        if let Some(most) = self.attack.max_factor {
            check(self.factor <= most, format!("the server sent {:.2} times what it received", self.factor));
        }
        let growth = self.after.memory.saturating_sub(self.before.memory) >> 10;
        check(growth <= self.attack.max_growth, format!("the server needs {growth} MiB more"));
        faults
    }

    /// The row of the table in the documentation.
    pub fn row(&self) -> String {
        let Waits { asked, waits } = &self.waits;
        let milliseconds = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e3);
        let booted = self.boots.boots.len() - self.boots.failures().count();
        let columns = [
            self.attack.what.to_owned(),
            if self.attack.rate > 0 { self.attack.rate.to_string() } else { String::new() },
            format!("{} of {asked}", waits.len()),
            milliseconds(self.waits.percentile_99()),
            milliseconds(self.waits.longest()),
            format!("{booted} of {}", self.boots.boots.len()),
            milliseconds(self.slowest_boot()),
            self.attack.max_factor.map_or(String::new(), |_| format!("{:.1}", self.factor)),
            format!("{} → {}", self.before.memory >> 10, self.after.memory >> 10),
            format!("{} → {}", self.before.descriptors, self.after.descriptors),
        ];
        format!("| {} |", columns.join(" | "))
    }
}
