//! Public keys: what a verifier pins.
//!
//! A `.pub` file is `untrusted comment: ...`, LF, base64 of `"Ed" | key id (8) | Ed25519 public key (32)`, LF.

use std::fmt;

use ed25519_dalek::VerifyingKey;

use super::lines;
use crate::error::{Error, Result};

/// The algorithm of a key: Ed25519. (In a signature `Ed` is minisign's older form over the message itself.)
pub(super) const ED25519: [u8; 2] = *b"Ed";

/// Which key it is: eight random bytes, chosen when the key was made. A name, not a proof.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub(super) [u8; 8]);

/// As minisign prints it: the bytes as a little-endian number, in upper-case hexadecimal without leading zeros.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A public key of minisign.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    pub(super) key: VerifyingKey,
}

impl PublicKey {
    pub(super) fn new(id: KeyId, key: VerifyingKey) -> PublicKey {
        PublicKey { id, key }
    }

    /// Reads a `.pub` file, or its second line alone, as `minisign -P` takes it; the last LF may be missing.
    ///
    /// Malformed text is [`Error::usage`]; a key under which anybody could sign is [`Error::trust`].
    pub fn parse(text: &str) -> Result<PublicKey> {
        let line = base64_line(text.strip_suffix('\n').unwrap_or(text)).ok_or_else(malformed)?;
        let bytes = lines::decode::<42>(line.as_bytes()).ok_or_else(malformed)?;
        let (algorithm, id, key) = split(&bytes).ok_or_else(malformed)?;
        if algorithm != ED25519 {
            return Err(Error::usage("the public key is not of minisign's algorithm Ed25519")
                .advise("make one with `minisign -G` or `mastermold key new`"));
        }
        Ok(PublicKey { id: KeyId(id), key: sound(&key)? })
    }

    /// The `.pub` file, as minisign writes it.
    pub fn to_text(&self) -> String {
        let PublicKey { id, key } = self;
        let line = lines::encode(&[&ED25519[..], &id.0, key.as_bytes()].concat());
        format!("{}minisign public key {id}\n{line}\n", lines::UNTRUSTED)
    }

    /// Which key it is.
    pub fn key_id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

fn malformed() -> Error {
    Error::usage("this is not a minisign public key")
        .advise("give the .pub file (a comment line, a base64 line), or its second line alone")
}

fn base64_line(text: &str) -> Option<&str> {
    let Some((comment, line)) = text.split_once('\n') else { return Some(text) };
    (comment.starts_with(lines::UNTRUSTED) && lines::printable(comment)).then_some(line)
}

fn split(bytes: &[u8; 42]) -> Option<([u8; 2], [u8; 8], [u8; 32])> {
    let (algorithm, rest) = bytes.split_first_chunk()?;
    let (id, rest) = rest.split_first_chunk()?;
    Some((*algorithm, *id, rest.try_into().ok()?))
}

/// A key that is a point of the curve, in its one canonical encoding (RFC 8032, 5.1.3), and not of small order: under
/// such a key a signature verifies many messages.
pub(super) fn sound(bytes: &[u8; 32]) -> Result<VerifyingKey> {
    VerifyingKey::from_bytes(bytes)
        .ok()
        .filter(|key| !key.is_weak() && key.to_edwards().compress().as_bytes() == bytes)
        .ok_or_else(|| Error::trust("the public key is not a sound Ed25519 key").advise("get it again from its owner"))
}
