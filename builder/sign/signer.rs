//! [`Signer`]: who signs, in whatever format.

use super::detached::Scheme;
use super::secret::SecretKey;
use super::signature;
use super::ssh::SshSigner;
use super::trusted::TrustedKey;
use crate::error::Result;

/// Who signs.
pub enum Signer {
    /// A secret key of minisign.
    Minisign(SecretKey),
    /// A key of OpenSSH, by its own program.
    Ssh(SshSigner),
}

/// A signature that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its format.
    pub scheme: Scheme,
    /// What its file is named by where there are several.
    pub id: String,
    /// By whom it is.
    pub key: TrustedKey,
    /// The signature file.
    pub text: String,
}

impl Signer {
    /// Signs `message`, and with it what the signer says of it: one printable line.
    pub fn sign(&self, message: &[u8], statement: &str) -> Result<Signature> {
        match self {
            Signer::Minisign(secret) => {
                let (text, key) = (signature::sign(secret, message, statement)?, secret.public());
                Ok(Signature { scheme: Scheme::Minisign, id: key.key_id().to_string(), key: key.into(), text })
            }
            Signer::Ssh(signer) => {
                let (text, key) = signer.sign(message, statement)?;
                Ok(Signature { scheme: Scheme::Ssh, id: key.id(), key: key.into(), text })
            }
        }
    }
}
