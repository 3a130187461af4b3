//! `[[rule]]`.

use super::profile::architecture;
use super::said::Named;
use super::value::{
    Read, Value, Wrong, address, line, mac_pattern, network, own_uuid, some, switch, text, word, wrong,
};
use super::walk::{At, Walk};
use crate::config::diagnostic::Span;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::rule::{Firmware, Rule};
use toml::de::DeTable;

/// A rule, before its profile is looked up.
#[derive(Debug)]
pub struct Written<'a> {
    pub rule: Rule,
    pub profile: Option<Named<'a>>,
    pub at: At<'a>,
    /// What it asks for may be what is wrong in the text.
    pub faulty: bool,
}

/// `number`: its place among all rules, from 1.
pub fn written<'a>(walk: &mut Walk<'a>, number: usize, at: Span, table: &DeTable<'_>) -> Written<'a> {
    let mut rule = Rule { name: format!("rule {number}"), ..Rule::default() };
    let (mut profile, mut deny_at, mut pi_at) = (None, None, None);
    let before = walk.told.len();
    let when = &mut rule.when;
    walk.table("rule", table, |key, value| match key {
        "name" => line(value).map(|name| rule.name = name),
        "mac" => some(value, mac_pattern).map(|macs| when.macs = macs),
        "uuid" => some(value, own_uuid).map(|uuids| when.uuids = uuids),
        "serial" => some(value, glob).map(|serials| when.serials = serials),
        "arch" => some(value, arch).map(|archs| when.archs = archs),
        "firmware" => some(value, firmware).map(|kinds| when.firmware = kinds),
        "vendor-class" => some(value, glob).map(|classes| when.vendor_classes = classes),
        "user-class" => some(value, glob).map(|classes| when.user_classes = classes),
        "interface" => some(value, interface).map(|names| when.interfaces = names),
        "subnet" => some(value, network).map(|subnets| when.subnets = subnets),
        "relay" => some(value, address).map(|relays| when.relays = relays),
        "circuit-id" => some(value, glob).map(|circuits| when.circuit_ids = circuits),
        "interface-id" => some(value, glob).map(|ids| when.interface_ids = ids),
        "known" => switch(value).map(|known| when.known = Some(known)),
        "profile" => text(value).map(|name| profile = Some((name, value.span()))),
        "deny" => switch(value).map(|deny| {
            rule.deny = deny;
            deny_at = Some(value.span());
        }),
        "as-firmware" => switch(value).map(|on| rule.as_firmware = on),
        "as-raspberry-pi" => switch(value).map(|on| {
            rule.as_raspberry_pi = on;
            pi_at = Some(value.span());
        }),
        _ => Ok(()),
    });
    if let Some((_, span)) = profile.as_ref().filter(|_| rule.deny) {
        walk.error(span.clone(), "`profile` and `deny` exclude each other: what is denied boots nothing");
    }
    if let Some(span) = pi_at.filter(|_| rule.as_raspberry_pi && rule.as_firmware) {
        walk.error(span, "`as-raspberry-pi` and `as-firmware` exclude each other: a Raspberry Pi takes no loader");
    }
    let profile = profile.map(|(name, span)| (name, walk.at(span)));
    Written { rule, profile, at: walk.at(at), faulty: walk.told.len() > before }
}

fn glob(value: &Value<'_>) -> Read<Glob> {
    text(value).map(Glob)
}

/// No interface is called so: whoever writes a bracket expects more of a pattern than there is.
fn interface(value: &Value<'_>) -> Read<Glob> {
    let name = glob(value)?;
    match name.0.contains(['[', ']']) {
        true => Err(vec![Wrong {
            at: value.span(),
            why: Some(format!("no interface is called `{}`", name.0)),
            help: Some("`*` stands for any characters, `?` for one; write several names as a list".into()),
        }]),
        false => Ok(name),
    }
}

fn arch(value: &Value<'_>) -> Read<Arch> {
    let word = value.get_ref().as_str().ok_or_else(|| wrong(value.span()))?;
    architecture(word).map_err(|help| {
        let why = Some(format!("unknown architecture `{word}`"));
        vec![Wrong { at: value.span(), why, help: Some(help) }]
    })
}

fn firmware(value: &Value<'_>) -> Read<Firmware> {
    word(value, &Firmware::ALL.map(|kind| (kind.id(), kind)))
}
