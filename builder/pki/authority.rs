//! Authorities: who signs certificates.

use std::fmt;

use zeroize::Zeroizing;

use super::draft::{self, Draft, Role, Signer};
use super::key::{Algorithm, Key, KeyEncoding};
use super::name;
use super::request::{Subject, Validity, dns_names};
use super::seed::{Scope, Seed};
use crate::epoch::Epoch;
use crate::error::{Faults, Result};

/// What is asked of an authority. It signs itself, and belongs to the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityRequest {
    /// What it is called in profiles; part of its key's derivation.
    pub name: String,
    /// Who it says it is.
    pub subject: Subject,
    /// DNS names in its certificate; kubeadm puts the CN there.
    pub dns: Vec<String>,
    /// From when.
    pub not_before: Epoch,
    /// For how many days, at least one.
    pub days: u32,
    /// Grows by one for each rotation.
    pub generation: u32,
    /// The kind of its key.
    pub algorithm: Algorithm,
    /// How many authorities may follow below it; none is no limit, as kubeadm's.
    pub path_length: Option<u8>,
}

/// An authority: its certificate, its key, and what of them enters the certificates that it signs.
pub struct Authority {
    name: String,
    certificate_pem: String,
    subject: Vec<u8>,
    key_id: Vec<u8>,
    validity: Validity,
    key: Key,
}

impl Authority {
    /// The authority that this seed and request give.
    pub fn derive(seed: &Seed, cluster: &str, request: &AuthorityRequest) -> Result<Authority> {
        let AuthorityRequest { name, subject, not_before, days, generation, algorithm, .. } = request;
        let mut faults = Faults::new();
        subject.check(&mut faults);
        let dns = dns_names(&request.dns, &mut faults);
        let validity = faults.note(Validity::of(*not_before, *days));
        let scope = Scope { cluster, node: None, generation: *generation };
        let key = faults.note(Key::derive(seed, *algorithm, "authority", &scope, name));
        let act = format!("the authority `{name}`");
        let (Some(validity), Some(key)) = faults.finish((validity, key)).map_err(|error| error.context(&act))? else {
            return Err(crate::error::Error::bug(act));
        };
        Authority::sign_itself(request, dns, validity, key)
    }

    fn sign_itself(request: &AuthorityRequest, dns: Vec<String>, validity: Validity, key: Key) -> Result<Authority> {
        let (subject, key_id) = (name::encode(&request.subject)?, draft::key_id(&key));
        let role = Role::Authority { path_length: request.path_length };
        let draft = Draft { subject: &subject, validity, role, usages: Vec::new(), dns, ip: Vec::new() };
        let der = draft.sign(&key, &Signer { subject: &subject, key_id: &key_id, key: &key })?;
        let (name, certificate_pem) = (request.name.clone(), draft::pem(&der)?);
        Ok(Authority { name, certificate_pem, subject, key_id, validity, key })
    }

    /// Its certificate's file.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its private key's file.
    pub fn key_pem(&self, encoding: KeyEncoding) -> Result<Zeroizing<String>> {
        self.key.private_pem(encoding)
    }

    /// What it is called in profiles.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn validity(&self) -> Validity {
        self.validity
    }

    pub(super) fn signer(&self) -> Signer<'_> {
        Signer { subject: &self.subject, key_id: &self.key_id, key: &self.key }
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
