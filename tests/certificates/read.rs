//! What a certificate says: as OpenSSL reads it.

use mastermold::pki::{Certificate, Usage};

use super::reading::*;

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
fn hidden_characters_of_a_name_are_shown() {
    let maker = Maker::new();
    let made = maker.make("a", &Wanted { subject: "/CN=a\n\u{1b}[31m\u{202e}b", ..Default::default() });
    assert_eq!(made.subject().to_string(), "CN=a\\n\\u{1b}[31m\\u{202e}b");
    assert!(format!("{made:?}").len() < 80, "{made:?}");
}
