//! Issuing: a certificate and its key, from a seed, an authority and a request.

use std::fmt;
use std::net::IpAddr;

use zeroize::Zeroizing;

use super::authority::Authority;
use super::draft::{self, Draft, Role};
use super::key::{Algorithm, Key, KeyEncoding};
use super::name;
use super::request::{Subject, Usage, Validity, addresses, dns_names};
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
    /// DNS names, written in this order, each once.
    pub dns: Vec<String>,
    /// Addresses, written in this order after the DNS names, each once.
    pub ip: Vec<IpAddr>,
    /// From when.
    pub not_before: Epoch,
    /// For how many days, at least one, and not beyond its authority.
    pub days: u32,
    /// The kind of its key.
    pub algorithm: Algorithm,
    /// How its key is written.
    pub encoding: KeyEncoding,
}

/// A certificate and its key, as their files hold them.
pub struct Issued {
    /// `CERTIFICATE`.
    pub certificate_pem: String,
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
    let CertificateRequest { name, subject, algorithm, encoding, .. } = request;
    let mut faults = Faults::new();
    subject.check(&mut faults);
    let dns = dns_names(&request.dns, &mut faults);
    let ip = addresses(&request.ip);
    let usages = faults.note(usages(request));
    let validity = faults.note(validity(request, authority));
    let key = faults.note(Key::derive(seed, *algorithm, "certificate", scope, name));
    let act = format!("the certificate `{name}` of the authority `{}`", authority.name());
    let checked = faults.finish((usages, validity, key)).map_err(|error| error.context(&act))?;
    let (Some(usages), Some(validity), Some(key)) = checked else { return Err(Error::bug(act)) };
    let usages = usages.into_iter().map(Usage::rcgen).collect();
    let draft = Draft { subject: &name::encode(subject)?, validity, role: Role::Leaf, usages, dns, ip };
    let der = draft.sign(&key, &authority.signer())?;
    Ok(Issued { certificate_pem: draft::pem(&der)?, key_pem: key.private_pem(*encoding)? })
}

fn validity(request: &CertificateRequest, authority: &Authority) -> Result<Validity> {
    let validity = Validity::of(request.not_before, request.days)?;
    authority.validity().covers(&validity)?;
    Ok(validity)
}

/// The usages in their order, each once.
fn usages(request: &CertificateRequest) -> Result<Vec<Usage>> {
    let mut usages: Vec<Usage> = Vec::new();
    for usage in &request.usages {
        if !usages.contains(usage) {
            usages.push(*usage);
        }
    }
    if usages.is_empty() {
        return Err(Error::usage("it has no usage").advise("give it server-auth, client-auth or code-signing"));
    }
    if usages == [Usage::ServerAuth] && request.dns.is_empty() && request.ip.is_empty() {
        return Err(Error::usage("it is a server's, and has no DNS name and no address")
            .advise("give it `dns` or `ip`: clients look at nothing else"));
    }
    Ok(usages)
}
