//! Keys and certificates from one seed: pure functions of what they are given.
//!
//! ```text
//! seed        Seed, Scope            32 bytes, and how every secret is derived from them
//! sealed      Passphrase, ...        a seed's file that is encrypted with age
//! key         Algorithm, KeyPair     private keys, and service-account key pairs
//! secret      SecretShape, secret    encryption keys and tokens
//! request     Subject, Usage, ...    what may be asked of a certificate, and the checks
//! name        (DER of a subject)
//! draft       (rcgen and its guard)  a certificate's bytes
//! authority   Authority              who signs
//! issue       issue, Issued          a certificate and its key
//! kubeconfig  kubeconfig             a client's file with all of it inside
//! ```
//!
//! Nothing here reads a clock, a file or a random number, except [`Seed::generate`] and what encrypts a seed. The same
//! request gives the same bytes: serial numbers are hashes, dates are given, signatures are deterministic (RFC 6979).
//!
//! What an authority needs of its certificate (name, key id, dates, path length) is kept apart from how it came to be,
//! so that an imported authority is the same [`Authority`].

mod authority;
mod draft;
mod issue;
mod key;
mod kubeconfig;
mod name;
mod request;
mod sealed;
mod secret;
mod seed;

pub use authority::{Authority, AuthorityRequest};
pub use issue::{CertificateRequest, Issued, issue};
pub use key::{Algorithm, KeyEncoding, KeyPair, key_pair};
pub use kubeconfig::{KubeconfigRequest, kubeconfig};
pub use request::{Subject, Usage};
pub use sealed::{Identities, Passphrase, Protection, Recipient};
pub use secret::{SecretShape, secret};
pub use seed::{Scope, Seed};
