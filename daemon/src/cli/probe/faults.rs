//! The faults that the replies to the probe prove.

use super::exchange::Question;
use super::heard::{Heard, Origin};
use super::role::{Path, Role};
use crate::cli::found_fault::FoundFault;
use crate::site::Site;
use proxydhcpd_core::answer::{Replies, Silence, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::choose::NoBoot;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::observations::Observations;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// The code of the fault that no boot server answers, because the server does not run. `doctor` reports that itself.
pub const NO_BOOT_SERVER: &str = "no-boot-server";

/// The circumstances of the probe that decide which silence is a fault.
pub struct Circumstances<'a> {
    /// The site that the server would build on this host.
    pub site: &'a Site,
    /// The links of the questions.
    pub links: &'a [Link],
    /// The chosen server. `None`: the servers on the links.
    pub server: Option<Ipv4Addr>,
    /// Whether proxydhcpd has port 4011 of this host, as far as this process may see that.
    pub is_running: bool,
    /// Whether the server leaves port 67 to the DHCP server of this host (`proxy-only`).
    pub proxy_only: bool,
}

/// The faults, those of each link together.
pub fn find(questions: &[Question], circumstances: &Circumstances<'_>) -> Vec<FoundFault> {
    let mut faults = Vec::new();
    for index in 0..circumstances.links.len().max(1) {
        for is_v6 in [false, true] {
            let asked: Vec<&Question> =
                questions.iter().filter(|asked| asked.link == index && asked.to.is_ipv6() == is_v6).collect();
            if let Some(first) = asked.first() {
                let place = place(first, circumstances);
                let unsent = unsent(&asked, &place);
                // If packets cannot leave, silence proves nothing.
                if unsent.is_empty() {
                    faults.extend(no_dhcp_server(&asked, &place, circumstances));
                    faults.extend(silent(&asked, &place, circumstances));
                }
                faults.extend(unsent);
                faults.extend(two_boot_servers(&asked, &place));
                faults.extend(dhcp_server_boots(&asked, &place));
                faults.extend(plain_client_answered(&asked, &place));
            }
        }
    }
    faults
}

/// The place of a fault: the interface, or the chosen server.
fn place(question: &Question, circumstances: &Circumstances<'_>) -> String {
    match (circumstances.server, circumstances.links.get(question.link)) {
        (Some(server), _) => server.to_string(),
        (None, Some(link)) => link.name.to_string(),
        (None, None) => String::new(),
    }
}

fn unsent(asked: &[&Question], place: &str) -> Vec<FoundFault> {
    let error = asked.iter().find_map(|question| question.send_error.as_deref().map(|error| (question.to, error)));
    let fault = error.map(|(to, error)| {
        FoundFault::new(
            "cannot-send",
            place,
            format!("this host cannot send a packet to {to}: {error}"),
            "look at the firewall of this host (its outgoing rules) and at its routes",
        )
    });
    fault.into_iter().collect()
}

fn no_dhcp_server(asked: &[&Question], place: &str, circumstances: &Circumstances<'_>) -> Option<FoundFault> {
    let is_v6 = asked.first().is_some_and(|question| question.to.is_ipv6());
    let has_address = asked.iter().any(|question| question.replies.iter().any(|heard| heard.address.is_some()));
    // Not every network has a DHCPv6 server, and a chosen server may be only a boot server.
    if has_address || is_v6 || circumstances.server.is_some() {
        return None;
    }
    Some(FoundFault::new(
        "no-dhcp-server",
        place,
        format!("no DHCP server offers an address on {place}, so no machine there can boot"),
        "start the DHCP server of this network, look whether it has free addresses and answers unknown machines, and \
         look for a switch or a firewall that drops its packets",
    ))
}

fn two_boot_servers(asked: &[&Question], place: &str) -> Option<FoundFault> {
    let proxies = asked.iter().filter(|question| question.role.boots()).find_map(|question| {
        let servers: BTreeSet<IpAddr> =
            question.replies.iter().filter(|heard| heard.is_proxy()).map(|heard| heard.server).collect();
        (servers.len() > 1).then_some((question.role, servers))
    });
    let (role, servers) = proxies?;
    let names: Vec<String> = servers.iter().map(IpAddr::to_string).collect();
    let this = asked.iter().flat_map(|question| &question.replies).find(|heard| heard.origin == Origin::ThisServer);
    let others: Vec<&String> =
        names.iter().filter(|name| this.is_none_or(|this| **name != this.server.to_string())).collect();
    let others = others.into_iter().cloned().collect::<Vec<_>>().join(", ");
    Some(FoundFault::new(
        "two-boot-servers",
        place,
        format!("{} boot servers answer {}: {}; each machine boots from either", names.len(), role.name(), {
            names.join(", ")
        }),
        format!("stop the boot server on {others}, or configure it to ignore the machines that boot from this one"),
    ))
}

/// A DHCP server that sends options for booting: each kind once for each server, with the clients that receive them.
fn dhcp_server_boots(asked: &[&Question], place: &str) -> Vec<FoundFault> {
    let offers: Vec<(Role, &Heard)> = asked
        .iter()
        .flat_map(|question| question.replies.iter().map(|heard| (question.role, heard)))
        .filter(|(_, heard)| heard.address.is_some())
        .collect();
    let servers: BTreeSet<IpAddr> = offers.iter().map(|(_, heard)| heard.server).collect();
    let mut faults = Vec::new();
    for server in servers {
        let of_server = offers.iter().filter(|(_, heard)| heard.server == server);
        let (option, setting) = if server.is_ipv6() { ("option 16", "59") } else { ("option 60", "67") };
        let receivers = |has: fn(&Heard) -> Option<&String>| {
            let with: Vec<(Role, &String)> =
                of_server.clone().filter_map(|(role, heard)| Some((*role, has(heard)?))).collect();
            let (_, first) = with.first().copied()?;
            let roles: Vec<Role> = with.iter().map(|(role, _)| *role).collect();
            Some((first, to_clients(&roles, asked)))
        };
        faults.extend(receivers(|heard| heard.vendor_class.as_ref()).map(|(class, clients)| {
            FoundFault::new(
                "dhcp-server-option-60",
                place,
                format!(
                    "the DHCP server {server} sends {option} ({class}){clients}, so UEFI machines ask it for their \
                     boot file and no other server"
                ),
                format!("remove {option} from the settings of {server}"),
            )
        }));
        faults.extend(receivers(|heard| heard.boot_file.as_ref()).map(|(file, clients)| {
            FoundFault::new(
                "dhcp-server-boot-file",
                place,
                format!(
                    "the DHCP server {server} sends the boot file {file}{clients}, so machines may load it instead of \
                     the file of this server"
                ),
                format!("remove the boot file (option {setting}, filename) from the settings of {server}"),
            )
        }));
    }
    faults
}

/// The clients that receive something: nothing if all that boot do, else ` to` and their names.
fn to_clients(receivers: &[Role], asked: &[&Question]) -> String {
    let mut booting = asked.iter().map(|question| question.role).filter(|role| role.boots());
    if booting.all(|role| receivers.contains(&role)) {
        return String::new();
    }
    let mut names: Vec<String> = receivers.iter().map(|role| role.name()).collect();
    names.dedup();
    format!(" to {}", names.join(" and "))
}

/// A boot server must not answer clients that do not boot: Linux would configure the address 0.0.0.0.
fn plain_client_answered(asked: &[&Question], place: &str) -> Option<FoundFault> {
    let plain = asked.iter().filter(|question| question.role == Role::Plain);
    let heard = plain.flat_map(|question| &question.replies).find(|heard| heard.address.is_none())?;
    Some(FoundFault::new(
        "plain-client-answered",
        place,
        format!("{} offers no address to a client that does not boot, which may then stay without one", heard.server),
        format!("configure {} to answer only requests with option 60 PXEClient or HTTPClient", heard.server),
    ))
}

/// The roles that this server, or the chosen server, does not answer, with the reason.
fn silent(asked: &[&Question], place: &str, circumstances: &Circumstances<'_>) -> Vec<FoundFault> {
    let (silent, answered): (Vec<&&Question>, Vec<&&Question>) =
        asked.iter().filter(|question| question.role.boots()).partition(|question| !question.has_boot_offer());
    let is_own = asked.first().is_some_and(|question| match circumstances.server {
        Some(server) => question.from.ip() == IpAddr::V4(server),
        None => true,
    });
    if !is_own {
        let is_v6 = asked.first().is_some_and(|question| question.to.is_ipv6());
        let none = !is_v6 && answered.is_empty();
        return none.then(|| no_reply_of(place)).into_iter().collect();
    }
    if !circumstances.is_running && answered.is_empty() {
        return no_boot_server(asked, place).into_iter().collect();
    }
    let mut faults: Vec<FoundFault> = Vec::new();
    for question in silent {
        let Some((why, cure)) = reason(question, circumstances) else { continue };
        let summary = format!("this server does not answer {} on {place}: {why}", question.role.name());
        faults.push(FoundFault::new("this-server-silent", place, summary, cure));
    }
    faults
}

fn no_boot_server(asked: &[&Question], place: &str) -> Option<FoundFault> {
    let is_v6 = asked.first().is_some_and(|question| question.to.is_ipv6());
    let is_answered = asked.iter().any(|question| question.replies.iter().any(Heard::is_from_boot_server));
    (!is_v6 && !is_answered).then(|| {
        FoundFault::new(
            NO_BOOT_SERVER,
            place,
            format!("no boot server answers on {place}, and proxydhcpd does not run on this host"),
            "start proxydhcpd (`systemctl start proxydhcpd`), and run `proxydhcpd doctor` if it does not stay up",
        )
    })
}

fn no_reply_of(server: &str) -> FoundFault {
    FoundFault::new(
        "server-silent",
        server,
        format!("{server} offers no boot to any client, neither on UDP port 67 nor on 4011"),
        format!("run `proxydhcpd doctor` on {server}, and look for a firewall between it and this host"),
    )
}

impl Question {
    /// Whether this server has answered, or on a path to a chosen server, whether it has offered a boot.
    fn has_boot_offer(&self) -> bool {
        self.replies.iter().any(|heard| match self.path {
            Some(Path::Relay(_) | Path::BootServer(_)) => heard.is_from_boot_server(),
            _ => heard.origin == Origin::ThisServer,
        })
    }
}

/// Why the server does not answer, with the cure: the reason that the configuration gives, or else one between the
/// server and this packet. `None` if the configuration requires this silence.
fn reason(question: &Question, circumstances: &Circumstances<'_>) -> Option<(String, String)> {
    let port = if matches!(question.path, Some(Path::BootServer(_))) { Port::BootServer } else { Port::Dhcp };
    if circumstances.proxy_only && port == Port::Dhcp {
        return None;
    }
    let (plan, links) = (&circumstances.site.plan, circumstances.links);
    links.get(question.link)?;
    let arrival = Arrival {
        datagram: &question.octets,
        port,
        from: question.from,
        to: question.to.ip(),
        links,
        link: question.link,
        via_other_link: false,
        now: 0,
    };
    let verdict = answer(plan, &mut Observations::new(0), &arrival, &mut Replies::default()).reply;
    match verdict {
        Err(Silence::NoBoot(
            NoBoot::Denied(_)
            | NoBoot::Profile
            | NoBoot::NoHttp
            | NoBoot::NoTftp
            | NoBoot::NoScript
            | NoBoot::StatefulIpxe
            | NoBoot::StatelessIpxe,
        )) => None,
        Err(silence) => {
            let cure = "run `proxydhcpd check`: it shows the loaders, with what is missing for each architecture";
            Some((silence.to_string(), cure.to_owned()))
        }
        Ok(_) => Some((
            "its configuration has an answer, so the request or the reply is lost on this host".to_owned(),
            "run `proxydhcpd doctor`, which looks at the ports and the firewall of this host".to_owned(),
        )),
    }
}
