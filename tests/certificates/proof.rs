//! Who signed a certificate: what counts, and what is refused with which words.

use mastermold::error::Class;
use mastermold::pki::Certificate;

use super::reading::*;

#[test]
fn every_kind_of_key_and_digest_that_is_trusted_verifies() {
    let maker = Maker::new();
    for (name, key, digests) in [
        ("p256", P256, &["sha256", "sha384", "sha512"][..]),
        ("p384", P384, &["sha256", "sha384", "sha512"]),
        ("rsa", RSA, &["sha256", "sha384", "sha512"]),
        ("ed25519", ED25519, &["default"]),
    ] {
        for digest in digests {
            let subject = format!("/O=of~many/CN={name}");
            let authority = maker.make(name, &Wanted { key, digest, subject: &subject, ..Default::default() });
            let leaf = maker.make("leaf", &Wanted { by: Some(name), digest, extensions: LEAF, ..Default::default() });
            authority.check_issued_by(&authority).unwrap();
            leaf.check_issued_by(&authority).unwrap();
            // One bit of each: of what is signed, and of the signature.
            for at in [leaf.der().len() - 1, leaf.der().len() - 10] {
                let mut der = leaf.der().to_vec();
                der[at] ^= 1;
                let changed = Certificate::from_der(&der).unwrap();
                let error = changed.check_issued_by(&authority).unwrap_err();
                assert!(error.to_string().contains("is not by the key of"), "{error}");
            }
            let mut der = leaf.der().to_vec();
            let at = der.windows(4).position(|bytes| bytes == b"3601").unwrap();
            der[at + 1] = b'7';
            let error = Certificate::from_der(&der).unwrap().check_issued_by(&authority).unwrap_err();
            assert!(error.to_string().contains("is not by the key of"), "{error}");
        }
    }
}

/// What `leaf` is told about `authority`: one line, of trust.
fn refused(leaf: &Certificate, authority: &Certificate) -> String {
    let error = leaf.check_issued_by(authority).unwrap_err();
    assert_eq!((error.class(), error.to_string().lines().count()), (Class::Trust, 1), "{error}");
    error.to_string()
}

#[test]
fn every_other_kind_is_refused_by_its_name() {
    let maker = Maker::new();
    let small = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024";
    let pss = "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048";
    let secp = "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1";
    for (name, key, digest, says) in [
        ("small", small, "sha256", "the key of `CN=a` is RSA 1024, which is not trusted; it takes ECDSA"),
        ("p521", P521, "sha256", "the key of `CN=a` is ECDSA P-521"),
        ("secp", secp, "sha256", "the key of `CN=a` is ECDSA secp256k1"),
        ("ed448", "-algorithm ED448", "default", "is signed with Ed448, which"),
        ("pss", pss, "sha256", "is signed with RSA-PSS, which"),
        ("sha1", P256, "sha1", "is signed with ECDSA with SHA-1, which"),
        ("rsa1", RSA, "sha1", "is signed with RSA with SHA-1, which"),
        ("md5", RSA, "md5", "is signed with RSA with MD5, which"),
        ("sha224", RSA, "sha224", "is signed with the algorithm 1.2.840.113549.1.1.14, which"),
    ] {
        let certificate = maker.make(name, &Wanted { key, digest, ..Default::default() });
        let text = refused(&certificate, &certificate);
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn another_issuer_is_refused_with_the_reason() {
    let maker = Maker::new();
    let authority = maker.make("ca", &Wanted { subject: "/CN=ca", ..Default::default() });
    let same_name = maker.make("ca2", &Wanted { subject: "/CN=ca", ..Default::default() });
    let without_id = AUTHORITY.replace("\nsubjectKeyIdentifier=hash", "\nsubjectKeyIdentifier=none");
    let nameless = maker.make("ca3", &Wanted { subject: "/CN=ca", extensions: &without_id, ..Default::default() });
    let other = maker.make("other", &Wanted { subject: "/CN=other", ..Default::default() });
    let signed = |name: &str, by: &str, extensions: &str| {
        maker.make(name, &Wanted { by: Some(by), subject: "/CN=leaf", extensions, ..Default::default() })
    };
    let leaf = signed("leaf", "ca", LEAF);
    leaf.check_issued_by(&authority).unwrap();
    assert!(refused(&leaf, &other).contains("the certificate of `CN=leaf` was issued by `CN=ca`, not by `CN=other`;"));
    assert!(refused(&leaf, &same_name).contains("was issued with the key "));
    assert!(refused(&leaf, &nameless).contains("is not by the key of `CN=ca`"));
    assert!(refused(&signed("x", "leaf", LEAF), &leaf).contains("`CN=leaf` is not an authority's"));
    let extensions = "basicConstraints=CA:TRUE\nkeyUsage=cRLSign";
    let crl = maker.make("crl", &Wanted { subject: "/CN=crl", extensions, ..Default::default() });
    assert!(refused(&signed("y", "crl", "basicConstraints=CA:FALSE"), &crl).contains("lacks keyCertSign"));
    let extensions = "basicConstraints=CA:TRUE,pathlen:0";
    let last = maker.make("last", &Wanted { subject: "/CN=last", extensions, ..Default::default() });
    last.check_issued_by(&last).unwrap();
    signed("z", "last", "basicConstraints=CA:FALSE").check_issued_by(&last).unwrap();
    assert!(refused(&signed("below", "last", "basicConstraints=CA:TRUE"), &last).contains("pathlen:0"));
}

/// The same letters in a PrintableString and a UTF8String are two names: chains that OpenSSL builds need equal bytes.
#[test]
fn a_name_in_other_bytes_is_another_name() {
    let maker = Maker::new();
    let one = maker.make("one", &Wanted { subject: "/CN=ca", ..Default::default() });
    let config = String::from_utf8(maker.read("ca.cnf")).unwrap().replace("utf8only", "default");
    maker.write("ca.cnf", config);
    let two = maker.make("two", &Wanted { subject: "/CN=ca", ..Default::default() });
    assert_eq!(one.subject(), two.subject());
    assert!(refused(&one, &two).contains("`CN=ca`, not by `CN=ca`, written in other bytes"));
}

/// The algorithm is named outside of what is signed too, and nobody vouches for that name.
#[test]
fn a_certificate_of_two_algorithms_is_none() {
    let maker = Maker::new();
    let mut der = maker.make("a", &Wanted::default()).der().to_vec();
    // ecdsa-with-SHA256, the last time: the name outside.
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let at = der.windows(8).rposition(|bytes| bytes == oid).unwrap();
    der[at + 7] = 3;
    let error = Certificate::from_der(&der).unwrap_err();
    assert!(error.to_string().contains("two signature algorithms"), "{error}");
}
