//! What two servers cannot both have.

use super::ends::{End, ends};
use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::Cluster;

/// A port that is taken.
pub const PORT_TWICE: Rule = Rule {
    id: "port-twice",
    severity: Severity::Error,
    finds: "two servers that listen on one port of a machine",
    fate: "the second one to start fails: the address is in use",
    remedy: "give one of them another port or address",
};

/// Looks at the servers of each machine, two and two.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    for machine in &cluster.machines {
        let servers = &machine.plan.servers;
        for (index, server) in servers.iter().enumerate() {
            for other in &servers[..index] {
                let own: Vec<End> = server.listen.iter().flat_map(|list| ends(list)).collect();
                let taken: Vec<End> = other.listen.iter().flat_map(|list| ends(list)).collect();
                let Some(end) = own.iter().find(|end| taken.iter().any(|taken| end.overlaps(taken))) else { continue };
                let says = format!("{} and {} both listen on port {}", other.name, server.name, end.port);
                let mut finding = Finding::of(&PORT_TWICE, says);
                finding.place = server.listen.first().map(|listen| listen.place.clone());
                finding.on.insert(machine.name.to_owned());
                findings.note(finding);
            }
        }
    }
}
