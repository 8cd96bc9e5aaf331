//! The certificate of a signer of boot files: for a key that somebody else has. A signing key never comes from the seed:
//! who can build a release need not be who vouches for it.

use super::authority::Authority;
use super::certificate::Certificate;
use super::cms;
use super::draft::{self, Draft, Names, Role};
use super::key::PublicKey;
use super::name;
use super::request::{KeyUsage, Subject, Usage, Validity};
use crate::epoch::Epoch;
use crate::error::{Error, Faults, Result};

/// What is asked of a signer's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeSigningRequest {
    /// Who signs.
    pub subject: Subject,
    /// From when.
    pub not_before: Epoch,
    /// The last second, and not beyond its authority's.
    pub not_after: Epoch,
}

impl CodeSigningRequest {
    /// The certificate of `key` by this authority, then those above it, the root last: what
    /// [`CodeSigner::parse`](super::CodeSigner::parse) takes. The same request gives the same bytes.
    pub fn issue(&self, authority: &Authority, key: &PublicKey) -> Result<Vec<Certificate>> {
        let issue = || {
            let mut faults = Faults::new();
            self.subject.check(&mut faults);
            let key = faults.note(key.of_boot_signer());
            let subject = faults.note(name::encode(&self.subject));
            let validity = faults.note(Validity::between(self.not_before, self.not_after));
            faults.note(validity.map_or(Ok(()), |validity| authority.validity().covers(&validity)));
            let signer = faults.note(authority.signer().map_err(|error| {
                error
                    .advise("have its owner issue a certificate with the usage codeSigning: openssl req -new -key FILE")
            }));
            let given = faults.finish((key, subject, validity, signer))?;
            let (Some(key), Some(subject), Some(validity), Some(signer)) = given else {
                return Err(Error::bug("issuing"));
            };
            let draft = Draft {
                subject: &subject,
                validity,
                role: Role::Leaf,
                key_usages: vec![KeyUsage::DigitalSignature.rcgen()],
                usages: vec![Usage::CodeSigning.rcgen()],
                names: Names::default(),
                serial: None,
            };
            let chain = draft::pem(&draft.sign_for(key, &signer)?)? + &authority.chain_pem();
            let chain = Certificate::parse(chain.as_bytes())?;
            cms::check_chain(&chain)?;
            Ok(chain)
        };
        issue().map_err(|error: Error| error.context(format!("the signer's certificate by `{}`", authority.name())))
    }
}
