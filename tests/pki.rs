//! Keys and certificates against OpenSSL and kubectl. Vectors from another implementation are in tests/vectors.rs.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use mastermold::digest::Digest;
use mastermold::epoch::Epoch;
use mastermold::error::{Class, Result};
use mastermold::pki::{
    Algorithm, Authority, AuthorityRequest, CertificateRequest, Credential, Issued, KeyEncoding, KeyPair,
    KubeconfigRequest, Scope, SecretShape, Seed, Subject, TrustedAuthority, Usage, issue, kubeconfig, pair_key, secret,
};

fn seed() -> Seed {
    Seed::parse(b"mastermold-seed-1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n").unwrap()
}

fn epoch(text: &str) -> Epoch {
    text.parse().unwrap()
}

const CLUSTER: Scope<'static> = Scope { cluster: "prod", node: None, generation: 1 };
const NODE: Scope<'static> = Scope { cluster: "prod", node: Some("master-0"), generation: 1 };

fn subject(o: &[&str], cn: &str) -> Subject {
    Subject { cn: cn.into(), o: o.iter().map(|o| (*o).into()).collect(), ou: vec![] }
}

fn authority_request() -> AuthorityRequest {
    AuthorityRequest {
        name: "kubernetes-ca".into(),
        subject: subject(&[], "kubernetes"),
        dns: vec!["kubernetes".into()],
        key_usages: vec![],
        serial: None,
        not_before: epoch("2026-01-01T00:00:00Z"),
        days: 3650,
        generation: 1,
        algorithm: Algorithm::EcdsaP256,
        path_length: None,
    }
}

fn authority() -> Authority {
    Authority::derive(&seed(), "prod", &authority_request(), None).unwrap()
}

fn request() -> CertificateRequest {
    CertificateRequest {
        name: "etcd-server".into(),
        subject: subject(&["system:masters", "second:group"], "system:node:master-0"),
        usages: vec![Usage::ServerAuth, Usage::ClientAuth],
        dns: vec!["localhost".into(), "master-0.prod.example".into(), "localhost".into()],
        ip: ["127.0.0.1", "::1", "192.168.5.11", "::ffff:127.0.0.1"].map(|ip| ip.parse().unwrap()).to_vec(),
        uri: vec![],
        key_usages: vec![],
        serial: None,
        not_before: epoch("2026-11-01T00:00:00Z"),
        days: 365,
        algorithm: Algorithm::EcdsaP256,
        encoding: None,
    }
}

fn issued(request: &CertificateRequest) -> Result<Issued> {
    issue(&seed(), &NODE, &authority(), request)
}

fn pair(scope: &Scope<'_>) -> KeyPair {
    KeyPair::of(&pair_key(&seed(), Algorithm::EcdsaP256, scope, "sa").unwrap(), None).unwrap()
}

/// Runs a program in `directory`, which must succeed, and gives what it printed.
fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} is needed: apt-get install openssl kubernetes-client ({error})");
    });
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

fn openssl(directory: &Path, arguments: &str) -> String {
    run(directory, "openssl", &arguments.split(' ').collect::<Vec<_>>())
}

/// A directory with an authority (ca.crt, ca.key) and a certificate (leaf.crt, leaf.key).
fn files(authority: &Authority, leaf: &Issued) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("ca.crt", authority.certificate_pem());
    write("ca.key", &authority.key_pem(None).unwrap());
    write("leaf.crt", &leaf.certificate_pem);
    write("leaf.key", &leaf.key_pem);
    directory
}

#[test]
fn openssl_verifies_strictly_for_servers_and_clients() {
    let directory = files(&authority(), &issued(&request()).unwrap());
    let verify = |purpose: &str, at: u64| {
        let at = at.to_string();
        openssl(
            directory.path(),
            &format!("verify -x509_strict -purpose {purpose} -attime {at} -CAfile ca.crt leaf.crt"),
        )
    };
    let (first, last) = (epoch("2026-11-01T00:00:00Z").seconds(), epoch("2027-11-01T00:00:00Z").seconds());
    for purpose in ["sslserver", "sslclient"] {
        assert_eq!(verify(purpose, first), "leaf.crt: OK\n");
        assert_eq!(verify(purpose, last - 1), "leaf.crt: OK\n");
    }
    openssl(directory.path(), &format!("verify -x509_strict -check_ss_sig -attime {first} -CAfile ca.crt ca.crt"));
    let at = first.to_string();
    for (flag, name) in
        [("-verify_hostname", "master-0.prod.example"), ("-verify_ip", "192.168.5.11"), ("-verify_ip", "::1")]
    {
        run(directory.path(), "openssl", &["verify", "-attime", &at, flag, name, "-CAfile", "ca.crt", "leaf.crt"]);
    }
}

#[test]
fn a_certificate_says_what_was_asked() {
    let directory = files(&authority(), &issued(&request()).unwrap());
    let text = openssl(directory.path(), "x509 -in leaf.crt -noout -text");
    for line in [
        "Issuer: CN = kubernetes\n",
        "Subject: O = system:masters, O = second:group, CN = system:node:master-0\n",
        "Not Before: Nov  1 00:00:00 2026 GMT\n",
        "Not After : Nov  1 00:00:00 2027 GMT\n",
        "DNS:localhost, DNS:master-0.prod.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:192.168.5.11\n",
        "X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment\n",
        "X509v3 Extended Key Usage: \n                TLS Web Server Authentication, TLS Web Client Authentication\n",
        "X509v3 Basic Constraints: critical\n                CA:FALSE\n",
        "X509v3 Authority Key Identifier",
        "Signature Algorithm: ecdsa-with-SHA256\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let serial = openssl(directory.path(), "x509 -in leaf.crt -noout -serial");
    let digits = serial.trim().strip_prefix("serial=").unwrap();
    assert!(digits.len() == 32 && matches!(digits.as_bytes()[0], b'4'..=b'7'), "{digits}");
    for subject in ["PRINTABLESTRING   :system:masters", "PRINTABLESTRING   :system:node:master-0"] {
        assert!(openssl(directory.path(), "asn1parse -in leaf.crt").contains(subject));
    }
}

#[test]
fn an_authority_is_as_kubeadms() {
    let directory = files(&authority(), &issued(&request()).unwrap());
    let text = openssl(directory.path(), "x509 -in ca.crt -noout -text");
    for line in [
        "Subject: CN = kubernetes\n",
        "Not After : Dec 30 00:00:00 2035 GMT\n",
        "X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment, Certificate Sign\n",
        "X509v3 Basic Constraints: critical\n                CA:TRUE\n",
        "X509v3 Subject Key Identifier",
        "DNS:kubernetes\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("Authority Key Identifier") && !text.contains("Extended Key Usage"), "{text}");
    let limited =
        Authority::derive(&seed(), "prod", &AuthorityRequest { path_length: Some(0), ..authority_request() }, None);
    fs::write(directory.path().join("ca.crt"), limited.unwrap().certificate_pem()).unwrap();
    assert!(openssl(directory.path(), "x509 -in ca.crt -noout -text").contains("CA:TRUE, pathlen:0\n"));
}

#[test]
fn dates_from_2050_on_are_written_in_full() {
    let request = AuthorityRequest { not_before: epoch("2049-12-31T23:59:59Z"), days: 1, ..authority_request() };
    let authority = Authority::derive(&seed(), "prod", &request, None).unwrap();
    let directory = files(&authority, &issued(&super_request()).unwrap());
    let text = openssl(directory.path(), "asn1parse -in ca.crt");
    assert!(text.contains("UTCTIME           :491231235959Z"), "{text}");
    assert!(text.contains("GENERALIZEDTIME   :20500101235959Z"), "{text}");
}

fn super_request() -> CertificateRequest {
    CertificateRequest { name: "other".into(), encoding: Some(KeyEncoding::Pkcs8), ..request() }
}

#[test]
fn openssl_reads_every_key_and_it_belongs_to_its_certificate() {
    for (request, label) in [(request(), "EC PRIVATE KEY"), (super_request(), "PRIVATE KEY")] {
        let leaf = issued(&request).unwrap();
        assert!(leaf.key_pem.starts_with(&format!("-----BEGIN {label}-----\n")) && leaf.key_pem.ends_with("-----\n"));
        let directory = files(&authority(), &leaf);
        for name in ["ca", "leaf"] {
            openssl(directory.path(), &format!("pkey -in {name}.key -check -noout"));
            let public = openssl(directory.path(), &format!("pkey -in {name}.key -pubout"));
            assert_eq!(public, openssl(directory.path(), &format!("x509 -in {name}.crt -noout -pubkey")));
        }
    }
    let pair = pair(&CLUSTER);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("sa.key"), pair.private_pem.as_bytes()).unwrap();
    assert!(pair.private_pem.starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
    assert_eq!(openssl(directory.path(), "pkey -in sa.key -pubout"), pair.public_pem);
}

#[test]
fn pem_has_64_columns_and_a_last_newline() {
    let leaf = issued(&request()).unwrap();
    let ca_key = authority().key_pem(Some(KeyEncoding::Pkcs8)).unwrap();
    let pair = pair(&CLUSTER);
    for pem in [&leaf.certificate_pem, &*leaf.key_pem, &*ca_key, &pair.public_pem, &*pair.private_pem] {
        let lines: Vec<&str> = pem.lines().collect();
        let (body, last) = (&lines[1..lines.len() - 2], lines[lines.len() - 2]);
        assert!(pem.ends_with("-----\n") && !pem.contains('\r'), "{pem}");
        assert!(body.iter().all(|line| line.len() == 64) && (1..=64).contains(&last.len()), "{pem}");
    }
}

/// If one of these changes, every certificate in the field changes: that is a new version of the derivation.
#[test]
fn certificates_are_the_same_bytes_for_ever() {
    let leaf = issued(&request()).unwrap();
    assert_eq!(leaf.certificate_pem, issued(&request()).unwrap().certificate_pem);
    let digests =
        [authority().certificate_pem(), &leaf.certificate_pem, &leaf.key_pem].map(|pem| Digest::of(pem.as_bytes()));
    assert_eq!(digests.map(|digest| digest.to_string()), GOLDEN);
}

const GOLDEN: [&str; 3] = [
    "77b2ac91912633a20b9777298cb859d45325a27dcfb98e3ade68f7820f13b7a3",
    "1775f1ab4b9b62c1f673bd1313c6c6484617b369c0918943b6ec193678084686",
    "791905013806fabe5bc166a226c855966adcabd98f7039175e069822b39cd40b",
];

#[test]
fn wrong_requests_are_told_all_at_once() {
    let wrong = CertificateRequest {
        subject: Subject { cn: "x".repeat(65), o: vec!["a".into(), "a".into(), "".into()], ou: vec!["b\n".into()] },
        usages: vec![],
        dns: vec!["Not.A.Name".into(), "10.0.0.1".into()],
        days: 0,
        ..request()
    };
    let error = issued(&wrong).unwrap_err();
    let text = error.to_string();
    for says in [
        "CN `xxx",
        "64 characters",
        "`a` twice",
        "O is empty",
        "OU `b\\n` has",
        "usage",
        "capitals",
        "address",
        "0 days",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert_eq!((error.class(), text.lines().count()), (Class::Usage, 8), "{text}");
    assert!(
        text.lines().all(|line| line.starts_with("the certificate `etcd-server` of the authority `kubernetes-ca`: "))
    );
}

#[test]
fn a_certificate_stays_within_its_authority() {
    let refused = |request: CertificateRequest| {
        let error = issued(&request).unwrap_err();
        assert_eq!(error.class(), Class::Usage);
        error.to_string()
    };
    let whole = CertificateRequest { not_before: authority_request().not_before, days: 3650, ..request() };
    issued(&whole).unwrap();
    let long = refused(CertificateRequest { days: 3651, ..whole });
    assert!(
        long.contains("after its authority at 2035-12-30T00:00:00Z") && long.contains("at most 3650 days"),
        "{long}"
    );
    let early = refused(CertificateRequest { not_before: epoch("2025-12-31T23:59:59Z"), ..request() });
    assert!(early.contains("before its authority"), "{early}");
    assert!(refused(CertificateRequest { days: u32::MAX, ..request() }).contains("9999"));
    let bare = CertificateRequest { usages: vec![Usage::ServerAuth], dns: vec![], ip: vec![], ..request() };
    assert!(refused(bare.clone()).contains("no DNS name"));
    issued(&CertificateRequest { usages: vec![Usage::ClientAuth], ..bare }).unwrap();
    assert!(refused(CertificateRequest { name: "".into(), ..request() }).contains("empty"));
}

#[test]
fn names_must_name() {
    let fails = |scope: Scope<'_>, name: &str| {
        assert_eq!(secret(&seed(), &scope, name, SecretShape::BootstrapToken).unwrap_err().class(), Class::Usage);
        assert_eq!(pair_key(&seed(), Algorithm::EcdsaP256, &scope, name).unwrap_err().class(), Class::Usage);
    };
    fails(CLUSTER, "");
    fails(CLUSTER, "a\nb");
    fails(CLUSTER, "a ");
    fails(Scope { cluster: "", ..CLUSTER }, "n");
    fails(Scope { node: Some(""), ..CLUSTER }, "n");
    for bytes in [0, 15, 1025, usize::MAX] {
        for shape in [SecretShape::Base64 { bytes }, SecretShape::Hex { bytes }, SecretShape::Raw { bytes }] {
            assert_eq!(secret(&seed(), &CLUSTER, "n", shape).unwrap_err().class(), Class::Usage);
        }
    }
    let request = AuthorityRequest { subject: subject(&[], " x"), days: 0, ..authority_request() };
    let error = Authority::derive(&seed(), "", &request, None).unwrap_err();
    assert_eq!((error.class(), error.faults().len()), (Class::Usage, 3), "{error}");
}

#[test]
fn a_certificate_of_an_authority_of_many_units_verifies() {
    let many = Subject {
        cn: "root_1 ä".into(),
        o: vec!["a".into(), "b".into()],
        ou: vec!["x".into(), "y".into(), "z".into()],
    };
    let authority =
        Authority::derive(&seed(), "prod", &AuthorityRequest { subject: many, ..authority_request() }, None).unwrap();
    let code = CertificateRequest { usages: vec![Usage::CodeSigning], dns: vec![], ip: vec![], ..request() };
    let directory = files(&authority, &issue(&seed(), &CLUSTER, &authority, &code).unwrap());
    let at = epoch("2026-11-01T00:00:00Z").seconds();
    openssl(directory.path(), &format!("verify -x509_strict -attime {at} -CAfile ca.crt leaf.crt"));
    let text = openssl(
        directory.path(),
        "x509 -in leaf.crt -noout -issuer -nameopt RFC2253,-esc_msb,utf8 -ext extendedKeyUsage",
    );
    assert!(text.contains("issuer=CN=root_1 ä,OU=z,OU=y,OU=x,O=b,O=a\n") && text.contains("Code Signing"), "{text}");
    assert!(openssl(directory.path(), "asn1parse -in ca.crt").contains("UTF8STRING        :root_1 ä"));
}

fn config() -> KubeconfigRequest {
    let leaf = issued(&request()).unwrap();
    KubeconfigRequest {
        cluster: "prod".into(),
        server: "https://api.prod.example:6443".into(),
        user: "system:node:master-0".into(),
        context: None,
        namespace: None,
        authority: TrustedAuthority::Inside(authority().certificate_pem().into()),
        credential: Credential::Inside { certificate_pem: leaf.certificate_pem, key_pem: leaf.key_pem },
    }
}

/// What kubectl reads at a JSON path.
fn kubectl(request: &KubeconfigRequest, path: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("conf"), &kubeconfig(request).unwrap()[..]).unwrap();
    let output = format!("jsonpath={path}");
    run(directory.path(), "kubectl", &["--kubeconfig", "conf", "config", "view", "--raw", "-o", &output])
}

#[test]
fn kubectl_reads_a_kubeconfig_and_openssl_its_parts() {
    let request = config();
    assert_eq!(kubectl(&request, "{.current-context}"), "system:node:master-0@prod");
    assert_eq!(kubectl(&request, "{.clusters[0].cluster.server}"), request.server);
    let directory = tempfile::tempdir().unwrap();
    let leaf = issued(&self::request()).unwrap();
    for (path, pem) in [
        ("{.clusters[0].cluster.certificate-authority-data}", authority().certificate_pem()),
        ("{.users[0].user.client-certificate-data}", &leaf.certificate_pem),
        ("{.users[0].user.client-key-data}", &*leaf.key_pem),
    ] {
        fs::write(directory.path().join("base64"), kubectl(&request, path)).unwrap();
        assert_eq!(openssl(directory.path(), "base64 -d -A -in base64"), pem);
    }
    let text = String::from_utf8(kubeconfig(&request).unwrap().to_vec()).unwrap();
    let keys: Vec<&str> = text.lines().map(|line| line.split(": ").next().unwrap().trim_end_matches(':')).collect();
    let expected = [
        "apiVersion",
        "clusters",
        "- cluster",
        "    certificate-authority-data",
        "    server",
        "  name",
        "contexts",
        "- context",
        "    cluster",
        "    user",
        "  name",
        "current-context",
        "kind",
        "users",
        "- name",
        "  user",
        "    client-certificate-data",
        "    client-key-data",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn kubectl_reads_back_every_name_as_it_was() {
    for name in [
        "on",
        "~",
        "1.10",
        "0600",
        "12:30:00",
        "2026-01-01",
        "a: b",
        "- a",
        "a #b",
        "\"'\\",
        "{{ x }}",
        "é\u{2028}😀\u{7f}",
    ] {
        let request = KubeconfigRequest {
            cluster: name.into(),
            user: name.into(),
            context: Some(name.into()),
            namespace: Some(name.into()),
            ..config()
        };
        for path in [
            "{.clusters[0].name}",
            "{.contexts[0].name}",
            "{.contexts[0].context.cluster}",
            "{.contexts[0].context.user}",
            "{.contexts[0].context.namespace}",
            "{.current-context}",
            "{.users[0].name}",
        ] {
            assert_eq!(kubectl(&request, path), name, "{path}");
        }
    }
}

#[test]
fn nothing_secret_is_shown() {
    let (seed, leaf) = (seed(), issued(&request()).unwrap());
    let pair = pair(&CLUSTER);
    let shown = format!("{seed:?} {leaf:?} {:?} {:#?} {pair:?} {:?}", authority(), authority(), config());
    let secrets = [&*leaf.key_pem, &*pair.private_pem, &*authority().key_pem(None).unwrap()]
        .map(|pem| pem.lines().nth(1).unwrap().to_owned());
    for secret in secrets.iter().map(String::as_str).chain(["0405060708", "PRIVATE", "4, 5, 6", "LS0t"]) {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("BEGIN CERTIFICATE") && shown.contains("https://api.prod.example:6443"), "{shown}");
}

#[test]
fn addresses_are_typed() {
    let many = CertificateRequest { ip: (0..=255).map(|last| IpAddr::from([10, 0, 0, last])).collect(), ..request() };
    let directory = files(&authority(), &issued(&many).unwrap());
    assert!(openssl(directory.path(), "x509 -in leaf.crt -noout -text").contains("IP Address:10.0.0.255"));
}
