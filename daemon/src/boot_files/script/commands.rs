//! The commands of iPXE, and how to find out which of them a given iPXE binary has.

use proxydhcpd_reading::suggest::closest_match;
use std::fs;
use std::path::Path;

/// The purpose for which a script fetches a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A kernel.
    Kernel,
    /// An initrd.
    Initrd,
    /// A script, a program, or any other image.
    Other,
}

/// Every command that any build of iPXE has. The age and the options of a build determine which ones it has.
const ALL_COMMANDS: &[&str] = &[
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

/// Commands that early versions of iPXE lack, with the year in which iPXE got them.
const SINCE: &[(&str, u16)] = &[("imgextract", 2021), ("shim", 2023), ("form", 2024), ("present", 2024), ("fdt", 2025)];

/// Commands that iPXE has only on certain platforms. A script that uses such a command is presumably meant for these
/// platforms.
const PLATFORM_DEPENDENT: &[&str] = &["cpuid", "fdt", "imgextract", "pciscan"];

/// The purpose of the file that this command fetches; `None` if the command fetches no file.
pub fn fetch_purpose(command: &str) -> Option<Purpose> {
    match command {
        "kernel" => Some(Purpose::Kernel),
        "initrd" => Some(Purpose::Initrd),
        "chain" | "module" | "imgfetch" | "imgload" | "imgselect" | "imgexec" | "boot" | "imgverify" | "imgextract"
        | "shim" => Some(Purpose::Other),
        _ => None,
    }
}

/// Whether the operand of the command is usually the name of an image that the script has already fetched.
pub fn takes_image_name(command: &str) -> bool {
    ["boot", "imgexec", "imgselect", "imgload", "imgverify", "imgextract"].contains(&command)
}

/// The first word that is neither an option nor the value of an option; `None` if there is no such word.
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

/// An iPXE program whose strings show which commands and protocols it has. Programs for BIOS are compressed, so their
/// strings are unreadable.
#[derive(Debug)]
pub struct IpxeBinary {
    program: Vec<u8>,
}

impl IpxeBinary {
    /// Reads the file; `None` if it cannot be read or is not an uncompressed iPXE.
    pub fn read(path: &Path) -> Option<IpxeBinary> {
        const MAX_SIZE: u64 = 16 << 20;
        let is_plausible = path.metadata().is_ok_and(|file| file.is_file() && file.len() <= MAX_SIZE);
        let ipxe = IpxeBinary { program: is_plausible.then(|| fs::read(path).ok())?? };
        (ipxe.has_string("goto") && ipxe.has_string("chain") && ipxe.has_string("imgstat")).then_some(ipxe)
    }

    /// Whether the program contains a string that ends with `text`, such as the name of a command or a protocol. The
    /// beginning of the string may differ, because linkers merge strings with equal ends.
    pub fn has_string(&self, text: &str) -> bool {
        let wanted = [text.as_bytes(), b"\0"].concat();
        self.program.windows(wanted.len()).any(|window| window == wanted)
    }

    /// The version as the program shows it, `1.21.1+git20250501`; `None` if it is not found.
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

/// The problem and the fix, if iPXE has no such command or some offered iPXE programs lack it; otherwise `None`.
pub fn check_command(command: &str, offered: &[(String, IpxeBinary)]) -> Option<(String, String)> {
    let lacking: Vec<_> = offered.iter().filter(|(_, ipxe)| !ipxe.has_string(command)).collect();
    if !ALL_COMMANDS.contains(&command) {
        let is_none = lacking.len() == offered.len();
        let fix = match closest_match(command, ALL_COMMANDS.iter().copied()) {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None => "a comment begins with `#`, a label with `:`".to_owned(),
        };
        return is_none.then(|| (format!("iPXE has no command `{command}`"), fix));
    }
    if PLATFORM_DEPENDENT.contains(&command) && lacking.len() < offered.len() {
        return None;
    }
    let (name, ipxe) = lacking.first()?;
    let version = ipxe.version().map(|version| format!(" (iPXE {version})")).unwrap_or_default();
    let since = SINCE.iter().find(|(known, _)| *known == command);
    let since = since.map(|(_, year)| format!(" (new in {year})")).unwrap_or_default();
    let what = format!("the offered {name}{version} has no command `{command}`{since}");
    Some((
        what,
        "offer an iPXE that was built with it, or append `||` to the command to continue without it".to_owned(),
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
    fn an_ipxe_reveals_its_version_and_its_commands() {
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
    fn every_offered_ipxe_has_the_common_commands() {
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
    fn a_command_that_an_offered_ipxe_lacks_is_reported() {
        let offered = [cached("2022/snponly.efi"), cached("2025/snponly.efi")];
        let (what, _) = check_command("shim", &offered).unwrap();
        assert_eq!(
            what,
            "the offered 2022/snponly.efi (iPXE 1.0.0+git-20190125.36a4c85-5.1) has no command `shim` (new in 2023)"
        );
        assert_eq!(check_command("shim", &offered[1..]), None);
        assert_eq!(check_command("shim", &[]), None, "no iPXE is offered, so nothing is known");
        assert_eq!(check_command("chian", &[]).unwrap().1, "did you mean `chain`?");
    }
}
