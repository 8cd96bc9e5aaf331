//! Paths that units, files of variables and configurations name: what they lead to is there.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::is_of_cluster;
use super::finding::{Findings, Spot};
use super::made::{Made, command, needs_none};
use super::pods;
use super::rule::{Rule, Severity};
use super::subject::{Found, Machine, Whole};
use super::unit::words;
use super::units::is_command;
use super::whole::{Said, Unit};
use crate::document::yaml::Node;
use crate::tree::{self, TreePath};

/// A path that leads to nothing.
pub const PATH_MISSING: Rule = Rule {
    id: "path-missing",
    severity: Severity::Error,
    finds: "a path that a command line, a file of variables or a configuration names, and that leads to nothing",
    fate: "who opens it finds no file (no such file or directory)",
    remedy: "bring it, correct the path, or say with [[provides]] who has it or makes it when the machine runs",
};
/// A path that leads to nothing, where programs write.
pub const PATH_UNMADE: Rule = Rule {
    id: "path-unmade",
    severity: Severity::Warning,
    finds: "a path below /var, /srv, /home, /root or /run that a command line, a file of variables, a configuration or a pod names, and that nothing makes but perhaps the program itself",
    fate: "if the program does not make it itself, it finds no file (no such file or directory)",
    remedy: "bring it, or say with [[provides]] who makes it when the machine runs",
};

/// All rules: those of pods are looked at together with it, so that what is missing is told once.
pub const RULES: &[Rule] = &[
    PATH_MISSING,
    PATH_UNMADE,
    pods::POD_HOST_PATH,
    pods::POD_MOUNT,
    pods::POD_VOLUME_UNUSED,
    pods::POD_PATH,
    pods::POD_PATH_UNMOUNTED,
    pods::POD_PROBE_PORT,
];

/// The directories that a machine has at its root (file-hierarchy(7), hier(7)): what begins otherwise is no path of a
/// machine, such as that of a URL.
const ROOTS: [&str; 20] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin",
    "srv", "sys", "tmp", "usr", "var",
];
/// The directories that every system has (FHS 3.0).
const EVERYWHERE: [&str; 18] = [
    "etc/opt",
    "usr/bin",
    "usr/include",
    "usr/lib",
    "usr/local",
    "usr/local/bin",
    "usr/local/lib",
    "usr/local/sbin",
    "usr/local/share",
    "usr/sbin",
    "usr/share",
    "usr/src",
    "var/cache",
    "var/lib",
    "var/log",
    "var/opt",
    "var/spool",
    "etc/systemd/system",
];

/// What every system has besides, as far as nothing else is known of it: these and what is below them (FHS 3.0;
/// machine-id(5), os-release(5), hostname(5), hosts(5), resolv.conf(5), passwd(5), group(5), localtime(5), tzset(3)).
const ALWAYS: [&str; 12] = [
    "etc/group",
    "etc/hostname",
    "etc/hosts",
    "etc/localtime",
    "etc/machine-id",
    "etc/os-release",
    "etc/passwd",
    "etc/resolv.conf",
    "lib/modules",
    "usr/lib/modules",
    "usr/lib/os-release",
    "usr/share/zoneinfo",
];
/// Where programs write.
const WRITTEN: [&str; 5] = ["home", "root", "run", "srv", "var"];

/// Where a path is named.
#[derive(Clone, Copy)]
struct Mention<'a> {
    file: &'a TreePath,
    line: u32,
    /// Whether systemd itself asks for it, before a program could make it.
    is_needed: bool,
}

/// Every path that is named, and where.
#[derive(Default)]
struct Mentions<'a>(BTreeMap<TreePath, Vec<Mention<'a>>>);

impl<'a> Mentions<'a> {
    /// Notes the path that a word names, if it names one.
    fn note(&mut self, word: &str, at: Mention<'a>) {
        if let Some(path) = named(word) {
            self.0.entry(path).or_default().push(at);
        }
    }
}

/// Looks at every path that a machine's files name, then at its pods. A path that is missing is told once for a machine.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    let made = &machine.made;
    let mut mentions = Mentions::default();
    for unit in machine.units.iter().filter(|unit| !unit.has_own_root()) {
        unit.settings.iter().for_each(|said| of_setting(machine, unit, said, &mut mentions));
    }
    of_documents(machine, &mut mentions);
    let mut told = BTreeSet::new();
    // Those above come first.
    for (path, places) in mentions.0.into_iter().filter(|(path, _)| !made.has(path) && is_nowhere(machine, path)) {
        let is_needed = places.iter().any(|place| place.is_needed);
        if !is_needed && is_written(&path) && path.prefixes().any(|above| told.contains(above)) {
            continue;
        }
        let Some(Mention { file, line, .. }) = places.first() else { continue };
        let rule = if !is_needed && is_unmade(machine, made, &path) { &PATH_UNMADE } else { &PATH_MISSING };
        let more = if places.len() > 1 { format!(" (and {} more times)", places.len() - 1) } else { String::new() };
        let says = format!("{file} names {path}, which is nowhere{more}");
        findings.add(rule, Spot { machine, path: file, line: Some(*line) }, says);
        told.insert(path);
    }
    pods::check(machine, &mut told, findings);
}

/// Whether a path is one of a list, or below one.
pub fn is_of(list: &[&str], path: &TreePath) -> bool {
    let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    list.iter().any(|one| path.as_str().strip_prefix(*one).is_some_and(is_below))
}

/// Whether every system has a path, as far as nothing else is known of it.
pub fn is_everywhere(path: &TreePath) -> bool {
    EVERYWHERE.contains(&path.as_str()) || ROOTS.contains(&path.as_str()) || is_of(&ALWAYS, path)
}

/// Whether a path lies where programs write.
pub fn is_written(path: &TreePath) -> bool {
    path.as_str().split_once('/').is_some_and(|(first, _)| WRITTEN.contains(&first))
}

/// Whether a program may make a path that is missing: it lies where programs write, in a directory that is there.
pub fn is_unmade(machine: &Machine<'_>, made: &Made, path: &TreePath) -> bool {
    let is_there = |parent: &TreePath| match machine.find(parent) {
        Found::Bundle(_, entry) => matches!(entry.node, tree::Node::Directory),
        _ => made.has(parent) || !is_nowhere(machine, parent),
    };
    is_written(path) && path.parent().is_some_and(|parent| is_there(&parent))
}

/// Whether a path leads to nothing, and nothing else says so already: a link that leads nowhere is told as one.
pub fn is_nowhere(machine: &Machine<'_>, path: &TreePath) -> bool {
    let is_link = |path: &str| {
        let entry = machine.plan.tree.at(path);
        entry.is_some_and(|(_, entry)| matches!(entry.node, tree::Node::Symlink(_)))
    };
    let is_everywhere = EVERYWHERE.contains(&path.as_str()) || !path.as_str().contains('/');
    !is_everywhere && matches!(machine.find(path), Found::Missing(_)) && !path.prefixes().any(is_link)
}

fn of_setting<'a>(
    machine: &Machine<'a>,
    unit: &Unit<'a>,
    Said { path, setting }: &Said<'a>,
    mentions: &mut Mentions<'a>,
) {
    let at = Mention { file: path, line: setting.line, is_needed: false };
    match setting.key.as_str() {
        key if is_command(key) => of_command(&setting.value, at, mentions),
        "Environment" => words(&setting.value).iter().for_each(|word| of_variable(unit, word, at, mentions)),
        "WorkingDirectory" | "ReadWritePaths" | "ReadOnlyPaths" | "BindPaths" | "BindReadOnlyPaths" => {
            // What begins with `-` may be missing.
            let at = Mention { is_needed: true, ..at };
            words(&setting.value).iter().for_each(|word| mentions.note(word.split(':').next().unwrap_or_default(), at));
        }
        "EnvironmentFile" => {
            let file = setting.value.trim_start_matches('-').parse::<TreePath>().ok();
            let Some((file, _)) = file.and_then(|file| machine.plan.tree.at(file.as_str())) else { return };
            let text = machine.text(file).unwrap_or_default();
            for (line, text) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with('#')) {
                of_variable(unit, text, Mention { file, line, is_needed: false }, mentions);
            }
        }
        _ => {}
    }
}

/// The words behind a program, which is another check's. A line that may fail needs none of its files, and some programs make
/// them or do without.
fn of_command<'a>(line: &str, at: Mention<'a>, mentions: &mut Mentions<'a>) {
    let (prefixes, words) = command(line);
    let program = words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    if !prefixes.contains('-') && !needs_none(program) {
        words.iter().skip(1).for_each(|word| mentions.note(word, at));
    }
}

/// `NAME=VALUE`: of a variable that no command line has, a program may still read a path.
fn of_variable<'a>(unit: &Unit<'a>, assignment: &str, at: Mention<'a>, mentions: &mut Mentions<'a>) {
    let Some((name, value)) = assignment.split_once('=') else { return };
    let words: Vec<String> = words(value).iter().flat_map(|word| word.split_whitespace().map(str::to_owned)).collect();
    let is_path = matches!(&words[..], [word] if word.starts_with('/'));
    if is_path || unit.uses(name.trim()) {
        words.iter().for_each(|word| mentions.note(word, at));
    }
}

/// What configurations name, but for objects of a cluster: what those name is in pods.
fn of_documents<'a>(machine: &Whole<'a>, mentions: &mut Mentions<'a>) {
    for document in &machine.documents {
        for (path, line) in document.names(named_in) {
            let mention = Mention { file: document.path, line: *line, is_needed: false };
            mentions.0.entry(path.clone()).or_default().push(mention);
        }
    }
}

fn named_in(nodes: &[Node]) -> Vec<(TreePath, u32)> {
    let mut named = Vec::new();
    nodes.iter().filter(|node| !is_of_cluster(node)).for_each(|node| of_node(node, &mut named));
    named
}

fn of_node(node: &Node, found: &mut Vec<(TreePath, u32)>) {
    let Some(text) = node.as_text() else {
        node.items().iter().for_each(|item| of_node(item, found));
        node.fields().iter().for_each(|(_, value)| of_node(value, found));
        return;
    };
    found.extend(named(text).map(|path| (path, node.line)));
}

/// The path that a word is, or has as a flag's value; none if it is none, such as a pattern, or if the machine alone knows which it is.
pub fn named(word: &str) -> Option<TreePath> {
    let value = match word.strip_prefix('-') {
        Some(_) => word.split_once('=')?.1,
        None => word,
    };
    let value = value.trim_end_matches('/');
    let first = value.strip_prefix('/')?.split('/').next()?;
    let is_plain = !value.contains(|c: char| c.is_whitespace() || "*?[]{}^$+=#%:,;|&<>()'\"\\`".contains(c));
    (is_plain && ROOTS.contains(&first)).then(|| value.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_path() {
        for (word, path) in
            [("/etc/x.conf", "/etc/x.conf"), ("--config=/etc/x.conf", "/etc/x.conf"), ("-c=/var/lib/x/", "/var/lib/x")]
        {
            assert_eq!(named(word).map(|path| path.to_string()).as_deref(), Some(path), "{word}");
        }
        for word in [
            "/healthz",
            "/api/v1",
            "unix:///run/x.sock",
            "https://a/etc/x",
            "/etc/*.conf",
            "/etc/$X",
            "/etc/%i",
            "--x",
            "/usr/bin:/bin",
            "a=/etc/x",
            "/",
            "etc/x",
            "/etc/../x",
            "/etc/a b",
            "--a=b=/etc/x",
            "/var/lib/.+/x",
            "/etc/x$",
        ] {
            assert_eq!(named(word), None, "{word}");
        }
    }
}
