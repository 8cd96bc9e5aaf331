//! What checks of overlays see of a machine's files, once all are placed: `file(PATH, KEY, DEFAULT)` and `mode(PATH)`.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::Value as Jinja;

use crate::document::yaml::{self, Content as Said, Node as Yaml};
use crate::overlay::Global;
use crate::tree::{Content, Node, Secrecy, Tree, TreePath};

/// The two functions, over the files that overlays have placed.
pub fn functions(tree: &Tree) -> [(String, Global); 2] {
    let seen: BTreeMap<TreePath, (u32, Option<Content>)> =
        tree.iter().map(|(path, entry)| (path.clone(), (entry.mode, public(entry)))).collect();
    let (seen, named) = (Arc::new(seen), |name: &str, function| (name.to_owned(), Global::Ready(function)));
    let for_file = seen.clone();
    let file = move |path: String, key: String, default: Option<Jinja>| {
        let found = path.parse().ok().and_then(|path: TreePath| for_file.get(&path));
        let mut value = match found {
            Some((_, Some(Content::Inline(bytes)))) => read(bytes),
            _ => Jinja::from(()),
        };
        for part in key.split('.') {
            value = value.get_attr(part).ok().filter(|value| !value.is_undefined()).unwrap_or_default();
        }
        if value.is_undefined() || value.is_none() { default.unwrap_or(Jinja::from(())) } else { value }
    };
    let mode = move |path: String| {
        let found = path.parse().ok().and_then(|path: TreePath| seen.get(&path));
        found.map_or(Jinja::from(()), |(mode, _)| Jinja::from(format!("{mode:04o}")))
    };
    [named("file", Jinja::from_function(file)), named("mode", Jinja::from_function(mode))]
}

/// What a file holds, if it is no secret: what is told of a finding may not have a part of one.
fn public(entry: &crate::tree::Entry) -> Option<Content> {
    match &entry.node {
        Node::File(content) if entry.secrecy == Secrecy::Public => Some(content.clone()),
        _ => None,
    }
}

/// The one document of a YAML or JSON file; none if it is neither.
fn read(bytes: &[u8]) -> Jinja {
    let documents = std::str::from_utf8(bytes).ok().and_then(|text| yaml::read(text).ok());
    match documents.as_deref() {
        Some([document]) => value(document),
        _ => Jinja::from(()),
    }
}

/// Of a key that stands twice the last counts, as in most readers.
fn value(node: &Yaml) -> Jinja {
    match &node.content {
        Said::Scalar { text, is_plain: true } if node.tag.is_none() => plain(text),
        Said::Scalar { text, .. } => Jinja::from(text.as_str()),
        Said::List(items) => items.iter().map(value).collect(),
        Said::Map(fields) => {
            let fields: BTreeMap<&str, Jinja> =
                fields.iter().map(|(key, node)| (key.text.as_str(), value(node))).collect();
            Jinja::from_pairs(fields)
        }
    }
}

/// A word without quotes (yaml.org/spec/1.2.2, 10.3.2), without octal numbers and infinity.
fn plain(text: &str) -> Jinja {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Jinja::from(()),
        "true" | "True" | "TRUE" => Jinja::from(true),
        "false" | "False" | "FALSE" => Jinja::from(false),
        text => text.parse::<i64>().map_or_else(|_| Jinja::from(text), Jinja::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Entry;
    use minijinja::Environment;

    #[test]
    fn public_files_and_modes() {
        let mut tree = Tree::new();
        let mut put = |path: &str, text: &str, mode, secrecy| {
            let entry = Entry { mode, secrecy, ..Entry::new(Node::File(Content::inline(text)), "test") };
            tree.insert(path.parse().unwrap(), entry).unwrap();
        };
        put("/a.yaml", "a: true\nb: [1, '1', x]\nc: {d: ~}\na: false\n", 0o640, Secrecy::Public);
        put("/b.json", "{\"a\": {\"b\": \"c\"}}", 0o644, Secrecy::Public);
        put("/key", "a: secret", 0o600, Secrecy::Secret);
        let mut engine = Environment::new();
        for (name, global) in functions(&tree) {
            let Global::Ready(function) = global else { panic!() };
            engine.add_global(name, function);
        }
        let holds = |source: &str| engine.compile_expression(source).unwrap().eval(()).unwrap().is_true();
        assert!(holds("file('/a.yaml', 'a') == false and file('/a.yaml', 'b') == [1, '1', 'x']"));
        assert!(holds(
            "file('/a.yaml', 'c.d', 2) == 2 and file('/a.yaml', 'a.b.c', 'x') == 'x' and file('/a.yaml', 'z') is none"
        ));
        assert!(holds("file('/b.json', 'a.b') == 'c' and file('/key', 'a') is none and file('', 'a') is none"));
        assert!(holds("mode('/a.yaml') == '0640' and mode('/key') == '0600' and mode('/none') is none"));
    }
}
