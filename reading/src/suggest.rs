//! Suggests the correct spelling of unknown keys, sections and names on the command line.

/// Returns the word in `known` that is most similar to `word`. `None`: a typo cannot explain the difference between
/// `word` and any known word.
pub fn closest_match<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    if word.len() > MAX_LENGTH {
        return None;
    }
    let allowed = (word.len() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The maximum length of a word to compare, in characters. No key is nearly as long, so a longer word is not a
/// misspelled key.
const MAX_LENGTH: usize = 64;

/// Returns the number of edits that turn one word into the other. A swap of two neighbouring characters is one edit
/// (optimal string alignment). If one word is the beginning or the end of the other, the distance is at most two:
/// `chainload` suggests `chainload_url`, and `architecture` suggests `arch`.
fn distance(word: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().collect();
    let (short, long) = if word.len() < candidate.len() { (word, &candidate[..]) } else { (&candidate[..], word) };
    let ends_word = long.get(short.len()).is_some_and(|next| !next.is_alphanumeric());
    if (short.len() >= 4 && long.ends_with(short))
        || (short.len() >= if ends_word { 3 } else { 4 } && long.starts_with(short))
    {
        return (long.len() - short.len()).min(2);
    }
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=candidate.len()).collect();
    for (i, a) in word.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in candidate.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == candidate[j - 1] && word[i - 1] == *b {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[candidate.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = ["mac", "filename", "filename_efi32", "filename_efi64", "listen_address", "chainload_url"];

    #[test]
    fn a_typo_finds_its_key() {
        for (typo, key) in [
            ("filname", "filename"),
            ("fielname", "filename"),
            ("filename_efi_64", "filename_efi64"),
            ("listen-address", "listen_address"),
            ("Listen_Adress", "listen_address"),
            ("chainload", "chainload_url"),
            ("filename_of_the_file", "filename"),
            ("mac address", "mac"),
        ] {
            assert_eq!(closest_match(typo, KEYS), Some(key), "{typo}");
        }
    }

    #[test]
    fn an_unrelated_word_finds_nothing() {
        for word in ["dns", "timeout", "", "zzzzzzzz"] {
            assert_eq!(closest_match(word, KEYS), None, "{word}");
        }
        assert_eq!(closest_match(&"filename".repeat(1000), KEYS), None);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(distance(&['t', 'f', 'p', 't', 'd'], "tftpd"), 1);
        assert_eq!(distance(&['k', 'i', 't', 't', 'e', 'n'], "sitting"), 3);
    }
}
