//! The configurations of a machine that are YAML, JSON or TOML, read once for all that look at them.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::finding::{Findings, Spot};
use super::kinds::{kind_of, objects};
use super::resolved::resolved;
use super::rule::{Rule, Severity};
use super::scalar;
use super::subject::{Cluster, Machine};
use crate::build::NodePlan;
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

/// All rules.
pub const RULES: &[Rule] = &[YAML_UNREADABLE, YAML_DUPLICATE_KEY, YAML_TRAP];

/// How a file of configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Syntax {
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
    /// What it says.
    pub read: Rc<Read>,
}

/// What a file says: its documents, or why it cannot be read.
pub type Read = Result<Vec<Node>, Fault>;

/// What was read already: machines have mostly the same files.
pub type Known = BTreeMap<(Syntax, String), Rc<Read>>;

/// The public files of a machine that are YAML, JSON or TOML by their names, or begin as an object or as JSON does.
pub fn of<'a>(plan: &'a NodePlan, text: impl Fn(&TreePath) -> Option<String>, known: &mut Known) -> Vec<Document<'a>> {
    let mut documents = Vec::new();
    for (path, _) in plan.tree.iter() {
        let by_name = by_name(path);
        if by_name.is_none() && path.name().contains('.') && !path.name().ends_with(".conf") {
            continue;
        }
        let Some(text) = text(path) else { continue };
        let Some(syntax) = by_name.or_else(|| by_start(path, &text)) else { continue };
        let read = known.entry((syntax, text)).or_insert_with_key(|(syntax, text)| Rc::new(read(*syntax, text)));
        documents.push(Document { path, read: read.clone() });
    }
    documents
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

/// Looks at what the files are as YAML, whatever they say.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    for machine in &cluster.machines {
        for document in &machine.documents {
            match &*document.read {
                Err(fault) => {
                    let spot = Spot { machine, path: document.path, line: Some(fault.line) };
                    let says = format!("{} cannot be read: {}", document.path, fault.says);
                    findings.add(&YAML_UNREADABLE, spot, says);
                }
                Ok(nodes) => nodes.iter().for_each(|node| look(machine, document.path, node, findings)),
            }
        }
    }
}

fn look(machine: &Machine<'_>, path: &TreePath, node: &Node, findings: &mut Findings) {
    // What an API server reads is looked at with its types, if they are known; numbers of TOML are no YAML.
    let is_typed = is_of_cluster(node) || super::shapes::schema_of(machine, node).is_some();
    let traps = !is_typed && by_name(path) != Some(Syntax::Toml);
    walk(node, &mut |node| {
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for (key, _) in node.fields() {
            if let Some(first) = seen.insert(&key.text, key.line) {
                let spot = Spot { machine, path, line: Some(key.line) };
                let says = format!("{path} has `{}` twice in one map, in lines {first} and {}", key.text, key.line);
                findings.add(&YAML_DUPLICATE_KEY, spot, says);
            }
        }
        if let (true, Content::Scalar { text, is_plain: true }) = (traps, &node.content)
            && let Some(two) = scalar::trap(text)
        {
            let spot = Spot { machine, path, line: Some(node.line) };
            findings.add(&YAML_TRAP, spot, format!("{path} has `{text}` without quotes, which is {two}"));
        }
    });
}

/// Calls for a value and all that is in it.
pub fn walk<'a>(node: &'a Node, look: &mut dyn FnMut(&'a Node)) {
    look(node);
    node.items().iter().for_each(|item| walk(item, look));
    node.fields().iter().for_each(|(_, value)| walk(value, look));
}
