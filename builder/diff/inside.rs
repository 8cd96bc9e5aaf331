//! What changed inside a file, in the words of its format. Formats are known by a name's ending and by their shape; what
//! a file is for nobody knows here.

use std::io::Cursor;

use serde::Serialize;

use super::certificates;
use super::detail::{Detail, Details};
use super::documents;
use super::lines::unified;
use super::programs;
use super::settings;
use super::units;
use super::value::{self, Value};
use crate::program::{self, Program};

/// What changed inside a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inside {
    /// unit, yaml, json, toml, settings, certificates, text, program, binary, secret, record, or large for what is compared by its digest
    /// alone.
    pub format: &'static str,
    /// Whether nothing but the writing changed: comments, order of keys, blanks.
    pub writing_only: bool,
    /// What changed, by its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// How many more details there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// Of text without a format, the difference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Inside {
    pub(super) fn of(format: &'static str, details: Details) -> Inside {
        let Details { told, more } = details;
        Inside { format, writing_only: told.is_empty(), details: told, more, lines: Vec::new() }
    }

    /// Nothing but that it is of this format.
    pub fn plain(format: &'static str) -> Inside {
        Inside { format, writing_only: false, details: Vec::new(), more: 0, lines: Vec::new() }
    }

    /// Of a secret, what its certificates say: they are public. Of what else is in it, nothing.
    pub fn secret(before: &[u8], after: &[u8]) -> Inside {
        let mut details = Details::default();
        certificates::compare("", &certificates::find(before), &certificates::find(after), &mut details);
        Inside { writing_only: false, ..Inside::of("secret", details) }
    }

    /// Of a file that is on both sides.
    pub fn changed(path: &str, before: &[u8], after: &[u8]) -> Inside {
        let (Some(a), Some(b)) = (text(before), text(after)) else {
            if let (Some(old), Some(new)) = (program(before), program(after)) {
                return programs::changed(&old, &new);
            }
            // What else is in them is not known: size and digest are told too.
            let mut details = Details::default();
            certificates::compare("", &certificates::find(before), &certificates::find(after), &mut details);
            return Inside { writing_only: false, ..Inside::of("binary", details) };
        };
        for format in formats(path) {
            let mut details = Details::default();
            // Where nothing is found although the bytes differ, that must be certain.
            match compare(format, a, b, &mut details) {
                Some(Certain::Yes) => return Inside::of(format, details),
                Some(Certain::No) if !details.is_empty() => return Inside::of(format, details),
                _ => {}
            }
        }
        Inside { lines: unified(a, b), ..Inside::plain("text") }
    }

    /// Of a file that is new: certificates by what they say if nothing else is in it, text as it is.
    pub fn added(bytes: &[u8]) -> Inside {
        let mut details = Details::default();
        match text(bytes) {
            Some(text) if certificates::are_all(text) => {
                certificates::compare("", &[], &certificates::find(bytes), &mut details);
                Inside { writing_only: false, ..Inside::of("certificates", details) }
            }
            Some(text) => {
                let mut lines = unified("", text);
                lines.retain(|line| line.starts_with('+') || line.starts_with("..."));
                Inside { lines, ..Inside::plain("text") }
            }
            None => program(bytes).map_or_else(
                || {
                    certificates::compare("", &[], &certificates::find(bytes), &mut details);
                    Inside { writing_only: false, ..Inside::of("binary", details) }
                },
                |program| programs::added(&program),
            ),
        }
    }
}

fn program(bytes: &[u8]) -> Option<Program> {
    program::identify(Cursor::new(bytes)).ok().flatten()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Whether nothing found is nothing changed.
enum Certain {
    Yes,
    No,
}

/// The formats that a file may have, by its name: one if its ending says it, else all that are known by their shape.
fn formats(path: &str) -> &'static [&'static str] {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("yaml" | "yml") => &["certificates", "yaml"],
        Some("json") => &["json"],
        Some("toml") => &["toml"],
        Some(
            "service" | "socket" | "timer" | "mount" | "automount" | "path" | "target" | "slice" | "scope" | "swap"
            | "network" | "netdev" | "link",
        ) => &["unit"],
        Some("sh" | "md" | "txt" | "ipxe") => &[],
        _ => &["certificates", "unit", "settings", "json", "yaml"],
    }
}

/// What changed if both sides have this format; none if not both have.
fn compare(format: &str, before: &str, after: &str, details: &mut Details) -> Option<Certain> {
    match format {
        "certificates" => {
            let found = before.trim_start().starts_with("-----BEGIN") && after.trim_start().starts_with("-----BEGIN");
            (found && certificates::compare_in("", before, after, details)).then_some(Certain::Yes)
        }
        "unit" => {
            units::compare(&units::read(before)?, &units::read(after)?, details);
            Some(Certain::Yes)
        }
        "settings" => {
            settings::compare(&settings::read(before)?, &settings::read(after)?, details);
            Some(Certain::Yes)
        }
        _ => {
            let read: fn(&str) -> Option<Value> = match format {
                "json" => documents::json,
                "toml" => documents::toml,
                _ => documents::yaml,
            };
            let (a, b) = (read(before)?, read(after)?);
            // Any word is a YAML document: only what has keys is known by its shape.
            if matches!(a, Value::Scalar(_)) || matches!(b, Value::Scalar(_)) {
                return None;
            }
            value::compare(&a, &b, details);
            Some(if a.is_exact() && b.is_exact() { Certain::Yes } else { Certain::No })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, before: &str, after: &str) -> (&'static str, bool, Vec<String>) {
        let inside = Inside::changed(path, before.as_bytes(), after.as_bytes());
        (inside.format, inside.writing_only, inside.details.into_iter().map(|detail| detail.at).collect())
    }

    #[test]
    fn formats_are_known_by_ending_and_by_shape() {
        let none = Vec::<String>::new;
        assert_eq!(told("/a.service", "[S]\nA=1\n", "[S]\nA=2\n"), ("unit", false, vec!["[S] A".into()]));
        assert_eq!(told("/a.conf", "[S]\nA=1\n", "[S]\n# x\nA=1\n"), ("unit", true, none()));
        assert_eq!(told("/a.conf", "a = 1\n", "a = 2\n"), ("settings", false, vec!["a".into()]));
        assert_eq!(told("/a.conf", "a: 1\nb: [x]\n", "a: 2\nb: [x]\n"), ("yaml", false, vec!["a".into()]));
        assert_eq!(told("/a", "{\"a\": 1}", "{\"a\": 2}"), ("json", false, vec!["a".into()]));
        assert_eq!(told("/a.toml", "a = 1", "a = 1 # x"), ("toml", true, none()));
        assert_eq!(told("/modules", "overlay\n", "overlay\nbr\n").0, "text");
        assert_eq!(told("/a.yaml", "a: 1\na: 2\n", "a: 3\n").0, "text");
        assert_eq!(told("/a.sh", "A=1\n", "A=2\n").0, "text");
        assert_eq!(Inside::changed("/a", b"\0a", b"\0b").format, "binary");
    }

    #[test]
    fn only_the_writing_is_said_only_of_what_is_exact() {
        assert_eq!(told("/a.json", "[0.1]", "[0.10000000000000000001]").0, "text");
        assert_eq!(told("/a.json", "[1]", "[ 1 ]"), ("json", true, Vec::new()));
        assert_eq!(told("/a.toml", "a = 1.0", "a = 1.00").0, "text");
    }

    #[test]
    fn a_secret_says_nothing() {
        let inside = Inside::secret(b"password: hunter2", b"password: hunter3");
        assert_eq!((inside.details, inside.lines), (Vec::new(), Vec::new()));
    }
}
