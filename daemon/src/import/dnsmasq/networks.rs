//! The networks that dnsmasq answers in. A range without a mask has that of the interface in whose network it lies:
//! nothing else is as wide as what was written.

use super::super::host_info::HostInfo;
use super::super::output::LineOutcome;
use super::config::*;
use super::lines::DnsmasqLine;
use super::machine_kinds::needed_tags;
use super::options::NO_LEASES;
use crate::config::diagnostic::Diagnostic;
use proxydhcpd_core::link::Network4;
use std::collections::BTreeSet;

const ALL: &str = "every network of the interfaces that are served is answered; `interfaces` lists some only";

/// Gives the ranges' tags their networks, and leaves interfaces alone on which dnsmasq answered nobody.
pub fn resolve(config: &mut DnsmasqConfig, lines: &[DnsmasqLine], here: &HostInfo) -> Result<Vec<(LineId, LineOutcome)>, Vec<Diagnostic>> {
    let (mut fates, mut wrong) = (Vec::new(), Vec::new());
    let alone = config.ranges.len() == 1;
    let ranges = std::mem::take(&mut config.ranges);
    let served = served(config, &ranges, here);
    let needed = needed_tags(config);
    for range in &ranges {
        let matters = range.set_tags.iter().any(|tag| needed.contains(tag));
        match mark(range, alone, here).map_err(|why| lines[range.line].error(&range.address_span, why)) {
            _ if !matters => {}
            Ok((test, of_interface)) => {
                let marks =
                    range.set_tags.iter().map(|tag| TagMatch { line: range.line, tag: tag.clone(), test: test.clone() });
                config.tag_matches.extend(marks);
                fates.extend(of_interface.map(|prefix| (range.line, of_mask(prefix))));
            }
            Err(error) => wrong.push(error.help("write it behind the range, as in 10.1.0.0,proxy,255.255.0.0")),
        }
        let decides = matters || !range.required_tags.is_empty();
        let told = match (&served, range.is_proxy) {
            (_, false) => (!decides).then_some(LineOutcome::Grouped(NO_LEASES)),
            (Some(names), true) => {
                Some(LineOutcome::Changed(format!("{} answered only on {}", config.source_server(), names.join(", "))))
            }
            (None, true) => (!decides).then(|| LineOutcome::Unneeded(ALL.into())),
        };
        fates.extend(told.map(|fate| (range.line, fate)));
    }
    if let (Some(names), Some(range)) = (served, ranges.first()) {
        config.interfaces = names.into_iter().map(|name| (range.line, name)).collect();
    }
    config.ranges = ranges;
    if wrong.is_empty() { Ok(fates) } else { Err(wrong) }
}

/// What a machine in the range is known by, and the prefix if the interface's is taken.
fn mark(range: &DhcpRange, alone: bool, here: &HostInfo) -> Result<(TagTest, Option<u8>), String> {
    let start = range.start;
    // Machines elsewhere were not answered, and are none of these.
    if range.set_tags.is_empty() || alone || start.is_unspecified() {
        return Ok((TagTest::Always, None));
    }
    let written = range.mask.map(|mask| mask.to_bits().leading_ones() as u8);
    let prefix = written.or_else(|| here.prefix_for(start)).ok_or_else(|| {
        format!("how large is the network of {start}? No mask is written, and no interface of this machine lies in it")
    })?;
    let network = start.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let test = TagTest::subnet(Network4 { address: network.into(), prefix });
    Ok((test, written.is_none().then_some(prefix)))
}

fn of_mask(prefix: u8) -> LineOutcome {
    LineOutcome::Changed(format!("no mask is written: the interface's is taken, /{prefix}"))
}

/// The interfaces that a proxy's ranges are on, if nothing says which are served and others are there.
fn served(config: &DnsmasqConfig, ranges: &[DhcpRange], here: &HostInfo) -> Option<Vec<String>> {
    let written = !config.interfaces.is_empty() || !config.addresses.is_empty();
    if written || ranges.iter().any(|range| range.start.is_unspecified()) || !ranges.iter().any(|range| range.is_proxy) {
        return None;
    }
    let is_on = |network: &Network4| ranges.iter().any(|range| network.contains(range.start));
    let names = |networks: Vec<&String>| networks.into_iter().cloned().collect::<BTreeSet<String>>();
    let all = names(here.networks.iter().map(|(name, _)| name).collect());
    let on = names(here.networks.iter().filter(|(_, network)| is_on(network)).map(|(name, _)| name).collect());
    (!on.is_empty() && on.len() < all.len()).then(|| on.into_iter().collect())
}
