//! Names by which a machine asks others: its own list has them, or there is somebody to ask.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::ends::{End, ends};
use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::Cluster;
use crate::tree::TreePath;

/// Where a machine looks first (hosts(5)), and who it asks then (resolv.conf(5)).
const HOSTS: &str = "etc/hosts";
const RESOLVERS: &str = "etc/resolv.conf";

/// A name that nobody knows.
pub const NAME_UNKNOWN: Rule = Rule {
    id: "name-unknown",
    severity: Severity::Warning,
    finds: "a name by which a machine asks a server, and that its /etc/hosts lacks while the profile names no resolver",
    fate: "the connection is not even tried: no such host",
    remedy: "add the name to /etc/hosts, or a resolver that knows it to [network] dns",
};

/// Looks at the machines whose /etc/hosts the bundle has: what others know is not known here.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    let declared = &cluster.profile.declared;
    let (Ok(path), Ok(resolvers)) = (TreePath::from_relative(HOSTS), TreePath::from_relative(RESOLVERS)) else {
        return;
    };
    if !declared.network.dns.is_empty() {
        return;
    }
    let endpoint = declared.cluster.endpoint.as_ref().and_then(|end| End::parse(&format!("https://{end}")));
    for machine in &cluster.machines {
        let asks = machine.text(&resolvers).is_some_and(|text| text.contains("nameserver"));
        let Some(text) = machine.text(&path).filter(|_| !asks) else { continue };
        let known = listed(&text);
        let urls = machine.plan.clients.iter().flat_map(|client| client.urls.iter().flat_map(|url| ends(url)));
        let asked: BTreeSet<String> = endpoint.iter().cloned().chain(urls).map(|end| end.host).collect();
        for name in asked.iter().filter(|name| !is_known(name, &known)) {
            let says = format!("{path} lacks {name}, by which the machine asks a server");
            findings.add(&NAME_UNKNOWN, Spot { machine, path: &path, line: None }, says);
        }
    }
}

fn is_known(name: &str, known: &BTreeSet<String>) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok() || known.contains(&name.to_ascii_lowercase())
}

/// The names in a list of hosts.
fn listed(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(|line| line.split_whitespace().skip(1)).map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_list() {
        let known = listed("127.0.0.1 localhost\n# 10.0.0.1 a\n10.0.0.2\tB b.example.org # c\n");
        assert_eq!(known, ["b", "b.example.org", "localhost"].map(str::to_owned).into());
        assert!(is_known("B", &known) && is_known("fd00::1", &known) && !is_known("a", &known));
    }
}
