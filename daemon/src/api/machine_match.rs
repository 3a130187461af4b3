//! The conditions by which a request chooses machines, as texts, and their check.

use super::access::Refusal;
use super::refusal::bad_request;
use crate::history::MachineConditions;
use crate::site::Site;
use proxydhcpd_core::link::{Network, Network4, Network6};
use proxydhcpd_core::story::VerdictCode;
use proxydhcpd_reading::suggest::closest_match;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// Conditions on machines. All that are stated apply; an empty text states none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MachineMatch {
    /// A network, such as `192.0.2.0/24`, that has the machine's IP address or, if that is unknown, its relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The address of the relay through which it last requested a boot: giaddr, or the link-address over IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// The profile of its last boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The stable name of the verdict about its last boot, such as `kernel-missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// A part of its MAC address, its name, its IP address or its vendor, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Whether its last boot must have a verdict.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

impl MachineMatch {
    /// The conditions as values.
    ///
    /// # Errors
    /// A text has another form, or names no verdict.
    pub fn conditions(&self) -> Result<MachineConditions, Refusal> {
        let relay = |text: &str| {
            text.parse::<IpAddr>().map_err(|_| {
                let problem = format!("`{text}` is not the address of a relay");
                bad_request(problem, "state an IP address, such as 10.1.0.1", "relay")
            })
        };
        Ok(MachineConditions {
            subnet: stated(&self.subnet).map(network).transpose()?,
            relay: stated(&self.relay).map(relay).transpose()?,
            profile: stated(&self.profile).map(str::to_owned),
            verdict: stated(&self.verdict).map(verdict).transpose()?,
            search: stated(&self.search).map(str::to_owned),
            failed: self.failed,
        })
    }
}

/// The refusal of a condition on a profile that no machine booted, if there is no such profile.
pub fn refuse_unknown_profile(conditions: &MachineConditions, site: &Site) -> Result<(), Refusal> {
    let Some(name) = conditions.profile.as_deref().filter(|name| site.plan.profile(name).is_none()) else {
        return Ok(());
    };
    let known = site.plan.policy.profiles.iter().map(|profile| profile.name.as_str());
    let cure = match closest_match(name, known) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => "GET /api/v1/profiles lists the profiles".to_owned(),
    };
    let error = format!("there is no profile `{name}`, and no machine booted one");
    Err(bad_request(error, cure, "profile"))
}

/// A text that is not empty.
fn stated(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn network(text: &str) -> Result<Network, Refusal> {
    let parts = text.split_once('/').and_then(|(address, prefix)| {
        let prefix = prefix.parse::<u8>().ok()?;
        match address.parse().ok()? {
            IpAddr::V4(address) if prefix <= 32 => Some(Network::V4(Network4 { address, prefix })),
            IpAddr::V6(address) if prefix <= 128 => Some(Network::V6(Network6 { address, prefix })),
            _ => None,
        }
    });
    parts.ok_or_else(|| {
        let cure = "state an address and the length of its prefix, such as 192.0.2.0/24";
        bad_request(format!("`{text}` is not a network"), cure, "subnet")
    })
}

fn verdict(text: &str) -> Result<String, Refusal> {
    if VerdictCode::from_id(text).is_some() {
        return Ok(text.to_owned());
    }
    let cure = match closest_match(text, VerdictCode::ids()) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => "docs/verdicts has a page for each verdict".to_owned(),
    };
    Err(bad_request(format!("`{text}` is not the name of a verdict"), cure, "verdict"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;

    #[test]
    fn a_wrong_condition_is_refused_with_the_one_probably_meant() {
        let refused = |one: MachineMatch| {
            let Refusal(status, error) = one.conditions().unwrap_err();
            assert_eq!(status, StatusCode::BAD_REQUEST);
            (error.place.unwrap(), error.cure)
        };
        let text = |text: &str| Some(text.to_owned());
        for subnet in ["192.0.2.0", "192.0.2.0/33", "eth0/24", "2001:db8::/129", "/24", "1.2.3.4/-1"] {
            assert_eq!(refused(MachineMatch { subnet: text(subnet), ..MachineMatch::default() }).0, "subnet");
        }
        assert_eq!(refused(MachineMatch { relay: text("10.1.0"), ..MachineMatch::default() }).0, "relay");
        let verdict = refused(MachineMatch { verdict: text("boot-lop"), ..MachineMatch::default() });
        assert_eq!(verdict, ("verdict".to_owned(), "did you mean `boot-loop`?".to_owned()));
        let empty = MachineMatch { subnet: text(""), verdict: text(" "), ..MachineMatch::default() };
        assert_eq!(empty.conditions().unwrap(), MachineConditions::default());
    }
}
