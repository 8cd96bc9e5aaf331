//! Objects of Kubernetes: what an API server, or a kubelet that reads pods from files, would refuse or pass over.

use std::collections::BTreeSet;

use super::documents::{Wrong, walk};
use super::kinds::{Kind, kind_of, misnamed, objects};
use super::names;
use super::refused;
use super::rule::{Rule, Severity};
use super::shapes::{self, Schemas, schema_of};
use super::typed::{Amiss, Fault};
use crate::document::yaml::Node;
use crate::tree::TreePath;

/// A field that there is none of.
pub const OBJECT_FIELD: Rule = Rule {
    id: "object-field",
    severity: Severity::Error,
    finds: "a field that an object's kind does not have",
    fate: "strict readers refuse the object (unknown field), others pass over the field",
    remedy: "correct the field's name, or put it where it belongs",
};
/// A kind that there is none of.
pub const OBJECT_KIND: Rule = Rule {
    id: "object-kind",
    severity: Severity::Warning,
    finds: "an object of a kind that its API version, one of Kubernetes' own, does not have",
    fate: "it is not applied (no matches for kind)",
    remedy: "correct the kind or the API version",
};
/// A value of another type.
pub const OBJECT_VALUE: Rule = Rule {
    id: "object-value",
    severity: Severity::Error,
    finds: "a value that cannot be read as what its field holds",
    fate: "the object is refused (cannot unmarshal)",
    remedy: "write the value that the field holds; numbers, true, yes and the like in quotes where it is text",
};
/// A name that is none.
pub const OBJECT_NAME: Rule = Rule {
    id: "object-name",
    severity: Severity::Error,
    finds: "an object, label or container whose name is not valid",
    fate: "the object is refused (metadata.name: Invalid value, or the like)",
    remedy: "give it a name of lower case letters, digits, `-`, and `.` where the kind allows it",
};
/// A value that is of its field's type, and that no API server takes.
pub const OBJECT_REFUSED: Rule = Rule {
    id: "object-refused",
    severity: Severity::Error,
    finds: "a selector that is not of the labels of its own pods, or a number of a port outside 1 to 65535",
    fate: "the object is refused (Invalid value)",
    remedy: "have the same labels in the selector and in the pods' template; give a port that there is",
};
/// An image that may be another one tomorrow.
pub const IMAGE_FLOATING: Rule = Rule {
    id: "image-floating",
    severity: Severity::Warning,
    finds: "an image by a tag that moves, which the bundle does not bring",
    fate: "machines run what the registry has at that hour, which nobody tested, and not all the same",
    remedy: "name a whole version or a digest (@sha256:...), or bring the image",
};

/// Looks at every object of a file.
pub fn look(path: &TreePath, nodes: &[Node], schemas: &Schemas, wrong: &mut Vec<Wrong>) {
    for object in nodes.iter().flat_map(objects) {
        if let Some(kind) = kind_of(object) {
            of_kind(path, object, kind, wrong);
        } else if let Some(schema) = schema_of(schemas, object) {
            let who = format!("{} of {path}", schema.kind);
            tell(&who, shapes::read(schema, object), wrong);
        } else if let Some(near) = misnamed(object) {
            let says = format!("{path} has an object of a kind that is none; perhaps `{near}` is meant");
            wrong.push(Wrong { rule: &OBJECT_KIND, line: object.line, says, unless: None });
        }
    }
}

fn of_kind(path: &TreePath, object: &Node, kind: &Kind, wrong: &mut Vec<Wrong>) {
    let name = object.at(&["metadata", "name"]).and_then(Node::as_text);
    let who = format!("{} {} of {path}", kind.name, name.unwrap_or("without a name"));
    tell(&who, (kind.read)(object), wrong);
    let told = |rule, (line, says)| Wrong { rule, line, says: format!("{who} {says}"), unless: None };
    wrong.extend(names::amiss(object, kind.name).into_iter().map(|one| told(&OBJECT_NAME, one)));
    wrong.extend(refused::amiss(object, kind.name).into_iter().map(|one| told(&OBJECT_REFUSED, one)));
    let mut images: BTreeSet<(u32, &str)> = BTreeSet::new();
    walk(object, &mut |node| {
        let containers = ["containers", "initContainers"].into_iter().flat_map(|key| node.list(key));
        images.extend(containers.filter_map(|one| one.get("image")).filter_map(|one| Some((one.line, one.as_text()?))));
    });
    for (line, image) in images {
        if let Some(why) = moves(image) {
            let says = format!("{who} runs the image {image}, which has {why}");
            wrong.push(Wrong { rule: &IMAGE_FLOATING, line, says, unless: Some(image.to_owned()) });
        }
    }
}

fn tell(who: &str, amiss: Vec<Amiss>, wrong: &mut Vec<Wrong>) {
    for Amiss { line, at, fault } in amiss {
        let (rule, says) = match fault {
            Fault::Unknown(near) => {
                let near = near.map_or_else(String::new, |near| format!("; perhaps `{near}` is meant"));
                (&OBJECT_FIELD, format!("{who} has `{at}`, which is no field of it{near}"))
            }
            Fault::Value(says) => (&OBJECT_VALUE, format!("{who}: {} {says}", if at.is_empty() { "it" } else { &at })),
        };
        wrong.push(Wrong { rule, line, says, unless: None });
    }
}

/// Why an image may be another one tomorrow: it has no tag, or one that is no version or the start of one.
fn moves(image: &str) -> Option<String> {
    if image.contains('@') {
        return None;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        None => Some("no tag, which is `latest`".to_owned()),
        Some((_, tag)) if !tag.contains(|c: char| c.is_ascii_digit()) => Some(format!("the tag `{tag}`")),
        Some((_, tag)) if is_start(tag) => Some(format!("the tag `{tag}`, the start of many versions")),
        Some(_) => None,
    }
}

/// Whether a tag is a major version alone, or a major and a minor one: what follows them moves (`1`, `v1.27`, `3.12-slim`). A
/// long number is a build's or a date, and what is numbered behind a dash is one of several.
fn is_start(tag: &str) -> bool {
    const LONGEST: usize = 4;
    let (version, variant) = tag.split_once('-').unwrap_or((tag, ""));
    let parts: Vec<&str> = version.strip_prefix('v').unwrap_or(version).split('.').collect();
    let is_number = |part: &&str| (1..=LONGEST).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
    parts.len() < 3 && parts.iter().all(is_number) && !variant.contains(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_move() {
        for image in ["a", "r:5000/a", "r/a:latest", "a:stable", "a:1", "r:5000/a:v1.2", "a:3.12-slim"] {
            assert!(moves(image).is_some(), "{image}");
        }
        for image in [
            "a:1.2.3",
            "r:5000/a:v1.20.4-alpine",
            "a:1.2-r3",
            "a:3.4-0",
            "a:20261122",
            "a:20261122.1",
            "a:v1beta1",
            "a:1a2b3c4",
            "a:latest@sha256:0000",
            "a:1@sha256:0000",
        ] {
            assert!(moves(image).is_none(), "{image}");
        }
    }
}
