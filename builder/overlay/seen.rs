//! [`Seen`]: the root of all scopes with its nodes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use minijinja::value::Value as Jinja;

use super::scope::{Global, Scope};
use super::template::Engine;
use crate::document::Value;

/// A root scope with its nodes, which templates see as long as this is there: of thousands it is much.
#[derive(Debug)]
pub struct Seen {
    /// The names that every template sees.
    pub scope: Arc<Scope>,
    nodes: Arc<Nodes>,
}

/// The nodes of a root scope, and what templates see of them, which refers back to the root.
#[derive(Debug)]
pub(super) struct Nodes {
    documents: Vec<Value>,
    objects: OnceLock<Vec<Jinja>>,
    list: OnceLock<Jinja>,
}

impl Seen {
    /// A scope without a parent. Its `nodes` are a name of their own; the strings of each are rendered with `node`
    /// being that node.
    pub fn new(engine: Arc<Engine>, names: BTreeMap<String, Global>, nodes: Vec<Value>) -> Seen {
        let nodes = Arc::new(Nodes { documents: nodes, objects: OnceLock::new(), list: OnceLock::new() });
        Seen { scope: Scope::root(engine, names, Arc::downgrade(&nodes)), nodes }
    }

    /// The nodes' documents, nothing rendered.
    pub fn documents(&self) -> &[Value] {
        &self.nodes.documents
    }

    /// The nodes as templates see them, in the same order.
    pub fn objects(&self) -> &[Jinja] {
        self.nodes.objects(&self.scope)
    }
}

impl Nodes {
    fn objects(&self, root: &Arc<Scope>) -> &[Jinja] {
        self.objects.get_or_init(|| {
            let object = |(index, node): (usize, &Value)| {
                let scope = root.child(BTreeMap::from([("node".to_owned(), Global::Document(node.clone()))]));
                scope.resolve(node, &format!("nodes[{index}]"))
            };
            self.documents.iter().enumerate().map(object).collect()
        })
    }

    /// All of them, as templates see them.
    pub(super) fn list(&self, root: &Arc<Scope>) -> Jinja {
        self.list.get_or_init(|| self.objects(root).to_vec().into()).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_of_nodes_goes_when_it_is_let_go() {
        let text = "ask = \"{{ nodes | map(attribute='b') | join(' ') }}\"\n[[nodes]]\na = 1\nb = \"b{{ node.a }}\"\n[[nodes]]\nb = \"{{ nodes[0].b }}\"";
        let document = Value::parse(text, "p.toml").unwrap();
        let nodes = document.get("nodes").unwrap().items().to_vec();
        let seen = Seen::new(Arc::new(Engine::default()), BTreeMap::new(), nodes);
        assert_eq!(seen.scope.render(document.get("ask").unwrap()).unwrap().to_json(), "b1 b1");
        let (scope, nodes) = (seen.scope.clone(), Arc::downgrade(&seen.nodes));
        drop(seen);
        // What is seen refers to the root: one reference more, and it would still be there.
        assert!(nodes.upgrade().is_none() && scope.get("nodes").is_none());
        assert_eq!(Arc::strong_count(&scope), 1);
    }
}
