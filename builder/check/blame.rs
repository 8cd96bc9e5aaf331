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

/// What does not fit, with the machines that have it.
struct Fault<'a> {
    rule: &'static Rule,
    server: Option<(&'a Place, BTreeSet<&'a str>)>,
    client: (&'a Place, BTreeSet<&'a str>),
    says: String,
}

/// All that does not fit. A thing is here once, whatever the number of machines.
#[derive(Default)]
pub struct Faults<'a> {
    all: Vec<Fault<'a>>,
    by_what: BTreeMap<What<'a>, usize>,
    /// How often something did not fit.
    pub count: usize,
}

/// A rule, the places of both sides, and what is told.
type What<'a> = (&'static str, Option<&'a Place>, &'a Place, String);

impl<'a> Faults<'a> {
    /// Something between a server and a client.
    pub fn between(&mut self, rule: &'static Rule, server: Side<'a>, client: Side<'a>, says: String) {
        self.add(rule, Some(server), client, says);
    }

    /// Something that is wrong whoever is on the other side.
    pub fn of(&mut self, rule: &'static Rule, side: Side<'a>, says: String) {
        self.add(rule, None, side, says);
    }

    fn add(&mut self, rule: &'static Rule, server: Option<Side<'a>>, client: Side<'a>, says: String) {
        self.count += 1;
        let what = (rule.id, server.map(|side| side.place), client.place, says.clone());
        let index = *self.by_what.entry(what).or_insert_with(|| {
            let server = server.map(|side| (side.place, BTreeSet::new()));
            self.all.push(Fault { rule, server, client: (client.place, BTreeSet::new()), says });
            self.all.len() - 1
        });
        let fault = &mut self.all[index];
        fault.client.1.insert(client.machine);
        if let (Some((_, machines)), Some(side)) = (&mut fault.server, server) {
            machines.insert(side.machine);
        }
    }

    /// Whether this is told already between two places.
    pub fn has(&self, rule: &Rule, server: &Place, client: &Place) -> bool {
        let is = |fault: &Fault<'_>| {
            fault.rule.id == rule.id
                && fault.client.0 == client
                && fault.server.as_ref().is_some_and(|(place, _)| *place == server)
        };
        self.all.iter().any(is)
    }

    /// Tells them: each place once for each rule, and of rules that are said of one place the first. If more than one client
    /// place does not fit a server's, it is the server's fault.
    pub fn tell(self, findings: &mut Findings) {
        let mut complaints: BTreeMap<(&str, &Place), BTreeSet<&Place>> = BTreeMap::new();
        for fault in &self.all {
            if let Some((server, _)) = &fault.server {
                complaints.entry((fault.rule.id, server)).or_default().insert(fault.client.0);
            }
        }
        let mut told: BTreeMap<&Place, (&'static Rule, BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
        for fault in &self.all {
            let many = |(place, _): &&(&Place, BTreeSet<&str>)| {
                complaints.get(&(fault.rule.id, *place)).is_some_and(|all| all.len() > 1)
            };
            let (place, machines) = fault.server.as_ref().filter(many).unwrap_or(&fault.client);
            let (rule, says, on) = told.entry(place).or_insert_with(|| (fault.rule, BTreeSet::new(), BTreeSet::new()));
            if rule.id == fault.rule.id {
                says.insert(&fault.says);
                on.extend(machines);
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
