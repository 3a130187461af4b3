//! The conditions by which people choose machines. The same ones apply to machines that the server remembers and to
//! those that only the history has.

use proxydhcpd_core::link::Network;
use std::net::IpAddr;

/// Conditions that a machine must meet to be chosen. The default chooses all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineConditions {
    /// The network of its IP address or, if that is unknown, of its relay.
    pub subnet: Option<Network>,
    /// The address of the relay through which it last requested a boot.
    pub relay: Option<IpAddr>,
    /// The profile of its last boot.
    pub profile: Option<String>,
    /// The stable name of the verdict about its last boot.
    pub verdict: Option<String>,
    /// A part of its MAC address, its name, its IP address or its vendor, in any case.
    pub search: Option<String>,
    /// Whether its last boot must have a verdict.
    pub failed: bool,
}

/// The values that conditions are about: a machine and its last boot. An unknown text is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineFacts<'a> {
    /// The hardware address.
    pub hardware: &'a str,
    /// The name of its entry.
    pub entry: &'a str,
    /// The maker of its network card.
    pub vendor: &'a str,
    /// Its IP address.
    pub address: Option<IpAddr>,
    /// The address of its relay.
    pub relay: Option<IpAddr>,
    /// The profile of the boot.
    pub profile: &'a str,
    /// The stable name of the verdict.
    pub verdict: Option<&'a str>,
}

impl MachineConditions {
    /// Whether the machine meets all conditions.
    pub fn admit(&self, facts: &MachineFacts<'_>) -> bool {
        let MachineConditions { subnet, relay, profile, verdict, search, failed } = self;
        subnet.is_none_or(|subnet| facts.address.or(facts.relay).is_some_and(|address| subnet.contains(address)))
            && relay.is_none_or(|relay| facts.relay == Some(relay))
            && profile.as_ref().is_none_or(|profile| profile == facts.profile)
            && verdict.as_deref().is_none_or(|verdict| facts.verdict == Some(verdict))
            && search.as_ref().is_none_or(|text| has_text(facts, &text.to_lowercase()))
            && (!failed || facts.verdict.is_some())
    }
}

/// Whether a text about the machine contains this one, which is in lower case. MAC addresses have many spellings.
fn has_text(facts: &MachineFacts<'_>, text: &str) -> bool {
    let address = facts.address.map(|address| address.to_string()).unwrap_or_default();
    facts.hardware.to_lowercase().contains(&text.replace('-', ":"))
        || [facts.entry, facts.vendor, &address].into_iter().any(|known| known.to_lowercase().contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::link::Network4;

    const FACTS: MachineFacts<'static> = MachineFacts {
        hardware: "52:54:00:12:34:56",
        entry: "Web-1",
        vendor: "QEMU/KVM",
        address: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7))),
        relay: Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 0, 1))),
        profile: "debian",
        verdict: Some("boot-loop"),
    };

    fn subnet(address: [u8; 4], prefix: u8) -> MachineConditions {
        let subnet = Some(Network::V4(Network4 { address: address.into(), prefix }));
        MachineConditions { subnet, ..MachineConditions::default() }
    }

    #[test]
    fn a_part_of_any_spelling_of_a_name_finds_the_machine() {
        let finds = |text: &str| {
            let search = Some(text.to_owned());
            MachineConditions { search, ..MachineConditions::default() }.admit(&FACTS)
        };
        for text in ["52:54", "00-12-34", "WEB-1", "eb-", "qemu", ".2.7", "192.0.2.7", ""] {
            assert!(finds(text), "{text}");
        }
        for text in ["52:55", "debian", "10.1.0.1", "web:1", "%", "_"] {
            assert!(!finds(text), "{text}");
        }
    }

    #[test]
    fn a_machine_without_a_known_address_is_in_the_network_of_its_relay() {
        assert!(subnet([192, 0, 2, 0], 24).admit(&FACTS) && !subnet([10, 1, 0, 0], 16).admit(&FACTS));
        let unknown = MachineFacts { address: None, ..FACTS };
        assert!(!subnet([192, 0, 2, 0], 24).admit(&unknown) && subnet([10, 1, 0, 0], 16).admit(&unknown));
        assert!(!subnet([0, 0, 0, 0], 0).admit(&MachineFacts { address: None, relay: None, ..FACTS }));
    }

    #[test]
    fn all_conditions_apply() {
        let all = MachineConditions {
            relay: FACTS.relay,
            profile: Some("debian".to_owned()),
            verdict: Some("boot-loop".to_owned()),
            failed: true,
            ..subnet([192, 0, 2, 0], 24)
        };
        assert!(all.admit(&FACTS));
        for other in [
            MachineFacts { relay: None, ..FACTS },
            MachineFacts { profile: "rescue", ..FACTS },
            MachineFacts { verdict: Some("file-missing"), ..FACTS },
            MachineFacts { verdict: None, ..FACTS },
        ] {
            assert!(!all.admit(&other), "{other:?}");
        }
    }
}
