//! Whether one certificate is signed by another (RFC 5280, 6.1.3), and what kinds of keys and signatures count.
//!
//! Signatures: ECDSA (RFC 5758) on P-256 and P-384 and RSA PKCS #1 v1.5 (RFC 8017, 8.2) of 2048 to 8192 bits, each with
//! SHA-256, SHA-384 or SHA-512; Ed25519 (RFC 8410). Everything else is refused by its name: what TLS libraries do not
//! take, or no longer, must not be found out on a machine.

use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode as _, Tag, Tagged as _};
use ed25519_dalek::Signature as Ed25519Signature;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::RsaPublicKey as RsaNumbers;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::Certificate as Parsed;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

use super::certificate::{Certificate, malformed};
use super::seed::hexadecimal;
use crate::digest::Digest;
use crate::error::{Error, Result};

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";

/// The kinds of public keys that have a name here.
const KEYS: [(&str, &str); 6] = [
    (RSA, "RSA"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    (EC, "ECDSA"),
    (ED25519, "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10040.4.1", "DSA"),
];

const CURVES: [(&str, &str); 4] = [
    ("1.2.840.10045.3.1.7", "P-256"),
    ("1.3.132.0.34", "P-384"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.132.0.10", "secp256k1"),
];

/// The kinds of signatures: those that are checked, and those that are refused by a name.
const SIGNATURES: [(&str, &str, Option<Scheme>); 13] = [
    ("1.2.840.10045.4.3.2", "ECDSA with SHA-256", Some(Scheme::Ecdsa(Hash::Sha256))),
    ("1.2.840.10045.4.3.3", "ECDSA with SHA-384", Some(Scheme::Ecdsa(Hash::Sha384))),
    ("1.2.840.10045.4.3.4", "ECDSA with SHA-512", Some(Scheme::Ecdsa(Hash::Sha512))),
    ("1.2.840.113549.1.1.11", "RSA with SHA-256", Some(Scheme::Rsa(Hash::Sha256))),
    ("1.2.840.113549.1.1.12", "RSA with SHA-384", Some(Scheme::Rsa(Hash::Sha384))),
    ("1.2.840.113549.1.1.13", "RSA with SHA-512", Some(Scheme::Rsa(Hash::Sha512))),
    (ED25519, "Ed25519", Some(Scheme::Ed25519)),
    ("1.2.840.10045.4.1", "ECDSA with SHA-1", None),
    ("1.2.840.113549.1.1.5", "RSA with SHA-1", None),
    ("1.2.840.113549.1.1.4", "RSA with MD5", None),
    ("1.2.840.113549.1.1.10", "RSA-PSS", None),
    ("1.2.840.10040.4.3", "DSA with SHA-1", None),
    ("1.3.101.113", "Ed448", None),
];

/// A way to sign that is checked.
#[derive(Clone, Copy)]
enum Scheme {
    Ecdsa(Hash),
    Rsa(Hash),
    Ed25519,
}

#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(message).to_vec(),
            Hash::Sha384 => Sha384::digest(message).to_vec(),
            Hash::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    fn padded(self) -> Pkcs1v15Sign {
        match self {
            Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        }
    }
}

/// A certificate's signature, as it came.
#[derive(Clone)]
pub(super) struct Signature {
    algorithm: AlgorithmIdentifierOwned,
    bytes: Vec<u8>,
}

impl Signature {
    /// The algorithm is written twice, once under the signature: they must agree (RFC 5280, 4.1.1.2).
    pub(super) fn of(parsed: &Parsed) -> Result<Signature> {
        let algorithm = parsed.signature_algorithm();
        if algorithm != parsed.tbs_certificate().signature() {
            return Err(malformed("it names two signature algorithms"));
        }
        let bytes = parsed.signature().as_bytes().ok_or_else(|| malformed("its signature is not whole bytes"))?;
        Ok(Signature { algorithm: algorithm.clone(), bytes: bytes.to_vec() })
    }

    /// How it was made, in words.
    pub(super) fn name(&self) -> String {
        self.kind().0
    }

    /// How it was made, in words, and as what it is checked, if it is.
    fn kind(&self) -> (String, Option<Scheme>) {
        let oid = self.algorithm.oid.to_string();
        match SIGNATURES.iter().find(|(known, ..)| *known == oid) {
            Some((_, name, scheme)) => ((*name).to_owned(), scheme.filter(|scheme| self.has_its_parameters(*scheme))),
            None => (format!("the algorithm {oid}"), None),
        }
    }

    /// RFC 5758, 3.2 and RFC 8410, 3: none. RFC 4055, 5: NULL, and none is taken too.
    fn has_its_parameters(&self, scheme: Scheme) -> bool {
        match (&self.algorithm.parameters, scheme) {
            (None, _) => true,
            (Some(given), Scheme::Rsa(_)) => given.tag() == Tag::Null && given.value().is_empty(),
            (Some(_), _) => false,
        }
    }
}

impl Certificate {
    /// Refuses what `issuer` did not sign, or may not sign: another name, another key, no authority, a signature that
    /// does not verify or is of a kind that is no longer trusted. Dates are not looked at.
    pub fn check_issued_by(&self, issuer: &Certificate) -> Result<()> {
        self.check_names(issuer)?;
        self.check_authority(issuer)?;
        self.check_signature(issuer)
    }

    /// As [`Certificate::check_issued_by`], where it is known that the issuer's key has made the signature.
    pub fn check_signed_by(&self, issuer: &Certificate) -> Result<()> {
        self.check_names(issuer)?;
        self.check_authority(issuer)
    }

    fn check_names(&self, issuer: &Certificate) -> Result<()> {
        let (subject, named, authority) = (self.subject(), self.issuer(), issuer.subject());
        if self.issuer_der() != issuer.subject_der() {
            // The same text may be other bytes: a PrintableString and a UTF8String are not the same name.
            let but = if named.to_string() == authority.to_string() { ", written in other bytes" } else { "" };
            let message = format!("the certificate of `{subject}` was issued by `{named}`, not by `{authority}`{but}");
            return Err(Error::trust(message).advise("give the certificate of the authority that signed it"));
        }
        match (self.authority_key_id(), issuer.key_id()) {
            (Some(named), Some(own)) if named != own => {
                let message = format!(
                    "the certificate of `{subject}` was issued with the key {} of `{authority}`, not with {}",
                    hex(named),
                    hex(own)
                );
                Err(Error::trust(message)
                    .advise("there are two authorities, or generations, of this name: give the other"))
            }
            _ => Ok(()),
        }
    }

    fn check_authority(&self, issuer: &Certificate) -> Result<()> {
        let authority = issuer.subject();
        let refuse = |why: &str, advice: &str| {
            Err(Error::trust(format!("the certificate of `{authority}` {why}")).advise(advice))
        };
        if !issuer.is_authority() {
            return refuse("is not an authority's: it does not say CA:TRUE", "have it issued as one");
        }
        if issuer.signs_certificates() == Some(false) {
            return refuse("may not sign certificates: its key usage lacks keyCertSign", "have it issued with that");
        }
        let same = self.subject_der() == self.issuer_der();
        if self.is_authority() && !same && issuer.path_length() == Some(0) {
            let why = format!("allows no authority below it (pathlen:0), and `{}` is one", self.subject());
            return refuse(&why, "have either issued anew");
        }
        Ok(())
    }

    fn check_signature(&self, issuer: &Certificate) -> Result<()> {
        let (subject, authority, signature) = (self.subject(), issuer.subject(), self.signature());
        let (how, scheme) = signature.kind();
        let refuse = |why: String, advice: &str| Err(Error::trust(why).advise(advice));
        let Some(scheme) = scheme else {
            let why = format!("the certificate of `{subject}` is signed with {how}, which is not trusted");
            return refuse(why, "have it issued with ECDSA or RSA and SHA-256, SHA-384 or SHA-512, or with Ed25519");
        };
        let Some(key) = PublicKey::of(issuer.public_key()) else {
            let why = format!("the key of `{authority}` is {}, which is not trusted", issuer.key_kind());
            return refuse(why, "it takes ECDSA P-256 or P-384, RSA 2048 to 8192, Ed25519");
        };
        match key.verifies(scheme, self.signed_part(), &signature.bytes) {
            true => Ok(()),
            false => refuse(
                format!("the signature on the certificate of `{subject}` is not by the key of `{authority}`"),
                "it was changed, or signed by another key under this name: get it anew",
            ),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    hexadecimal(bytes, &mut text);
    text
}

/// Whether this public key, RSA or ECDSA P-256, signed what has this SHA-256.
pub(super) fn signed_digest(public: &[u8], digest: &Digest, signature: &[u8]) -> bool {
    match PublicKey::of(public) {
        Some(PublicKey::P256(key)) => p256::ecdsa::DerSignature::from_bytes(signature)
            .is_ok_and(|signature| key.verify_prehash(digest.as_bytes(), &signature).is_ok()),
        Some(PublicKey::Rsa(key)) => key.verify(Hash::Sha256.padded(), digest.as_bytes(), signature).is_ok(),
        _ => false,
    }
}

/// A public key whose signatures count.
enum PublicKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Rsa(RsaPublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl PublicKey {
    /// The key, if it is of a kind that is trusted, and sound.
    fn of(public: &[u8]) -> Option<PublicKey> {
        let read = SubjectPublicKeyInfoRef::from_der(public).ok()?;
        let bytes = read.subject_public_key.as_bytes()?;
        match name_of(&read).as_str() {
            "ECDSA P-256" => Some(PublicKey::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?)),
            "ECDSA P-384" => Some(PublicKey::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes).ok()?)),
            "Ed25519" if read.algorithm.parameters.is_none() => {
                Some(PublicKey::Ed25519(ed25519_dalek::VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?))
            }
            _ => {
                let bits = rsa_bits(&read)?;
                let key = RsaPublicKey::try_from(read).ok()?;
                (2048..=8192).contains(&bits).then_some(PublicKey::Rsa(key))
            }
        }
    }

    /// Whether this key made the signature, in the way that it says it was made.
    fn verifies(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        match (self, scheme) {
            (PublicKey::P256(key), Scheme::Ecdsa(hash)) => p256::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify_prehash(&hash.of(message), &signature).is_ok()),
            (PublicKey::P384(key), Scheme::Ecdsa(hash)) => p384::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|signature| key.verify_prehash(&hash.of(message), &signature).is_ok()),
            (PublicKey::Rsa(key), Scheme::Rsa(hash)) => key.verify(hash.padded(), &hash.of(message), signature).is_ok(),
            // Strictly: keys of small order would take any signature.
            (PublicKey::Ed25519(key), Scheme::Ed25519) => Ed25519Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            _ => false,
        }
    }
}

/// What kind of key a SubjectPublicKeyInfo holds, in words.
pub(super) fn key_kind(public: &[u8]) -> Result<String> {
    Ok(name_of(&SubjectPublicKeyInfoRef::from_der(public).map_err(malformed)?))
}

fn name_of(public: &SubjectPublicKeyInfoRef<'_>) -> String {
    let named = |known: &[(&str, &str)], oid: &ObjectIdentifier| {
        let oid = oid.to_string();
        known.iter().find(|(known, _)| *known == oid).map_or(oid, |(_, name)| (*name).to_owned())
    };
    let kind = named(&KEYS, &public.algorithm.oid);
    match kind.as_str() {
        "ECDSA" => match public.algorithm.parameters_oid() {
            Ok(curve) => format!("ECDSA {}", named(&CURVES, &curve)),
            Err(_) => "ECDSA on a curve without a name".into(),
        },
        "RSA" => rsa_bits(public).map_or_else(|| "RSA of no size".into(), |bits| format!("RSA {bits}")),
        _ => kind,
    }
}

fn rsa_bits(public: &SubjectPublicKeyInfoRef<'_>) -> Option<usize> {
    let numbers: RsaNumbers<UintRef<'_>> = RsaNumbers::from_der(public.subject_public_key.as_bytes()?).ok()?;
    let modulus = numbers.modulus.as_bytes();
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    (public.algorithm.oid.to_string() == RSA).then_some(bits)
}
