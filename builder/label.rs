//! Names of clusters and machines: they become file names, host names, parts of certificates and of what signatures say.

/// Whether it is a label of RFC 1123 in lower case: a-z, 0-9, and `-` inside; 1 to 63 of them.
pub fn is_label(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.chars().all(|c| edge(c) || c == '-')
        && name.starts_with(edge)
        && name.ends_with(edge)
}

#[cfg(test)]
mod tests {
    use super::is_label;

    #[test]
    fn labels_and_what_is_none() {
        let longest = "a".repeat(63);
        for name in ["a", "0", "prod", "kthw-1-21", "a--b", &longest] {
            assert!(is_label(name), "{name}");
        }
        let long = "a".repeat(64);
        for name in ["", "-", "-a", "a-", "A", "a.b", "a b", "a_b", "ä", "a\n", &long] {
            assert!(!is_label(name), "{name}");
        }
    }
}
