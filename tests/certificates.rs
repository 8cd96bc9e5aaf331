//! Certificates that somebody made: read, checked and found, with OpenSSL as the maker and the judge.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use mastermold::error::Class;
use mastermold::pki::{Certificate, Usage};
use proptest::prelude::*;

/// A directory in which OpenSSL makes certificates: `NAME.key`, `NAME.crt`.
struct Maker(tempfile::TempDir);

/// What is asked of OpenSSL; the rest has defaults.
struct Wanted<'a> {
    key: &'a str,
    subject: &'a str,
    /// Who signs; itself by default.
    by: Option<&'a str>,
    digest: &'a str,
    dates: [&'a str; 2],
    extensions: &'a str,
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
const P521: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
const ED25519: &str = "-algorithm ED25519";
const AUTHORITY: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash";
const LEAF: &str = "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid";

impl Default for Wanted<'_> {
    fn default() -> Self {
        let dates = ["20260101000000Z", "20360101000000Z"];
        Wanted { key: P256, subject: "/CN=a", by: None, digest: "sha256", dates, extensions: AUTHORITY }
    }
}

impl Maker {
    fn new() -> Maker {
        let maker = Maker(tempfile::tempdir().unwrap());
        // Subjects are taken as they are, in their order (`-preserveDN`).
        maker.write(
            "ca.cnf",
            "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\npolicy=any\nunique_subject=no\n\
             email_in_dn=yes\n[any]\ncommonName=optional\n[req]\ndistinguished_name=none\nstring_mask=utf8only\n[none]\n",
        );
        maker.write("index", "");
        maker
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    fn try_openssl(&self, arguments: &str) -> Output {
        let arguments: Vec<String> = arguments.split(' ').map(|part| part.replace('~', " ")).collect();
        let output = Command::new("openssl").args(arguments).current_dir(self.path()).output();
        output.unwrap_or_else(|error| panic!("openssl is needed: apt-get install openssl ({error})"))
    }

    fn openssl(&self, arguments: &str) -> String {
        let output = self.try_openssl(arguments);
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a certificate; spaces in a subject are written `~`.
    fn make(&self, name: &str, wanted: &Wanted<'_>) -> Certificate {
        let Wanted { key, subject, by, digest, dates: [from, until], extensions } = wanted;
        self.openssl(&format!("genpkey {key} -out {name}.key"));
        self.openssl(&format!(
            "req -config ca.cnf -new -utf8 -multivalue-rdn -key {name}.key -subj {subject} -out {name}.csr"
        ));
        self.write(&format!("{name}.ext"), extensions);
        let signer = match by {
            Some(by) => format!("-cert {by}.crt -keyfile {by}.key"),
            None => format!("-selfsign -keyfile {name}.key"),
        };
        self.openssl(&format!(
            "ca -config ca.cnf -batch -notext -preserveDN -md {digest} {signer} -startdate {from} -enddate {until} \
             -extfile {name}.ext -in {name}.csr -out {name}.crt"
        ));
        self.certificate(name)
    }

    fn certificate(&self, name: &str) -> Certificate {
        let found = Certificate::parse(&self.read(&format!("{name}.crt"))).unwrap();
        found.into_iter().next().unwrap()
    }

    fn x509(&self, name: &str, options: &str) -> String {
        self.openssl(&format!("x509 -in {name}.crt -noout {options}"))
    }

    /// The elements of the signed part, by their places in `openssl asn1parse`: serial, algorithm, issuer, ...
    fn elements(&self, name: &str) -> Vec<Vec<u8>> {
        let der = self.certificate(name).der().to_vec();
        let text = self.openssl(&format!("asn1parse -in {name}.crt"));
        let number = |line: &str, after: &str| -> usize {
            let digits = line.split(after).nth(1).unwrap().trim_start().split(' ').next().unwrap();
            digits.parse().unwrap()
        };
        let place = |line: &str| {
            let start: usize = line.trim_start().split(':').next().unwrap().parse().unwrap();
            start..start + number(line, "hl=") + number(line, " l=")
        };
        let inner = text.lines().filter(|line| line.contains(":d=2 ") && !line.contains("cont [ 0 ]"));
        inner.map(|line| der[place(line)].to_vec()).collect()
    }
}

/// What OpenSSL says of the certificate is what we read.
fn compare(maker: &Maker, name: &str) {
    let read = maker.certificate(name);
    let names = maker.x509(name, "-subject -issuer -nameopt RFC2253,-esc_msb,utf8");
    assert_eq!(names, format!("subject={}\nissuer={}\n", read.subject(), read.issuer()));
    assert_eq!(maker.x509(name, "-serial").to_lowercase(), format!("serial={}\n", read.serial()));
    let dates = [("notBefore", read.not_before()), ("notAfter", read.not_after())];
    let dates = dates.map(|(what, at)| format!("{what}={}\n", at.to_string().replace('T', " "))).concat();
    assert_eq!(maker.x509(name, "-dates -dateopt iso_8601"), dates);
    let fingerprint = maker.x509(name, "-fingerprint -sha256").replace(':', "").to_lowercase();
    assert_eq!(fingerprint, format!("sha256 fingerprint={}\n", read.fingerprint()));
    assert_eq!(maker.openssl(&format!("x509 -in {name}.crt")), read.pem().unwrap());
    let elements = maker.elements(name);
    assert_eq!([&elements[2][..], &elements[4]], [read.issuer_der(), read.subject_der()]);
    assert_eq!(elements[5], read.public_key());
    compare_extensions(&maker.x509(name, "-text"), &read);
}

fn compare_extensions(text: &str, read: &Certificate) {
    let after = |title: &str| {
        let mut lines = text.lines().skip_while(|line| !line.contains(title));
        lines.nth(1).map(str::trim).unwrap_or_default().to_owned()
    };
    let address = |ip: &std::net::IpAddr| match ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => ip.segments().map(|part| format!("{part:X}")).join(":"),
    };
    let names = read.dns().iter().map(|name| format!("DNS:{name}"));
    let names = names.chain(read.ip().iter().map(|ip| format!("IP Address:{}", address(ip))));
    let names: Vec<String> = names.chain(read.uri().iter().map(|uri| format!("URI:{uri}"))).collect();
    assert_eq!(after("X509v3 Subject Alternative Name"), names.join(", "));
    let usages = read.usages().iter().map(|usage| match usage {
        Usage::ServerAuth => "TLS Web Server Authentication".to_owned(),
        Usage::ClientAuth => "TLS Web Client Authentication".to_owned(),
        Usage::CodeSigning => "Code Signing".to_owned(),
    });
    let usages: Vec<String> = usages.chain(read.other_usages().iter().cloned()).collect();
    assert_eq!(after("X509v3 Extended Key Usage"), usages.join(", "));
    let constraints = after("X509v3 Basic Constraints");
    assert_eq!(constraints.contains("CA:TRUE"), read.is_authority());
    let length = read.path_length().map(|length| format!("CA:TRUE, pathlen:{length}"));
    assert_eq!(constraints.contains("pathlen").then_some(constraints), length);
    let usage = after("X509v3 Key Usage");
    assert_eq!(read.signs_certificates(), (!usage.is_empty()).then(|| usage.contains("Certificate Sign")));
    let id = |bytes: Option<&[u8]>| {
        bytes.unwrap_or_default().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    };
    assert_eq!(after("X509v3 Subject Key Identifier"), id(read.key_id()));
    assert_eq!(after("X509v3 Authority Key Identifier").trim_start_matches("keyid:"), id(read.authority_key_id()));
    let key = match read.key_kind().split_once(' ') {
        Some(("ECDSA", curve)) => format!("NIST CURVE: {curve}\n"),
        Some(("RSA", bits)) => format!("Public-Key: ({bits} bit)\n"),
        _ => format!("Public Key Algorithm: {}\n", read.key_kind().to_uppercase()),
    };
    assert!(text.contains(&key), "{key} {text}");
}

#[test]
fn what_openssl_reads_is_what_is_read() {
    let maker = Maker::new();
    let cases: [(&str, Wanted<'_>); 9] = [
        ("plain", Wanted::default()),
        (
            "rsa",
            Wanted {
                key: RSA,
                subject: "/C=CH/ST=Zürich/L=Zug/O=a/O=b/OU=x/OU=y/CN=Müller~&~Söhne",
                ..Default::default()
            },
        ),
        (
            "p384",
            Wanted {
                key: P384,
                digest: "sha384",
                subject: "/DC=example/DC=corp/UID=7/CN=a,b\\+c;d",
                ..Default::default()
            },
        ),
        (
            "p521",
            Wanted { key: P521, digest: "sha512", subject: "/CN=one+O=two+OU=three/CN=four", ..Default::default() },
        ),
        (
            "ed25519",
            Wanted { key: ED25519, digest: "default", subject: "/emailAddress=a@b.c/CN=~#x~", ..Default::default() },
        ),
        ("far", Wanted { dates: ["20491231235959Z", "99991231235959Z"], ..Default::default() }),
        ("expired", Wanted { dates: ["19700101000000Z", "19991231235959Z"], ..Default::default() }),
        ("limited", Wanted { extensions: "basicConstraints=CA:TRUE,pathlen:3", ..Default::default() }),
        ("bare", Wanted { extensions: "keyUsage=digitalSignature", subject: "/1.2.3.4=x/CN=b", ..Default::default() }),
    ];
    for (name, wanted) in &cases {
        maker.make(name, wanted);
        compare(&maker, name);
    }
    let all = "subjectAltName=DNS:a.example,DNS:*.b.example,IP:10.0.0.1,IP:::1,IP:fd00::1:2,URI:https://x.example/y\n\
               extendedKeyUsage=serverAuth,clientAuth,codeSigning,1.2.3.4\n";
    let extensions = format!("{LEAF}\n{all}");
    let leaf = maker.make("leaf", &Wanted { by: Some("rsa"), extensions: &extensions, ..Default::default() });
    compare(&maker, "leaf");
    assert_eq!(
        (leaf.dns().len(), leaf.ip().len(), leaf.uri().len(), leaf.other_usages()),
        (2, 3, 1, &["1.2.3.4".to_owned()][..])
    );
    let name = maker.certificate("rsa").subject().clone();
    assert_eq!(
        (name.cn.as_deref(), &name.o[..], &name.ou[..]),
        (Some("Müller & Söhne"), &["a".into(), "b".into()][..], &["x".into(), "y".into()][..])
    );
    assert_eq!(maker.certificate("p521").subject().cn.as_deref(), Some("four"));
}

/// The first certificate is of version 1, which `openssl x509 -req` makes where there are no extensions.
#[test]
fn a_certificate_of_version_1_is_read_and_is_no_authority() {
    let maker = Maker::new();
    maker.make("a", &Wanted::default());
    maker.openssl("x509 -req -in a.csr -signkey a.key -out old.crt -days 10");
    compare(&maker, "old");
    let old = maker.certificate("old");
    let error = old.check_issued_by(&old).unwrap_err();
    assert!(error.to_string().contains("CA:TRUE"), "{error}");
}

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

#[test]
fn a_file_of_certificates_is_taken_in_its_order() {
    let maker = Maker::new();
    let [a, b] =
        ["a", "b"].map(|name| maker.make(name, &Wanted { subject: &format!("/CN={name}"), ..Default::default() }));
    let [pem_a, pem_b] = ["a.crt", "b.crt"].map(|name| String::from_utf8(maker.read(name)).unwrap());
    let text = maker.openssl("x509 -in b.crt -text");
    for file in [
        format!("{pem_a}{pem_b}"),
        format!("# the root\n\n{pem_a}\nsubject=x\n{text}"),
        format!("{pem_a}{pem_b}").replace('\n', "\r\n"),
        format!("{pem_a}{}", pem_b.trim_end()),
    ] {
        assert_eq!(Certificate::parse(file.as_bytes()).unwrap(), [a.clone(), b.clone()], "{file}");
    }
    let key = String::from_utf8(maker.read("a.key")).unwrap();
    let cut = pem_b.replace("-----END", "----END");
    let broken = pem_b.replacen("MII", "MIJ", 1);
    let trusted = pem_a.replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    for (file, says) in [
        (
            format!("{pem_a}{key}").into_bytes(),
            "it holds a `PRIVATE KEY`, not certificates alone; keep the private key",
        ),
        (trusted.into_bytes(), "`TRUSTED CERTIFICATE`"),
        (maker.read("a.csr"), "`CERTIFICATE REQUEST`"),
        (format!("{pem_a}{cut}").into_bytes(), "certificate 2: it is not a certificate: its block has no"),
        (format!("{pem_a}{broken}").into_bytes(), "certificate 2: it is not a certificate: "),
        (a.der().to_vec(), "in DER, not in PEM; convert it: openssl x509 -inform DER -in FILE -out NEW.pem"),
        (b"".to_vec(), "it holds no certificate"),
        (b"-----BEGIN \x1b[31m-----\n".to_vec(), "`\\u{1b}[31m`"),
    ] {
        let error = Certificate::parse(&file).unwrap_err();
        assert_eq!((error.class(), error.to_string().lines().count()), (Class::Usage, 1), "{error}");
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    maker.write("der", a.der());
    maker.openssl("x509 -inform DER -in der -out NEW.pem");
    assert_eq!(Certificate::parse(&maker.read("NEW.pem")).unwrap(), [a]);
}

#[test]
fn hidden_characters_of_a_name_are_shown() {
    let maker = Maker::new();
    let made = maker.make("a", &Wanted { subject: "/CN=a\n\u{1b}[31m\u{202e}b", ..Default::default() });
    assert_eq!(made.subject().to_string(), "CN=a\\n\\u{1b}[31m\\u{202e}b");
    assert!(format!("{made:?}").len() < 80, "{made:?}");
}

/// Base64 by the tool of that name, in lines of so many columns.
fn base64(maker: &Maker, content: &[u8], columns: usize) -> String {
    maker.write("plain", content);
    let output = Command::new("base64").arg(format!("-w{columns}")).arg("plain").current_dir(maker.path()).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn certificates_are_found_in_any_file() {
    let maker = Maker::new();
    let [a, b] =
        ["a", "b"].map(|name| maker.make(name, &Wanted { subject: &format!("/CN={name}"), ..Default::default() }));
    let [pem_a, pem_b] = ["a.crt", "b.crt"].map(|name| String::from_utf8(maker.read(name)).unwrap());
    let indented = pem_b.replace('\n', "\n    ");
    let [line_a, line_b] = [&pem_a, &pem_b].map(|pem| base64(&maker, pem.as_bytes(), 0));
    let json = pem_a.replace('\n', "\\n");
    let chain = base64(&maker, format!("{pem_a}{pem_b}").as_bytes(), 76);
    let both = vec![a.clone(), b.clone()];
    for (file, expected) in [
        (format!("{pem_a}junk{pem_b}"), &both),
        (format!("a: |\n  {pem_a}b: |\n    {indented}"), &both),
        (format!("{{\"a\":\"{json}\",\"b\":\"{line_b}\"}}"), &both),
        (format!("a: {line_a}\nb: {line_b}\n"), &both),
        (format!("a: {}\nclient: {}", line_a.trim_end_matches('='), line_b), &both),
        (format!("a: |\n{chain}"), &both),
        // Text before the block moves it in its groups of three.
        (base64(&maker, format!("x{pem_a}{pem_b}").as_bytes(), 76), &both),
        (base64(&maker, format!("xx{pem_a}{pem_b}").as_bytes(), 64), &both),
        (base64(&maker, format!("xxx{pem_a}{pem_b}").as_bytes(), 0), &both),
        (pem_a.replace("BEGIN", "begin"), &vec![]),
        (format!("-----BEGIN CERTIFICATE-----\n{pem_b}"), &vec![b.clone()]),
    ] {
        assert_eq!(&Certificate::find(file.as_bytes()), expected, "{file}");
    }
    assert_eq!(Certificate::find(a.der()), std::slice::from_ref(&a));
    let broken = format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{pem_a}");
    let found = Certificate::find_all(broken.as_bytes());
    assert!(found[0].is_err() && found[1] == Ok(a), "{found:?}");
}

#[test]
fn kubectl_embeds_what_is_found() {
    let maker = Maker::new();
    let authority = maker.make("ca", &Wanted { subject: "/CN=ca", ..Default::default() });
    let user =
        maker.make("user", &Wanted { by: Some("ca"), subject: "/O=g/CN=u", extensions: LEAF, ..Default::default() });
    let kubectl = |arguments: &str| {
        let mut command = Command::new("kubectl");
        let status =
            command.args(["--kubeconfig", "conf", "config"]).args(arguments.split(' ')).current_dir(maker.path());
        assert!(status.output().unwrap().status.success(), "{arguments}");
    };
    kubectl("set-cluster c --certificate-authority=ca.crt --embed-certs");
    kubectl("set-credentials u --client-certificate=user.crt --client-key=user.key --embed-certs");
    assert_eq!(Certificate::find(&maker.read("conf")), [authority, user]);
}

/// Hostile files of the greatest size that is looked at: the time must not grow with the square.
#[test]
fn hostile_files_take_no_time() {
    let fill = |part: &[u8]| part.repeat(256 * 1024 / part.len());
    let begin = b"-----BEGIN CERTIFICATE-----";
    let start = std::time::Instant::now();
    for part in [
        &begin[..],
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----MIIB-----END CERTIFICATE-----",
        b"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
        b"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t=",
        b"-",
        b"LS0t",
        b"\\n",
        &[0x30, 0x80],
        &[0x30, 0x84, 0, 3, 255, 250],
    ] {
        Certificate::find(&fill(part));
    }
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn nothing_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Certificate::from_der(&bytes);
        Certificate::find(&bytes);
        let _ = Certificate::parse(&bytes);
    }

    /// A true certificate with some bytes changed, which comes further than noise: read, found, and its own issuer.
    #[test]
    fn nothing_panics_on_a_damaged_certificate(changes in proptest::collection::vec((0..2000_usize, any::<u8>()), 1..6)) {
        static MADE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let made = MADE.get_or_init(|| {
            let extensions = format!("{AUTHORITY}\nsubjectAltName=DNS:a,IP:::1,URI:x:y\nextendedKeyUsage=serverAuth,1.2.3");
            let subject = "/CN=ü/O=a+OU=b";
            Maker::new().make("a", &Wanted { extensions: &extensions, subject, ..Default::default() }).der().to_vec()
        });
        let mut der = made.clone();
        for (at, byte) in changes {
            let at = at % der.len();
            der[at] = byte;
        }
        if let Ok(read) = Certificate::from_der(&der) {
            let _ = read.check_issued_by(&read);
            prop_assert_eq!(Certificate::parse(read.pem().unwrap().as_bytes()).unwrap(), vec![read]);
        }
    }
}
