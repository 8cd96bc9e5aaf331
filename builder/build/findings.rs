//! What must not be done without a reason: overlays say what that is, and a profile that does it accepts it by name.

use std::collections::BTreeMap;

use crate::error::{Class, Error, Place};
use crate::overlay::declare::FindingDeclaration;
use crate::profile::Profile;

/// What was found, and what is accepted.
#[derive(Debug)]
pub struct Findings {
    accepted: BTreeMap<String, Accepted>,
    found: BTreeMap<String, Finding>,
    met: BTreeMap<(String, String), Place>,
    faults: Vec<Error>,
}

/// Something that was found and is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// By what it is accepted.
    pub id: String,
    /// What goes wrong.
    pub says: String,
    /// Where it is declared.
    pub place: Place,
}

#[derive(Debug)]
struct Accepted {
    place: Place,
    used: bool,
}

#[derive(Debug)]
struct Finding {
    says: String,
    class: Class,
    place: Place,
}

impl Findings {
    /// Nothing found yet; what the profile accepts.
    pub fn new(profile: &Profile) -> Findings {
        let (mut accepted, mut faults) = (BTreeMap::new(), Vec::new());
        for one in &profile.declared.accept {
            let place = one.place.clone();
            if one.reason.trim().is_empty() {
                let error = Error::usage(format!("the finding `{}` is accepted without a reason", one.finding));
                faults.push(error.advise("say why it is right here").at(&place));
            }
            if accepted.insert(one.finding.clone(), Accepted { place: place.clone(), used: false }).is_some() {
                faults.push(Error::usage(format!("the finding `{}` is accepted twice", one.finding)).at(&place));
            }
        }
        Findings { accepted, found: BTreeMap::new(), met: BTreeMap::new(), faults }
    }

    /// Notes a finding; `class` is what it is if nobody accepts it.
    pub fn add(&mut self, declared: &FindingDeclaration, class: Class, place: &Place) {
        match self.accepted.get_mut(&declared.id) {
            Some(accepted) => {
                accepted.used = true;
                let finding = (declared.id.clone(), declared.says.clone());
                self.met.entry(finding).or_insert_with(|| place.clone());
            }
            None => {
                let finding = Finding { says: declared.says.clone(), class, place: place.clone() };
                self.found.insert(declared.id.clone(), finding);
            }
        }
    }

    /// What is accepted and was not found here, with where it is said.
    pub fn unmet(&self) -> BTreeMap<String, Place> {
        let unmet = self.accepted.iter().filter(|(_, accepted)| !accepted.used);
        unmet.map(|(id, accepted)| (id.clone(), accepted.place.clone())).collect()
    }

    /// What is accepted and was found.
    pub fn met(&self) -> Vec<Met> {
        let met = |((id, says), place): (&(String, String), &Place)| Met {
            id: id.clone(),
            says: says.clone(),
            place: place.clone(),
        };
        self.met.iter().map(met).collect()
    }

    /// Every finding that nobody accepted.
    pub fn finish(&mut self) -> Vec<Error> {
        let mut errors = std::mem::take(&mut self.faults);
        for (id, finding) in std::mem::take(&mut self.found) {
            let message = format!("{} ({id})", finding.says);
            let error = Error::new(finding.class, message).at(&finding.place);
            errors.push(error.advise(format!(
                "do without it, or accept it in the profile: [[accept]] finding = \"{id}\", reason = \"...\""
            )));
        }
        errors
    }
}
