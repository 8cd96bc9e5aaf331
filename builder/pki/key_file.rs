//! Reading keys that mastermold did not make: PEM with PKCS #8 (RFC 5208), PKCS #1 (RFC 8017) or SEC 1 (RFC 5915).

use der::Decode as _;
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, PrivateKeyInfoRef};

use super::key::{Kind, PrivateKey, PublicKey, rsa_kind};
use super::pem;
use crate::error::{Error, Result};

/// The sizes of RSA keys that are taken.
pub(super) const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

impl PrivateKey {
    /// Reads a private key's file: exactly one key, not encrypted, of a kind that mastermold signs with.
    pub fn parse(file: &[u8]) -> Result<PrivateKey> {
        let blocks = pem::blocks(file)?;
        // `openssl ecparam -genkey` writes the curve's name in a block of its own before the key.
        let mut keys = blocks.iter().filter(|block| block.label != "EC PARAMETERS");
        let (Some(block), None) = (keys.next(), keys.next()) else {
            let message = "it does not hold exactly one private key in PEM";
            let advice = "give a file with one PRIVATE KEY block; from DER: openssl pkey -inform DER -in FILE";
            return Err(Error::usage(message).advise(advice));
        };
        if block.has_headers || block.label == "ENCRYPTED PRIVATE KEY" {
            let advice = "decrypt it where nobody else reads: openssl pkey -in FILE -out FILE, mode 0600";
            return Err(Error::usage("the private key is encrypted").advise(advice));
        }
        let kind = match block.label.as_str() {
            "EC PRIVATE KEY" => sec1(&block.der),
            "RSA PRIVATE KEY" => RsaPrivateKey::from_pkcs1_der(&block.der).map(rsa_kind).map_err(|_| damaged()),
            "PRIVATE KEY" => pkcs8(&block.der),
            other => {
                let message = format!("it holds a block `{other}`, not a private key that is read here");
                Err(Error::usage(message).advise("give a file with a PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY"))
            }
        }?;
        let key = PrivateKey::from(kind);
        match key.rsa_bits() {
            Some(bits) if !RSA_BITS.contains(&bits) => Err(rsa_size(bits)),
            _ => Ok(key),
        }
    }
}

/// Why an RSA key of this size is refused.
pub(super) fn rsa_size(bits: u32) -> Error {
    let message = format!("its RSA key has {bits} bits, not {} to {}", RSA_BITS.start(), RSA_BITS.end());
    Error::usage(message).advise("take a new key: fewer bits can be broken, more are never needed")
}

/// Not sound, or more than the crates read: a curve in numbers where a name is usual, RSA of three primes.
fn damaged() -> Error {
    Error::usage("the private key is damaged, or written in a form that is not read here")
        .advise("check it with: openssl pkey -check -noout -in FILE; if it is sound, take a new one")
}

fn other_kind() -> Error {
    Error::usage("its private key is of a kind that mastermold does not sign with")
        .advise("it takes ECDSA P-256 and P-384, Ed25519, and RSA of 2048 to 8192 bits")
}

fn sec1(der: &[u8]) -> Result<Kind> {
    let key = sec1::EcPrivateKey::from_der(der).map_err(|_| damaged())?;
    let curve = key.parameters.and_then(|parameters| parameters.named_curve());
    if curve.is_none_or(|curve| curve == P256)
        && let Ok(key) = p256::SecretKey::from_sec1_der(der)
    {
        return Ok(Kind::P256(key));
    }
    if curve.is_none_or(|curve| curve == P384)
        && let Ok(key) = p384::SecretKey::from_sec1_der(der)
    {
        return Ok(Kind::P384(key));
    }
    Err(if curve.is_some_and(|curve| [P256, P384].contains(&curve)) { damaged() } else { other_kind() })
}

pub(super) const P256: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.3.132.0.34");
const EC: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: der::asn1::ObjectIdentifier = der::asn1::ObjectIdentifier::new_unwrap("1.3.101.112");

fn pkcs8(der: &[u8]) -> Result<Kind> {
    let read = PrivateKeyInfoRef::from_der(der).map_err(|_| damaged())?;
    let curve = read.algorithm.parameters_oid().ok();
    match (read.algorithm.oid, curve) {
        (EC, Some(P256)) => p256::SecretKey::from_pkcs8_der(der).map(Kind::P256).map_err(|_| damaged()),
        (EC, Some(P384)) => p384::SecretKey::from_pkcs8_der(der).map(Kind::P384).map_err(|_| damaged()),
        (RSA, _) => RsaPrivateKey::from_pkcs8_der(der).map(rsa_kind).map_err(|_| damaged()),
        (ED25519, _) => ed25519_dalek::SigningKey::from_pkcs8_der(der).map(Kind::Ed25519).map_err(|_| damaged()),
        _ => Err(other_kind()),
    }
}

impl PublicKey {
    /// Every public key in a file, among whatever else is in it.
    pub fn parse_all(file: &[u8]) -> Vec<PublicKey> {
        let blocks = pem::blocks(file).unwrap_or_default();
        let keys = blocks.iter().filter(|block| block.label == "PUBLIC KEY");
        keys.map(|block| PublicKey { der: block.der.to_vec() }).collect()
    }

    /// Reads a public key's file: exactly one `PUBLIC KEY`.
    pub fn parse(file: &[u8]) -> Result<PublicKey> {
        let blocks = pem::blocks(file)?;
        match &blocks[..] {
            [block] if block.label == "PUBLIC KEY" => {
                let read = rsa::pkcs8::spki::SubjectPublicKeyInfoRef::from_der(&block.der);
                read.map_err(|_| Error::usage("the public key is damaged"))?;
                Ok(PublicKey { der: block.der.to_vec() })
            }
            _ => Err(Error::usage("it does not hold exactly one public key")
                .advise("give a file with one PUBLIC KEY block: openssl pkey -in KEY -pubout")),
        }
    }
}
