//! Tests with a site in a directory.

use super::served_directories::ServedDirectories;
use super::{OpenPorts, Site, SiteFiles};
use crate::boot_dir::Scan;
use crate::files::Directory;
use crate::loaders::FoundLoaders;
use crate::loaders::distribution::Distribution;
use crate::uefi_programs::local_disk;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::fetch::{Refusal, fetch};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::Inventory;
use proxydhcpd_core::plan::offer::{Loader, Offer, TftpServer};
use proxydhcpd_core::request::{FileRequest, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A site whose directory contains iPXE's shim, offered to x64, and the program that shim starts.
pub fn site(directory: &Path) -> Site {
    for name in ["snponly-shimx64.efi", "snponly.efi"] {
        std::fs::write(directory.join(name), name).unwrap();
    }
    let shim = Loader { name: "snponly-shimx64.efi".into(), path: Some("/nowhere".into()) };
    Site {
        plan: Plan {
            offer: Offer { loaders: [(Arch::X64, shim)].into(), ..Offer::default() }.into(),
            ..Plan::default()
        },
        files: Arc::new(SiteFiles {
            found: FoundLoaders::default(),
            scan: Scan::default(),
            system: Distribution::Unknown,
            directories: Arc::new(ServedDirectories::new(
                directory,
                Some(Directory::from_path(directory, false).unwrap()),
                false,
            )),
            local_disks: BTreeMap::new(),
            machine_files: (0, Duration::ZERO),
            written: Inventory::default(),
            locations: Arc::default(),
            warnings: Vec::new(),
            menu_passwords: Arc::default(),
            templates: Arc::default(),
            legacy: false,
            offered: BTreeSet::new(),
        }),
        open: OpenPorts::default(),
    }
}

fn request(site: &Site, name: &[u8]) -> Result<String, Refusal> {
    request_whole(site, name).map(|content| String::from_utf8(content).unwrap())
}

fn request_whole(site: &Site, name: &[u8]) -> Result<Vec<u8>, Refusal> {
    let server = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let client = SocketAddr::new(server, 1024);
    let request = FileRequest { protocol: Protocol::Tftp, name, server, client, interface: "" };
    let (opened, _) = site.open(fetch(&site.plan, &Observations::new(0), &request).answer?, &request, |_, _| {})?;
    let mut content = vec![0; usize::try_from(opened.size()).unwrap()];
    opened.read_at(&mut content, 0).unwrap();
    Ok(content)
}

#[test]
fn the_second_stage_of_shim_is_sent_only_if_its_name_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let site = site(directory.path());
    for name in [&b"snponly.efi"[..], b"//snponly.efi", b"ipxe.efi", b"\xeaOnboard"] {
        assert_eq!(request(&site, name).as_deref(), Ok("snponly.efi"), "{name:02x?}");
    }
    std::fs::write(directory.path().join("ipxe.efi"), "ipxe.efi").unwrap();
    assert_eq!(request(&site, b"ipxe.efi").as_deref(), Ok("ipxe.efi"));
}

#[test]
fn the_operators_program_starts_the_disk_or_else_the_builtin_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut site = site(directory.path());
    site.plan.offer_mut().local_disk = vec![Arch::X64];
    let sent = |site: &Site| request_whole(site, b"local-disk/uefi-x64.efi").unwrap();
    assert_eq!(sent(&site), local_disk::builtin_program(Arch::X64).unwrap());
    Arc::make_mut(&mut site.files).local_disks.insert(Arch::X64, directory.path().join("snponly.efi"));
    assert_eq!(sent(&site), b"snponly.efi");
    assert_eq!(&*site.local_disk_program(Arch::X64).unwrap(), b"snponly.efi");
}

#[test]
fn a_clone_with_other_open_ports_shares_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let site = site(directory.path());
    let mut opened = site.clone();
    opened.set_open_ports(OpenPorts { tftp: true, ..OpenPorts::default() });
    assert!(Arc::ptr_eq(&site.files, &opened.files));
    assert_eq!((site.plan.offer.tftp, opened.plan.offer.tftp), (None, Some(TftpServer::Local)));
}

#[test]
fn optional_files_of_shim_are_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let site = site(directory.path());
    for name in [
        &b"revocations.efi"[..],
        b"/revocations_sku.efi",
        b"revocations_sbat.efi",
        b"shim_certificate_0.efi",
        b"a/\xeaOnboard",
        b"grubx64.efi",
    ] {
        assert_eq!(request(&site, name), Err(Refusal::NotFound), "{name:02x?}");
    }
}
