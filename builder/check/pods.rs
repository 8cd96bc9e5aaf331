//! Pods that a machine starts from files: volumes, mounts and flags agree with each other and with the machine.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Findings, Spot};
use super::kinds::{kind_of, objects};
use super::made::Made;
use super::paths::{PATH_UNMADE, is_nowhere, is_of, is_unmade, is_written, named};
use super::rule::{Rule, Severity};
use super::subject::{Found, Machine, Whole, is_running};
use crate::document::yaml::Node;
use crate::tree::{self, TreePath};

/// A path of the machine that a pod needs.
pub const POD_HOST_PATH: Rule = Rule {
    id: "pod-host-path",
    severity: Severity::Error,
    finds: "a hostPath volume of a pod that is not on the machine, or is there as something else",
    fate: "the pod does not start (hostPath type check failed)",
    remedy: "bring what the volume leads to, correct its path or type, or say with [[provides]] who has it",
};
/// A mount of no volume.
pub const POD_MOUNT: Rule = Rule {
    id: "pod-mount",
    severity: Severity::Error,
    finds: "a mount of a pod's container that names no volume of the pod, or a place that another mount has",
    fate: "the pod is refused (spec.containers.volumeMounts: Not found, or must be unique)",
    remedy: "give the mount the name of a volume and a place of its own",
};
/// A volume that nobody mounts.
pub const POD_VOLUME_UNUSED: Rule = Rule {
    id: "pod-volume-unused",
    severity: Severity::Warning,
    finds: "a volume of a pod that no container mounts",
    fate: "no container sees what is in the volume",
    remedy: "mount the volume, or take it out",
};
/// A path that a container does not see.
pub const POD_PATH: Rule = Rule {
    id: "pod-path",
    severity: Severity::Error,
    finds: "a path that a pod's command names, and that is on the machine and under no mount, or not on the machine below the mount",
    fate: "the program in the container ends at once (no such file or directory), and is started again and again",
    remedy: "mount the path, bring the file, or say with [[provides]] who makes it when the machine runs",
};
/// A path that perhaps the image has.
pub const POD_PATH_UNMOUNTED: Rule = Rule {
    id: "pod-path-unmounted",
    severity: Severity::Warning,
    finds: "a path below /etc, or of a directory of the machine, that a pod's command names, and that is under no mount",
    fate: "the program in the container finds what its image has there, or nothing (no such file or directory)",
    remedy: "mount the path, or accept this if the image has it",
};
/// A probe of a port without a number.
pub const POD_PROBE_PORT: Rule = Rule {
    id: "pod-probe-port",
    severity: Severity::Error,
    finds: "a probe that asks a port by a name which the container has not",
    fate: "the probe fails always, and the container is killed or never ready",
    remedy: "name a port of the container's `ports`, or give the number",
};

/// A pod's file.
struct Pod<'a> {
    machine: &'a Machine<'a>,
    path: &'a TreePath,
    made: &'a Made,
    name: &'a str,
    volumes: BTreeMap<&'a str, &'a Node>,
}

/// Looks at every pod of a machine that is an object of a file of its own, and at what other objects make pods of. What was
/// told to be missing is not told again.
pub fn check(machine: &Whole<'_>, told: &mut BTreeSet<TreePath>, findings: &mut Findings) {
    for document in &machine.documents {
        for object in document.nodes().iter().flat_map(objects).filter(|object| kind_of(object).is_some()) {
            let is_pod = object.text("kind") == Some("Pod");
            let Some(spec) = (if is_pod { object.get("spec") } else { template(object) }) else { continue };
            let claims = object.at(&["spec", "volumeClaimTemplates"]).map_or(&[][..], Node::items);
            let claims = claims.iter().filter_map(|claim| Some((claim.at(&["metadata", "name"])?.as_text()?, claim)));
            let volumes = spec.list("volumes").iter();
            let volumes = volumes.filter_map(|volume| Some((volume.text("name")?, volume))).chain(claims).collect();
            let name = object.at(&["metadata", "name"]).and_then(Node::as_text).unwrap_or("without a name");
            let pod = Pod { machine, path: document.path, made: &machine.made, name, volumes };
            look(&pod, spec, findings);
            // The others run on any machine.
            if is_pod {
                on_this_machine(&pod, spec, told, findings);
            }
        }
    }
}

/// What an object makes pods of (kubernetes.io, "PodTemplate").
fn template(object: &Node) -> Option<&Node> {
    object.at(&["spec", "template", "spec"]).or_else(|| object.at(&["spec", "jobTemplate", "spec", "template", "spec"]))
}

fn containers(spec: &Node) -> impl Iterator<Item = &Node> {
    ["initContainers", "containers"].into_iter().flat_map(|key| spec.list(key))
}

fn on_this_machine(pod: &Pod<'_>, spec: &Node, told: &mut BTreeSet<TreePath>, findings: &mut Findings) {
    pod.volumes.iter().for_each(|(name, volume)| host_path(pod, name, volume, told, findings));
    containers(spec).for_each(|container| words(pod, container, told, findings));
}

fn look(pod: &Pod<'_>, spec: &Node, findings: &mut Findings) {
    let mounts_of = |key| containers(spec).flat_map(move |container| container.list(key));
    let all = ["volumeMounts", "volumeDevices"].into_iter().flat_map(mounts_of);
    let mounted: BTreeSet<&str> = all.filter_map(|mount| mount.text("name")).collect();
    for (name, volume) in &pod.volumes {
        // A mount of no volume is told, and may be meant for this one.
        if !mounted.contains(name) && mounted.iter().all(|name| pod.volumes.contains_key(name)) {
            let says = format!("the pod {} has the volume `{name}`, which no container mounts", pod.name);
            findings.add(&POD_VOLUME_UNUSED, pod.at(volume), says);
        }
    }
    for container in containers(spec) {
        mounts(pod, container, findings);
        probes(pod, container, findings);
    }
}

impl<'a> Pod<'a> {
    fn at(&self, node: &Node) -> Spot<'a> {
        Spot { machine: self.machine, path: self.path, line: Some(node.line) }
    }

    /// Whether the machine has no such path, and nothing makes it.
    fn lacks(&self, path: &TreePath) -> bool {
        !self.made.has(path) && is_nowhere(self.machine, path)
    }
}

/// The types that must be there before the pod (kubernetes.io, "hostPath volume types"); an empty one asks nothing.
fn host_path(pod: &Pod<'_>, name: &str, volume: &Node, told: &mut BTreeSet<TreePath>, findings: &mut Findings) {
    let Some(source) = volume.get("hostPath") else { return };
    let (Some(path), kind) = (source.text("path"), source.text("type").unwrap_or_default()) else { return };
    let Ok(path) = path.parse::<TreePath>() else { return };
    let wanted = match kind.strip_suffix("OrCreate").unwrap_or(kind) {
        "File" => Some("file"),
        "Directory" => Some("directory"),
        "Socket" | "CharDevice" | "BlockDevice" => None,
        _ => return,
    };
    let says = match pod.machine.find(&path) {
        Found::Bundle(_, entry) if Some(entry.node.name()) != wanted => format!("is a {}", entry.node.name()),
        Found::Missing(_) if !kind.ends_with("OrCreate") && pod.lacks(&path) => "is nowhere".to_owned(),
        _ => return,
    };
    let says = format!("the pod {} has the volume `{name}` of type {kind} from {path}, which {says}", pod.name);
    if !told.insert(path) {
        return;
    }
    findings.add(&POD_HOST_PATH, pod.at(source), says);
}

fn mounts(pod: &Pod<'_>, container: &Node, findings: &mut Findings) {
    let mut places: BTreeSet<&str> = BTreeSet::new();
    for mount in container.list("volumeMounts") {
        let (name, place) = (mount.text("name").unwrap_or_default(), mount.text("mountPath").unwrap_or_default());
        let who = format!("the pod {} mounts `{name}` at {place}", pod.name);
        if !pod.volumes.contains_key(name) {
            findings.add(&POD_MOUNT, pod.at(mount), format!("{who}, and has no such volume"));
        }
        if !places.insert(place.trim_end_matches('/')) {
            findings.add(&POD_MOUNT, pod.at(mount), format!("{who}, where another mount is"));
        }
    }
}

/// The paths in a container's command. The first word of it is a program of the image.
fn words(pod: &Pod<'_>, container: &Node, told: &mut BTreeSet<TreePath>, findings: &mut Findings) {
    let command = container.list("command").iter().skip(1);
    for word in command.chain(container.list("args")) {
        let Some(path) = word.as_text().and_then(named) else { continue };
        let (rule, says) = match on_machine(pod, container, &path) {
            Seen::Unmounted => {
                let Some(rule) = unmounted(pod.machine, &path).filter(|_| told.insert(path.clone())) else { continue };
                (rule, format!("names {path}, which no volume of it holds"))
            }
            Seen::At { host, may_be_made } if pod.lacks(&host) && told.insert(host.clone()) => {
                let on_host = if host == path { String::new() } else { format!(" ({host} of the machine)") };
                let rule = if may_be_made { &PATH_UNMADE } else { &POD_PATH };
                (rule, format!("names {path}{on_host}, which is nowhere"))
            }
            Seen::At { .. } | Seen::Unknown => continue,
        };
        findings.add(rule, pod.at(word), format!("the pod {} {says}", pod.name));
    }
}

/// What is wrong with a path that no volume holds. What the machine brings there is meant to be mounted; otherwise the image
/// may have it.
fn unmounted(machine: &Machine<'_>, path: &TreePath) -> Option<&'static Rule> {
    // Programs, and what most images have.
    const OF_IMAGES: [&str; 9] = [
        "etc/group",
        "etc/localtime",
        "etc/nsswitch.conf",
        "etc/os-release",
        "etc/passwd",
        "etc/pki/ca-trust",
        "etc/pki/tls",
        "etc/ssl/certs",
        "usr/share/zoneinfo",
    ];
    if path.parent().is_some_and(|parent| parent.name().ends_with("bin")) || is_of(&OF_IMAGES, path) {
        return None;
    }
    let is_provided = || machine.plan.provides.iter().any(|provision| provision.paths.contains(path));
    match machine.find(path) {
        Found::Bundle(_, entry) if matches!(entry.node, tree::Node::File(_)) => Some(&POD_PATH),
        Found::Provided if is_provided() => Some(&POD_PATH),
        // One that is declared, and not only above another.
        Found::Bundle(..) if machine.place(path).is_some() => Some(&POD_PATH_UNMOUNTED),
        _ => path.as_str().starts_with("etc/").then_some(&POD_PATH_UNMOUNTED),
    }
}

/// What a path in a container is.
enum Seen {
    /// A path of the machine, and whether the container or what starts it may make it.
    At { host: TreePath, may_be_made: bool },
    /// Not mounted: at most the image has it.
    Unmounted,
    /// In another kind of volume, or made by the container's runtime.
    Unknown,
}

fn on_machine(pod: &Pod<'_>, container: &Node, path: &TreePath) -> Seen {
    // By the container's runtime, as what is made on a machine.
    const MADE: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];
    let text = path.to_string();
    let below = |mount: &Node| {
        let place = mount.text("mountPath")?.trim_end_matches('/');
        let rest = text.strip_prefix(place)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| (place.len(), rest.to_owned()))
    };
    let mounts = container.list("volumeMounts").iter();
    let nearest = mounts.filter_map(|mount| Some((below(mount)?, mount))).max_by_key(|((length, _), _)| *length);
    let Some(((_, rest), mount)) = nearest else {
        return if is_running(path) || is_of(&MADE, path) { Seen::Unknown } else { Seen::Unmounted };
    };
    let volume = mount.text("name").and_then(|name| pod.volumes.get(name));
    let Some(source) = volume.and_then(|volume| volume.get("hostPath")) else { return Seen::Unknown };
    let kind = source.text("type").unwrap_or_default();
    // What is mounted itself is another rule's, or a directory that is made with the pod. A file so made is empty.
    let is_made = !matches!(kind, "" | "FileOrCreate");
    if rest.is_empty() && is_made || mount.get("subPathExpr").is_some() {
        return Seen::Unknown;
    }
    let root = source.text("path").unwrap_or_default().trim_end_matches('/');
    let inside = mount.text("subPath").map_or(String::new(), |inside| format!("/{inside}"));
    let Ok(host) = format!("{root}{inside}{rest}").parse::<TreePath>() else { return Seen::Unknown };
    // The directory of the volume is made with the pod.
    let is_in_made = kind == "DirectoryOrCreate" && host.parent().is_some_and(|parent| parent.to_string() == root);
    let is_writable = mount.text("readOnly") != Some("true");
    let may_be_made = is_writable && is_written(&host) && (is_in_made || is_unmade(pod.machine, pod.made, &host));
    Seen::At { host, may_be_made }
}

fn probes(pod: &Pod<'_>, container: &Node, findings: &mut Findings) {
    let known: Vec<&str> = container.list("ports").iter().filter_map(|port| port.text("name")).collect();
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        for way in ["httpGet", "tcpSocket"] {
            let Some(port) = container.at(&[probe, way, "port"]) else { continue };
            let name = port.as_text().unwrap_or_default();
            if name.parse::<u32>().is_err() && !known.contains(&name) {
                let says = format!("the pod {} asks in its {probe} the port `{name}`, which it has not", pod.name);
                findings.add(&POD_PROBE_PORT, pod.at(port), says);
            }
        }
    }
}
