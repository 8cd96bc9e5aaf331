//! mastermold casts the machines of a Kubernetes control plane ahead of deployment.

// F0: the base. Errors, digests, time, files.
pub mod digest;
pub mod disk;
pub mod epoch;
pub mod error;
// F1: documents that know their lines; a node's file system in memory.
pub mod document;
pub mod tree;
// F2: engines, which do not know each other.
pub mod archive;
pub mod overlay;
pub mod pki;
pub mod sign;
pub mod store;
// F3: what is asked, and what is delivered.
pub mod bundle;
pub mod profile;
// F4: how the first becomes the second.
pub mod build;
// F5: the command line.
pub mod cli;
