//! Paths that units, files of variables and configurations name: what they lead to is there.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Findings, Spot};
use super::kinds::kind_of;
use super::pods;
use super::rule::{Rule, Severity};
use super::subject::{Cluster, Found, Machine};
use super::unit::{Setting, read, words};
use super::units::{is_command, is_unit};
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

/// All rules: those of pods are looked at together with it, so that what is missing is told once.
pub const RULES: &[Rule] = &[
    PATH_MISSING,
    pods::POD_HOST_PATH,
    pods::POD_MOUNT,
    pods::POD_VOLUME_UNUSED,
    pods::POD_PATH,
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

/// Programs that make the files and directories that they are given.
const MAKERS: [&str; 5] = ["install", "ln", "mkdir", "tee", "touch"];
/// Programs that are given files which need not be there.
const INDIFFERENT: [&str; 5] = ["[", "rm", "rmdir", "test", "umount"];

/// Where a path is named: the file and the line, and how.
type Mention<'a> = (&'a TreePath, Option<u32>);

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
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    for machine in &cluster.machines {
        let mut mentions = Mentions::default();
        let made = of_units(machine, &mut mentions);
        of_documents(machine, &mut mentions);
        let mut told = BTreeSet::new();
        for (path, places) in mentions.0 {
            let is_made = made.iter().any(|made| *made == path || path.is_beneath(made));
            if is_made || !is_nowhere(machine, &path) {
                continue;
            }
            let Some((file, line)) = places.first() else { continue };
            let more = if places.len() > 1 { format!(" (and {} more times)", places.len() - 1) } else { String::new() };
            let says = format!("{file} names {path}, which is nowhere{more}");
            findings.add(&PATH_MISSING, Spot { machine, path: file, line: *line }, says);
            told.insert(path);
        }
        pods::check(machine, &mut told, findings);
    }
}

/// Whether a path leads to nothing, and nothing else says so already: a link that leads nowhere is told as one.
pub fn is_nowhere(machine: &Machine<'_>, path: &TreePath) -> bool {
    let is_link = |path: &TreePath| {
        let entry = machine.plan.tree.get(path);
        entry.is_some_and(|entry| matches!(entry.node, tree::Node::Symlink(_)))
    };
    let is_everywhere = EVERYWHERE.contains(&path.as_str()) || !path.as_str().contains('/');
    !is_everywhere
        && matches!(machine.find(path), Found::Missing(_))
        && !path.ancestors().chain([path.clone()]).any(|above| is_link(&above))
}

/// What units and their files of variables name; the directories that systemd makes for units, or as tmpfiles.d says.
fn of_units<'a>(machine: &Machine<'a>, mentions: &mut Mentions<'a>) -> Vec<TreePath> {
    let mut made = Vec::new();
    let mut units: BTreeMap<String, Vec<&'a TreePath>> = BTreeMap::new();
    for (path, _) in machine.plan.tree.iter() {
        let directory = path.parent();
        let directory = directory.as_ref().map_or("", TreePath::name);
        if is_unit(path) {
            let unit = directory.strip_suffix(".d").unwrap_or(path.name());
            units.entry(unit.to_owned()).or_default().push(path);
        } else if directory == "tmpfiles.d" {
            // TYPE PATH ... (tmpfiles.d(5)); all but those that remove or adjust what is there make it.
            let text = machine.text(path).unwrap_or_default();
            let lines =
                text.lines().filter(|line| !line.starts_with(['r', 'R', 'x', 'X', 'z', 'Z', 't', 'a', 'h', '#']));
            made.extend(lines.filter_map(|line| line.split_whitespace().nth(1)?.parse().ok()));
        }
    }
    for (name, mut files) in units {
        // The unit itself first, then what is laid over it, by name (systemd.unit(5)).
        files.sort_by_key(|path| (path.name() != name, path.name().to_owned()));
        let unit = Unit::read(machine, &name, &files);
        for (path, setting) in &unit.settings {
            of_setting(machine, &unit, setting, path, mentions);
            made.extend(made_by(setting));
        }
    }
    made
}

/// A unit with what is laid over it.
struct Unit<'a> {
    settings: Vec<(&'a TreePath, Setting)>,
    /// Whether all of its command lines are known.
    is_whole: bool,
}

impl<'a> Unit<'a> {
    fn read(machine: &Machine<'a>, name: &str, files: &[&'a TreePath]) -> Unit<'a> {
        let mut unit = Unit { settings: Vec::new(), is_whole: files.iter().any(|path| path.name() == name) };
        for path in files {
            for setting in machine.text(path).map(|text| read(&text)).unwrap_or_default() {
                if setting.value.is_empty() {
                    // What is empty takes back what was said before.
                    unit.settings.retain(|(_, before)| before.key != setting.key);
                    unit.is_whole |= setting.key == "ExecStart";
                } else {
                    unit.settings.push((path, setting));
                }
            }
        }
        unit
    }

    /// Whether a command line has the words of a variable as its own.
    fn uses(&self, variable: &str) -> bool {
        let names = |value: &str| {
            let named = |rest: &str| {
                let rest = rest.strip_prefix('{').unwrap_or(rest);
                rest.strip_prefix(variable)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            value.split('$').skip(1).any(named)
        };
        let mut lines = self.settings.iter().filter(|(_, setting)| is_command(&setting.key));
        !self.is_whole || lines.any(|(_, setting)| names(&setting.value))
    }
}

fn of_setting<'a>(
    machine: &Machine<'a>,
    unit: &Unit<'a>,
    setting: &Setting,
    path: &'a TreePath,
    mentions: &mut Mentions<'a>,
) {
    let at = (path, Some(setting.line));
    match setting.key.as_str() {
        key if is_command(key) => of_command(&setting.value, at, mentions),
        "Environment" => words(&setting.value).iter().for_each(|word| of_variable(unit, word, at, mentions)),
        "WorkingDirectory" | "ReadWritePaths" | "ReadOnlyPaths" | "BindPaths" | "BindReadOnlyPaths" => {
            // What begins with `-` may be missing.
            words(&setting.value).iter().for_each(|word| mentions.note(word.split(':').next().unwrap_or_default(), at));
        }
        "EnvironmentFile" => {
            let file = setting.value.trim_start_matches('-').parse::<TreePath>().ok();
            let Some((file, _)) = machine.plan.tree.iter().find(|(path, _)| Some(*path) == file.as_ref()) else {
                return;
            };
            let text = machine.text(file).unwrap_or_default();
            for (line, text) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with('#')) {
                of_variable(unit, text, (file, Some(line)), mentions);
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
    if !prefixes.contains('-') && !MAKERS.contains(&program) && !INDIFFERENT.contains(&program) {
        words.iter().skip(1).for_each(|word| mentions.note(word, at));
    }
}

/// The prefixes of a command line (systemd.service(5), table "Special executable prefixes"), and its words.
fn command(line: &str) -> (&str, Vec<String>) {
    let rest = line.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    (line.strip_suffix(rest).unwrap_or_default(), words(rest))
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

/// What is there because of a setting: what systemd makes before a unit starts (systemd.exec(5), "StateDirectory="), what
/// its own commands make, and what it asks for before it starts at all (systemd.unit(5), "ConditionPathExists=").
fn made_by(setting: &Setting) -> Vec<TreePath> {
    let above = match setting.key.as_str() {
        "StateDirectory" => "var/lib",
        "CacheDirectory" => "var/cache",
        "LogsDirectory" => "var/log",
        "ConfigurationDirectory" => "etc",
        key if key.starts_with("ConditionPath") || key.starts_with("ConditionFile") => {
            return named(setting.value.trim_start_matches('|')).into_iter().collect();
        }
        key if is_command(key) => {
            let (_, words) = command(&setting.value);
            let program = words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
            let made = words.iter().skip(1).filter(|_| MAKERS.contains(&program));
            return made.filter_map(|word| named(word)).collect();
        }
        _ => return Vec::new(),
    };
    let names = words(&setting.value).into_iter();
    names.filter_map(|name| TreePath::from_relative(&format!("{above}/{name}")).ok()).collect()
}

/// What configurations name, but for objects of a cluster: what those name is in pods.
fn of_documents<'a>(machine: &Machine<'a>, mentions: &mut Mentions<'a>) {
    for document in &machine.documents {
        let nodes = document.read.as_ref().as_ref().map_or(&[][..], Vec::as_slice);
        for node in nodes.iter().filter(|node| kind_of(node).is_none()) {
            of_node(node, document.path, mentions);
        }
    }
}

fn of_node<'a>(node: &Node, path: &'a TreePath, mentions: &mut Mentions<'a>) {
    let Some(text) = node.as_text() else {
        node.items().iter().for_each(|item| of_node(item, path, mentions));
        node.fields().iter().for_each(|(_, value)| of_node(value, path, mentions));
        return;
    };
    mentions.note(text, (path, Some(node.line)));
}

/// The path that a word is, or has as a flag's value; none if it is none, or if the machine alone knows which it is.
pub fn named(word: &str) -> Option<TreePath> {
    let value = match word.strip_prefix('-') {
        Some(_) => word.split_once('=')?.1,
        None => word,
    };
    let value = value.trim_end_matches('/');
    let first = value.strip_prefix('/')?.split('/').next()?;
    let is_plain = !value.contains(|c: char| c.is_whitespace() || "*?[]{}$%:,;|&<>()'\"\\`".contains(c));
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
        ] {
            assert_eq!(named(word), None, "{word}");
        }
    }
}
