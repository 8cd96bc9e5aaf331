//! What a release is made of, for people and programs that look for known faults in it: one [`Inventory`], written as
//! SPDX 2.3 and as CycloneDX 1.6.
//!
//! ```text
//! Inventory { components, relations } ──► spdx       SPDX 2.3, JSON
//!                                     └─► cyclonedx  CycloneDX 1.6, JSON
//! union                                ──► the documents of a release's parts as those of the whole
//! purl                                 ──► package URLs, by which scanners know a component
//! ```
//!
//! Both are functions of the inventory alone: sorted, dated with the release's epoch, and named by a digest over their own
//! contents.

mod cyclonedx;
mod inventory;
pub mod purl;
mod spdx;
mod union;

pub use cyclonedx::write as cyclonedx;
pub use inventory::{Component, Id, Inventory, Kind, Relation};
pub use spdx::write as spdx;
pub use union::{CycloneDx, Spdx, Union};

use std::io::{BufWriter, Write};

use serde::ser::{Serialize, Serializer};

use crate::digest::{Digest, HashWriter};
use crate::error::{Error, Result};

/// What an iterator gives, as a list that is nowhere as a whole: a release of many machines has many components.
struct Each<F>(F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0())
    }
}

/// Writes a document as [`to_text`] has it.
fn write(document: &impl Serialize, out: &mut dyn Write) -> Result<()> {
    let mut out = BufWriter::new(out);
    let written = serde_json::to_writer(&mut out, document).map_err(std::io::Error::from);
    let ended = written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    ended.map_err(|error| Error::io("writing", "an inventory", error))
}

/// The SHA-256 of a document's text.
fn digest(document: &impl Serialize) -> Result<Digest> {
    let mut hashed = HashWriter::new(std::io::sink());
    write(document, &mut hashed)?;
    Ok(hashed.finish().1)
}

/// The text of a document: compact JSON and a line feed.
fn to_text(document: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(document);
    text.map(|text| text + "\n").map_err(|error| Error::bug(format!("writing an inventory: {error}")))
}

/// The name of a document that no other one has: a UUID of version 8 (RFC 9562, 5.8), whose bits are those of a SHA-256.
fn uuid(digest: &Digest) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_a_name_of_its_own() {
        let name = uuid(&Digest::of(b"abc"));
        assert_eq!(name, "urn:uuid:ba7816bf-8f01-8fea-8141-40de5dae2223");
        assert_ne!(name, uuid(&Digest::of(b"abd")));
    }
}
