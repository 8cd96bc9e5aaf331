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

use super::key::Key;
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
    pub(super) usages: Vec<ExtendedKeyUsagePurpose>,
    pub(super) dns: Vec<String>,
    pub(super) ip: Vec<IpAddr>,
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
    pub(super) key: &'a Key,
}

/// A key's identifier: the first 160 bits of SHA-256 of the public key (RFC 7093, method 1).
pub(super) fn key_id(key: &Key) -> Vec<u8> {
    Sha256::digest(key.public_bytes())[..20].to_vec()
}

/// A certificate in PEM: lines of 64 columns, a last newline.
pub(super) fn pem(der: &[u8]) -> Result<String> {
    der::pem::encode_string("CERTIFICATE", LineEnding::LF, der).map_err(|_| Error::bug("writing a certificate as PEM"))
}

impl Draft<'_> {
    /// The certificate over `key` that `signer` gives, in DER.
    pub(super) fn sign(self, key: &Key, signer: &Signer<'_>) -> Result<Vec<u8>> {
        let (subject, own) = (self.subject, signer.subject == self.subject);
        let parameters = self.parameters(key_id(key), own)?;
        let mut issuer = CertificateParams::default();
        issuer.key_identifier_method = KeyIdMethod::PreSpecified(signer.key_id.to_vec());
        let draft = parameters
            .signed_by(&Unsigned::of(key), &Issuer::from_params(&issuer, Unsigned::of(signer.key)))
            .map_err(|error| Error::bug(format!("drafting a certificate: {error}")))?;
        guard(draft.der(), subject, signer).map_err(|error| error.context("completing a certificate"))
    }

    fn parameters(self, key_id: Vec<u8>, own: bool) -> Result<CertificateParams> {
        let mut parameters = CertificateParams::default();
        parameters.not_before = instant(self.validity.not_before)?;
        parameters.not_after = instant(self.validity.not_after)?;
        parameters.serial_number = Some(SerialNumber::from(1));
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "stand-in");
        parameters.subject_alt_names = alternative_names(self.dns, &self.ip)?;
        parameters.extended_key_usages = self.usages;
        // As kubeadm's: its authorities too may sign and encipher, and a self-signed certificate names no authority key.
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        parameters.is_ca = IsCa::ExplicitNoCa;
        if let Role::Authority { path_length } = self.role {
            parameters.key_usages.push(KeyUsagePurpose::KeyCertSign);
            let constraints = path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained);
            parameters.is_ca = IsCa::Ca(constraints);
        }
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

fn alternative_names(dns: Vec<String>, ip: &[IpAddr]) -> Result<Vec<SanType>> {
    let names = dns.into_iter().map(|name| Ok(SanType::DnsName(name.try_into()?)));
    let names: std::result::Result<_, rcgen::Error> =
        names.chain(ip.iter().map(|ip| Ok(SanType::IpAddress(*ip)))).collect();
    names.map_err(|error| Error::bug(format!("writing alternative names: {error}")))
}

/// A public key that rcgen takes for a key: it is asked to sign the draft, and gives nothing. The private key stays
/// out of rcgen.
struct Unsigned {
    public: Vec<u8>,
    algorithm: &'static rcgen::SignatureAlgorithm,
}

impl Unsigned {
    fn of(key: &Key) -> Unsigned {
        Unsigned { public: key.public_bytes(), algorithm: key.rcgen() }
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
fn guard(draft: &[u8], subject: &[u8], signer: &Signer<'_>) -> Result<Vec<u8>> {
    let certificate = elements(draft)?;
    let [body, algorithm, _] = certificate[..] else { return Err(shape()) };
    let body = elements(body)?;
    let [version, _, inner, _, validity, _, public, extensions] = body[..] else { return Err(shape()) };
    let named = [inner, signer.subject, validity, subject, public, extensions].concat();
    let body = element(Tag::Sequence, &[version, &serial(&named)?, &named].concat())?;
    let signature = signer.key.sign(&body)?;
    // A bit string starts with the number of its unused bits.
    let signature = element(Tag::BitString, &[&[0], &signature[..]].concat())?;
    element(Tag::Sequence, &[&body, algorithm, &signature].concat())
}

/// The serial number: SHA-256 of "mastermold serial 1" and all that the certificate says but its version and serial,
/// cut to 16 bytes, of which the first two bits are made 01: positive, always as long, and the same for the same
/// contents only.
fn serial(named: &[u8]) -> Result<Vec<u8>> {
    let mut serial = Sha256::new().chain_update("mastermold serial 1").chain_update(named).finalize()[..16].to_vec();
    serial[0] = serial[0] & 0x3f | 0x40;
    element(Tag::Integer, &serial)
}

/// The elements of a DER sequence, each with its tag and length.
fn elements(sequence: &[u8]) -> Result<Vec<&[u8]>> {
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
    use super::super::key::Algorithm;
    use super::super::name;
    use super::super::request::{Subject, Usage};
    use super::super::seed::{Scope, Seed};
    use super::*;

    /// The whole of rcgen's own way: names, serial and signature by rcgen.
    struct Signing<'a>(&'a Key, Vec<u8>);

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
        let [ca, leaf] =
            ["ca", "leaf"].map(|name| Key::derive(&seed, Algorithm::EcdsaP256, "k", &scope, name).unwrap());
        for cn in ["apiserver", "under_score", "Müller"] {
            let draft = || Draft {
                subject: &[],
                validity: Validity::of(Epoch::FILES, 30_000).unwrap(),
                role: Role::Leaf,
                usages: vec![Usage::ServerAuth.rcgen()],
                dns: vec!["a.example".into()],
                ip: vec!["::1".parse().unwrap()],
            };
            let (subject, issuer) = (named("system:masters", cn), named("org", "authority"));
            let signer = Signer { subject: &issuer, key_id: &key_id(&ca), key: &ca };
            let ours = Draft { subject: &subject, ..draft() }.sign(&leaf, &signer).unwrap();

            let serial = elements(elements(&ours).unwrap()[0]).unwrap()[1][2..].to_vec();
            let mut parameters = draft().parameters(key_id(&leaf), false).unwrap();
            parameters.serial_number = Some(SerialNumber::from(serial));
            parameters.distinguished_name = distinguished("system:masters", cn);
            let mut authority = CertificateParams::default();
            authority.distinguished_name = distinguished("org", "authority");
            authority.key_identifier_method = KeyIdMethod::PreSpecified(key_id(&ca));
            let [leaf, ca] = [&leaf, &ca].map(|key| Signing(key, key.public_bytes()));
            let its = parameters.signed_by(&leaf, &Issuer::from_params(&authority, ca)).unwrap();
            assert_eq!(its.der().as_ref(), ours, "{cn}");
        }
    }

    #[test]
    fn what_is_no_draft_is_refused() {
        let seed = Seed::generate().unwrap();
        let scope = Scope { cluster: "c", node: None, generation: 1 };
        let key = Key::derive(&seed, Algorithm::EcdsaP256, "k", &scope, "n").unwrap();
        let signer = Signer { subject: &[], key_id: &[], key: &key };
        for bytes in [&b""[..], b"\x30\x00", b"\x30\x03\x30\x00\x30", b"\x30\x06\x30\x00\x30\x00\x03\x00", b"\x30\x80"]
        {
            assert_eq!(guard(bytes, &[], &signer).unwrap_err().class().code(), 1, "{bytes:02x?}");
        }
    }
}
