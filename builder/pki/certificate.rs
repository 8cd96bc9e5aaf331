//! Certificates that somebody made, read (RFC 5280, 4.1): what they say, in their own bytes where those matter.
//!
//! x509-cert reads them, strictly as DER. Names, the public key and the signed part are kept as slices of the file too:
//! whoever checks a signature or compares a name must do it over the bytes as they came, never over what a reader would
//! write. Whether one certificate is signed by another is in proof.rs, finding them in files in found.rs.
//!
//! Dates before 1970 are refused, as x509-cert does: no key in use is that old, and no [`Epoch`] can say it.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use der::Decode as _;
use x509_cert::Certificate as Parsed;
use x509_cert::time::Time;

use super::draft;
use super::extensions::Extensions;
use super::named::Name;
use super::proof::{self, Signature};
use super::request::Usage;
use super::seed::hexadecimal;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::{Error, Result};

/// What is longer is no certificate: those of a thousand names have a quarter of it, and hostile bytes stay cheap.
const MOST: usize = 64 * 1024;

/// A certificate. Two are equal if their bytes are.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parts: Parts,
    subject: Name,
    issuer: Name,
    serial: String,
    serial_der: Vec<u8>,
    not_before: Epoch,
    not_after: Epoch,
    key_kind: String,
    extensions: Extensions,
    signature: Signature,
}

/// Where in the DER is what must be taken as it came.
#[derive(Clone)]
struct Parts {
    /// The signed part (TBSCertificate).
    body: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    /// SubjectPublicKeyInfo.
    public: Range<usize>,
}

impl Certificate {
    /// Reads one from DER, all of it.
    pub fn from_der(der: &[u8]) -> Result<Certificate> {
        if der.len() > MOST {
            return Err(malformed(format!("it has {} bytes, more than {MOST}", der.len())));
        }
        let parsed = Parsed::from_der(der).map_err(malformed)?;
        let body = parsed.tbs_certificate();
        let parts = Parts::of(der)?;
        let public = &der[parts.public.clone()];
        Ok(Certificate {
            subject: Name::read(&der[parts.subject.clone()])?,
            issuer: Name::read(&der[parts.issuer.clone()])?,
            serial_der: body.serial_number().as_bytes().to_vec(),
            serial: serial(body.serial_number().as_bytes()),
            not_before: instant(&body.validity().not_before)?,
            not_after: instant(&body.validity().not_after)?,
            key_kind: proof::key_kind(public)?,
            extensions: Extensions::of(body)?,
            signature: Signature::of(&parsed)?,
            der: der.to_vec(),
            parts,
        })
    }

    /// Its bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its file: lines of 64 columns, a last newline.
    pub fn pem(&self) -> Result<String> {
        draft::pem(&self.der)
    }

    /// Whom it is for, in its own bytes: what it signs must carry these as the issuer.
    pub fn subject_der(&self) -> &[u8] {
        &self.der[self.parts.subject.clone()]
    }

    /// Who signed it, in its own bytes.
    pub fn issuer_der(&self) -> &[u8] {
        &self.der[self.parts.issuer.clone()]
    }

    /// Whom it is for.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// Who says that they signed it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Its serial number in lower-case hexadecimal, whole bytes.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Its serial number as DER has it: a positive number whose first bit is set has a zero byte before it.
    pub(super) fn serial_der(&self) -> &[u8] {
        &self.serial_der
    }

    /// The first second at which it is valid.
    pub fn not_before(&self) -> Epoch {
        self.not_before
    }

    /// The last second at which it is valid.
    pub fn not_after(&self) -> Epoch {
        self.not_after
    }

    /// The DNS names that it is for, in its order.
    pub fn dns(&self) -> &[String] {
        &self.extensions.dns
    }

    /// The addresses that it is for, in its order.
    pub fn ip(&self) -> &[IpAddr] {
        &self.extensions.ip
    }

    /// The URIs that it is for, in its order.
    pub fn uri(&self) -> &[String] {
        &self.extensions.uri
    }

    /// What its key may be used for, of what [`Usage`] knows, in its order.
    pub fn usages(&self) -> &[Usage] {
        &self.extensions.usages
    }

    /// The object identifiers of its other usages, in its order.
    pub fn other_usages(&self) -> &[String] {
        &self.extensions.other_usages
    }

    /// Whether it says CA:TRUE.
    pub fn is_authority(&self) -> bool {
        self.extensions.authority
    }

    /// How many authorities may follow below it; none is no limit.
    pub fn path_length(&self) -> Option<u8> {
        self.extensions.path_length
    }

    /// Whether its key usage has keyCertSign; none if it has no key usage, and so no such limit.
    pub fn signs_certificates(&self) -> Option<bool> {
        self.extensions.signs_certificates
    }

    /// Whether its key usage has digitalSignature; none if it has no key usage.
    pub fn signs_data(&self) -> Option<bool> {
        self.extensions.signs_data
    }

    /// Its public key: SubjectPublicKeyInfo in DER, as `PUBLIC KEY` files have it.
    pub fn public_key(&self) -> &[u8] {
        &self.der[self.parts.public.clone()]
    }

    /// Its key's kind in words: `ECDSA P-256`, `RSA 2048`, `Ed25519`.
    pub fn key_kind(&self) -> &str {
        &self.key_kind
    }

    /// How it was signed, in words: `ECDSA with SHA-256`, `RSA with SHA-1`.
    pub fn signature_kind(&self) -> String {
        self.signature.name()
    }

    /// Its subject key identifier.
    pub fn key_id(&self) -> Option<&[u8]> {
        self.extensions.key_id.as_deref()
    }

    /// The identifier of the key that signed it.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.extensions.authority_key_id.as_deref()
    }

    /// SHA-256 of its DER.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// The bytes that its signature is over.
    pub(super) fn signed_part(&self) -> &[u8] {
        &self.der[self.parts.body.clone()]
    }

    pub(super) fn signature(&self) -> &Signature {
        &self.signature
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Certificate) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// Who, and until when.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, until {})", self.subject, self.not_after)
    }
}

impl Parts {
    /// Finds the parts of what [`Parsed`] has taken for a certificate.
    fn of(der: &[u8]) -> Result<Parts> {
        let elements = |sequence| draft::elements(sequence).map_err(malformed);
        let certificate = elements(der)?;
        let [body, _, _] = certificate[..] else { return Err(malformed("it has not three parts")) };
        let inner = elements(body)?;
        // The version, [0], is left out by certificates of version 1.
        let inner = inner.strip_prefix(&inner[..usize::from(inner.first().is_some_and(|first| first[0] == 0xa0))]);
        let Some([_, _, issuer, _, subject, public, ..]) = inner else { return Err(malformed("parts are missing")) };
        let place = |part: &[u8]| {
            let start = part.as_ptr().addr() - der.as_ptr().addr();
            start..start + part.len()
        };
        Ok(Parts { body: place(body), issuer: place(issuer), subject: place(subject), public: place(public) })
    }
}

fn instant(time: &Time) -> Result<Epoch> {
    Epoch::from_seconds(time.to_unix_duration().as_secs()).map_err(malformed)
}

/// A positive number whose first bit is set has a zero byte before it in DER, which is not part of the number.
fn serial(bytes: &[u8]) -> String {
    let number = if bytes.len() > 1 { bytes.strip_prefix(&[0]).unwrap_or(bytes) } else { bytes };
    let mut text = String::new();
    hexadecimal(number, &mut text);
    text
}

/// What is said of bytes that are no certificate.
pub(super) fn malformed(what: impl fmt::Display) -> Error {
    Error::usage(format!("it is not a certificate: {what}"))
}
