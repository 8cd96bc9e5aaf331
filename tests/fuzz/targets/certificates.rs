//! Certificates, keys and seeds that somebody gives.

use std::sync::LazyLock;

use mastermold::build::leak;
use mastermold::pki::{Authority, Certificate, Identities, PrivateKey, Protection, PublicKey, Recipient, Seed};

/// Certificates in DER, in PEM and anywhere in a file.
pub fn certificate(data: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(data) {
        assert_eq!(certificate.der(), data);
        let pem = certificate.pem().unwrap();
        assert_eq!(Certificate::parse(pem.as_bytes()).unwrap(), [certificate.clone()]);
        assert_eq!(Certificate::find(pem.as_bytes()), [certificate.clone()]);
        let _ = Authority::import("ca", &[certificate.clone()], None);
        let _ = certificate.check_issued_by(&certificate);
    }
    if let Ok(all) = Certificate::parse(data) {
        assert!(!all.is_empty());
        // What the strict reader takes the lenient one finds.
        let found = Certificate::find(data);
        assert!(all.iter().all(|one| found.contains(one)));
        let _ = Authority::import("ca", &all, None);
    }
    Certificate::find_all(data);
}

/// Keys in PEM, and what looks like one.
pub fn key(data: &[u8]) {
    let _ = leak::recognise(data);
    let _ = leak::fetched::find(&mut &data[..], data.len() as u64).unwrap();
    if let Ok(key) = PublicKey::parse(data) {
        assert!(!key.der().is_empty());
    }
    if let Ok(key) = PrivateKey::parse(data) {
        assert!(!key.public().unwrap().der().is_empty());
    }
}

/// `age-keygen` made it for this.
const IDENTITY: &[u8] = include_bytes!("../known.identity");
static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| Identities::parse(IDENTITY).unwrap());

/// A seed's file, plain or encrypted with age, and the files of identities and recipients. No passphrase is given, so
/// that no input can ask for scrypt.
pub fn seed(data: &[u8]) {
    if let Ok(seed) = Seed::parse(data) {
        assert_eq!(Seed::parse(seed.to_text().as_bytes()).unwrap().fingerprint(), seed.fingerprint());
    }
    let _ = Protection::of(data);
    let _ = IDENTITIES.open(data);
    let _ = Identities::parse(data);
    if let Ok(recipients) = Recipient::parse_list(data) {
        assert!(!recipients.is_empty());
    }
}
