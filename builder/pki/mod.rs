//! Keys and certificates from one seed: pure functions of what they are given.
//!
//! ```text
//! seed        Seed, Scope            32 bytes, and how every secret is derived from them
//! sealed      Passphrase, ...        a seed's file that is encrypted with age
//! key         PrivateKey, PublicKey  keys of every kind, and service-account key pairs
//! derived     (derived bytes)        ... from derived bytes to keys
//! key_file    (PEM of others)        ... from files that mastermold did not make
//! secret      SecretShape, secret    encryption keys and tokens
//! request     Subject, Usage, ...    what may be asked of a certificate, and the checks
//! name        (DER of a subject)
//! draft       (rcgen and its guard)  a certificate's bytes
//! authority   Authority              who signs
//! issue       issue, Issued          a certificate and its key
//! kubeconfig  kubeconfig             a client's file with all of it inside
//!
//! certificate Certificate            a certificate that somebody made, and what it says
//! extensions  (of a certificate)     what its extensions say
//! named       Name                   the names in it
//! proof       (check_issued_by)      whether one certificate is signed by another
//! found       (parse, find)          certificates in files
//! held        Held                   a certificate and where it lies
//! cms         CodeSigner, verify     signatures of boot files
//! code_signing CodeSigningRequest    ... and the certificate of who makes them
//! term        Term, Standing         whether they are valid at a time
//! ```
//!
//! Nothing here reads a clock, a file or a random number, except [`Seed::generate`],
//! [`PrivateKey::generate`] and what encrypts a seed. The same
//! request gives the same bytes: serial numbers are hashes, dates are given, signatures are deterministic (RFC 6979).
//!
//! What an authority needs of its certificate (name, key id, dates, path length) is kept apart from how it came to be,
//! so that an imported authority is the same [`Authority`].

mod authority;
mod certificate;
pub mod cms;
mod code_signing;
mod derived;
mod draft;
mod extensions;
mod found;
mod held;
mod issue;
mod key;
mod key_file;
mod kubeconfig;
mod name;
mod named;
mod outside;
mod pem;
mod proof;
mod request;
mod sealed;
mod secret;
mod seed;
mod term;

pub use authority::{Authority, AuthorityRequest};
pub use certificate::Certificate;
pub use cms::{CmsSigner, CodeSigner};
pub use code_signing::CodeSigningRequest;
pub use held::Held;
pub use issue::{CertificateRequest, Issued, issue};
pub use key::{Algorithm, KeyEncoding, KeyPair, PrivateKey, PublicKey, pair_key};
pub use kubeconfig::{Credential, KubeconfigRequest, TrustedAuthority, kubeconfig};
pub use named::Name;
pub use outside::{accept, request};
pub use request::{KeyUsage, Serial, Subject, Usage};
pub use sealed::{Identities, Passphrase, Protection, Recipient};
pub use secret::{SecretShape, secret};
pub use seed::{Scope, Seed, fingerprint_of};
pub use term::{LARGEST_SEARCHED, Standing, Term};
