//! What is asked: one cluster, its machines, and where their files come from. Pure data; nothing is fetched, issued or
//! written here.
//!
//! ```text
//! profiles/NAME.toml --load: extends, merge--> one document --render, read, check--> Profile
//! ```

pub mod boot;
mod load;
pub mod lock;
pub mod pki;
pub mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use crate::digest::Digest;
use crate::document::{self, Data, Field, Placed, Table, Value};
use crate::epoch::Epoch;
use crate::error::{Error, Faults, Result};
use crate::label::is_label;
use crate::overlay::{Engine, Global, Scope, Seen};

pub use boot::{BaseDeclaration, BaseFile, BootDeclaration, DebianDeclaration};
pub use load::{base_of, merge, merge_source};
pub use lock::Lock;
pub use schema::{
    Arch, DifferenceDeclaration, LayersDeclaration, NodeDeclaration, OutputDeclaration, ProfileDeclaration,
    SecretsDeclaration,
};

/// A profile whose own values are resolved. What overlays make of it is a [`Plan`](crate::build::Plan).
#[derive(Debug)]
pub struct Profile {
    /// The profile's name: its file's path below `profiles/`, without `.toml`.
    pub name: String,
    /// The project's root: the directory that holds `overlays/`.
    pub project: PathBuf,
    /// The profile's file.
    pub file: PathBuf,
    /// The documents that were merged, the outermost base first, without their nodes. Their flags and modules are applied in
    /// this order.
    pub layers: Vec<Value>,
    /// The merged document without its nodes, nothing rendered.
    pub document: Value,
    /// Its resolved values.
    pub declared: ProfileDeclaration,
    /// The one instant that the release knows.
    pub epoch: Epoch,
    /// The modification time of every file.
    pub mtime: Epoch,
    /// The machines, in the order of the profile.
    pub nodes: Vec<NodeDeclaration>,
    /// SHA-256 over the merged document.
    pub digest: Digest,
}

impl Profile {
    /// Loads a profile with all that it extends, and resolves its own values; with it what templates see: the cluster, the
    /// network, all nodes, each with its part of the document. It is needed until there is a plan. `source_date_epoch` serves
    /// where the profile has no epoch.
    pub fn load(file: &Path, source_date_epoch: Option<Epoch>) -> Result<(Profile, Seen)> {
        let (project, file) = load::find_project(file)?;
        let layers = load::load_layers(&project, &file)?;
        let mut document = load::merge_all(&layers)?;
        if let Some(epoch) = source_date_epoch {
            document = load::set_default_epoch(&document, epoch);
        }
        let digest = document.digest()?;
        // From here on they are taken one by one, and are in no document: there may be thousands.
        let nodes = document.get("nodes").map_or(&[][..], Value::items).to_vec();
        document = without("nodes", &document);
        let layers = layers.into_iter().map(|layer| without("nodes", &layer)).collect();
        // Unknown keys first, and before anything is rendered: a wrong key explains many a wrong value.
        unknown_keys(&document, &nodes)?;
        let seen = seen(&document, nodes);
        let (declared, nodes) = read_own(&seen, &document)?;
        let epoch = declared.cluster.epoch.as_ref();
        let epoch = epoch.ok_or_else(|| no_epoch(&document))?.value;
        let (name, mtime) = (load::name(&file), declared.cluster.mtime);
        let profile = Profile { name, project, file, layers, document, declared, epoch, mtime, nodes, digest };
        profile.check()?;
        Ok((profile, seen))
    }

    /// Where the lock is: beside the profile.
    pub fn lock_file(&self) -> PathBuf {
        self.file.with_extension("lock")
    }

    /// What is wrong with the values as such, each readable by itself.
    fn check(&self) -> Result<()> {
        let mut faults = Faults::new();
        let cluster = &self.declared.cluster;
        check_name("a cluster's name", &cluster.name, &mut faults);
        self.check_nodes(&mut faults);
        self.check_addresses(&mut faults);
        for differs in self.declared.differences.iter().filter(|differs| differs.reason.trim().is_empty()) {
            faults.push(Error::usage("a difference without a reason").advise("say why").at(&differs.place));
        }
        check_twice("overlay", self.declared.overlays.iter(), &mut faults);
        let mut outputs = BTreeSet::new();
        for output in &self.declared.outputs {
            if !outputs.insert((output.format.value, output.layers)) {
                faults
                    .push(Error::usage(format!("the output {} is asked for twice", *output.format)).at(&output.place));
            }
            let split = output.layers == LayersDeclaration::Split;
            if split && output.secrets == SecretsDeclaration::Include {
                let error = Error::usage("`secrets` is for `layers = \"merged\"`: split layers have one of their own");
                faults.push(error.at(&output.place));
            }
        }
        let known: BTreeSet<&str> = self.declared.overlays.iter().map(|name| name.as_str()).collect();
        for (name, vars) in &self.declared.vars {
            if !known.contains(name.as_str()) {
                let error = Error::usage(format!("[vars.{name}] is for no overlay of this profile")).at(&vars.place);
                faults.push(match document::nearest(name, known.iter().copied()) {
                    Some(near) => error.advise(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
        }
        faults.finish(())
    }

    fn check_nodes(&self, faults: &mut Faults) {
        if self.nodes.is_empty() {
            faults.push(
                Error::usage("a profile names at least one machine").advise("add [[nodes]]").at(&self.document.place),
            );
        }
        let mut macs = BTreeMap::new();
        for node in &self.nodes {
            check_name("a node's name", &node.name, faults);
            if RESERVED.contains(&node.name.as_str()) {
                let message = format!("`{}` is a directory of every release, and no node's name", node.name.value);
                faults.push(Error::usage(message).advise("choose another name").at(&node.name.place));
            }
            let Some(mac) = &node.mac else { continue };
            let octets: Vec<_> = mac.split(':').collect();
            let hex = |octet: &&str| octet.len() == 2 && octet.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if octets.len() != 6 || !octets.iter().all(hex) {
                let error = Error::usage(format!("`{}` is not a MAC address like 52:54:00:00:05:0b", mac.value));
                faults.push(error.advise("write it in lower case").at(&mac.place));
            }
            if let Some(other) = macs.insert(mac.value.clone(), node.name.value.clone()) {
                faults.push(
                    Error::usage(format!("nodes {other} and {} have one MAC address", node.name.value)).at(&mac.place),
                );
            }
        }
        // Names are unique by the merge: two tables of one name in a file are told there.
        let mut addresses: BTreeMap<IpAddr, &str> = BTreeMap::new();
        for node in &self.nodes {
            for address in node.address.iter().chain(&node.addresses) {
                if let Some(other) = addresses.insert(address.value, &node.name) {
                    let message = format!("nodes {other} and {} have one address, {}", node.name.value, address.value);
                    faults.push(Error::usage(message).at(&address.place));
                }
            }
        }
    }

    /// A machine outside its own network cannot be reached: told here, where the line is known.
    fn check_addresses(&self, faults: &mut Faults) {
        let network = &self.declared.network;
        let Some(machines) = &network.machine_cidr else { return };
        let inside = |address: &Placed<IpAddr>, what: String, faults: &mut Faults| {
            if same_family(&machines.value, &address.value) && !machines.contains(&address.value) {
                let message = format!("{what} {} is outside machine-cidr {}", address.value, machines.0);
                faults.push(Error::usage(message).at(&address.place));
            }
        };
        for node in &self.nodes {
            if let Some(address) = &node.address {
                inside(address, format!("the address of {}", node.name.value), faults);
            }
        }
        if let Some(gateway) = &network.gateway {
            inside(gateway, "the gateway".into(), faults);
        }
    }
}

/// What a release has beside its nodes' directories.
const RESERVED: [&str; 4] = ["admin", "boot", "layers", "secrets"];

fn same_family(network: &IpNet, address: &IpAddr) -> bool {
    matches!((network, address), (IpNet::V4(_), IpAddr::V4(_)) | (IpNet::V6(_), IpAddr::V6(_)))
}

fn no_epoch(document: &Value) -> Error {
    let place = document.get("cluster").map_or(&document.place, |cluster| &cluster.place);
    let advice = "add `epoch = 2026-11-01T00:00:00Z` under [cluster], or set SOURCE_DATE_EPOCH";
    Error::usage("the release has no epoch").advise(advice).at(place)
}

fn check_twice<'a>(what: &str, names: impl Iterator<Item = &'a Placed<String>>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.as_str()) {
            faults.push(Error::usage(format!("{what} `{}` is named twice", name.value)).at(&name.place));
        }
    }
}

fn check_name(what: &str, name: &Placed<String>, faults: &mut Faults) {
    if !is_label(name) {
        let message = format!("{what} is a DNS label (a-z, 0-9, `-` inside, at most 63), not `{}`", name.value);
        faults.push(Error::usage(message).at(&name.place));
    }
}

/// Nodes one by one: what is still a template is no value yet, and to begin again behind each in one document takes a time that
/// grows with the square of their number.
fn unknown_keys(document: &Value, nodes: &[Value]) -> Result<()> {
    let mut faults = Faults::new();
    faults.note(document::unknown_keys::<ProfileDeclaration>(document));
    for node in nodes {
        faults.note(document::unknown_keys::<NodeDeclaration>(node));
    }
    faults.finish(())
}

/// What templates see; what is derived is added to each node's document.
fn seen(document: &Value, nodes: Vec<Value>) -> Seen {
    let engine = Arc::new(Engine::default());
    let mut names = BTreeMap::new();
    for name in ["cluster", "kubernetes", "network", "pki"] {
        let value = document.get(name).cloned().unwrap_or_else(|| Value::empty_table(&document.place));
        names.insert(name.to_owned(), Global::Document(value));
    }
    let derived = derived(document);
    Seen::new(engine, names, nodes.into_iter().map(|node| derive(&node, &derived)).collect())
}

/// What a node has that does not say otherwise: no roles, its architecture from the cluster, and its full name.
fn derived(document: &Value) -> [(Arc<str>, Data); 3] {
    let domain = document.get("cluster").and_then(|cluster| cluster.get("domain"));
    let fqdn = if domain.is_some() { "{{ node.name }}.{{ cluster.domain }}" } else { "{{ node.name }}" };
    [
        ("roles".into(), Data::Array(Arc::default())),
        ("arch".into(), Data::String("{{ cluster.arch }}".into())),
        ("fqdn".into(), Data::String(fqdn.into())),
    ]
}

/// A node with what is derived.
fn derive(node: &Value, derived: &[(Arc<str>, Data)]) -> Value {
    let Some(table) = node.as_table() else { return node.clone() };
    let missing = || derived.iter().filter(|(key, _)| node.get(key).is_none());
    let mut table = table.with_room(missing().count());
    for (key, data) in missing() {
        // That the name is missing is told when the node is read.
        let is_nameless = **key == *"fqdn" && node.get("name").is_none();
        let data = if is_nameless { Data::String("".into()) } else { data.clone() };
        let value = Value { place: node.place.clone(), data };
        table.insert(key.clone(), Field { key: node.place.clone(), value });
    }
    Value { place: node.place.clone(), data: Data::Table(Arc::new(table)) }
}

/// The profile's own values and its nodes, rendered and read. What is for overlays (sources, flags, variables) is rendered
/// later, for each node.
fn read_own(seen: &Seen, document: &Value) -> Result<(ProfileDeclaration, Vec<NodeDeclaration>)> {
    let (mut unrendered, mut unread) = (Faults::new(), Faults::new());
    let own = render_own(&seen.scope, document, &mut unrendered);
    let mut nodes = Vec::with_capacity(seen.documents().len());
    for node in seen.documents() {
        let scope = seen.scope.child(BTreeMap::from([("node".to_owned(), Global::Document(node.clone()))]));
        // Its variables may refer to what only an overlay's scope has.
        let Some(rendered) = unrendered.note(scope.render(&without("vars", node))) else { continue };
        nodes.extend(unread.note(document::read::<NodeDeclaration>(&rendered)));
    }
    // What cannot be rendered explains many a wrong value.
    unrendered.finish(())?;
    match unread.note(document::read(&own)) {
        Some(declared) => unread.finish((declared, nodes)),
        None => Err(unread.into_error()),
    }
}

fn render_own(scope: &Arc<Scope>, document: &Value, faults: &mut Faults) -> Value {
    let Some(table) = document.as_table() else { return document.clone() };
    let mut rendered = Table::new();
    for (key, field) in table {
        let value = match key {
            "base" | "sources" | "args" | "command" | "sysctl" | "modules" | "vars" => field.value.clone(),
            _ => faults.note(scope.render(&field.value)).unwrap_or_else(|| field.value.clone()),
        };
        rendered.insert(key, Field { key: field.key.clone(), value });
    }
    Value { place: document.place.clone(), data: Data::Table(Arc::new(rendered)) }
}

/// A table without one of its keys.
fn without(key: &str, value: &Value) -> Value {
    let Some(table) = value.as_table() else { return value.clone() };
    let mut table = Table::clone(table);
    table.remove(key);
    Value { place: value.place.clone(), data: Data::Table(Arc::new(table)) }
}
