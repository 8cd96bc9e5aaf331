//! What was found: once for each thing that is wrong, whatever the number of machines that have it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::rule::{Rule, Severity};
use super::subject::Machine;
use crate::build::Met;
use crate::error::Place;
use crate::tree::TreePath;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence that names the things.
    pub says: String,
    /// What will go wrong on the machine.
    pub fate: String,
    /// What to do.
    pub remedy: String,
    /// Where it is declared, in the profile or an overlay.
    pub place: Option<Place>,
    /// The file on the machines that says it, and the line in it.
    pub file: Option<(TreePath, Option<u32>)>,
    /// The machines that have it; none if it is the cluster's.
    pub on: BTreeSet<String>,
}

/// Where something is on a machine.
#[derive(Clone, Copy)]
pub struct Spot<'a> {
    /// The machine.
    pub machine: &'a Machine<'a>,
    /// The file.
    pub path: &'a TreePath,
    /// The line in it, from 1, if one is meant.
    pub line: Option<u32>,
}

/// What the checks found so far.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<Key, Finding>);

/// In the order in which findings are told: by severity, place, name.
type Key = (Severity, Option<Place>, String, String, Option<(TreePath, Option<u32>)>);

impl Findings {
    /// Notes what a rule found at a spot.
    pub fn add(&mut self, rule: &Rule, spot: Spot<'_>, says: impl Into<String>) {
        let mut finding = Finding::of(rule, says.into());
        finding.place = spot.machine.place(spot.path).cloned().map(|place| in_file(place, spot.line));
        finding.file = Some((spot.path.clone(), spot.line));
        finding.on.insert(spot.machine.name.to_owned());
        self.note(finding);
    }

    /// Notes a finding.
    pub fn note(&mut self, finding: Finding) {
        let Finding { severity, place, id, says, file, .. } = &finding;
        let key = (*severity, place.clone(), id.clone(), says.clone(), file.clone());
        let known = self.0.entry(key).or_insert_with(|| Finding { on: BTreeSet::new(), ..finding.clone() });
        known.on.extend(finding.on);
    }

    /// Takes over other findings.
    pub fn append(&mut self, others: Findings) {
        others.finish().into_iter().for_each(|finding| self.note(finding));
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something is said of a place already.
    pub fn is_told(&self, place: &Place) -> bool {
        self.0.values().any(|finding| finding.place.as_ref() == Some(place))
    }

    /// All of them, the worst first.
    pub fn finish(self) -> Vec<Finding> {
        self.0.into_values().collect()
    }
}

/// The line of a file that an overlay has as it is; what a template makes has other lines.
fn in_file(place: Place, line: Option<u32>) -> Place {
    let is_taken = place.file.contains("/root/") && !place.file.ends_with(".j2");
    Place { line: line.filter(|_| is_taken).unwrap_or(place.line), ..place }
}

impl Finding {
    /// What a rule found, nowhere yet.
    pub fn of(rule: &Rule, says: String) -> Finding {
        Finding {
            id: rule.id.to_owned(),
            severity: rule.severity,
            says,
            fate: rule.fate.to_owned(),
            remedy: rule.remedy.to_owned(),
            place: None,
            file: None,
            on: BTreeSet::new(),
        }
    }
}

impl Finding {
    /// What is wrong, where, and by which rule.
    pub fn sentence(&self) -> String {
        let on: Vec<&str> = self.on.iter().map(String::as_str).collect();
        let on = match on[..] {
            [] => String::new(),
            [machine] => format!(" on {machine}"),
            [first, ..] => format!(" on {first} and {} more", on.len() - 1),
        };
        format!("{}{on}: {} ({})", self.says, self.fate, self.id)
    }
}

/// What a plan is refused for unless the profile accepts it.
impl From<&Met> for Finding {
    fn from(met: &Met) -> Finding {
        Finding {
            id: met.id.clone(),
            severity: Severity::Error,
            says: met.says.clone(),
            fate: "no release is built, unless the profile says why it is right".to_owned(),
            remedy: "do without it".to_owned(),
            place: Some(met.place.clone()),
            file: None,
            on: BTreeSet::new(),
        }
    }
}

/// With its place before it.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.sentence()),
            None => f.write_str(&self.sentence()),
        }
    }
}

/// What JSON reports have of a finding.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    id: &'a str,
    severity: Severity,
    says: &'a str,
    fate: &'a str,
    remedy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    machines: &'a BTreeSet<String>,
}

impl<'a> From<&'a Finding> for Record<'a> {
    fn from(finding: &'a Finding) -> Record<'a> {
        Record {
            id: &finding.id,
            severity: finding.severity,
            says: &finding.says,
            fate: &finding.fate,
            remedy: &finding.remedy,
            place: finding.place.as_ref().map(ToString::to_string),
            file: finding.file.as_ref().map(|(path, _)| path.to_string()),
            line: finding.file.as_ref().and_then(|(_, line)| *line),
            machines: &finding.on,
        }
    }
}
