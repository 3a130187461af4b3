//! Judges a boot: finds the proof of a failure in its steps. Without a proof, there is no verdict: most machines fall
//! silent because they run.

use super::boot::{Boot, LATE_REPLY};
use super::client_kind::ClientKind;
use super::draft::{Draft, PossibleFault, Retry};
use super::names::Names;
use super::stage::Stage;
use super::step::{FileState, OfferKind, Step, StepKind, StepRole};
use super::story_event::{FileEnd, StoryEvent, StoryFile, StoryReport, StoryWhat};
use super::verdict::{Evidence, Verdict};
use super::verdict_code::VerdictCode;
use crate::answer::Silence;
use crate::arrival::Port;
use crate::choose::NoBoot;
use crate::event::{ContentKind, Substitute};
use crate::file_ticket::BootKind;
use crate::observations::LoopCause;
use crate::observations::finding::{Cause, Diagnosis, Finding};
use crate::route::RefuseReason;
use crate::transfer::Progress;
use alloc::format;
use alloc::string::ToString;
use core::net::IpAddr;

/// A firmware sends its read request within a second after the reply, and repeats it every four seconds (protocol.md
/// 4.1). After this time, in milliseconds, it has given up.
const READ_REQUEST_WAIT: u64 = 25_000;
/// A machine repeats a request without a reply after at most 16 s, and goes on to its next boot method or to the next
/// command of its script within seconds. After this time, in milliseconds, it has done neither.
const RETRY_WAIT: u64 = 25_000;
/// After a pause of this length, in milliseconds, an iPXE is not about to request another file.
const IDLE: u64 = 45_000;
/// A firmware without an offer tries PXE and HTTP boot for a minute each, over IPv4 and then over IPv6, and then begins
/// anew. After this time, in milliseconds, it has tried more than one.
const ALL_METHODS: u64 = 150_000;
/// The number of requests for the same script, and the largest average pause between them in milliseconds, by which a
/// script that starts itself is known. People do not choose that fast.
const LOOP_REQUESTS: u16 = 10;
const LOOP_PAUSE: u32 = 3_000;
/// A system that restarts this soon, in milliseconds after the last file, did not run.
const SYSTEM_START: u64 = 60_000;
/// The number of read requests without an acknowledged reply that proves a fault. The network may duplicate one.
const UNACKNOWLEDGED_REQUESTS: u16 = 3;
/// The number of repeated ACKs of the options that proves that blocks do not arrive.
const REPEATED_ACKS: u8 = 2;
/// The largest block that fits into the smallest MTU of IPv4 hosts (576 octets, RFC 791), in octets.
const SMALL_BLOCK: u16 = 512;

/// The moment at which a boot is judged.
#[derive(Clone, Copy, Debug)]
pub enum Moment<'a> {
    /// A step was added.
    Step,
    /// Some seconds have passed.
    Idle,
    /// The machine is about to begin another boot with this event.
    Superseded(&'a StoryWhat),
}

/// The verdict that an event alone proves.
pub fn immediate(boot: &Boot, names: &Names, event: &StoryEvent) -> Option<Draft> {
    match &event.what {
        StoryWhat::NotAnswered {
            port: Port::BootServer,
            reason: Silence::Refused(RefuseReason::UnservedNetwork(address)),
            ..
        } => Some(Draft { address: Some(*address), ..Draft::new(VerdictCode::RelayNotForwarding) }),
        StoryWhat::BootLoop(cause) => boot_loop(boot, names, *cause),
        StoryWhat::Report(StoryReport::InstallFailed { text }) => {
            Some(Draft::new(VerdictCode::InstallFailed).detail(&**text))
        }
        StoryWhat::Finding(finding) => {
            Some(Draft { finding: Some(*finding), ..Draft::new(VerdictCode::from(finding)) })
        }
        StoryWhat::FileEnded { file, end: FileEnd::TimedOut(progress), .. } => lost_blocks(file, *progress),
        _ => None,
    }
}

/// The fault that an event shows, which ends the boot unless the machine goes on another way.
pub fn possible_fault(boot: &Boot, event: &StoryEvent) -> Option<PossibleFault> {
    let (draft, retry) = match &event.what {
        StoryWhat::Unsent { client, port, to, to_relay, from_port, errno } => {
            (unsent(to.ip(), *to_relay, *from_port, *errno)?, Retry::Request(*client, *port))
        }
        StoryWhat::FileRefused { file, label } => (refused_file(boot, file, label)?, Retry::File(file.name)),
        StoryWhat::OfferedFileRefused { name, reason } => {
            let draft = Draft::new(VerdictCode::FileUnreadable).file(name.as_str()).detail(&**reason);
            (draft, Retry::File(*name))
        }
        StoryWhat::TemplateFailed { substitute: Substitute::Menu, .. } => return None,
        StoryWhat::TemplateFailed { file, substitute, error } => {
            let draft = Draft::new(VerdictCode::TemplateFailed).detail(&**error);
            match substitute {
                Substitute::Nothing => (draft.file(file.as_str()), Retry::File(*file)),
                // The machine receives the explanation under the name of the file.
                _ => (draft, Retry::None),
            }
        }
        StoryWhat::Report(StoryReport::ScriptError { command, error, file }) if !error.is_cancelled() => {
            let code = if error.is_out_of_memory() { VerdictCode::TooLittleMemory } else { VerdictCode::IpxeError };
            let draft = Draft::new(code).file(file.as_str()).detail(format!("`{}` failed: {error}", command.name()));
            (draft, Retry::File(*file))
        }
        _ => return None,
    };
    Some(PossibleFault { draft, at: event.at, progress: boot.progress(), retry })
}

/// Whether the machine has gone on since a possible fault.
pub fn is_overcome(boot: &Boot, names: &Names, fault: &PossibleFault) -> bool {
    let is_later = |step: &Step| boot.began.saturating_add(step.last.into()) > fault.at;
    let is_answered = |client: ClientKind, port: Port| {
        let is_reply = |step: &&Step| matches!(step.what, StepKind::Replied(to, on, _) if (to, on) == (client, port));
        boot.steps.iter().filter(is_reply).any(is_later)
    };
    let has_retried = match &fault.retry {
        Retry::Request(client, port) => is_answered(*client, *port),
        Retry::File(name) => boot.has_received_since(names, name.as_str(), fault.at),
        Retry::None => false,
    };
    has_retried || boot.has_gone_on_since(fault.progress, fault.at)
}

/// Whether the machine has gone on since this verdict about its boot. `progress` is how far it had come then.
pub fn is_refuted(boot: &Boot, names: &Names, verdict: &Verdict, progress: Option<Stage>) -> bool {
    use VerdictCode::*;
    let is_about_missing_file = matches!(
        verdict.code,
        FileMissing
            | FileUnreadable
            | InitrdMissing
            | KernelMissing
            | TemplateFailed
            | TftpBlocksLost
            | TftpRepliesBlocked
    );
    let file = match &verdict.evidence {
        Evidence::Facts(facts) if is_about_missing_file => names.text(facts.file),
        _ => "",
    };
    let has_file = !file.is_empty() && boot.has_received_since(names, file, verdict.at);
    // The end of the transfer that proves a loop may follow the verdict.
    let repeated = match verdict.code {
        BootLoop => Some(Stage::Loader),
        ScriptLoop => Some(Stage::Script),
        _ => None,
    };
    has_file || boot.has_gone_on_since(progress.max(repeated), verdict.at)
}

/// The verdict that the steps of a boot prove. `previous` is the machine's boot before it.
pub fn judge(boot: &Boot, previous: Option<&Boot>, names: &Names, moment: Moment<'_>, now: u64) -> Option<Draft> {
    let pause = now.saturating_sub(boot.last);
    let is_still = |time: u64| match moment {
        Moment::Step => false,
        Moment::Idle => pause >= time,
        Moment::Superseded(_) => true,
    };
    unsolved_fault(boot, moment, now)
        .or_else(|| unacknowledged_requests(boot, names))
        .or_else(|| script_loop(boot, names))
        .or_else(|| too_little_memory(boot, names))
        .or_else(|| missing_read_request(boot, previous, names).filter(|_| is_still(READ_REQUEST_WAIT)))
        .or_else(|| silent_grub(boot, names).filter(|_| is_still(IDLE)))
        .or_else(|| failed_script(boot).filter(|_| is_still(IDLE)))
        .or_else(|| missing_script_file(boot, names).filter(|_| is_still(IDLE)))
        .or_else(|| no_reply(boot).filter(|_| is_still(IDLE) || now.saturating_sub(boot.began) >= ALL_METHODS))
        .or_else(|| match moment {
            Moment::Superseded(what) => superseded(boot, previous, names, what, pause),
            _ => None,
        })
}

/// The possible fault, if the machine has not gone on for a while. The caller removes faults that were overcome.
fn unsolved_fault(boot: &Boot, moment: Moment<'_>, now: u64) -> Option<Draft> {
    let fault = boot.notes.as_ref()?.fault.as_ref()?;
    let is_proven = match moment {
        Moment::Step => false,
        Moment::Idle => now.saturating_sub(fault.at) >= RETRY_WAIT,
        Moment::Superseded(_) => true,
    };
    is_proven.then(|| fault.draft.clone())
}

fn unsent(to: IpAddr, to_relay: bool, from_port: u16, errno: i32) -> Option<Draft> {
    const EPERM: i32 = 1;
    const ENETUNREACH: i32 = 101;
    const EHOSTUNREACH: i32 = 113;
    match (errno, to_relay) {
        (EPERM, _) => {
            let draft = Draft::new(VerdictCode::ReplyBlocked).detail("Operation not permitted");
            Some(draft.number(from_port.into()))
        }
        (ENETUNREACH | EHOSTUNREACH, true) => {
            let detail = if errno == ENETUNREACH { "Network is unreachable" } else { "No route to host" };
            let draft = Draft::new(VerdictCode::RelayUnreachable).detail(detail);
            Some(Draft { address: Some(to), ..draft })
        }
        _ => None,
    }
}

/// A file that the plan or a script knows as the kernel or an initrd of the machine does not exist.
fn refused_file(boot: &Boot, file: &StoryFile, label: &str) -> Option<Draft> {
    let code = match boot.role(file, 0, ContentKind::File) {
        StepRole::Kernel => VerdictCode::KernelMissing,
        StepRole::Initrd => VerdictCode::InitrdMissing,
        _ => return None,
    };
    label.ends_with(":not-found").then(|| Draft::new(code).file(file.name.as_str()))
}

/// A boot loop within one boot: a request of the firmware between the fetches would have begun another boot.
fn boot_loop(boot: &Boot, names: &Names, cause: LoopCause) -> Option<Draft> {
    let (loader, ..) = boot.files().find(|(step, role, _)| *role == StepRole::Loader && step.times > 1)?;
    Some(draft_of(loader, names, VerdictCode::BootLoop).detail(match cause {
        LoopCause::Ipxe => {
            "Its iPXE requested the file: the script loads iPXE again. Correct the `chain` command of the script"
        }
        LoopCause::NoIpxe => {
            "No iPXE sent a request between the fetches: the loader is another program, does not run on this machine, \
             or does not see its network card. Look at the screen of the machine"
        }
    }))
}

/// The machine repeats its ACK of the options: it receives small packets and no blocks.
fn lost_blocks(file: &StoryFile, progress: Progress) -> Option<Draft> {
    let is_large = progress.confirmed && progress.blksize > SMALL_BLOCK && progress.repeated_acks >= REPEATED_ACKS;
    is_large.then(|| Draft::new(VerdictCode::TftpBlocksLost).file(file.name.as_str()).number(progress.blksize.into()))
}

/// The machine repeats its read request, because it receives no reply.
fn unacknowledged_requests(boot: &Boot, names: &Names) -> Option<Draft> {
    boot.files().find_map(|(step, _, state)| match state {
        FileState::TimedOut(Progress { confirmed: false, repeated_requests, .. }) => {
            let requests = step.times.saturating_add(repeated_requests.into());
            let draft = || draft_of(step, names, VerdictCode::TftpRepliesBlocked).number(requests.into());
            (requests >= UNACKNOWLEDGED_REQUESTS || step.times > 1).then(draft)
        }
        _ => None,
    })
}

/// Scripts that start themselves or each other.
fn script_loop(boot: &Boot, names: &Names) -> Option<Draft> {
    let (step, ..) = boot.files().rev().find(|(_, role, _)| role.is_script())?;
    let duration = step.last.saturating_sub(step.at);
    let is_fast = duration <= u32::from(step.times).saturating_mul(LOOP_PAUSE);
    let is_loop = step.times >= LOOP_REQUESTS && is_fast && !boot.has_reached(Stage::Kernel);
    is_loop.then(|| draft_of(step, names, VerdictCode::ScriptLoop).number(step.times.into()))
}

/// The machine has less memory than its kernel and initrds need.
fn too_little_memory(boot: &Boot, names: &Names) -> Option<Draft> {
    let memory = u64::from(boot.notes.as_ref()?.memory?);
    let (kernel, ..) = boot.files().find(|(_, role, _)| *role == StepRole::Kernel)?;
    let size = boot.loaded_size();
    let draft = || {
        let detail = format!("it has {memory} MiB of memory, and the kernel and its initrds have {} MiB", size >> 20);
        draft_of(kernel, names, VerdictCode::TooLittleMemory).detail(detail)
    };
    (size > memory << 20).then(draft)
}

/// The machine came to port 4011 for its boot file, and then did not request the file. The server records a reply after
/// it has sent it, so the request may be the last of the boot before.
fn missing_read_request(boot: &Boot, previous: Option<&Boot>, names: &Names) -> Option<Draft> {
    let last = boot.steps.last()?;
    if previous.is_some_and(|previous| previous.last_file().is_some() && boot.began < previous.last + LATE_REPLY) {
        return None;
    }
    match last.what {
        StepKind::Replied(ClientKind { .. }, Port::BootServer, OfferKind::Loader | OfferKind::LocalDisk)
            if boot.files().next().is_none() && !names.text(last.name).contains("://") =>
        {
            Some(draft_of(last, names, VerdictCode::TftpRequestsBlocked))
        }
        _ => None,
    }
}

/// A GRUB that requests its files from the DHCP server, and so nothing from this server.
fn silent_grub(boot: &Boot, names: &Names) -> Option<Draft> {
    let grub = boot.notes.as_ref()?.grub?;
    let (step, _, state) = boot.last_file()?;
    let is_loaded = state.is_received() && names.text(step.name) == grub.as_str();
    is_loaded.then(|| draft_of(step, names, VerdictCode::GrubAsksDhcpServer))
}

/// A script with an error, after which the machine requested nothing.
fn failed_script(boot: &Boot) -> Option<Draft> {
    let (script, error) = boot.notes.as_ref()?.script_error.as_ref()?;
    let (_, role, state) = boot.last_file()?;
    let is_last = role.is_script() && state.is_received() && !boot.has_reached(Stage::Kernel);
    is_last.then(|| Draft::new(VerdictCode::ScriptError).file(script.as_str()).detail(&**error))
}

/// A script that the boot needs does not exist.
fn missing_script_file(boot: &Boot, names: &Names) -> Option<Draft> {
    let (step, role, state) = boot.last_file()?;
    let is_missing = role == StepRole::NeededScript && state == FileState::Refused;
    is_missing.then(|| draft_of(step, names, VerdictCode::FileMissing))
}

/// The server had nothing for the machine, and the machine found no other way.
fn no_reply(boot: &Boot) -> Option<Draft> {
    if boot.has_reached(Stage::Offered) {
        return None;
    }
    let notes = boot.notes.as_ref()?;
    if notes.is_unserved {
        return Some(Draft::new(VerdictCode::InterfaceNotServed));
    }
    let (reason, remedy) = notes.no_reply.as_ref()?;
    let Silence::NoBoot(no_boot) = reason else { return None };
    match (no_boot, remedy) {
        (NoBoot::Denied(_) | NoBoot::Profile, _) => None,
        (_, Some(remedy)) => Some(Draft::new(VerdictCode::LoaderMissing).detail(&**remedy)),
        (_, None) => Some(Draft::new(VerdictCode::NothingToBoot).detail(no_boot.to_string())),
    }
}

/// The firmware requests a boot again.
fn superseded(boot: &Boot, previous: Option<&Boot>, names: &Names, what: &StoryWhat, pause: u64) -> Option<Draft> {
    let client = what.client().filter(|client| client.is_firmware())?;
    let first = boot.client.filter(|client| client.is_firmware())?;
    match boot.stage()? {
        // A request of iPXE shows that the loader ran.
        Stage::Loader if boot.boots != BootKind::LocalDisk && boot.is_of_firmware_alone() => {
            let began_anew = client.method == first.method;
            let before = |previous: &Boot| previous.stage() == Some(Stage::Loader) && was_quick(previous, boot);
            // A firmware that goes on to its next boot method was not switched off.
            (!began_anew || previous.is_some_and(before)).then(|| not_started(boot, names))?
        }
        Stage::Kernel if pause < SYSTEM_START => {
            if let Some(draft) = tight_memory(boot, names) {
                return Some(draft);
            }
            let before = |previous: &Boot| previous.stage() == Some(Stage::Kernel) && was_quick(previous, boot);
            let (kernel, ..) = boot.files().find(|(_, role, _)| *role == StepRole::Kernel)?;
            let seconds = u32::try_from(SYSTEM_START / 1000).unwrap_or(u32::MAX);
            let draft = || draft_of(kernel, names, VerdictCode::SystemNotStarted).number(seconds);
            previous.is_some_and(before).then(draft)
        }
        _ => None,
    }
}

/// The kernel unpacks its initrds in memory, so it needs about twice their size.
fn tight_memory(boot: &Boot, names: &Names) -> Option<Draft> {
    let memory = u64::from(boot.notes.as_ref()?.memory?);
    let size = boot.loaded_size();
    let (kernel, ..) = boot.files().find(|(_, role, _)| *role == StepRole::Kernel)?;
    let draft = || {
        let detail = format!(
            "it has {memory} MiB of memory, loaded {} MiB, which it unpacks in memory, and then requested a boot again",
            size >> 20
        );
        draft_of(kernel, names, VerdictCode::TooLittleMemory).detail(detail)
    };
    (2 * size > memory << 20).then(draft)
}

/// Whether the second boot followed the first so soon that no system can have run between them.
fn was_quick(first: &Boot, second: &Boot) -> bool {
    second.began.saturating_sub(first.last) < SYSTEM_START
}

/// The verdict about a loader that did not start.
fn not_started(boot: &Boot, names: &Names) -> Option<Draft> {
    let (step, ..) = boot.files().find(|(_, role, state)| *role == StepRole::Loader && state.is_received())?;
    let code = match boot.notes.as_ref().is_some_and(|notes| notes.is_unsigned) {
        true => VerdictCode::LoaderUnsigned,
        false => VerdictCode::LoaderNotStarted,
    };
    Some(draft_of(step, names, code))
}

fn draft_of(step: &Step, names: &Names, code: VerdictCode) -> Draft {
    Draft::new(code).file(names.text(step.name))
}

/// The kind of failure that a finding shows.
impl From<&Finding> for VerdictCode {
    fn from(finding: &Finding) -> Self {
        match (finding.diagnosis, finding.cause) {
            (Diagnosis::NoAddress(_) | Diagnosis::NoAddress6(_), _) => VerdictCode::NoAddress,
            (Diagnosis::AddressUntaken(..), _) => VerdictCode::AddressNotTaken,
            (Diagnosis::OfferUnseen(_), _) => VerdictCode::OfferNotSeen,
            (_, Cause::Option60) => VerdictCode::Option60,
            (_, Cause::BootFile) => VerdictCode::DhcpBootFile,
            (_, Cause::AnotherServer(_)) => VerdictCode::OtherBootServer,
            (Diagnosis::LoadedElsewhere(_), _) => VerdictCode::ForeignIpxe,
            (Diagnosis::ShutOut(_) | Diagnosis::BootsAnother(_), _) => VerdictCode::NotContacted,
        }
    }
}
