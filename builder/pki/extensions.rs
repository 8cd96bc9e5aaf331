//! What the extensions of a certificate say (RFC 5280, 4.2).

use std::net::IpAddr;

use der::Decode;
use der::asn1::ObjectIdentifier;
use der::oid::AssociatedOid;
use x509_cert::TbsCertificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier,
};

use super::certificate::malformed;
use super::request::Usage;
use crate::error::Result;

/// What its extensions say (RFC 5280, 4.2).
#[derive(Clone, Default)]
pub(super) struct Extensions {
    pub(super) dns: Vec<String>,
    pub(super) ip: Vec<IpAddr>,
    pub(super) uri: Vec<String>,
    pub(super) usages: Vec<Usage>,
    pub(super) other_usages: Vec<String>,
    pub(super) authority: bool,
    pub(super) path_length: Option<u8>,
    pub(super) signs_certificates: Option<bool>,
    pub(super) signs_data: Option<bool>,
    pub(super) key_id: Option<Vec<u8>>,
    pub(super) authority_key_id: Option<Vec<u8>>,
}

impl Extensions {
    pub(super) fn of(body: &TbsCertificate) -> Result<Extensions> {
        let mut found = Extensions::default();
        found.names(extension::<SubjectAltName>(body, "alternative names")?)?;
        found.usages(extension::<ExtendedKeyUsage>(body, "extended key usage")?);
        if let Some(constraints) = extension::<BasicConstraints>(body, "basic constraints")? {
            found.authority = constraints.ca;
            found.path_length = constraints.path_len_constraint;
        }
        let usage = extension::<KeyUsage>(body, "key usage")?;
        found.signs_certificates = usage.as_ref().map(KeyUsage::key_cert_sign);
        found.signs_data = usage.as_ref().map(KeyUsage::digital_signature);
        let own = extension::<SubjectKeyIdentifier>(body, "subject key identifier")?;
        found.key_id = own.map(|id| id.0.as_bytes().to_vec());
        let signer = extension::<AuthorityKeyIdentifier>(body, "authority key identifier")?;
        found.authority_key_id = signer.and_then(|id| Some(id.key_identifier?.as_bytes().to_vec()));
        Ok(found)
    }

    fn names(&mut self, names: Option<SubjectAltName>) -> Result<()> {
        for name in names.map(|names| names.0).unwrap_or_default() {
            match name {
                GeneralName::DnsName(name) => self.dns.push(name.to_string()),
                GeneralName::UniformResourceIdentifier(uri) => self.uri.push(uri.to_string()),
                GeneralName::IpAddress(bytes) => self.ip.push(address(bytes.as_bytes())?),
                // Mail addresses, directory names and their kin name no machine.
                _ => {}
            }
        }
        Ok(())
    }

    fn usages(&mut self, usages: Option<ExtendedKeyUsage>) {
        for oid in usages.map(|usages| usages.0).unwrap_or_default() {
            match usage(oid) {
                Some(usage) => self.usages.push(usage),
                None => self.other_usages.push(oid.to_string()),
            }
        }
    }
}

/// The extension, if it is there, once.
fn extension<'a, T>(body: &'a TbsCertificate, what: &str) -> Result<Option<T>>
where
    T: Decode<'a, Error = der::Error> + AssociatedOid,
{
    let found = body.get_extension::<T>().map_err(|error| malformed(format!("its {what}: {error}")))?;
    Ok(found.map(|(_, value)| value))
}

/// RFC 5280, 4.2.1.12.
fn usage(oid: ObjectIdentifier) -> Option<Usage> {
    match oid.to_string().strip_prefix("1.3.6.1.5.5.7.3.")? {
        "1" => Some(Usage::ServerAuth),
        "2" => Some(Usage::ClientAuth),
        "3" => Some(Usage::CodeSigning),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Result<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.map_err(|_| malformed(format!("it has an address of {} bytes", bytes.len())))
}
