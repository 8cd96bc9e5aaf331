//! [`write`]: the whole release, copied out of its parts.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Assembling;
use super::part::Opened;
use super::whole::Whole;
use crate::bundle::verify::summed::PIECE;
use crate::bundle::verify::{Findings, each};
use crate::bundle::{Draft, Outcome, Part};
use crate::disk;
use crate::error::{Error, Result};
use crate::tree::Secrecy;

/// Copies every file from one part, hashed on the way; from the other parts that have it, it is hashed alone, so that a part
/// that is damaged is told whatever was copied from it.
pub(super) fn write(parts: &[Opened], whole: &Whole, assembling: &Assembling<'_>) -> Result<(PathBuf, Outcome)> {
    let made: BTreeSet<&str> = whole.made.iter().map(|(path, _)| path.as_str()).collect();
    let mut files = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        for directory in [Part::Public, Part::Secrets] {
            let listed = part.directory(directory).sums.iter().map(|(path, _)| path);
            // What is made of them was read, and so hashed, before.
            let listed = listed.filter(|path| directory == Part::Secrets || !made.contains(path));
            files.extend(listed.map(|path| (number, directory, path)));
        }
    }
    let draft = Draft::new(assembling.out, &whole.manifest.cluster, &whole.manifest.version)?;
    let mut findings = Findings::default();
    let done = each(assembling.jobs, &files, |(number, directory, path)| {
        let (part, from) = (&parts[*number], whole.copied.get(&(*directory, (*path).to_owned())));
        let done = match from.is_some_and(|(_, from)| from == number) {
            true => copy(part, *directory, path, &draft),
            false => part.directory(*directory).check(path).map(drop),
        };
        done.map_err(|error| error.context(&part.name))
    })?;
    for result in done {
        findings.take(result);
    }
    findings.finish(())?;
    for (path, bytes) in &whole.made {
        draft.add_bytes(Secrecy::Public, path, bytes)?;
    }
    draft.finish(assembling.existing)
}

/// Copies a file; its bytes are those that the part lists.
fn copy(part: &Opened, directory: Part, path: &str, draft: &Draft) -> Result<()> {
    let secrecy = match directory {
        Part::Public => Secrecy::Public,
        Part::Secrets => Secrecy::Secret,
    };
    let summed = part.directory(directory);
    let file = summed.open(path)?;
    let size = disk::size(&file)?;
    let (digest, _) = draft.add(secrecy, path, |out| pass(file, size, Path::new(path), out))?;
    summed.is_listed(path, digest)
}

/// Passes on all bytes of a file. They may be secret: what held them is wiped.
fn pass(mut file: impl Read, size: u64, path: &Path, out: &mut dyn Write) -> Result<()> {
    let mut room = Zeroizing::new(vec![0; size.clamp(1, PIECE as u64) as usize]);
    loop {
        match file.read(&mut room) {
            Ok(0) => return Ok(()),
            Ok(count) => out.write_all(&room[..count]).map_err(|error| Error::io("writing", path, error))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("reading", path, error)),
        }
    }
}
