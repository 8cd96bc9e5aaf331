//! What is looked into without being run or believed: programs, and documents of configuration.

use std::io::Cursor;

use mastermold::diff::documents;
use mastermold::program;

/// A program: bytes are never an error, whatever they say of themselves.
pub fn identify(data: &[u8]) {
    let found = program::identify(Cursor::new(data)).unwrap();
    assert!(found.is_none() || data.starts_with(b"\x7fELF"));
}

/// YAML, JSON and TOML as `diff` reads them.
pub fn documents(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (documents::yaml(text), documents::json(text), documents::toml(text));
}
