//! The story of a machine as text, for people. It is made from the record ([`StoryRecord`]), so that a command prints
//! the story of the running server and that of a capture by the same code.

use super::json::{BootRecord, MachineRecord, StepRecord, StepWhat, StoryRecord, VerdictRecord};
use owo_colors::OwoColorize;
use std::fmt::{self, Display};

/// A story as text: a heading for the machine, then for each boot its steps and its verdict, a line each. The text has
/// colours; print it through `anstream`.
#[derive(Clone, Copy, Debug)]
pub struct StoryText<'a>(pub &'a StoryRecord);

/// A boot as text, as a part of [`StoryText`].
#[derive(Clone, Copy, Debug)]
pub struct BootText<'a>(pub &'a BootRecord);

impl Display for StoryText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoryRecord { machine: MachineRecord { hardware, address, entry, .. }, boots } = self.0;
        let names: Vec<&str> = [entry, hardware, address].into_iter().flatten().map(String::as_str).collect();
        let heading = if names.is_empty() { "a machine".to_owned() } else { names.join(", ") };
        writeln!(f, "{}", heading.bold())?;
        boots.iter().try_for_each(|boot| BootText(boot).fmt(f))
    }
}

impl Display for BootText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BootRecord { began, client, method, interface, profile, steps, verdict, .. } = self.0;
        write!(f, "  {}", seconds_only(began))?;
        let client = [client, method].into_iter().flatten().map(|text| format!(", {text}"));
        let interface = interface.iter().map(|interface| format!(", on {interface}"));
        let profile = profile.iter().map(|profile| format!(", profile {profile}"));
        let parts: String = client.chain(interface).chain(profile).collect();
        writeln!(f, "{parts}")?;
        steps.iter().try_for_each(|step| write_step(f, step))?;
        verdict.iter().try_for_each(|verdict| write_verdict(f, verdict))
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &StepRecord) -> fmt::Result {
    let stage = format!("{:<9}", step.stage.as_deref().unwrap_or_default());
    writeln!(f, "    {:>9} s  {}  {}", seconds(step.after_ms), stage.green(), StepText(step))
}

fn write_verdict(f: &mut fmt::Formatter<'_>, verdict: &VerdictRecord) -> fmt::Result {
    let VerdictRecord { code, observation, remedy, .. } = verdict;
    writeln!(f, "    {} {observation}. {remedy} ({code})", "failed:".red().bold())
}

/// A step in words, with the number of its repeats.
#[derive(Clone, Copy, Debug)]
pub struct StepText<'a>(pub &'a StepRecord);

impl Display for StepText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StepRecord { after_ms, last_after_ms, times, what, .. } = self.0;
        write!(f, "{}", Words(what))?;
        match (times, last_after_ms > after_ms) {
            (0 | 1, _) => Ok(()),
            (times, false) => write!(f, "; {times} times"),
            (times, true) => write!(f, "; {times} times, until {} s", seconds(*last_after_ms)),
        }
    }
}

/// A step in words.
struct Words<'a>(&'a StepWhat);

impl Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            StepWhat::NotAnswered { client, reason } if reason == "no-reply" => write!(f, "{client}: no reply"),
            StepWhat::NotAnswered { client, reason } => write!(f, "{client}: no reply ({reason})"),
            StepWhat::NotSent { client, errno } => write!(f, "{client}: the reply was not sent (error {errno})"),
            StepWhat::Replied { client, port, offer, file } => {
                let file = if file.is_empty() { offer_words(offer) } else { file };
                write!(f, "{client}, port {port}: {file}")
            }
            StepWhat::MenuChoice { item } => write!(f, "the user chose item {item} of the menu"),
            StepWhat::File { file, role, protocol, state, octets } => {
                let role = if role == "other" { String::new() } else { format!("{role} ") };
                write!(f, "{role}{file} over {}: ", protocol.to_uppercase())?;
                write_state(f, state, *octets)
            }
            StepWhat::SystemRequest => f.write_str("a system on the machine requested an address"),
            StepWhat::BootOnceCompleted => f.write_str("the machine completed its boot-once"),
            StepWhat::Reported { report, octets, .. } if report == "memory" => {
                write!(f, "the machine reports {} MiB of memory", octets >> 20)
            }
            StepWhat::Reported { report, text, .. } if text.is_empty() => write!(f, "the machine reports: {report}"),
            StepWhat::Reported { report, text, .. } => write!(f, "the machine reports ({report}): \"{text}\""),
        }
    }
}

fn write_state(f: &mut fmt::Formatter<'_>, state: &str, octets: u64) -> fmt::Result {
    match state {
        "running" if octets == 0 => f.write_str("began"),
        "running" => write!(f, "began, {octets} octets long"),
        "complete" if octets == 0 => f.write_str("complete"),
        "complete" => write!(f, "complete, {octets} octets"),
        "part" => write!(f, "{octets} octets, as requested"),
        "size-probe" => f.write_str("requested only the size"),
        "stopped" => write!(f, "ended by the machine after {octets} octets"),
        "timed-out" => write!(f, "the machine stopped responding after {octets} octets"),
        other => f.write_str(other),
    }
}

fn offer_words(offer: &str) -> &str {
    match offer {
        "menu" => "a menu",
        "fixed-names" => "files with fixed names",
        other => other,
    }
}

/// The time up to the seconds.
fn seconds_only(time: &str) -> String {
    format!("{}Z", time.get(.."2026-01-01T00:00:00".len()).unwrap_or(time))
}

/// Milliseconds as seconds with three decimals.
fn seconds(milliseconds: u32) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::json::StoryRecord;
    use proxydhcpd_core::arch::Arch;
    use proxydhcpd_core::arrival::Port;
    use proxydhcpd_core::event::ContentKind;
    use proxydhcpd_core::file_ticket::{BootKind, FileRole};
    use proxydhcpd_core::identity::{HardwareAddress, MachineKey};
    use proxydhcpd_core::story::{
        ClientKind, FileEnd, FileNotes, OfferKind, ShortText, Stories, StoryEvent, StoryFile, StoryWhat,
    };
    use std::time::{Duration, UNIX_EPOCH};

    /// A boot whose kernel does not exist.
    fn story() -> StoryRecord {
        let hardware = HardwareAddress::from_mac([0x52, 0x54, 0, 0, 0, 1]);
        let key = MachineKey::from_hardware(&hardware);
        let client = ClientKind { arch: Arch(7), ..ClientKind::default() };
        let file = |name| StoryFile {
            name: ShortText::new(name),
            role: FileRole::Other,
            boots: BootKind::BootDir,
            over_http: true,
        };
        let needed = vec![(ShortText::new("linux"), proxydhcpd_core::story::StepRole::Kernel)];
        let notes = Some(Box::new(FileNotes { needed, ..FileNotes::default() }));
        let replied = |port| StoryWhat::Replied {
            client,
            port,
            file: ShortText::new("snponly.efi"),
            offer: OfferKind::Loader,
            profile: ShortText::default(),
        };
        let script = file("boot.ipxe");
        let events = [
            (0, replied(Port::Dhcp)),
            (4000, replied(Port::Dhcp)),
            (
                5500,
                StoryWhat::FileOpened {
                    file: script,
                    size: 90,
                    content: ContentKind::File,
                    profile: ShortText::default(),
                    notes,
                },
            ),
            (5500, StoryWhat::FileEnded { file: script, octets: 90, duration: 2, end: FileEnd::Complete }),
            (5600, StoryWhat::FileRefused { file: file("linux"), label: "http:refused:not-found" }),
        ];
        let mut stories = Stories::default();
        for (at, what) in events {
            let (entry, link) = (ShortText::new("web1"), ShortText::new("eth0"));
            stories.note(&StoryEvent {
                at,
                key,
                hardware: Some(hardware),
                address: None,
                relay: None,
                machine_id: None,
                entry,
                link,
                what,
            });
        }
        stories.expire(60_000);
        let clock = |at| UNIX_EPOCH + Duration::from_secs(951_827_696) + Duration::from_millis(at);
        StoryRecord::new(stories.machine(key).unwrap(), stories.names(), &clock)
    }

    #[test]
    fn a_story_as_text_has_its_steps_and_its_verdict() {
        let text = anstream::adapter::strip_str(&StoryText(&story()).to_string()).to_string();
        let expected = "\
web1, 52:54:00:00:00:01
  2000-02-29T12:34:56Z, x64 UEFI, PXE over IPv4, on eth0
        0.000 s  offered    x64 UEFI, port 67: snponly.efi; 2 times, until 4.000 s
        5.500 s  script     script boot.ipxe over HTTP: complete, 90 octets
        5.600 s             kernel linux over HTTP: refused
    failed: The machine requested the kernel linux, which does not exist. Put the file into the boot directory under \
             this name, or correct the profile that names it (kernel-missing)
";
        assert_eq!(text, expected.replace("under              this", "under this"));
    }

    #[test]
    fn a_story_as_json_reads_back() {
        let story = story();
        let json = serde_json::to_value(&story).unwrap();
        let boot = &json["boots"][0];
        assert_eq!(boot["verdict"]["code"], "kernel-missing");
        assert_eq!(boot["steps"][0]["kind"], "replied");
        assert_eq!(boot["stages"][1]["name"], "offered");
        assert_eq!(boot["steps"][2]["at"], "2000-02-29T12:35:01.600Z");
        assert_eq!(serde_json::from_value::<StoryRecord>(json).unwrap(), story);
    }
}
