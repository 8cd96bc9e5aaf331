//! Names by which a machine asks others: its own list has them, or there is somebody to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use super::ends::{End, ends};
use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Batch, Machine};
use crate::bounded::Bounded;
use crate::digest::Digest;
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
pub fn check(batch: &Batch<'_>, findings: &mut Findings) {
    let declared = &batch.cluster.profile.declared;
    let (Ok(path), Ok(resolvers)) = (TreePath::from_relative(HOSTS), TreePath::from_relative(RESOLVERS)) else {
        return;
    };
    if !declared.network.dns.is_empty() {
        return;
    }
    let endpoint = declared.cluster.endpoint.as_ref().and_then(|end| End::parse(&format!("https://{end}")));
    // Every machine may ask the same list of all machines.
    let (mut names, mut known): (BTreeMap<&str, BTreeSet<String>>, _) = (BTreeMap::new(), Known::default());
    for url in batch.machines.iter().flat_map(|machine| &machine.plan.clients).flat_map(|client| &client.urls) {
        let hosts = || ends(url).filter(|end| end.address().is_none()).map(|end| end.host).collect();
        names.entry(&url.value).or_insert_with(hosts);
    }
    for machine in &batch.machines {
        let asks = machine.text(&resolvers).is_some_and(|text| text.contains("nameserver"));
        let Some(list) = List::of(machine, &path).filter(|_| !asks) else { continue };
        let mut asked: BTreeSet<&String> = endpoint.iter().map(|end| &end.host).collect();
        for url in machine.plan.clients.iter().flat_map(|client| &client.urls) {
            asked.extend(names.get(url.value.as_str()).into_iter().flatten());
        }
        for name in asked.into_iter().filter(|name| !known.has(name, &list)) {
            let says = format!("{path} lacks {name}, by which the machine asks a server");
            findings.add(&NAME_UNKNOWN, Spot { machine, path: &path, line: None }, says);
        }
    }
}

/// A list of hosts, and the SHA-256 of its bytes.
#[derive(Clone, Copy)]
pub struct List<'a> {
    /// By which it is known.
    pub digest: Digest,
    /// What it says.
    pub text: &'a str,
}

impl<'a> List<'a> {
    /// That of a machine, if the bundle has it.
    pub fn of(machine: &Machine<'a>, path: &TreePath) -> Option<List<'a>> {
        Some(List { digest: machine.digest(path)?, text: machine.text(path)? })
    }
}

/// What lists say of names: many machines have one list, and ask for the same names.
#[derive(Default)]
pub struct Known(Bounded<(Digest, String), Listed, NAMES>);

/// So many names are remembered.
const NAMES: usize = 16384;

/// What a list says of a name: whether it has it at all (an address with a zone is none that is compared), and its addresses.
#[derive(Clone)]
struct Listed {
    is_there: bool,
    addresses: Rc<[IpAddr]>,
}

impl Known {
    /// The addresses of a name in a list.
    pub fn addresses(&mut self, name: &str, list: &List<'_>) -> Rc<[IpAddr]> {
        self.listed(name, list).addresses
    }

    fn listed(&mut self, name: &str, list: &List<'_>) -> Listed {
        let find = || {
            let found = addresses_of(name, list.text);
            let addresses = found.iter().filter_map(|text| text.parse().ok()).collect();
            Listed { is_there: !found.is_empty(), addresses }
        };
        self.0.get_or((list.digest, name.to_owned()), find)
    }

    fn has(&mut self, name: &str, list: &List<'_>) -> bool {
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.listed(name, list).is_there
    }
}

/// What the lines of a list of hosts that have a name begin with: addresses (hosts(5)). Every machine may have a list of all
/// machines, so it is not taken apart: only lines that have the name somewhere are looked at.
pub fn addresses_of<'a>(name: &str, list: &'a str) -> Vec<&'a str> {
    let name = name.to_ascii_lowercase();
    let address = |line: &'a str| {
        let words = line.split('#').next().unwrap_or_default();
        let has = words.split_whitespace().skip(1).any(|word| word.eq_ignore_ascii_case(&name));
        has.then(|| words.split_whitespace().next()).flatten()
    };
    // Without a way out in the middle: the compiler makes it many bytes at once.
    if name.is_empty() || list.bytes().fold(false, |has, byte| has | byte.is_ascii_uppercase()) {
        return list.lines().filter_map(address).collect();
    }
    let mut starts: Vec<usize> =
        list.match_indices(&name).map(|(at, _)| list[..at].rfind('\n').map_or(0, |end| end + 1)).collect();
    starts.dedup();
    starts.into_iter().filter_map(|start| address(list[start..].lines().next()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_list() {
        fn list(text: &str) -> List<'_> {
            List { digest: Digest::of(text.as_bytes()), text }
        }
        let is_known = |name: &str, text: &str| Known::default().has(name, &list(text));
        let known = "127.0.0.1 localhost\n# 10.0.0.1 a\n10.0.0.2\tB b.example.org # c\n::1 b\n";
        assert_eq!(addresses_of("b", known), ["10.0.0.2", "::1"]);
        assert_eq!(addresses_of("b", &known.to_lowercase()), ["10.0.0.2", "::1"]);
        assert!(is_known("B", known) && is_known("fd00::1", known) && is_known("b.example.org", known));
        assert!(is_known("B.EXAMPLE.org", &known.to_lowercase()) && !is_known("example", &known.to_lowercase()));
        assert!(
            is_known("z", "fe80::1%eth0 z\n") && Known::default().addresses("z", &list("fe80::1%eth0 z\n")).is_empty()
        );
        assert!(!is_known("a", known) && !is_known("c", known) && !is_known("example", known));
    }
}
