//! Issuing: a certificate and its key, from a seed, an authority and a request.

use std::fmt;
use std::net::IpAddr;

use zeroize::Zeroizing;

use super::authority::Authority;
use super::draft::{self, Draft, Names, Role};
use super::key::{Algorithm, KeyEncoding, PrivateKey, Purpose};
use super::name;
use super::request::{KeyUsage, Serial, Subject, Usage, Validity, addresses, dns_names, uris};
use super::seed::{Scope, Seed};
use crate::epoch::Epoch;
use crate::error::{Error, Faults, Result};

/// What is asked of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// What it is called in profiles; part of its key's derivation.
    pub name: String,
    /// Who it is for.
    pub subject: Subject,
    /// What for; at least one. Written in this order, each once.
    pub usages: Vec<Usage>,
    /// What its key may do; to sign and to encipher keys, as kubeadm has it, if there is none.
    pub key_usages: Vec<KeyUsage>,
    /// DNS names, written in this order, each once.
    pub dns: Vec<String>,
    /// Addresses, written in this order after the DNS names, each once.
    pub ip: Vec<IpAddr>,
    /// URIs, written in this order after the addresses, each once.
    pub uri: Vec<String>,
    /// From when.
    pub not_before: Epoch,
    /// For how many days, at least one, and not beyond its authority.
    pub days: u32,
    /// Its serial number; a hash of what it says if there is none.
    pub serial: Option<Serial>,
    /// The kind of its key.
    pub algorithm: Algorithm,
    /// How its key is written; as usual for its kind if nothing is said.
    pub encoding: Option<KeyEncoding>,
}

/// A certificate and its key, as their files hold them.
#[derive(Clone)]
pub struct Issued {
    /// `CERTIFICATE`: the certificate, then the authorities between it and the root, as a server sends them.
    pub certificate_pem: String,
    /// The authorities between it and the root, and the root.
    pub issuers_pem: String,
    /// The private key.
    pub key_pem: Zeroizing<String>,
}

/// Shows the certificate, and nothing of the key.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

/// The certificate that this seed, scope, authority and request give. What is wrong with the request is told all at
/// once, as [`Error::usage`].
pub fn issue(seed: &Seed, scope: &Scope<'_>, authority: &Authority, request: &CertificateRequest) -> Result<Issued> {
    let act = format!("the certificate `{}` of the authority `{}`", request.name, authority.name());
    let issue = || {
        let mut faults = Faults::new();
        let key = faults.note(request.key(seed, scope));
        let subject = faults.note(name::encode(&request.subject));
        let draft = faults.note(request.draft(subject.as_deref().unwrap_or_default()));
        let covered = draft.as_ref().map_or(Ok(()), |draft| authority.validity().covers(&draft.validity));
        faults.note(covered);
        let (Some(key), Some(draft)) = faults.finish((key, draft))? else { return Err(Error::bug("issuing")) };
        let der = draft.sign(&key, &authority.signer()?)?;
        Ok(Issued {
            certificate_pem: draft::pem(&der)? + &authority.intermediates_pem(),
            issuers_pem: authority.chain_pem(),
            key_pem: request.key_pem(&key)?,
        })
    };
    issue().map_err(|error: Error| error.context(&act))
}

impl CertificateRequest {
    /// Its private key.
    pub(super) fn key(&self, seed: &Seed, scope: &Scope<'_>) -> Result<PrivateKey> {
        PrivateKey::derive(seed, self.algorithm, Purpose::Certificate, scope, &self.name)
    }

    /// The file of its private key.
    pub(super) fn key_pem(&self, key: &PrivateKey) -> Result<Zeroizing<String>> {
        key.pem(self.encoding.unwrap_or_else(|| key.usual_encoding()))
    }

    /// The request checked; `subject` is its subject's DER.
    pub(super) fn draft<'a>(&self, subject: &'a [u8]) -> Result<Draft<'a>> {
        let mut faults = Faults::new();
        self.subject.check(&mut faults);
        let names = Names {
            dns: dns_names(&self.dns, &mut faults),
            ip: addresses(&self.ip),
            uri: uris(&self.uri, &mut faults),
        };
        let usages = faults.note(self.usages());
        let validity = faults.note(Validity::of(self.not_before, self.days));
        let (Some(usages), Some(validity)) = faults.finish((usages, validity))? else {
            return Err(Error::bug("drafting a certificate"));
        };
        let usual = [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment];
        let key_usages = if self.key_usages.is_empty() { &usual[..] } else { &self.key_usages };
        Ok(Draft {
            subject,
            validity,
            role: Role::Leaf,
            key_usages: key_usages.iter().map(|usage| usage.rcgen()).collect(),
            usages: usages.into_iter().map(Usage::rcgen).collect(),
            names,
            serial: self.serial.as_ref().map(|serial| serial.0.clone()),
        })
    }

    /// The usages in their order, each once.
    fn usages(&self) -> Result<Vec<Usage>> {
        let usages = Usage::distinct(&self.usages);
        if usages.is_empty() {
            return Err(Error::usage("it has no usage").advise("give it server-auth, client-auth or code-signing"));
        }
        if usages == [Usage::ServerAuth] && self.dns.is_empty() && self.ip.is_empty() {
            return Err(Error::usage("it is a server's, and has no DNS name and no address")
                .advise("give it `dns` or `ip`: clients look at nothing else"));
        }
        if self.key_usages.contains(&KeyUsage::CertSign) {
            return Err(Error::usage("its key may sign certificates, and it is no authority's")
                .advise("take `cert-sign` out, or declare it in [[authorities]]"));
        }
        Ok(usages)
    }
}
