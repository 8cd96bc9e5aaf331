//! Authorities: who signs certificates.

use std::fmt;

use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::draft::{self, Draft, Names, Role, Signer};
use super::key::{Algorithm, KeyEncoding, PrivateKey, Purpose};
use super::name;
use super::request::{KeyUsage, Serial, Subject, Validity, dns_names};
use super::seed::{Scope, Seed};
use crate::epoch::Epoch;
use crate::error::{Error, Faults, Result};

/// What is asked of an authority. It belongs to the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityRequest {
    /// What it is called in profiles; part of its key's derivation.
    pub name: String,
    /// Who it says it is.
    pub subject: Subject,
    /// DNS names in its certificate; kubeadm puts the CN there.
    pub dns: Vec<String>,
    /// What its key may do; to sign certificates and more, as kubeadm has it, if there is none.
    pub key_usages: Vec<KeyUsage>,
    /// From when.
    pub not_before: Epoch,
    /// For how many days, at least one.
    pub days: u32,
    /// Its serial number; a hash of what it says if there is none.
    pub serial: Option<Serial>,
    /// Grows by one for each rotation.
    pub generation: u32,
    /// The kind of its key.
    pub algorithm: Algorithm,
    /// How many authorities may follow below it; none is no limit, as kubeadm's.
    pub path_length: Option<u8>,
}

/// An authority: its certificate, its key, and what of them enters the certificates that it signs.
pub struct Authority {
    pub(super) name: String,
    pub(super) certificate_pem: String,
    // Those above it, the nearest first, the root last.
    pub(super) above: Vec<String>,
    pub(super) subject: Vec<u8>,
    pub(super) key_id: Vec<u8>,
    pub(super) validity: Validity,
    pub(super) path_length: Option<u8>,
    pub(super) key: Option<PrivateKey>,
    // Its certificate, if somebody else made it.
    pub(super) foreign: Option<Certificate>,
}

impl Authority {
    /// The authority that this seed and request give: it signs itself, or `above` signs it.
    pub fn derive(
        seed: &Seed,
        cluster: &str,
        request: &AuthorityRequest,
        above: Option<&Authority>,
    ) -> Result<Authority> {
        let scope = Scope { cluster, node: None, generation: request.generation };
        let derive = || {
            let mut faults = Faults::new();
            let key =
                faults.note(PrivateKey::derive(seed, request.algorithm, Purpose::Authority, &scope, &request.name));
            let subject = faults.note(name::encode(&request.subject));
            let draft = faults.note(request.draft(subject.as_deref().unwrap_or_default()));
            if let (Some(above), Some(draft)) = (above, &draft) {
                faults.note(above.validity.covers(&draft.validity));
                faults.note(above.allows_below(request.path_length));
            }
            let (Some(key), Some(draft)) = faults.finish((key, draft))? else { return Err(Error::bug("deriving")) };
            Authority::signed(&request.name, draft, key, request.path_length, above)
        };
        derive().map_err(|error: Error| error.context(format!("the authority `{}`", request.name)))
    }

    fn signed(
        name: &str,
        draft: Draft<'_>,
        key: PrivateKey,
        path_length: Option<u8>,
        above: Option<&Authority>,
    ) -> Result<Authority> {
        let (subject, key_id, validity) = (draft.subject.to_vec(), draft::key_id(&key)?, draft.validity);
        let itself = Signer { subject: &subject, key_id: &key_id, key: &key };
        let der = match above {
            Some(above) => draft.sign(&key, &above.signer()?)?,
            None => draft.sign(&key, &itself)?,
        };
        let (name, certificate_pem) = (name.to_owned(), draft::pem(&der)?);
        let above = above
            .map_or_else(Vec::new, |above| [std::slice::from_ref(&above.certificate_pem), &above.above[..]].concat());
        Ok(Authority {
            name,
            certificate_pem,
            above,
            subject,
            key_id,
            validity,
            path_length,
            key: Some(key),
            foreign: None,
        })
    }

    /// Whether its path length lets an authority of this path length stand below it (RFC 5280, 4.2.1.9).
    fn allows_below(&self, below: Option<u8>) -> Result<()> {
        match (self.path_length, below) {
            (None, _) => Ok(()),
            (Some(own), Some(below)) if below < own => Ok(()),
            (Some(0), _) => Err(Error::usage(format!("the authority `{}` allows no authority below it", self.name))
                .advise("raise its `path-length`, or issue from another")),
            (Some(own), _) => {
                let message = format!("the authority `{}` allows a path length below {own} under it", self.name);
                Err(Error::usage(message).advise(format!("give it `path-length = {}` at most", own - 1)))
            }
        }
    }

    /// Its certificate's file: that alone.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its certificate and those above it, the root last.
    pub fn chain_pem(&self) -> String {
        self.certificate_pem.clone() + &self.above.concat()
    }

    /// What a server sends beside its own certificate: this one and those above it without the last, which a client
    /// trusts; nothing if there is none above this one.
    pub fn intermediates_pem(&self) -> String {
        match self.above.split_last() {
            Some((_, between)) => self.certificate_pem.clone() + &between.concat(),
            None => String::new(),
        }
    }

    /// Its private key's file, if it is here; written as its kind usually is if `encoding` does not say.
    pub fn key_pem(&self, encoding: Option<KeyEncoding>) -> Result<Zeroizing<String>> {
        let key = self.key()?;
        key.pem(encoding.unwrap_or_else(|| key.usual_encoding()))
    }

    /// What it is called in profiles.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key(&self) -> Result<&PrivateKey> {
        self.key.as_ref().ok_or_else(|| Error::usage(format!("the key of the authority `{}` is not here", self.name)))
    }

    pub(super) fn validity(&self) -> Validity {
        self.validity
    }

    pub(super) fn signer(&self) -> Result<Signer<'_>> {
        Ok(Signer { subject: &self.subject, key_id: &self.key_id, key: self.key()? })
    }
}

impl AuthorityRequest {
    /// The request checked; `subject` is its subject's DER.
    fn draft<'a>(&self, subject: &'a [u8]) -> Result<Draft<'a>> {
        let mut faults = Faults::new();
        self.subject.check(&mut faults);
        let names = Names { dns: dns_names(&self.dns, &mut faults), ..Names::default() };
        let validity = faults.note(Validity::of(self.not_before, self.days));
        if !self.key_usages.is_empty() && !self.key_usages.contains(&KeyUsage::CertSign) {
            faults.push(Error::usage("its key may not sign certificates").advise("add `cert-sign` to `key-usages`"));
        }
        let Some(validity) = faults.finish(validity)? else { return Err(Error::bug("drafting an authority")) };
        // As kubeadm's: its authorities too may sign and encipher.
        let usual = [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment, KeyUsage::CertSign];
        let key_usages = if self.key_usages.is_empty() { &usual[..] } else { &self.key_usages };
        Ok(Draft {
            subject,
            validity,
            role: Role::Authority { path_length: self.path_length },
            key_usages: key_usages.iter().map(|usage| usage.rcgen()).collect(),
            usages: Vec::new(),
            names,
            serial: self.serial.as_ref().map(|serial| serial.0.clone()),
        })
    }
}

/// Shows the certificate, and nothing of the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Authority { name, certificate_pem, .. } = self;
        f.debug_struct("Authority")
            .field("name", name)
            .field("certificate_pem", certificate_pem)
            .finish_non_exhaustive()
    }
}
