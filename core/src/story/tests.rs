//! Tests of stories and verdicts by events. Whole boots with real packets are in `daemon/tests` and `e2e`.

use super::story_event::{FileEnd, StoryFile};
use super::*;
use crate::answer::Silence;
use crate::arch::Arch;
use crate::arrival::Port;
use crate::choose::NoBoot;
use crate::event::{ContentKind, Substitute};
use crate::file_ticket::{BootKind, FileRole};
use crate::identity::{HardwareAddress, MachineKey};
use crate::ipxe_error::{IpxeError, ScriptCommand};
use crate::observations::LoopCause;
use crate::observations::finding::{Cause, Diagnosis, Finding, NextContact};
use crate::relay::Relay;
use crate::transfer::Progress;
use crate::wire::pxe::MachineId;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

const SECOND: u64 = 1000;

/// A machine that plays events at growing times.
struct Player {
    stories: Stories,
    hardware: HardwareAddress,
    /// The relay and the UUID that its packets show.
    relay: Option<Relay>,
    machine_id: Option<MachineId>,
    now: u64,
}

fn client(program: ProgramKind, method: Method) -> ClientKind {
    ClientKind { arch: Arch::X64, program, method, ..ClientKind::default() }
}

fn firmware() -> ClientKind {
    client(ProgramKind::Firmware, Method::Pxe4)
}

fn ipxe() -> ClientKind {
    client(ProgramKind::Ipxe, Method::Pxe4)
}

fn file(name: &str, role: FileRole, over_http: bool) -> StoryFile {
    StoryFile { name: ShortText::new(name), role, boots: BootKind::BootDir, over_http }
}

impl Player {
    fn new() -> Player {
        let hardware = HardwareAddress::from_mac([0x52, 0x54, 0, 1, 2, 3]);
        Player { stories: Stories::default(), hardware, relay: None, machine_id: None, now: 0 }
    }

    fn key(&self) -> MachineKey {
        MachineKey::from_hardware(&self.hardware)
    }

    fn play(&mut self, what: StoryWhat) -> &mut Self {
        self.play_event(None, what)
    }

    fn play_from(&mut self, address: &str, what: StoryWhat) -> &mut Self {
        self.play_event(address.parse().ok(), what)
    }

    fn play_event(&mut self, address: Option<IpAddr>, what: StoryWhat) -> &mut Self {
        self.now += 100;
        let event = StoryEvent {
            at: self.now,
            key: self.key(),
            hardware: Some(self.hardware),
            address,
            relay: self.relay,
            machine_id: self.machine_id,
            entry: ShortText::default(),
            link: ShortText::new("eth0"),
            what,
        };
        self.stories.note(&event);
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now += seconds * SECOND;
        self.stories.expire(self.now);
        self
    }

    fn offer(&mut self, client: ClientKind, port: Port, offer: OfferKind, file: &str) -> &mut Self {
        let (file, profile) = (ShortText::new(file), ShortText::default());
        self.play(StoryWhat::Replied { client, port, file, offer, profile })
    }

    fn firmware_asks(&mut self) -> &mut Self {
        self.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi").offer(
            firmware(),
            Port::BootServer,
            OfferKind::Loader,
            "snponly.efi",
        )
    }

    fn ipxe_asks(&mut self) -> &mut Self {
        self.offer(ipxe(), Port::Dhcp, OfferKind::Script, "http://192.0.2.1:8080/boot.ipxe")
    }

    fn fetch(&mut self, file: StoryFile, content: ContentKind, size: u64, end: FileEnd) -> &mut Self {
        self.play(StoryWhat::FileOpened { file, size, content, profile: ShortText::default(), notes: None });
        self.play(StoryWhat::FileEnded { file, octets: size, duration: 100, end })
    }

    fn loader(&mut self) -> &mut Self {
        let loader = file("snponly.efi", FileRole::Loader, false);
        self.fetch(loader, ContentKind::Program, 300_000, FileEnd::SizeProbe);
        self.fetch(loader, ContentKind::Program, 300_000, FileEnd::Complete)
    }

    fn script(&mut self) -> &mut Self {
        self.fetch(file("boot.ipxe", FileRole::Other, true), ContentKind::Script, 500, FileEnd::Complete)
    }

    fn kernel(&mut self) -> &mut Self {
        self.fetch(file("debian/linux", FileRole::Kernel, true), ContentKind::File, 8_000_000, FileEnd::Complete)
    }

    fn boots(&self) -> Vec<&Boot> {
        self.stories.machine(self.key()).unwrap().boots.iter().collect()
    }

    fn codes(&self) -> Vec<Option<&'static str>> {
        self.boots().iter().map(|boot| Some(boot.verdict.as_ref()?.code.id())).collect()
    }

    fn text(&self) -> String {
        let boots = self.boots();
        let verdict = boots.iter().rev().find_map(|boot| boot.verdict.as_ref()).unwrap();
        verdict.text(self.stories.names()).to_string()
    }
}

#[test]
fn a_loader_whose_ipxe_asked_did_start_also_if_the_firmware_goes_on_to_http_boot() {
    let mut player = Player::new();
    player.firmware_asks().loader().ipxe_asks().wait(20);
    player.offer(
        client(ProgramKind::Firmware, Method::Http4),
        Port::Dhcp,
        OfferKind::Loader,
        "http://192.0.2.1/snponly.efi",
    );
    assert_eq!(player.codes(), [None, None]);
}

/// The server records its reply after it has sent it, so the file of a fast machine may stand before the reply.
#[test]
fn a_reply_that_is_recorded_after_its_file_belongs_to_the_boot() {
    let mut player = Player::new();
    player.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi");
    player.loader().offer(firmware(), Port::BootServer, OfferKind::Loader, "snponly.efi");
    player.wait(120);
    assert_eq!(player.codes(), [None]);
    player.firmware_asks().wait(120);
    assert_eq!(player.codes(), [None, Some("tftp-requests-blocked")]);
    // The firmware asks for the loader again at once, and the file of that stands before the reply, too.
    let mut player = Player::new();
    player.firmware_asks().loader().loader().offer(firmware(), Port::BootServer, OfferKind::Loader, "snponly.efi");
    player.wait(120);
    assert_eq!(player.codes(), [None, None]);
}

#[test]
fn a_good_boot_reaches_its_stages_in_order_without_a_verdict() {
    let mut player = Player::new();
    player.firmware_asks().loader().ipxe_asks().script().kernel().wait(20).play(StoryWhat::SystemRequest).wait(600);
    let boots = player.boots();
    assert_eq!(boots.len(), 1);
    let at: Vec<_> = boots[0].stages().iter().map(|step| step.map(|step| step.at)).collect();
    assert!(at[..6].is_sorted() && at[..6].iter().all(Option::is_some) && at[6].is_none(), "{at:?}");
    assert_eq!((player.codes(), boots[0].stage()), ([None].into(), Some(Stage::System)));
    let names: Vec<_> = boots[0].files().map(|(step, ..)| player.stories.names().text(step.name)).collect();
    assert_eq!(names, ["snponly.efi", "boot.ipxe", "debian/linux"]);
}

#[test]
fn a_request_for_the_size_does_not_count_even_if_its_end_comes_late() {
    let (loader, content) = (file("snponly.efi", FileRole::Loader, false), ContentKind::Program);
    let profile = ShortText::default();
    let opened = || StoryWhat::FileOpened { file: loader, size: 9, content, profile, notes: None };
    let ended = |end| StoryWhat::FileEnded { file: loader, octets: 9, duration: 1, end };
    let mut player = Player::new();
    player.firmware_asks().play(opened()).play(opened()).play(ended(FileEnd::SizeProbe));
    player.play(ended(FileEnd::Complete)).play(StoryWhat::BootLoop(LoopCause::Ipxe));
    assert_eq!(player.codes(), [None]);
    player.play(opened()).play(ended(FileEnd::Complete)).play(StoryWhat::BootLoop(LoopCause::Ipxe));
    assert_eq!(player.codes(), [Some("boot-loop")]);
}

#[test]
fn a_firmware_that_asks_after_a_loader_begins_another_boot() {
    let mut player = Player::new();
    for _ in 0..3 {
        player.firmware_asks().loader().ipxe_asks().script().kernel().play(StoryWhat::SystemRequest).wait(20);
    }
    assert_eq!(player.codes(), [None; 3]);
    // The firmware repeats its DHCPDISCOVERs for a minute.
    let mut player = Player::new();
    for _ in 0..4 {
        player.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi").wait(16);
    }
    assert_eq!((player.boots().len(), player.boots()[0].steps[0].times), (1, 4));
    player.wait(120).firmware_asks();
    assert_eq!(player.boots().len(), 2);
}

#[test]
fn a_read_request_that_does_not_come_is_a_verdict_only_after_a_while() {
    let mut player = Player::new();
    player.firmware_asks().wait(10);
    assert_eq!(player.codes(), [None]);
    player.wait(20);
    assert_eq!(player.codes(), [Some("tftp-requests-blocked")]);
    assert!(player.text().starts_with("The machine accepted the boot file snponly.efi"), "{}", player.text());
    assert_eq!(player.stories.take_verdicts(), [player.key()]);
    // A machine that did not come to port 4011 may boot from another server.
    let mut player = Player::new();
    player.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi").wait(300);
    assert_eq!(player.codes(), [None]);
}

#[test]
fn the_progress_of_a_transfer_shows_where_its_packets_are_lost() {
    let loader = file("snponly.efi", FileRole::Loader, false);
    let after = |progress| {
        let mut player = Player::new();
        player.firmware_asks().fetch(loader, ContentKind::Program, 0, FileEnd::TimedOut(progress));
        player.codes()
    };
    let progress = |confirmed, blksize, repeated_acks, repeated_requests| Progress {
        confirmed,
        blksize,
        repeated_acks,
        repeated_requests,
    };
    assert_eq!(after(progress(false, 1468, 0, 4)), [Some("tftp-replies-blocked")]);
    assert_eq!(after(progress(false, 1468, 0, 0)), [None], "the machine was switched off");
    assert_eq!(after(progress(true, 1468, 5, 0)), [Some("tftp-blocks-lost")]);
    assert_eq!(after(progress(true, 1468, 0, 0)), [None], "the machine was switched off");
    assert_eq!(after(progress(true, 512, 5, 0)), [None], "small blocks do not show a small MTU");
}

#[test]
fn a_loader_that_does_not_start_is_known_by_the_next_method_or_by_two_boots() {
    let http = client(ProgramKind::Firmware, Method::Http4);
    let mut player = Player::new();
    player.firmware_asks().loader().wait(3).offer(http, Port::Dhcp, OfferKind::Loader, "http://192.0.2.1/ipxe.efi");
    assert_eq!(player.codes(), [Some("loader-not-started"), None]);
    // A machine that is switched off after its loader begins with the same method.
    let mut player = Player::new();
    player.firmware_asks().loader().wait(10).firmware_asks();
    assert_eq!(player.codes(), [None, None]);
    player.loader().wait(10).firmware_asks();
    assert_eq!(player.codes(), [None, Some("loader-not-started"), None]);
}

#[test]
fn the_notes_of_a_loader_make_the_verdict_precise() {
    let notes = |notes: FileNotes| {
        let mut player = Player::new();
        let loader = file("ipxe.efi", FileRole::Loader, false);
        let content = ContentKind::Program;
        player.firmware_asks();
        let (profile, notes) = (ShortText::default(), Some(Box::new(notes)));
        player.play(StoryWhat::FileOpened { file: loader, size: 9, content, profile, notes });
        let end = FileEnd::Complete;
        player.play(StoryWhat::FileEnded { file: loader, octets: 9, duration: 1, end });
        player.wait(60).offer(client(ProgramKind::Firmware, Method::Http4), Port::Dhcp, OfferKind::Loader, "x");
        player.codes()[0]
    };
    let none = FileNotes::default;
    assert_eq!(notes(FileNotes { is_unsigned: true, ..none() }), Some("loader-unsigned"));
    let asks = FileNotes { asks_dhcp_server: true, ..none() };
    assert_eq!(notes(asks), Some("grub-asks-dhcp-server"));
}

#[test]
fn a_missing_kernel_is_a_verdict_and_a_missing_optional_file_is_none() {
    let mut player = Player::new();
    let refused = |name, role| StoryWhat::FileRefused { file: file(name, role, true), label: "http:refused:not-found" };
    player.firmware_asks().loader().play(refused("autoexec.ipxe", FileRole::Other)).ipxe_asks().script();
    player.play(refused("hosts/mine.ipxe", FileRole::Other)).wait(300);
    assert_eq!(player.codes(), [None]);
    player.play(refused("debian/linux", FileRole::Kernel)).wait(20);
    assert_eq!(player.codes(), [None], "its script may name another one");
    player.wait(10);
    assert_eq!(player.codes(), [Some("kernel-missing")]);
    let text = "The machine requested the kernel debian/linux, which does not exist. Put the file";
    assert!(player.text().starts_with(text), "{}", player.text());
}

#[test]
fn a_script_that_starts_itself_is_a_loop_and_a_menu_that_is_opened_often_is_none() {
    let mut player = Player::new();
    player.firmware_asks().loader().ipxe_asks();
    for _ in 0..9 {
        player.script();
    }
    assert_eq!(player.codes(), [None]);
    player.script();
    assert_eq!(player.codes(), [Some("script-loop")]);
    let mut player = Player::new();
    player.firmware_asks().loader().ipxe_asks();
    for _ in 0..20 {
        player.script().wait(5);
    }
    assert_eq!(player.codes(), [None]);
}

#[test]
fn a_kernel_that_does_not_start_twice_in_a_row_is_a_verdict() {
    let mut player = Player::new();
    for _ in 0..3 {
        player.firmware_asks().loader().ipxe_asks().script().kernel().wait(10);
    }
    player.firmware_asks();
    assert_eq!(player.codes(), [None, Some("system-not-started"), Some("system-not-started"), None]);
    // With a sign of a system, or after a longer time, it was a good boot.
    let mut player = Player::new();
    for _ in 0..3 {
        player.firmware_asks().loader().ipxe_asks().script().kernel().wait(90);
    }
    assert_eq!(player.codes(), [None; 3]);
}

#[test]
fn an_ordinary_client_that_never_booted_has_no_story() {
    let mut player = Player::new();
    player.play(StoryWhat::SystemRequest);
    assert!(player.stories.machine(player.key()).is_none());
}

#[test]
fn the_stories_of_many_machines_are_bounded() {
    let mut player = Player::new();
    for number in 0..MAX_MACHINES as u32 + 10 {
        let [_, a, b, c] = number.to_be_bytes();
        player.hardware = HardwareAddress::from_mac([2, 0, 0, a, b, c]);
        player.offer(firmware(), Port::Dhcp, OfferKind::Loader, &format!("{number}.efi"));
    }
    assert_eq!(player.stories.machines().count(), MAX_MACHINES);
    assert_eq!(player.stories.names().len(), MAX_MACHINES + 1, "the texts of removed machines are removed");
    for _ in 0..MAX_BOOTS + 3 {
        player.firmware_asks().loader().wait(120);
    }
    assert_eq!(player.boots().len(), MAX_BOOTS);
}

#[test]
fn a_report_of_the_machine_is_a_verdict_with_its_words() {
    let report = |report| StoryWhat::Report(report);
    let failed = |error| StoryReport::ScriptError {
        command: ScriptCommand::Kernel,
        error: IpxeError(error),
        file: ShortText::new("debian/linux"),
    };
    let mut player = Player::new();
    player.firmware_asks().loader().ipxe_asks().script().play(report(failed(0x2d0c_613b))).wait(30);
    assert_eq!(player.codes(), [Some("ipxe-error")]);
    assert!(player.text().contains("`kernel` failed: ") && player.text().contains("HTTP 404"), "{}", player.text());
    let codes = |reported| {
        let mut player = Player::new();
        player.firmware_asks().loader().ipxe_asks().script().play(report(reported)).wait(30);
        player.codes()
    };
    assert_eq!(codes(failed(0x3100_0000)), [Some("too-little-memory")]);
    assert_eq!(codes(failed(0x0b00_0000)), [None], "a person stopped it");
    assert_eq!(codes(StoryReport::InstallFailed { text: "no disk".into() }), [Some("install-failed")]);
    assert_eq!(codes(StoryReport::Progress { text: "partitions".into() }), [None]);
}

fn unsent(client: ClientKind, port: Port) -> StoryWhat {
    let (to, errno) = ("192.0.2.7:68".parse().unwrap(), 1);
    StoryWhat::Unsent { client, port, to, to_relay: false, from_port: 4011, errno }
}

#[test]
fn a_reply_that_was_not_sent_is_a_verdict_only_if_the_machine_does_not_go_on() {
    let mut player = Player::new();
    player.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi");
    player.play(unsent(firmware(), Port::BootServer)).wait(20);
    assert_eq!(player.codes(), [None], "the machine repeats its request");
    player.wait(10);
    assert_eq!(player.codes(), [Some("reply-blocked")]);
    // The repeat has a reply.
    let mut player = Player::new();
    player.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi");
    player.play(unsent(firmware(), Port::BootServer)).wait(4);
    player.offer(firmware(), Port::BootServer, OfferKind::Loader, "snponly.efi").loader().wait(600);
    assert_eq!(player.codes(), [None]);
    // A reply to another method is no reply to this one, but a loader is a success.
    let http = client(ProgramKind::Firmware, Method::Http4);
    let mut player = Player::new();
    player.play(unsent(firmware(), Port::BootServer));
    player.offer(http, Port::Dhcp, OfferKind::Loader, "http://192.0.2.1/snponly.efi").wait(30);
    assert_eq!(player.codes(), [Some("reply-blocked")]);
    player.loader();
    assert_eq!(player.codes(), [None]);
}

#[test]
fn a_verdict_is_withdrawn_if_the_machine_goes_on_in_the_same_boot() {
    let refused = |name, role| StoryWhat::FileRefused { file: file(name, role, true), label: "http:refused:not-found" };
    let mut player = Player::new();
    player.firmware_asks().loader().ipxe_asks().script().play(refused("gone/linux", FileRole::Kernel)).wait(30);
    assert_eq!(player.codes(), [Some("kernel-missing")]);
    player.kernel();
    assert_eq!(player.codes(), [None], "a person chose another entry of the menu");
    player.play(refused("debian/initrd", FileRole::Initrd)).wait(30);
    assert_eq!(player.codes(), [Some("initrd-missing")]);
    player.play(StoryWhat::SystemRequest);
    assert_eq!(player.codes(), [Some("initrd-missing")], "the machine started its disk");
    player.kernel();
    assert_eq!(player.codes(), [Some("initrd-missing")], "the same kernel again");
    let initrd = file("debian/initrd", FileRole::Initrd, true);
    player.fetch(initrd, ContentKind::File, 9, FileEnd::Complete);
    assert_eq!(player.codes(), [None], "the file is there now");
}

#[test]
fn a_template_that_fails_is_a_verdict_unless_the_menu_is_shown_or_the_text_follows() {
    let with = |name, substitute, content, end| {
        let mut player = Player::new();
        let (file, error) = (file(name, FileRole::Other, true), "line 3: undefined value".into());
        player.firmware_asks().loader().ipxe_asks();
        player.play(StoryWhat::TemplateFailed { file: file.name, substitute, error });
        player.fetch(file, content, 500, end).wait(30);
        player
    };
    let player = with("menu.ipxe", Substitute::Menu, ContentKind::Menu, FileEnd::Complete);
    assert_eq!(player.codes(), [None]);
    let player = with("own.ipxe", Substitute::Explanation, ContentKind::Explanation, FileEnd::Complete);
    assert_eq!((player.codes(), player.boots()[0].stage()), ([Some("template-failed")].into(), Some(Stage::Loader)));
    let mut player = with("preseed.cfg", Substitute::Nothing, ContentKind::Template, FileEnd::Refused);
    assert_eq!(player.codes(), [Some("template-failed")]);
    let preseed = file("preseed.cfg", FileRole::Other, true);
    player.fetch(preseed, ContentKind::Template, 500, FileEnd::Complete);
    assert_eq!(player.codes(), [None]);
}

/// The finding arrives some seconds after its attempt: the machine may have begun another boot, or gone on.
#[test]
fn a_finding_belongs_to_the_boot_of_its_attempt() {
    let finding = |player: &Player, asked| {
        StoryWhat::Finding(Finding {
            hardware: player.hardware,
            arch: Arch::X64,
            ipxe: false,
            link: 1,
            relay: None,
            next: NextContact::BootServer,
            diagnosis: Diagnosis::NoAddress(4),
            cause: Cause::NotInOffers,
            asked,
            is_repeat: true,
        })
    };
    let mut player = Player::new();
    player.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi");
    let asked = player.now;
    player.wait(90).firmware_asks();
    let late = finding(&player, asked);
    player.play(late);
    assert_eq!(player.codes(), [Some("no-address"), None]);
    let mut player = Player::new();
    player.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi");
    let asked = player.now;
    player.wait(3).loader();
    let late = finding(&player, asked);
    player.play(late);
    assert_eq!(player.codes(), [None]);
}

#[test]
fn a_kernel_that_does_not_fit_into_the_memory_is_a_verdict() {
    let boot = |mib, rounds| {
        let mut player = Player::new();
        for _ in 0..rounds {
            player.firmware_asks().loader().ipxe_asks().script();
            player.play(StoryWhat::Report(StoryReport::Memory(mib))).kernel();
            let initrd = file("debian/initrd.gz", FileRole::Initrd, true);
            player.fetch(initrd, ContentKind::File, 40 << 20, FileEnd::Complete).wait(20);
        }
        player.codes()
    };
    assert_eq!(boot(32, 1), [Some("too-little-memory")]);
    assert_eq!(boot(64, 1), [None], "it may fit");
    assert_eq!(boot(64, 2), [Some("too-little-memory"), None], "it did not fit");
    assert_eq!(boot(1024, 2), [None, None]);
}

#[test]
fn only_the_latest_lines_of_syslog_stay() {
    let mut player = Player::new();
    player.firmware_asks().loader().ipxe_asks().script().kernel();
    for line in 0..100 {
        player.play(StoryWhat::Report(StoryReport::Syslog { text: format!("line {line}").into() }));
    }
    let lines = player.boots()[0].steps.iter().filter(|step| step.what == StepKind::Reported(ReportKind::Syslog));
    assert_eq!(player.stories.names().text(lines.clone().next_back().unwrap().name), "line 99");
    assert_eq!(lines.count(), 12);
}

#[test]
fn a_machine_without_a_loader_is_a_verdict_once_it_is_idle_or_has_tried_several_methods() {
    let asks = |player: &mut Player, method| {
        let reason = Silence::NoBoot(NoBoot::NoLoader(Arch::X64));
        let (client, port) = (client(ProgramKind::Firmware, method), Port::Dhcp);
        player.play(StoryWhat::NotAnswered { client, port, reason, remedy: Some("apt install ipxe".into()) });
    };
    let mut player = Player::new();
    asks(&mut player, Method::Pxe4);
    player.wait(40);
    assert_eq!(player.codes(), [None]);
    player.wait(10);
    assert_eq!(player.codes(), [Some("loader-missing")]);
    // This firmware never pauses.
    let mut player = Player::new();
    for _ in 0..7 {
        asks(&mut player, Method::Pxe4);
        player.wait(20);
    }
    assert_eq!(player.codes(), [None]);
    asks(&mut player, Method::Http4);
    player.wait(20);
    assert_eq!(player.codes(), [Some("loader-missing")]);
    // This one boots by its second method.
    let mut player = Player::new();
    asks(&mut player, Method::Pxe4);
    player.wait(30).offer(client(ProgramKind::Firmware, Method::Http4), Port::Dhcp, OfferKind::Loader, "x").wait(600);
    assert_eq!(player.codes(), [None]);
}

#[test]
fn a_file_request_that_overtakes_the_dhcp_packet_of_its_machine_belongs_to_its_boot() {
    let mut player = Player::new();
    player.firmware_asks();
    let (hardware, address) = (player.hardware, IpAddr::from([192, 0, 2, 50]));
    let loader = file("undionly.kpxe", FileRole::Loader, false);
    let mut note = |at, key, hardware, what| {
        let (entry, link) = (ShortText::default(), ShortText::new("eth0"));
        let event =
            StoryEvent { at, key, hardware, address: Some(address), relay: None, machine_id: None, entry, link, what };
        player.stories.note(&event).adopted
    };
    let ended = |file| StoryWhat::FileEnded { file, octets: 9, duration: 1, end: FileEnd::Complete };
    let key = MachineKey::from_address(address);
    assert_eq!(note(1000, key, None, ended(loader)), None);
    let script = file("boot.ipxe", FileRole::Other, true);
    let adopted = note(2000, MachineKey::from_hardware(&hardware), Some(hardware), ended(script));
    assert_eq!(adopted, Some(AdoptedBoot { key, began: 1000 }));
    assert_eq!(player.stories.machines().count(), 1);
    let boots = player.boots();
    let names: Vec<_> = boots[0].files().map(|(step, ..)| player.stories.names().text(step.name)).collect();
    assert_eq!((names, boots[0].stages()[2].map(|step| step.at)), (["undionly.kpxe", "boot.ipxe"].into(), Some(900)));
}

/// A boot-once may be complete with the kernel; only the machine knows when it is installed.
#[test]
fn a_completed_boot_once_is_not_yet_an_installed_machine() {
    let mut player = Player::new();
    player.firmware_asks().loader().ipxe_asks().script().kernel().play(StoryWhat::BootOnceCompleted);
    assert_eq!(player.boots()[0].stage(), Some(Stage::Kernel));
    player.play(StoryWhat::SystemRequest).play(StoryWhat::Report(StoryReport::Progress { text: "copying".into() }));
    assert_eq!(player.boots()[0].stage(), Some(Stage::System));
    player.play(StoryWhat::Report(StoryReport::Installed));
    assert_eq!(player.boots()[0].stage(), Some(Stage::Installed));
}

/// EDK2 requests an address over IPv6 for itself, before it loads anything.
#[test]
fn a_request_over_ipv6_shows_a_system_only_after_the_machine_has_loaded_something() {
    let mut player = Player::new();
    player.firmware_asks().play_from("fe80::1", StoryWhat::SystemRequest);
    assert_eq!(player.boots()[0].stage(), Some(Stage::Offered));
    player.loader().play_from("fe80::1", StoryWhat::SystemRequest);
    assert_eq!(player.boots()[0].stage(), Some(Stage::System));
}

#[test]
fn each_stage_is_reported_once_as_a_boot_reaches_it() {
    let mut player = Player::new();
    let mut reached = |after: u64, what| {
        let (hardware, entry, link) = (Some(player.hardware), ShortText::default(), ShortText::new("eth0"));
        let (at, key) = (5000 + after, player.key());
        let event = StoryEvent { at, key, hardware, address: None, relay: None, machine_id: None, entry, link, what };
        let reached = player.stories.note(&event).reached;
        let stages: Vec<_> = Stage::ALL.iter().filter(|stage| reached.has(**stage)).map(|stage| stage.name()).collect();
        (stages, reached.after, reached.client)
    };
    let replied = |client| StoryWhat::Replied {
        client,
        port: Port::Dhcp,
        file: ShortText::new("ipxe.efi"),
        offer: OfferKind::Loader,
        profile: ShortText::default(),
    };
    let loader = file("ipxe.efi", FileRole::Loader, false);
    let ended = || StoryWhat::FileEnded { file: loader, octets: 9, duration: 1, end: FileEnd::Complete };
    assert_eq!(reached(0, replied(firmware())), (["asked", "offered"].into(), 0, Some(firmware())));
    assert_eq!(reached(100, replied(firmware())).0, [""; 0]);
    assert_eq!(reached(700, ended()), (["loader"].into(), 700, Some(firmware())));
    assert_eq!(reached(800, ended()).0, [""; 0]);
    assert_eq!(reached(900, replied(ipxe())).0, [""; 0]);
    assert_eq!(reached(9000, StoryWhat::SystemRequest), (["system"].into(), 9000, Some(firmware())));
    // Another boot begins.
    assert_eq!(reached(60_000, replied(firmware())), (["asked", "offered"].into(), 0, Some(firmware())));
}

/// Requests for files and to port 4011 pass through no relay.
#[test]
fn a_machine_has_the_relay_of_its_last_request_to_the_dhcp_server_and_its_uuid() {
    let shown = |player: &Player| {
        let story = player.stories.machine(player.key()).unwrap();
        (story.relay, story.machine_id)
    };
    let relay = Some(Relay { address: [10, 1, 0, 1].into(), reply_to_source_port: false, subnet: None });
    let machine_id = Some(MachineId::from_uuid([7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22]));
    let mut player = Player { relay, machine_id, ..Player::new() };
    player.offer(firmware(), Port::Dhcp, OfferKind::Loader, "snponly.efi");
    assert_eq!(shown(&player), (relay, machine_id));
    (player.relay, player.machine_id) = (None, None);
    player.offer(firmware(), Port::BootServer, OfferKind::Loader, "snponly.efi").loader();
    assert_eq!(shown(&player), (relay, machine_id));
    // It is in another network now.
    player.play(StoryWhat::SystemRequest);
    assert_eq!(shown(&player), (None, machine_id));
}
