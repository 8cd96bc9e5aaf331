//! Files judged by who reads them on the machine: programs of its base, run in a sandbox in the machine's assembled system, as
//! overlays say with `[[checks]] run`. Only where the base is a root file system that is in the store.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::{Cluster, Found, Machine, Programs};
use super::system::{Laid, WRITTEN, secrets};
use crate::build::NodeOutline;
use crate::build::base::{Knowledge, Known, Rootfs};
use crate::digest::{Digest, Hasher};
use crate::disk::StagedDirectory;
use crate::document::Placed;
use crate::error::{Error, Result};
use crate::overlay::declare::CheckDeclaration;
use crate::sandbox::{self, Inside, Said};
use crate::store::Pin;
use crate::tree::{Content, Node, Secrecy, TreePath};

/// The version of how systems are assembled and judged.
const READING: &str = "validated-1";
/// Where programs are (environ(7)).
const PATH: [&str; 6] = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];
/// So many of the last lines that a program says are told, and so many characters of them.
const LINES: usize = 4;
/// See [`LINES`].
const LONGEST: usize = 600;
/// Fewer characters in a row tell nothing of a secret.
const TELLING: usize = 6;

/// A program was not run.
pub const VALIDATOR_NOT_RUN: Rule = Rule {
    id: "validator-not-run",
    severity: Severity::Note,
    finds: "a program of the base that could not be asked what it thinks of the machine's files",
    fate: "what is wrong with them is seen on the machine first",
    remedy: "have bubblewrap where `check` runs, on a system of the machine's architecture; `--no-probe` runs no program",
};

/// Runs what overlays declare.
pub struct Validators<'a> {
    cluster: Cluster<'a>,
    // What machines are laid on, as soon as one of them is needed.
    bases: BTreeMap<usize, Laid<'a>>,
    /// What was found.
    pub findings: Findings,
}

impl<'a> Validators<'a> {
    /// Nothing was run yet.
    pub fn new(cluster: Cluster<'a>) -> Validators<'a> {
        Validators { cluster, bases: BTreeMap::new(), findings: Findings::default() }
    }

    /// Runs what is to be run on a machine.
    pub fn look(&mut self, machine: &Machine<'_>) -> Result<()> {
        let Validators { cluster, bases, findings } = self;
        if cluster.programs == Programs::Leave {
            return Ok(());
        }
        let may_run = |declared: &&Arc<Placed<CheckDeclaration>>| {
            declared.run.first().is_some_and(|program| is_there(machine, program))
        };
        let mut declared = machine.plan.checks.iter().filter(may_run).peekable();
        let outline = cluster.plan().nodes.outline(machine.at)?;
        let (Some((known, rootfs)), Some(_)) = (base(outline), declared.peek()) else { return Ok(()) };
        if !is_fetched(cluster, machine) {
            return Ok(());
        }
        // Made when something is run that was not run before.
        let mut system = None;
        let mut assemble = || -> Result<PathBuf> {
            let laid = match bases.entry(known.id()) {
                Entry::Occupied(laid) => laid.into_mut(),
                Entry::Vacant(place) => place.insert(Laid::new(rootfs, cluster.store)?),
            };
            if system.is_none() {
                system = Some(laid.system(machine)?);
            }
            Ok(system.as_ref().map(|system: &StagedDirectory| system.path().to_owned()).unwrap_or_default())
        };
        for declared in declared {
            match judge(cluster, machine, rootfs.pin(), declared, &mut assemble) {
                Ok(None) => {}
                Ok(Some(said)) => tell(machine, declared, &said, findings),
                Err(error) => {
                    let says = format!("{} was not asked: {error}", declared.run.join(" "));
                    let mut finding = Finding::of(&VALIDATOR_NOT_RUN, says);
                    finding.place = Some(declared.place.clone());
                    finding.on.insert(machine.name.to_owned());
                    findings.note(finding);
                }
            }
        }
        Ok(())
    }
}

fn base(node: &NodeOutline) -> Option<(&Known, &Rootfs)> {
    match &node.base {
        Knowledge::Known(known) => Some((known, known.rootfs.as_ref()?)),
        Knowledge::None | Knowledge::Not => None,
    }
}

/// Whether the machine has the program; whose it is and why it is not there others tell.
fn is_there(machine: &Machine<'_>, program: &str) -> bool {
    let is = |path: &str| {
        let path: Result<TreePath> = TreePath::from_relative(path.trim_start_matches('/'));
        path.is_ok_and(|path| matches!(machine.find(&path), Found::Base | Found::Bundle(..)))
    };
    match program.starts_with('/') {
        true => is(program),
        false => PATH.iter().any(|directory| is(&format!("{directory}/{program}"))),
    }
}

/// Whether all that lies on the machine is here.
fn is_fetched(cluster: &Cluster<'_>, machine: &Machine<'_>) -> bool {
    let is_here = |content: &Content| match content {
        Content::Inline(_) => true,
        Content::Blob { digest, size } => cluster.store.has(digest, *size).unwrap_or_default(),
    };
    let mut files = machine.plan.tree.iter().filter_map(|(_, entry)| match &entry.node {
        Node::File(content) => Some(content),
        _ => None,
    });
    machine.plan.pending.is_empty() && files.all(is_here)
}

/// What the program complains of, if it does. What it said of the same files is kept.
fn judge(
    cluster: &Cluster<'_>,
    machine: &Machine<'_>,
    base: &Pin,
    declared: &CheckDeclaration,
    assemble: &mut dyn FnMut() -> Result<PathBuf>,
) -> Result<Option<String>> {
    let bug = |error: serde_json::Error| Error::bug(format!("keeping what a program says: {error}"));
    let name = format!("{READING}/{}", digest(cluster, machine, &declared.run));
    let kept = cluster.store.note(&name, base, |_| {
        let (wanted, own) = (machine.plan.arch.machine(), std::env::consts::ARCH);
        if wanted != own {
            return Err(Error::environment(format!("it is for {wanted}, and this system is {own}")));
        }
        let (program, words) = declared.run.split_first().ok_or_else(|| Error::bug("a check that runs nothing"))?;
        let root = assemble()?;
        let inside = Inside::System { root: &root, program, written: &WRITTEN, secrets: secrets(machine) };
        let said = sandbox::run(inside, words)?;
        // By a signal, or since it could not be started: that says nothing of the files, and may not happen again.
        if said.code.is_none_or(|code| matches!(code, 126 | 127 | 129..=192)) {
            return Err(Error::environment(format!(
                "it was killed, or could not start: {}",
                conceal(machine, last_lines(&said))
            )));
        }
        let complaint = (said.code != Some(0)).then(|| conceal(machine, last_lines(&said)));
        serde_json::to_string(&complaint).map_err(bug)
    })?;
    serde_json::from_str(&kept).map_err(bug)
}

/// Of all that the machine has beside its base, and what is run. Every field is preceded by its length. The salt of its secrets
/// stands before them all, so that what is kept tells nobody whether he guessed a secret.
fn digest(cluster: &Cluster<'_>, machine: &Machine<'_>, words: &[String]) -> Digest {
    let mut hasher = Hasher::new();
    cluster.plan().salts.get(machine.at).into_iter().for_each(|salt| hasher.update(salt));
    let mut field = |text: &str| {
        hasher.update(&(text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    };
    words.iter().for_each(|word| field(word));
    for (path, entry) in machine.plan.tree.iter() {
        let what = match &entry.node {
            Node::Directory => "directory".to_owned(),
            Node::Symlink(target) => target.clone(),
            Node::File(content) => content.digest().to_string(),
        };
        [path.as_str(), entry.node.name(), &what, &format!("{:o}", entry.mode)].into_iter().for_each(&mut field);
    }
    hasher.finish().0
}

fn tell(machine: &Machine<'_>, declared: &Placed<CheckDeclaration>, said: &str, findings: &mut Findings) {
    findings.note(Finding {
        id: declared.id.clone(),
        severity: declared.severity,
        says: format!("{}: {said}", declared.says.value),
        fate: declared.fate.clone(),
        remedy: declared.remedy.clone(),
        place: Some(declared.place.clone()),
        file: None,
        on: [machine.name.to_owned()].into(),
    });
}

fn last_lines(said: &Said) -> String {
    let text = if said.errors.trim().is_empty() { &said.output } else { &said.errors };
    // When it was said is no part of it.
    let lines: Vec<&str> = text.lines().map(without_time).filter(|line| !line.is_empty()).collect();
    let told = lines[lines.len().saturating_sub(LINES)..].join("; ");
    match told.is_empty() {
        true => said.code.map_or_else(|| "it was killed".to_owned(), |code| format!("it ends with {code}")),
        false => told.chars().take(LONGEST).collect(),
    }
}

/// A line without the date, the time or both at its start, if they are as logs have them: of digits in pairs (RFC 3339, or with
/// slashes), in brackets or not. What else begins with digits is said.
fn without_time(line: &str) -> &str {
    let line = line.trim();
    let inside = line.strip_prefix('[');
    let start = inside.unwrap_or(line);
    let date = ["0000-00-00", "0000/00/00"].iter().find_map(|shape| behind(start, shape));
    let time = behind(date.map_or(start, |rest| rest.strip_prefix(['T', ' ']).unwrap_or(rest)), "00:00:00");
    let Some(rest) = time.map(without_zone).or(date) else { return line };
    let rest = if inside.is_some() { rest.strip_prefix(']') } else { Some(rest) };
    let rest = rest.map(|rest| rest.strip_prefix([':', ',']).unwrap_or(rest));
    // What goes on is no time, such as an address.
    rest.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])).map_or(line, str::trim_start)
}

/// What stands behind a time's parts of a second and its zone.
fn without_zone(rest: &str) -> &str {
    let digit = |c: char| c.is_ascii_digit();
    let part = rest.strip_prefix(['.', ',']).filter(|part| part.starts_with(digit));
    let rest = part.map_or(rest, |part| part.trim_start_matches(digit));
    let zones = ["Z", "+00:00", "-00:00", "+0000", "-0000"];
    zones.iter().find_map(|shape| behind(rest, shape)).unwrap_or(rest)
}

/// What stands behind a start of some shape, where `0` is any digit.
fn behind<'a>(text: &'a str, shape: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(shape.len())?;
    let is_of = |(own, wanted): (u8, u8)| if wanted == b'0' { own.is_ascii_digit() } else { own == wanted };
    start.bytes().zip(shape.bytes()).all(is_of).then_some(rest)
}

/// What was said, unless it has a part of a secret file in it: what only secret files of the machine have is not told.
fn conceal(machine: &Machine<'_>, said: String) -> String {
    let windows: BTreeSet<&[u8]> = said.as_bytes().windows(TELLING).collect();
    let (mut secret, mut public) = (BTreeSet::<&[u8]>::new(), BTreeSet::<&[u8]>::new());
    for (_, entry) in machine.plan.tree.iter() {
        let Node::File(Content::Inline(bytes)) = &entry.node else { continue };
        let of = if entry.secrecy == Secrecy::Secret { &mut secret } else { &mut public };
        of.extend(bytes.windows(TELLING).filter_map(|window| windows.get(window).copied()));
    }
    match secret.difference(&public).next() {
        Some(_) => "what it says has a part of a secret file in it, and is not shown; run it on the machine".to_owned(),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(errors: &str, output: &str) -> String {
        last_lines(&Said { code: Some(1), output: output.to_owned(), errors: errors.to_owned() })
    }

    #[test]
    fn the_last_lines_without_their_times() {
        assert_eq!(
            told("2026/11/22 05:10:25 [emerg] 2#2: bad\n\nnginx: failed\n", "x"),
            "[emerg] 2#2: bad; nginx: failed"
        );
        assert_eq!(told("", "1\na\nb\nc\n/etc/x:1: d\n"), "a; b; c; /etc/x:1: d");
        assert_eq!(told(" \n", ""), "it ends with 1");
        assert_eq!(told(&"x".repeat(9999), "").len(), LONGEST);
    }

    #[test]
    fn what_is_a_time_and_what_is_not() {
        for time in [
            "2026/11/22 05:10:25 ",
            "2026-11-22T05:10:25.123Z ",
            "2026-11-22 05:10:25,123+0100: ",
            "2026-11-22T05:10:25-01:00\t",
            "05:10:25 ",
            "05:10:25.5, ",
            "[2026-11-22 05:10:25] ",
            "[05:10:25]: ",
            "2026/11/22 ",
        ] {
            assert_eq!(without_time(&format!(" {time}bad 1")), "bad 1", "{time}");
        }
        for said in [
            "12 errors found",
            "10.0.0.1: bad",
            "00:11:22:33:44:55 is taken",
            "10:20:30::1 is taken",
            "2026-11-22x",
            "[emerg] 2#2: bad",
            "[05:10:25 bad",
            "5:10:25 bad",
            "80: é",
            "1",
        ] {
            assert_eq!(without_time(said), said);
        }
        assert_eq!(without_time("2026-11-22T05:10:25Z"), "");
    }
}
