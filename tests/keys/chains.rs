//! Authorities that other authorities sign, what their certificates allow, and what OpenSSL makes of the chains.

use mastermold::error::Class;
use mastermold::pki::{
    Algorithm, Authority, AuthorityRequest, CertificateRequest, KeyUsage, Scope, Seed, Subject, Usage, issue,
};

use super::Maker;

/// A second at which everything here is valid.
const WITHIN: u64 = 1_793_836_800;

fn seed() -> Seed {
    Seed::parse(b"mastermold-seed-1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n").unwrap()
}

fn request(name: &str, path_length: Option<u8>) -> AuthorityRequest {
    AuthorityRequest {
        name: name.into(),
        subject: Subject { cn: name.into(), ..Subject::default() },
        dns: vec![],
        key_usages: vec![],
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        days: 3650,
        serial: None,
        generation: 1,
        algorithm: Algorithm::EcdsaP256,
        path_length,
    }
}

fn derive(request: &AuthorityRequest, above: Option<&Authority>) -> mastermold::error::Result<Authority> {
    Authority::derive(&seed(), "prod", request, above)
}

fn leaf() -> CertificateRequest {
    CertificateRequest {
        name: "leaf".into(),
        subject: Subject { cn: "leaf".into(), ..Subject::default() },
        usages: vec![Usage::ServerAuth],
        key_usages: vec![],
        dns: vec!["a.example".into()],
        ip: vec![],
        uri: vec![],
        not_before: "2026-11-01T00:00:00Z".parse().unwrap(),
        days: 365,
        serial: None,
        algorithm: Algorithm::EcdsaP256,
        encoding: None,
    }
}

const SCOPE: Scope<'static> = Scope { cluster: "prod", node: None, generation: 1 };

/// How OpenSSL judges a leaf of this authority with these certificates between it and the root.
fn judged(root: &Authority, between: &str, certificate: &str) -> bool {
    let maker = Maker::new();
    maker.write("root", root.certificate_pem());
    maker.write("between", between);
    maker.write("leaf", certificate);
    let untrusted = if between.is_empty() { "" } else { "-untrusted between " };
    let output = maker
        .try_openssl(&format!("verify -x509_strict -purpose sslserver -attime {WITHIN} -CAfile root {untrusted}leaf"));
    output.status.success()
}

#[test]
fn three_authorities_of_three_kinds_verify() {
    let root = derive(&AuthorityRequest { algorithm: Algorithm::Ed25519, ..request("root", Some(2)) }, None).unwrap();
    let middle = AuthorityRequest { algorithm: Algorithm::EcdsaP384, ..request("middle", Some(1)) };
    let middle = derive(&middle, Some(&root)).unwrap();
    let low = derive(&request("low", Some(0)), Some(&middle)).unwrap();
    let issued = issue(&seed(), &SCOPE, &low, &leaf()).unwrap();

    let [root_pem, middle_pem, low_pem] = [&root, &middle, &low].map(Authority::certificate_pem);
    assert_eq!((root.chain_pem(), root.intermediates_pem()), (root_pem.to_owned(), String::new()));
    assert_eq!(middle.chain_pem(), format!("{middle_pem}{root_pem}"));
    assert_eq!(middle.intermediates_pem(), middle_pem);
    assert_eq!(low.chain_pem(), format!("{low_pem}{middle_pem}{root_pem}"));
    assert_eq!(low.intermediates_pem(), format!("{low_pem}{middle_pem}"));
    assert_eq!(issued.issuers_pem, low.chain_pem());
    assert!(issued.certificate_pem.ends_with(&low.intermediates_pem()));

    assert!(judged(&root, &low.intermediates_pem(), &issued.certificate_pem));
    // The judge can say no: a link that is missing, another root, a root that is between.
    assert!(!judged(&root, middle_pem, &issued.certificate_pem));
    assert!(!judged(&root, low_pem, &issued.certificate_pem));
    assert!(!judged(
        &derive(&request("root", Some(2)), None).unwrap(),
        &low.intermediates_pem(),
        &issued.certificate_pem
    ));

    // A key signs itself by its own certificate only: below another it is another certificate, with the same key.
    let own = derive(&request("low", Some(0)), None).unwrap();
    assert_ne!(own.certificate_pem(), low_pem);
    assert_eq!(*own.key_pem(None).unwrap(), *low.key_pem(None).unwrap());
}

/// What a path length allows below it, and that OpenSSL takes all of that.
#[test]
fn path_lengths_only_shrink() {
    for (above, below, fits) in [
        (None, None, true),
        (None, Some(0), true),
        (None, Some(255), true),
        (Some(0), None, false),
        (Some(0), Some(0), false),
        (Some(1), Some(0), true),
        (Some(1), Some(1), false),
        (Some(1), None, false),
        (Some(255), Some(254), true),
        (Some(255), Some(255), false),
    ] {
        let root = derive(&request("root", above), None).unwrap();
        match derive(&request("below", below), Some(&root)) {
            Ok(authority) => {
                assert!(fits, "{above:?} {below:?}");
                let issued = issue(&seed(), &SCOPE, &authority, &leaf()).unwrap();
                assert!(judged(&root, &authority.intermediates_pem(), &issued.certificate_pem), "{above:?} {below:?}");
            }
            Err(error) => {
                assert!(!fits, "{above:?} {below:?}: {error}");
                assert_eq!((error.class(), error.faults().len()), (Class::Usage, 1), "{error}");
                assert!(error.to_string().starts_with("the authority `below`: "), "{error}");
            }
        }
    }
}

#[test]
fn an_authority_stays_within_the_one_above() {
    let root = derive(&request("root", None), None).unwrap();
    for wrong in [
        AuthorityRequest { days: 3651, ..request("below", None) },
        AuthorityRequest { not_before: "2025-12-31T23:59:59Z".parse().unwrap(), days: 1, ..request("below", None) },
    ] {
        let error = derive(&wrong, Some(&root)).unwrap_err();
        assert!(error.class() == Class::Usage && error.to_string().contains("its authority at"), "{error}");
    }
    let error = derive(&AuthorityRequest { days: 3651, ..request("below", Some(1)) }, None).map(|_| ());
    assert!(error.is_ok(), "by itself it may last: {error:?}");
    let short = derive(&request("short", Some(0)), None).unwrap();
    let error = derive(&AuthorityRequest { days: 3651, ..request("below", None) }, Some(&short)).unwrap_err();
    assert_eq!(error.faults().len(), 2, "both at once: {error}");
}

/// Each key usage alone, in a leaf and in an authority: OpenSSL reads the bit that was meant, and no other.
#[test]
fn key_usages_are_the_bits_that_were_meant() {
    const NAMES: [(KeyUsage, &str, &str); 7] = [
        (KeyUsage::DigitalSignature, "digital-signature", "Digital Signature"),
        (KeyUsage::ContentCommitment, "content-commitment", "Non Repudiation"),
        (KeyUsage::KeyEncipherment, "key-encipherment", "Key Encipherment"),
        (KeyUsage::DataEncipherment, "data-encipherment", "Data Encipherment"),
        (KeyUsage::KeyAgreement, "key-agreement", "Key Agreement"),
        (KeyUsage::CertSign, "cert-sign", "Certificate Sign"),
        (KeyUsage::CrlSign, "crl-sign", "CRL Sign"),
    ];
    let root = derive(&request("root", None), None).unwrap();
    let maker = Maker::new();
    let read = |pem: &str| {
        maker.write("c", pem);
        let text = maker.openssl("x509 -in c -noout -ext keyUsage");
        text.lines().last().unwrap().trim().to_owned()
    };
    for (usage, name, shown) in NAMES {
        assert_eq!(name.parse::<KeyUsage>().unwrap(), usage);
        let asked = CertificateRequest { key_usages: vec![usage, usage], ..leaf() };
        match issue(&seed(), &SCOPE, &root, &asked) {
            Ok(issued) => assert_eq!(read(&issued.certificate_pem), shown),
            Err(error) => {
                assert_eq!(usage, KeyUsage::CertSign, "{error}");
                assert!(error.class() == Class::Usage && error.to_string().contains("[[authorities]]"), "{error}");
            }
        }
        let asked = AuthorityRequest { key_usages: vec![usage], ..request("a", None) };
        match derive(&asked, None) {
            Ok(authority) => assert_eq!((usage, read(authority.certificate_pem())), (KeyUsage::CertSign, shown.into())),
            Err(error) => assert!(usage != KeyUsage::CertSign && error.to_string().contains("cert-sign"), "{error}"),
        }
    }
    let all = AuthorityRequest { key_usages: NAMES.map(|(usage, ..)| usage).to_vec(), ..request("a", None) };
    let shown = NAMES.map(|(.., shown)| shown).join(", ");
    assert_eq!(read(derive(&all, None).unwrap().certificate_pem()), shown);
}

#[test]
fn serial_numbers_are_those_that_were_asked_for_or_hashes() {
    let root = derive(&request("root", None), None).unwrap();
    let maker = Maker::new();
    let read = |pem: &str| {
        maker.write("c", pem);
        maker.openssl("x509 -in c -noout -serial").trim().trim_start_matches("serial=").to_owned()
    };
    for serial in ["01", "7F", "7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "0102"] {
        let asked = CertificateRequest { serial: Some(serial.parse().unwrap()), ..leaf() };
        assert_eq!(read(&issue(&seed(), &SCOPE, &root, &asked).unwrap().certificate_pem), serial);
        let asked = AuthorityRequest { serial: Some(serial.parse().unwrap()), ..request("a", None) };
        assert_eq!(read(derive(&asked, None).unwrap().certificate_pem()), serial);
    }
    // Whatever a certificate says changes it, and nothing else does.
    let issued = |asked: &CertificateRequest| read(&issue(&seed(), &SCOPE, &root, asked).unwrap().certificate_pem);
    let mut found = vec![issued(&leaf())];
    assert_eq!(found[0], issued(&leaf()));
    for changed in [
        CertificateRequest { name: "other".into(), ..leaf() },
        CertificateRequest { subject: Subject { cn: "other".into(), ..Subject::default() }, ..leaf() },
        CertificateRequest { usages: vec![Usage::ServerAuth, Usage::ClientAuth], ..leaf() },
        CertificateRequest { key_usages: vec![KeyUsage::DigitalSignature], ..leaf() },
        CertificateRequest { dns: vec!["b.example".into()], ..leaf() },
        CertificateRequest { ip: vec!["10.0.0.1".parse().unwrap()], ..leaf() },
        CertificateRequest { uri: vec!["urn:a".into()], ..leaf() },
        CertificateRequest { not_before: "2026-11-01T00:00:01Z".parse().unwrap(), ..leaf() },
        CertificateRequest { days: 364, ..leaf() },
        CertificateRequest { algorithm: Algorithm::EcdsaP384, ..leaf() },
    ] {
        found.push(issued(&changed));
    }
    let other = derive(&request("other", None), None).unwrap();
    found.push(read(&issue(&seed(), &SCOPE, &other, &leaf()).unwrap().certificate_pem));
    let count = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), count);
    assert!(found.iter().all(|serial| serial.len() == 32 && matches!(serial.as_bytes()[0], b'4'..=b'7')), "{found:?}");
}
