//! Tests every DHCP vector (protocol.md 10.1), of both families, octet by octet.

mod common;

use common::plan;
use common::vector::{Vector, format_destination, vectors};

/// The vector of a request that the server answers only if the plan allows it.
const STATELESS: &str = "ipxe6-information-request";

#[test]
fn every_vector_is_answered_or_ignored_as_expected() {
    for vector in vectors().iter().filter(|vector| !vector.is_from_server()) {
        let Vector { name, label, expected_reply, .. } = vector;
        let (answer, sent) = vector.ask();
        match (&answer.reply, expected_reply) {
            (Err(reason), None) => {
                assert_eq!(Some(reason.label()), label.as_deref(), "{name}");
                assert!(sent.is_empty());
            }
            (Ok(_), Some(expected)) => {
                let [(octets, destination)] = &sent[..] else { panic!("{name}: {} replies", sent.len()) };
                assert_eq!(hex::encode(octets), expected.hex, "{name}");
                assert_eq!(destination.from.to_string(), expected.from, "{name}");
                assert_eq!(format_destination(destination), expected.to, "{name}");
            }
            (verdict, _) => panic!("{name}: {verdict:?}"),
        }
    }
}

#[test]
fn an_ipxe_in_a_stateless_network_is_answered_only_if_the_plan_allows_it() {
    let vector = vectors().into_iter().find(|vector| vector.name == STATELESS).unwrap();
    let (answer, sent) = vector.ask_with(&plan());
    let Err(reason) = answer.reply else { panic!("{:?}", answer.reply) };
    assert_eq!((reason.label(), sent.len()), ("nothing:stateless-ipxe", 0));
}
