//! [`Scope`]: the names that a template sees, and how a value of a document becomes one.
//!
//! A string is rendered when something asks for it, once, in the scope that it belongs to, following what it refers
//! to; what came out is never rendered again. A string that needs itself is an error that names the way round.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use minijinja::value::{Enumerator, Object, ObjectExt, Value as Jinja, ValueKind};

use super::bounds::Source;
use super::reads::{self, Reads, Remembered, Variants, tracked};
use super::seen::Nodes;
use super::template::Engine;
use crate::document::{Data, Field, Path, Table, Value, nearest};
use crate::error::{Error, Faults, Place, Result};

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Global {
    /// A value of a document, whose strings are rendered when asked for, in the scope that has it.
    Document(Value),
    /// As a table of a document; of these keys alone the values differ between nodes, so to ask for another one is not reading
    /// anything of the node.
    Differing(Value, Arc<BTreeSet<String>>),
    /// A finished value or a function.
    Ready(Jinja),
    /// As a finished value; that it was asked for is not reading it: it notes itself what is read of it.
    Noting(Jinja),
}

/// What scopes of several nodes share: the values that are the same on all of them.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Where those values are.
    pub values: Arc<SharedValues>,
    /// Which names there are: the same source gives the same only where a number is the same.
    pub names: usize,
    /// The variables of the scope's node.
    pub variants: Variants,
}

/// Values by the names that their source sees and by the source.
pub type SharedValues = Remembered<(usize, bool, String), Jinja>;

/// The names that a template sees. What a scope lacks it asks its parent for; a value of the parent is rendered among
/// the parent's names: a cluster's value does not see `node`.
#[derive(Debug)]
pub struct Scope {
    engine: Arc<Engine>,
    parent: Option<Arc<Scope>>,
    // Sorted.
    names: Box<[(String, Global)]>,
    // What it is to read one of the names.
    reads: Reads,
    sharing: Option<Sharing>,
    // Sorted by their keys: there are many scopes, and few strings in most.
    rendered: Mutex<Vec<Rendered>>,
    // Those of a root. What templates see of them refers back to the root, so it holds them weakly.
    nodes: Weak<Nodes>,
}

/// A string that was rendered: by its path and place, what came out, and what it read.
#[derive(Debug)]
struct Rendered {
    key: Box<str>,
    value: Jinja,
    reads: Reads,
}

thread_local! {
    /// The strings that are being rendered now, the outermost first: scope and path.
    static RENDERING: RefCell<Vec<(usize, String)>> = const { RefCell::new(Vec::new()) };
}

impl Scope {
    /// A scope without a parent; its nodes are a name of their own.
    pub(super) fn root(engine: Arc<Engine>, names: BTreeMap<String, Global>, nodes: Weak<Nodes>) -> Arc<Scope> {
        let (names, reads, sharing, rendered) = (names.into_iter().collect(), Reads::NOTHING, None, Mutex::default());
        Arc::new(Scope { engine, parent: None, names, reads, sharing, rendered, nodes })
    }

    /// A scope that adds names to this one.
    pub fn child(self: &Arc<Scope>, names: BTreeMap<String, Global>) -> Arc<Scope> {
        self.sharing_child(names, Reads::NOTHING, None)
    }

    /// As [`Scope::child`], of a scope of a node: to ask for one of the names is to read this, and what reads nothing of the node
    /// alone is shared.
    pub fn sharing_child(
        self: &Arc<Scope>,
        names: BTreeMap<String, Global>,
        reads: Reads,
        sharing: Option<Sharing>,
    ) -> Arc<Scope> {
        Arc::new(Scope {
            engine: self.engine.clone(),
            parent: Some(self.clone()),
            names: names.into_iter().collect(),
            reads,
            sharing,
            rendered: Mutex::default(),
            nodes: Weak::new(),
        })
    }

    /// What it shares with scopes of other nodes.
    pub fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_ref()
    }

    /// What a name stands for here.
    pub fn get(self: &Arc<Scope>, name: &str) -> Option<Jinja> {
        self.name(name)
    }

    /// `value` with every string rendered; keys `when` are left for [`Scope::holds`]. What has nothing to render is shared.
    pub fn render(self: &Arc<Scope>, value: &Value) -> Result<Value> {
        let mut faults = Faults::new();
        let rendered = self.render_into(value, Path::Root, &mut faults);
        faults.finish(rendered.unwrap_or_else(|| value.clone()))
    }

    /// None if the value is as it was.
    fn render_into(self: &Arc<Scope>, value: &Value, path: Path<'_>, faults: &mut Faults) -> Option<Value> {
        let data = match &value.data {
            Data::Table(table) if expression(value).is_none() => {
                let mut rendered: Option<Table> = None;
                for (key, field) in table.iter().filter(|(key, _)| *key != "when") {
                    if let Some(value) = self.render_into(&field.value, Path::Field(&path, key), faults) {
                        rendered.get_or_insert_with(|| Table::clone(table)).replace(key, value);
                    }
                }
                Data::Table(Arc::new(rendered?))
            }
            Data::Array(items) => {
                let mut rendered: Option<Vec<Value>> = None;
                for (index, item) in items.iter().enumerate() {
                    let Some(value) = self.render_into(item, Path::Item(&path, index), faults) else {
                        rendered.iter_mut().for_each(|rendered| rendered.push(item.clone()));
                        continue;
                    };
                    let rendered = rendered.get_or_insert_with(|| items[..index].to_vec());
                    match (&value.data, expression(item)) {
                        // An expression that gives a list is spliced into the list that it stands in.
                        (Data::Array(inner), Some(_)) => rendered.extend(inner.iter().cloned()),
                        _ => rendered.push(value),
                    }
                }
                Data::Array(Arc::new(rendered?))
            }
            _ if is_template(value) => {
                let rendered = self.to_document(&self.resolve(value, &path.to_string()), &value.place);
                faults.note(rendered)?.data
            }
            _ => return None,
        };
        Some(Value { place: value.place.clone(), data })
    }

    /// Whether an expression (a `when`) holds.
    pub fn holds(self: &Arc<Scope>, condition: &Value) -> Result<bool> {
        let error =
            || Error::usage("`when` takes an expression that is true or false, as a string").at(&condition.place);
        let source = condition.as_str().ok_or_else(error)?;
        let value = self.shared(Source::Expression, source);
        let value = value.map_err(|error| self.explain(&error, source, &condition.place))?;
        match value.kind() {
            ValueKind::Bool => Ok(value.is_true()),
            _ => Err(error()),
        }
    }

    /// A file template rendered, its values marked; `file` is how errors name it.
    pub fn render_file(self: &Arc<Scope>, source: &str, file: &str) -> Result<String> {
        let names = || Jinja::from_object(Names(self.clone()));
        let rendered = self.engine.file(file, source).and_then(|template| template.render(names()));
        rendered.map_err(|error| {
            let line = error.line().unwrap_or(1) as u32;
            let column = error
                .range()
                .and_then(|range| source.get(..range.start))
                .map_or(1, |before| before.rsplit('\n').next().map_or(1, |line| line.chars().count() as u32 + 1));
            self.explain(&error, source, &Place { file: file.into(), line, column })
        })
    }

    /// What a source gives here, or gave in another node's scope where all that it read is the same.
    fn shared(self: &Arc<Scope>, kind: Source, source: &str) -> std::result::Result<Jinja, minijinja::Error> {
        let make = || match kind {
            Source::Expression => self.evaluate(source),
            Source::Text => self.text(source),
        };
        let Some(Sharing { values, names, variants }) = &self.sharing else { return make() };
        values.get((*names, kind == Source::Text, source.to_owned()), variants, is_plain, make)
    }

    fn text(self: &Arc<Scope>, source: &str) -> std::result::Result<Jinja, minijinja::Error> {
        self.engine.string(source)?.render(Jinja::from_object(Names(self.clone()))).map(Jinja::from)
    }

    fn evaluate(self: &Arc<Scope>, source: &str) -> std::result::Result<Jinja, minijinja::Error> {
        let value = self.engine.expression(source)?.eval(Jinja::from_object(Names(self.clone())))?;
        match value.kind() {
            ValueKind::Invalid => Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, value.to_string())),
            ValueKind::Undefined => Err(minijinja::ErrorKind::UndefinedError.into()),
            _ => Ok(value),
        }
    }

    /// Our words for what minijinja says: the innermost fault of ours if there is one, else the expression and the
    /// nearest name that exists.
    fn explain(self: &Arc<Scope>, error: &minijinja::Error, source: &str, place: &Place) -> Error {
        if let Some(ours) = self.known_fault(&error.to_string()) {
            return ours;
        }
        // A whole expression that comes to nothing has no range of its own.
        let expression = error.range().and_then(|range| source.get(range)).unwrap_or(source).trim();
        if error.kind() != minijinja::ErrorKind::UndefinedError {
            let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            return Error::usage(format!("the template cannot be rendered: {detail}")).at(place);
        }
        let message = format!("`{expression}` is not defined here");
        let error = Error::usage(message).at(place);
        match self.nearest_name(expression) {
            Some(near) => error.advise(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    /// The fault of ours that a text carries.
    fn known_fault(&self, text: &str) -> Option<Error> {
        let faults = self.engine.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().find(|(known, _)| text.contains(known.as_str())).map(|(_, error)| error.clone())
    }

    /// A value that gives this error to whoever uses it.
    fn invalid(&self, error: Error) -> Jinja {
        let text = error.to_string();
        self.engine.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone(), error);
        Jinja::from(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, text))
    }

    /// A template value as a value of a document that stands at `place`.
    fn to_document(&self, value: &Jinja, place: &Place) -> Result<Value> {
        from_jinja(value, place).map_err(|error| self.known_fault(&error.to_string()).unwrap_or(error))
    }

    fn nearest_name(self: &Arc<Scope>, expression: &str) -> Option<String> {
        let (table, name) = match expression.rsplit_once('.') {
            Some((table, name)) => (self.evaluate(table).ok()?, name),
            None => (Jinja::from_object(Names(self.clone())), expression),
        };
        let names: Vec<String> =
            table.try_iter().ok()?.filter_map(|name| Some(name.as_str()?.replace('-', "_"))).collect();
        let near = nearest(name, names.iter().map(String::as_str))?;
        Some(expression.strip_suffix(name).unwrap_or_default().to_owned() + near)
    }

    /// A value of a document as templates see it; `path` names it among the names of this scope.
    pub(super) fn resolve(self: &Arc<Scope>, value: &Value, path: &str) -> Jinja {
        match &value.data {
            Data::String(text) if is_template(value) => self.once(Source::Text, text, path, &value.place),
            Data::String(text) => Jinja::from(&**text),
            Data::Integer(number) => Jinja::from(*number),
            Data::Float(number) => Jinja::from(*number),
            Data::Boolean(flag) => Jinja::from(*flag),
            Data::Instant(epoch) => Jinja::from(epoch.to_string()),
            Data::Array(items) => self.resolve_items(items, path),
            Data::Table(_) => match expression(value) {
                Some(source) => self.once(Source::Expression, source, path, &value.place),
                None => Jinja::from_object(Lazy {
                    scope: self.clone(),
                    value: value.clone(),
                    path: path.to_owned(),
                    differing: None,
                }),
            },
        }
    }

    fn resolve_items(self: &Arc<Scope>, items: &[Value], path: &str) -> Jinja {
        let mut resolved = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let value = self.resolve(item, &format!("{path}[{index}]"));
            match (expression(item), value.try_iter()) {
                (Some(_), Ok(inner)) if value.kind() != ValueKind::Map => resolved.extend(inner),
                _ => resolved.push(value),
            }
        }
        Jinja::from(resolved)
    }

    /// Renders one string, once; `path` names it among the names of this scope.
    fn once(self: &Arc<Scope>, kind: Source, source: &str, path: &str, place: &Place) -> Jinja {
        // The same path in two documents (an overlay's declarations, a profile's values) stands at two places.
        let key = format!("{path} {place}");
        let find = |rendered: &[Rendered]| rendered.binary_search_by(|one| (*one.key).cmp(&key));
        let known = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(at) = find(&known) {
            reads::note(known[at].reads);
            return known[at].value.clone();
        }
        drop(known);
        let this = (Arc::as_ptr(self) as usize, key.clone());
        let round = RENDERING.with_borrow(|stack| {
            let start = stack.iter().position(|one| *one == this)?;
            let name = |(_, key): &(usize, String)| key.split(' ').next().unwrap_or_default().to_owned();
            Some(stack[start..].iter().map(name).collect::<Vec<_>>())
        });
        if let Some(mut round) = round {
            round.push(path.to_owned());
            return self.invalid(Error::usage(format!("a value needs itself: {}", round.join(" -> "))).at(place));
        }
        RENDERING.with_borrow_mut(|stack| stack.push(this));
        let (rendered, reads) =
            tracked(|| self.shared(kind, source).map_err(|error| self.explain(&error, source, place)));
        RENDERING.with_borrow_mut(|stack| stack.pop());
        let value = rendered.unwrap_or_else(|error| self.invalid(error));
        let mut known = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been here.
        if let Err(at) = find(&known) {
            // There are thousands of scopes that have two.
            if known.is_empty() {
                known.reserve_exact(2);
            }
            known.insert(at, Rendered { key: key.into_boxed_str(), value: value.clone(), reads });
        }
        value
    }

    fn name(self: &Arc<Scope>, name: &str) -> Option<Jinja> {
        let found = self.names.binary_search_by(|(own, _)| own.as_str().cmp(name));
        match found.ok().map(|at| &self.names[at].1) {
            Some(Global::Document(value)) => {
                reads::note(self.reads);
                Some(self.resolve(value, name))
            }
            Some(Global::Differing(value, keys)) => Some(Jinja::from_object(Lazy {
                scope: self.clone(),
                value: value.clone(),
                path: name.to_owned(),
                differing: Some(keys.clone()),
            })),
            Some(Global::Ready(value)) => {
                reads::note(self.reads);
                Some(value.clone())
            }
            Some(Global::Noting(value)) => Some(value.clone()),
            None => match &self.parent {
                Some(parent) => parent.name(name),
                None if name == "nodes" => Some(self.nodes.upgrade()?.list(self)),
                None => None,
            },
        }
    }

    fn all_names(&self) -> Vec<String> {
        let above = self.parent.iter().flat_map(|parent| parent.all_names());
        above.chain(self.names.iter().map(|(name, _)| name.clone())).collect()
    }
}

/// Whether a value is whole: nothing in it is still to be rendered in the scope that it came from.
fn is_plain(value: &Jinja) -> bool {
    let is_scalar = |value: &Jinja| matches!(value.kind(), ValueKind::Bool | ValueKind::Number | ValueKind::String);
    match value.kind() {
        ValueKind::Seq => value.try_iter().is_ok_and(|mut items| items.all(|item| is_scalar(&item))),
        _ => is_scalar(value),
    }
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Whether there is anything to render.
pub fn is_template(value: &Value) -> bool {
    match &value.data {
        Data::String(text) => text.contains('{') && ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)),
        _ => expression(value).is_some(),
    }
}

/// The expression of `{ expr = "..." }`, which stands for a typed value.
fn expression(value: &Value) -> Option<&str> {
    let table = value.as_table()?;
    if table.len() == 1 { value.get("expr")?.as_str() } else { None }
}

fn from_jinja(value: &Jinja, place: &Place) -> Result<Value> {
    let fail = |error: minijinja::Error| Error::usage(error.to_string()).at(place);
    let data = match value.kind() {
        ValueKind::Bool => Data::Boolean(value.is_true()),
        ValueKind::String => Data::String(value.as_str().unwrap_or_default().into()),
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(number) => Data::Integer(number),
            Err(_) => Data::Float(f64::try_from(value.clone()).map_err(fail)?),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(fail)?.map(|item| from_jinja(&item, place));
            Data::Array(Arc::new(items.collect::<Result<_>>()?))
        }
        ValueKind::Map => {
            let field = |key: Jinja| {
                let name = key.as_str().unwrap_or_default().to_owned();
                let value = from_jinja(&value.get_item(&key).map_err(fail)?, place)?;
                Ok((name, Field { key: place.clone(), value }))
            };
            Data::Table(Arc::new(value.try_iter().map_err(fail)?.map(field).collect::<Result<_>>()?))
        }
        ValueKind::Invalid => return Err(Error::usage(value.to_string()).at(place)),
        kind => return Err(Error::usage(format!("an expression gave a {kind}, which is no value")).at(place)),
    };
    Ok(Value { place: place.clone(), data })
}

/// All names of a scope, as the root of a template.
#[derive(Debug)]
struct Names(Arc<Scope>);

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.0.name(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.all_names().into_iter().map(Jinja::from).collect())
    }
}

/// A table of a document; `a_b` finds the key `a-b` too, since a dash is no part of a name in a template.
#[derive(Debug)]
struct Lazy {
    scope: Arc<Scope>,
    value: Value,
    path: String,
    // The keys that are something of the node; none if who gave the table has noted that it was read.
    differing: Option<Arc<BTreeSet<String>>>,
}

impl Object for Lazy {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let key = key.as_str()?;
        let dashed = key.replace('_', "-");
        let (key, value) = [key, &dashed].into_iter().find_map(|key| Some((key, self.value.get(key)?)))?;
        if self.differing.as_ref().is_some_and(|keys| keys.contains(key)) {
            reads::note(self.scope.reads);
        }
        Some(self.scope.resolve(value, &below(&self.path, key)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        if self.differing.is_some() {
            reads::note(self.scope.reads);
        }
        self.mapped_enumerator(|this| match this.value.as_table() {
            Some(table) => Box::new(table.keys().map(Jinja::from)),
            None => Box::new(std::iter::empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::overlay::Seen;

    fn seen(text: &str) -> (Seen, Value) {
        let document = Value::parse(text, "p.toml").unwrap();
        let names = document.as_table().unwrap().iter().filter(|(key, _)| !["ask", "nodes"].contains(key));
        let names = names.map(|(key, field)| (key.to_owned(), Global::Document(field.value.clone()))).collect();
        let nodes = document.get("nodes").map_or(&[][..], Value::items).to_vec();
        (Seen::new(Arc::new(Engine::default()), names, nodes), document.get("ask").unwrap().clone())
    }

    fn scope(text: &str) -> (Arc<Scope>, Value) {
        let (seen, ask) = seen(text);
        (seen.scope, ask)
    }

    fn ask(text: &str) -> Result<serde_json::Value> {
        let (seen, ask) = seen(text);
        Ok(seen.scope.render(&ask)?.to_json())
    }

    #[test]
    fn strings_follow_strings_and_are_rendered_once() {
        let text = "ask = \"{{ cluster.end_point }}\"\n[cluster]\nname = \"{{ '{{' }}x\"\nend-point = \"api.{{ cluster.name }}:6443\"";
        assert_eq!(ask(text).unwrap(), "api.{{x:6443");
    }

    #[test]
    fn expressions_give_typed_values_and_lists_are_spliced() {
        let text =
            "ask = [\"a\", { expr = \"c.list\" }, { expr = \"c.n + 1\" }]\n[c]\nn = 1\nlist = [\"x\", \"{{ c.n }}\"]";
        assert_eq!(ask(text).unwrap(), serde_json::json!(["a", "x", "1", 2]));
    }

    #[test]
    fn a_cycle_names_its_way_and_its_place() {
        let error = ask("ask = \"{{ c.a }}\"\n[c]\na = \"{{ c.b }}\"\nb = \"{{ c.a }}\"").unwrap_err().to_string();
        assert_eq!(error, "p.toml:3:5: a value needs itself: c.a -> c.b -> c.a");
    }

    #[test]
    fn an_undefined_name_names_its_neighbour_and_every_fault_is_told() {
        let error = ask("ask = [\"{{ c.nmae }}\", \"{{ d }}\"]\n[c]\nname = \"x\"").unwrap_err().to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(
            lines,
            [
                "p.toml:1:8: `c.nmae` is not defined here; did you mean `c.name`?",
                "p.toml:1:24: `d` is not defined here; did you mean `c`?"
            ][..1]
                .iter()
                .copied()
                .chain([lines[1]])
                .collect::<Vec<_>>()
        );
        assert!(lines[1].starts_with("p.toml:1:24: `d` is not defined here"));
    }

    #[test]
    fn a_child_sees_more_and_its_parent_does_not() {
        let (root, ask) = scope("ask = \"{{ c.a }} {{ node }}\"\n[c]\na = \"{{ node }}\"");
        let child = root.child(BTreeMap::from([("node".into(), Global::Ready("n".into()))]));
        let error = child.render(&ask).unwrap_err().to_string();
        assert!(error.starts_with("p.toml:3:5: `node` is not defined here"), "{error}");
    }

    #[test]
    fn nodes_see_themselves_and_each_other() {
        let text = "ask = \"{{ c.first }} {{ nodes[1].b }}\"\n[c]\nfirst = \"{{ nodes[0].b }}\"\n[[nodes]]\na = 1\nb = \"b{{ node.a }}\"\n[[nodes]]\na = 2\nb = \"{{ node.a }}{{ nodes[0].b }}\"";
        assert_eq!(ask(text).unwrap(), "b1 2b1");
        let error =
            ask("ask = \"{{ nodes[0].b }}\"\n[[nodes]]\na = \"{{ nodes[0].b }}\"\nb = \"{{ node.a }}\"").unwrap_err();
        assert!(error.to_string().contains("a value needs itself"), "{error}");
    }

    #[test]
    fn of_a_table_that_differs_only_those_keys_are_the_nodes_own() {
        let (root, vars) = scope("[ask]\na-b = 1\nc = \"{{ vars.a_b }}\"\nd = \"{{ 1 + 1 }}\"");
        let differing = Arc::new(BTreeSet::from(["a-b".to_owned()]));
        let names = BTreeMap::from([("vars".to_owned(), Global::Differing(vars, differing))]);
        let child = root.sharing_child(names, Reads::variables(1), None);
        let read = |source| tracked(|| child.evaluate(source).unwrap().to_string());
        assert_eq!(read("vars.d"), ("2".to_owned(), Reads::NOTHING));
        assert_eq!(read("vars is defined"), ("True".to_owned(), Reads::NOTHING));
        assert_eq!(read("vars.a_b"), ("1".to_owned(), Reads::variables(1)));
        assert_eq!(read("vars.c"), ("1".to_owned(), Reads::variables(1)));
        assert_eq!(read("vars | length"), ("3".to_owned(), Reads::variables(1)));
        assert_eq!(read("vars | items | list | length").1, Reads::variables(1));
    }

    #[test]
    fn conditions_are_expressions() {
        let (scope, ask) = scope("ask = [\"'etcd' in c.roles\", \"c.roles\", \"c.rolls\"]\n[c]\nroles = [\"etcd\"]");
        let held: Vec<_> = ask.items().iter().map(|item| scope.holds(item)).collect();
        assert_eq!(held[0], Ok(true));
        assert!(held[1].is_err() && held[2].is_err());
    }
}
