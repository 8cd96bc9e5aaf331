//! [`Rule`]: a check by its name: what it finds, what goes wrong on the machine, and what to do.

use serde::Serialize;

pub use crate::overlay::declare::Severity;

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
