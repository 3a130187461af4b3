//! The commands of iPXE, and which of them a given iPXE has.

use crate::suggest::closest_match;
use std::fs;
use std::path::Path;

/// What a file is fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Kernel,
    Initrd,
    /// A script or a program that takes over, or any image.
    Other,
}

/// Every command that some build of iPXE has. Which of them one has depends on its age and on how it was built.
const KNOWN: &[&str] = &[
    "autoboot",
    "boot",
    "cachestat",
    "certfree",
    "certstat",
    "certstore",
    "chain",
    "choose",
    "clear",
    "colour",
    "config",
    "console",
    "cpair",
    "cpuid",
    "dhcp",
    "digest",
    "echo",
    "eject",
    "exit",
    "fcels",
    "fcstat",
    "fdt",
    "form",
    "gdbstub",
    "goto",
    "help",
    "ibstat",
    "ifclose",
    "ifconf",
    "iflinkwait",
    "ifopen",
    "ifstat",
    "imgacquire",
    "imgargs",
    "imgdecrypt",
    "imgexec",
    "imgextract",
    "imgfetch",
    "imgfree",
    "imgload",
    "imgmem",
    "imgselect",
    "imgsha1",
    "imgsha256",
    "imgstat",
    "imgtrust",
    "imgverify",
    "inc",
    "initrd",
    "ipstat",
    "iseq",
    "isset",
    "item",
    "iwassoc",
    "iwlist",
    "iwstat",
    "kernel",
    "login",
    "lotest",
    "md4sum",
    "md5sum",
    "memmap",
    "menu",
    "module",
    "neighbour",
    "nslookup",
    "nstat",
    "ntp",
    "param",
    "params",
    "pciscan",
    "ping",
    "poweroff",
    "present",
    "profstat",
    "prompt",
    "pxebs",
    "read",
    "reboot",
    "route",
    "sanboot",
    "sanhook",
    "sanunhook",
    "set",
    "sha1sum",
    "sha224sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "shell",
    "shim",
    "show",
    "sleep",
    "startpxe",
    "stoppxe",
    "sync",
    "time",
    "usbscan",
    "vcreate",
    "vdestroy",
];

/// Since when iPXE has a command that it did not have from its first years on.
const SINCE: &[(&str, u16)] = &[("imgextract", 2021), ("shim", 2023), ("form", 2024), ("present", 2024), ("fdt", 2025)];

/// Commands that an iPXE has or lacks by what it runs on. A script that uses one is taken to know where it runs.
const OF_SOME_MACHINES: &[&str] = &["cpuid", "fdt", "imgextract", "pciscan"];

/// Commands that take a file from a server.
pub fn fetch_purpose(command: &str) -> Option<Purpose> {
    match command {
        "kernel" => Some(Purpose::Kernel),
        "initrd" => Some(Purpose::Initrd),
        "chain" | "module" | "imgfetch" | "imgload" | "imgselect" | "imgexec" | "boot" | "imgverify" | "imgextract"
        | "shim" => Some(Purpose::Other),
        _ => None,
    }
}

/// Those that are mostly given the name of an image that is there already.
pub fn takes_image_name(command: &str) -> bool {
    ["boot", "imgexec", "imgselect", "imgload", "imgverify", "imgextract"].contains(&command)
}

/// The first of its words that is no option.
pub fn first_operand<'a>(words: &[&'a str]) -> Option<&'a str> {
    const WITH_VALUE: [&str; 8] = ["--name", "-n", "--timeout", "-t", "--params", "--signer", "-s", "--keep-for"];
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return Some(word);
        }
    }
    None
}

/// An iPXE whose file says what it can: those for BIOS are compressed, and say nothing.
#[derive(Debug)]
pub struct IpxeBinary {
    program: Vec<u8>,
}

impl IpxeBinary {
    pub fn read(path: &Path) -> Option<IpxeBinary> {
        const LONGEST: u64 = 16 << 20;
        let is_plausible = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= LONGEST);
        let ipxe = IpxeBinary { program: is_plausible.then(|| fs::read(path).ok())?? };
        (ipxe.has_string("goto") && ipxe.has_string("chain") && ipxe.has_string("imgstat")).then_some(ipxe)
    }

    /// Whether a text that ends so is in it: each command and each protocol is one. Linkers share the ends of texts.
    pub fn has_string(&self, text: &str) -> bool {
        let wanted = [text.as_bytes(), b"\0"].concat();
        self.program.windows(wanted.len()).any(|window| window == wanted)
    }

    /// As it says it itself: `1.21.1+git20250501`.
    pub fn version(&self) -> Option<&str> {
        let texts = self.program.split(|octet| *octet == 0).filter_map(|text| std::str::from_utf8(text).ok());
        let begins = |text: &&str| {
            let mut numbers = text.splitn(3, '.');
            let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u8>().is_ok());
            is_number(numbers.next())
                && is_number(numbers.next())
                && numbers.next().is_some_and(|rest| rest.contains('+'))
        };
        texts.filter(|text| text.len() < 80).find(begins)
    }
}

/// What is to be said of a command that none of these iPXEs is known to have, or not all.
pub fn check_command(command: &str, offered: &[(String, IpxeBinary)]) -> Option<(String, String)> {
    let lacking: Vec<_> = offered.iter().filter(|(_, ipxe)| !ipxe.has_string(command)).collect();
    if !KNOWN.contains(&command) {
        let is_none = lacking.len() == offered.len();
        let cure = match closest_match(command, KNOWN.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "a comment begins with `#`, a label with `:`".to_owned(),
        };
        return is_none.then(|| (format!("iPXE has no command `{command}`"), cure));
    }
    if OF_SOME_MACHINES.contains(&command) && lacking.len() < offered.len() {
        return None;
    }
    let (name, ipxe) = lacking.first()?;
    let version = ipxe.version().map(|version| format!(" (iPXE {version})")).unwrap_or_default();
    let since = SINCE.iter().find(|(known, _)| *known == command);
    let since = since.map(|(_, year)| format!(", which iPXE has since {year}")).unwrap_or_default();
    let what = format!("{name}{version}, which is offered, does not have the command `{command}`{since}");
    Some((
        what,
        "offer an iPXE that was built with it, or write `||` behind the command to go on without it".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(name: &str) -> (String, IpxeBinary) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache").join(name);
        (name.to_owned(), IpxeBinary::read(&path).unwrap_or_else(|| panic!("{name}: unpacked by e2e/setup")))
    }

    #[test]
    fn an_ipxe_says_its_version_and_what_it_can() {
        let (_, old) = cached("2022/snponly.efi");
        assert_eq!(old.version(), Some("1.0.0+git-20190125.36a4c85-5.1"));
        assert!(!old.has_string("https") && old.has_string("http") && !old.has_string("shim"));
        let (_, new) = cached("2025/snponly.efi");
        assert_eq!(new.version(), Some("1.21.1+git20250501.dad20602+dfsg-1"));
        assert!(new.has_string("https") && new.has_string("shim"));
        let compressed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache/2025/undionly.kpxe");
        assert!(IpxeBinary::read(&compressed).is_none(), "it is compressed");
    }

    #[test]
    fn every_command_that_scripts_use_daily_is_known_to_all_that_are_offered() {
        let offered = [cached("2022/snponly.efi"), cached("2025/snponly.efi"), cached("2025/ipxe-arm64.efi")];
        for command in [
            "kernel", "initrd", "chain", "boot", "imgargs", "imgfree", "imgfetch", "imgstat", "set", "isset", "iseq",
            "goto", "menu", "item", "choose", "echo", "prompt", "sleep", "shell", "exit", "reboot", "dhcp", "ifconf",
            "ifopen", "ifstat", "show", "clear", "inc", "read", "login", "config", "cpuid", "sync", "sanboot",
            "sanhook", "module", "autoboot",
        ] {
            assert_eq!(check_command(command, &offered), None, "{command}");
        }
    }

    #[test]
    fn a_command_that_an_offered_ipxe_lacks_is_told_with_it() {
        let offered = [cached("2022/snponly.efi"), cached("2025/snponly.efi")];
        let (what, _) = check_command("shim", &offered).unwrap();
        assert_eq!(
            what,
            "2022/snponly.efi (iPXE 1.0.0+git-20190125.36a4c85-5.1), which is offered, does not have the command \
             `shim`, which \
             iPXE has since 2023"
        );
        assert_eq!(check_command("shim", &offered[1..]), None);
        assert_eq!(check_command("shim", &[]), None, "nothing is known of what runs it");
        assert_eq!(check_command("chian", &[]).unwrap().1, "did you mean `chain`?");
    }
}
