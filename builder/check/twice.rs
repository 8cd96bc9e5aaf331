//! Command lines of services, with their variables in place: a flag that comes from two of them.

use std::collections::BTreeMap;

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Machine, Whole};
use super::unit::words;
use super::units::started;
use super::whole::{Said, Unit};
use crate::tree::TreePath;

/// A flag that is said in two places.
pub const FLAG_TWICE: Rule = Rule {
    id: "flag-twice",
    severity: Severity::Warning,
    finds: "a command line that has one flag from two variables, or from a variable and the unit",
    fate: "the program takes the last of them, whatever the other says",
    remedy: "give the flag in one place; say `repeated = [FLAG]` in [command.PROGRAM] if the program takes all of them",
};

/// A service as systemd sees it: its unit and its drop-ins as one (systemd.unit(5)).
#[derive(Default)]
struct Service<'a> {
    commands: Vec<(String, &'a TreePath, u32)>,
    variables: BTreeMap<String, String>,
}

/// Looks at every service of the bundle.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    for unit in machine.units.iter().filter(|unit| unit.name.ends_with(".service")) {
        let service = Service::of(machine, unit);
        for (command, path, line) in &service.commands {
            let program = started(command).unwrap_or_default();
            let program = program.rsplit('/').next().unwrap_or_default();
            let is_repeated =
                |flag: &str| machine.plan.repeated.iter().any(|(of, repeated)| of == program && repeated == flag);
            for says in service.twice(command, &is_repeated) {
                let says = format!("{path} starts a program that has {says}");
                findings.add(&FLAG_TWICE, Spot { machine, path, line: Some(*line) }, says);
            }
        }
    }
}

impl<'a> Service<'a> {
    fn of(machine: &Machine<'_>, unit: &Unit<'a>) -> Service<'a> {
        let (mut service, mut from_files) = (Service::default(), BTreeMap::new());
        for Said { path, setting } in &unit.settings {
            let value = &setting.value;
            match setting.key.as_str() {
                "ExecStart" => service.commands.push((value.clone(), path, setting.line)),
                "Environment" => service.variables.extend(words(value).iter().filter_map(|word| assignment(word))),
                "EnvironmentFile" => {
                    let file = value.trim_start_matches('-').parse::<TreePath>().ok();
                    let text = file.and_then(|file| machine.text(&file)).unwrap_or_default();
                    from_files.extend(variables(text));
                }
                _ => {}
            }
        }
        service.variables.append(&mut from_files);
        service
    }

    /// The flags of a command line that come from two places, for each two, without those that may.
    fn twice(&self, command: &str, is_repeated: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for word in words(command) {
            // A variable alone is as many words as it has (systemd.service(5), "Command lines").
            let variable = word.strip_prefix('$').filter(|name| !name.starts_with(['{', '$']));
            let (from, said) = match variable {
                Some(name) => (word.clone(), words(self.variables.get(name).map_or("", String::as_str))),
                None => ("the unit".to_owned(), vec![word]),
            };
            for flag in said.iter().filter_map(|word| flag(word)).filter(|flag| !is_repeated(flag)) {
                let known = places.entry(flag.to_owned()).or_default();
                if !known.contains(&from) {
                    known.push(from.clone());
                }
            }
        }
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (flag, from) in places.into_iter().filter(|(_, from)| from.len() > 1) {
            told.entry(from.join(" and from ")).or_default().push(format!("--{flag}"));
        }
        told.into_iter().map(|(from, flags)| format!("{} from {from}", flags.join(", "))).collect()
    }
}

/// A flag's name without its dashes.
fn flag(word: &str) -> Option<&str> {
    let name = word.strip_prefix('-')?.trim_start_matches('-').split('=').next()?;
    name.starts_with(|first: char| first.is_ascii_alphabetic()).then_some(name)
}

fn assignment(word: &str) -> Option<(String, String)> {
    word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// The variables of an environment file (systemd.exec(5), "EnvironmentFile="): lines as a shell has them.
fn variables(text: &str) -> BTreeMap<String, String> {
    let joined = text.replace("\\\n", "");
    let lines = joined.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let assigned = lines.filter_map(|line| line.split_once('='));
    assigned.map(|(name, value)| (name.trim().to_owned(), words(value).join(" "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_two_variables() {
        let text = "# c\nA=\"--x=1 --y --v=2\"\nB='-v 2 --x=1' \nC=--x --y\n";
        let service = Service { commands: Vec::new(), variables: variables(text) };
        assert_eq!(service.twice("/bin/p $A $B", &|_| false), ["--v, --x from $A and from $B"]);
        assert_eq!(service.twice("/bin/p --z $A --y=2", &|_| false), ["--y from $A and from the unit"]);
        assert_eq!(service.twice("/bin/p --z -z --z=1 $A -1 - --", &|_| false), Vec::<String>::new());
        assert_eq!(service.twice("/bin/p $A $B", &|flag| flag == "x"), ["--v from $A and from $B"]);
        assert_eq!(service.twice("/bin/p ${A} $D", &|_| false), Vec::<String>::new());
    }
}
