//! Private and public keys: how they come from the seed, sign, and are written.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use der::Encode as _;
use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::SignatureEncoding as _;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::pkcs8::{DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::derived;
use super::draft::Unsigned;
use super::key_file::P256;
use super::seed::{Scope, Seed};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// The kind of a key. Each kind is a purpose of its own in the derivation, so that no two share bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// ECDSA on NIST P-256 with SHA-256.
    #[default]
    EcdsaP256,
    /// ECDSA on NIST P-384 with SHA-384.
    EcdsaP384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSA with a modulus of 2048 bits, PKCS #1 v1.5 with SHA-256.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::Ed25519,
        Algorithm::Rsa2048,
        Algorithm::Rsa3072,
        Algorithm::Rsa4096,
    ];

    /// How a private key of this kind is usually written: as the field's own tools write it, and as Kubernetes reads
    /// it (which takes elliptic curves as SEC 1 only).
    pub fn usual_encoding(self) -> KeyEncoding {
        match self {
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 => KeyEncoding::Sec1,
            Algorithm::Ed25519 => KeyEncoding::Pkcs8,
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => KeyEncoding::Pkcs1,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::EcdsaP256 => "ecdsa-p256",
            Algorithm::EcdsaP384 => "ecdsa-p384",
            Algorithm::Ed25519 => "ed25519",
            Algorithm::Rsa2048 => "rsa-2048",
            Algorithm::Rsa3072 => "rsa-3072",
            Algorithm::Rsa4096 => "rsa-4096",
        })
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Algorithm> {
        let found = Algorithm::ALL.into_iter().find(|algorithm| algorithm.to_string() == text);
        let known = Algorithm::ALL.map(|algorithm| algorithm.to_string()).join(", ");
        found.ok_or_else(|| Error::usage(format!("`{text}` is not a kind of key; there are {known}")))
    }
}

/// How a private key's file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEncoding {
    /// `EC PRIVATE KEY` (SEC 1, RFC 5915), for elliptic curves; as kubeadm writes it.
    Sec1,
    /// `RSA PRIVATE KEY` (PKCS #1, RFC 8017), for RSA; as kubeadm writes it.
    Pkcs1,
    /// `PRIVATE KEY` (PKCS #8, RFC 5208), for all.
    Pkcs8,
}

impl FromStr for KeyEncoding {
    type Err = Error;

    fn from_str(text: &str) -> Result<KeyEncoding> {
        match text {
            "sec1" => Ok(KeyEncoding::Sec1),
            "pkcs1" => Ok(KeyEncoding::Pkcs1),
            "pkcs8" => Ok(KeyEncoding::Pkcs8),
            _ => Err(Error::usage(format!("`{text}` is not how a key is written; there are sec1, pkcs1, pkcs8"))),
        }
    }
}

/// What a private key is for. Each is a purpose of its own in the derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Authority,
    Certificate,
    KeyPair,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Authority => "authority",
            Purpose::Certificate => "certificate",
            Purpose::KeyPair => "key-pair",
        }
    }
}

/// A private key; wiped from memory when it goes.
pub struct PrivateKey {
    kind: Kind,
    // What takes a multiplication on the curve, as long as issuing a certificate otherwise does, once somebody has asked for it.
    point: OnceLock<Vec<u8>>,
    signer: OnceLock<Box<p256::ecdsa::SigningKey>>,
}

pub(super) enum Kind {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    Ed25519(ed25519_dalek::SigningKey),
    Rsa(Box<RsaPrivateKey>),
}

impl From<Kind> for PrivateKey {
    fn from(kind: Kind) -> PrivateKey {
        PrivateKey { kind, point: OnceLock::new(), signer: OnceLock::new() }
    }
}

impl PrivateKey {
    /// The key of `name` for `purpose` in `scope`: see the head of `seed.rs`.
    pub(super) fn derive(
        seed: &Seed,
        algorithm: Algorithm,
        purpose: Purpose,
        scope: &Scope<'_>,
        name: &str,
    ) -> Result<PrivateKey> {
        let purpose = format!("{}/{algorithm}", purpose.name());
        let okm = |length: usize| -> Result<Zeroizing<Vec<u8>>> {
            let mut okm = Zeroizing::new(vec![0; length]);
            seed.derive(&purpose, scope, name, &mut okm)?;
            Ok(okm)
        };
        // Nobody uses a key of the seed that is everybody's, and the search for an RSA key takes longer than all else.
        match algorithm {
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 if seed.is_stand_in() => {
                PrivateKey::of(Algorithm::EcdsaP256, okm)
            }
            _ => PrivateKey::of(algorithm, okm),
        }
    }

    /// A new key, from the kernel's random numbers: for what must not come from a seed.
    pub fn generate(algorithm: Algorithm) -> Result<PrivateKey> {
        let random = |length: usize| -> Result<Zeroizing<Vec<u8>>> {
            let mut bytes = Zeroizing::new(vec![0; length]);
            getrandom::fill(&mut bytes)
                .map_err(|error| Error::environment(format!("reading the kernel's random numbers: {error}")))?;
            Ok(bytes)
        };
        PrivateKey::of(algorithm, random)
    }

    /// The key that so many uniform bytes give.
    fn of(algorithm: Algorithm, bytes: impl Fn(usize) -> Result<Zeroizing<Vec<u8>>>) -> Result<PrivateKey> {
        Ok(PrivateKey::from(match algorithm {
            Algorithm::EcdsaP256 => Kind::P256(derived::p256(&bytes(48)?)?),
            Algorithm::EcdsaP384 => Kind::P384(derived::p384(&bytes(64)?)?),
            Algorithm::Ed25519 => Kind::Ed25519(derived::ed25519(&bytes(32)?)?),
            Algorithm::Rsa2048 => derived::rsa(&bytes(32)?, 2048).map(rsa_kind)?,
            Algorithm::Rsa3072 => derived::rsa(&bytes(32)?, 3072).map(rsa_kind)?,
            Algorithm::Rsa4096 => derived::rsa(&bytes(32)?, 4096).map(rsa_kind)?,
        }))
    }

    /// The algorithm, as rcgen names it.
    pub(super) fn rcgen(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.kind {
            Kind::P256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
            Kind::P384(_) => &rcgen::PKCS_ECDSA_P384_SHA384,
            Kind::Ed25519(_) => &rcgen::PKCS_ED25519,
            Kind::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
        }
    }

    /// What a certificate's subjectPublicKey holds: for ECDSA the uncompressed point (RFC 5480, 2.2), for Ed25519 the
    /// 32 bytes (RFC 8410, 4), for RSA an RSAPublicKey (RFC 3279, 2.3.1).
    pub(super) fn public_bytes(&self) -> Result<Vec<u8>> {
        Ok(match &self.kind {
            Kind::P256(key) => self.point(key).to_vec(),
            Kind::P384(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            Kind::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            Kind::Rsa(key) => key.to_public_key().to_pkcs1_der().map_err(|_| writing())?.into_vec(),
        })
    }

    fn point(&self, key: &p256::SecretKey) -> &[u8] {
        self.point.get_or_init(|| key.public_key().to_sec1_point(false).as_bytes().to_vec())
    }

    /// A deterministic signature as a certificate holds it: ECDSA by RFC 6979, RSA by PKCS #1 v1.5.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::bug("signing");
        Ok(match &self.kind {
            Kind::P256(key) => {
                let signer = self.signer.get_or_init(|| Box::new(key.into()));
                let signature: std::result::Result<p256::ecdsa::DerSignature, _> = signer.try_sign(message);
                signature.map_err(failed)?.to_vec()
            }
            Kind::P384(key) => {
                let signature: std::result::Result<p384::ecdsa::DerSignature, _> =
                    p384::ecdsa::SigningKey::from(key).try_sign(message);
                signature.map_err(failed)?.to_vec()
            }
            Kind::Ed25519(key) => key.try_sign(message).map_err(failed)?.to_vec(),
            Kind::Rsa(key) => {
                rsa::pkcs1v15::SigningKey::<Sha256>::new((**key).clone()).try_sign(message).map_err(failed)?.to_vec()
            }
        })
    }

    /// Whether it can sign what iPXE checks: RSA, and ECDSA on P-256 (since iPXE 2.0).
    pub(super) fn signs_boot_files(&self) -> bool {
        matches!(self.kind, Kind::P256(_) | Kind::Rsa(_))
    }

    /// A deterministic signature over what has this SHA-256, as [`PrivateKey::sign`] would make it over the bytes
    /// themselves; of a key that [signs boot files](PrivateKey::signs_boot_files).
    pub(super) fn sign_digest(&self, digest: &Digest) -> Result<Vec<u8>> {
        match &self.kind {
            Kind::P256(key) => {
                let signature: std::result::Result<p256::ecdsa::DerSignature, _> =
                    p256::ecdsa::SigningKey::from(key).sign_prehash(digest.as_bytes());
                signature.map(|signature| signature.to_vec()).map_err(|_| Error::bug("signing"))
            }
            Kind::Rsa(key) => {
                key.sign(Pkcs1v15Sign::new::<Sha256>(), digest.as_bytes()).map_err(|_| Error::bug("signing"))
            }
            Kind::P384(_) | Kind::Ed25519(_) => Err(Error::bug("a key that signs no boot files")),
        }
    }

    /// Its public half.
    pub fn public(&self) -> Result<PublicKey> {
        let der = match &self.kind {
            Kind::P256(key) => key.public_key().to_public_key_der(),
            Kind::P384(key) => key.public_key().to_public_key_der(),
            Kind::Ed25519(key) => key.verifying_key().to_public_key_der(),
            Kind::Rsa(key) => key.to_public_key().to_public_key_der(),
        };
        Ok(PublicKey { der: der.map_err(|_| writing())?.into_vec() })
    }

    /// How it is written if nobody says.
    pub fn usual_encoding(&self) -> KeyEncoding {
        match self.kind {
            Kind::P256(_) | Kind::P384(_) => KeyEncoding::Sec1,
            Kind::Ed25519(_) => KeyEncoding::Pkcs8,
            Kind::Rsa(_) => KeyEncoding::Pkcs1,
        }
    }

    /// The private key's file. An encoding that the key's kind does not have is [`Error::usage`].
    pub fn pem(&self, encoding: KeyEncoding) -> Result<Zeroizing<String>> {
        use KeyEncoding::{Pkcs1, Pkcs8, Sec1};
        let wrong = |kind: &str, has: &str| Error::usage(format!("{kind} is not written so")).advise(has);
        match (&self.kind, encoding) {
            (Kind::P256(key), Sec1) => p256_pem(key, self.point(key)),
            (Kind::P384(key), Sec1) => key.to_sec1_pem(LineEnding::LF).map_err(|_| writing()),
            (Kind::Rsa(key), Pkcs1) => key.to_pkcs1_pem(LineEnding::LF).map_err(|_| writing()),
            (Kind::P256(key), Pkcs8) => key.to_pkcs8_pem(LineEnding::LF).map_err(|_| writing()),
            (Kind::P384(key), Pkcs8) => key.to_pkcs8_pem(LineEnding::LF).map_err(|_| writing()),
            (Kind::Rsa(key), Pkcs8) => key.to_pkcs8_pem(LineEnding::LF).map_err(|_| writing()),
            (Kind::Ed25519(key), Pkcs8) => ed25519_pem(key),
            (Kind::P256(_) | Kind::P384(_), Pkcs1) => Err(wrong("a key of an elliptic curve", "say sec1 or pkcs8")),
            (Kind::Rsa(_), Sec1) => Err(wrong("an RSA key", "say pkcs1 or pkcs8")),
            (Kind::Ed25519(_), _) => Err(wrong("an Ed25519 key", "say pkcs8")),
        }
    }

    /// The bits of an RSA key's modulus.
    pub(super) fn rsa_bits(&self) -> Option<u32> {
        match &self.kind {
            Kind::Rsa(key) => Some(key.n().bits()),
            _ => None,
        }
    }
}

/// An RSA key on the heap, because a move leaves a copy behind.
pub(super) fn rsa_kind(key: RsaPrivateKey) -> Kind {
    Kind::Rsa(Box::new(key))
}

fn writing() -> Error {
    Error::bug("writing a key")
}

/// As `to_sec1_pem` writes it, which makes the public point anew.
fn p256_pem(key: &p256::SecretKey, point: &[u8]) -> Result<Zeroizing<String>> {
    let private = Zeroizing::new(key.to_bytes());
    let parameters = Some(sec1::EcParameters::NamedCurve(P256));
    let key = sec1::EcPrivateKey { private_key: &private, parameters, public_key: Some(point) };
    let der = Zeroizing::new(key.to_der().map_err(|_| writing())?);
    der::pem::encode_string("EC PRIVATE KEY", LineEnding::LF, &der).map(Zeroizing::new).map_err(|_| writing())
}

/// Version 1 of PKCS #8, without the public key: OpenSSL 3.0 does not read version 2.
fn ed25519_pem(key: &ed25519_dalek::SigningKey) -> Result<Zeroizing<String>> {
    let bytes = ed25519_dalek::pkcs8::KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    bytes.to_pkcs8_pem(LineEnding::LF).map_err(|_| writing())
}

/// Shows the public half.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.public().and_then(|public| public.pem()).unwrap_or_default();
        f.debug_struct("PrivateKey").field("public", &public).finish_non_exhaustive()
    }
}

/// A public key: a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) der: Vec<u8>,
}

impl PublicKey {
    /// Its DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What a certificate for it holds, if iPXE checks what such a key signs. As it would be written here: a point may
    /// come compressed.
    pub(super) fn of_boot_signer(&self) -> Result<Unsigned> {
        if let Ok(key) = p256::PublicKey::from_public_key_der(&self.der) {
            let public = key.to_sec1_point(false).as_bytes().to_vec();
            return Ok(Unsigned { public, algorithm: &rcgen::PKCS_ECDSA_P256_SHA256 });
        }
        let Ok(key) = rsa::RsaPublicKey::from_public_key_der(&self.der) else {
            return Err(Error::usage("iPXE checks no signatures of this kind of key")
                .advise("take RSA, which every iPXE checks, or ECDSA P-256: mastermold key new --code-signing"));
        };
        match super::key_file::RSA_BITS.contains(&key.n().bits()) {
            true => {
                let public = key.to_pkcs1_der().map_err(|_| writing())?.into_vec();
                Ok(Unsigned { public, algorithm: &rcgen::PKCS_RSA_SHA256 })
            }
            false => Err(super::key_file::rsa_size(key.n().bits())),
        }
    }

    /// Its file, `PUBLIC KEY`.
    pub fn pem(&self) -> Result<String> {
        der::pem::encode_string("PUBLIC KEY", LineEnding::LF, &self.der).map_err(|_| writing())
    }
}

/// A key pair without a certificate, for tokens: one side signs with the private key, the other checks with the public
/// one.
#[derive(Clone)]
pub struct KeyPair {
    /// The private key, as its kind is usually written.
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

impl KeyPair {
    /// The files of a private key; written as its kind usually is if `encoding` does not say.
    pub fn of(key: &PrivateKey, encoding: Option<KeyEncoding>) -> Result<KeyPair> {
        let private_pem = key.pem(encoding.unwrap_or_else(|| key.usual_encoding()))?;
        Ok(KeyPair { private_pem, public_pem: key.public()?.pem()? })
    }
}

/// The private key of the key pair of this name.
pub fn pair_key(seed: &Seed, algorithm: Algorithm, scope: &Scope<'_>, name: &str) -> Result<PrivateKey> {
    PrivateKey::derive(seed, algorithm, Purpose::KeyPair, scope, name)
}
