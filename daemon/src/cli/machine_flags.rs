//! The flags that choose machines.

use super::watch::percent_encoded;
use crate::api::MachineMatch;
use clap::Args;

/// The flags that choose machines, except by their profile, whose flag depends on the command.
#[derive(Args, Clone, Debug, Default)]
pub struct MachineFlags {
    /// Only machines in this network, by their IP address or, if that is unknown, their relay
    #[arg(long, value_name = "ADDRESS/PREFIX")]
    pub subnet: Option<String>,

    /// Only machines that last requested a boot through the relay with this address
    #[arg(long, value_name = "ADDRESS")]
    pub relay: Option<String>,

    /// Only machines whose last boot has this verdict, such as kernel-missing
    #[arg(long, value_name = "NAME")]
    pub verdict: Option<String>,

    /// Only machines with this text in their MAC address, name, IP address or vendor, in any case
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,

    /// Only machines whose last boot failed
    #[arg(long)]
    pub failed: bool,
}

impl MachineFlags {
    /// The conditions for the API. `profile`: the profile of the last boot.
    pub fn conditions(&self, profile: &Option<String>) -> MachineMatch {
        let MachineFlags { subnet, relay, verdict, search, failed } = self.clone();
        MachineMatch { subnet, relay, verdict, search, failed, profile: profile.clone() }
    }
}

/// The query of a resource with these conditions.
pub fn query(conditions: &MachineMatch) -> String {
    let MachineMatch { subnet, relay, profile, verdict, search, failed } = conditions;
    let texts = [("subnet", subnet), ("relay", relay), ("profile", profile), ("verdict", verdict), ("search", search)];
    let stated = texts.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let parts = stated.map(|(name, value)| format!("&{name}={}", percent_encoded(value)));
    format!("failed={failed}{}", parts.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_has_the_stated_conditions() {
        let flags = MachineFlags { subnet: Some("192.0.2.0/24".to_owned()), failed: true, ..MachineFlags::default() };
        let query = query(&flags.conditions(&Some("a&b".to_owned())));
        assert_eq!(query, "failed=true&subnet=192.0.2.0%2F24&profile=a%26b");
    }
}
