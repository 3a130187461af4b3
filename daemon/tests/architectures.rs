//! Only `core/src/arch.rs` and its table contain the names of architectures. Only the file of a dialect, the list of
//! dialects and the row of a quirk contain the name of the dialect's firmware.

use proxydhcpd_core::arch::{ARCHITECTURES, ArchInfo, ImageFormat};
use proxydhcpd_core::client::dialect::Dialect;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The names that other files contain nevertheless: the file, the names, and the reason.
const EXCEPTIONS: &[(&str, &[&str], &str)] = &[
    ("core/src/shim.rs", &["Arch::X64"], "all machines known to garble the name of the second stage are x64"),
    (
        "daemon/src/boot_files/image.rs",
        &["Arch::IA32", "Arch::X64"],
        "the x86 boot protocol has a flag for a 64-bit kernel",
    ),
    ("daemon/src/loaders/find.rs", &["arm64-efi", "x86_64"], "directories in which distributions install iPXE"),
    ("daemon/src/boot_dir/layouts.rs", &["amd64", "arm64", "x86_64"], "paths in the images of distributions"),
    ("daemon/src/boot_dir/programs.rs", &["arm64", "i386", "x86_64"], "the names of wimboot's files"),
    (
        "daemon/src/uefi_programs/built.rs",
        &["uefi-arm32", "uefi-arm64", "uefi-ia32", "uefi-x64"],
        "the programs that daemon/efi/build builds and this file embeds",
    ),
    ("daemon/src/check/content/arguments.rs", &["Arch::X64", "x86_64"], "an example machine"),
    ("daemon/src/cli/mod.rs", &["uefi-x64"], "an example in the help"),
    ("daemon/src/cli/explain/arguments.rs", &["http-arm64", "http-x64", "uefi-x64", "x64"], "examples in the help"),
    ("daemon/src/settings/keys/rows.rs", &["uefi-arm64", "uefi-x64"], "examples of values"),
    (
        "daemon/src/settings/keys/tables.rs",
        &["bootaa64.efi", "bootx64.efi", "uefi-arm64", "uefi-x64"],
        "examples of tables",
    ),
    ("daemon/src/api/menu.rs", &["Arch::X64"], "the menu of a machine that was not chosen"),
    ("daemon/src/cli/probe/role.rs", &["Arch::X64"], "plays the most common architecture"),
    ("daemon/src/serve/http/page.rs", &["uefi-x64"], "an example of a command"),
    (
        "daemon/src/sandbox/syscall_filter.rs",
        &["aarch64", "x86_64"],
        "the architectures of hosts, for their system calls",
    ),
    ("daemon/src/sandbox/syscalls.rs", &["x86_64"], "the architecture of the host, for its system calls"),
    ("daemon/src/site/lint_loaders.rs", &["Arch::X64", "uefi-x64"], "warns about the most common architecture"),
];

/// The files that name a firmware with a dialect nevertheless: the dialect's id, the file, and the reason.
const DIALECT_EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("raspberry-pi", "core/src/arch/rows.rs", "IANA's name of its architecture"),
    ("raspberry-pi", "daemon/src/settings/keys/rows.rs", "the key of a rule that declares it"),
    ("raspberry-pi", "daemon/src/settings/keys/tables.rs", "an example of that key"),
];

#[test]
fn no_other_module_names_an_architecture() {
    let names: BTreeSet<String> = ARCHITECTURES.iter().flat_map(names_of).collect();
    assert!(
        ["uefi-x64", "x86_64", "aa64", "ARM64_EFI", "0x8664", "Arch::X64"].iter().all(|name| names.contains(*name))
    );
    let mut found = BTreeSet::new();
    for (file, text) in ["core/src", "daemon/src", "import/src", "reading/src"].into_iter().flat_map(sources) {
        if !["core/src/arch.rs", "core/src/arch/rows.rs"].contains(&file.as_str()) {
            found.extend(
                words(program(&text)).filter(|word| names.contains(*word)).map(|word| (file.clone(), word.to_owned())),
            );
        }
    }
    let excepted =
        EXCEPTIONS.iter().flat_map(|(file, names, _)| names.iter().map(|name| (file.to_string(), name.to_string())));
    assert_eq!(found, excepted.collect(), "left: names in the source files; right: the exceptions");
}

#[test]
fn no_other_module_names_a_firmware_with_a_dialect() {
    let letters = |text: &str| text.replace([' ', '-', '_'], "").to_lowercase();
    for dialect in Dialect::all() {
        let (id, name) = (letters(dialect.id), letters(dialect.name));
        let names_it = |text: &str| program(text).map(letters).any(|line| line.contains(&id) || line.contains(&name));
        let found: BTreeSet<String> = ["core/src", "daemon/src"]
            .into_iter()
            .flat_map(sources)
            .filter_map(|(file, text)| names_it(&text).then_some(file))
            .collect();
        let own = format!("core/src/client/dialect/{}.rs", dialect.id.replace('-', "_"));
        let allowed = [&own, "core/src/client/dialect.rs", "core/src/client/dialect/known.rs", "core/src/quirks.rs"];
        let excepted = DIALECT_EXCEPTIONS.iter().filter(|(id, ..)| *id == dialect.id).map(|(_, file, _)| *file);
        let expected = allowed.into_iter().chain(excepted).map(str::to_owned).collect();
        assert_eq!(found, expected, "left: files that name {}; right: those that may", dialect.name);
    }
}

/// The Rust files below a directory that are not only tests, with their content.
fn sources(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = rust_files(&root.join(directory)).into_iter().map(|path| {
        let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        (file, fs::read_to_string(&path).unwrap())
    });
    files.filter(|(file, _)| !file.ends_with("/tests.rs")).collect()
}

/// The names of an architecture that are not words of another meaning, such as `ipxe` or `arm`.
fn names_of(row: &ArchInfo) -> Vec<String> {
    let names = &row.names;
    let packages = [names.packages.debian, names.packages.fedora, names.packages.suse];
    let removable = row.loaders.last().filter(|_| matches!(row.image, ImageFormat::Efi(_)));
    let machine_type = match row.image {
        ImageFormat::Efi(machine) => Some(format!("{machine:#06x}")),
        _ => None,
    };
    [Some(row.id), names.ipxe.map(|build| build.buildarch), names.shim, names.directory, names.dnsmasq]
        .into_iter()
        .chain(packages)
        .chain([names.python_filename, names.python_bootstrap.map(|bootstrap| bootstrap.key), removable.copied()])
        .flatten()
        .chain(names.words.iter().copied().filter(|word| word.parse::<u32>().is_err()))
        .filter(|name| !["bios", "ipxe", "arm", "x86"].contains(name))
        .map(str::to_owned)
        .chain(machine_type)
        .chain(["IA32", "X64", "EBC"].map(|name| format!("Arch::{name}")))
        .collect()
}

/// The lines of a file before its tests, without comments.
fn program(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| !line.trim_start().starts_with("//"))
}

/// The words of the lines, and of paths and URLs in them.
fn words<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    lines.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && !"_-.:".contains(c)))
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}
