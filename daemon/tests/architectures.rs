//! Only `core/src/arch.rs` and its table contain the names of architectures.

use proxydhcpd_core::arch::{ARCHITECTURES, ArchInfo, ImageFormat};
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
    ("daemon/src/cli/check/content/arguments.rs", &["Arch::X64", "x86_64"], "an example machine"),
    ("daemon/src/cli/mod.rs", &["uefi-x64"], "an example in the help"),
    ("daemon/src/cli/explain/arguments.rs", &["http-arm64", "http-x64", "uefi-x64", "x64"], "examples in the help"),
    ("daemon/src/settings/keys/rows.rs", &["uefi-arm64", "uefi-x64"], "examples of values"),
    (
        "daemon/src/settings/keys/tables.rs",
        &["bootaa64.efi", "bootx64.efi", "uefi-arm64", "uefi-x64"],
        "examples of tables",
    ),
    ("daemon/src/serve/http/page.rs", &["uefi-x64"], "an example of a command"),
    ("daemon/src/site/lint_loaders.rs", &["Arch::X64", "uefi-x64"], "warns about the most common architecture"),
];

#[test]
fn no_other_module_names_an_architecture() {
    let names: BTreeSet<String> = ARCHITECTURES.iter().flat_map(names_of).collect();
    assert!(
        ["uefi-x64", "x86_64", "aa64", "ARM64_EFI", "0x8664", "Arch::X64"].iter().all(|name| names.contains(*name))
    );
    let mut found = BTreeSet::new();
    for source in ["core/src", "daemon/src", "import/src", "reading/src"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for path in rust_files(&root.join(source)) {
            let file = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if !["core/src/arch.rs", "core/src/arch/rows.rs"].contains(&file.as_str()) && !file.ends_with("/tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.extend(
                    words(program(&text))
                        .filter(|word| names.contains(*word))
                        .map(|word| (file.clone(), word.to_owned())),
                );
            }
        }
    }
    let excepted =
        EXCEPTIONS.iter().flat_map(|(file, names, _)| names.iter().map(|name| (file.to_string(), name.to_string())));
    assert_eq!(found, excepted.collect(), "left: names in the source files; right: the exceptions");
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
