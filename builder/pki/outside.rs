//! Authorities that are not ours: imported ones, whose key is here, and outside ones, whose key is elsewhere: they get
//! requests (PKCS #10, RFC 2986) and give certificates, which are checked before they are believed.

use der::pem::LineEnding;

use super::authority::Authority;
use super::certificate::Certificate;
use super::draft;
use super::issue::{CertificateRequest, Issued};
use super::key::PrivateKey;
use super::name;
use super::request::{Usage, Validity, addresses};
use super::seed::{Scope, Seed};
use crate::error::{Error, Faults, Result};

impl Authority {
    /// An authority by its certificate, those above it in their order, and its key if it is here.
    pub fn import(name: &str, certificates: &[Certificate], key: Option<PrivateKey>) -> Result<Authority> {
        let Some((own, above)) = certificates.split_first() else { return Err(Error::bug("no certificate")) };
        let mut faults = Faults::new();
        if !own.is_authority() {
            faults.push(
                Error::usage(format!("the certificate of {} is no authority's (CA:FALSE)", own.subject()))
                    .advise("give the certificate of the authority first, then those above it"),
            );
        }
        if own.signs_certificates() == Some(false) {
            let message = format!("the key of the certificate of {} may not sign certificates", own.subject());
            faults
                .push(Error::usage(message).advise("take an authority's certificate, with the key usage keyCertSign"));
        }
        if let Some(key) = &key
            && own.public_key() != key.public()?.der()
        {
            faults.push(
                Error::usage(format!("the key is not the one of the certificate of {}", own.subject()))
                    .advise("compare: openssl x509 -in CERT -noout -pubkey; openssl pkey -in KEY -pubout"),
            );
        }
        for (below, above) in certificates.iter().zip(above) {
            faults.note(below.check_issued_by(above));
        }
        // That nothing above it is given is its owner's choice: it is then what is trusted.
        if own.is_authority() && own.subject_der() == own.issuer_der() {
            faults.note(own.check_issued_by(own));
        }
        faults.finish(())?;
        let key_id = match (own.key_id(), &key) {
            (Some(id), _) => id.to_vec(),
            (None, Some(key)) => draft::key_id(key)?,
            (None, None) => Vec::new(),
        };
        Ok(Authority {
            name: name.to_owned(),
            certificate_pem: own.pem()?,
            above: above.iter().map(Certificate::pem).collect::<Result<_>>()?,
            subject: own.subject_der().to_vec(),
            key_id,
            validity: Validity { not_before: own.not_before(), not_after: own.not_after() },
            path_length: own.path_length(),
            key,
            foreign: Some(own.clone()),
        })
    }
}

/// The request for a certificate of an outside authority, `CERTIFICATE REQUEST`.
pub fn request(seed: &Seed, scope: &Scope<'_>, request: &CertificateRequest) -> Result<String> {
    let make = || {
        let key = request.key(seed, scope)?;
        let subject = name::encode(&request.subject)?;
        let der = request.draft(&subject)?.request(&key)?;
        der::pem::encode_string("CERTIFICATE REQUEST", LineEnding::LF, &der)
            .map_err(|_| Error::bug("writing a request as PEM"))
    };
    make().map_err(|error: Error| error.context(format!("the request `{}`", request.name)))
}

/// What an outside authority issued, checked against what was asked: it has our key, our names and usages, and the
/// authority vouches for it. `file` is its certificate in PEM, followed by the authorities between it and the
/// authority.
pub fn accept(
    seed: &Seed,
    scope: &Scope<'_>,
    authority: &Authority,
    request: &CertificateRequest,
    file: &[u8],
) -> Result<Issued> {
    let key = request.key(seed, scope)?;
    let mut certificates = Certificate::parse(file)?;
    let Some(anchor) = &authority.foreign else { return Err(Error::bug("an authority without a certificate")) };
    // Some authorities give their own certificate along.
    certificates.retain(|certificate| certificate != anchor);
    let Some((leaf, between)) = certificates.split_first() else {
        return Err(Error::usage("it holds the authority's certificate, and not the one that was asked for"));
    };
    let mut faults = Faults::new();
    if leaf.public_key() != key.public()?.der() {
        let message = "its key is not the one that was asked for";
        faults.push(Error::usage(message).advise("was it issued for another request, seed or generation?"));
    }
    for (below, above) in certificates.iter().zip(between.iter().chain([anchor])) {
        faults.note(below.check_issued_by(above));
    }
    check_asked(leaf, request, &mut faults);
    faults.finish(())?;
    let sent = certificates.iter().map(Certificate::pem).collect::<Result<String>>()?;
    let between = between.iter().map(Certificate::pem).collect::<Result<String>>()?;
    Ok(Issued {
        certificate_pem: sent + &authority.intermediates_pem(),
        issuers_pem: between + &authority.chain_pem(),
        key_pem: request.key_pem(&key)?,
    })
}

/// Subject, names and usages: what is missing does not work, and what nobody asked for lets it pass for something else.
fn check_asked(leaf: &Certificate, request: &CertificateRequest, faults: &mut Faults) {
    if leaf.is_authority() {
        faults.push(Error::usage("it is an authority's (CA:TRUE)").advise("have it issued as a leaf certificate"));
    }
    let cn = &request.subject.cn;
    compare("CN", std::slice::from_ref(cn), &leaf.subject().cn.clone().into_iter().collect::<Vec<_>>(), faults);
    compare("organizations", &request.subject.o, &leaf.subject().o, faults);
    // Many authorities repeat the CN among the names, which gives it away to nobody else.
    let dns: Vec<String> =
        leaf.dns().iter().filter(|name| request.dns.contains(name) || *name != cn).cloned().collect();
    compare("DNS names", &request.dns, &dns, faults);
    compare("addresses", &addresses(&request.ip), leaf.ip(), faults);
    compare("URIs", &request.uri, leaf.uri(), faults);
    let usages = |usages: &[Usage]| usages.iter().map(ToString::to_string).collect::<Vec<_>>();
    let others = leaf.other_usages().iter().cloned();
    let has: Vec<String> = usages(leaf.usages()).into_iter().chain(others).collect();
    compare("usages", &usages(&request.usages), &has, faults);
}

fn compare<T: Ord + ToString>(what: &str, asked: &[T], has: &[T], faults: &mut Faults) {
    let list =
        |values: &[T]| -> std::collections::BTreeSet<String> { values.iter().map(ToString::to_string).collect() };
    let (asked, has) = (list(asked), list(has));
    let show = |names: Vec<&String>| names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (missing, extra) = (show(asked.difference(&has).collect()), show(has.difference(&asked).collect()));
    if !missing.is_empty() {
        let message = format!("of the {what} that were asked for it lacks {}", crate::error::visible(&missing));
        faults.push(Error::usage(message).advise("have it issued with all that the request has"));
    }
    if !extra.is_empty() {
        let message = format!("among its {what} are some that nobody asked for: {}", crate::error::visible(&extra));
        faults.push(Error::usage(message).advise("have it issued with what the request has, and no more"));
    }
}
