//! The machines that the board shows, as its form and its addresses state them.

use crate::api::{MachineMatch, MachineQuery};
use serde::{Deserialize, Serialize};

/// The conditions on the machines, and what else the address of the board states. An empty text states nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct BoardFilter {
    /// The number of machines before the first one of the page.
    #[serde(deserialize_with = "number", skip_serializing)]
    pub offset: usize,
    #[serde(skip_serializing)]
    pub notice: Option<String>,
    /// A part of the name, the address or the vendor.
    pub search: String,
    /// `true`: only machines that failed.
    pub failed: String,
    pub subnet: String,
    pub relay: String,
    pub profile: String,
    pub verdict: String,
}

impl BoardFilter {
    /// Whether only machines that failed are shown.
    pub fn is_failed(&self) -> bool {
        self.failed == "true"
    }

    /// The conditions, with their names in the form.
    pub fn conditions(&self) -> [(&'static str, &str); 6] {
        [
            ("search", &self.search),
            ("failed", if self.is_failed() { "true" } else { "" }),
            ("subnet", &self.subnet),
            ("relay", &self.relay),
            ("profile", &self.profile),
            ("verdict", &self.verdict),
        ]
    }

    /// Whether there is a condition.
    pub fn is_any(&self) -> bool {
        self.conditions().iter().any(|(_, text)| !text.trim().is_empty())
    }

    /// The query of the page that begins with this machine.
    pub fn query(&self, limit: usize) -> MachineQuery {
        let MachineMatch { subnet, relay, profile, verdict, search, failed } = self.matches();
        let (offset, limit) = (self.offset, Some(limit));
        MachineQuery { offset, limit, failed, machine: None, subnet, relay, profile, verdict, search }
    }

    /// The conditions as the API has them.
    pub fn matches(&self) -> MachineMatch {
        let stated = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        MachineMatch {
            subnet: stated(&self.subnet),
            relay: stated(&self.relay),
            profile: stated(&self.profile),
            verdict: stated(&self.verdict),
            search: stated(&self.search),
            failed: self.is_failed(),
        }
    }

    /// The address of the page of these machines that begins with this number.
    pub fn address(&self, offset: usize) -> String {
        let conditions = self.conditions().into_iter().filter(|(_, text)| !text.trim().is_empty());
        let mut parts: Vec<String> =
            conditions.map(|(name, text)| format!("{name}={}", encoded(text.trim()))).collect();
        if offset > 0 {
            parts.push(format!("offset={offset}"));
        }
        if parts.is_empty() { "/".to_owned() } else { format!("/?{}", parts.join("&")) }
    }
}

fn encoded(text: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.~:".contains(&octet);
    let octets = text.bytes();
    octets.map(|octet| if is_plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") }).collect()
}

/// A number; 0 for anything else.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_page_states_the_conditions() {
        let filter =
            BoardFilter { search: " a&b ".to_owned(), subnet: "192.0.2.0/24".to_owned(), ..BoardFilter::default() };
        assert_eq!(filter.address(100), "/?search=a%26b&subnet=192.0.2.0%2F24&offset=100");
        assert_eq!(BoardFilter::default().address(0), "/");
        assert!(filter.is_any() && !BoardFilter::default().is_any());
        assert_eq!(filter.matches().search.as_deref(), Some("a&b"));
    }
}
