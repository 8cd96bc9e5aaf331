//! Names that objects may have (kubernetes.io, "Object Names and IDs", "Labels and Selectors"; RFC 1123, RFC 1035).

use super::documents::walk;
use crate::document::yaml::Node;

/// What is wrong with the names of an object: the line, and what it is.
pub fn amiss(object: &Node, kind: &str) -> Vec<(u32, String)> {
    let mut amiss = Vec::new();
    let metadata = object.get("metadata");
    let name = metadata.and_then(|metadata| metadata.get("name"));
    let is_generated = metadata.is_some_and(|metadata| metadata.text("generateName").is_some());
    match name.and_then(Node::as_text) {
        Some(text) if !is_name(kind, text) => {
            let line = name.map_or(object.line, |name| name.line);
            amiss.push((line, format!("has a name that {}", rule(kind))));
        }
        Some(_) => {}
        None if is_generated => {}
        None => amiss.push((object.line, "has no metadata.name".to_owned())),
    }
    if let Some(namespace) = metadata.and_then(|metadata| metadata.get("namespace")) {
        let text = namespace.as_text().unwrap_or_default();
        if !text.is_empty() && !is_label(text) {
            amiss.push((namespace.line, format!("is in the namespace `{text}`, which is no RFC 1123 label")));
        }
    }
    walk(object, &mut |node| {
        containers(node, &mut amiss);
        if let Some(labels) = node.get("metadata").and_then(|metadata| metadata.get("labels")) {
            for (key, value) in labels.fields() {
                if !is_qualified(&key.text) || !value.as_text().is_none_or(is_label_value) {
                    amiss.push((key.line, format!("has the label `{}`, whose name or value is not valid", key.text)));
                }
            }
        }
    });
    amiss
}

fn containers(node: &Node, amiss: &mut Vec<(u32, String)>) {
    let mut seen: Vec<&str> = Vec::new();
    for one in ["containers", "initContainers"].into_iter().flat_map(|key| node.list(key)) {
        let name = one.text("name").unwrap_or_default();
        let says = match name {
            "" => "has a container without a name".to_owned(),
            _ if !is_label(name) => format!("has the container `{name}`, which is no RFC 1123 label"),
            _ if seen.contains(&name) => format!("has two containers `{name}`"),
            _ => {
                seen.push(name);
                continue;
            }
        };
        amiss.push((one.line, says));
    }
}

/// Whether an object of a kind may be called so.
fn is_name(kind: &str, name: &str) -> bool {
    match naming(kind) {
        Naming::Segment => !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%']),
        Naming::Label => is_label(name),
        Naming::Service => is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase()),
        Naming::Subdomain => is_subdomain(name),
    }
}

fn rule(kind: &str) -> &'static str {
    match naming(kind) {
        Naming::Segment => "is no segment of a path",
        Naming::Label => "is no RFC 1123 label",
        Naming::Service => "is no RFC 1035 label",
        Naming::Subdomain => "is no RFC 1123 subdomain",
    }
}

enum Naming {
    Segment,
    Label,
    Service,
    Subdomain,
}

fn naming(kind: &str) -> Naming {
    match kind {
        "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" | "IPAddress" => Naming::Segment,
        "Namespace" => Naming::Label,
        "Service" => Naming::Service,
        _ => Naming::Subdomain,
    }
}

fn is_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63 && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|c| edge(c) || c == '-')
}

fn is_subdomain(text: &str) -> bool {
    // No part is bounded by itself.
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part =
        |part: &str| part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || c == '-');
    text.len() <= 253 && text.split('.').all(is_part)
}

/// `NAME` or `PREFIX/NAME`.
fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && !name.is_empty() && is_label_value(name),
        None => !text.is_empty() && is_label_value(text),
    }
}

fn is_label_value(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text.starts_with(edge)
            && text.ends_with(edge)
            && text.chars().all(|c| edge(c) || "-_.".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_their_kind() {
        assert!(is_name("ClusterRole", "system:node") && !is_name("ClusterRole", "a/b"));
        assert!(is_name("Pod", "a.b-1") && !is_name("Pod", "a_b") && !is_name("Pod", "A") && !is_name("Pod", "a..b"));
        assert!(is_name("Service", "a1") && !is_name("Service", "1a") && !is_name("Namespace", "a.b"));
        assert!(is_qualified("node-role.kubernetes.io/control-plane") && !is_qualified("a/b/c") && !is_qualified("x/"));
        assert!(is_label_value("V1.2_3") && !is_label_value("-a"));
    }
}
