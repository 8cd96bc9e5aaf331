//! Programs that the machine can start: its architecture, and what the loader needs.

use std::collections::BTreeSet;

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Batch, Found, Machine};
use crate::build::base::Knowledge;
use crate::build::programs;
use crate::program::Program;
use crate::store::Pin;
use crate::tree::{Content, Node, TreePath};

/// Where the loader looks for libraries (ld.so(8)), with the directories that Debian and others have for an architecture.
const DIRECTORIES: [&str; 4] = ["lib", "usr/lib", "lib64", "usr/lib64"];

/// A program for another machine.
pub const PROGRAM_FOREIGN: Rule = Rule {
    id: "program-foreign",
    severity: Severity::Error,
    finds: "a program for another architecture than the machine's",
    fate: "it cannot be started (exec format error)",
    remedy: "lock the source for this architecture",
};
/// A loader that is not there.
pub const PROGRAM_LOADER: Rule = Rule {
    id: "program-loader",
    severity: Severity::Error,
    finds: "a program whose loader nothing brings",
    fate: "it cannot be started: no such file or directory, though the program is there",
    remedy: "bring the C library that it was made for, take a static build, or say with [[provides]] who has the loader",
};
/// A library that is not there.
pub const PROGRAM_LIBRARY: Rule = Rule {
    id: "program-library",
    severity: Severity::Error,
    finds: "a program that needs a shared library which nothing brings",
    fate: "it ends at once: cannot open shared object file",
    remedy: "bring the library, or say with [[provides]] `libraries` who has it",
};

/// All rules.
pub const RULES: &[Rule] = &[PROGRAM_FOREIGN, PROGRAM_LOADER, PROGRAM_LIBRARY];

/// Looks at every program of the bundle that is in the store.
pub fn check(batch: &Batch<'_>, findings: &mut Findings) {
    // The bytes of machines are mostly the same.
    let distinct = batch.machines.iter().flat_map(pinned).map(|(_, pin)| pin).collect();
    let known = programs::look_all(batch.cluster.store, &distinct);
    for machine in &batch.machines {
        for (path, pin) in pinned(machine) {
            if let Some(program) = known.get(&pin) {
                look(program, Spot { machine, path, line: None }, findings);
            }
        }
    }
}

/// A machine's files that may be run and come from sources.
fn pinned<'a>(machine: &'a Machine<'_>) -> impl Iterator<Item = (&'a TreePath, Pin)> {
    machine.plan.tree.iter().filter_map(|(path, entry)| match &entry.node {
        Node::File(Content::Blob { digest, size }) if entry.mode & 0o111 != 0 => {
            Some((path, Pin { digest: *digest, size: *size }))
        }
        _ => None,
    })
}

fn look(program: &Program, spot: Spot<'_>, findings: &mut Findings) {
    let (machine, path) = (spot.machine, spot.path);
    let (own, wanted) = (program.machine.to_string(), machine.plan.arch.machine());
    if own != wanted {
        findings.add(&PROGRAM_FOREIGN, spot, format!("{path} is for {own}, and the machine is {wanted}"));
        return;
    }
    if let Some(Ok(loader)) = program.interpreter.as_ref().map(|loader| loader.parse::<TreePath>())
        && let Found::Missing(_) = machine.find(&loader)
    {
        findings.add(&PROGRAM_LOADER, spot, format!("{path} is started by {loader}, which is nowhere"));
    }
    let missing: BTreeSet<&str> =
        program.needed.iter().map(String::as_str).filter(|library| !has_library(machine, library)).collect();
    for library in missing {
        findings.add(&PROGRAM_LIBRARY, spot, format!("{path} needs {library}, which is nowhere"));
    }
}

/// Whether a library is in a directory in which the loader looks, or somebody says that it is there.
fn has_library(machine: &Machine<'_>, library: &str) -> bool {
    if machine.plan.provides.iter().any(|provision| provision.libraries.iter().any(|name| name == library)) {
        return true;
    }
    // What is not known may have it.
    if matches!(machine.plan.base, Knowledge::Not) {
        return true;
    }
    let triplet = machine.plan.arch.triplet();
    let at = |directory: &str| {
        let path = TreePath::from_relative(&format!("{directory}/{library}"));
        path.is_ok_and(|path| !matches!(machine.find(&path), Found::Missing(_)))
    };
    DIRECTORIES.iter().any(|directory| at(directory) || at(&format!("{directory}/{triplet}")))
}
