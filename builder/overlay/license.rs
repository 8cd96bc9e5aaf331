//! [`License`]: under what terms something from outside may be passed on.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// An SPDX license expression (SPDX 2.3, annex D) of licenses and exceptions on SPDX's list, such as `Apache-2.0` or
/// `MIT OR Apache-2.0`. Spelt exactly as there: an inventory with another name in it would be refused by who reads it.
/// For the same reason less than annex D has: no `+` (spdx-tools 0.8 knows no `Apache-2.0+`), no reference to a text of
/// one's own, no white space but spaces, no deprecated name.
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
            de::Error::custom(format!("`{}` is no license ({why}): {example}", text.escape_debug()))
        };
        let parsed = spdx::Expression::parse(&text).map_err(|error| bad(error.reason.to_string()))?;
        if text.contains(|c: char| c.is_whitespace() && c != ' ') {
            return Err(bad("between its words is a space and no other white space".into()));
        }
        // Which the reader of expressions takes in any case, and the readers of SPDX 2.3 do not.
        let operator = |word: &str| ["AND", "OR", "WITH"].into_iter().find(|known| word.eq_ignore_ascii_case(known));
        if let Some(word) = text.split([' ', '(', ')']).find(|word| operator(word).is_some_and(|known| known != *word))
        {
            return Err(bad(format!("`{word}` is written in capitals")));
        }
        if text.contains('+') {
            return Err(bad("`+` is not understood everywhere; some licenses have an id with `-or-later`".into()));
        }
        match parsed.requirements().all(|one| is_listed(&one.req)) {
            true => Ok(License(text)),
            false => Err(bad("it refers to one that is not on SPDX's list".into())),
        }
    }
}

/// Whether license and addition are on SPDX's list: the text of one's own would have to stand in the inventory too.
fn is_listed(one: &spdx::LicenseReq) -> bool {
    // The crate has NOASSERTION beside that list, and names of GNU licenses without their end.
    let is_known = |id: spdx::LicenseId| {
        let is_whole = !id.is_gnu() || id.name.ends_with("-only") || id.name.ends_with("-or-later");
        is_whole && id.name != "NOASSERTION"
    };
    one.license.id().is_some_and(is_known) && one.addition.as_ref().is_none_or(|addition| addition.id().is_some())
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
        let read = |text: &str| serde_json::from_value::<License>(text.into());
        for text in [
            "Apache-2.0",
            "MIT OR Apache-2.0",
            "GFDL-1.1-invariants-only",
            "AGPL-3.0-or-later",
            "(MIT AND BSD-3-Clause) OR GPL-2.0-only WITH Classpath-exception-2.0",
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "Apache",
            "apache-2.0",
            "Apache-2.0 or MIT",
            "Apache-2.0,MIT",
            "GPL-2.0",
            "LicenseRef-Ours",
            "NONE",
            "NOASSERTION",
            "MIT OR NOASSERTION",
            "Apache-2.0\tOR\tMIT",
            "Apache-2.0\tor\tMIT",
            "Apache-2.0\u{a0}or\u{a0}MIT",
            "MIT\n",
            "MIT+",
            "GPL-2.0+",
            "GPL-2.0-or-later+",
            "GFDL-1.1-invariants",
            "Apache-2.0 WITH AdditionRef-ours",
            "Apache-2.0 WITH DocumentRef-x:AdditionRef-ours",
            "MIT OR (Apache-2.0 with LLVM-exception)",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("is no license"), "{text}: {error}");
        }
    }
}
