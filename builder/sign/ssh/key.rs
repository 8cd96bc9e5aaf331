//! A public key of OpenSSH: one line, `TYPE BASE64[ COMMENT]` (sshd(8), "AUTHORIZED_KEYS FILE FORMAT", without options).
//! The base64 is of the key's blob, which begins with its type again:
//!
//! ```text
//! ssh-ed25519                          point (32)                          RFC 8709
//! sk-ssh-ed25519@openssh.com           point (32), application             PROTOCOL.u2f: a key in a FIDO token
//! ecdsa-sha2-nistp256, -nistp384       curve, point                        RFC 5656
//! sk-ecdsa-sha2-nistp256@openssh.com   curve, point, application           PROTOCOL.u2f
//! ssh-rsa                              exponent, modulus; 2048 bits and more  RFC 4253, RFC 8332
//! ```

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ed25519_dalek::VerifyingKey;
use p256::ecdsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, RsaPublicKey, pkcs1v15};
use sha2::{Sha256, Sha512};

use super::wire::Wire;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::sign::lines;
use crate::sign::public::sound;

pub(super) const ED25519: &str = "ssh-ed25519";
pub(super) const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com";
pub(super) const P256: &str = "ecdsa-sha2-nistp256";
pub(super) const SK_P256: &str = "sk-ecdsa-sha2-nistp256@openssh.com";
pub(super) const P384: &str = "ecdsa-sha2-nistp384";
pub(super) const RSA: &str = "ssh-rsa";
/// How RSA signs: with SHA-1 never.
pub(super) const RSA_SHA256: &str = "rsa-sha2-256";
pub(super) const RSA_SHA512: &str = "rsa-sha2-512";

/// The bits of an RSA modulus.
const RSA_SIZES: RangeInclusive<usize> = 2048..=8192;
/// The longest line of a `.pub` file in bytes.
const LONGEST: usize = 8192;
/// A FIDO token's flag that somebody touched it (PROTOCOL.u2f).
const TOUCHED: u8 = 1;

/// A public key of OpenSSH.
#[derive(Clone)]
pub struct SshKey {
    blob: Vec<u8>,
    kind: Kind,
    /// SHA-256 of the application of a key in a FIDO token.
    application: Option<Digest>,
}

#[derive(Clone)]
enum Kind {
    Ed25519(VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Rsa(RsaPublicKey),
}

/// A signature without what it is over.
pub(super) struct Raw {
    /// How it was made; for all but RSA, the key's type.
    pub scheme: String,
    pub bytes: Vec<u8>,
    /// What a FIDO token adds: its flags, and how often it signed.
    pub token: Option<(u8, u32)>,
}

impl SshKey {
    /// Whether this looks like a key of OpenSSH and not like one of minisign.
    pub fn is_one(text: &str) -> bool {
        ["ssh-", "ecdsa-", "sk-"].iter().any(|start| text.starts_with(start))
    }

    /// Reads a `.pub` file: one line; its LF may be missing.
    ///
    /// Malformed text is [`Error::usage`]; a key under which anybody could sign is [`Error::trust`].
    pub fn parse(text: &str) -> Result<SshKey> {
        let malformed = || {
            Error::usage("this is not one line `TYPE BASE64 COMMENT` of an OpenSSH public key")
                .advise("give the .pub file that `ssh-keygen` wrote")
        };
        let line = text.strip_suffix('\n').unwrap_or(text);
        if line.len() > LONGEST || !lines::printable(line) {
            return Err(malformed());
        }
        let (name, rest) = line.split_once(' ').ok_or_else(malformed)?;
        let blob = rest.split(' ').next().and_then(|base64| STANDARD.decode(base64).ok()).ok_or_else(malformed)?;
        match SshKey::from_blob(&blob)? {
            key if key.name() == name => Ok(key),
            _ => Err(malformed()),
        }
    }

    /// Reads a key's blob, as signatures have it.
    pub(super) fn from_blob(blob: &[u8]) -> Result<SshKey> {
        let cut = || Error::usage("the OpenSSH public key is cut, or has more than one of its type has");
        let mut wire = Wire::new(blob);
        let name = wire.string().and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(cut)?.to_owned();
        let kind = match name.as_str() {
            ED25519 | SK_ED25519 => {
                let point = wire.string().and_then(|point| point.try_into().ok()).ok_or_else(cut)?;
                Kind::Ed25519(sound(point)?)
            }
            P256 | SK_P256 => {
                let point = point(&mut wire, b"nistp256", 65).ok_or_else(cut)?;
                Kind::P256(p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| unsound())?)
            }
            P384 => {
                let point = point(&mut wire, b"nistp384", 97).ok_or_else(cut)?;
                Kind::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| unsound())?)
            }
            RSA => rsa(wire.magnitude().zip(wire.magnitude()).ok_or_else(cut)?)?,
            _ => {
                return Err(Error::usage(format!("the OpenSSH public key is of the type `{name}`"))
                    .advise(format!("use one of {}", [ED25519, SK_ED25519, P256, SK_P256, P384, RSA].join(", "))));
            }
        };
        let application = match name.as_str() {
            SK_ED25519 | SK_P256 => Some(Digest::of(wire.string().ok_or_else(cut)?)),
            _ => None,
        };
        wire.end(SshKey { blob: blob.to_vec(), kind, application }).ok_or_else(cut)
    }

    /// The key's type.
    fn name(&self) -> &'static str {
        match (&self.kind, &self.application) {
            (Kind::Ed25519(_), None) => ED25519,
            (Kind::Ed25519(_), Some(_)) => SK_ED25519,
            (Kind::P256(_), None) => P256,
            (Kind::P256(_), Some(_)) => SK_P256,
            (Kind::P384(_), _) => P384,
            (Kind::Rsa(_), _) => RSA,
        }
    }

    /// The `.pub` file, without a comment.
    pub fn to_text(&self) -> String {
        format!("{} {}\n", self.name(), STANDARD.encode(&self.blob))
    }

    /// What its signatures' files are named by: the first sixteen digits of the SHA-256 over its blob.
    pub fn id(&self) -> String {
        Digest::of(&self.blob).to_string()[..16].to_owned()
    }

    /// What makes it this key and no other, whatever file it came from.
    pub(in crate::sign) fn material(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Ed25519(key) => key.as_bytes().to_vec(),
            Kind::P256(key) => key.to_sec1_point(false).as_bytes().to_vec(),
            Kind::P384(key) => key.to_sec1_point(false).as_bytes().to_vec(),
            Kind::Rsa(key) => key.n_bytes().to_vec(),
        }
    }

    /// Whether this key can have made a signature of such a scheme.
    pub(super) fn makes(&self, raw: &Raw) -> bool {
        let named = match self.kind {
            Kind::Rsa(_) => [RSA_SHA256, RSA_SHA512].contains(&raw.scheme.as_str()),
            _ => raw.scheme == self.name(),
        };
        named && raw.token.is_some() == self.application.is_some()
    }

    /// Whether this key signed `message`; in a FIDO token, with somebody touching it.
    pub(super) fn verifies(&self, message: &[u8], raw: &Raw) -> bool {
        match (self.makes(raw), &self.application, raw.token) {
            (true, None, None) => self.fits(message, raw).is_some(),
            (true, Some(application), Some((flags, count))) => {
                let digest = Digest::of(message);
                let whole = [application.as_bytes(), &[flags][..], &count.to_be_bytes(), digest.as_bytes()].concat();
                flags & TOUCHED != 0 && self.fits(&whole, raw).is_some()
            }
            _ => false,
        }
    }

    fn fits(&self, message: &[u8], raw: &Raw) -> Option<()> {
        match &self.kind {
            Kind::Ed25519(key) => {
                key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(raw.bytes.as_slice().try_into().ok()?))
            }
            Kind::P256(key) => {
                let (r, s) = scalars::<32>(&raw.bytes)?;
                key.verify(message, &p256::ecdsa::Signature::from_scalars(r, s).ok()?)
            }
            Kind::P384(key) => {
                let (r, s) = scalars::<48>(&raw.bytes)?;
                key.verify(message, &p384::ecdsa::Signature::from_scalars(r, s).ok()?)
            }
            Kind::Rsa(key) => {
                let signature = pkcs1v15::Signature::try_from(raw.bytes.as_slice()).ok()?;
                match raw.scheme.as_str() {
                    RSA_SHA256 => pkcs1v15::VerifyingKey::<Sha256>::new(key.clone()).verify(message, &signature),
                    _ => pkcs1v15::VerifyingKey::<Sha512>::new(key.clone()).verify(message, &signature),
                }
            }
        }
        .ok()
    }
}

/// As `ssh-keygen -l` prints it.
impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(&self.blob).as_bytes()))
    }
}

impl fmt::Debug for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshKey({self})")
    }
}

impl PartialEq for SshKey {
    fn eq(&self, other: &SshKey) -> bool {
        self.blob == other.blob
    }
}

impl Eq for SshKey {}

fn unsound() -> Error {
    Error::trust("the public key is not a sound one of its type").advise("get it again from its owner")
}

/// A point of a curve, uncompressed (SEC 1, 2.3.3), which is how OpenSSH writes it.
fn point<'a>(wire: &mut Wire<'a>, curve: &[u8], length: usize) -> Option<&'a [u8]> {
    let named = wire.string()? == curve;
    wire.string().filter(|point| named && point.len() == length && point.first() == Some(&4))
}

fn rsa((exponent, modulus): (&[u8], &[u8])) -> Result<Kind> {
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !RSA_SIZES.contains(&bits) {
        let message = format!("the public key is an RSA key of {bits} bits");
        return Err(Error::trust(message).advise("use one of 3072 bits, or better an Ed25519 key"));
    }
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last & 1 == 1);
    // An exponent of 3 has made forgers of those whose padding checks were lax; nobody makes such keys any more.
    let large = exponent.len() > 3 || (exponent.len() == 3 && exponent >= &[1, 0, 1][..]);
    let key = RsaPublicKey::new_with_size_limits(number(modulus), number(exponent), RSA_SIZES);
    key.ok().filter(|_| odd(exponent) && odd(modulus) && large).map(Kind::Rsa).ok_or_else(unsound)
}

/// The two numbers of an ECDSA signature (RFC 5656, section 3.1.2), each in `N` bytes.
fn scalars<const N: usize>(bytes: &[u8]) -> Option<([u8; N], [u8; N])> {
    let mut wire = Wire::new(bytes);
    let (r, s) = (wire.magnitude()?, wire.magnitude()?);
    let fixed = |number: &[u8]| {
        let mut fixed = [0; N];
        fixed.get_mut(N.checked_sub(number.len())?..)?.copy_from_slice(number);
        Some(fixed)
    };
    wire.end((fixed(r)?, fixed(s)?))
}
