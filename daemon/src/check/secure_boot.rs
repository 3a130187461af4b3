//! Shows in `check` which programs machines with Secure Boot accept, and by which keys.

use crate::boot_files::image::{self, Image};
use crate::preview::Preview;
use proxydhcpd_core::arch::{Arch, ImageFormat};
use proxydhcpd_core::choose::local_disk_name;
use proxydhcpd_core::plan::offer::{Loader, TftpServer};
use proxydhcpd_core::url::is_url;
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::regular::read_regular;
use proxydhcpd_secureboot::{Certificate, Rejection, SecureBootVerdict, Signatures, TrustAnchor};
use serde_json::{Value, json};
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// A loader for UEFI machines, or the program that starts their local disk. Another server does not send it, so that
/// `check` can read it.
#[derive(Debug)]
pub struct CheckedProgram {
    arch: Arch,
    name: String,
    is_local_disk: bool,
    inspection: Result<Inspection, String>,
}

/// The content of a program, as Secure Boot sees it.
#[derive(Debug)]
struct Inspection {
    image: Image,
    signatures: Signatures,
    verdict: SecureBootVerdict,
}

/// Reads every program, and determines whether machines accept it. Warns of certificates in the configuration that
/// cannot be read, and of architectures whose machines accept their loader but not the program for their disk.
pub fn inspect_programs(context: &Preview) -> (Vec<CheckedProgram>, Vec<Diagnostic>) {
    let (keys, mut diagnostics) = keys(&context.loaded.settings.secure_boot_certificates);
    let plan = &context.site.plan;
    let mut loaders: Vec<_> = plan.offer.loaders.iter().filter(|(arch, _)| machine_type(**arch).is_some()).collect();
    for offered in plan
        .policy
        .profiles
        .iter()
        .flat_map(|profile| &profile.loaders)
        .filter(|(arch, _)| machine_type(**arch).is_some())
    {
        if !loaders.contains(&offered) {
            loaders.push(offered);
        }
    }
    let inspect = |program: Result<&[u8], &io::Error>| match program {
        Ok(program) => Ok(Inspection::new(program, &keys)),
        Err(error) => Err(error.to_string()),
    };
    let mut rows = Vec::new();
    for (arch, loader) in loaders {
        if let Some(path) = path(context, loader) {
            let inspection = inspect(image::read(&path).as_deref());
            rows.push(CheckedProgram { arch: *arch, name: loader.name.clone(), is_local_disk: false, inspection });
        }
    }
    let programs = plan.offer.local_disk.iter().filter(|arch| rows.iter().any(|row| row.arch == **arch));
    let programs: Vec<CheckedProgram> = programs
        .map(|arch| {
            let inspection = inspect(context.site.local_disk_program(*arch).as_deref());
            CheckedProgram { arch: *arch, name: local_disk_name(*arch).to_string(), is_local_disk: true, inspection }
        })
        .collect();
    diagnostics.extend(programs.iter().filter(|program| !program.is_accepted()).filter_map(|program| {
        let started = rows.iter().find(|row| row.arch == program.arch && row.is_accepted())?;
        Some(disk_refused(started, program))
    }));
    rows.extend(programs);
    (rows, diagnostics)
}

fn disk_refused(loader: &CheckedProgram, program: &CheckedProgram) -> Diagnostic {
    let warning = format!("machines with Secure Boot start {} but refuse {}", loader.name, program.name);
    Diagnostic::warning(warning).help(format!(
        "they do not boot their disk at once; sign that program and put it into the boot directory as {} \
         (docs/secure-boot.md)",
        program.name
    ))
}

fn keys(paths: &[PathBuf]) -> (Vec<Certificate>, Vec<Diagnostic>) {
    let (mut keys, mut diagnostics) = (Vec::new(), Vec::new());
    for path in paths {
        match read_certificates(path) {
            Ok(certificates) => keys.extend(certificates),
            Err(error) => {
                let warning = format!("ignored {} of `secure-boot-certificates`: {error}", path.display());
                diagnostics
                    .push(Diagnostic::warning(warning).help("list certificates in PEM or DER, not private keys"));
            }
        }
    }
    (keys, diagnostics)
}

fn read_certificates(path: &Path) -> io::Result<Vec<Certificate>> {
    const MAX_SIZE: u64 = 1 << 20;
    Certificate::parse_file(&read_regular(path, MAX_SIZE)?).map_err(io::Error::other)
}

/// The path of a loader's file. `None` if another server sends the loader, or TFTP is disabled.
fn path(context: &Preview, loader: &Loader) -> Option<PathBuf> {
    if let Some(path) = &loader.path {
        return Some(PathBuf::from(path));
    }
    if is_url(&loader.name) {
        return None;
    }
    let is_local = match context.site.plan.offer.tftp? {
        TftpServer::Local => true,
        TftpServer::Remote(address) => context.links.iter().any(|link| link.owns(address)),
    };
    let directory = &context.loaded.settings.boot_dir;
    is_local.then(|| directory.join(loader.name.trim_start_matches('/')))
}

/// The PE machine type of the programs that UEFI of this architecture starts. `None` if the architecture is not UEFI.
fn machine_type(arch: Arch) -> Option<u16> {
    match arch.info()?.image {
        ImageFormat::Efi(machine) => Some(machine),
        _ => None,
    }
}

/// The section of `check` about Secure Boot. It has a line for each program. If no program is signed, it has only one
/// sentence, because most networks do not use Secure Boot.
pub fn text(rows: &[CheckedProgram]) -> String {
    let is_unsigned =
        |row: &CheckedProgram| row.has_verdict(|verdict| *verdict == SecureBootVerdict::Rejected(Rejection::Unsigned));
    if rows.is_empty() {
        return String::new();
    }
    if rows.iter().all(is_unsigned) {
        return "\nNo UEFI loader is signed: machines with Secure Boot enabled refuse them all. Other machines are not \
                affected.\n"
            .to_owned();
    }
    let width = rows.iter().map(|row| row.arch.to_string().len()).max().unwrap_or(0);
    let mut text = "\nWith Secure Boot enabled:\n".to_owned();
    for (index, row) in rows.iter().enumerate() {
        // Several architectures, such as ARM UEFI and ARM U-Boot, may have the same file: it gets one line.
        if rows[..index].iter().any(|earlier| earlier.name == row.name && earlier.summary() == row.summary()) {
            continue;
        }
        writeln!(text, "{:width$}  {}: {}", row.arch.to_string(), row.name, row.summary()).ok();
    }
    text
}

/// The loader of this architecture as JSON. Null if Secure Boot does not apply to the architecture.
pub fn json(rows: &[CheckedProgram], arch: Arch) -> Value {
    row_json(rows.iter().find(|row| row.arch == arch && !row.is_local_disk))
}

/// The programs that start local disks, as JSON, by architecture.
pub fn local_disk_json(rows: &[CheckedProgram]) -> Value {
    let programs = rows.iter().filter(|row| row.is_local_disk);
    let id = |arch: Arch| arch.info().map_or("unassigned", |row| row.id).to_owned();
    let each = programs.map(|row| (id(row.arch), json!({ "name": row.name, "secure_boot": row_json(Some(row)) })));
    Value::Object(each.collect())
}

fn row_json(row: Option<&CheckedProgram>) -> Value {
    let Some(row) = row else { return Value::Null };
    let Inspection { image, signatures, verdict } = match &row.inspection {
        Ok(inspection) => inspection,
        Err(error) => return json!({ "verdict": "unknown", "summary": error }),
    };
    let (verdict, keys) = match verdict {
        SecureBootVerdict::Accepted(keys) if row.misfit().is_none() => ("accepted", keys.as_slice()),
        _ => ("refused", &[][..]),
    };
    let keys = keys.iter().map(|key| match key {
        TrustAnchor::Microsoft(name) => json!({ "source": "microsoft", "name": name }),
        TrustAnchor::Site(name) => json!({ "source": "site", "name": name }),
    });
    let each = signatures.signatures.iter().map(|signature| {
        json!({
            "signer": signature.signer,
            "issuer": signature.issuer,
            "fault": signature.fault.map(|fault| fault.describe(&signature.signer)),
        })
    });
    let sbat = signatures
        .sbat
        .iter()
        .map(|part| json!({ "component": part.name, "generation": part.generation, "version": part.version }));
    json!({
        "verdict": verdict,
        "summary": row.summary(),
        "keys": keys.collect::<Vec<_>>(),
        "program": image.to_string(),
        "signatures": each.collect::<Vec<_>>(),
        "sbat": sbat.collect::<Vec<_>>(),
    })
}

impl Inspection {
    fn new(program: &[u8], keys: &[Certificate]) -> Inspection {
        let signatures = Signatures::parse(program);
        Inspection { image: image::identify(program), verdict: signatures.verdict(keys), signatures }
    }
}

impl CheckedProgram {
    fn is_accepted(&self) -> bool {
        self.has_verdict(|verdict| matches!(verdict, SecureBootVerdict::Accepted(_)))
    }

    /// Whether machines of this architecture can start the file without Secure Boot, and its verdict is such a one.
    fn has_verdict(&self, is_such: impl Fn(&SecureBootVerdict) -> bool) -> bool {
        self.inspection.as_ref().is_ok_and(|inspection| is_such(&inspection.verdict)) && self.misfit().is_none()
    }

    /// The kind of the file, if machines of this architecture cannot start it even without Secure Boot. Otherwise
    /// `None`.
    fn misfit(&self) -> Option<Image> {
        let image = self.inspection.as_ref().ok()?.image;
        (image != Image::Efi(machine_type(self.arch)?)).then_some(image)
    }

    /// The verdict in words.
    fn summary(&self) -> String {
        let Inspection { signatures, verdict, .. } = match &self.inspection {
            Ok(inspection) => inspection,
            Err(error) => return format!("cannot be read: {error}"),
        };
        if let Some(image) = self.misfit() {
            return format!("refused, even without Secure Boot: it is {image}");
        }
        if *verdict == SecureBootVerdict::Rejected(Rejection::Unsigned) {
            return verdict.to_string();
        }
        // The first line of the SBAT section describes its format, not a component.
        let sbat = signatures.sbat.iter().filter(|part| part.name != "sbat");
        let sbat: Vec<_> = sbat.map(|part| format!("{} {}", part.name, part.generation)).collect();
        if sbat.is_empty() { verdict.to_string() } else { format!("{verdict}; SBAT {}", sbat.join(", ")) }
    }
}
