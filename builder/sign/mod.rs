//! Signatures: detached proof over exact bytes.
//!
//! The format is minisign's (jedisct1/minisign, "Signature format"), so that a release can be checked without this
//! program, and signed where it is not installed. What minisign leaves open is closed here: signing is deterministic,
//! and of all the files that minisign would accept for a message, [`verify`] accepts one.
//!
//! ```text
//! public  PublicKey, KeyId     what a verifier pins
//! secret  SecretKey            what a signer keeps, with minisign's own password protection
//! signature  sign, verify      the four lines of a .minisig
//! dsse  seal, open             envelopes of statements, signed by the same keys
//! lines                        how all of them are read: strictly
//! ```
//!
//! Another format (sshsig, CMS) is another file beside `signature`, with its own `sign` and `verify` that give the
//! same [`Signed`]; nothing in this folder knows what is signed.

pub mod dsse;
mod lines;
mod password;
mod public;
mod secret;
mod signature;

pub use public::{KeyId, PublicKey};
pub use secret::SecretKey;
pub use signature::{Signed, sign, verify};
