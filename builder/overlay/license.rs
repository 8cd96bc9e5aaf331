//! [`License`]: under what terms something from outside may be passed on.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// An SPDX license expression (SPDX 2.3, annex D) of licenses on SPDX's list, such as `Apache-2.0` or
/// `MIT OR Apache-2.0`. Spelt exactly as there: an inventory with another name in it would be refused by who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct License(String);

impl fmt::Display for License {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for License {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<License, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = |why: String| {
            let example = "it is an SPDX expression like \"Apache-2.0\" or \"MIT OR Apache-2.0\"";
            de::Error::custom(format!("`{text}` is no license ({why}): {example}"))
        };
        let parsed = spdx::Expression::parse(&text).map_err(|error| bad(error.reason.to_string()))?;
        // Which the reader of expressions takes in any case, and the readers of SPDX 2.3 do not.
        let operator = |word: &str| ["AND", "OR", "WITH"].into_iter().find(|known| word.eq_ignore_ascii_case(known));
        if let Some(word) = text.split([' ', '(', ')']).find(|word| operator(word).is_some_and(|known| known != *word))
        {
            return Err(bad(format!("`{word}` is written in capitals")));
        }
        // The text of a license of one's own would have to stand in the inventory too.
        match parsed.requirements().all(|one| one.req.license.id().is_some()) {
            true => Ok(License(text)),
            false => Err(bad("it refers to one that is not on SPDX's list".into())),
        }
    }
}

impl JsonSchema for License {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "License".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "description": "An SPDX license expression, like Apache-2.0" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expressions_of_spdx() {
        let read = |text: &str| serde_json::from_str::<License>(&format!("{text:?}"));
        for text in
            ["Apache-2.0", "MIT OR Apache-2.0", "(MIT AND BSD-3-Clause) OR GPL-2.0-only WITH Classpath-exception-2.0"]
        {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        for text in
            ["", "Apache", "apache-2.0", "Apache-2.0 or MIT", "Apache-2.0,MIT", "GPL-2.0", "LicenseRef-Ours", "NONE"]
        {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("is no license"), "{text}: {error}");
        }
    }
}
