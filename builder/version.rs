//! Versions of releases: dot-separated non-negative whole numbers, compared as numbers.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A release's version. It only grows: `verify --min-version` refuses an older one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u64>);

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Version> {
        let number = |part: &str| {
            let plain =
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            part.parse::<u64>().ok().filter(|_| plain)
        };
        let parsed = (text.len() <= 64).then(|| text.split('.').map(number).collect::<Option<Vec<_>>>()).flatten();
        let bad =
            || Error::usage(format!("`{text}` is not a version: write numbers with dots between, like 2026.11.1"));
        parsed.map(Version).ok_or_else(bad)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

impl<'de> serde::Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Version, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)*$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_not_letters() {
        let version = |text: &str| text.parse::<Version>();
        assert!(version("2026.9.1").unwrap() < version("2026.11").unwrap());
        assert!(version("1.0").unwrap() > version("1").unwrap());
        assert_eq!(version("2026.11.1").unwrap().to_string(), "2026.11.1");
        for wrong in ["", "1.", ".1", "1..2", "v1", "1.0-rc1", "01.2", "+1", "-1", "1.18446744073709551616", "../1"] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }
}
