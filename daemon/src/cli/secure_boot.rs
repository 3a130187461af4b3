//! What `check` says of Secure Boot: which loaders would be refused where it is on, and by which keys.

use super::context::CliContext;
use crate::boot::image::Image;
use crate::boot::signature::certificate::Certificate;
use crate::boot::signature::{self, TrustAnchor, Rejection, Signatures, SecureBootVerdict};
use crate::config::diagnostic::Diagnostic;
use proxydhcpd_core::arch::{Arch, ImageFormat};
use proxydhcpd_core::choose::local_disk_name;
use proxydhcpd_core::plan::{Loader, TftpServer};
use proxydhcpd_core::url::is_url;
use serde_json::{Value, json};
use std::fmt::Write;
use std::io;
use std::path::PathBuf;

/// A loader that is offered to UEFI machines, or what starts their local disk, and that can be read here.
#[derive(Debug)]
pub struct CheckedProgram {
    arch: Arch,
    name: String,
    local_disk: bool,
    told: Result<(Signatures, SecureBootVerdict), String>,
}

/// Reads every loader whole. What cannot be read of the site's keys is told, and where machines that start their loader
/// would refuse the program for their disk.
pub fn inspect_programs(setting: &CliContext) -> (Vec<CheckedProgram>, Vec<Diagnostic>) {
    let (keys, mut told) = keys(&setting.loaded.settings.secure_boot_certificates);
    let plan = &setting.site.plan;
    let mut loaders: Vec<_> = plan.loaders.iter().filter(|(arch, _)| wanted(**arch).is_some()).collect();
    for offered in
        plan.profiles.iter().flat_map(|profile| &profile.loaders).filter(|(arch, _)| wanted(**arch).is_some())
    {
        if !loaders.contains(&offered) {
            loaders.push(offered);
        }
    }
    let judged = |signatures: io::Result<Signatures>| match signatures {
        Ok(signatures) => {
            let verdict = signatures.verdict(&keys);
            Ok((signatures, verdict))
        }
        Err(error) => Err(error.to_string()),
    };
    let mut rows = Vec::new();
    for (arch, loader) in loaders {
        if let Some(path) = path(setting, loader) {
            let told = judged(signature::inspect(&path));
            rows.push(CheckedProgram { arch: *arch, name: loader.name.clone(), local_disk: false, told });
        }
    }
    let programs = plan.local_disk.iter().filter(|arch| rows.iter().any(|row| row.arch == **arch));
    let programs: Vec<CheckedProgram> = programs
        .map(|arch| {
            let program = setting.site.local_disk_program(*arch).map(|program| signature::parse(&program));
            CheckedProgram { arch: *arch, name: local_disk_name(*arch), local_disk: true, told: judged(program) }
        })
        .collect();
    told.extend(programs.iter().filter(|program| !program.is_accepted()).filter_map(|program| {
        let started = rows.iter().find(|row| row.arch == program.arch && row.is_accepted())?;
        Some(disk_refused(started, program))
    }));
    rows.extend(programs);
    (rows, told)
}

fn disk_refused(loader: &CheckedProgram, program: &CheckedProgram) -> Diagnostic {
    let warning = format!("machines with Secure Boot that start {} refuse {}", loader.name, program.name);
    Diagnostic::warning(warning).help(format!(
        "a machine that is to boot its disk at once does not; sign that program and put it into the boot directory as {} \
         (docs/secure-boot.md)",
        program.name
    ))
}

fn keys(paths: &[PathBuf]) -> (Vec<Certificate>, Vec<Diagnostic>) {
    let (mut keys, mut told) = (Vec::new(), Vec::new());
    for path in paths {
        match Certificate::read(path) {
            Ok(certificates) => keys.extend(certificates),
            Err(error) => {
                let warning = format!("{} of `secure-boot-keys` is left out: {error}", path.display());
                told.push(Diagnostic::warning(warning).help("name the certificates, in PEM or DER, not the keys"));
            }
        }
    }
    (keys, told)
}

/// The file behind a loader, unless it comes from another server.
fn path(setting: &CliContext, loader: &Loader) -> Option<PathBuf> {
    if let Some(path) = &loader.path {
        return Some(PathBuf::from(path));
    }
    if is_url(&loader.name) {
        return None;
    }
    let ours = match setting.site.plan.tftp? {
        TftpServer::Local => true,
        TftpServer::Remote(address) => setting.links.iter().any(|link| link.owns(address)),
    };
    let directory = &setting.loaded.settings.boot_dir;
    ours.then(|| directory.join(loader.name.trim_start_matches('/')))
}

/// The machine type that a UEFI machine starts; `None`: it is no such machine.
fn wanted(arch: Arch) -> Option<u16> {
    match arch.info()?.image {
        ImageFormat::Efi(machine) => Some(machine),
        _ => None,
    }
}

/// One sentence where nothing is signed, for most networks have no Secure Boot; else a line for each loader.
pub fn text(rows: &[CheckedProgram]) -> String {
    let unsigned =
        |row: &CheckedProgram| matches!(row.told, Ok((_, SecureBootVerdict::Rejected(Rejection::Unsigned)))) && row.misfit().is_none();
    if rows.is_empty() {
        return String::new();
    }
    if rows.iter().all(unsigned) {
        return "\nNo loader for UEFI is signed. That matters only where Secure Boot is on: such machines refuse them.\n".to_owned();
    }
    let width = rows.iter().map(|row| row.arch.to_string().len()).max().unwrap_or(0);
    let mut text = "\nWhere Secure Boot is on, and only there:\n".to_owned();
    for (index, row) in rows.iter().enumerate() {
        // One file may serve several architectures: ARM's UEFI and its U-Boot.
        if rows[..index].iter().any(|above| above.name == row.name && above.says() == row.says()) {
            continue;
        }
        writeln!(text, "{:width$}  {}: {}", row.arch.to_string(), row.name, row.says()).ok();
    }
    text
}

/// For the loader of this architecture; null where Secure Boot has no say.
pub fn json(rows: &[CheckedProgram], arch: Arch) -> Value {
    of(rows.iter().find(|row| row.arch == arch && !row.local_disk))
}

/// For what starts the local disks, by architecture.
pub fn local_disk_json(rows: &[CheckedProgram]) -> Value {
    let programs = rows.iter().filter(|row| row.local_disk);
    let id = |arch: Arch| arch.info().map_or("unassigned", |row| row.id).to_owned();
    let each = programs.map(|row| (id(row.arch), json!({ "name": row.name, "secure_boot": of(Some(row)) })));
    Value::Object(each.collect())
}

fn of(row: Option<&CheckedProgram>) -> Value {
    let Some(row) = row else { return Value::Null };
    let (signatures, verdict) = match &row.told {
        Ok(told) => told,
        Err(error) => return json!({ "verdict": "unknown", "says": error }),
    };
    let (verdict, keys) = match verdict {
        SecureBootVerdict::Accepted(keys) if row.misfit().is_none() => ("accepted", keys.as_slice()),
        _ => ("refused", &[][..]),
    };
    let keys = keys.iter().map(|key| match key {
        TrustAnchor::Microsoft(name) => json!({ "of": "microsoft", "name": name }),
        TrustAnchor::Site(name) => json!({ "of": "site", "name": name }),
    });
    let each = signatures.signatures.iter().map(|one| {
        json!({ "signer": one.signer, "issuer": one.issuer, "fault": one.fault.map(|fault| fault.describe(&one.signer)) })
    });
    let sbat = signatures
        .sbat
        .iter()
        .map(|part| json!({ "component": part.name, "generation": part.generation, "version": part.version }));
    json!({
        "verdict": verdict,
        "says": row.says(),
        "keys": keys.collect::<Vec<_>>(),
        "program": signatures.image.to_string(),
        "signatures": each.collect::<Vec<_>>(),
        "sbat": sbat.collect::<Vec<_>>(),
    })
}

impl CheckedProgram {
    fn is_accepted(&self) -> bool {
        matches!(self.told, Ok((_, SecureBootVerdict::Accepted(_)))) && self.misfit().is_none()
    }

    /// What it is, if no machine of this architecture would start it in any case.
    fn misfit(&self) -> Option<Image> {
        let (signatures, _) = self.told.as_ref().ok()?;
        (signatures.image != Image::Efi(wanted(self.arch)?)).then_some(signatures.image)
    }

    fn says(&self) -> String {
        let (signatures, verdict) = match &self.told {
            Ok(told) => told,
            Err(error) => return format!("not to be read: {error}"),
        };
        if let Some(image) = self.misfit() {
            return format!("refused, with Secure Boot or without: it is {image}");
        }
        if *verdict == SecureBootVerdict::Rejected(Rejection::Unsigned) {
            return verdict.to_string();
        }
        // The section has a line about its own format, first.
        let sbat = signatures.sbat.iter().filter(|part| part.name != "sbat");
        let sbat: Vec<_> = sbat.map(|part| format!("{} {}", part.name, part.generation)).collect();
        if sbat.is_empty() { verdict.to_string() } else { format!("{verdict}; SBAT {}", sbat.join(", ")) }
    }
}
