//! What programs of the bundle think of the flags that the bundle gives them.
//!
//! A program is asked once for all machines that have it: what it says of one flag does not depend on the others. What it said is
//! kept in the store beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::{Cluster, Machine, Programs};
use crate::build::{NodeOutline, Probed};
use crate::digest::Digest;
use crate::disk;
use crate::document::Placed;
use crate::error::{Error, Result};
use crate::probe::{self, Answer, Flag, Kind, Question, Told};
use crate::program::Program;
use crate::sandbox::{self, Inside};
use crate::store::Pin;
use crate::tree::{Content, Entry, Node};

/// A flag that there is not.
pub const FLAG_UNKNOWN: Rule = Rule {
    id: "flag-unknown",
    severity: Severity::Error,
    finds: "a flag that the bundle's own program does not know: misspelt, removed, or of another version",
    fate: "the program ends at once with this message, and is started again for ever",
    remedy: "take the flag out, or write it as this version of the program has it",
};
/// A value that is refused.
pub const FLAG_VALUE: Rule = Rule {
    id: "flag-value",
    severity: Severity::Error,
    finds: "the value of a flag that the bundle's own program refuses: of a wrong shape, or a feature gate that it does not have",
    fate: "the program ends at once with this message, and is started again for ever",
    remedy: "give it a value that this version of the program takes",
};
/// A name that is not in a list of the help.
pub const FLAG_LISTED: Rule = Rule {
    id: "flag-listed",
    severity: Severity::Error,
    finds: "a name in the value of a flag that is not among those that the program's help lists, such as a plugin",
    fate: "the program ends when it sets itself up: it has nothing of this name",
    remedy: "take it out, or write it as this version of the program has it",
};
/// A flag on its way out.
pub const FLAG_DEPRECATED: Rule = Rule {
    id: "flag-deprecated",
    severity: Severity::Warning,
    finds: "a flag, or a feature gate, that the bundle's own program says it will not have for long",
    fate: "it works; a later version of the program ends at once because of it",
    remedy: "do what the message says before the next version",
};
/// Nothing was asked.
pub const FLAGS_NOT_ASKED: Rule = Rule {
    id: "flags-not-asked",
    severity: Severity::Note,
    finds: "a program of the bundle that could not be asked what it thinks of its flags",
    fate: "what is wrong with its flags is seen on the machine first",
    remedy: "have bubblewrap, and qemu-user for other architectures, where `check` runs; `--no-probe` asks no program",
};

/// All rules.
pub const RULES: &[Rule] = &[FLAG_UNKNOWN, FLAG_VALUE, FLAG_LISTED, FLAG_DEPRECATED, FLAGS_NOT_ASKED];

/// So many bytes of flags are given to a program at once; the kernel takes 2 MiB (execve(2)).
const MOST_WORDS: usize = 256 << 10;

/// A program that is asked, and how.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    pin: Pin,
    /// The name of its file.
    name: String,
    /// The question without its flags.
    question: Question,
}

/// A command of a machine.
type Use<'a> = (&'a NodeOutline, &'a Probed);

/// Every program of the bundles that an overlay says how to ask, and who gives it which flags.
pub struct Flags<'a> {
    cluster: Cluster<'a>,
    uses: BTreeMap<Asked, Vec<Use<'a>>>,
}

impl<'a> Flags<'a> {
    /// None yet.
    pub fn new(cluster: Cluster<'a>) -> Flags<'a> {
        Flags { cluster, uses: BTreeMap::new() }
    }

    /// Takes up what a machine has.
    pub fn hear(&mut self, machine: &Machine<'_>) -> Result<()> {
        if self.cluster.programs == Programs::Leave {
            return Ok(());
        }
        let outline = self.cluster.plan().nodes.outline(machine.at)?;
        for command in &outline.probed {
            for pin in programs(machine, &command.program) {
                let question = Question {
                    prefix: command.how.prefix.clone(),
                    words: command.how.words.clone(),
                    ends: command.how.probe.clone(),
                    listed: command.how.listed.clone(),
                    flags: Vec::new(),
                };
                let asked = Asked { pin, name: command.program.clone(), question };
                self.uses.entry(asked).or_default().push((outline, command));
            }
        }
        Ok(())
    }

    /// Asks each program, if it was fetched.
    pub fn judge(self, findings: &mut Findings) {
        for (asked, uses) in &self.uses {
            // What is not fetched yet says nothing.
            if self.cluster.store.has(&asked.pin.digest, asked.pin.size).unwrap_or_default() {
                judge(&self.cluster, asked, uses, findings);
            }
        }
    }
}

/// The programs of this name that a machine starts: its own, and those of images that are made of them.
fn programs(machine: &Machine<'_>, name: &str) -> BTreeSet<Pin> {
    let of_images =
        machine.plan.images.iter().flat_map(|image| image.contents.iter().map(|(path, entry)| (path, entry)));
    let all = machine.plan.tree.iter().chain(of_images).filter(|(path, _)| path.name() == name);
    let pin = |entry: &Entry| match &entry.node {
        Node::File(Content::Blob { digest, size }) if entry.mode & 0o111 != 0 => {
            Some(Pin { digest: *digest, size: *size })
        }
        _ => None,
    };
    all.filter_map(|(_, entry)| pin(entry)).collect()
}

fn judge(cluster: &Cluster<'_>, asked: &Asked, uses: &[Use<'_>], findings: &mut Findings) {
    let flags: BTreeSet<&Flag> = uses.iter().flat_map(|(_, command)| command.flags()).map(|flag| &flag.value).collect();
    let mut question = asked.question.clone();
    let mut told = BTreeSet::new();
    let mut flags = flags.into_iter().peekable();
    while flags.peek().is_some() {
        let mut length = 0;
        question.flags.clear();
        while let Some(flag) = flags.next_if(|_| length < MOST_WORDS) {
            length += flag.name.len() + flag.value.as_ref().map_or(0, String::len) + 4;
            question.flags.push(flag.clone());
        }
        match answer(cluster, asked, &question) {
            Ok(answer) => {
                told.extend(answer.told);
                if let Some(why) = answer.unjudged {
                    not_asked(uses, &format!("not all flags of {} were judged: {why}", asked.name), findings);
                }
            }
            Err(error) => {
                let why = format!("{} could not be asked what it thinks of its flags: {error}", asked.name);
                return not_asked(uses, &why, findings);
            }
        }
    }
    told.iter().for_each(|told| tell(asked, told, uses, findings));
}

fn answer(cluster: &Cluster<'_>, asked: &Asked, question: &Question) -> Result<Answer> {
    let bug = |error: serde_json::Error| Error::bug(format!("keeping what a program says: {error}"));
    let words = serde_json::to_vec(&(&asked.name, question)).map_err(bug)?;
    let program = cluster.program(&asked.pin.digest, asked.pin.size);
    let kept = cluster.store.note(&format!("{}/{}", probe::READING, Digest::of(&words)), &asked.pin, |file| {
        let program = program.ok_or_else(|| Error::usage("it is a script, or for another system"))?;
        let emulator = emulator(&program)?;
        let libraries = program.interpreter.is_some() || emulator.is_some();
        let answer = probe::ask(question, &mut |words| {
            let mut file = file.try_clone().map_err(|error| Error::io("reading", "a stored blob", error))?;
            file.seek(SeekFrom::Start(0)).map_err(|error| Error::io("reading", "a stored blob", error))?;
            let inside = Inside::Program { file, name: &asked.name, libraries, emulator: emulator.as_deref() };
            sandbox::run(inside, words)
        })?;
        match answer.unjudged {
            // It may be this host's fault, so it is not kept.
            Some(why) if answer.told.is_empty() => Err(Error::environment(why)),
            _ => serde_json::to_string(&answer).map_err(bug),
        }
    })?;
    serde_json::from_str(&kept).map_err(bug)
}

/// What runs a program of another architecture here; nothing is needed for one of ours.
fn emulator(program: &Program) -> Result<Option<PathBuf>> {
    let (machine, own) = (program.machine.to_string(), std::env::consts::ARCH);
    if machine == own {
        return match program.interpreter.as_deref().filter(|loader| !disk::exists(loader.as_ref())) {
            Some(loader) => {
                Err(Error::environment(format!("it is started by {loader}, which this system does not have")))
            }
            None => Ok(None),
        };
    }
    let named = [format!("qemu-{machine}-static"), format!("qemu-{machine}")];
    let found = named.iter().find_map(|name| sandbox::find(name)).filter(|_| program.interpreter.is_none());
    found.map(Some).ok_or_else(|| {
        let error = Error::environment(format!("it is for {machine}, and this system is {own}"));
        error.advise(match program.interpreter {
            None => "apt-get install qemu-user-static",
            Some(_) => "check on a system of that architecture",
        })
    })
}

fn tell(asked: &Asked, told: &Told, uses: &[Use<'_>], findings: &mut Findings) {
    let Told { kind, flag, value, message, near } = told;
    let rule = match kind {
        Kind::Unknown => &FLAG_UNKNOWN,
        Kind::Value => &FLAG_VALUE,
        Kind::Unlisted => &FLAG_LISTED,
        Kind::Deprecated => &FLAG_DEPRECATED,
    };
    let written =
        format!("{}{flag}{}", asked.question.prefix, value.as_ref().map_or(String::new(), |v| format!("={v}")));
    let verb = match kind {
        Kind::Unknown => "does not know",
        Kind::Value | Kind::Unlisted => "does not take",
        Kind::Deprecated => "warns of",
    };
    let near = match near.as_deref().filter(|near| *near != flag) {
        Some(near) if *kind == Kind::Unknown => format!("; did you mean {}{near}?", asked.question.prefix),
        Some(near) => format!("; did you mean {near}?"),
        None => String::new(),
    };
    let says = format!("{} {verb} {written}: {message}{near}", asked.name);
    let is_meant = |one: &Placed<Flag>| match value {
        Some(value) => one.name == *flag && one.has(value),
        // A value is wanted where there is none.
        None => one.name == *flag && (*kind != Kind::Value || one.value.value.is_none()),
    };
    for (machine, command) in uses {
        for one in command.flags().filter(|one| is_meant(one)) {
            let mut finding = Finding::of(rule, says.clone());
            finding.place = Some(one.place.clone());
            finding.on.insert(machine.name.clone());
            findings.note(finding);
        }
    }
}

fn not_asked(uses: &[Use<'_>], says: &str, findings: &mut Findings) {
    let mut finding = Finding::of(&FLAGS_NOT_ASKED, says.to_owned());
    finding.on.extend(uses.iter().map(|(machine, _)| machine.name.clone()));
    findings.note(finding);
}
