//! Signatures of boot files, with OpenSSL as the maker and the judge: what it makes is what we make, and of all that it
//! can make one form is taken. (What iPXE says of them is told by tests/e2e/code-signing.)
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "support/maker.rs"]
mod maker;

use maker::{AUTHORITY, LEAF, Maker, P256, P521, RSA, Wanted};
use mastermold::digest::Digest;
use mastermold::epoch::Epoch;
use mastermold::error::Error;
use mastermold::pki::{
    Algorithm, Authority, AuthorityRequest, Certificate, CmsSigner, CodeSigner, CodeSigningRequest, KeyEncoding,
    PrivateKey, PublicKey, Seed, Subject, Term, cms,
};

const SIGNER: &str = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning";
const BELOW: &str = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign";
const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
const ED25519: &str = "-algorithm ED25519";
const FILE: &[u8] = b"a kernel\0\x01\xff\r\n";

fn time(text: &str) -> Epoch {
    text.parse().unwrap()
}

fn term(at: &str) -> Term {
    Term { at: time(at), least: Default::default() }
}

/// A signer `s` of a kind, by `ca` with nothing between.
fn made(key: &str) -> Maker {
    let maker = Maker::new();
    maker.openssl_makes("ca", &Wanted { key: RSA, subject: "/CN=ca", ..Wanted::default() });
    maker.openssl_makes(
        "s",
        &Wanted { key, subject: "/CN=signer", by: Some("ca"), extensions: SIGNER, ..Wanted::default() },
    );
    maker.write("file", FILE);
    maker
}

fn chain(maker: &Maker, names: &str) -> Vec<u8> {
    names.split(' ').flat_map(|name| maker.read(&format!("{name}.crt"))).collect()
}

fn signer(maker: &Maker, names: &str) -> Result<CodeSigner, Error> {
    let key = names.split(' ').next().unwrap();
    CodeSigner::parse(&maker.read(&format!("{key}.key")), &chain(maker, names))
}

fn verify(maker: &Maker, der: &[u8], authorities: &str) -> Result<CmsSigner, Error> {
    verify_at(maker, der, authorities, "2026-11-01T00:00:00Z")
}

fn verify_at(maker: &Maker, der: &[u8], authorities: &str, at: &str) -> Result<CmsSigner, Error> {
    let authorities = Certificate::parse(&chain(maker, authorities)).unwrap();
    cms::verify(der, &Digest::of(FILE), &authorities, &term(at))
}

/// What OpenSSL makes, with these flags besides.
fn openssls(maker: &Maker, flags: &str) -> Vec<u8> {
    maker.openssl(&format!("cms -sign -binary -in file -signer s.crt -inkey s.key -outform DER -out its {flags}"));
    maker.read("its")
}

fn refused(result: Result<CmsSigner, Error>, why: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.class().code(), 4, "{error}");
    assert!(error.to_string().contains(why) && error.to_string().lines().count() == 1, "{why}: {error}");
}

#[test]
fn with_rsa_our_bytes_are_openssls() {
    let maker = made("-algorithm RSA -pkeyopt rsa_keygen_bits:3072");
    let its = openssls(&maker, "-noattr -md sha256 -certfile ca.crt");
    let signer = signer(&maker, "s ca").unwrap();
    assert_eq!(signer.sign(&Digest::of(FILE)).unwrap(), its);
    let verified = verify(&maker, &its, "ca").unwrap();
    assert_eq!((verified.subject().as_str(), verified.chain.len()), ("CN=signer", 2));
    // Three certificates, in whatever order their bytes have.
    maker.openssl_makes(
        "below",
        &Wanted { key: RSA, subject: "/CN=below", by: Some("ca"), extensions: BELOW, ..Wanted::default() },
    );
    maker.openssl_makes(
        "s",
        &Wanted { key: RSA, subject: "/CN=signer~2", by: Some("below"), extensions: SIGNER, ..Wanted::default() },
    );
    maker.write("both.pem", chain(&maker, "below ca"));
    let its = openssls(&maker, "-noattr -md sha256 -certfile both.pem");
    assert_eq!(self::signer(&maker, "s below ca").unwrap().sign(&Digest::of(FILE)).unwrap(), its);
    // Whichever of the two is trusted.
    for trusted in ["ca", "below", "below ca"] {
        assert_eq!(verify(&maker, &its, trusted).unwrap().chain.len(), 3, "{trusted}");
    }
}

#[test]
fn with_ecdsa_each_takes_the_others() {
    let maker = made(P256);
    let signer = signer(&maker, "s ca").unwrap();
    let ours = signer.sign(&Digest::of(FILE)).unwrap();
    assert_eq!(ours, signer.sign(&Digest::of(FILE)).unwrap());
    verify(&maker, &openssls(&maker, "-noattr -md sha256 -certfile ca.crt"), "ca").unwrap();
    maker.write("ours", &ours);
    let judged = "cms -verify -binary -inform DER -in ours -content file -CAfile ca.crt -purpose any -out /dev/null";
    maker.openssl(judged);
    maker.write("file", b"another");
    assert!(!maker.try_openssl(judged).status.success());
}

#[test]
fn every_flipped_byte_is_noticed() {
    for key in [RSA, P256] {
        let maker = made(key);
        let der = signer(&maker, "s ca").unwrap().sign(&Digest::of(FILE)).unwrap();
        let authorities = Certificate::parse(&maker.read("ca.crt")).unwrap();
        let verify = |der: &[u8]| cms::verify(der, &Digest::of(FILE), &authorities, &term("2026-11-01T00:00:00Z"));
        for at in 0..der.len() {
            for bit in [0x01, 0x80] {
                let mut bad = der.clone();
                bad[at] ^= bit;
                let error = verify(&bad).unwrap_err();
                assert_eq!(error.class().code(), 4, "byte {at} by {bit:02x}: {error}");
            }
        }
        for length in 0..der.len() {
            assert_eq!(verify(&der[..length]).unwrap_err().class().code(), 4, "cut at {length}");
        }
        refused(verify(&[&der[..], &[0]].concat()), "is not built");
        refused(verify(&[&der[..], &der].concat()), "is not built");
        refused(verify(&vec![0x30; 70_000]), "70000 bytes");
        refused(
            cms::verify(&der, &Digest::of(b"other"), &authorities, &term("2026-11-01T00:00:00Z")),
            "is not one of this file",
        );
    }
}

#[test]
fn of_what_openssl_can_make_one_form_is_taken() {
    let maker = made(RSA);
    maker.openssl_makes(
        "more",
        &Wanted { key: RSA, subject: "/CN=more", by: Some("ca"), extensions: SIGNER, ..Wanted::default() },
    );
    maker.openssl_makes("root", &Wanted { key: RSA, subject: "/CN=root", ..Wanted::default() });
    maker.write("too-many.pem", chain(&maker, "ca root"));
    maker.write("two.pem", chain(&maker, "ca more"));
    verify(&maker, &openssls(&maker, "-noattr -certfile ca.crt"), "ca").unwrap();
    let shape = "openssl cms -sign";
    for (flags, why) in [
        ("-certfile ca.crt", "not built"),
        ("-noattr -certfile ca.crt -md sha512", shape),
        ("-noattr -certfile ca.crt -nodetach", shape),
        ("-noattr -certfile ca.crt -keyid", "is not built"),
        ("-noattr -certfile ca.crt -keyopt rsa_padding_mode:pss", shape),
        ("-noattr -certfile ca.crt -signer more.crt -inkey more.key", "not built"),
        ("-noattr -certfile ca.crt -nocerts", "the certificate of its signer is not in it"),
        ("-noattr", "without the authority above it"),
        ("-noattr -certfile too-many.pem", "`CN=root` in it is not the signer's or above it"),
        ("-noattr -certfile two.pem", "`CN=more` in it is not the signer's or above it"),
        ("-noattr -certfile ca.crt -outform PEM", "not built"),
        ("-noattr -certfile ca.crt -outform SMIME", "not built"),
    ] {
        let error = verify(&maker, &openssls(&maker, flags), "ca").unwrap_err();
        assert!(error.class().code() == 4 && error.to_string().contains(why), "{flags}: {error}");
    }
}

#[test]
fn a_certificate_that_may_not_sign_is_refused() {
    let lacks = "lacks the key usage digitalSignature or the usage codeSigning";
    for (extensions, why) in [
        (LEAF, lacks),
        ("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature", lacks),
        (
            "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,emailProtection",
            lacks,
        ),
        ("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=anyExtendedKeyUsage", lacks),
        ("basicConstraints=CA:FALSE\nkeyUsage=critical,keyEncipherment\nextendedKeyUsage=codeSigning", lacks),
        ("basicConstraints=CA:FALSE\nextendedKeyUsage=codeSigning", lacks),
        (
            "basicConstraints=CA:TRUE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning",
            "is an authority's",
        ),
    ] {
        let maker = made(P256);
        maker.openssl_makes("s", &Wanted { subject: "/CN=signer", by: Some("ca"), extensions, ..Wanted::default() });
        refused(verify(&maker, &openssls(&maker, "-noattr -md sha256 -certfile ca.crt"), "ca"), why);
        assert!(signer(&maker, "s ca").unwrap_err().to_string().contains(why), "{extensions}");
    }
}

#[test]
fn keys_that_ipxe_does_not_check_are_refused() {
    for key in [P384, P521, ED25519] {
        let maker = made(key);
        assert_eq!(signer(&maker, "s ca").unwrap_err().class().code(), 2, "{key}");
    }
    let maker = made(P384);
    refused(
        verify(&maker, &openssls(&maker, "-noattr -md sha256 -certfile ca.crt"), "ca"),
        "checks no signatures by ECDSA P-384",
    );
    maker.openssl_makes("ed", &Wanted { key: ED25519, subject: "/CN=ed", digest: "default", ..Wanted::default() });
    maker.openssl_makes(
        "s",
        &Wanted { subject: "/CN=signer", by: Some("ed"), extensions: SIGNER, digest: "default", ..Wanted::default() },
    );
    assert!(signer(&maker, "s ed").unwrap_err().to_string().contains("Ed25519, which iPXE does not check"));
    let small = made("-algorithm RSA -pkeyopt rsa_keygen_bits:1024");
    assert!(signer(&small, "s ca").unwrap_err().to_string().contains("1024 bits"));
    refused(verify(&small, &openssls(&small, "-noattr -md sha256 -certfile ca.crt"), "ca"), "is not one of this file");
}

#[test]
fn an_authority_vouches_in_its_time_and_for_its_own() {
    let maker = made(P256);
    let der = signer(&maker, "s ca").unwrap().sign(&Digest::of(FILE)).unwrap();
    refused(verify_at(&maker, &der, "ca", "2036-01-01T00:00:01Z"), "expired at");
    refused(verify_at(&maker, &der, "ca", "2025-12-31T23:59:59Z"), "is not valid before");
    verify_at(&maker, &der, "ca", "2036-01-01T00:00:00Z").unwrap();
    // Another of the same name, and one that is trusted for something else.
    maker.openssl_makes("twin", &Wanted { key: RSA, subject: "/CN=ca", ..Wanted::default() });
    refused(verify(&maker, &der, "twin"), "does not end at an authority that is trusted");
    // A signer's certificate is no authority, even if somebody trusts it.
    refused(verify(&maker, &der, "s"), "does not end at an authority that is trusted");
    refused(
        verify(&maker, &openssls(&maker, "-noattr -md sha256 -certfile twin.crt"), "twin"),
        "there are two authorities, or generations, of this name",
    );
    let error = signer(&maker, "s twin").unwrap_err();
    assert_eq!(error.class().code(), 4, "{error}");
    // An authority that has expired does not vouch, whatever the signer's own dates are.
    maker.openssl_makes(
        "old",
        &Wanted { key: RSA, subject: "/CN=old", dates: ["20200101000000Z", "20260601000000Z"], ..Wanted::default() },
    );
    maker.openssl_makes(
        "s",
        &Wanted { subject: "/CN=signer", by: Some("old"), extensions: SIGNER, ..Wanted::default() },
    );
    refused(verify(&maker, &openssls(&maker, "-noattr -md sha256 -certfile old.crt"), "old"), "`CN=old` expired");
}

#[test]
fn what_stands_between_must_be_allowed_to() {
    let maker = made(P256);
    let below = |name: &str, by: &str, extensions: &str| {
        let subject = format!("/CN={name}");
        maker.openssl_makes(name, &Wanted { subject: &subject, by: Some(by), extensions, ..Wanted::default() });
    };
    below("zero", "ca", BELOW);
    below("under", "zero", AUTHORITY);
    below("leaf", "ca", "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyCertSign");
    below("mute", "ca", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature");
    below("one", "ca", "basicConstraints=critical,CA:TRUE,pathlen:1\nkeyUsage=critical,keyCertSign");
    below("two", "one", AUTHORITY);
    below("three", "two", AUTHORITY);
    for (by, names, why) in [
        ("zero", "s zero ca", None),
        ("two", "s two one ca", None),
        ("under", "s under zero ca", Some("allows no authority below it")),
        ("three", "s three two one ca", Some("allows fewer authorities below it")),
        ("leaf", "s leaf ca", Some("does not say CA:TRUE")),
        ("mute", "s mute ca", Some("keyCertSign")),
        ("zero", "s ca", Some("was issued by `CN=zero`")),
        ("zero", "s", Some("without the authority above it")),
    ] {
        below("s", by, SIGNER);
        let result = signer(&maker, names);
        match why {
            None => assert_eq!(
                verify(&maker, &result.unwrap().sign(&Digest::of(FILE)).unwrap(), "ca").unwrap().chain.len(),
                names.split(' ').count()
            ),
            Some(why) => {
                let error = result.unwrap_err();
                assert!(error.class().code() == 4 && error.to_string().contains(why), "{names}: {error}");
                let Some(above) = names.strip_prefix("s ") else { continue };
                maker.write("above.pem", chain(&maker, above));
                let der = openssls(&maker, "-noattr -md sha256 -certfile above.pem");
                assert_eq!(verify(&maker, &der, "ca").unwrap_err().class().code(), 4, "{names}");
            }
        }
    }
    below("s", "ca", SIGNER);
    let other = made(P256);
    let error = CodeSigner::parse(&other.read("s.key"), &chain(&maker, "s ca")).unwrap_err();
    assert!(error.class().code() == 2 && error.to_string().contains("the key is not the one"), "{error}");
}

/// An authority of a seed of this kind.
fn authority(algorithm: Algorithm) -> Authority {
    let request = AuthorityRequest {
        name: "boot-ca".into(),
        subject: Subject { cn: "boot-ca".into(), ..Subject::default() },
        dns: Vec::new(),
        key_usages: Vec::new(),
        not_before: time("2026-01-01T00:00:00Z"),
        days: 3650,
        serial: None,
        generation: 1,
        algorithm,
        path_length: Some(0),
    };
    let seed = Seed::parse(format!("mastermold-seed-1:{}\n", "11".repeat(32)).as_bytes());
    Authority::derive(&seed.unwrap_or_else(|_| Seed::generate().unwrap()), "c", &request, None).unwrap()
}

fn asked(from: &str, until: &str) -> CodeSigningRequest {
    let subject = Subject { cn: "boot-signer".into(), o: vec!["prod".into()], ..Subject::default() };
    CodeSigningRequest { subject, not_before: time(from), not_after: time(until) }
}

#[test]
fn an_issued_signer_signs_and_openssl_takes_it() {
    let maker = Maker::new();
    let request = asked("2026-11-01T00:00:00Z", "2035-12-30T00:00:00Z");
    for (by, of) in [(Algorithm::Rsa2048, Algorithm::EcdsaP256), (Algorithm::EcdsaP384, Algorithm::Rsa2048)] {
        let (authority, key) = (authority(by), PrivateKey::generate(of).unwrap());
        let issued = request.issue(&authority, &key.public().unwrap()).unwrap();
        assert_eq!(issued, request.issue(&authority, &key.public().unwrap()).unwrap());
        let pem: String = issued.iter().map(|certificate| certificate.pem().unwrap()).collect();
        let signer = CodeSigner::parse(key.pem(KeyEncoding::Pkcs8).unwrap().as_bytes(), pem.as_bytes()).unwrap();
        let der = signer.sign(&Digest::of(FILE)).unwrap();
        cms::verify(&der, &Digest::of(FILE), &issued[1..], &term("2030-01-01T00:00:00Z")).unwrap();
        maker.write("chain.pem", &pem);
        maker.write("ca.pem", authority.certificate_pem());
        maker.write("file", FILE);
        maker.write("ours", der);
        maker.openssl(
            "cms -verify -binary -inform DER -in ours -content file -CAfile ca.pem -purpose any -out /dev/null",
        );
        let text = maker.openssl("x509 -in chain.pem -noout -text");
        for says in [
            "Subject: O = prod, CN = boot-signer",
            "Code Signing\n",
            "CA:FALSE",
            "Not After : Dec 30 00:00:00 2035 GMT",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
        let usage = text.split("Key Usage: critical\n").nth(1).unwrap().lines().next().unwrap().trim();
        assert_eq!(usage, "Digital Signature");
    }
}

#[test]
fn a_point_that_is_compressed_is_the_same_key() {
    let maker = Maker::new();
    maker.openssl(&format!("genpkey {P256} -out s.key"));
    maker.openssl("ec -in s.key -pubout -conv_form compressed -out compressed.pem");
    let (authority, request) = (authority(Algorithm::EcdsaP256), asked("2026-11-01T00:00:00Z", "2027-01-01T00:00:00Z"));
    let chain = request.issue(&authority, &PublicKey::parse(&maker.read("compressed.pem")).unwrap()).unwrap();
    let pem: String = chain.iter().map(|certificate| certificate.pem().unwrap()).collect();
    CodeSigner::parse(&maker.read("s.key"), pem.as_bytes()).unwrap();
}

#[test]
fn what_cannot_be_issued_is_told() {
    let maker = Maker::new();
    let public = |key: &str| {
        maker.openssl(&format!("genpkey {key} -out k"));
        maker.openssl("pkey -in k -pubout -out k.pub");
        PublicKey::parse(&maker.read("k.pub")).unwrap()
    };
    let (good, year) = (public(P256), ("2026-11-01T00:00:00Z", "2027-11-01T00:00:00Z"));
    let told = |by: Algorithm, key: &PublicKey, (from, until): (&str, &str), code: u8, why: &str| {
        let error = asked(from, until).issue(&authority(by), key).unwrap_err();
        assert!(error.class().code() == code && error.to_string().contains(why), "{why}: {error}");
    };
    told(Algorithm::EcdsaP256, &public(P384), year, 2, "iPXE checks no signatures of this kind of key");
    told(Algorithm::EcdsaP256, &public(ED25519), year, 2, "iPXE checks no signatures of this kind of key");
    told(Algorithm::EcdsaP256, &public("-algorithm RSA -pkeyopt rsa_keygen_bits:1024"), year, 2, "1024 bits");
    told(Algorithm::Ed25519, &good, year, 4, "Ed25519, which iPXE does not check");
    told(Algorithm::EcdsaP256, &good, ("2026-11-01T00:00:00Z", "2037-01-01T00:00:00Z"), 2, "after its authority");
    told(Algorithm::EcdsaP256, &good, ("2025-11-01T00:00:00Z", "2027-01-01T00:00:00Z"), 2, "before its authority");
    told(Algorithm::EcdsaP256, &good, ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"), 2, "would end at");
    let made = made(RSA);
    let certificates = Certificate::parse(&made.read("ca.crt")).unwrap();
    let outside = Authority::import("corporate", &certificates, None).unwrap();
    let error = asked(year.0, year.1).issue(&outside, &good).unwrap_err();
    let says = "the key of the authority `corporate` is not here; have its owner issue";
    assert!(error.class().code() == 2 && error.to_string().contains(says), "{error}");
}
