//! [`Detached`]: a signature file of any format, read strictly.

use super::signature::Minisig;
use super::ssh::SshSignature;
use super::trusted::TrustedKey;
use crate::error::{Error, Result};

/// The formats of signature files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// minisign's, `.minisig`.
    Minisign,
    /// OpenSSH's, `.sshsig`.
    Ssh,
}

impl Scheme {
    /// Both.
    pub const ALL: [Scheme; 2] = [Scheme::Minisign, Scheme::Ssh];

    /// How its files' names end.
    pub fn extension(self) -> &'static str {
        match self {
            Scheme::Minisign => "minisig",
            Scheme::Ssh => "sshsig",
        }
    }
}

/// A signature file that is well-formed. Nothing that it says is proven before a key verified it.
pub enum Detached {
    /// Of minisign.
    Minisign(Minisig),
    /// Of OpenSSH.
    Ssh(SshSignature),
}

impl Detached {
    /// Reads a signature file. One that is not as its program writes it is [`Error::trust`].
    pub fn parse(scheme: Scheme, bytes: &[u8]) -> Result<Detached> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::trust("the signature is not UTF-8"))?;
        match scheme {
            Scheme::Minisign => Minisig::parse(text).map(Detached::Minisign),
            Scheme::Ssh => SshSignature::parse(text).map(Detached::Ssh),
        }
    }

    /// What the signer says of what is signed: a trusted comment, a namespace.
    pub fn statement(&self) -> &str {
        match self {
            Detached::Minisign(signature) => signature.comment(),
            Detached::Ssh(signature) => signature.namespace(),
        }
    }

    /// What its file is named by where there are several: the key that it names.
    pub fn id(&self) -> String {
        match self {
            Detached::Minisign(signature) => signature.key_id().to_string(),
            Detached::Ssh(signature) => signature.key().id(),
        }
    }

    /// The key that it names, as messages call it.
    pub fn signer(&self) -> String {
        match self {
            Detached::Minisign(signature) => signature.key_id().to_string(),
            Detached::Ssh(signature) => signature.key().to_string(),
        }
    }

    /// Which of `keys` signed `message`, and its statement with it; nothing if a key did that is none of them.
    ///
    /// Trust: it names one of them, or nearly, and is not a signature of these bytes by it; or is by one of them and names another.
    pub fn verify<'a>(&self, keys: &'a [TrustedKey], message: &[u8]) -> Result<Option<&'a TrustedKey>> {
        let named: Vec<&TrustedKey> = keys.iter().filter(|key| self.names(key)).collect();
        if named.is_empty() {
            let damaged = |message: String| Err(Error::trust(message).advise("get it again from its source"));
            // Nobody's program does either: the name was changed afterwards.
            if let Some(key) = keys.iter().find(|key| self.is_by(key, message)) {
                return damaged(format!("the signature names key {}, and is by {key}", self.signer()));
            }
            return match keys.iter().find(|key| self.nearly_names(key)) {
                Some(key) => damaged(format!("the signature names key {}, which is nearly {key}", self.signer())),
                None => Ok(None),
            };
        }
        // Names are what anybody can give: a key is found by what it verifies.
        let Some(key) = named.into_iter().find(|key| self.is_by(key, message)) else {
            let message = format!("the signature by key {} is not one of these bytes by that key", self.signer());
            return Err(Error::trust(message).advise("get the signed file and its signature again from their source"));
        };
        if let (Detached::Minisign(signature), TrustedKey::Minisign(key)) = (self, key) {
            signature.check_comment(key)?;
        }
        Ok(Some(key))
    }

    fn names(&self, key: &TrustedKey) -> bool {
        match (self, key) {
            (Detached::Minisign(signature), TrustedKey::Minisign(key)) => signature.key_id() == key.key_id(),
            (Detached::Ssh(signature), TrustedKey::Ssh(key)) => signature.key() == key,
            _ => false,
        }
    }

    /// Whether the name is a key's but for two bytes of its eight, which is none of another key but a damaged one: one character of
    /// base64 holds a part of the name and a part of the signature. (Of SSH a signature names the whole key.)
    fn nearly_names(&self, key: &TrustedKey) -> bool {
        match (self, key) {
            (Detached::Minisign(signature), TrustedKey::Minisign(key)) => {
                let (own, other) = (signature.key_id(), key.key_id());
                own.0.iter().zip(other.0).filter(|(own, other)| *own == other).count() >= 6
            }
            _ => false,
        }
    }

    fn is_by(&self, key: &TrustedKey, message: &[u8]) -> bool {
        match (self, key) {
            (Detached::Minisign(signature), TrustedKey::Minisign(key)) => signature.is_by(key, message),
            (Detached::Ssh(signature), TrustedKey::Ssh(key)) => signature.is_by(key, message),
            _ => false,
        }
    }
}
