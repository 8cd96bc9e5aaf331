//! mastermold casts the machines of a Kubernetes control plane ahead of deployment: from a profile to reproducible,
//! checksummed, signed bundles.
//!
//! ```text
//! profiles/NAME.toml ──load──▶ Profile ─┐
//! overlays/NAME/     ──load──▶ Overlay ─┼─Plan::resolve──▶ Plan ──split──▶ layers ──pack──▶ archives ─┐
//! profiles/NAME.lock ──parse─▶ Lock ────┤   (a Tree for each node)            ▲                        ▼
//! CLUSTER.seed       ──parse─▶ Seed ────┘                                   Store          Draft: manifests, sums
//!                                                                        (gathered blobs)            │ one rename
//!                                                       verify ◀── sign ◀── out/CLUSTER/VERSION ◀────┘
//! ```
//!
//! A release is a pure function of the four on the left. The floors below are held by `tests/floors.rs`: a file imports
//! lower floors or its own folder, and engines do not know each other. Kubernetes, its components and every
//! distribution are data in `overlays/`; the program knows none of them.

// F0: the base. Errors, digests, names, versions, time, files, what the program carries, the process, a cage for others, the
// person before it, what was found last.
pub mod bounded;
pub mod digest;
pub mod disk;
pub mod epoch;
pub mod error;
pub mod label;
pub mod process;
pub mod sandbox;
pub mod shipped;
pub mod terminal;
pub mod version;
// F1: documents that know their lines; a node's file system in memory.
pub mod document;
pub mod tree;
// F2: engines.
pub mod archive;
pub mod image;
pub mod overlay;
pub mod pki;
pub mod probe;
pub mod program;
pub mod sbom;
pub mod sign;
pub mod store;
// F3: what is asked, and what is delivered. Blind to each other.
pub mod bundle;
pub mod profile;
// F4: how machines start from what is delivered, and what two deliveries differ in.
pub mod boot;
pub mod diff;
// F5: how the first becomes the second.
pub mod build;
// F6: what would go wrong with it.
pub mod check;
// F7: the command line.
pub mod cli;
