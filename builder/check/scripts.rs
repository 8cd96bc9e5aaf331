//! Scripts that the machine starts: what reads them is there.

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Found, Machine, Whole};
use super::units::{is_command, started};
use crate::tree::{Entry, Node, Secrecy, TreePath};

/// A script that nothing can read.
pub const SCRIPT_INTERPRETER: Rule = Rule {
    id: "script-interpreter",
    severity: Severity::Error,
    finds: "a script that the machine starts, whose first line names an interpreter which nothing brings",
    fate: "it cannot be started: no such file or directory, though the script is there",
    remedy: "bring the interpreter, name one that is there, or say with [[provides]] who has it",
};

/// Looks at what the kernel and units start of the bundle. A script that nobody starts needs nothing.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    // Of a base that is not known, nobody can tell what it has.
    if machine.plan.base.facts().is_none() {
        return;
    }
    let mut programs: Vec<TreePath> = TreePath::from_relative("init").into_iter().collect();
    for unit in machine.units.iter().filter(|unit| !unit.has_own_root()) {
        let commands = unit.settings.iter().filter(|said| is_command(&said.setting.key));
        programs.extend(commands.filter_map(|said| started(&said.setting.value)?.parse().ok()));
    }
    for path in &programs {
        if let Found::Bundle(path, entry) = machine.find(path)
            && let Some(interpreter) = interpreter(machine, &path, entry)
            && let Found::Missing(_) = machine.find(&interpreter)
        {
            let says = format!("{path} is read by {interpreter}, which is nowhere");
            findings.add(&SCRIPT_INTERPRETER, Spot { machine, path: &path, line: Some(1) }, says);
        }
    }
}

/// What stands behind `#!` (execve(2), "Interpreter scripts").
fn interpreter(machine: &Machine<'_>, path: &TreePath, entry: &Entry) -> Option<TreePath> {
    let may_start = matches!(entry.node, Node::File(_)) && entry.mode & 0o111 != 0;
    if !may_start || entry.secrecy != Secrecy::Public {
        return None;
    }
    let bytes = machine.bytes(path)?;
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = std::str::from_utf8(line).ok()?.split_whitespace().next()?;
    word.starts_with('/').then(|| word.parse().ok()).flatten()
}
