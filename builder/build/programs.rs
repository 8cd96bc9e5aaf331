//! What the programs of a release are: looked into once, whatever the number of builds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use super::parallel;
use crate::error::{Error, Result};
use crate::program::{self, Program};
use crate::store::{Pin, Store};

/// What these blobs are, as far as they are programs that can be read: looked into on all cores.
pub fn look_all(store: &Store, pins: &BTreeSet<Pin>) -> BTreeMap<Pin, Program> {
    let mut largest_first: Vec<Pin> = pins.iter().copied().collect();
    largest_first.sort_by_key(|pin| Reverse(pin.size));
    let look = |pin| Some((pin, look(store, &pin).ok().flatten()?));
    parallel::map(parallel::threads(), largest_first, look).into_iter().flatten().collect()
}

/// What a blob of the store is, if it is a program. It is hashed before it is looked into, and what was found is kept: not a byte
/// of it counts that is not the pinned one.
pub fn look(store: &Store, pin: &Pin) -> Result<Option<Program>> {
    let bug = |error: serde_json::Error| Error::bug(format!("keeping what a program is: {error}"));
    let note = store.note(program::READING, pin, |mut file| {
        let mut start = [0; 18];
        // What is shorter is no program.
        let may_run = file.rewind().and_then(|()| file.read_exact(&mut start)).is_ok() && program::may_run(&start);
        let found = if may_run { program::identify(file)? } else { None };
        serde_json::to_string(&found).map_err(bug)
    })?;
    serde_json::from_str(&note).map_err(bug)
}
