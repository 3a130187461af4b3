//! The texts of the findings that lead to a verdict.

use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::observations::finding::{Advice, Cause, Diagnosis, Finding, NextContact};
use proxydhcpd_core::story::VerdictCode;
use std::net::Ipv4Addr;

/// The DHCP server, and another boot server.
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ANOTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);

/// Returns the different texts that a verdict of this code can have, if its evidence is a finding.
pub fn texts(code: VerdictCode) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for finding in findings().filter(|finding| VerdictCode::from(finding) == code) {
        let text = format!("The machine {}. {}", finding.diagnosis, Advice(&finding));
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// A finding for each diagnosis and each cause, about a machine that is not behind a relay.
fn findings() -> impl Iterator<Item = Finding> {
    let diagnoses = [
        Diagnosis::ShutOut(SERVER),
        Diagnosis::BootsAnother(SERVER),
        Diagnosis::LoadedElsewhere(SERVER),
        Diagnosis::OfferUnseen(SERVER),
        Diagnosis::NoAddress(4),
        Diagnosis::NoAddress6(4),
        Diagnosis::AddressUntaken(4, SERVER),
    ];
    diagnoses.into_iter().flat_map(|diagnosis| {
        let causes = [
            Cause::Option60,
            Cause::BootFile,
            Cause::AnotherServer(ANOTHER),
            Cause::NotInOffers,
            Cause::NotOverheard { is_remote: false },
        ];
        causes.into_iter().map(move |cause| finding(diagnosis, cause))
    })
}

fn finding(diagnosis: Diagnosis, cause: Cause) -> Finding {
    let ipxe = matches!(diagnosis, Diagnosis::BootsAnother(_) | Diagnosis::OfferUnseen(_));
    let next = if ipxe { NextContact::Http(8080) } else { NextContact::BootServer };
    let hardware = HardwareAddress { htype: 1, hlen: 6, octets: [0; 16] };
    Finding {
        hardware,
        arch: Arch::X64,
        ipxe,
        link: 1,
        relay: None,
        next,
        diagnosis,
        cause,
        asked: 0,
        is_repeat: false,
    }
}
