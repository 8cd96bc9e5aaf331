//! Programs by what they say of themselves: what they need to run, and how Go made them.

use std::collections::{BTreeMap, BTreeSet};

use super::detail::Details;
use super::inside::Inside;
use crate::program::{GoBuild, Kind, Module, Program};

/// Of a program that is on both sides.
pub fn changed(before: &Program, after: &Program) -> Inside {
    let mut details = Details::default();
    compare(&facts(before), &facts(after), &mut details);
    compare(&modules(before), &modules(after), &mut details);
    Inside { writing_only: false, ..Inside::of("program", details) }
}

/// Of one that is new, without what it is made of: the list of materials has that.
pub fn added(program: &Program) -> Inside {
    let mut details = Details::default();
    compare(&BTreeMap::new(), &facts(program), &mut details);
    Inside { writing_only: false, ..Inside::of("program", details) }
}

fn compare(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>, details: &mut Details) {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (a, b) = (before.get(name), after.get(name));
        if a != b {
            details.push(name, a.map(String::as_str), b.map(String::as_str));
        }
    }
}

fn facts(program: &Program) -> BTreeMap<String, String> {
    let Program { bits, big_endian, machine, kind, interpreter, needed, go } = program;
    let order = if *big_endian { "big" } else { "little" };
    let kind = match kind {
        Kind::Relocatable => "object code",
        Kind::Executable => "at a fixed address",
        Kind::Shared => "at any address",
        Kind::Other(_) => "of another kind",
    };
    let mut facts = BTreeMap::from([("machine".to_owned(), format!("{machine}, {bits} bits, {order}-endian, {kind}"))]);
    facts.extend(interpreter.as_ref().map(|path| ("interpreter".to_owned(), path.clone())));
    facts.extend((!needed.is_empty()).then(|| ("libraries".to_owned(), needed.join(", "))));
    if let Some(GoBuild { go, path, main, settings, .. }) = go {
        facts.insert("Go".to_owned(), go.clone());
        facts.insert("package".to_owned(), path.clone());
        facts.extend(main.as_ref().map(|main| ("main module".to_owned(), format!("{} {}", main.path, main.version))));
        facts.extend(settings.iter().map(|(name, value)| (format!("setting {name}"), value.clone())));
    }
    facts
}

fn modules(program: &Program) -> BTreeMap<String, String> {
    let modules = program.go.iter().flat_map(|go| &go.modules);
    modules.map(|module| (format!("module {}", module.path), said(module))).collect()
}

/// A module's version, and what was taken instead of it.
fn said(module: &Module) -> String {
    let sum = |module: &Module| module.sum.as_ref().map(|sum| format!(" ({sum})")).unwrap_or_default();
    let used = module.used();
    match module.replacement {
        Some(_) => format!("{} => {} {}{}", module.version, used.path, used.version, sum(used)),
        None => format!("{}{}", module.version, sum(module)),
    }
}
