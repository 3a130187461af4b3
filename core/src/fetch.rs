//! What a requested name means: a script of ours, a loader, a file of the boot folder, or a refusal.

use crate::arch::Arch;
use crate::choose::SCRIPT;
use crate::name::{BadName, clean};
use crate::plan::Plan;
use crate::request::Request;
use crate::script::{self, Machine};
use alloc::string::String;

/// What to send for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Text made for this request.
    Text(String),
    /// A file of the machine, by its absolute path: a loader that the plan offers under this name.
    Loader(String),
    /// The program of ours that starts the local disk of a machine of this architecture.
    LocalDisk(Arch),
    /// A file of the boot folder, by its clean relative path.
    Folder(String),
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    /// The name leads out of the boot folder, has control characters, or the file may not be read.
    Denied,
    /// A name that cannot be one (empty, longer than a request may be).
    BadName,
    /// Something failed here; the log says what.
    Failed,
}

/// What a requested name means. Whether the file is there and may be read is found out by who opens it.
///
/// `autoexec.ipxe`, which iPXE asks for beside its own program before anything else, is a file like any other: ours
/// would run before iPXE has an address, and one that is missing is refused at once.
pub fn fetch(plan: &Plan, request: &Request<'_>) -> Result<Fetch, Refusal> {
    let name = clean(request.name).map_err(|bad| match bad {
        BadName::Empty => Refusal::BadName,
        _ => Refusal::Denied,
    })?;
    if name == SCRIPT && !plan.menu.own_script {
        return Ok(Fetch::Text(script::entry(request.door, request.server)));
    }
    if let Some(machine) = Machine::of_menu(&name) {
        return Ok(Fetch::Text(script::menu(plan, request.door, request.server, &machine)));
    }
    if let Some(arch) = script::local_disk_arch(&name) {
        return if plan.local_disk.contains(&arch) { Ok(Fetch::LocalDisk(arch)) } else { Err(Refusal::NotFound) };
    }
    let offered = plan.loaders.values().chain(&plan.any_other).find(|loader| loader.name == name);
    match offered.and_then(|loader| loader.path.clone()) {
        Some(path) => Ok(Fetch::Loader(path)),
        None => Ok(Fetch::Folder(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Loader;
    use crate::request::Door;
    use alloc::borrow::ToOwned;
    use core::net::{IpAddr, Ipv4Addr, SocketAddr};

    fn plan() -> Plan {
        let mut plan = Plan { http: Some(8080), local_disk: alloc::vec![Arch::X64], ..Plan::default() };
        let loader = Loader { name: "snponly.efi".to_owned(), path: Some("/usr/lib/ipxe/snponly.efi".to_owned()) };
        plan.loaders.insert(Arch::X64, loader);
        plan
    }

    fn ask(plan: &Plan, name: &str) -> Result<Fetch, Refusal> {
        let server = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let client = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 50), 1024));
        fetch(plan, &Request { door: Door::Http(8080), name: name.as_bytes(), server, client })
    }

    #[test]
    fn an_ipxe_is_given_the_entry_script_and_then_its_menu() {
        let Ok(Fetch::Text(entry)) = ask(&plan(), "boot.ipxe") else { panic!() };
        assert!(entry.starts_with("#!ipxe\n"));
        let Ok(Fetch::Text(menu)) = ask(&plan(), "/machine/mac=52-54-00-12-34-56/uuid=/platform=efi/menu.ipxe") else {
            panic!()
        };
        assert!(menu.starts_with("#!ipxe\n") && menu.contains("\nmenu "));
    }

    #[test]
    fn a_boot_ipxe_of_the_operator_is_served_as_it_is() {
        let mut plan = plan();
        plan.menu.own_script = true;
        assert_eq!(ask(&plan, "boot.ipxe"), Ok(Fetch::Folder("boot.ipxe".to_owned())));
    }

    #[test]
    fn an_offered_loader_is_sent_from_where_it_lies() {
        assert_eq!(ask(&plan(), "//snponly.efi"), Ok(Fetch::Loader("/usr/lib/ipxe/snponly.efi".to_owned())));
    }

    #[test]
    fn a_loader_that_another_server_has_is_not_ours_to_send() {
        let mut plan = plan();
        plan.any_other = Some(Loader { name: "pxelinux.0".to_owned(), path: None });
        assert_eq!(ask(&plan, "pxelinux.0"), Ok(Fetch::Folder("pxelinux.0".to_owned())));
    }

    #[test]
    fn the_disk_starter_is_sent_where_there_is_one() {
        assert_eq!(ask(&plan(), "local-disk/uefi-x64.efi"), Ok(Fetch::LocalDisk(Arch::X64)));
        assert_eq!(ask(&plan(), "local-disk/uefi-arm64.efi"), Err(Refusal::NotFound));
    }

    #[test]
    fn any_other_name_is_a_file_of_the_boot_folder() {
        for name in ["autoexec.ipxe", "debian/linux", "machine/readme", "local-disk/notes.txt"] {
            assert_eq!(ask(&plan(), name), Ok(Fetch::Folder(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        assert_eq!(ask(&plan(), "../etc/passwd"), Err(Refusal::Denied));
        assert_eq!(ask(&plan(), ""), Err(Refusal::BadName));
    }
}
