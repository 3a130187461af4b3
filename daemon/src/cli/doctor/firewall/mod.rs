//! Finds what the firewall of this host drops: by packets through a copy of it, or else by its rules.

mod command;
mod replica;
mod rules;
mod trial;

use crate::cli::found_fault::FoundFault;
use crate::cli::progress::Progress;
use crate::preview::Preview;
use command::output_of;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::offer::TftpServer;
use replica::Replica;
use std::fs;
use std::io;
use trial::{Service, Services};

/// The result: the faults, and how they were found.
pub struct FirewallReport {
    /// The faults.
    pub faults: Vec<FoundFault>,
    /// The examination, in one sentence.
    pub method: String,
}

/// Examines the firewall for each served link.
pub fn examine(context: &Preview, progress: &mut Progress) -> FirewallReport {
    let services = services(context);
    let ruleset = match output_of("nft", &["list", "ruleset"]) {
        Ok(ruleset) => ruleset,
        Err(error) => return unread(&error),
    };
    if ruleset.trim().is_empty() {
        return without_nftables();
    }
    let mut faults = Vec::new();
    for (index, link) in context.links.iter().enumerate() {
        progress.show(format!("firewall: link {} of {}", index + 1, context.links.len()));
        let blocked = Replica::new(link, &ruleset).and_then(|replica| trial::blocked(&replica, link, &services));
        match blocked {
            Ok(blocked) => faults.extend(blocked.iter().map(|service| fault(service, Some(link)))),
            Err(error) => return by_rules(&services, &error),
        }
    }
    let method = "firewall: tried with packets through a copy of its rules, in a temporary network namespace";
    FirewallReport { faults, method: method.to_owned() }
}

/// The services that this configuration serves.
fn services(context: &Preview) -> Services {
    let (settings, plan) = (&context.loaded.settings, &context.site.plan);
    let mut all = Vec::new();
    if settings.serves_ipv4() {
        all.extend((!settings.proxy_only).then_some(Service::Dhcp));
        all.push(Service::BootServer);
    }
    if plan.offer.tftp == Some(TftpServer::Local) {
        all.push(Service::Tftp);
        if !settings.tftp.single_port {
            all.push(Service::TftpTransfer(settings.tftp.ports.clone()));
        }
    }
    all.extend(plan.offer.http.map(Service::Http));
    if settings.serves_ipv6() {
        all.extend((!settings.proxy_only).then_some(Service::Dhcp6));
        all.push(Service::BootServer6);
    }
    Services { all }
}

fn fault(service: &Service, link: Option<&Link>) -> FoundFault {
    let (protocol, port) = service.port();
    let on_link = link.map_or(String::new(), |link| format!(" on {}", link.name));
    let place = link.map_or_else(|| "this host".to_owned(), |link| link.name.to_string());
    FoundFault::new(
        "firewall-drops",
        format!("{place}, {protocol} {port}"),
        format!("the firewall of this host drops packets of {service}{on_link}"),
        cure(service),
    )
}

fn cure(service: &Service) -> String {
    let (protocol, port) = service.port();
    if *service == Service::TftpTransfer(None) {
        return "accept packets of known connections (`ct state established,related accept` in nftables), because the \
                server sends first, or start the server with `--tftp-single-port`"
            .to_owned();
    }
    format!(
        "accept it in both directions: `firewall-cmd --permanent --add-port={port}/{protocol}` and a reload, \
         `ufw allow {}/{protocol}`, or a rule `{protocol} dport {port} accept` before the one that drops",
        port.replace('-', ":")
    )
}

/// Without a trial, only rules that name a port are certain.
fn by_rules(services: &Services, why_not: &io::Error) -> FirewallReport {
    let listed = output_of("nft", &["-j", "list", "ruleset"]).and_then(|text| Ok(serde_json::from_str(&text)?));
    match listed {
        Ok(ruleset) => {
            let blocked = rules::blocked(&ruleset, &services.all);
            let method = format!("firewall: its rules were read, no packets were sent ({why_not})");
            FirewallReport { faults: blocked.iter().map(|service| fault(service, None)).collect(), method }
        }
        Err(error) => unread(&error),
    }
}

fn without_nftables() -> FirewallReport {
    let legacy = ["ip_tables_names", "ip6_tables_names"]
        .map(|file| fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default());
    let method = if legacy.concat().trim().is_empty() {
        "firewall: this host has no rules"
    } else {
        "firewall: not examined, because its rules are those of legacy iptables; look at `iptables-legacy -S`"
    };
    FirewallReport { faults: Vec::new(), method: method.to_owned() }
}

fn unread(error: &io::Error) -> FirewallReport {
    let method = match error.kind() {
        io::ErrorKind::NotFound => "firewall: not examined, because this host has no `nft`".to_owned(),
        _ => format!("firewall: not examined ({error})"),
    };
    FirewallReport { faults: Vec::new(), method }
}
