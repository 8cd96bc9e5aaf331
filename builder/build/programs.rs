//! What the programs of a release are: looked into once, whatever the number of builds.

use std::io::{Read, Seek};

use crate::error::{Error, Result};
use crate::program::{self, Program};
use crate::store::{Pin, Store};

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
