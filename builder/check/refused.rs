//! Values that an API server refuses though they are of their fields' types: selectors, ports, quantities.

use super::documents::walk;
use super::scalar::{Sense, as_json, sense};
use crate::document::yaml::{Content, Node};

/// What is refused of an object: the line, and why.
pub fn amiss(object: &Node, kind: &str) -> Vec<(u32, String)> {
    let mut amiss = Vec::new();
    selector(object, kind, &mut amiss);
    if kind == "Service" {
        for one in object.at(&["spec", "ports"]).map_or(&[][..], Node::items) {
            port(one, "port", false, &mut amiss);
            port(one, "targetPort", true, &mut amiss);
            port(one, "nodePort", true, &mut amiss);
        }
    }
    walk(object, &mut |node| {
        let containers = ["containers", "initContainers"].into_iter().flat_map(|key| node.list(key));
        containers.for_each(|container| of_container(container, &mut amiss));
    });
    amiss
}

/// Of what makes pods: they are not its own if they have other labels (kubernetes.io, "Deployment", "Selector").
fn selector(object: &Node, kind: &str, amiss: &mut Vec<(u32, String)>) {
    let wanted = match kind {
        "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet" => object.at(&["spec", "selector", "matchLabels"]),
        "ReplicationController" => object.at(&["spec", "selector"]),
        _ => None,
    };
    let labels = object.at(&["spec", "template", "metadata", "labels"]);
    for (key, value) in wanted.map_or(&[][..], Node::fields) {
        let (key, wanted) = (&key.text, value.as_text().unwrap_or_default());
        let why = match labels.and_then(|labels| labels.text(key)) {
            Some(own) if own == wanted => continue,
            Some(own) => format!("have `{own}`"),
            None => "have no such label".to_owned(),
        };
        amiss.push((value.line, format!("selects pods by `{key}`, which is `{wanted}`, and its own {why}")));
    }
}

fn of_container(container: &Node, amiss: &mut Vec<(u32, String)>) {
    for one in container.list("ports") {
        port(one, "containerPort", false, amiss);
        port(one, "hostPort", true, amiss);
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        for way in ["httpGet", "tcpSocket", "grpc"] {
            container.at(&[probe, way]).into_iter().for_each(|way| port(way, "port", false, amiss));
        }
    }
}

/// A number is a port's (RFC 793, 3.1), or 0 where that says none. What is no number is told by its type, or a name.
fn port(of: &Node, key: &str, may_be_none: bool, amiss: &mut Vec<(u32, String)>) {
    let Some(node) = of.get(key) else { return };
    let Content::Scalar { text, is_plain: true } = &node.content else { return };
    if let Sense::Integer(number) = as_json(sense(text))
        && i32::try_from(number).is_ok()
        && !(1..=65535).contains(&number)
        && !(may_be_none && number == 0)
    {
        amiss.push((node.line, format!("has the {key} {number}, which is no port: 1 to 65535 are")));
    }
}

/// Whether it is a quantity (kubernetes.io, "Quantity"): a number, and what it is counted in.
pub fn is_quantity(node: &Node) -> bool {
    let Content::Scalar { text, is_plain } = &node.content else { return true };
    if *is_plain && matches!(sense(text), Sense::Integer(_) | Sense::Float(_)) {
        return true;
    }
    // An empty one is 0.
    text.is_empty() || is_number_with_unit(text)
}

fn is_number_with_unit(text: &str) -> bool {
    const UNITS: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, unit) = unsigned.split_at(end);
    let is_number = number.matches('.').count() < 2 && number.contains(|c: char| c.is_ascii_digit());
    let exponent = unit.strip_prefix(['e', 'E']).map(|power| power.strip_prefix(['+', '-']).unwrap_or(power));
    let is_exponent = exponent.is_some_and(|power| !power.is_empty() && power.bytes().all(|c| c.is_ascii_digit()));
    is_number && (UNITS.contains(&unit) || is_exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::yaml;

    #[test]
    fn quantities() {
        let is = |text: &str| is_quantity(&yaml::read(text).unwrap()[0]);
        for text in [
            "1", "0.5", ".5", "1.", "100m", "1.5Gi", "'128Mi'", "12e6", "1E3", "1E", "-1k", "+2Ei", "5e-3", "''",
            "1_000",
        ] {
            assert!(is(text), "{text}");
        }
        for text in
            ["1Gb", "1GB", "1gi", "1 Gi", "500 m", "1K", "ten", "Gi", "1.2.3", "1KiB", "'.'", "1e", "1ee3", "0x1g"]
        {
            assert!(!is(text), "{text}");
        }
    }

    #[test]
    fn ports_and_selectors() {
        let told = |text: &str, kind: &str| amiss(&yaml::read(text).unwrap()[0], kind).len();
        assert_eq!(
            told("spec: {ports: [{port: 0, nodePort: 0, targetPort: 0}, {port: 65536, targetPort: web}]}", "Service"),
            2
        );
        assert_eq!(
            told(
                "spec: {containers: [{ports: [{containerPort: -1, hostPort: 0}], livenessProbe: {tcpSocket: {port: 99999}}}]}",
                "Pod"
            ),
            2
        );
        let set = "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: LABEL, c: d}}}}";
        assert_eq!(told(&set.replace("LABEL", "b"), "DaemonSet"), 0);
        assert_eq!(told(&set.replace("LABEL", "c"), "Deployment"), 1);
        assert_eq!(told(&set.replace("LABEL", "c"), "PodDisruptionBudget"), 0);
    }
}
