//! The state that the threads share: the current site, the links, the observations, the sink of events, and the
//! completions of boot-once machines.

mod boot_once;
mod edits;
mod file_requests;
mod liveness;
mod orders;
pub mod report_body;
mod report_limits;
mod reports;

use crate::boot_once::BootOnceState;
use crate::edits::Edits;
use crate::events::Events;
use crate::heard_traffic::HeardTraffic;
use crate::history::History;
use crate::kept_packets::KeptPackets;
use crate::site::Site;
use crate::story::StoryBook;
use arc_swap::{ArcSwap, Guard};
pub use edits::EditRefusal;
pub use liveness::Liveness;
pub use orders::EditTarget;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_core::identity::MachineIdentity;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::Observations;
use report_limits::{ReportLimits, ReportRates};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The state that all threads of the server share.
#[derive(Debug)]
pub struct State {
    /// The current site. A reload replaces it as a whole.
    site: ArcSwap<Site>,
    /// Whether a reload has replaced the site since the machines without an entry were last protected.
    is_replaced: AtomicBool,
    /// The served links. Replaced as a whole when netlink reports a change.
    pub links: ArcSwap<Vec<Link>>,
    observations: Mutex<Observations>,
    /// The sink of events.
    pub events: Events,
    /// The completions on the disk.
    pub boot_once: BootOnceState,
    /// The changes of operators while the server runs.
    pub edits: Edits,
    /// The stories of boots.
    pub stories: StoryBook,
    /// The history of boots.
    pub history: History,
    /// The latest DHCP packets.
    pub packets: KeptPackets,
    /// The numbers of DHCP packets that the server heard.
    pub traffic: HeardTraffic,
    /// Whether the threads that serve respond.
    pub liveness: Liveness,
    /// Machines that completed their boot-once, and whose entries have no `boot`. The log has warned of each.
    warned_unset: Mutex<BTreeSet<String>>,
    /// Limits the reports of machines.
    report_limits: Mutex<ReportLimits>,
    /// Limits the lines of syslog.
    syslog_limits: Mutex<ReportLimits>,
}

impl State {
    /// The state of a server that starts now. Reads the completions from the disk.
    pub fn new(mut site: Site, links: Vec<Link>, boot_once: BootOnceState, edits: Edits, events: Events) -> Self {
        site.plan.inventory = edits.apply(&site.files.written);
        let state = State {
            site: ArcSwap::from_pointee(site),
            is_replaced: AtomicBool::new(false),
            links: ArcSwap::from_pointee(links),
            // The kernel's random numbers seed the standard library's hasher.
            observations: Mutex::new(Observations::new(RandomState::new().hash_one(0))),
            events,
            boot_once,
            edits,
            stories: StoryBook::default(),
            history: History::default(),
            packets: KeptPackets::default(),
            traffic: HeardTraffic::default(),
            liveness: Liveness::default(),
            warned_unset: Mutex::default(),
            report_limits: Mutex::new(ReportLimits::new(ReportRates::REPORTS)),
            syslog_limits: Mutex::new(ReportLimits::new(ReportRates::SYSLOG)),
        };
        state.observations().boot_once.set_completions(state.boot_once.completion_counts());
        state.refresh_boot_once();
        state
    }

    /// The current site.
    pub fn site(&self) -> Guard<Arc<Site>> {
        self.site.load()
    }

    /// The current site, to keep it.
    pub fn current_site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// Replaces the site as a whole.
    pub fn replace_site(&self, site: Site) {
        self.site.store(Arc::new(site));
        self.is_replaced.store(true, Ordering::Relaxed);
    }

    /// Changes a part of the site. If another thread changes the site at the same time, calls `change` again for the
    /// site of that thread.
    pub fn change_site(&self, change: impl Fn(&mut Site)) {
        self.site.rcu(|site| {
            let mut site = Site::clone(site);
            change(&mut site);
            site
        });
    }

    /// Records the machines that did not take the server's offer. Call it every few seconds.
    pub fn record_boot_attempts(&self) {
        let findings = self.observations().boot_attempts.expire(self.now());
        let links = self.links.load();
        for finding in &findings {
            let link = links.iter().find(|link| link.index == finding.link).map(|link| link.name.as_str());
            let identity = MachineIdentity::from_hardware(finding.hardware);
            let machine = EventMachine { identity: Some(&identity), ..EventMachine::default() };
            self.events.lock().record(link, machine, Service::Dhcp(Port::Dhcp.number()), What::Finding(finding));
        }
    }

    /// The time since the start of the server, in milliseconds.
    pub fn now(&self) -> u64 {
        self.events.now()
    }

    /// Locks the observations. The lock's poison is ignored: a panic in a DHCP or TFTP thread ends the process, and
    /// after a panic in an HTTP request the server should continue.
    pub fn observations(&self) -> MutexGuard<'_, Observations> {
        self.observations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
