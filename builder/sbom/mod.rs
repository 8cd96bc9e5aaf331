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

pub use cyclonedx::to_text as cyclonedx;
pub use inventory::{Component, Id, Inventory, Kind, Relation};
pub use spdx::to_text as spdx;
pub use union::{CycloneDx, Spdx, Union};

use crate::digest::Digest;
use crate::error::{Error, Result};

/// The text of a document: compact JSON and a line feed.
fn to_text(document: &impl serde::Serialize) -> Result<String> {
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
