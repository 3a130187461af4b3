//! The stories of all machines: for each machine, its latest boots.

use super::boot::{Boot, LATE_REPLY};
use super::client_kind::ClientKind;
use super::draft::Draft;
use super::judge::{Moment, immediate, is_overcome, is_refuted, judge, possible_fault};
use super::names::{NameId, Names};
use super::reached::Reached;
use super::stage::Stage;
use super::step::StepKind;
use super::story_event::{StoryEvent, StoryWhat};
use super::verdict::{Evidence, Facts, Verdict};
use crate::arrival::Port;
use crate::identity::{HardwareAddress, MachineKey};
use crate::relay::Relay;
use crate::wire::pxe::MachineId;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::mem;
use core::net::IpAddr;

/// The number of boots of a machine that the stories keep.
pub const MAX_BOOTS: usize = 16;
/// The number of machines that the stories keep. The machine without a step for the longest time makes room.
pub const MAX_MACHINES: usize = 10_000;
/// A firmware that requests a boot after this pause, in milliseconds, begins another boot. The longest pause between
/// two DHCPDISCOVERs of one attempt is 32 s (protocol.md 2.10).
const BOOT_PAUSE: u64 = 60_000;
/// A boot without a step for this time, in milliseconds, has its verdict, or will have none until its next step.
const SETTLED: u64 = 5 * 60_000;
/// A step after this pause, in milliseconds, begins another boot in any case.
const LONG_PAUSE: u64 = 6 * 60 * 60 * 1000;

/// The stories of all machines.
#[derive(Debug, Default)]
pub struct Stories {
    machines: BTreeMap<MachineKey, MachineStory>,
    /// The machines by their last step, oldest first.
    by_age: BTreeMap<u64, MachineKey>,
    next_age: u64,
    names: Names,
    /// The machines with a verdict since the last call of [`Stories::take_verdicts`].
    judged: Vec<MachineKey>,
}

/// The story of a machine.
#[derive(Debug, Default)]
pub struct MachineStory {
    /// The hardware address.
    pub hardware: Option<HardwareAddress>,
    /// The last known IP address.
    pub address: Option<IpAddr>,
    /// The relay that forwarded the last request to the DHCP server.
    pub relay: Option<Relay>,
    /// Whether a request to the DHCP server is known.
    pub sent_dhcp: bool,
    /// The last known machine identifier that identifies a single machine.
    pub machine_id: Option<MachineId>,
    /// The name of the machine's entry.
    pub entry: NameId,
    /// The boots, oldest first.
    pub boots: VecDeque<Boot>,
    age: u64,
}

/// A boot whose steps now belong to the boot of another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptedBoot {
    /// The machine that had it.
    pub key: MachineKey,
    /// The time of its first step, in milliseconds since the start of the server.
    pub began: u64,
}

/// The changes that an event made in the story of its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// The stages that the boot reached.
    pub reached: Reached,
    /// The boot that the machine's last boot adopted, if the event shows that both are one.
    pub adopted: Option<AdoptedBoot>,
}

impl Stories {
    /// Adds an event to the story of its machine, and judges the boot.
    pub fn note(&mut self, event: &StoryEvent) -> Noted {
        let known = self.machines.get(&event.key);
        // An ordinary DHCP request shows nothing about a machine that never booted from this server.
        if known.is_none() && matches!(event.what, StoryWhat::SystemRequest | StoryWhat::BootOnceReset(_)) {
            return Noted::default();
        }
        if event.may_be_of_firmware() && !known.and_then(MachineStory::last_boot).is_some_and(Boot::has_loaded) {
            return Noted::default();
        }
        self.touch(event.key);
        let adopted = self.adopt(event);
        let (names, machine) = (&mut self.names, self.machines.entry(event.key).or_default());
        machine.identify(names, event);
        if machine.begins_another_boot(event) {
            let verdict = machine.judge_last(names, Moment::Superseded(&event.what), event.at);
            if verdict {
                self.judged.push(event.key);
            }
            machine.begin_boot(names, event);
        }
        let Some(boot) = machine.boots.back_mut() else {
            return Noted { adopted, ..Noted::default() };
        };
        let draft = immediate(boot, names, event);
        let fault = possible_fault(boot, event);
        boot.note(names, event);
        boot.forgive(names);
        let reached = boot.newly_reached(event.at);
        if let Some(fault) = fault {
            boot.notes_mut().fault.get_or_insert_with(|| Box::new(fault));
        }
        let has_verdict = match draft {
            Some(draft) => machine.set_verdict(names, draft, event.at),
            None => machine.judge_last(names, Moment::Step, event.at),
        };
        if has_verdict {
            self.judged.push(event.key);
        }
        Noted { reached, adopted }
    }

    /// Judges the boots without a step for some time. Call it every few seconds. `now` is in milliseconds since the
    /// start of the server.
    pub fn expire(&mut self, now: u64) {
        let is_recent = |boot: &Boot| now.saturating_sub(boot.last) < SETTLED;
        for (key, machine) in &mut self.machines {
            if machine.last_boot().is_some_and(is_recent) && machine.judge_last(&mut self.names, Moment::Idle, now) {
                self.judged.push(*key);
            }
        }
    }

    /// Judges the last boot of a machine as if nothing had happened until `now`.
    pub fn expire_machine(&mut self, key: MachineKey, now: u64) {
        let Some(machine) = self.machines.get_mut(&key) else { return };
        if machine.judge_last(&mut self.names, Moment::Idle, now) {
            self.judged.push(key);
        }
    }

    /// The machines whose last boot received a verdict since the last call.
    pub fn take_verdicts(&mut self) -> Vec<MachineKey> {
        mem::take(&mut self.judged)
    }

    /// The story of a machine.
    pub fn machine(&self, key: MachineKey) -> Option<&MachineStory> {
        self.machines.get(&key)
    }

    /// The machines, with the latest step first.
    pub fn machines(&self) -> impl Iterator<Item = (MachineKey, &MachineStory)> + Clone {
        self.by_age.values().rev().filter_map(|key| Some((*key, self.machines.get(key)?)))
    }

    /// The texts of the stories.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Adds the steps of a machine that was known only by its address to the machine that has this address. A request
    /// for a file may overtake the DHCP packet that shows whose address it is.
    fn adopt(&mut self, event: &StoryEvent) -> Option<AdoptedBoot> {
        let address = event.address.filter(|_| event.hardware.is_some())?;
        let key = MachineKey::from_address(address);
        let mut other = self.machines.remove(&key)?;
        self.by_age.remove(&other.age);
        let boot = self.machines.get_mut(&event.key).and_then(|machine| machine.boots.back_mut());
        let part = other.boots.back_mut();
        let adopted = boot.zip(part).filter(|(boot, part)| part.began >= boot.began).map(|(boot, part)| {
            boot.adopt(part);
            AdoptedBoot { key, began: part.began }
        });
        other.release(&mut self.names);
        adopted
    }

    /// Makes a machine the latest one, and removes the oldest one if there are too many.
    fn touch(&mut self, key: MachineKey) {
        let age = self.next_age;
        self.next_age += 1;
        if let Some(machine) = self.machines.get_mut(&key) {
            self.by_age.remove(&machine.age);
            machine.age = age;
        } else {
            if self.machines.len() >= MAX_MACHINES
                && let Some((_, oldest)) = self.by_age.pop_first()
                && let Some(machine) = self.machines.remove(&oldest)
            {
                machine.release(&mut self.names);
            }
            self.machines.insert(key, MachineStory { age, ..MachineStory::default() });
        }
        self.by_age.insert(age, key);
    }
}

impl MachineStory {
    /// The last boot.
    pub fn last_boot(&self) -> Option<&Boot> {
        self.boots.back()
    }

    fn identify(&mut self, names: &mut Names, event: &StoryEvent) {
        self.hardware = event.hardware.or(self.hardware);
        self.address = event.address.filter(|address| !address.is_unspecified()).or(self.address);
        if event.what.is_dhcp_request() {
            self.relay = event.relay;
            self.sent_dhcp = true;
        }
        self.machine_id = event.machine_id.filter(MachineId::is_unique).or(self.machine_id);
        let entry = event.entry.as_str();
        if !entry.is_empty() && names.text(self.entry) != entry {
            names.release(mem::take(&mut self.entry));
            self.entry = names.store(entry);
        }
    }

    /// Whether an event begins another boot. A firmware that requests a boot after it received a loader was restarted,
    /// or its loader ended. An iPXE in the network card begins a boot itself.
    fn begins_another_boot(&self, event: &StoryEvent) -> bool {
        let Some(boot) = self.boots.back() else { return true };
        let pause = event.at.saturating_sub(boot.last);
        if pause > LONG_PAUSE {
            return true;
        }
        let Some(client) = event.what.client() else { return false };
        if pause < LATE_REPLY && boot.lacks_boot_server_reply() && event.what.is_for_boot_server() {
            return false;
        }
        match client {
            _ if boot.is_over => true,
            ClientKind { .. } if client.is_firmware() => boot.has_reached(Stage::Loader) || pause > BOOT_PAUSE,
            ClientKind { .. } if client.is_ipxe() => {
                boot.has_reached(Stage::Kernel) || (boot.has_reached(Stage::Script) && pause > BOOT_PAUSE)
            }
            _ => false,
        }
    }

    fn begin_boot(&mut self, names: &mut Names, event: &StoryEvent) {
        if let Some(last) = self.boots.back_mut() {
            last.end();
        }
        if self.boots.len() >= MAX_BOOTS
            && let Some(oldest) = self.boots.pop_front()
        {
            oldest.release(names);
        }
        let link = names.store(event.link.as_str());
        self.boots.push_back(Boot { client: event.what.client(), link, ..Boot::new(event.at) });
    }

    /// Judges the last boot, and returns whether it received a verdict.
    fn judge_last(&mut self, names: &mut Names, moment: Moment<'_>, now: u64) -> bool {
        let mut boots = self.boots.iter().rev();
        let Some(boot) = boots.next() else { return false };
        if boot.verdict.is_some() || boot.is_over {
            return false;
        }
        match judge(boot, boots.next(), names, moment, now) {
            Some(draft) => self.set_verdict(names, draft, now),
            None => false,
        }
    }

    /// The boot that a draft is about: the last one, or that in which the attempt of its finding began. `None` if the
    /// machine has received a file since that attempt.
    fn boot_of(&mut self, draft: &Draft) -> Option<&mut Boot> {
        let Some(finding) = draft.finding else { return self.boots.back_mut() };
        let has_begun = |boot: &Boot| boot.began <= finding.asked.saturating_add(LATE_REPLY);
        let index = self.boots.iter().rposition(has_begun).unwrap_or(0);
        self.boots.get_mut(index).filter(|boot| !boot.has_received_any_since(finding.asked))
    }

    /// Sets the verdict of a boot if it has none, and returns whether it did.
    fn set_verdict(&mut self, names: &mut Names, draft: Draft, now: u64) -> bool {
        let Some(boot) = self.boot_of(&draft).filter(|boot| boot.verdict.is_none()) else { return false };
        let evidence = match draft.finding {
            Some(finding) => Evidence::Finding(finding),
            None => Evidence::Facts(Facts {
                file: names.store(draft.file.as_str()),
                detail: names.store(&draft.detail),
                address: draft.address,
                number: draft.number,
            }),
        };
        boot.failed_after = boot.progress();
        boot.verdict = Some(Box::new(Verdict { at: now, code: draft.code, evidence }));
        true
    }

    fn release(&self, names: &mut Names) {
        names.release(self.entry);
        self.boots.iter().for_each(|boot| boot.release(names));
    }
}

impl Boot {
    /// Whether the server offered the machine its port 4011, and no reply from there is known.
    fn lacks_boot_server_reply(&self) -> bool {
        let mut ports = self.steps.iter().filter_map(|step| match step.what {
            StepKind::Replied(_, port, _) => Some(port),
            _ => None,
        });
        !self.is_over && ports.all(|port| port != Port::BootServer)
    }

    /// Forgets a fault and a verdict after which the machine has gone on.
    fn forgive(&mut self, names: &mut Names) {
        let fault = self.notes.as_ref().and_then(|notes| notes.fault.as_ref());
        if fault.is_some_and(|fault| is_overcome(self, names, fault)) {
            self.notes_mut().fault = None;
        }
        if let Some(verdict) = &self.verdict
            && is_refuted(self, names, verdict, self.failed_after)
        {
            verdict.release(names);
            self.verdict = None;
        }
    }
}
