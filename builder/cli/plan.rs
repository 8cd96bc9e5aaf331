//! `plan`: the resolved request, for a person and as JSON. Works without a lock and without a seed.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde::Serialize;

use super::ProfileArgument;
use super::print::Printer;
use crate::build::base::Knowledge;
use crate::build::layers::Layering;
use crate::build::{self, NodePlan};
use crate::error::{Result, visible};
use crate::profile::{DifferenceDeclaration, Lock, Profile};
use crate::tree::{Audience, Entry, Layer, Node, TreePath};

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    profile: ProfileArgument,
    /// Only these nodes; may be given several times.
    #[arg(long, value_name = "NAME")]
    node: Vec<String>,
}

/// A plan as `--format json` prints it. It holds no digest of what a seed would decide.
#[derive(Debug, Serialize)]
struct Report<'a> {
    profile: &'a str,
    cluster: &'a str,
    version: String,
    epoch: String,
    overlays: Vec<&'a str>,
    sources: BTreeMap<&'a str, Vec<SourceReport<'a>>>,
    outputs: Vec<String>,
    admin: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    placements: Vec<PlacementReport<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<AcceptedReport<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<&'a DifferenceDeclaration>,
    nodes: Vec<NodeReport<'a>>,
}

/// A key of an authority, or a kubeconfig for people, that is on nodes.
#[derive(Debug, Serialize)]
struct PlacementReport<'a> {
    what: String,
    nodes: Vec<&'a str>,
    reason: &'a str,
}

/// A finding that the profile accepts.
#[derive(Debug, Serialize)]
struct AcceptedReport<'a> {
    finding: &'a str,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct SourceReport<'a> {
    from: &'a str,
    members: &'a BTreeSet<String>,
    locked: bool,
}

#[derive(Debug, Serialize)]
struct NodeReport<'a> {
    name: &'a str,
    roles: &'a [String],
    overlays: &'a [String],
    files: Vec<FileReport<'a>>,
    pending: Vec<PendingReport<'a>>,
    /// What the node brings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<ImageReport<'a>>,
    provides: &'a [crate::overlay::declare::Provision],
    /// Whether the base is known: what is not locked and in the store is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct FileReport<'a> {
    path: String,
    #[serde(rename = "type")]
    kind: &'static str,
    mode: String,
    uid: u32,
    gid: u32,
    layer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    origin: &'a str,
}

/// An image that needs no registry.
#[derive(Debug, Serialize)]
struct ImageReport<'a> {
    name: &'a str,
    path: &'a str,
    source: &'a str,
}

#[derive(Debug, Serialize)]
struct PendingReport<'a> {
    path: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'a str>,
}

impl Plan {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let (profile, seen) = self.profile.load()?;
        let shown = profile.lock_file().display().to_string();
        let lock = Lock::load(&profile.project.join(profile.lock_file()), &shown)?;
        let plan = super::resolve(&profile, seen, lock.as_ref())?;
        let layering = Layering::of(&plan)?;
        let selected = build::select(&plan, &self.node)?;
        let mut nodes = Vec::with_capacity(selected.len());
        for (number, _) in plan.nodes.outlines().enumerate().filter(|(_, node)| selected.contains(node.name.as_str())) {
            let node = plan.nodes.get(number)?;
            let layers = layering.node(number, &node)?;
            nodes.push((node, layers));
        }
        let report = Report {
            nodes: nodes.iter().map(|(node, layers)| node_report(node, layers)).collect(),
            ..head(&profile, &plan, lock.as_ref())
        };
        printer.report(&report, || human(&report))
    }
}

fn head<'a>(profile: &'a Profile, plan: &'a build::Plan, lock: Option<&Lock>) -> Report<'a> {
    let mut sources: BTreeMap<&str, Vec<SourceReport<'_>>> = BTreeMap::new();
    for (wanted, source) in &plan.sources {
        let locked = lock.is_some_and(|lock| lock.sources.contains_key(wanted));
        sources.entry(&wanted.name).or_default().push(SourceReport {
            from: &wanted.from,
            members: &source.patterns,
            locked,
        });
    }
    let output = |output: &crate::profile::OutputDeclaration| {
        let secrets = match output.secrets {
            crate::profile::SecretsDeclaration::Include => ", with secrets",
            crate::profile::SecretsDeclaration::Omit => "",
        };
        match output.layers {
            crate::profile::LayersDeclaration::Split => format!("{} for each layer", *output.format),
            crate::profile::LayersDeclaration::Merged => format!("{} merged{secrets}", *output.format),
        }
    };
    Report {
        profile: &profile.name,
        cluster: &profile.declared.cluster.name,
        version: profile.declared.cluster.version.to_string(),
        epoch: profile.epoch.to_string(),
        overlays: plan.overlays.iter().map(|overlay| overlay.name.as_str()).collect(),
        sources,
        outputs: profile.declared.outputs.iter().map(|declared| output(declared)).collect(),
        admin: plan.admin.keys().map(String::as_str).collect(),
        placements: placements(profile),
        accepted: accepted(profile),
        differences: profile.declared.differences.iter().map(|placed| &placed.value).collect(),
        nodes: Vec::new(),
    }
}

fn placements(profile: &Profile) -> Vec<PlacementReport<'_>> {
    let report =
        |declared: &'_ crate::profile::pki::PlacementDeclaration| match (&declared.authority, &declared.kubeconfig) {
            (Some(name), _) => format!("the key of authority {name}"),
            (None, name) => format!("kubeconfig {}", name.as_deref().unwrap_or_default()),
        };
    let all = profile.declared.pki.placements.iter();
    all.map(|declared| PlacementReport {
        what: report(declared),
        nodes: declared.nodes.iter().map(|node| node.as_str()).collect(),
        reason: &declared.reason,
    })
    .collect()
}

fn accepted(profile: &Profile) -> Vec<AcceptedReport<'_>> {
    let all = profile.declared.accept.iter();
    all.map(|declared| AcceptedReport { finding: &declared.finding, reason: &declared.reason }).collect()
}

fn node_report<'a>(node: &'a NodePlan, layers: &'a build::NodeLayers) -> NodeReport<'a> {
    let in_layer = |layer: &'a Layer| {
        layer.tree.iter().map(move |(path, entry)| ((path, layer.audience), file_report(path, entry, layer.audience)))
    };
    let files: BTreeMap<_, _> = layers.all().flat_map(in_layer).collect();
    let pending = node.pending.iter();
    NodeReport {
        name: &node.name,
        roles: &node.roles,
        overlays: &node.overlays,
        files: files.into_values().filter(|file| file.origin != "parent directory").collect(),
        pending: pending
            .map(|one| PendingReport { path: &one.path, source: &one.source, pattern: one.pattern.as_deref() })
            .collect(),
        images: node
            .images
            .iter()
            .map(|image| ImageReport { name: &image.name, path: &image.path, source: &image.source })
            .collect(),
        provides: &node.provides,
        base: match &node.base {
            Knowledge::None => None,
            Knowledge::Not => Some("unknown"),
            Knowledge::Known(_) => Some("known"),
        },
    }
}

fn file_report<'a>(path: &TreePath, entry: &'a Entry, audience: Audience) -> FileReport<'a> {
    let target = match &entry.node {
        Node::Symlink(target) => Some(target.as_str()),
        _ => None,
    };
    FileReport {
        path: path.to_string(),
        kind: entry.node.name(),
        mode: format!("{:04o}", entry.mode),
        uid: entry.uid,
        gid: entry.gid,
        layer: audience.name(),
        target,
        origin: &entry.origin,
    }
}

fn human(report: &Report<'_>) -> String {
    let mut text = format!("cluster {} {} at {}\n", report.cluster, report.version, report.epoch);
    text += &format!("overlays: {}\noutputs: {}\n", report.overlays.join(", "), report.outputs.join("; "));
    for (name, sources) in &report.sources {
        for source in sources {
            let lock = if source.locked { "" } else { "  (not locked)" };
            text += &format!("source {name}: {}{lock}\n", visible(source.from));
        }
    }
    for placed in &report.placements {
        let line = format!("{} on {}: {}", placed.what, placed.nodes.join(", "), placed.reason);
        text += &format!("placed {}\n", visible(&line));
    }
    for accepted in &report.accepted {
        text += &format!("accepted {}\n", visible(&format!("{}: {}", accepted.finding, accepted.reason)));
    }
    for differs in &report.differences {
        let line = format!("{}, {}, {}: {}", differs.document, differs.path, differs.what, differs.reason);
        text += &format!("differs from {}\n", visible(&line));
    }
    for node in &report.nodes {
        text += &format!("\n{}  roles: {}  overlays: {}\n", node.name, node.roles.join(", "), node.overlays.join(", "));
        if node.base == Some("unknown") {
            text += "  base: not locked or not in the store, so nothing is compared with it, and its users have the number 0\n";
        }
        for file in &node.files {
            let target = file.target.map_or_else(String::new, |target| format!(" -> {target}"));
            let line = format!("{}{target}  [{}]", file.path, file.origin);
            text += &format!(
                "  {:7} {:9} {} {:>3}:{:<3} {}\n",
                file.layer,
                file.kind,
                file.mode,
                file.uid,
                file.gid,
                visible(&line)
            );
        }
        for pending in &node.pending {
            let pattern = pending.pattern.map_or_else(String::new, |pattern| format!(": {pattern}"));
            text += &format!("  pending {}  [source {}{}]\n", visible(pending.path), pending.source, visible(&pattern));
        }
        for given in node.provides {
            let by = given.by.as_deref().unwrap_or("the base");
            let names = given
                .paths
                .iter()
                .map(ToString::to_string)
                .chain([&given.programs, &given.units, &given.images].into_iter().flatten().cloned());
            text += &format!("  {} provides: {}\n", visible(by), visible(&names.collect::<Vec<_>>().join(", ")));
        }
        text += &images(node);
    }
    text
}

/// The images that a node brings, and those that it must get elsewhere.
fn images(node: &NodeReport<'_>) -> String {
    if node.images.is_empty() {
        return String::new();
    }
    let lines = node.images.iter().map(|image| {
        visible(&format!("image {} in the bundle: {}  [source {}]", image.name, image.path, image.source))
    });
    let elsewhere: BTreeSet<&str> = node.provides.iter().flat_map(|given| &given.images).map(String::as_str).collect();
    let rest = match elsewhere.is_empty() {
        true => "no other image is named: the node needs no registry".to_owned(),
        false => visible(&format!("not in the bundle: {}", elsewhere.into_iter().collect::<Vec<_>>().join(", "))),
    };
    lines.chain([rest]).map(|line| format!("  {line}\n")).collect()
}
