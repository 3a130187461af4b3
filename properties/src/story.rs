//! Any events of any machines keep the stories within their bounds, every verdict has its words, and texts that no boot
//! uses are forgotten.

use crate::input::{Input, sized};
use proxydhcpd_core::answer::Silence;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::event::{ContentKind, ResetCause, Substitute};
use proxydhcpd_core::file_ticket::{BootKind, FileRole};
use proxydhcpd_core::identity::{HardwareAddress, MachineKey};
use proxydhcpd_core::ipxe_error::{IpxeError, ScriptCommand};
use proxydhcpd_core::observations::LoopCause;
use proxydhcpd_core::observations::finding::{Cause, Diagnosis, Finding, NextContact};
use proxydhcpd_core::route::RefuseReason;
use proxydhcpd_core::story::{
    Boot, ClientKind, FileEnd, FileNotes, MAX_BOOTS, Method, OfferKind, ProgramKind, ReportKind, ShortText, StepKind,
    StepRole, Stories, StoryEvent, StoryFile, StoryReport, StoryWhat,
};
use proxydhcpd_core::transfer::Progress;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// The maximum numbers of steps and of lines of syslog of a boot.
const MAX_STEPS: usize = 48;
const MAX_SYSLOG: usize = 12;
/// The number of machines of an input, and of its events.
const MACHINES: u8 = 5;
const MAX_EVENTS: usize = 512;

/// Reads a text, and then events: each with its kind, its machine, the pause before it, and its facts.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let text = input.text();
    let (mut stories, mut now, mut heard) = (Stories::default(), 0, BTreeSet::new());
    for _ in 0..MAX_EVENTS {
        if input.is_empty() {
            break;
        }
        let [kind, machine, pause, bits, more]: [u8; 5] = input.next();
        now += milliseconds(pause);
        if kind == 255 {
            stories.expire(now);
        } else {
            let event = event(machine, now, what(kind, bits, more, &text));
            heard.insert(event.key);
            stories.note(&event);
        }
        let judged = stories.take_verdicts();
        assert!(judged.iter().all(|key| heard.contains(key)), "a verdict about an unknown machine");
        assert_bounded(&stories, now);
    }
    stories.expire(now + 10 * 60_000);
    assert_bounded(&stories, now + 10 * 60_000);
}

/// A pause of up to two seconds, or of up to nine hours.
fn milliseconds(pause: u8) -> u64 {
    if pause & 0x80 == 0 { u64::from(pause) * 16 } else { u64::from(pause & 0x7f).pow(2) * 2_000 }
}

fn assert_bounded(stories: &Stories, now: u64) {
    let (mut uses, names) = (0, stories.names());
    assert!(stories.machines().count() <= 2 * usize::from(MACHINES));
    for (_, story) in stories.machines() {
        assert!((1..=MAX_BOOTS).contains(&story.boots.len()), "{} boots", story.boots.len());
        assert!(story.boots.iter().rev().skip(1).all(|boot| boot.is_over), "two boots at once");
        uses += 1;
        for boot in &story.boots {
            assert!(boot.steps.len() <= MAX_STEPS && boot.began <= boot.last && boot.last <= now, "{boot:?}");
            let is_syslog = |what: StepKind| what == StepKind::Reported(ReportKind::Syslog);
            assert!(boot.steps.iter().filter(|step| is_syslog(step.what)).count() <= MAX_SYSLOG);
            assert_steps(boot);
            // The interface and the profile; the verdict has at most two texts.
            uses += boot.steps.len() + 2 + 2 * usize::from(boot.verdict.is_some());
            if let Some(verdict) = &boot.verdict {
                let words = verdict.text(names).to_string();
                assert!(words.contains(". ") && !words.contains('{'), "{words:?}");
                assert!(verdict.at <= now);
            }
        }
    }
    assert!(names.len() <= uses, "{} texts for {uses} uses", names.len());
}

fn assert_steps(boot: &Boot) {
    for step in &boot.steps {
        assert!(step.at <= step.last && step.times >= 1, "{step:?}");
        assert!(boot.began + u64::from(step.last) <= boot.last, "{step:?} of {boot:?}");
    }
    let stages = boot.stages();
    let furthest = boot.stage();
    assert_eq!(furthest.is_some(), stages.iter().any(Option::is_some));
}

/// An event of one of the machines, which may be known only by its address.
fn event(machine: u8, at: u64, what: StoryWhat) -> StoryEvent {
    let (has_hardware, has_address, number) = (machine & 0x80 == 0, machine & 0x40 != 0, machine % MACHINES);
    let hardware = has_hardware.then(|| HardwareAddress::from_mac([2, 0, 0, 0, 0, number]));
    let address = IpAddr::from(Ipv4Addr::new(192, 0, 2, 100 + number));
    StoryEvent {
        at,
        key: hardware.as_ref().map_or(MachineKey::from_address(address), MachineKey::from_hardware),
        hardware,
        address: (has_address || !has_hardware).then_some(address),
        machine_id: None,
        entry: ShortText::new(if machine & 0x20 != 0 { "web1" } else { "" }),
        link: ShortText::new("eth0"),
        relay: None,
        what,
    }
}

fn what(kind: u8, bits: u8, more: u8, text: &str) -> StoryWhat {
    let has = |bit: u8| bits & 1 << bit != 0;
    let name =
        ShortText::from_octets(["a.efi", "boot.ipxe", "linux", "initrd.gz", text][usize::from(more) % 5].as_bytes());
    let client = ClientKind {
        arch: [Arch::BIOS, Arch::X64][usize::from(has(0))],
        program: [ProgramKind::Firmware, ProgramKind::Ipxe, ProgramKind::Gpxe, ProgramKind::BootProgram]
            [usize::from(bits >> 1 & 3)],
        method: [Method::Pxe4, Method::Http4, Method::Pxe6, Method::Http6][usize::from(bits >> 3 & 3)],
        dialect: has(5).then_some(0),
    };
    let port = if has(6) { Port::BootServer } else { Port::Dhcp };
    let roles = [FileRole::Other, FileRole::Loader, FileRole::Kernel, FileRole::Initrd];
    let boots = [BootKind::BootDir, BootKind::Linux, BootKind::Script, BootKind::LocalDisk];
    let (role, boots) = (roles[usize::from(bits & 3)], boots[usize::from(bits >> 2 & 3)]);
    let file = StoryFile { name, role, boots, over_http: has(4) };
    let words = || text.replace(char::is_control, " ").into();
    match kind % 18 {
        0 => StoryWhat::Replied { client, port, file: name, offer: offer(more), profile: ShortText::new("debian") },
        1 => {
            let to = (Ipv4Addr::BROADCAST, 68).into();
            StoryWhat::Unsent { client, port, to, to_relay: has(7), from_port: 67, errno: more.into() }
        }
        2 => {
            let reason = [RefuseReason::TooManyFromClient, RefuseReason::BootLoop, RefuseReason::NoAddress]
                [usize::from(more) % 3];
            StoryWhat::NotAnswered { client, port, reason: Silence::Refused(reason), remedy: has(7).then(words) }
        }
        3 => StoryWhat::UnservedInterface { client },
        4 => StoryWhat::NoReply { client },
        5 => StoryWhat::SystemRequest,
        6 => StoryWhat::MenuChoice(more.into()),
        7 => {
            let contents = [ContentKind::File, ContentKind::Script, ContentKind::KernelScript, ContentKind::Menu];
            let content = contents[usize::from(bits >> 5 & 3)];
            let notes = has(7).then(|| Box::new(notes(more, name, text)));
            StoryWhat::FileOpened { file, size: u64::from(more) << 12, content, profile: ShortText::default(), notes }
        }
        8 => StoryWhat::FileRefused { file, label: "refused:not-found" },
        9 => StoryWhat::OfferedFileRefused { name, reason: words() },
        10 | 11 => StoryWhat::FileEnded { file, octets: u64::from(more) << 12, duration: 9, end: end(bits >> 5, more) },
        12 => StoryWhat::TemplateFailed { file: name, substitute: Substitute::Explanation, error: words() },
        13 => StoryWhat::BootLoop(if has(0) { LoopCause::Ipxe } else { LoopCause::NoIpxe }),
        14 => StoryWhat::BootOnceCompleted,
        15 => StoryWhat::BootOnceReset(ResetCause::Removed),
        16 => StoryWhat::Report(report(bits, more, name, words())),
        _ => StoryWhat::Finding(finding(bits, more)),
    }
}

fn offer(more: u8) -> OfferKind {
    [OfferKind::Loader, OfferKind::Script, OfferKind::LocalDisk, OfferKind::Menu, OfferKind::FixedNames]
        [usize::from(more / 5) % 5]
}

fn end(bits: u8, more: u8) -> FileEnd {
    let progress =
        Progress { confirmed: more & 1 != 0, blksize: 1468, repeated_acks: more >> 4, repeated_requests: more >> 6 };
    let ends =
        [FileEnd::Complete, FileEnd::Part, FileEnd::SizeProbe, FileEnd::Refused, FileEnd::Stopped, FileEnd::Failed];
    ends.get(usize::from(bits)).copied().unwrap_or(FileEnd::TimedOut(progress))
}

fn notes(more: u8, needed: ShortText, text: &str) -> FileNotes {
    FileNotes {
        is_unsigned: more & 1 != 0,
        asks_dhcp_server: more & 2 != 0,
        script_error: (more & 4 != 0).then(|| text.into()),
        needed: vec![(needed, StepRole::Kernel); usize::from(more & 3)],
    }
}

fn report(bits: u8, more: u8, file: ShortText, text: Box<str>) -> StoryReport {
    match bits % 6 {
        0 => StoryReport::Progress { text },
        1 => StoryReport::Installed,
        2 => StoryReport::InstallFailed { text },
        3 => {
            let error = IpxeError([0x2d0c_618e, 0x040e_e119, 0x3e11_613b, 0x3108_2011][usize::from(more) % 4]);
            StoryReport::ScriptError {
                command: [ScriptCommand::Kernel, ScriptCommand::Chain][usize::from(bits >> 7)],
                error,
                file,
            }
        }
        4 => StoryReport::Memory(more.into()),
        _ => StoryReport::Syslog { text: format!("{text} {more}").into() },
    }
}

fn finding(bits: u8, more: u8) -> Finding {
    let server = Ipv4Addr::new(192, 0, 2, 1);
    let diagnosis = [
        Diagnosis::ShutOut(server),
        Diagnosis::LoadedElsewhere(server),
        Diagnosis::OfferUnseen(server),
        Diagnosis::BootsAnother(server),
        Diagnosis::NoAddress(more),
        Diagnosis::AddressUntaken(more, server),
    ][usize::from(bits) % 6];
    let causes = [Cause::Option60, Cause::BootFile, Cause::NotInOffers, Cause::NotOverheard { is_remote: true }];
    Finding {
        hardware: HardwareAddress::from_mac([2, 0, 0, 0, 0, 1]),
        arch: Arch::X64,
        ipxe: bits & 64 != 0,
        link: 1,
        relay: None,
        next: NextContact::Tftp,
        diagnosis,
        cause: causes[usize::from(more) % 4],
        asked: u64::from(more) * 100,
        is_repeat: bits & 128 != 0,
    }
}

/// A boot until its end, one that fails in each way, and all kinds of events in turn.
pub fn seeds() -> Vec<Vec<u8>> {
    let boot: &[[u8; 5]] = &[
        [0, 0x41, 0, 1, 0],
        [7, 0x41, 1, 1, 0],
        [10, 0x41, 1, 1, 0],
        [0, 0x41, 60, 3, 6],
        [7, 0x41, 1, 32, 1],
        [10, 0x41, 1, 0, 1],
        [7, 0x41, 1, 6, 2],
        [10, 0x41, 20, 6, 2],
        [5, 0x41, 90, 0, 0],
        [16, 0x41, 0x82, 1, 0],
    ];
    let failing: &[[u8; 5]] =
        &[[0, 1, 0, 1, 0], [7, 1, 1, 0x81, 7], [11, 1, 1, 0xe1, 0], [255, 0, 0x8f, 0, 0], [16, 1, 9, 3, 1]];
    let kinds: Vec<[u8; 5]> =
        (0..18).flat_map(|kind| [0, 0x55, 0xaa].map(|bits| [kind, kind | 0x20, 70, bits, kind])).collect();
    let late: &[[u8; 5]] = &[[7, 0x81, 0, 1, 0], [0, 0x41, 1, 1, 0], [2, 1, 0xff, 9, 0]];
    let input = |events: &[[u8; 5]]| [&sized(b"grub/grub.cfg")[..], events.as_flattened()].concat();
    [boot, failing, &kinds, late].into_iter().map(input).chain([input(&boot.repeat(20))]).collect()
}
