//! Programs by what they say of themselves: what they need to run, and how Go made them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::detail::Details;
use super::inside::Inside;
use crate::disk::{Access, Staged};
use crate::epoch;
use crate::error::{Error, Result};
use crate::program::{self, GoBuild, Kind, Module, Program};

/// The most bytes of a program in an archive that is looked into, for it takes as many on the disk for a moment. A
/// larger one is compared by its digest alone.
const LARGEST_PROGRAM: u64 = 2 << 30;

/// What a program in an archive says of itself. Its reader goes back and forth, and the archive's does not: so it lies in
/// a file for a moment. Of anything else only the start is read, and nothing of what is too large.
pub fn read(contents: &mut dyn Read, size: u64, path: &str) -> Result<Option<Program>> {
    if size > LARGEST_PROGRAM {
        return Ok(None);
    }
    let failed = |error| Error::io("reading", path, error);
    let mut start = [0; 18];
    match contents.read_exact(&mut start) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read.map_err(failed)?,
    }
    if !program::may_run(&start) {
        return Ok(None);
    }
    let directory = epoch::temporary_directory();
    let mut staged = Staged::in_directory(&directory, Access::Private)?;
    let written = std::io::copy(&mut start.chain(contents), &mut staged);
    written.map_err(|error| Error::io("writing to", &directory, error).advise("set TMPDIR to where there is room"))?;
    program::identify(&mut staged)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_too_large_is_not_copied() {
        let start = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9], &[2, 0], &[0; 100]].concat();
        let left = |size| {
            let mut contents = &start[..];
            read(&mut contents, size, "/bin/tool").unwrap();
            contents.len()
        };
        assert_eq!((left(LARGEST_PROGRAM), left(LARGEST_PROGRAM + 1)), (0, start.len()));
    }
}
