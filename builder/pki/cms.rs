//! Detached signatures of boot files, as iPXE's `imgverify` takes them: CMS SignedData (RFC 5652, 5) in DER.
//!
//! ```text
//! ContentInfo: signedData
//!   version 1, SHA-256, content of the type data: none here
//!   certificates: the signer's and its authorities', as a DER set has them (by their bytes)
//!   one signer: version 1, issuer and serial, SHA-256, algorithm, signature over the file itself
//! ```
//!
//! There are no signed attributes: iPXE (src/crypto/cms.c) passes over them, and takes the signature for one over the
//! file. So a file's SHA-256 is enough to sign it, and a signature says nothing of its file's name: who fetches has to
//! ask for the right one. iPXE knows an authority by its fingerprint alone (src/crypto/rootcert.c), so the authority is
//! among the certificates.
//!
//! The bytes are those of `openssl cms -sign -binary -noattr -md sha256 -outform DER`, and the only ones that [`verify`]
//! takes: it reads out what may differ, writes the message again, and compares.

use der::asn1::ObjectIdentifier;
use der::{Decode as _, Tag, TagNumber};

use super::certificate::Certificate;
use super::draft::elements;
use super::key::PrivateKey;
use super::name::element;
use super::proof;
use super::request::Usage;
use super::term::Term;
use crate::digest::Digest;
use crate::error::{Error, Result};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const CONTEXT_0: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
/// What is longer is no signature: a chain of a few certificates has a tenth of it.
const MOST: usize = 64 * 1024;
/// The most certificates that a chain may have.
const LONGEST: usize = 8;

/// Who signs boot files: a key and the certificates that vouch for it.
#[derive(Debug)]
pub struct CodeSigner {
    key: PrivateKey,
    chain: Vec<Certificate>,
}

impl CodeSigner {
    /// A key's file (PEM) and that of its certificates: the key's own first, then those above it, the authority that
    /// iPXE trusts last. What does not belong together is [`Error::usage`]; what iPXE would not take is
    /// [`Error::trust`].
    pub fn parse(key_pem: &[u8], chain_pem: &[u8]) -> Result<CodeSigner> {
        let key = PrivateKey::parse(key_pem)?;
        if !key.signs_boot_files() {
            return Err(Error::usage("iPXE checks no signatures of this kind of key")
                .advise("take RSA, which every iPXE checks, or ECDSA P-256: mastermold key new --code-signing"));
        }
        let chain = Certificate::parse(chain_pem)?;
        let Some(leaf) = chain.first() else { return Err(Error::bug("no certificate")) };
        if leaf.public_key() != key.public()?.der() {
            let message = format!("the key is not the one of the certificate of `{}`", leaf.subject());
            return Err(Error::usage(message).advise("give the key for which this certificate was issued"));
        }
        check_chain(&chain)?;
        Ok(CodeSigner { key, chain })
    }

    /// Its certificates, its own first. Their dates are not looked at here.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The signature over a file with this SHA-256, in DER. The same file gives the same bytes.
    pub fn sign(&self, digest: &Digest) -> Result<Vec<u8>> {
        let Some(leaf) = self.chain.first() else { return Err(Error::bug("no certificate")) };
        let signature = self.key.sign_digest(digest)?;
        // A processor's mistake in an RSA signature gives the key away to who sees it.
        if !proof::signed_digest(leaf.public_key(), digest, &signature) {
            return Err(Error::bug("a signature that does not verify"));
        }
        message(leaf, &self.chain.iter().collect::<Vec<_>>(), &signature)
    }
}

/// Who signed a boot file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmsSigner {
    /// The signer's certificate first, then those above it, up to the trusted authority and whatever is above that.
    pub chain: Vec<Certificate>,
}

impl CmsSigner {
    /// Whom the signer's certificate is for, on one line.
    pub fn subject(&self) -> String {
        self.chain.first().map_or_else(String::new, |leaf| leaf.subject().to_string())
    }
}

/// Checks that `der` is a signature of a file with this SHA-256 by a code signer whom one of `authorities` vouches for,
/// and that the certificates up to it are valid in `term`. Every way to fail is [`Error::trust`].
pub fn verify(der: &[u8], digest: &Digest, authorities: &[Certificate], term: &Term) -> Result<CmsSigner> {
    if der.len() > MOST {
        return Err(shape(&format!("it has {} bytes, more than {MOST}", der.len())));
    }
    let parts = Parts::of(der).ok_or_else(|| shape("it is not built as one with one signer"))?;
    let chain = parts.chain()?;
    let Some(leaf) = chain.first() else { return Err(shape("it has no certificate")) };
    if message(leaf, &chain.iter().collect::<Vec<_>>(), parts.signature)? != der {
        return Err(shape("openssl cms -sign -binary -noattr -md sha256 -outform DER would not write it so"));
    }
    check_chain(&chain)?;
    let trusted = chain.iter().skip(1).position(|certificate| authorities.contains(certificate));
    let Some(trusted) = trusted else {
        let message = format!("the signature of `{}` does not end at an authority that is trusted", leaf.subject());
        return Err(Error::trust(message)
            .advise("give the certificate of the authority that iPXE trusts; it has to be in the signature too"));
    };
    chain.iter().take(trusted + 2).try_for_each(|certificate| term.check(certificate))?;
    match proof::signed_digest(leaf.public_key(), digest, parts.signature) {
        true => Ok(CmsSigner { chain }),
        false => Err(Error::trust(format!("the signature of `{}` is not one of this file", leaf.subject()))
            .advise("the file or its signature was changed: get both again from their source")),
    }
}

fn shape(what: &str) -> Error {
    Error::trust(format!("it is not a signature of a boot file that iPXE and mastermold take: {what}"))
}

/// What of a message is not the same in all of them.
struct Parts<'a> {
    certificates: Vec<&'a [u8]>,
    /// Of the signer's certificate, each with its tag.
    issuer: &'a [u8],
    serial: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Finds them; that everything else is as it must be is for others to say.
    fn of(der: &'a [u8]) -> Option<Parts<'a>> {
        let [_, content] = elements(der).ok()?[..] else { return None };
        let [signed_data] = elements(content).ok()?[..] else { return None };
        let [_, _, _, certificates, signers] = elements(signed_data).ok()?[..] else { return None };
        let [signer] = elements(signers).ok()?[..] else { return None };
        let [_, named, _, _, signature] = elements(signer).ok()?[..] else { return None };
        let [issuer, serial] = elements(named).ok()?[..] else { return None };
        let certificates = elements(certificates).ok()?;
        let signature = der::AnyRef::from_der(signature).ok()?.value();
        (certificates.len() <= LONGEST).then_some(Parts { certificates, issuer, serial, signature })
    }

    /// The certificates in order: the signer's, then each one's issuer.
    fn chain(&self) -> Result<Vec<Certificate>> {
        let read = |der: &&[u8]| Certificate::from_der(der).map_err(|error| shape(&error.to_string()));
        let mut rest = self.certificates.iter().map(read).collect::<Result<Vec<_>>>()?;
        let mut chain = vec![];
        let signer = |one: &Certificate| {
            one.issuer_der() == self.issuer && element(Tag::Integer, one.serial_der()).is_ok_and(|it| it == self.serial)
        };
        let mut next = rest.iter().position(signer);
        if next.is_none() {
            return Err(shape("the certificate of its signer is not in it"));
        }
        while let Some(place) = next {
            let one = rest.remove(place);
            next = rest.iter().position(|above| above.subject_der() == one.issuer_der());
            chain.push(one);
        }
        match rest.first() {
            None => Ok(chain),
            Some(one) => {
                Err(shape(&format!("the certificate of `{}` in it is not the signer's or above it", one.subject())))
            }
        }
    }
}

/// That the first certificate may sign code, and each next one vouches for the one before it (RFC 5280, 6.1).
pub(super) fn check_chain(chain: &[Certificate]) -> Result<()> {
    let [leaf, above @ ..] = chain else { return Err(shape("it has no certificate")) };
    let refuse = |why: &str, advice: &str| {
        Err(Error::trust(format!("the certificate of `{}` {why}", leaf.subject())).advise(advice))
    };
    if leaf.is_authority() {
        return refuse("is an authority's, not a signer's", "give the signer's certificate first");
    }
    if leaf.signs_data() != Some(true) || !leaf.usages().contains(&Usage::CodeSigning) {
        let why = "is not for signing code: it lacks the key usage digitalSignature or the usage codeSigning";
        return refuse(why, "have one issued: mastermold pki code-signing");
    }
    if above.is_empty() {
        let why = "comes without the authority above it, by which iPXE trusts it";
        return refuse(why, "put the authority's certificate behind it");
    }
    if chain.len() > LONGEST {
        return refuse("has too many above it", "leave out what is above the authority that iPXE trusts");
    }
    for (below, (one, issuer)) in chain.iter().zip(above).enumerate() {
        one.check_issued_by(issuer)?;
        if issuer.key_kind() == "Ed25519" {
            let message = format!("the key of `{}` is Ed25519, which iPXE does not check", issuer.subject());
            return Err(Error::trust(message).advise("issue from an authority with `algorithm = \"rsa-3072\"`"));
        }
        // The signer is no authority: it does not count.
        if issuer.path_length().is_some_and(|most| usize::from(most) < below) {
            let message = format!("the certificate of `{}` allows fewer authorities below it", issuer.subject());
            return Err(Error::trust(message).advise("issue from one that allows them"));
        }
    }
    Ok(())
}

/// The message (RFC 5652, 3 and 5.1), with the algorithms as RFC 5754 has them: SHA-256 without parameters.
fn message(leaf: &Certificate, chain: &[&Certificate], signature: &[u8]) -> Result<Vec<u8>> {
    let oid = |oid: ObjectIdentifier| element(Tag::ObjectIdentifier, oid.as_bytes());
    let sequence = |parts: &[&[u8]]| element(Tag::Sequence, &parts.concat());
    let version = element(Tag::Integer, &[1])?;
    let sha256 = sequence(&[&oid(SHA256)?])?;
    let algorithm = match leaf.key_kind() {
        "ECDSA P-256" => sequence(&[&oid(ECDSA_WITH_SHA256)?])?,
        kind if kind.starts_with("RSA ") => sequence(&[&oid(RSA)?, &element(Tag::Null, &[])?])?,
        kind => return Err(Error::trust(format!("iPXE checks no signatures by {kind}"))),
    };
    let named = sequence(&[leaf.issuer_der(), &element(Tag::Integer, leaf.serial_der())?])?;
    let signer = sequence(&[&version, &named, &sha256, &algorithm, &element(Tag::OctetString, signature)?])?;
    // A set in DER is sorted (X.690, 11.6).
    let mut certificates: Vec<&[u8]> = chain.iter().map(|certificate| certificate.der()).collect();
    certificates.sort_unstable();
    let signed_data = sequence(&[
        &version,
        &element(Tag::Set, &sha256)?,
        &sequence(&[&oid(DATA)?])?,
        &element(CONTEXT_0, &certificates.concat())?,
        &element(Tag::Set, &signer)?,
    ])?;
    sequence(&[&oid(SIGNED_DATA)?, &element(CONTEXT_0, &signed_data)?])
}
