//! The findings of `check` as faults: the configuration, the loaders and the files that machines boot.

use crate::check;
use crate::cli::found_fault::FoundFault;
use crate::cli::probe;
use crate::config::ConfigError;
use crate::preview::Preview;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};

/// The missing loaders and the diagnostics of `check`, and the context, which `check` only inspects.
pub fn examine(context: Preview) -> (Vec<FoundFault>, Preview) {
    let (diagnostics, report) = check::inspect(context);
    let mut faults = missing_loaders(&report.context);
    faults.extend(diagnostics.iter().map(fault));
    (faults, report.context)
}

/// A host without these loaders boots hardly any machine.
fn missing_loaders(context: &Preview) -> Vec<FoundFault> {
    let Plan { policy, offer, .. } = &context.site.plan;
    let default_profile = policy.default_profile.as_ref().and_then(|name| context.site.plan.profile(name));
    let has_loader = |arch: &Arch| {
        let of_profile = default_profile.is_some_and(|profile| match profile.boots {
            // The machines start their disk, or nothing, or what the profile names.
            BootTarget::LocalDisk | BootTarget::Nothing | BootTarget::Loader => true,
            _ => profile.default_loader.is_some() || profile.loaders.contains_key(arch),
        });
        of_profile || offer.default_loader.is_some() || offer.loaders.contains_key(arch)
    };
    let missing = probe::FIRMWARE.into_iter().filter(|arch| offer.tftp.is_some() && !has_loader(arch));
    let fault = |arch| {
        FoundFault::new(
            "no-loader",
            context.loaded.settings.boot_dir.display().to_string(),
            format!("there is no loader for {arch}, so such machines do not boot"),
            "run `proxydhcpd check`: it names the package or the file to install",
        )
    };
    missing.map(fault).collect()
}

/// The faults of a configuration that the server refuses.
pub fn invalid(error: &ConfigError) -> Vec<FoundFault> {
    error.0.iter().map(fault).collect()
}

fn fault(diagnostic: &Diagnostic) -> FoundFault {
    let code = match diagnostic.severity {
        Severity::Warning => "check-warning",
        Severity::Error | Severity::Critical => "check-error",
    };
    let file = diagnostic.file.as_deref().unwrap_or("configuration");
    let place = match &diagnostic.location {
        Some(location) => format!("{file}:{}:{}", location.line, location.column),
        None => file.to_owned(),
    };
    let mut diagnostic = diagnostic.clone();
    diagnostic.help.get_or_insert_with(|| "run `proxydhcpd check` for the details".to_owned());
    FoundFault { code, place, diagnostic }
}
