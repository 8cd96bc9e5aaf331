//! Whose fault it is when two do not fit: told once, at the one of both sides that others do not fit either.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Findings};
use super::rule::Rule;
use crate::error::Place;

/// One side of what does not fit: where it is said, and on which machine.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Where it is said.
    pub place: &'a Place,
    /// The machine.
    pub machine: &'a str,
}

/// What does not fit.
struct Fault<'a> {
    rule: &'static Rule,
    server: Option<Side<'a>>,
    client: Side<'a>,
    says: String,
}

/// All that does not fit.
#[derive(Default)]
pub struct Faults<'a>(Vec<Fault<'a>>);

impl<'a> Faults<'a> {
    /// Something between a server and a client.
    pub fn between(&mut self, rule: &'static Rule, server: Side<'a>, client: Side<'a>, says: String) {
        self.0.push(Fault { rule, server: Some(server), client, says });
    }

    /// Something that is wrong whoever is on the other side.
    pub fn of(&mut self, rule: &'static Rule, side: Side<'a>, says: String) {
        self.0.push(Fault { rule, server: None, client: side, says });
    }

    /// Whether this is told already between two places.
    pub fn has(&self, rule: &Rule, server: &Place, client: &Place) -> bool {
        let is = |fault: &Fault<'_>| {
            fault.rule.id == rule.id
                && fault.client.place == client
                && fault.server.is_some_and(|side| side.place == server)
        };
        self.0.iter().any(is)
    }

    /// Tells them: each place once for each rule, and of rules that are said of one place the first. If more than one client
    /// place does not fit a server's, it is the server's fault.
    pub fn tell(self, findings: &mut Findings) {
        let mut complaints: BTreeMap<(&str, &Place), BTreeSet<&Place>> = BTreeMap::new();
        for fault in &self.0 {
            if let Some(server) = fault.server {
                complaints.entry((fault.rule.id, server.place)).or_default().insert(fault.client.place);
            }
        }
        let mut told: BTreeMap<&Place, (&'static Rule, BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
        for fault in &self.0 {
            let many =
                |server: &Side<'_>| complaints.get(&(fault.rule.id, server.place)).is_some_and(|all| all.len() > 1);
            let side = fault.server.filter(many).unwrap_or(fault.client);
            let (rule, says, on) =
                told.entry(side.place).or_insert_with(|| (fault.rule, BTreeSet::new(), BTreeSet::new()));
            if rule.id == fault.rule.id {
                says.insert(&fault.says);
                on.insert(side.machine);
            }
        }
        for (place, (rule, says, on)) in told {
            let more = match says.len() {
                1 => String::new(),
                count => format!(" (and {} more like it)", count - 1),
            };
            let first = says.first().copied().unwrap_or_default();
            let mut finding = Finding::of(rule, format!("{first}{more}"));
            finding.place = Some(place.clone());
            finding.on = on.into_iter().map(str::to_owned).collect();
            findings.note(finding);
        }
    }
}
