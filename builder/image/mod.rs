//! Container images as one file: made from programs, and looked into when they come from outside.
//!
//! ```text
//! Tree + Settings --Assembly--> OCI image layout in a tar archive      assemble
//! entries of an archive --Survey--> the image of a name, whole         survey
//! ```
//!
//! By the OCI Image Format Specification 1.1 and, for what `docker save` writes, the Docker Image Specification 1.2.
//! This engine knows no store and no source: contents come from a [`Blobs`](crate::tree::Blobs), entries are shown to it.

mod assemble;
mod documents;
mod name;
mod survey;
mod tar;

pub use assemble::{Assembly, Settings};
pub use name::check_name;
pub use survey::Survey;

/// The annotation with the whole name, which containerd reads first (containerd, `images/annotations.go`).
const WHOLE_NAME: &str = "io.containerd.image.name";
/// The annotation of the OCI Image Layout Specification: a tag, or with some tools the whole name.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Where blobs are in an image layout; their names are their digests.
const BLOBS: &str = "blobs/sha256";
/// What a platform must say.
const OS: &str = "linux";
/// The version in `oci-layout`.
const LAYOUT_VERSION: &str = "1.0.0";
