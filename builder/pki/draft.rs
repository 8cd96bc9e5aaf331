//! A certificate's bytes: rcgen writes them, and a guard closes what it cannot say.
//!
//! rcgen keeps one O and one OU of a name, drops the rest without a word, and knows an issuer only by such a name. So it
//! is given neither name nor key: it drafts the certificate (version, algorithm, dates, public key, extensions) with a
//! stand-in for serial, issuer and subject, and an empty signature. The guard puts the true three in, and signs. Where
//! rcgen can say the names itself, its bytes and ours are equal (a test holds that). docs/decisions/certificates.md.

use std::net::IpAddr;

use der::pem::LineEnding;
use der::{Decode as _, Reader as _, SliceReader, Tag};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyUsagePurpose, SanType, SerialNumber,
};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::key::PrivateKey;
use super::name::element;
use super::request::Validity;
use crate::epoch::Epoch;
use crate::error::{Error, Result};

/// What a certificate shall say, already checked.
pub(super) struct Draft<'a> {
    /// The subject in DER.
    pub(super) subject: &'a [u8],
    pub(super) validity: Validity,
    pub(super) role: Role,
    pub(super) key_usages: Vec<KeyUsagePurpose>,
    pub(super) usages: Vec<ExtendedKeyUsagePurpose>,
    pub(super) names: Names,
    /// A hash of the contents if none is given.
    pub(super) serial: Option<Vec<u8>>,
}

/// The subject's alternative names, in the order in which they are written.
#[derive(Default)]
pub(super) struct Names {
    pub(super) dns: Vec<String>,
    pub(super) ip: Vec<IpAddr>,
    pub(super) uri: Vec<String>,
}

/// What a certificate may do.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// Sign certificates, with at most so many authorities below it.
    Authority { path_length: Option<u8> },
    /// Not sign certificates.
    Leaf,
}

/// Who signs: what of an authority enters the certificates that it signs.
pub(super) struct Signer<'a> {
    /// Its subject in DER, as its own certificate has it.
    pub(super) subject: &'a [u8],
    /// Its subject key identifier.
    pub(super) key_id: &'a [u8],
    pub(super) key: &'a PrivateKey,
}

/// The object identifier of the subject's key identifier, as an element (2.5.29.14).
const KEY_ID: &[u8] = b"\x06\x03\x55\x1d\x0e";
/// That of the attribute by which a request asks for extensions (RFC 2985, 5.4.2), as an element.
const EXTENSION_REQUEST: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e";
/// The tag `[0]`, of a request's attributes.
const CONTEXT_0: Tag = Tag::ContextSpecific { constructed: true, number: der::TagNumber(0) };

/// A key's identifier: the first 160 bits of SHA-256 of the public key (RFC 7093, method 1).
pub(super) fn key_id(key: &PrivateKey) -> Result<Vec<u8>> {
    Ok(hashed_key(&key.public_bytes()?))
}

fn hashed_key(public: &[u8]) -> Vec<u8> {
    Sha256::digest(public)[..20].to_vec()
}

/// A certificate in PEM: lines of 64 columns, a last newline.
pub(super) fn pem(der: &[u8]) -> Result<String> {
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).map_err(|_| Error::bug("writing a certificate as PEM"))
}

impl Draft<'_> {
    /// The certificate over `key` that `signer` gives, in DER.
    pub(super) fn sign(self, key: &PrivateKey, signer: &Signer<'_>) -> Result<Vec<u8>> {
        self.sign_for(Unsigned::of(key)?, signer)
    }

    /// As [`Draft::sign`], for a key whose private half is elsewhere.
    pub(super) fn sign_for(self, key: Unsigned, signer: &Signer<'_>) -> Result<Vec<u8>> {
        let (subject, serial) = (self.subject, self.serial.clone());
        let key_id = hashed_key(&key.public);
        let own = signer.subject == subject && signer.key_id == key_id;
        let draft = self.draft(&key, key_id, own, signer)?;
        guard(&draft, subject, serial, signer).map_err(|error| error.context("completing a certificate"))
    }

    /// A PKCS #10 request (RFC 2986) for this certificate, signed with its own key: what it asks for is the extensions
    /// that the certificate would have, but for the key identifiers, which its authority gives.
    pub(super) fn request(self, key: &PrivateKey) -> Result<Vec<u8>> {
        let subject = self.subject;
        let draft = self.draft(&Unsigned::of(key)?, Vec::new(), true, &Signer { subject, key_id: &[], key })?;
        let certificate = elements(&draft)?;
        let [body, algorithm, _] = certificate[..] else { return Err(shape()) };
        let body = elements(body)?;
        let [.., public, extensions] = body[..] else { return Err(shape()) };
        let [extensions] = elements(extensions)?[..] else { return Err(shape()) };
        let asked: Vec<&[u8]> =
            elements(extensions)?.into_iter().filter(|one| !one.windows(5).any(|bytes| bytes == KEY_ID)).collect();
        let asked = element(Tag::Set, &element(Tag::Sequence, &asked.concat())?)?;
        let attribute = element(Tag::Sequence, &[EXTENSION_REQUEST, &asked].concat())?;
        let attributes = element(CONTEXT_0, &attribute)?;
        let version = element(Tag::Integer, &[0])?;
        sign(&[&version, subject, public, &attributes].concat(), algorithm, key)
    }

    /// The certificate as rcgen writes it, with a stand-in for serial, issuer and subject and without a signature.
    fn draft(self, key: &Unsigned, key_id: Vec<u8>, own: bool, signer: &Signer<'_>) -> Result<Vec<u8>> {
        let parameters = self.parameters(key_id, own)?;
        let mut issuer = CertificateParams::default();
        issuer.key_identifier_method = KeyIdMethod::PreSpecified(signer.key_id.to_vec());
        let draft = parameters
            .signed_by(key, &Issuer::from_params(&issuer, Unsigned::of(signer.key)?))
            .map_err(|error| Error::bug(format!("drafting a certificate: {error}")))?;
        Ok(draft.der().to_vec())
    }

    fn parameters(self, key_id: Vec<u8>, own: bool) -> Result<CertificateParams> {
        let mut parameters = CertificateParams::default();
        parameters.not_before = instant(self.validity.not_before)?;
        parameters.not_after = instant(self.validity.not_after)?;
        parameters.serial_number = Some(SerialNumber::from(1));
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "stand-in");
        parameters.subject_alt_names = alternative_names(self.names)?;
        parameters.extended_key_usages = self.usages;
        parameters.key_usages = self.key_usages;
        parameters.is_ca = IsCa::ExplicitNoCa;
        if let Role::Authority { path_length } = self.role {
            let constraints = path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained);
            parameters.is_ca = IsCa::Ca(constraints);
        }
        // As kubeadm's: a self-signed certificate names no authority key.
        parameters.use_authority_key_identifier_extension = !own;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(key_id);
        Ok(parameters)
    }
}

fn instant(epoch: Epoch) -> Result<OffsetDateTime> {
    let seconds = i64::try_from(epoch.seconds()).ok();
    let instant = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    instant.ok_or_else(|| Error::bug(format!("{epoch} does not fit a certificate")))
}

fn alternative_names(names: Names) -> Result<Vec<SanType>> {
    let dns = names.dns.into_iter().map(|name| Ok(SanType::DnsName(name.try_into()?)));
    let ip = names.ip.into_iter().map(|ip| Ok(SanType::IpAddress(ip)));
    let uri = names.uri.into_iter().map(|uri| Ok(SanType::URI(uri.try_into()?)));
    let names: std::result::Result<_, rcgen::Error> = dns.chain(ip).chain(uri).collect();
    names.map_err(|error| Error::bug(format!("writing alternative names: {error}")))
}

/// A public key that rcgen takes for a key: it is asked to sign the draft, and gives nothing. The private key stays
/// out of rcgen.
pub(super) struct Unsigned {
    /// As [`PrivateKey::public_bytes`] gives it.
    pub(super) public: Vec<u8>,
    pub(super) algorithm: &'static rcgen::SignatureAlgorithm,
}

impl Unsigned {
    fn of(key: &PrivateKey) -> Result<Unsigned> {
        Ok(Unsigned { public: key.public_bytes()?, algorithm: key.rcgen() })
    }
}

impl rcgen::PublicKeyData for Unsigned {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for Unsigned {
    fn sign(&self, _: &[u8]) -> std::result::Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// The draft with its true serial, issuer and subject, signed (RFC 5280, 4.1).
fn guard(draft: &[u8], subject: &[u8], serial: Option<Vec<u8>>, signer: &Signer<'_>) -> Result<Vec<u8>> {
    let certificate = elements(draft)?;
    let [body, algorithm, _] = certificate[..] else { return Err(shape()) };
    let body = elements(body)?;
    let [version, _, inner, _, validity, _, public, extensions] = body[..] else { return Err(shape()) };
    let named = [inner, signer.subject, validity, subject, public, extensions].concat();
    let serial = element(Tag::Integer, &serial.unwrap_or_else(|| hashed_serial(&named)))?;
    sign(&[version, &serial, &named].concat(), algorithm, signer.key)
}

/// What is to be signed, its algorithm, and the signature, as certificates and requests have them.
fn sign(body: &[u8], algorithm: &[u8], key: &PrivateKey) -> Result<Vec<u8>> {
    let body = element(Tag::Sequence, body)?;
    // A bit string starts with the number of its unused bits.
    let signature = element(Tag::BitString, &[&[0], &key.sign(&body)?[..]].concat())?;
    element(Tag::Sequence, &[&body, algorithm, &signature].concat())
}

/// The serial number: SHA-256 of "mastermold serial 1" and all that the certificate says but its version and serial,
/// cut to 16 bytes, of which the first two bits are made 01: positive, always as long, and the same for the same
/// contents only.
fn hashed_serial(named: &[u8]) -> Vec<u8> {
    let mut serial = Sha256::new().chain_update("mastermold serial 1").chain_update(named).finalize()[..16].to_vec();
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

/// The elements of a DER sequence, each with its tag and length.
pub(super) fn elements(sequence: &[u8]) -> Result<Vec<&[u8]>> {
    let read = || -> der::Result<Vec<&[u8]>> {
        let content = der::AnyRef::from_der(sequence)?;
        let mut reader = SliceReader::new(content.value())?;
        let mut found = Vec::new();
        while !reader.is_finished() {
            found.push(reader.tlv_bytes()?);
        }
        Ok(found)
    };
    read().map_err(|error| Error::bug(format!("reading DER: {error}")))
}

fn shape() -> Error {
    Error::bug("the draft is not shaped as RFC 5280 says")
}

#[cfg(test)]
mod tests {
    use super::super::key::{Algorithm, Purpose};
    use super::super::name;
    use super::super::request::{Subject, Usage};
    use super::super::seed::{Scope, Seed};
    use super::*;

    /// The whole of rcgen's own way: names, serial and signature by rcgen.
    struct Signing<'a>(&'a PrivateKey, Vec<u8>);

    impl rcgen::PublicKeyData for Signing<'_> {
        fn der_bytes(&self) -> &[u8] {
            &self.1
        }
        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            self.0.rcgen()
        }
    }

    impl rcgen::SigningKey for Signing<'_> {
        fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, rcgen::Error> {
            Ok(self.0.sign(message).unwrap())
        }
    }

    fn distinguished(o: &str, cn: &str) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, rcgen::DnValue::PrintableString(o.try_into().unwrap()));
        name.push(
            DnType::CommonName,
            rcgen::string::PrintableString::try_from(cn)
                .map_or_else(|_| rcgen::DnValue::Utf8String(cn.into()), rcgen::DnValue::PrintableString),
        );
        name
    }

    fn named(o: &str, cn: &str) -> Vec<u8> {
        name::encode(&Subject { cn: cn.into(), o: vec![o.into()], ou: vec![] }).unwrap()
    }

    #[test]
    fn where_rcgen_can_say_the_names_our_bytes_are_its_own() {
        let seed = Seed::generate().unwrap();
        let scope = Scope { cluster: "c", node: None, generation: 1 };
        let [ca, leaf] = ["ca", "leaf"]
            .map(|name| PrivateKey::derive(&seed, Algorithm::EcdsaP256, Purpose::Certificate, &scope, name).unwrap());
        for cn in ["apiserver", "under_score", "Müller"] {
            let draft = || Draft {
                subject: &[],
                validity: Validity::of(Epoch::FILES, 30_000).unwrap(),
                role: Role::Leaf,
                key_usages: vec![KeyUsagePurpose::DigitalSignature],
                usages: vec![Usage::ServerAuth.rcgen()],
                names: Names {
                    dns: vec!["a.example".into()],
                    ip: vec!["::1".parse().unwrap()],
                    uri: vec!["spiffe://a/b".into()],
                },
                serial: None,
            };
            let (subject, issuer) = (named("system:masters", cn), named("org", "authority"));
            let signer = Signer { subject: &issuer, key_id: &key_id(&ca).unwrap(), key: &ca };
            let ours = Draft { subject: &subject, ..draft() }.sign(&leaf, &signer).unwrap();

            let serial = elements(elements(&ours).unwrap()[0]).unwrap()[1][2..].to_vec();
            let mut parameters = draft().parameters(key_id(&leaf).unwrap(), false).unwrap();
            parameters.serial_number = Some(SerialNumber::from(serial));
            parameters.distinguished_name = distinguished("system:masters", cn);
            let mut authority = CertificateParams::default();
            authority.distinguished_name = distinguished("org", "authority");
            authority.key_identifier_method = KeyIdMethod::PreSpecified(key_id(&ca).unwrap());
            let [leaf, ca] = [&leaf, &ca].map(|key| Signing(key, key.public_bytes().unwrap()));
            let its = parameters.signed_by(&leaf, &Issuer::from_params(&authority, ca)).unwrap();
            assert_eq!(its.der().as_ref(), ours, "{cn}");
        }
    }

    #[test]
    fn what_is_no_draft_is_refused() {
        let seed = Seed::generate().unwrap();
        let scope = Scope { cluster: "c", node: None, generation: 1 };
        let key = PrivateKey::derive(&seed, Algorithm::EcdsaP256, Purpose::Certificate, &scope, "n").unwrap();
        let signer = Signer { subject: &[], key_id: &[], key: &key };
        for bytes in [&b""[..], b"\x30\x00", b"\x30\x03\x30\x00\x30", b"\x30\x06\x30\x00\x30\x00\x03\x00", b"\x30\x80"]
        {
            assert_eq!(guard(bytes, &[], None, &signer).unwrap_err().class().code(), 1, "{bytes:02x?}");
        }
    }
}
