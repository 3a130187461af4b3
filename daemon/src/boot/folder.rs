//! Looks through the boot folder for what the menu can show.
//!
//! * `boot.ipxe` at its top: the operator's own script, which takes the menu's place;
//! * a sub-folder with a kernel (`vmlinuz*`, `linux*`, `bzImage*`, `kernel*`, `Image*`) and its initrd (`initrd*`,
//!   `initramfs*`, `*-ucode.img`). A text file `cmdline` beside them has the kernel's arguments, on as many lines as one
//!   likes; lines that begin with `#` are comments. iPXE replaces its settings in it: `ip=${net0/ip}`;
//! * other `.ipxe` scripts, and EFI programs.

use super::{image, loaders};
use crate::files::Folder;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::plan::{Entry, Menu};
use proxydhcpd_core::script::local_disk_arch;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bounds, so that a boot folder that is somebody's archive does not hold up the start.
const DEEPEST: usize = 5;
const MOST_FILES: usize = 10_000;
const MOST_ENTRIES: usize = 60;
const LONGEST: Duration = Duration::from_secs(2);
const LONGEST_CMDLINE: u64 = 4096;

/// The menu of a boot folder, and what was left out of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    pub menu: Menu,
    /// There are files that only a Raspberry Pi asks for.
    pub raspberry_pi: bool,
    pub notes: Vec<String>,
}

/// Looks through the folder, in the order of names, and then through those that are served under names beside it. A
/// folder that is not there is an empty one.
pub fn scan<'a>(root: &'a Path, mounts: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Scan {
    let mut scan = Scan { raspberry_pi: raspberry_pi(root), ..Scan::default() };
    match own_script(root) {
        Ok(there) => scan.menu.own_script = there,
        Err(why) => scan.notes.push(format!("boot.ipxe {why}: the menu is shown in its place")),
    }
    let until = Instant::now() + LONGEST;
    let mut files = 0;
    let mounts: Vec<(&str, &Path)> = mounts.into_iter().collect();
    let hidden: Vec<&str> = mounts.iter().map(|(name, _)| *name).collect();
    for (served_as, root) in [("", root)].into_iter().chain(mounts) {
        let hidden = if served_as.is_empty() { &hidden[..] } else { &[] };
        let mut scanner = Scanner { root, served_as, hidden, until, files, astray: Vec::new(), scan };
        if !scanner.folder("", 0) {
            scanner.scan.notes.push(format!("{}: too much to look through, the menu shows a part", root.display()));
        }
        scanner.tell_of_links();
        (files, scan) = (scanner.files, scanner.scan);
    }
    scan
}

/// Whether there is a script of the operator's; an error is why it cannot be sent. Every machine would be led to it.
fn own_script(root: &Path) -> Result<bool, &'static str> {
    let link = || root.join("boot.ipxe").is_symlink();
    match Folder::at(root, false).map(|folder| folder.open("boot.ipxe")) {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(Refusal::NotFound)) | Err(_) if !link() => Ok(false),
        Ok(Err(_)) if link() => Err("is a link to nothing, or out of the boot folder"),
        _ => Err("is no file that this server may read"),
    }
}

/// What the boot ROM of a Raspberry Pi asks for, in a folder of its serial number's name or at the top.
fn raspberry_pi(root: &Path) -> bool {
    let is_serial = |name: &str| name.len() == 8 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    let names = |folder: &Path| {
        let content = fs::read_dir(folder).into_iter().flatten().flatten();
        content.take(MOST_FILES).filter_map(|item| item.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let is_for_pi = |name: &String| {
        ["bootcode.bin", "config.txt"].contains(&&name[..]) || (name.starts_with("start") && name.ends_with(".elf"))
    };
    let top = names(root);
    top.iter().any(is_for_pi)
        || top.iter().filter(|name| is_serial(name)).any(|serial| names(&root.join(serial)).iter().any(is_for_pi))
}

struct Scanner<'a> {
    root: &'a Path,
    /// The first part of the names under which its files are asked for; empty for the boot folder.
    served_as: &'a str,
    /// Folders at its top that cannot be asked for: others are served under their names.
    hidden: &'a [&'a str],
    until: Instant,
    files: usize,
    /// Links that lead nowhere that is served.
    astray: Vec<String>,
    scan: Scan,
}

impl Scanner<'_> {
    /// One folder and those below it. False when a bound is reached.
    fn folder(&mut self, folder: &str, depth: usize) -> bool {
        let Ok(content) = fs::read_dir(self.root.join(folder)) else { return true };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for item in content.flatten() {
            self.files += 1;
            if self.files > MOST_FILES || Instant::now() > self.until {
                return false;
            }
            // Names that are no text could be in no script; what begins with a dot is meant to be hidden.
            let Ok(name) = item.file_name().into_string() else { continue };
            let is_hidden = folder.is_empty() && self.hidden.contains(&&name[..]);
            if name.starts_with('.') || name.chars().any(char::is_control) || is_hidden {
                continue;
            }
            // iPXE, up to 2025 at least, asks over HTTP for `%FFFFFFC3%FFFFFFA9` where the name has an é.
            if !name.is_ascii() {
                let name = self.served(&join(folder, &name));
                self.scan.notes.push(format!("{name}: iPXE cannot ask for this name; left out"));
                continue;
            }
            match item.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(name),
                Ok(kind) if kind.is_file() => files.push(name),
                Ok(kind) if kind.is_symlink() => match self.leads_to(&item.path()) {
                    Some(target) if target.is_file() => files.push(name),
                    // A folder is shown under its own name.
                    Some(_) => {}
                    None => self.astray(folder, &name),
                },
                _ => {}
            }
        }
        files.sort();
        folders.sort();
        self.entries(folder, &files);
        if self.scan.menu.entries.len() > MOST_ENTRIES {
            self.scan.menu.entries.truncate(MOST_ENTRIES);
            return false;
        }
        depth + 1 >= DEEPEST || folders.iter().all(|name| self.folder(&join(folder, name), depth + 1))
    }

    /// Where a symbolic link leads inside this folder; what lies outside is not served.
    fn leads_to(&self, link: &Path) -> Option<PathBuf> {
        let (target, root) = (link.canonicalize().ok()?, self.root.canonicalize().ok()?);
        target.starts_with(root).then_some(target)
    }

    /// What else is to be said of a loader, and of `boot.ipxe`, is said where they are looked for.
    fn astray(&mut self, folder: &str, name: &str) {
        if !self.served(folder).is_empty() || !(name == "boot.ipxe" || loaders::is_loader(name)) {
            self.astray.push(self.served(&join(folder, name)));
        }
    }

    /// At once: an archive may have thousands.
    fn tell_of_links(&mut self) {
        self.astray.sort();
        let Some((first, others)) = self.astray.split_first() else { return };
        let others = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        self.scan.notes.push(format!(
            "{first}{others}: a link to nothing, or out of the folder, is not followed; [folders] serves what lies elsewhere"
        ));
    }

    /// The name under which a file is asked for.
    fn served(&self, path: &str) -> String {
        join(self.served_as, path)
    }

    fn entries(&mut self, folder: &str, files: &[String]) {
        if !self.served(folder).is_empty() {
            self.linux(folder, files);
        }
        for name in files {
            let path = self.served(&join(folder, name));
            let title = path.rsplit_once('.').map_or(&path[..], |(stem, _)| stem).to_owned();
            if name.ends_with(".ipxe") && !["boot.ipxe", "autoexec.ipxe"].contains(&&path[..]) {
                let script = self.head(&join(folder, name)).map(|_| Entry::Script { title, path });
                self.scan.menu.entries.extend(script);
            } else if name.ends_with(".efi")
                && !(self.served(folder).is_empty() && loaders::is_loader(name))
                && local_disk_arch(&path).is_none()
            {
                // A loader of ours, at the top of the folder, would lead in a circle; the local disk has a line of its own.
                let arch = self.head(&join(folder, name)).and_then(|head| image::efi_arch(&head));
                self.scan.menu.entries.extend(arch.map(|arch| Entry::Efi { title, path, arch }));
            }
        }
    }

    fn linux(&mut self, folder: &str, files: &[String]) {
        let initrds = files.iter().map(String::as_str).filter(|name| is_initrd(name));
        let initrds: Vec<&str> = initrds.filter(|name| self.head(&join(folder, name)).is_some()).collect();
        if initrds.is_empty() {
            return;
        }
        let kernels: Vec<_> = files
            .iter()
            .filter(|name| is_kernel(name))
            .filter_map(|name| Some((name, image::kernel(&self.head(&join(folder, name))?)?)))
            .collect();
        let arguments = match self.arguments(folder) {
            Ok(arguments) => arguments,
            Err(why) => {
                let folder = self.served(folder);
                return self.scan.notes.push(format!("{folder}/cmdline: {why}; {folder} is left out"));
            }
        };
        let folder = self.served(folder);
        for (kernel, arch) in &kernels {
            let initrds = initrds_for(kernel, kernels.len(), &initrds);
            if initrds.is_empty() {
                continue;
            }
            self.scan.menu.entries.push(Entry::Linux {
                title: if kernels.len() == 1 { folder.clone() } else { join(&folder, kernel) },
                kernel: join(&folder, kernel),
                initrds: initrds.iter().map(|name| join(&folder, name)).collect(),
                arguments: arguments.clone(),
                arch: *arch,
            });
        }
    }

    /// The content of `cmdline` as one line; nothing if there is no such file.
    fn arguments(&self, folder: &str) -> Result<String, String> {
        let path = self.root.join(folder).join("cmdline");
        if !path.is_file() {
            return Ok(String::new());
        }
        let mut text = String::new();
        let file = fs::File::open(&path).map_err(|error| error.to_string())?;
        file.take(LONGEST_CMDLINE).read_to_string(&mut text).map_err(|error| error.to_string())?;
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
        // These would end the command in the script, and there is no way to quote them.
        match words.iter().find(|word| ["||", "&&"].contains(word) || word.chars().any(char::is_control)) {
            Some(word) => Err(format!("{word:?} cannot be passed on by iPXE")),
            None => Ok(words.join(" ")),
        }
    }

    /// How a file begins. One that cannot be read would be shown and not sent: Ubuntu gives its kernels to root alone.
    fn head(&mut self, path: &str) -> Option<Vec<u8>> {
        match image::head(&self.root.join(path)) {
            Ok((head, _)) => Some(head),
            Err(error) => {
                self.scan.notes.push(format!("{}: {error}; left out of the menu", self.served(path)));
                None
            }
        }
    }
}

fn join(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}

fn is_kernel(name: &str) -> bool {
    ["vmlinuz", "linux", "bzImage", "kernel", "Image"].iter().any(|stem| name.starts_with(stem))
}

fn is_initrd(name: &str) -> bool {
    ["initrd", "initramfs"].iter().any(|stem| name.starts_with(stem)) || name.ends_with("-ucode.img")
}

/// The initrds that belong to a kernel: those of its version (`vmlinuz-6.1.0` and `initrd.img-6.1.0`), or all if it is
/// the only kernel there. Microcode goes first, for whichever.
fn initrds_for<'a>(kernel: &str, kernels: usize, initrds: &[&'a str]) -> Vec<&'a str> {
    let (microcode, others): (Vec<&str>, Vec<&str>) = initrds.iter().partition(|name| name.ends_with("-ucode.img"));
    let version = kernel.find(['-', '.', '_']).map_or("", |at| &kernel[at + 1..]);
    let own: Vec<&str> = others.iter().copied().filter(|name| !version.is_empty() && name.contains(version)).collect();
    let chosen = match (own.is_empty(), kernels) {
        (false, _) => own,
        (true, 1) => others,
        (true, _) => Vec::new(),
    };
    if chosen.is_empty() { chosen } else { microcode.into_iter().chain(chosen).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::image::tests::{bzimage, efi};
    use proxydhcpd_core::arch::Arch;
    use std::os::unix::fs::symlink;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn entries(files: &[(&str, &[u8])]) -> Vec<Entry> {
        scan(folder(files).path(), []).menu.entries
    }

    fn linux(title: &str, kernel: &str, initrds: &[&str], arguments: &str) -> Entry {
        Entry::Linux {
            title: title.into(),
            kernel: kernel.into(),
            initrds: initrds.iter().map(|&name| name.into()).collect(),
            arguments: arguments.into(),
            arch: Arch::X64,
        }
    }

    #[test]
    fn a_kernel_with_its_initrd_is_an_entry() {
        let kernel = bzimage(true);
        let files: &[(&str, &[u8])] = &[
            ("debian/amd64/linux", &kernel),
            ("debian/amd64/initrd.gz", b"..."),
            ("debian/amd64/cmdline", b"# the installer\nauto=true\npriority=critical ip=${net0/ip}\n"),
        ];
        let arguments = "auto=true priority=critical ip=${net0/ip}";
        let expected = linux("debian/amd64", "debian/amd64/linux", &["debian/amd64/initrd.gz"], arguments);
        assert_eq!(entries(files), [expected]);
    }

    #[test]
    fn each_kernel_is_given_the_initrd_of_its_version() {
        let kernel = bzimage(true);
        let files: &[(&str, &[u8])] = &[
            ("a/vmlinuz-6.1", &kernel),
            ("a/vmlinuz-6.12", &kernel),
            ("a/initrd.img-6.1", b""),
            ("a/initrd.img-6.12", b""),
            ("a/intel-ucode.img", b""),
        ];
        let found = entries(files);
        assert_eq!(found.len(), 2);
        let second = linux("a/vmlinuz-6.12", "a/vmlinuz-6.12", &["a/intel-ucode.img", "a/initrd.img-6.12"], "");
        assert_eq!(found[1], second);
    }

    #[test]
    fn what_is_only_called_a_kernel_is_none() {
        assert_eq!(entries(&[("a/linux.txt", b"read me"), ("a/kernel", b""), ("a/initrd.gz", b"")]), []);
        assert_eq!(entries(&[("a/linux", &bzimage(true))]), [], "no initrd");
    }

    #[test]
    fn scripts_and_efi_programs_are_entries_and_our_own_loaders_are_not() {
        let (x64, other) = (efi(0x8664), efi(0x1234));
        let files: &[(&str, &[u8])] = &[
            ("autoexec.ipxe", b"#!ipxe"),
            ("rescue.ipxe", b"#!ipxe"),
            ("snponly.efi", &x64),
            ("tools/memtest.efi", &x64),
            ("tools/strange.efi", &other),
        ];
        let script = Entry::Script { title: "rescue".into(), path: "rescue.ipxe".into() };
        let program = Entry::Efi { title: "tools/memtest".into(), path: "tools/memtest.efi".into(), arch: Arch::X64 };
        assert_eq!(entries(files), [script, program]);
    }

    #[test]
    fn a_boot_ipxe_of_the_operator_is_seen() {
        let scan = scan(folder(&[("boot.ipxe", b"#!ipxe")]).path(), []);
        assert!(scan.menu.own_script && scan.menu.entries.is_empty());
        assert_eq!(super::scan(Path::new("/nowhere/at/all"), []), Scan::default());
    }

    #[test]
    fn a_boot_ipxe_that_cannot_be_sent_is_told_and_the_menu_takes_its_place() {
        let scanned = |make: &dyn Fn(&Path)| {
            let root = folder(&[]);
            make(&root.path().join("boot.ipxe"));
            let Scan { menu, notes, .. } = scan(root.path(), []);
            assert!(!menu.own_script);
            notes
        };
        let in_its_place = |why: &str| [format!("boot.ipxe {why}: the menu is shown in its place")];
        for target in ["/etc/hostname", "/nowhere/at/all"] {
            let notes = scanned(&|path| symlink(target, path).unwrap());
            assert_eq!(notes, in_its_place("is a link to nothing, or out of the boot folder"), "{target}");
        }
        let notes = scanned(&|path| fs::create_dir(path).unwrap());
        assert_eq!(notes, in_its_place("is no file that this server may read"));

        let root = folder(&[("real/script", b"#!ipxe")]);
        symlink("real/script", root.path().join("boot.ipxe")).unwrap();
        assert!(scan(root.path(), []).menu.own_script, "a link that stays inside");
    }

    #[test]
    fn a_command_line_that_a_script_cannot_carry_leaves_the_entry_out() {
        let kernel = bzimage(true);
        let root = folder(&[("a/linux", &kernel), ("a/initrd", b""), ("a/cmdline", b"quiet || reboot")]);
        let scan = scan(root.path(), []);
        assert_eq!(scan.menu.entries, []);
        assert_eq!(scan.notes, ["a/cmdline: \"||\" cannot be passed on by iPXE; a is left out"]);
    }

    #[test]
    fn links_are_followed_only_inside() {
        let root = folder(&[("real/a.txt", b"#!ipxe")]);
        symlink("real/a.txt", root.path().join("inside.ipxe")).unwrap();
        symlink("/etc/hostname", root.path().join("outside.ipxe")).unwrap();
        symlink(".", root.path().join("circle")).unwrap();
        symlink("/usr/share", root.path().join("mirror")).unwrap();
        // These two are told of where loaders and the operator's script are looked for.
        symlink("/etc/hostname", root.path().join("snponly.efi")).unwrap();
        symlink("/nothing/there", root.path().join("boot.ipxe")).unwrap();
        let scan = scan(root.path(), []);
        let script = Entry::Script { title: "inside".into(), path: "inside.ipxe".into() };
        assert_eq!(scan.menu.entries, [script]);
        let astray = "mirror and 1 more: a link to nothing, or out of the folder, is not followed; [folders] serves what lies elsewhere";
        assert_eq!(scan.notes[1..], [astray]);
        assert!(scan.notes[0].starts_with("boot.ipxe "), "{:?}", scan.notes);
    }

    #[test]
    fn a_folder_without_end_is_shown_in_part() {
        let root = folder(&[]);
        for number in 0..MOST_ENTRIES + 5 {
            fs::write(root.path().join(format!("{number:03}.ipxe")), "#!ipxe").unwrap();
        }
        let scan = scan(root.path(), []);
        assert_eq!(scan.menu.entries.len(), MOST_ENTRIES);
        assert_eq!(scan.notes.len(), 1);
    }

    #[test]
    fn a_name_that_ipxe_cannot_ask_for_is_left_out() {
        let scan = scan(folder(&[("caf\u{e9}/a.ipxe", b""), ("$b c&.ipxe", b"")]).path(), []);
        assert_eq!(scan.notes, ["caf\u{e9}: iPXE cannot ask for this name; left out"]);
        assert_eq!(scan.menu.entries, [Entry::Script { title: "$b c&".into(), path: "$b c&.ipxe".into() }]);
    }

    #[test]
    fn a_folder_that_is_served_under_a_name_is_shown_under_it() {
        let kernel = bzimage(true);
        let mirror = folder(&[("linux", &kernel), ("initrd", b""), ("sub/linux", &kernel), ("sub/initrd", b"")]);
        let boot = folder(&[("debian/other/linux", &kernel), ("debian/other/initrd", b"")]);
        let scan = scan(boot.path(), [("debian", mirror.path())]);
        let at_top = linux("debian", "debian/linux", &["debian/initrd"], "");
        let below = linux("debian/sub", "debian/sub/linux", &["debian/sub/initrd"], "");
        assert_eq!(scan.menu.entries, [at_top, below]);
    }

    #[test]
    fn files_for_a_raspberry_pi_are_seen_at_the_top_and_below_a_serial_number() {
        for file in ["bootcode.bin", "config.txt", "start4.elf", "start.elf", "12ab34cd/config.txt"] {
            assert!(scan(folder(&[(file, b"")]).path(), []).raspberry_pi, "{file}");
        }
        for file in ["start.txt", "debian/config.txt", "12ab34cg/config.txt", "12ab34cd/linux"] {
            assert!(!scan(folder(&[(file, b"")]).path(), []).raspberry_pi, "{file}");
        }
    }

    #[test]
    fn hidden_and_unprintable_names_are_passed_over() {
        assert_eq!(entries(&[(".git/a.ipxe", b""), (".b.ipxe", b""), ("c\n.ipxe", b"")]), []);
    }
}
