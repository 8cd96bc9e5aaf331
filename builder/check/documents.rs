//! The configurations of a machine that are YAML, JSON or TOML, read once for all that look at them.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::contents::Recent;
use super::finding::{Findings, Spot};
use super::kinds::{kind_of, objects};
use super::objects;
use super::resolved::resolved;
use super::rule::{Rule, Severity};
use super::scalar;
use super::shapes::{Schemas, schema_of};
use super::subject::{Machine, Whole};
use crate::document::yaml::{self, Content, Fault, Node};
use crate::tree::TreePath;

/// A text that is no YAML.
pub const YAML_UNREADABLE: Rule = Rule {
    id: "yaml-unreadable",
    severity: Severity::Error,
    finds: "a YAML, JSON or TOML file that cannot be read",
    fate: "whoever reads the file refuses it",
    remedy: "mend the line",
};
/// A key that stands twice.
pub const YAML_DUPLICATE_KEY: Rule = Rule {
    id: "yaml-duplicate-key",
    severity: Severity::Warning,
    finds: "a key that stands twice in a map of a YAML or JSON file",
    fate: "a reader takes the last one and says nothing, or refuses the file",
    remedy: "take one of them out",
};
/// A value that readers take for different things.
pub const YAML_TRAP: Rule = Rule {
    id: "yaml-trap",
    severity: Severity::Warning,
    finds: "a value without quotes that YAML 1.1 and YAML 1.2 read as different things",
    fate: "what comes of it depends on the reader",
    remedy: "put it in quotes if it is text; otherwise write `true`, `false`, or the number without zeros before it",
};

/// All rules: objects are looked at together with the files that they are in.
pub const RULES: &[Rule] = &[
    YAML_UNREADABLE,
    YAML_DUPLICATE_KEY,
    YAML_TRAP,
    objects::OBJECT_FIELD,
    objects::OBJECT_KIND,
    objects::OBJECT_VALUE,
    objects::OBJECT_NAME,
    objects::OBJECT_REFUSED,
    objects::IMAGE_FLOATING,
];

/// How a file of configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    /// yaml.org/spec/1.2.2.
    Yaml,
    /// RFC 8259.
    Json,
    /// toml.io, 1.0.
    Toml,
}

/// A file of configuration.
pub struct Document<'a> {
    /// Where it is.
    pub path: &'a TreePath,
    // What it says.
    content: Rc<Configuration>,
    // By which of the schemas it is judged.
    schemas: usize,
}

/// What a file of configuration says, and what follows from that alone, whoever has the file.
struct Configuration {
    read: Read,
    names: OnceCell<Vec<(TreePath, u32)>>,
    // By the schemas of those who have it.
    wrong: RefCell<BTreeMap<usize, Rc<[Wrong]>>>,
}

/// What a file says: its documents, or why it cannot be read.
type Read = Result<Vec<Node>, Fault>;

/// Something that is wrong in a file.
pub struct Wrong {
    /// By which rule.
    pub rule: &'static Rule,
    /// In which line.
    pub line: u32,
    /// What it is.
    pub says: String,
    /// The image that makes it right, if the machine brings it.
    pub unless: Option<String>,
}

/// The configurations that were read already: machines have mostly the same.
#[derive(Default)]
pub struct Documents<'a> {
    read: Recent<'a, Option<Rc<Configuration>>>,
    schemas: Vec<&'a Schemas>,
}

impl<'a> Documents<'a> {
    /// The public files of a machine that are YAML, JSON or TOML by their names, or begin as an object or as JSON does.
    pub fn of(&mut self, machine: &Machine<'a>) -> Vec<Document<'a>> {
        let mut documents = Vec::new();
        let own = machine.plan.schemas.as_slice();
        let schemas = self.schemas.iter().position(|known| *known == own).unwrap_or_else(|| {
            self.schemas.push(own);
            self.schemas.len() - 1
        });
        for (path, _) in machine.plan.tree.iter() {
            let by_name = by_name(path);
            if by_name.is_none() && path.name().contains('.') && !path.name().ends_with(".conf") {
                continue;
            }
            let Some(text) = machine.text(path) else { continue };
            let content = self.read.get(path, text.as_bytes(), || {
                let read = read(by_name.or_else(|| by_start(path, text))?, text);
                Some(Rc::new(Configuration { read, names: OnceCell::new(), wrong: RefCell::default() }))
            });
            documents.extend(content.map(|content| Document { path, content, schemas }));
        }
        documents
    }
}

impl Document<'_> {
    /// What it says; nothing if it cannot be read.
    pub fn nodes(&self) -> &[Node] {
        self.content.read.as_ref().map_or(&[], Vec::as_slice)
    }

    /// The paths that it names, with their lines, as `find` finds them.
    pub fn names(&self, find: fn(&[Node]) -> Vec<(TreePath, u32)>) -> &[(TreePath, u32)] {
        self.content.names.get_or_init(|| find(self.nodes()))
    }

    /// What is wrong in it on a machine.
    fn wrong(&self, machine: &Machine<'_>) -> Rc<[Wrong]> {
        let mut known = self.content.wrong.borrow_mut();
        let judge = || {
            let mut wrong = Vec::new();
            match &self.content.read {
                Err(fault) => {
                    let says = format!("{} cannot be read: {}", self.path, fault.says);
                    wrong.push(Wrong { rule: &YAML_UNREADABLE, line: fault.line, says, unless: None });
                }
                Ok(nodes) => {
                    nodes.iter().for_each(|node| look(self.path, node, &machine.plan.schemas, &mut wrong));
                    objects::look(self.path, nodes, &machine.plan.schemas, &mut wrong);
                }
            }
            wrong.into()
        };
        known.entry(self.schemas).or_insert_with(judge).clone()
    }
}

fn by_name(path: &TreePath) -> Option<Syntax> {
    match path.name().rsplit_once('.')?.1 {
        "yaml" | "yml" => Some(Syntax::Yaml),
        "json" | "conflist" => Some(Syntax::Json),
        "toml" => Some(Syntax::Toml),
        _ => None,
    }
}

fn by_start(path: &TreePath, text: &str) -> Option<Syntax> {
    // What has comments is like JSON, and only its own reader knows how far.
    let is_comment = |word: &str| ["#", "//", "/*"].iter().any(|mark| word.starts_with(mark));
    let begins = || text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"'));
    let is_json = || path.name().ends_with(".conf") && begins();
    match text.starts_with("apiVersion:") {
        true => Some(Syntax::Yaml),
        false => (is_json() && !text.split_whitespace().any(is_comment)).then_some(Syntax::Json),
    }
}

fn read(syntax: Syntax, text: &str) -> Read {
    match syntax {
        Syntax::Yaml => Ok(yaml::read(text)?.into_iter().map(resolved).collect()),
        Syntax::Json => {
            let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err();
            let fault = |error: serde_json::Error| Fault { line: line(error.line()), says: error.to_string() };
            // JSON is YAML (yaml.org/spec/1.2.2, 1.3), but for tabs that indent: those say nothing in JSON.
            error.map(fault).map_or_else(|| yaml::read(&text.replace('\t', " ")), Err)
        }
        Syntax::Toml => {
            let table = toml::de::DeTable::parse(text).map_err(|error| {
                let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                Fault { line: line(before.matches('\n').count() + 1), says: error.message().to_owned() }
            })?;
            let starts = |at: usize| line(text.get(..at).unwrap_or_default().matches('\n').count() + 1);
            Ok(vec![of_table(table.get_ref(), 1, &starts)])
        }
    }
}

fn line(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn of_table(table: &toml::de::DeTable<'_>, line: u32, starts: &dyn Fn(usize) -> u32) -> Node {
    let field = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<toml::de::DeValue<'_>>)| {
        let key = yaml::Key { line: starts(key.span().start), text: key.get_ref().to_string(), is_plain: false };
        (key, of_toml(value, starts))
    };
    Node { line, tag: None, content: Content::Map(table.iter().map(field).collect()) }
}

fn of_toml(value: &toml::Spanned<toml::de::DeValue<'_>>, starts: &dyn Fn(usize) -> u32) -> Node {
    use toml::de::DeValue;
    let line = starts(value.span().start);
    let scalar = |text: String, is_plain| Node { line, tag: None, content: Content::Scalar { text, is_plain } };
    match value.get_ref() {
        DeValue::String(text) => scalar(text.to_string(), false),
        DeValue::Integer(number) => scalar(number.as_str().to_owned(), true),
        DeValue::Float(number) => scalar(number.as_str().to_owned(), true),
        DeValue::Boolean(flag) => scalar(flag.to_string(), true),
        DeValue::Datetime(instant) => scalar(instant.to_string(), false),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| of_toml(item, starts)).collect();
            Node { line, tag: None, content: Content::List(items) }
        }
        DeValue::Table(table) => of_table(table, line, starts),
    }
}

/// Whether it is for an API server, and no configuration of the machine: an object with a name, of whatever group, or a list
/// of such (kubernetes.io, "Objects In Kubernetes", "Required fields").
pub fn is_of_cluster(document: &Node) -> bool {
    let has_name = |object: &Node| {
        let metadata = object.get("metadata");
        metadata.is_some_and(|metadata| metadata.text("name").or(metadata.text("generateName")).is_some())
    };
    let objects = objects(document);
    !objects.is_empty() && objects.into_iter().all(|object| kind_of(object).is_some() || has_name(object))
}

/// Looks at what the files are as YAML, whatever they say, and at the objects in them.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    for document in &machine.documents {
        for Wrong { rule, line, says, unless } in document.wrong(machine).iter() {
            let is_right = |image: &String| machine.plan.images.iter().any(|brought| brought.name == *image);
            if !unless.as_ref().is_some_and(is_right) {
                findings.add(rule, Spot { machine, path: document.path, line: Some(*line) }, says);
            }
        }
    }
}

fn look(path: &TreePath, node: &Node, schemas: &Schemas, wrong: &mut Vec<Wrong>) {
    // What an API server reads is looked at with its types, if they are known; numbers of TOML are no YAML.
    let is_typed = is_of_cluster(node) || schema_of(schemas, node).is_some();
    let traps = !is_typed && by_name(path) != Some(Syntax::Toml);
    walk(node, &mut |node| {
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for (key, _) in node.fields() {
            if let Some(first) = seen.insert(&key.text, key.line) {
                let says = format!("{path} has `{}` twice in one map, in lines {first} and {}", key.text, key.line);
                wrong.push(Wrong { rule: &YAML_DUPLICATE_KEY, line: key.line, says, unless: None });
            }
        }
        if let (true, Content::Scalar { text, is_plain: true }) = (traps, &node.content)
            && let Some(two) = scalar::trap(text)
        {
            let says = format!("{path} has `{text}` without quotes, which is {two}");
            wrong.push(Wrong { rule: &YAML_TRAP, line: node.line, says, unless: None });
        }
    });
}

/// Calls for a value and all that is in it.
pub fn walk<'a>(node: &'a Node, look: &mut dyn FnMut(&'a Node)) {
    look(node);
    node.items().iter().for_each(|item| walk(item, look));
    node.fields().iter().for_each(|(_, value)| walk(value, look));
}
