//! [`Rule`]: a check by its name: what it finds, what goes wrong on the machine, and what to do.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The machine does not do what it is for: a release is not built.
    Error,
    /// It works, and something a person should know is wrong.
    Warning,
    /// Something could not be looked at, or is worth knowing.
    Note,
}

impl Severity {
    /// As reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// A check of the program's own; those of overlays are declared there.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// By which a profile accepts it: `[[accept]] finding = "ID"`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it finds.
    pub finds: &'static str,
    /// What will go wrong on the machine.
    pub fate: &'static str,
    /// What to do.
    pub remedy: &'static str,
}
