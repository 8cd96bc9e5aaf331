//! What overlays find wrong, by their own `[[checks]]`.

use super::finding::{Finding, Findings};
use super::subject::Whole;

/// Takes over what holds on each machine, at the flag that it is about if there is one.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    // What a program finds is not found yet.
    for declared in machine.plan.checks.iter().filter(|declared| declared.run.is_empty()) {
        findings.note(Finding {
            id: declared.id.clone(),
            severity: declared.severity,
            says: declared.says.value.clone(),
            fate: declared.fate.clone(),
            remedy: declared.remedy.clone(),
            place: Some(declared.says.place.clone()),
            file: None,
            on: [machine.name.to_owned()].into(),
        });
    }
}
