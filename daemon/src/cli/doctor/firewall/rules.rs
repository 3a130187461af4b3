//! Reads the firewall rules where the doctor may not try them: the output of `nft -j list ruleset`.
//!
//! Only what is certain without a trial is reported: a rule that drops a port by its number, without another condition.

use super::trial::Service;
use serde_json::Value;

/// The services that a rule of the ruleset drops.
pub fn blocked(ruleset: &Value, services: &[Service]) -> Vec<Service> {
    let objects = ruleset["nftables"].as_array().map_or(&[][..], Vec::as_slice);
    let input: Vec<&Value> = objects
        .iter()
        .map(|object| &object["chain"])
        .filter(|chain| chain["type"] == "filter" && chain["hook"] == "input")
        .collect();
    let in_input = |rule: &Value| {
        let has = |chain: &&Value, key: &str| chain[key] == rule[key];
        input.iter().any(|chain| has(chain, "family") && has(chain, "table") && chain["name"] == rule["chain"])
    };
    let rules: Vec<&Value> =
        objects.iter().map(|object| &object["rule"]).filter(|rule| rule.is_object() && in_input(rule)).collect();
    services.iter().filter(|service| rules.iter().any(|rule| drops(rule, service))).cloned().collect()
}

/// Whether the rule consists of a match of the service's port and a verdict that drops.
fn drops(rule: &Value, service: &Service) -> bool {
    let (protocol, port) = service.port();
    // A range has no rule of its number alone.
    let Ok(port) = port.parse::<u64>() else { return false };
    let statements = rule["expr"].as_array().map_or(&[][..], Vec::as_slice);
    let meaningful: Vec<&Value> =
        statements.iter().filter(|statement| !has_key(statement, "counter") && !has_key(statement, "log")).collect();
    let [matched, verdict] = meaningful[..] else { return false };
    let left = &matched["match"]["left"]["payload"];
    let is_port = left["protocol"] == protocol && left["field"] == "dport" && matched["match"]["op"] == "==";
    is_port && contains(&matched["match"]["right"], port) && (has_key(verdict, "drop") || has_key(verdict, "reject"))
}

fn has_key(value: &Value, key: &str) -> bool {
    value.as_object().is_some_and(|object| object.contains_key(key))
}

/// Whether a number, a range or a set contains the port.
fn contains(right: &Value, port: u64) -> bool {
    if let [Value::Number(first), Value::Number(last)] = right["range"].as_array().map_or(&[][..], Vec::as_slice) {
        return first.as_u64().is_some_and(|first| first <= port) && last.as_u64().is_some_and(|last| port <= last);
    }
    match right["set"].as_array() {
        Some(set) => set.iter().any(|element| contains(element, port)),
        None => right.as_u64() == Some(port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ruleset(hook: &str, right: Value, verdict: &str) -> Value {
        let port = json!({ "payload": { "protocol": "udp", "field": "dport" } });
        let matched = json!({ "match": { "op": "==", "left": port, "right": right } });
        json!({ "nftables": [
            { "metainfo": {} },
            { "chain": { "family": "inet", "table": "t", "name": "in", "type": "filter", "hook": hook } },
            { "rule": { "family": "inet", "table": "t", "chain": "in", "expr": [matched, { "counter": {} },
                { verdict: null }] } },
        ] })
    }

    #[test]
    fn a_rule_that_drops_a_port_by_number_range_or_set_is_found() {
        let services = [Service::BootServer, Service::Tftp];
        for right in [json!(4011), json!({ "range": [4000, 5000] }), json!({ "set": [1, { "range": [4011, 4012] }] })] {
            assert_eq!(blocked(&ruleset("input", right.clone(), "drop"), &services), [Service::BootServer], "{right}");
        }
        assert_eq!(blocked(&ruleset("input", json!(69), "reject"), &services), [Service::Tftp]);
    }

    #[test]
    fn other_rules_are_no_fault() {
        for (hook, right, verdict) in
            [("input", json!(4011), "accept"), ("forward", json!(4011), "drop"), ("input", json!(4012), "drop")]
        {
            assert_eq!(blocked(&ruleset(hook, right, verdict), &[Service::BootServer]), []);
        }
        assert_eq!(blocked(&json!({}), &[Service::BootServer]), []);
    }
}
