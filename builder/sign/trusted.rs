//! [`TrustedKey`]: a public key of any format that is trusted, and when two are the same key.

use std::fmt;

use super::public::PublicKey;
use super::ssh::SshKey;
use crate::error::Result;

/// A public key that somebody trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedKey {
    /// One of minisign.
    Minisign(PublicKey),
    /// One of OpenSSH.
    Ssh(SshKey),
}

impl TrustedKey {
    /// Reads a public key's file: minisign's or OpenSSH's.
    pub fn parse(text: &str) -> Result<TrustedKey> {
        match SshKey::is_one(text) {
            true => SshKey::parse(text).map(TrustedKey::Ssh),
            false => PublicKey::parse(text).map(TrustedKey::Minisign),
        }
    }

    /// The key, if it is one of minisign.
    pub fn minisign(&self) -> Option<&PublicKey> {
        match self {
            TrustedKey::Minisign(key) => Some(key),
            TrustedKey::Ssh(_) => None,
        }
    }

    /// The file that [`TrustedKey::parse`] reads.
    pub fn to_text(&self) -> String {
        match self {
            TrustedKey::Minisign(key) => key.to_text(),
            TrustedKey::Ssh(key) => key.to_text(),
        }
    }

    /// Whether it is the same key, in whatever file and format: who has one of them has both.
    pub fn is(&self, other: &TrustedKey) -> bool {
        self.material() == other.material()
    }

    /// The bytes of the key itself. A point of Ed25519, one of a curve of NIST and a modulus differ in length or in
    /// their first byte.
    fn material(&self) -> Vec<u8> {
        match self {
            TrustedKey::Minisign(key) => key.key.as_bytes().to_vec(),
            TrustedKey::Ssh(key) => key.material(),
        }
    }
}

impl From<PublicKey> for TrustedKey {
    fn from(key: PublicKey) -> TrustedKey {
        TrustedKey::Minisign(key)
    }
}

impl From<SshKey> for TrustedKey {
    fn from(key: SshKey) -> TrustedKey {
        TrustedKey::Ssh(key)
    }
}

/// As `minisign` or `ssh-keygen -l` prints it.
impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustedKey::Minisign(key) => fmt::Display::fmt(&key.key_id(), f),
            TrustedKey::Ssh(key) => fmt::Display::fmt(key, f),
        }
    }
}

/// How many different keys these are.
pub fn count<'a>(keys: impl IntoIterator<Item = &'a TrustedKey>) -> usize {
    keys.into_iter().map(TrustedKey::material).collect::<std::collections::BTreeSet<_>>().len()
}
