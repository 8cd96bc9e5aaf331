//! What is made on a machine before it is needed: by systemd for its units, by their commands, and as tmpfiles.d says.

use std::collections::BTreeSet;

use super::paths::named;
use super::subject::Machine;
use super::unit::{Setting, words};
use super::units::is_command;
use super::whole::Unit;
use crate::tree::TreePath;

/// Programs that make the files and directories that they are given.
const MAKERS: [&str; 5] = ["install", "ln", "mkdir", "tee", "touch"];
/// Programs that make the last of what they are given.
const COPIERS: [&str; 2] = ["cp", "mv"];
/// Programs that run the commands which they are given in one word.
const SHELLS: [&str; 4] = ["ash", "bash", "dash", "sh"];

/// What is made on a machine.
#[derive(Default)]
pub struct Made {
    /// These, with what is below them.
    whole: BTreeSet<TreePath>,
    /// The directories that are made for them.
    above: BTreeSet<TreePath>,
}

impl Made {
    /// What the units of a machine and its tmpfiles.d make.
    pub fn of(machine: &Machine<'_>, units: &[Unit<'_>]) -> Made {
        let mut made = Made::default();
        for said in units.iter().flat_map(|unit| &unit.settings) {
            made.by_setting(&said.setting);
        }
        let is_list = |path: &&TreePath| path.as_str().rsplit('/').nth(1) == Some("tmpfiles.d");
        for path in machine.plan.tree.iter().map(|(path, _)| path).filter(is_list) {
            // TYPE PATH ... (tmpfiles.d(5)); all but those that remove or adjust what is there make it.
            let text = machine.text(path).unwrap_or_default();
            let lines =
                text.lines().filter(|line| !line.starts_with(['r', 'R', 'x', 'X', 'z', 'Z', 't', 'a', 'h', '#']));
            lines.filter_map(|line| named(line.split_whitespace().nth(1)?)).for_each(|path| made.with_parents(path));
        }
        made
    }

    /// Whether a path is made.
    pub fn has(&self, path: &TreePath) -> bool {
        self.above.contains(path) || path.prefixes().any(|above| self.whole.contains(above))
    }

    fn with_parents(&mut self, path: TreePath) {
        self.above.extend(path.ancestors());
        self.whole.insert(path);
    }

    /// What is there because of a setting: what systemd makes before a unit starts (systemd.exec(5), "StateDirectory=";
    /// systemd.mount(5), "Where="), what its own commands make, and what it asks for before it starts at all
    /// (systemd.unit(5), "ConditionPathExists=").
    fn by_setting(&mut self, setting: &Setting) {
        let above = match setting.key.as_str() {
            "StateDirectory" => "/var/lib",
            "CacheDirectory" => "/var/cache",
            "LogsDirectory" => "/var/log",
            "ConfigurationDirectory" => "/etc",
            "Where" | "TemporaryFileSystem" => return self.by_words(&setting.value, 0),
            "BindPaths" | "BindReadOnlyPaths" => return self.by_words(&setting.value, 1),
            key if key.starts_with("ConditionPath") || key.starts_with("ConditionFile") => {
                return self.by_words(setting.value.trim_start_matches('|'), 0);
            }
            key if is_command(key) => return self.by_command(&command(&setting.value).1),
            _ => return,
        };
        // DIRECTORY:LINK:FLAGS
        for name in words(&setting.value).iter().flat_map(|word| word.split(':').take(2)) {
            named(&format!("{above}/{name}")).into_iter().for_each(|path| self.with_parents(path));
        }
    }

    /// One of the paths that each word has between colons.
    fn by_words(&mut self, value: &str, which: usize) {
        let words = words(value);
        let paths = words.iter().filter_map(|word| named(word.split(':').nth(which)?));
        paths.for_each(|path| self.with_parents(path));
    }

    fn by_command(&mut self, words: &[String]) {
        let Some((program, words)) = words.split_first() else { return };
        let program = program.rsplit('/').next().unwrap_or_default();
        let has_flag = |letters: &[char]| {
            words.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains(letters))
        };
        if SHELLS.contains(&program) && has_flag(&['c']) {
            let script = words.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
            script.split([';', '&', '|', '\n']).for_each(|part| self.by_command(&self::words(part)));
        } else if COPIERS.contains(&program) {
            self.whole.extend(words.last().and_then(|word| named(word)));
        } else if MAKERS.contains(&program) {
            let parents = match program {
                "mkdir" => has_flag(&['p']) || words.iter().any(|word| word == "--parents"),
                "install" => has_flag(&['d', 'D']) || words.iter().any(|word| word == "--directory"),
                _ => false,
            };
            for path in words.iter().filter_map(|word| named(word)) {
                match parents {
                    true => self.with_parents(path),
                    false => drop(self.whole.insert(path)),
                }
            }
        }
    }
}

/// Whether a program is given files that need not be there.
pub fn needs_none(program: &str) -> bool {
    const INDIFFERENT: [&str; 5] = ["[", "rm", "rmdir", "test", "umount"];
    MAKERS.contains(&program) || INDIFFERENT.contains(&program)
}

/// The prefixes of a command line (systemd.service(5), table "Special executable prefixes"), and its words.
pub fn command(line: &str) -> (&str, Vec<String>) {
    let rest = line.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    (line.strip_suffix(rest).unwrap_or_default(), words(rest))
}
