//! Certificates that work, and that nobody should take.

use super::finding::{Findings, Spot};
use super::rule::{Rule, Severity};
use super::subject::{Certified, Whole};
use crate::pki::{Certificate, Usage};
use crate::tree::Secrecy;

/// The fewest bits of an RSA key (NIST SP 800-131A, 2).
const LEAST_RSA: usize = 2048;

/// A key or signature that can be forged.
pub const CERTIFICATE_WEAK: Rule = Rule {
    id: "certificate-weak",
    severity: Severity::Warning,
    finds: "a certificate with a short key, or signed by way of SHA-1 or MD5",
    fate: "programs of today refuse it, and it can be forged",
    remedy: "have it issued anew, with ECDSA or RSA of 2048 bits and SHA-256",
};
/// A server that has only a common name.
pub const CERTIFICATE_NAMELESS: Rule = Rule {
    id: "certificate-nameless",
    severity: Severity::Warning,
    finds: "a server's certificate that has no name and no address but its common name",
    fate: "clients refuse the server: the certificate relies on legacy Common Name field, use SANs instead",
    remedy: "give it the names (`dns`) and addresses (`ip`) by which it is asked",
};

/// All rules.
pub const RULES: &[Rule] = &[CERTIFICATE_WEAK, CERTIFICATE_NAMELESS];

/// Looks at every file of the bundle that is no secret.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    for Certified { path, entry, bytes, certificates } in &machine.certified {
        if entry.secrecy == Secrecy::Public && is_pem(bytes) {
            let spot = Spot { machine, path, line: None };
            certificates.iter().for_each(|certificate| look(certificate, spot, findings));
        }
    }
}

/// What else has a certificate in it is a document about one.
fn is_pem(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN CERTIFICATE-----")
}

fn look(certificate: &Certificate, spot: Spot<'_>, findings: &mut Findings) {
    let whose = || format!("the certificate of {} in {}", certificate.subject(), spot.path);
    let key = certificate.key_kind();
    let short =
        key.strip_prefix("RSA ").and_then(|bits| bits.parse::<usize>().ok()).is_some_and(|bits| bits < LEAST_RSA);
    // Nobody looks at the signature by which an authority vouches for itself.
    let signature = certificate.signature_kind();
    let own = certificate.subject_der() == certificate.issuer_der();
    let old = !own && (signature.ends_with("SHA-1") || signature.ends_with("MD5"));
    for (_, what) in [(short, format!("has a key of {key}")), (old, format!("is signed by {signature}"))]
        .iter()
        .filter(|(is, _)| *is)
    {
        findings.add(&CERTIFICATE_WEAK, spot, format!("{} {what}", whose()));
    }
    let has_names = !certificate.dns().is_empty() || !certificate.ip().is_empty() || !certificate.uri().is_empty();
    let serves = certificate.usages().contains(&Usage::ServerAuth) && !certificate.is_authority();
    if serves && !has_names {
        findings.add(&CERTIFICATE_NAMELESS, spot, format!("{} has no names", whose()));
    }
}
