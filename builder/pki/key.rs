//! Private keys, and the files that hold them.

use std::fmt;

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::bigint::{NonZero, U384};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use zeroize::{Zeroize as _, Zeroizing};

use super::seed::{Scope, Seed};
use crate::error::{Error, Result};

/// The kind of a key. Each kind is a purpose of its own in the derivation, so that no two share bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on NIST P-256 with SHA-256.
    #[default]
    EcdsaP256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::EcdsaP256 => "ecdsa-p256",
        }
    }
}

/// How a private key's file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyEncoding {
    /// `EC PRIVATE KEY` (SEC 1, RFC 5915), as kubeadm writes it.
    #[default]
    Sec1,
    /// `PRIVATE KEY` (PKCS #8, RFC 5958).
    Pkcs8,
}

/// A private key; wiped from memory when it goes.
pub(super) enum Key {
    P256(SecretKey),
}

impl Key {
    /// The key of `kind` (authority, certificate, key-pair) and `name` in `scope`.
    pub(super) fn derive(seed: &Seed, algorithm: Algorithm, kind: &str, scope: &Scope<'_>, name: &str) -> Result<Key> {
        let purpose = format!("{kind}/{}", algorithm.name());
        match algorithm {
            Algorithm::EcdsaP256 => {
                let mut okm = Zeroizing::new([0; 48]);
                seed.derive(&purpose, scope, name, &mut okm[..])?;
                Ok(Key::P256(p256_key(&okm)?))
            }
        }
    }

    /// The algorithm, as rcgen names it.
    pub(super) fn rcgen(&self) -> &'static rcgen::SignatureAlgorithm {
        match self {
            Key::P256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
        }
    }

    /// What a certificate's subjectPublicKey holds: for ECDSA the uncompressed point (RFC 5480, 2.2).
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Key::P256(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
        }
    }

    /// A deterministic signature (RFC 6979), as a certificate holds it.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        match self {
            Key::P256(key) => {
                let signature: std::result::Result<DerSignature, _> = SigningKey::from(key).try_sign(message);
                Ok(signature.map_err(|_| Error::bug("signing with an ECDSA key"))?.as_bytes().to_vec())
            }
        }
    }

    /// The private key's file.
    pub(super) fn private_pem(&self, encoding: KeyEncoding) -> Result<Zeroizing<String>> {
        let Key::P256(key) = self;
        match encoding {
            KeyEncoding::Sec1 => key.to_sec1_pem(LineEnding::LF).map_err(|_| ()),
            KeyEncoding::Pkcs8 => key.to_pkcs8_pem(LineEnding::LF).map_err(|_| ()),
        }
        .map_err(|()| Error::bug("writing a private key"))
    }

    /// The public key's file, `PUBLIC KEY` (SubjectPublicKeyInfo, RFC 5280, 4.1).
    fn public_pem(&self) -> Result<String> {
        let Key::P256(key) = self;
        key.public_key().to_public_key_pem(LineEnding::LF).map_err(|_| Error::bug("writing a public key"))
    }
}

/// FIPS 186-5, A.2.1: 128 bits more than the order has make the bias of the remainder negligible, and nothing is ever
/// tried twice.
fn p256_key(okm: &[u8; 48]) -> Result<SecretKey> {
    /// The order of the group, less one (FIPS 186-5 / SP 800-186, 3.2.1.3).
    const ORDER_LESS_ONE: U384 = U384::from_be_hex(
        "00000000000000000000000000000000ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
    );
    let order = Option::<NonZero<U384>>::from(NonZero::new(ORDER_LESS_ONE));
    let order = order.ok_or_else(|| Error::bug("the order of P-256 is zero"))?;
    let mut number = U384::from_be_slice(okm).rem(&order).wrapping_add(&U384::ONE);
    let mut bytes = number.to_be_bytes();
    number.zeroize();
    let key = SecretKey::from_slice(&bytes.as_ref()[16..]).map_err(|_| Error::bug("deriving a P-256 key"));
    bytes.as_mut().zeroize();
    key
}

/// A key pair without a certificate, for service-account tokens: the controller manager signs with the private key,
/// the API server checks with the public one. (Kubernetes reads EC private keys as SEC 1 only.)
pub struct KeyPair {
    /// `EC PRIVATE KEY`.
    pub private_pem: Zeroizing<String>,
    /// `PUBLIC KEY`.
    pub public_pem: String,
}

/// Shows the public half.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public_pem", &self.public_pem).finish_non_exhaustive()
    }
}

/// The key pair of this name.
pub fn key_pair(seed: &Seed, scope: &Scope<'_>, name: &str) -> Result<KeyPair> {
    let key = Key::derive(seed, Algorithm::default(), "key-pair", scope, name)?;
    Ok(KeyPair { private_pem: key.private_pem(KeyEncoding::Sec1)?, public_pem: key.public_pem()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corners of `(c mod (n - 1)) + 1`, reckoned in Python.
    #[test]
    fn every_number_gives_a_key() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc6325";
        for (okm, key) in [
            ("0".repeat(96), format!("{:064x}", 1)),
            (format!("{:0>96}", format!("{order}4f")), format!("{order}50")), // n - 2 is the last
            (format!("{:0>96}", format!("{order}50")), format!("{:064x}", 1)), // n - 1 is zero again
            ("f".repeat(96), "431905529c0166ce652e96b7ccca0a9a679b73e29ad16947f01cf012fc632550".into()),
        ] {
            let found = p256_key(hex(&okm).as_slice().try_into().unwrap()).unwrap();
            assert_eq!(found.to_bytes().to_vec(), hex(&key), "{okm}");
        }
    }
}
