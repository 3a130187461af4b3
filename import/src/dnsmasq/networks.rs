//! Determines the networks that dnsmasq serves. As in dnsmasq, a range without a mask has the mask of the interface
//! whose network contains the range.

use super::super::host_info::HostInfo;
use super::super::output::LineOutcome;
use super::config::*;
use super::lines::DnsmasqLine;
use super::machine_kinds::needed_tags;
use super::options::NO_LEASES;
use proxydhcpd_core::link::Network4;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::collections::BTreeSet;

const SERVES_ALL_NETWORKS: &str = "the server serves every network of its interfaces; set `interfaces` to limit them";

/// Converts the tags of ranges to tests for their networks. Limits the interfaces to those on which dnsmasq replied.
pub fn resolve(
    config: &mut DnsmasqConfig,
    lines: &[DnsmasqLine],
    host: &HostInfo,
) -> Result<Vec<(LineId, LineOutcome)>, Vec<Diagnostic>> {
    let (mut outcomes, mut errors) = (Vec::new(), Vec::new());
    let is_only_range = config.ranges.len() == 1;
    let ranges = std::mem::take(&mut config.ranges);
    let served = served_interfaces(config, &ranges, host);
    let needed = needed_tags(config);
    for range in &ranges {
        let has_needed_tag = range.set_tags.iter().any(|tag| needed.contains(tag));
        match network_test(range, is_only_range, host)
            .map_err(|reason| lines[range.line].error(&range.address_span, reason))
        {
            _ if !has_needed_tag => {}
            Ok((test, interface_prefix)) => {
                let tag_matches = range.set_tags.iter().map(|tag| TagMatch {
                    line: range.line,
                    tag: tag.clone(),
                    test: test.clone(),
                });
                config.tag_matches.extend(tag_matches);
                outcomes.extend(interface_prefix.map(|prefix| (range.line, interface_mask_outcome(prefix))));
            }
            Err(error) => errors.push(error.help("add the mask after the range, as in 10.1.0.0,proxy,255.255.0.0")),
        }
        let decides = has_needed_tag || !range.required_tags.is_empty();
        let outcome = match (&served, range.is_proxy) {
            (_, false) => (!decides).then_some(LineOutcome::Grouped(NO_LEASES)),
            (Some(names), true) => {
                Some(LineOutcome::Changed(format!("{} replied only on {}", config.source_server(), names.join(", "))))
            }
            (None, true) => (!decides).then(|| LineOutcome::Unneeded(SERVES_ALL_NETWORKS.into())),
        };
        outcomes.extend(outcome.map(|outcome| (range.line, outcome)));
    }
    if let (Some(names), Some(range)) = (served, ranges.first()) {
        config.interfaces = names.into_iter().map(|name| (range.line, name)).collect();
    }
    config.ranges = ranges;
    if errors.is_empty() { Ok(outcomes) } else { Err(errors) }
}

/// The test for machines in the network of the range. Also returns the prefix length if it comes from the interface.
/// `Err`: the reason why the prefix length is unknown.
fn network_test(range: &DhcpRange, is_only_range: bool, host: &HostInfo) -> Result<(TagTest, Option<u8>), String> {
    let start = range.start;
    // The range does not distinguish machines. dnsmasq replies only to machines in its ranges, so the test always
    // holds.
    if range.set_tags.is_empty() || is_only_range || start.is_unspecified() {
        return Ok((TagTest::Always, None));
    }
    let mask_prefix = range.mask.map(|mask| mask.to_bits().leading_ones() as u8);
    let prefix = mask_prefix.or_else(|| host.prefix_for(start)).ok_or_else(|| {
        format!("cannot find the mask of {start}: the line has none, and no interface of this host is in its network")
    })?;
    let network = start.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let test = TagTest::subnet(Network4 { address: network.into(), prefix });
    Ok((test, mask_prefix.is_none().then_some(prefix)))
}

fn interface_mask_outcome(prefix: u8) -> LineOutcome {
    LineOutcome::Changed(format!("the line has no mask: the import uses the interface's, /{prefix}"))
}

/// The interfaces in whose networks the ranges are. `None`: the file lists the interfaces to serve, no range is a proxy
/// range, a range has no address, or the ranges select none or all of the interfaces.
fn served_interfaces(config: &DnsmasqConfig, ranges: &[DhcpRange], host: &HostInfo) -> Option<Vec<String>> {
    let has_list = !config.interfaces.is_empty() || !config.addresses.is_empty();
    if has_list || ranges.iter().any(|range| range.start.is_unspecified()) || !ranges.iter().any(|range| range.is_proxy)
    {
        return None;
    }
    let has_range = |network: &Network4| ranges.iter().any(|range| network.contains(range.start));
    let names = |networks: Vec<&String>| networks.into_iter().cloned().collect::<BTreeSet<String>>();
    let all_interfaces = names(host.networks.iter().map(|(name, _)| name).collect());
    let with_range =
        names(host.networks.iter().filter(|(_, network)| has_range(network)).map(|(name, _)| name).collect());
    (!with_range.is_empty() && with_range.len() < all_interfaces.len()).then(|| with_range.into_iter().collect())
}
