//! [`Proven`]: what certificates are known to be, since this program has just made them: nobody need prove it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::Result;
use crate::pki::{Authority, Certificate, Issued};

/// Certificates that were issued here, by the SHA-256 of their files.
#[derive(Clone, Debug, Default)]
pub struct Proven {
    issued: BTreeMap<Digest, Made>,
    // The public keys of the authorities, by their files.
    keys: BTreeMap<String, Arc<[u8]>>,
}

#[derive(Clone, Debug)]
struct Made {
    signer: Arc<[u8]>,
    // Of the file of its private key: it stays in memory, and a whole key cannot be guessed from it.
    key: Digest,
}

impl Proven {
    /// Notes a certificate that an authority has issued.
    pub(super) fn add(&mut self, issued: &Issued, by: &Authority) -> Result<()> {
        let signer = match self.keys.get(by.certificate_pem()) {
            Some(key) => key.clone(),
            None => {
                let certificates = Certificate::parse(by.certificate_pem().as_bytes())?;
                let key: Arc<[u8]> = certificates.first().map_or(&[][..], Certificate::public_key).into();
                self.keys.insert(by.certificate_pem().to_owned(), key.clone());
                key
            }
        };
        let made = Made { signer, key: Digest::of(issued.key_pem.as_bytes()) };
        self.issued.insert(Digest::of(issued.certificate_pem.as_bytes()), made);
        Ok(())
    }

    /// Whether the first certificate of a file with this SHA-256 was signed with this authority's key.
    pub fn is_signed(&self, file: &Digest, by: &Certificate) -> bool {
        self.issued.get(file).is_some_and(|made| *made.signer == *by.public_key())
    }

    /// Whether a file holds the private key of the first certificate of a file with this SHA-256.
    pub fn has_key(&self, file: &Digest, key: &[u8]) -> bool {
        self.issued.get(file).is_some_and(|made| made.key == Digest::of(key))
    }
}
