//! Programs: what an ELF file says of itself, and what Go's linker wrote into it.
//!
//! ```text
//! identify ── elf  class, machine, kind, interpreter, needed libraries
//!          └─ go   .go.buildinfo: version of Go, main module, modules with versions and sums, settings
//! ```
//!
//! The bytes come from outside. They are read in pieces of bounded size, whatever their tables promise, and nothing in
//! them is an error: what is no well-formed ELF file is not a program. (The readers of crates keep what they read for as
//! long as they live and bound it by the file's size alone; five tables are all that is wanted here.)

mod elf;
mod go;
mod window;

use serde::{Deserialize, Serialize};
use std::io::{Read, Seek};

pub use elf::{Kind, Machine};
pub use go::{GoBuild, Module};

use self::window::Window;
use crate::error::{Error, Result};

/// The version of how files are read here: it grows when the same bytes would be told otherwise.
pub const READING: &str = "program-2";

/// Whether a file that starts with these 18 bytes may be a program or a library that is run as it is, and not an object
/// file: worth being looked into.
pub fn may_run(start: &[u8; 18]) -> bool {
    let big = start[5] == 2;
    let kind = if big { [start[17], start[16]] } else { [start[16], start[17]] };
    start.starts_with(b"\x7fELF") && matches!(kind, [2 | 3, 0])
}

/// What is known of a program, a library or an object file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// How wide its addresses are, in bits: 32 or 64.
    pub bits: u8,
    /// Whether its numbers are stored with the most significant byte first.
    pub big_endian: bool,
    /// The machine that it is for.
    pub machine: Machine,
    /// What kind of file it is.
    pub kind: Kind,
    /// The program that starts it (`PT_INTERP`): the dynamic linker.
    pub interpreter: Option<String>,
    /// The libraries that it wants (`DT_NEEDED`), in its order.
    pub needed: Vec<String>,
    /// What Go's linker wrote into it, if Go made it.
    pub go: Option<GoBuild>,
}

/// What the file is; nothing if it is not a well-formed ELF file. It is read from its start, wherever `reader` stands.
///
/// # Errors
/// Only what `reader` says: the bytes themselves are never one.
pub fn identify(reader: impl Read + Seek) -> Result<Option<Program>> {
    let mut window = Window::new(reader).map_err(|error| Error::io("reading", "a program", error))?;
    let found = elf::Elf::read(&mut window).and_then(|elf| {
        let (interpreter, needed) = (elf.interpreter(&mut window)?, elf.needed(&mut window)?);
        let go = go::read(&elf, &mut window);
        let elf::Elf { bits, big_endian, machine, kind, .. } = elf;
        Some(Program { bits, big_endian, machine, kind, interpreter, needed, go })
    });
    window.finish().map_err(|error| Error::io("reading", "a program", error))?;
    Ok(found)
}
