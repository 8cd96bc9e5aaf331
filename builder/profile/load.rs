//! From files to one document: a profile, what it extends, and what extends that.
//!
//! Tables are merged key by key. `nodes` are merged by name. Everything else is replaced whole by the later one.
//! `false` in the place of a source, a flag, a kernel parameter or a node removes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::disk;
use crate::document::{Data, Field, Table, Value};
use crate::epoch::{self, Epoch};
use crate::error::{Error, Faults, Place, Result};

/// The largest profile, in bytes.
const LARGEST: u64 = 4 << 20;
/// The longest chain of `extends`.
const DEEPEST: usize = 16;

/// What every profile starts from.
const DEFAULTS: &str = r#"
[cluster]
arch = "amd64"
mtime = 1980-01-01T00:00:00Z
usr-merge = true

[network]
service-domain = "cluster.local"
"#;

/// The project that a profile is in, and the profile's path from there.
pub fn find_project(file: &Path) -> Result<(PathBuf, PathBuf)> {
    let absolute = epoch::working_directory()?.join(file);
    let folder = absolute.parent().unwrap_or(&absolute);
    let name = absolute.file_name().ok_or_else(|| Error::usage(format!("{} is not a file", file.display())))?;
    if !disk::exists(&absolute) {
        return Err(Error::usage(format!("there is no profile {}", file.display())));
    }
    let absolute = disk::canonical(folder)?.join(name);
    let above = || absolute.ancestors().skip(1);
    let holds_overlays = above().find(|folder| disk::exists(&folder.join("overlays")));
    // A project that has none of its own takes those inside the program.
    let profiles = above().find(|folder| folder.file_name().is_some_and(|name| name == "profiles"));
    let project = holds_overlays.or_else(|| profiles?.parent()).or_else(|| absolute.parent()).unwrap_or(&absolute);
    let below = absolute.strip_prefix(project).unwrap_or(&absolute).to_path_buf();
    Ok((project.to_path_buf(), below))
}

/// The profile's name: its path below `profiles/`, without the ending.
pub fn name(file: &Path) -> String {
    let below = file.strip_prefix("profiles").unwrap_or(file);
    below.with_extension("").display().to_string()
}

/// The documents of a profile, the outermost base first, the built-in defaults before all.
pub fn load_layers(project: &Path, file: &Path) -> Result<Vec<Value>> {
    let mut layers = Vec::new();
    let mut chain: Vec<PathBuf> = Vec::new();
    let mut next = Some((file.to_path_buf(), None::<Place>));
    while let Some((file, place)) = next {
        let told = |error: Error| match &place {
            Some(place) => error.at(place),
            None => error,
        };
        if chain.contains(&file) {
            let names: Vec<_> = chain.iter().chain([&file]).map(|file| file.display().to_string()).collect();
            return Err(told(Error::usage(format!("the profiles extend each other: {}", names.join(" -> ")))));
        }
        if chain.len() == DEEPEST {
            return Err(told(Error::usage(format!("more than {DEEPEST} profiles extend each other"))));
        }
        let shown = file.display().to_string();
        let bytes = disk::read_beneath(project, &file, LARGEST).map_err(told)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::usage(format!("{shown} is not UTF-8")))?;
        let document = Value::parse(&text, &shown)?;
        let place = document.get("extends").map(|base| base.place.clone());
        next = base_of(&file, &document)?.map(|base| (base, place));
        layers.push(document);
        chain.push(file);
    }
    layers.push(Value::parse(DEFAULTS, "(built-in defaults)")?);
    layers.reverse();
    Ok(layers)
}

/// The profile that a profile's document extends, by its path from the project's root.
pub fn base_of(file: &Path, document: &Value) -> Result<Option<PathBuf>> {
    document.get("extends").map(|base| extended(file, base)).transpose()
}

/// The path from the project's root that `extends` names, relative to the file that it stands in.
fn extended(file: &Path, base: &Value) -> Result<PathBuf> {
    let bad = |message: &str| Err(Error::usage(message).at(&base.place));
    let Some(text) = base.as_str() else { return bad("`extends` takes the path of a profile, as a string") };
    let mut path = file.parent().unwrap_or(Path::new("")).to_path_buf();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return bad("`extends` leads out of the project"),
        }
    }
    Ok(path)
}

/// All layers as one document.
pub fn merge_all(layers: &[Value]) -> Result<Value> {
    let mut faults = Faults::new();
    let mut merged: Option<Value> = None;
    let mut nodes = Vec::new();
    let mut nodes_place = None;
    for layer in layers {
        if let Some(declared) = layer.get("nodes") {
            nodes_place = Some(declared.place.clone());
            merge_nodes(&mut nodes, declared, &mut faults);
        }
        merged = Some(match merged {
            None => layer.clone(),
            Some(base) => merge_layer(&base, layer),
        });
    }
    let merged = merged.ok_or_else(|| Error::bug("a profile without layers"))?;
    let Some(place) = nodes_place else { return faults.finish(merged) };
    let nodes = nodes.into_iter().map(|(_, node)| node).collect();
    let nodes = Value { place: place.clone(), data: Data::Array(Arc::new(nodes)) };
    let list = Table::from([("nodes".to_owned(), Field { key: place.clone(), value: nodes })]);
    let list = Value { place: merged.place.clone(), data: Data::Table(Arc::new(list)) };
    faults.finish(merge(&merged, &list))
}

/// One layer laid on those before it.
fn merge_layer(base: &Value, over: &Value) -> Value {
    let merged = merge_base(merge(base, over), base, over);
    let (Some(below), Some(above)) = (base.get("sources"), over.get("sources")) else { return merged };
    let (Some(below), Some(above), Some(table)) = (below.as_table(), above.as_table(), merged.as_table()) else {
        return merged;
    };
    let mut sources = below.clone();
    for (name, field) in above {
        let value = below.get(name).map_or_else(|| field.value.clone(), |old| merge_source(&old.value, &field.value));
        sources.insert(name, Field { key: field.key.clone(), value });
    }
    let mut table = table.clone();
    if let Some(field) = table.get_mut("sources") {
        field.value.data = Data::Table(Arc::new(sources));
    }
    Value { place: merged.place, data: Data::Table(Arc::new(table)) }
}

/// `[base]`: what the later one says is taken whole, and a system that it gives replaces any other.
fn merge_base(merged: Value, below: &Value, above: &Value) -> Value {
    let table = |value: &Value| value.get("base")?.as_table().cloned();
    let (Some(below), Some(above), Some(all)) = (table(below), table(above), merged.as_table()) else { return merged };
    let gives = SYSTEMS.iter().any(|key| above.contains_key(key));
    let mut base = below;
    base.retain(|key| !gives || !SYSTEMS.contains(&key));
    above.iter().for_each(|(key, field)| base.insert(key, field.clone()));
    let mut all = all.clone();
    if let Some(field) = all.get_mut("base") {
        field.value.data = Data::Table(Arc::new(base));
    }
    Value { place: merged.place, data: Data::Table(Arc::new(all)) }
}

/// The ways to give a base system.
const SYSTEMS: [&str; 3] = ["initrd", "rootfs", "debian"];

/// Where a source comes from, what its publisher says of that, and where it goes.
const FROM: [&str; 3] = ["url", "path", "deb"];
const STATED: [&str; 2] = ["sha256", "checksum-url"];
const TO: [&str; 3] = ["install", "members", "image"];

/// A source laid on one of the same name. What says where it comes from is replaced whole, with what was said of that, and
/// so is what says where it goes: half of the one and half of the other would be neither. Members alone are added.
pub fn merge_source(base: &Value, over: &Value) -> Value {
    let (Some(below), Some(above)) = (base.as_table(), over.as_table()) else { return over.clone() };
    let gives = |keys: &[&str]| keys.iter().any(|key| above.contains_key(key));
    let moved = gives(&FROM);
    let mut kept = below.clone();
    let replaced = [
        (&FROM[..], moved),
        (&["not-secret"], moved),
        (&STATED, moved || gives(&STATED)),
        (&["install", "image"], gives(&TO)),
        (&["members"], gives(&["install", "image"]) || moved && gives(&["members"])),
    ];
    for (keys, _) in replaced.iter().filter(|(_, gone)| *gone) {
        keys.iter().for_each(|key| kept.remove(key));
    }
    merge(&Value { place: base.place.clone(), data: Data::Table(Arc::new(kept)) }, over)
}

/// `over` laid on `base`: tables are merged, anything else is replaced; `{ expr = "..." }` is a value, and no table.
pub fn merge(base: &Value, over: &Value) -> Value {
    let (Data::Table(below), Data::Table(above)) = (&base.data, &over.data) else { return over.clone() };
    let is_expression = |table: &Table| table.len() == 1 && table.contains_key("expr");
    if is_expression(below) || is_expression(above) {
        return over.clone();
    }
    let mut merged = Table::clone(below);
    for (key, field) in above.iter() {
        let value = match merged.get(key) {
            Some(old) => merge(&old.value, &field.value),
            None => field.value.clone(),
        };
        merged.insert(key, Field { key: field.key.clone(), value });
    }
    Value { place: over.place.clone(), data: Data::Table(Arc::new(merged)) }
}

/// Merges one layer's nodes into those of the layers before, by name; a new one comes last. A layer gives a list of
/// tables, or a table by name, in which `NAME = false` removes the node.
fn merge_nodes(nodes: &mut Vec<(String, Value)>, declared: &Value, faults: &mut Faults) {
    let given: Vec<(String, Value)> = match &declared.data {
        Data::Table(table) => table.iter().map(|(name, field)| (name.to_owned(), named(name, &field.value))).collect(),
        Data::Array(items) => items.iter().map(|node| (name_of(node), node.clone())).collect(),
        _ => {
            let error = Error::usage(format!("`nodes` is {}, not a list of tables", declared.kind()));
            return faults.push(error.at(&declared.place));
        }
    };
    let index = |nodes: &[(String, Value)]| -> BTreeMap<String, usize> {
        nodes.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect()
    };
    let (mut seen, mut known) = (BTreeSet::new(), index(nodes));
    for (name, node) in given {
        if !seen.insert(name.clone()) && !name.is_empty() {
            faults.push(Error::usage(format!("the node `{name}` is given twice")).at(&node.place));
        }
        // A node without a name is kept apart; it is told to have none when it is read.
        let old = known.get(&name).copied().filter(|_| !name.is_empty());
        match (old, node.data == Data::Boolean(false)) {
            (Some(at), true) => {
                nodes.remove(at);
                known = index(nodes);
            }
            (Some(at), false) => nodes[at].1 = merge(&nodes[at].1, &node),
            (None, true) => faults.push(Error::usage(format!("there is no node `{name}` to remove")).at(&node.place)),
            (None, false) => {
                known.insert(name.clone(), nodes.len());
                nodes.push((name, node));
            }
        }
    }
}

fn name_of(node: &Value) -> String {
    node.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A node that was written by name has that name.
fn named(name: &str, node: &Value) -> Value {
    let Some(table) = node.as_table() else { return node.clone() };
    let mut table = Table::clone(table);
    let value = text(name, &node.place);
    table.insert_default("name", || Field { key: node.place.clone(), value });
    Value { place: node.place.clone(), data: Data::Table(Arc::new(table)) }
}

fn text(text: &str, place: &Place) -> Value {
    Value { place: place.clone(), data: Data::String(text.into()) }
}

/// The document with an epoch, if it has none.
pub fn set_default_epoch(document: &Value, epoch: Epoch) -> Value {
    let place = Place { file: "SOURCE_DATE_EPOCH".into(), line: 1, column: 1 };
    let field = |data| Field { key: place.clone(), value: Value { place: place.clone(), data } };
    let epoch = Table::from([("epoch".to_owned(), field(Data::Instant(epoch)))]);
    let cluster = Table::from([("cluster".to_owned(), field(Data::Table(Arc::new(epoch))))]);
    let default = Value { place: place.clone(), data: Data::Table(Arc::new(cluster)) };
    merge(&default, document)
}
