//! Runs the boots of many machines at once, on one thread.

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::machine::Machine;
use crate::network::{Network, RelayOptions};
use crate::play::{Timing, play};
use crate::report::Report;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

/// The most machines of a run.
pub const MAX_MACHINES: usize = 50_000;

/// The machines of a run, and how they are played.
#[derive(Clone, Debug)]
pub struct Run {
    /// The interface on which the machines are.
    pub interface: String,
    /// The kinds of the machines, which take turns.
    pub kinds: Vec<&'static Kind>,
    /// The number of machines, at most [`MAX_MACHINES`].
    pub machines: usize,
    /// The number of machines that boot at the same time.
    pub at_once: usize,
    /// The seed of their identities.
    pub seed: u64,
    /// The relay for machines in another network.
    pub relay: Option<RelayOptions>,
    /// The addresses that the player assigns; `None`: a DHCP server does.
    pub assigned: Option<RangeInclusive<Ipv4Addr>>,
    /// The waits and limits.
    pub timing: Timing,
}

/// Returns the machines of a run, in the order in which they are switched on.
pub fn machines(kinds: &[&'static Kind], seed: u64, count: usize) -> Vec<Machine> {
    let mut numbers = BTreeMap::new();
    let turns = kinds.iter().cycle().take(count.min(MAX_MACHINES));
    let next = |kind: &&'static Kind| {
        let number = numbers.entry(kind.name).or_insert(0);
        *number += 1;
        Machine::new(kind, seed, *number)
    };
    turns.map(next).collect()
}

/// Runs the boots, on the network of this thread, and returns when all have ended. Each boot has a time limit, so a run
/// has one.
pub fn run(run: &Run) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Host(format!("cannot start the event loop: {error}")))?;
    LocalSet::new().block_on(&runtime, play_all(run))
}

async fn play_all(run: &Run) -> Result<Report, Failure> {
    let network = Network::open(&run.interface, run.relay.clone(), run.assigned.clone()).await?;
    let network = Rc::new(network);
    let (link, relay) = (network.clone(), network.clone());
    let delivery = tokio::task::spawn_local(async move { link.deliver().await });
    let relayed_delivery = tokio::task::spawn_local(async move { relay.deliver_relayed().await });
    let permits = Arc::new(Semaphore::new(run.at_once.max(1)));
    let (mut boots, mut report) = (JoinSet::new(), Report::default());
    for machine in machines(&run.kinds, run.seed, run.machines) {
        let (network, permits, timing) = (network.clone(), permits.clone(), run.timing);
        boots.spawn_local(async move {
            let _permit = permits.acquire().await;
            play(&network, timing, machine).await
        });
    }
    while let Some(result) = boots.join_next().await {
        let results = result.map_err(|error| Failure::Host(format!("a boot was cancelled: {error}")))?;
        report.boots.extend(results);
    }
    delivery.abort();
    relayed_delivery.abort();
    report.duration = network.now();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;
    use std::collections::BTreeSet;

    #[test]
    fn kinds_take_turns_and_no_two_machines_are_equal() {
        let kinds: Vec<_> = KINDS.iter().collect();
        let machines = machines(&kinds, 1, 2 * kinds.len());
        let macs: BTreeSet<_> = machines.iter().map(|machine| machine.mac).collect();
        assert_eq!(macs.len(), 2 * kinds.len());
        assert_eq!(machines[0].kind.name, machines[kinds.len()].kind.name);
    }
}
