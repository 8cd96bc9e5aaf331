//! What goes to a key that never meets the build host, and what comes back: two small files of JSON, written in one way
//! and read as nothing else. No archive and no secret byte is in either.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Made, Signed, Subject, part_of};
use crate::bundle::manifest::{FORMAT, parse, to_text};
use crate::bundle::sums::Sums;
use crate::bundle::verify::{Part, envelopes};
use crate::epoch::{Duration, Epoch};
use crate::error::{Error, Result};
use crate::pki::{Certificate, CodeSigner, Term, cms};
use crate::sign::{Scheme, Signature, TrustedKey};

/// What has to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    format: u32,
    /// [`Request::KIND`].
    kind: String,
    /// The release's manifest.
    manifest: String,
    /// How it was built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<String>,
    /// The SHA256SUMS of `public/`.
    public: String,
    /// That of `secrets/`: digests of whole archives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secrets: Option<String>,
}

impl Request {
    const KIND: &str = "signing request of mastermold";
    /// The most bytes of a request.
    pub const LARGEST: u64 = 256 << 20;

    /// For a release.
    pub fn of(subject: &Subject) -> Result<Request> {
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| Error::integrity("what has to be signed is not UTF-8"))
        };
        let list = |part| subject.list(part).map(|list| text(&list.text)).transpose();
        let public = list(Part::Public)?.ok_or_else(|| Error::bug("a release without a public list"))?;
        Ok(Request {
            format: FORMAT,
            kind: Request::KIND.into(),
            manifest: text(&subject.manifest_text)?,
            provenance: subject.provenance.as_deref().map(text).transpose()?,
            public,
            secrets: list(Part::Secrets)?,
        })
    }

    /// The file.
    pub fn to_text(&self) -> Result<Vec<u8>> {
        to_text(self)
    }

    /// What it asks to be signed. That the lists are of a whole release only its build host can tell.
    pub fn parse(bytes: &[u8]) -> Result<Subject> {
        let request: Request = parse(bytes, "the signing request")?;
        if request.kind != Request::KIND {
            return Err(Error::usage("this is no signing request"));
        }
        let list = |part: Part, text: String| {
            let sums = Sums::parse(&text).map_err(|error| error.context(part.name()))?;
            Ok((part, (sums, text.into_bytes())))
        };
        let mut lists = vec![list(Part::Public, request.public)?];
        if let Some(secrets) = request.secrets {
            lists.push(list(Part::Secrets, secrets)?);
        }
        Subject::new(request.manifest.into_bytes(), request.provenance.map(String::into_bytes), lists)
    }
}

/// The signatures that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    format: u32,
    /// [`Answer::KIND`].
    kind: String,
    /// Of which release.
    identity: String,
    signatures: Vec<Answered>,
    /// Of the provenance, as they lie in the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    envelopes: Vec<String>,
    /// Of the boot files, in base64 by their paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<AnsweredBoot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnsweredBoot {
    /// The signer's certificates, its own first (PEM).
    chain: String,
    signatures: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    part: String,
    /// As the file's name ends: minisig, sshsig.
    scheme: String,
    /// The public key's file.
    key: String,
    /// The signature file.
    text: String,
}

impl Answer {
    const KIND: &str = "signatures of mastermold";
    /// The most bytes of an answer.
    pub const LARGEST: u64 = 256 << 20;

    /// With what was signed; the boot files by this signer.
    pub fn of(subject: &Subject, signed: &Signed, boot: Option<&CodeSigner>) -> Result<Answer> {
        let answered = |made: &Made| Answered {
            part: made.part.name().into(),
            scheme: made.signature.scheme.extension().into(),
            key: made.signature.key.to_text(),
            text: made.signature.text.clone(),
        };
        let of_boot = |signer: &CodeSigner| {
            let chain = signer.chain().iter().map(Certificate::pem).collect::<Result<String>>()?;
            let signatures = signed.boot.iter().map(|(path, der)| (path.clone(), STANDARD.encode(der))).collect();
            Ok::<_, Error>(AnsweredBoot { chain, signatures })
        };
        let boot = boot.map(of_boot).transpose()?;
        Ok(Answer {
            format: FORMAT,
            kind: Answer::KIND.into(),
            identity: subject.manifest.identity(),
            signatures: signed.lists.iter().map(answered).collect(),
            envelopes: signed.envelopes.clone(),
            boot,
        })
    }

    /// The file.
    pub fn to_text(&self) -> Result<Vec<u8>> {
        to_text(self)
    }

    /// Whether this is an answer and not a signature alone.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(b"{")
    }

    /// What was signed, which must be of `subject`, by the keys that it brings along; and by some of `keys`, if any are
    /// given.
    pub fn parse(bytes: &[u8], subject: &Subject, keys: &[TrustedKey]) -> Result<Signed> {
        let answer: Answer = parse(bytes, "the answer")?;
        if answer.kind != Answer::KIND {
            return Err(Error::usage("this is no answer to a signing request"));
        }
        let identity = subject.manifest.identity();
        if answer.identity != identity {
            let message = format!("the answer is for `{}`, and this is `{identity}`", answer.identity);
            return Err(Error::trust(message).advise("attach it to the release that was asked for"));
        }
        let lists = answer.signatures.iter().map(|answered| answered.made(subject, keys));
        let lists = lists.collect::<Result<Vec<_>>>()?;
        let statement = subject.statement()?.unwrap_or_default();
        let sealers: Vec<_> = lists.iter().filter_map(|made| made.signature.key.minisign().cloned()).collect();
        for envelope in &answer.envelopes {
            if envelopes::open(&sealers, envelope, &statement)?.is_empty() {
                return Err(Error::trust("the answer has an envelope by a key that signed no list"));
            }
        }
        let boot = answer.boot.map(|boot| boot.signatures(subject)).transpose()?.unwrap_or_default();
        Ok(Signed { lists, envelopes: answer.envelopes, boot })
    }
}

impl AnsweredBoot {
    /// One for each file that iPXE fetches, which holds today by the chain that came along. Whether that ends at the
    /// right authority only who trusts one can say: `verify --boot-authority`.
    fn signatures(self, subject: &Subject) -> Result<BTreeMap<String, Vec<u8>>> {
        let chain = Certificate::parse(self.chain.as_bytes())?;
        let term = Term { at: Epoch::now()?, least: Duration::default() };
        let files = subject.boot_files()?;
        if !files.keys().eq(self.signatures.keys()) {
            return Err(Error::trust("the answer does not sign the boot files of this release, each once"));
        }
        let mut signatures = BTreeMap::new();
        for ((path, digest), base64) in files.iter().zip(self.signatures.values()) {
            let der =
                STANDARD.decode(base64).map_err(|_| Error::integrity("a signature in the answer is not base64"))?;
            cms::verify(&der, digest, &chain, &term).map_err(|error| error.context(path))?;
            signatures.insert(path.clone(), der);
        }
        Ok(signatures)
    }
}

impl Answered {
    fn made(&self, subject: &Subject, keys: &[TrustedKey]) -> Result<Made> {
        let key = TrustedKey::parse(&self.key).map_err(|error| error.context("a key in the answer"))?;
        if !keys.is_empty() && !keys.iter().any(|given| given.is(&key)) {
            return Err(Error::trust(format!("the answer is signed by key {key}, which is none of those given")));
        }
        let (part, scheme) = (part_of(&self.part), Scheme::ALL.into_iter().find(|s| s.extension() == self.scheme));
        let (Some(part), Some(scheme)) = (part, scheme) else {
            return Err(Error::integrity(format!("the answer signs `{}` with `{}`", self.part, self.scheme)));
        };
        if subject.list(part).is_none() {
            let message = format!("the answer signs {}/, which is not here", part.name());
            return Err(Error::usage(message).advise("attach it where the whole release is"));
        }
        let made = subject.adopt(self.text.as_bytes(), std::slice::from_ref(&key))?;
        let Signature { scheme: found, .. } = made.signature;
        match (made.part, found) == (part, scheme) {
            true => Ok(made),
            false => Err(Error::integrity("the answer calls a signature another one than it is")),
        }
    }
}
