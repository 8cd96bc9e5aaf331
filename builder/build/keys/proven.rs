//! [`Proven`]: what certificates are known to be, since this program has just made them: nobody need prove it again.

use crate::digest::Digest;
use crate::error::Result;
use crate::pki::{Authority, Certificate, Issued};

/// Certificates that were issued here, by the SHA-256 of their files.
#[derive(Clone, Debug, Default)]
pub struct Proven {
    // Sorted when it is done: there are several for each machine.
    issued: Vec<Made>,
    // The public keys of the authorities, each with its file.
    signers: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Debug)]
struct Made {
    file: Short,
    // Of the file of its private key: it stays in memory, and a whole key cannot be guessed from it.
    key: Short,
    // Which of the signers.
    signer: u32,
}

/// The first half of a SHA-256: this program has made all of the files, and no two of them meet by chance.
type Short = [u8; 16];

fn short(digest: &Digest) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(&digest.as_bytes()[..16]);
    short
}

impl Proven {
    /// Notes a certificate that an authority has issued.
    pub(super) fn add(&mut self, issued: &Issued, by: &Authority) -> Result<()> {
        let signer = match self.signers.iter().position(|(file, _)| file == by.certificate_pem()) {
            Some(known) => known,
            None => {
                let certificates = Certificate::parse(by.certificate_pem().as_bytes())?;
                let key = certificates.first().map_or(&[][..], Certificate::public_key);
                self.signers.push((by.certificate_pem().to_owned(), key.to_vec()));
                self.signers.len() - 1
            }
        };
        let [file, key] = [&issued.certificate_pem, &*issued.key_pem].map(|pem| short(&Digest::of(pem.as_bytes())));
        // A little at a time: they are many, and what is beside them in memory then is much.
        if self.issued.len() == self.issued.capacity() {
            self.issued.reserve_exact(self.issued.len() / 8 + 64);
        }
        self.issued.push(Made { file, key, signer: signer as u32 });
        Ok(())
    }

    /// After the last was noted: what was not sorted is not found.
    pub(in crate::build) fn done(mut self) -> Proven {
        self.issued.sort_unstable_by_key(|made| made.file);
        self.issued.shrink_to_fit();
        self
    }

    fn of(&self, file: &Digest) -> Option<&Made> {
        self.issued.binary_search_by_key(&short(file), |made| made.file).ok().map(|at| &self.issued[at])
    }

    /// Whether the first certificate of a file with this SHA-256 was signed with this authority's key.
    pub fn is_signed(&self, file: &Digest, by: &Certificate) -> bool {
        self.of(file).is_some_and(|made| self.signers[made.signer as usize].1 == by.public_key())
    }

    /// Whether a file holds the private key of the first certificate of a file with this SHA-256.
    pub fn has_key(&self, file: &Digest, key: &[u8]) -> bool {
        self.of(file).is_some_and(|made| made.key == short(&Digest::of(key)))
    }
}
