//! What a plain scalar of YAML means to Kubernetes, whose reader (go-yaml 2) is of YAML 1.1 with parts of 1.2, and where the
//! two differ.

/// What a plain scalar means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sense {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text,
}

/// What go-yaml 2 takes it for (its resolve.go).
pub fn sense(text: &str) -> Sense {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Sense::Null,
        "true" | "True" | "TRUE" => return Sense::Boolean(true),
        "false" | "False" | "FALSE" => return Sense::Boolean(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Sense::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Sense::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Sense::Float(f64::NAN),
        _ => {}
    }
    if let Some(flag) = old_boolean(text) {
        return Sense::Boolean(flag);
    }
    let plain = text.replace('_', "");
    match integer(&plain) {
        Some(number) => Sense::Integer(number),
        None if is_float(&plain) => plain.parse().map_or(Sense::Text, Sense::Float),
        None => Sense::Text,
    }
}

/// A number as JSON has it: what has no part behind the point is whole, for the reader makes JSON of YAML first
/// (sigs.k8s.io/yaml), and encoding/json of Go writes `10.0` as `10`.
pub fn as_json(sense: Sense) -> Sense {
    match sense {
        Sense::Float(number) if number.fract() == 0.0 => format!("{number:.0}").parse().map_or(sense, Sense::Integer),
        sense => sense,
    }
}

/// The words that are true or false to YAML 1.1 alone (yaml.org/type/bool.html), written as go-yaml takes them.
fn old_boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// As strconv.ParseInt of Go has it with a base of 0.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let is_number = digits.starts_with(|digit: char| digit.is_digit(radix));
    is_number.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()).flatten()
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let digits = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    digits(whole) && digits(part) && whole.len() + part.len() > 0 && digits(exponent) && !exponent.is_empty()
}

/// The two things that a plain scalar is, if YAML 1.1 (yaml.org/type) and 1.2 (1.2.2, 10.3.2) differ on it.
pub fn trap(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(flag) = old_boolean(text) {
        return Some(format!("{flag} to readers of YAML 1.1 and text to those of 1.2"));
    }
    if !digits.starts_with(|digit: char| digit.is_ascii_digit()) {
        return None;
    }
    let all = |extra: &str| digits.chars().all(|c| c.is_ascii_digit() || extra.contains(c));
    if all("") && digits.starts_with('0') && !digits.trim_start_matches('0').is_empty() {
        let octal = i64::from_str_radix(digits, 8).ok()?;
        let decimal: i64 = digits.parse().ok()?;
        return Some(format!("{octal} to readers of YAML 1.1 and {decimal} to those of 1.2"));
    }
    if digits.contains('_') && all("_.") && digits.matches('.').count() < 2 {
        return Some("a number to readers of YAML 1.1 and text to those of 1.2".to_owned());
    }
    let parts: Vec<&str> = digits.split(':').collect();
    let sixty = |part: &&str| matches!(part.parse::<u8>(), Ok(0..60)) && part.len() <= 2;
    if parts.len() > 1 && all(":") && !digits.starts_with('0') && parts.iter().skip(1).all(sixty) {
        return Some("a number of base 60 to readers of YAML 1.1 and text to those of 1.2".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_yaml_has_it() {
        for (text, wanted) in [
            ("yes", Sense::Boolean(true)),
            ("Off", Sense::Boolean(false)),
            ("oN", Sense::Text),
            ("012", Sense::Integer(10)),
            ("08", Sense::Float(8.0)),
            ("0o17", Sense::Integer(15)),
            ("-0x1f", Sense::Integer(-31)),
            ("1_000", Sense::Integer(1000)),
            ("1.5", Sense::Float(1.5)),
            ("1e3", Sense::Float(1000.0)),
            ("e3", Sense::Text),
            (".", Sense::Text),
            ("10.0.0.1", Sense::Text),
            ("12:30:45", Sense::Text),
            ("~", Sense::Null),
            ("250m", Sense::Text),
            ("2001-01-01", Sense::Text),
            ("--5", Sense::Text),
        ] {
            assert_eq!(sense(text), wanted, "{text}");
        }
    }

    #[test]
    fn whole_numbers() {
        assert_eq!(["10.0", "1e6", "-0.0"].map(|text| as_json(sense(text))), [10, 1_000_000, 0].map(Sense::Integer));
        assert_eq!(as_json(sense("1.5")), Sense::Float(1.5));
        assert_eq!(as_json(sense(".inf")), Sense::Float(f64::INFINITY));
        assert_eq!(as_json(sense("1e300")), Sense::Float(1e300));
    }

    #[test]
    fn what_the_two_differ_on() {
        for text in ["yes", "NO", "012", "1_000", "12:30:45", "22:22", "-017"] {
            assert!(trap(text).is_some(), "{text}");
        }
        for text in
            ["true", "0", "00", "0.5", "10", "1.2.3.4", "08", "::1", "12:70", "1.5", "0x10", "a_1", "80:8080", "1-2"]
        {
            assert!(trap(text).is_none(), "{text}");
        }
    }
}
