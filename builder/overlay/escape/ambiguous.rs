//! Plain scalars of YAML that are no strings to some reader.

/// Strings that some reader takes for a boolean, null, number, date or merge key.
///
/// Sources: the types of YAML 1.1 (yaml.org/type), the core schema of 1.2.2 (section 10.3), and what PyYAML and
/// go-yaml do of them.
pub fn is_ambiguous(text: &str) -> bool {
    const WORDS: [&str; 18] = [
        "", "~", "null", "none", "y", "n", "yes", "no", "on", "off", "true", "false", ".inf", ".nan", "inf", "nan",
        "=", "<<",
    ];
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    WORDS.contains(&lower.as_str()) || WORDS.contains(&unsigned) || is_number(unsigned) || is_date(unsigned)
}

/// Anything that may be a number; more than is one. An address has two dots before any colon.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == '_');
    let radix = ["0x", "0o", "0b"].iter().find_map(|prefix| text.strip_prefix(prefix));
    let head = text.split(':').next().unwrap_or_default();
    let many_dots = head.matches('.').count() >= 2;
    radix.is_some_and(digits)
        || (text.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '_')
            && text.chars().all(|c| c.is_ascii_digit() || "_.,:+-e".contains(c))
            && !many_dots)
}

/// `2024-01-01`, and a time behind it.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 4 && bytes.iter().take(4).all(u8::is_ascii_digit) && bytes.get(4) == Some(&b'-')
}
