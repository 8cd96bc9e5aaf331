//! YAML as its readers have it: with what merge keys bring (yaml.org/type/merge.html), and scalars as their tags say.

use std::collections::BTreeSet;

use super::scalar::{Sense, sense};
use crate::document::yaml::{Content, Key, Node};

/// What the tags of YAML's own types begin with (yaml.org/spec/1.2.2, 10).
const TYPES: &str = "tag:yaml.org,2002:";

/// A value with all that is in it.
pub fn resolved(node: Node) -> Node {
    let content = match node.content {
        Content::Scalar { text, is_plain } => scalar(text, is_plain, node.tag.as_deref()),
        Content::List(items) => Content::List(items.into_iter().map(resolved).collect()),
        Content::Map(fields) => Content::Map(merged(fields)),
    };
    Node { content, ..node }
}

fn scalar(text: String, is_plain: bool, tag: Option<&str>) -> Content {
    match tag.and_then(|tag| tag.strip_prefix(TYPES)) {
        Some("str" | "binary") => Content::Scalar { text, is_plain: false },
        // Nobody takes it for text.
        Some("bool") => match sense(&text) {
            Sense::Boolean(flag) => Content::Scalar { text: flag.to_string(), is_plain: true },
            _ => Content::Scalar { text, is_plain },
        },
        Some("int" | "float" | "null") => Content::Scalar { text, is_plain: true },
        _ => Content::Scalar { text, is_plain },
    }
}

/// The fields of a map: what it says itself counts before what is merged, and of that the first.
fn merged(fields: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    let (mut own, mut more) = (Vec::new(), Vec::new());
    for (key, value) in fields {
        let Node { line, tag, content } = resolved(value);
        let is_merge = key.is_plain && key.text == "<<";
        match content {
            Content::Map(fields) if is_merge => more.extend(fields),
            Content::List(items) if is_merge && items.iter().all(|item| matches!(item.content, Content::Map(_))) => {
                for item in items {
                    if let Content::Map(fields) = item.content {
                        more.extend(fields);
                    }
                }
            }
            content => own.push((key, Node { line, tag, content })),
        }
    }
    let mut known: BTreeSet<String> = own.iter().map(|(key, _): &(Key, Node)| key.text.clone()).collect();
    more.retain(|(key, _): &(Key, Node)| known.insert(key.text.clone()));
    own.extend(more);
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::yaml;

    fn read(text: &str) -> Node {
        resolved(yaml::read(text).unwrap().remove(0))
    }

    #[test]
    fn merged_maps() {
        let node =
            read("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: *a, x: 3}\nd: {<<: [*b, *a]}\ne: {'<<': *a}\n");
        let text = |path: &[&str]| node.at(path).and_then(Node::as_text).unwrap_or("none").to_owned();
        assert_eq!(["x", "y", "<<"].map(|key| text(&["c", key])), ["3", "1", "none"]);
        assert_eq!(["x", "y", "z"].map(|key| text(&["d", key])), ["1", "2", "2"]);
        assert_eq!(node.at(&["d"]).unwrap().fields().len(), 3);
        assert!(node.at(&["e", "<<"]).is_some());
    }

    #[test]
    fn scalars_as_their_tags_say() {
        let node = read("- !!str yes\n- !!int '10'\n- !!bool yes\n- !other 1\n- '1'\n");
        let scalar = |text: &str, is_plain| Content::Scalar { text: text.into(), is_plain };
        let found: Vec<&Content> = node.items().iter().map(|item| &item.content).collect();
        let wanted =
            [scalar("yes", false), scalar("10", true), scalar("true", true), scalar("1", true), scalar("1", false)];
        assert_eq!(found, wanted.iter().collect::<Vec<_>>());
    }
}
