//! Signatures: detached proof over exact bytes.
//!
//! The first format is minisign's (jedisct1/minisign, "Signature format"), so that a release can be checked without this
//! program, and signed where it is not installed. What minisign leaves open is closed here: signing is deterministic,
//! and of all the files that minisign would accept for a message, one is accepted. The second is OpenSSH's.
//!
//! ```text
//! public  PublicKey, KeyId     what a verifier pins
//! secret  SecretKey            what a signer keeps, with minisign's own password protection
//! signature  sign, Minisig     the four lines of a .minisig
//! dsse  seal, open             envelopes of statements, signed by the same keys
//! lines                        how all of them are read: strictly
//! ssh/  SshKey, SshSignature, SshSigner
//! trusted  TrustedKey          a public key of any format
//! detached  Detached           a signature file of any format
//! signer  Signer               who signs, in any format
//! ```
//!
//! Nothing in this folder knows what is signed.

mod detached;
pub mod dsse;
mod lines;
mod password;
mod public;
mod secret;
mod signature;
mod signer;
mod ssh;
mod trusted;

pub use detached::{Detached, Scheme};
pub use public::{KeyId, PublicKey};
pub use secret::SecretKey;
pub use signature::{Minisig, sign};
pub use signer::{Signature, Signer};
pub use ssh::{SshKey, SshSignature, SshSigner};
pub use trusted::{TrustedKey, count};
