//! The reference: work of the usual kinds (texts, numbers, a sorted map, copies) that never changes. The ratio of other
//! work to it can be compared even if another compiler built both.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;

const ROUNDS: usize = 1000;

/// Returns the number of rounds.
pub fn run() -> usize {
    crate::measured(|| {
        for round in 0..ROUNDS {
            black_box(one_round(black_box(round)));
        }
    });
    ROUNDS
}

fn one_round(round: usize) -> usize {
    let mut text = String::new();
    for number in round..round + 8 {
        write!(text, "{}.{}.{:02x};", number % 251, number * 7 % 241, number & 0xff).unwrap();
    }
    let mut numbers = BTreeMap::new();
    for (place, word) in text.split(['.', ';']).enumerate() {
        *numbers.entry(usize::from_str_radix(word, 16).unwrap_or(place)).or_insert(0) += place;
    }
    let octets: Vec<u8> = text.bytes().rev().filter(|octet| octet.is_ascii_digit()).collect();
    octets.iter().map(|octet| usize::from(*octet)).sum::<usize>() + numbers.into_values().sum::<usize>()
}
