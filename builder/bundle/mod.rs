//! What is delivered: a release, its manifests, its sums, and the check that it is what was signed.
//!
//! ```text
//! CLUSTER/VERSION/public/manifest.json             the release: its identity, its artifacts
//!                        sbom.spdx.json            what it is made of (also as sbom.cdx.json)
//!                        provenance.json           what it was made of and by what, as SLSA has it
//!                        SHA256SUMS                every file of public/ (and of secrets/, in its own)
//!                        SHA256SUMS.minisig        the signature of exactly these bytes, .sshsig another one
//!                        verify.sh                 checks all that without mastermold
//!                        layers/common-ID.json     what several nodes share
//!                        NODE/manifest.json        what a node has
//!                 secrets/NODE/..., admin/..., SHA256SUMS, SHA256SUMS.minisig
//! ```
//!
//! A release directory that has its name is whole: it is written beside its place and renamed in one step.

pub mod assemble;
pub mod certificates;
pub mod cmdline;
pub mod fetched;
mod flush;
pub mod inspect;
pub mod lists;
pub mod manifest;
pub mod provenance;
pub mod release;
pub mod signing;
pub mod sums;
pub mod verify;

pub use assemble::{Assembled, Assembling, assemble};
pub use certificates::certificates;
pub use fetched::{CMS, fetched};
pub use inspect::{Inspected, inspect};
pub use manifest::{
    Artifact, BootRecord, CommonManifest, FileRecord, FileType, Manifest, NodeManifest, NodeRecord, Share,
};
pub use release::{Draft, Existing, Outcome};
pub use sums::Sums;
pub use verify::{Asked, Part, Secrets, Verified, check_sums, identity_comment, verify};

/// The directory that may be served to anyone.
pub const PUBLIC: &str = "public";
/// The directory that only its owner may read.
pub const SECRETS: &str = "secrets";
/// The release's manifest, in [`PUBLIC`].
pub const MANIFEST: &str = "manifest.json";
/// What the release is made of, as SPDX.
pub const SPDX: &str = "sbom.spdx.json";
/// What the release is made of, as CycloneDX.
pub const CYCLONEDX: &str = "sbom.cdx.json";
/// What it was made of and by what: the predicate of a statement of provenance.
pub const PROVENANCE: &str = "provenance.json";
/// The menu that iPXE starts with, in [`PUBLIC`], if machines start from the release.
pub const MENU: &str = "boot.ipxe";
/// The list of digests, in each of the two.
pub const SUMS: &str = "SHA256SUMS";
/// What checks a release where mastermold is not, in [`PUBLIC`]: the same in every release.
pub const VERIFIER: &str = "verify.sh";
/// Its text.
pub const VERIFIER_TEXT: &str = include_str!("verify.sh");
/// Statements about how the release was built, each in an envelope with its signature, in [`PUBLIC`].
pub const ENVELOPES: &str = "SHA256SUMS.intoto.jsonl";
