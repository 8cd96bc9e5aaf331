//! What two servers, pods or sockets of a machine cannot both have.

use std::collections::BTreeSet;

use super::enabled::is_enabled;
use super::ends::{End, ends};
use super::finding::{Finding, Findings, Spot};
use super::kinds::{kind_of, objects};
use super::rule::{Rule, Severity};
use super::scalar::{Sense, sense};
use super::subject::{Machine, Whole};
use crate::document::yaml::Node;
use crate::tree::TreePath;

/// A port that is taken.
pub const PORT_TWICE: Rule = Rule {
    id: "port-twice",
    severity: Severity::Error,
    finds: "two servers, pods with ports of the machine, or enabled sockets that listen on one port of a machine",
    fate: "the second one to start fails (address already in use), or is not let in (NodePorts)",
    remedy: "give one of them another port or address",
};

/// A port of a machine that somebody has.
struct Held<'a> {
    who: String,
    /// Those of one place are on the machine together.
    among: Option<TreePath>,
    end: End,
    is_datagram: bool,
    path: &'a TreePath,
    line: u32,
}

/// Looks at what listens on each machine, two and two. Pods and sockets are not compared with servers: they may be the same.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    let told = servers(machine, findings);
    apart(machine, &of_pods(machine), &told, findings);
    apart(machine, &of_sockets(machine), &told, findings);
}

/// The ports that two declared servers have, which are told.
fn servers(machine: &Machine<'_>, findings: &mut Findings) -> BTreeSet<u16> {
    let (servers, mut told) = (&machine.plan.servers, BTreeSet::new());
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
            told.insert(end.port);
        }
    }
    told
}

/// Tells of each two the first port that both have.
fn apart(machine: &Machine<'_>, held: &[Held<'_>], told: &BTreeSet<u16>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, one) in held.iter().enumerate().filter(|(_, one)| !told.contains(&one.end.port)) {
        let is_same = |other: &&Held<'_>| {
            other.among == one.among && other.is_datagram == one.is_datagram && other.end.overlaps(&one.end)
        };
        for other in held[..index].iter().filter(|other| other.who != one.who).filter(is_same) {
            if seen.insert((&other.who, &one.who)) {
                let says = format!("{} and {} both listen on port {}", other.who, one.who, one.end.port);
                findings.add(&PORT_TWICE, Spot { machine, path: one.path, line: Some(one.line) }, says);
            }
        }
    }
}

/// The ports of the machine that its pods have. One in the machine's network has those of its containers (kubernetes.io,
/// "ContainerPort").
fn of_pods<'a>(machine: &'a Whole<'a>) -> Vec<Held<'a>> {
    let mut held = Vec::new();
    for document in &machine.documents {
        for pod in document.nodes().iter().flat_map(objects).filter(|object| object.text("kind") == Some("Pod")) {
            let Some(spec) = kind_of(pod).and_then(|_| pod.get("spec")) else { continue };
            let name = pod.at(&["metadata", "name"]).and_then(Node::as_text).unwrap_or("without a name");
            let is_on_host = spec.text("hostNetwork").is_some_and(|text| sense(text) == Sense::Boolean(true));
            for container in spec.list("containers") {
                let own = container.text("name").unwrap_or("without a name");
                for port in container.list("ports") {
                    let number =
                        |key| port.text(key).and_then(|text| text.parse::<u16>().ok()).filter(|port| *port > 0);
                    let on_host = number("hostPort").or_else(|| number("containerPort").filter(|_| is_on_host));
                    let Some(number) = on_host else { continue };
                    let host = port.text("hostIP").filter(|host| !host.is_empty()).unwrap_or("*");
                    held.push(Held {
                        who: format!("the container {own} of the pod {name} ({})", document.path),
                        // What an API server is given from elsewhere may run on another machine.
                        among: document.path.parent(),
                        end: End { tls: None, host: host.to_owned(), port: number },
                        is_datagram: port.text("protocol") == Some("UDP"),
                        path: document.path,
                        line: port.line,
                    });
                }
            }
        }
    }
    held
}

/// The ports of sockets that are enabled (systemd.socket(5), "ListenStream="), without those that may be shared.
fn of_sockets<'a>(machine: &'a Whole<'a>) -> Vec<Held<'a>> {
    let mut held = Vec::new();
    for unit in machine.units.iter().filter(|unit| unit.name.ends_with(".socket") && is_enabled(machine, unit.name)) {
        if unit.is_true("ReusePort") || ["BindToDevice", "BindIPv6Only"].iter().any(|key| unit.last(key).is_some()) {
            continue;
        }
        for said in &unit.settings {
            let value = said.setting.value.as_str();
            let end = match value.parse::<u16>() {
                Ok(port) => Some(End { tls: None, host: "*".to_owned(), port }),
                Err(_) => Some(value)
                    .filter(|value| value.starts_with(|c: char| c.is_ascii_digit() || c == '['))
                    .and_then(End::parse),
            };
            let is_datagram = said.setting.key == "ListenDatagram";
            if let (Some(end), true) = (end, is_datagram || said.setting.key == "ListenStream") {
                let (path, line) = (said.path, said.setting.line);
                held.push(Held { who: unit.name.to_owned(), among: None, end, is_datagram, path, line });
            }
        }
    }
    held
}
