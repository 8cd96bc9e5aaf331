//! Certificates in files: PEM files in order, any file leniently, and files that mean harm.

use std::process::Command;

use mastermold::error::Class;
use mastermold::pki::Certificate;
use proptest::prelude::*;

use super::reading::*;

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
        (
            format!("{pem_a}{cut}").into_bytes(),
            "its CERTIFICATE block is damaged: it has no `-----END CERTIFICATE-----`",
        ),
        (format!("{pem_a}{broken}").into_bytes(), "certificate 2: it is not a certificate: "),
        (a.der().to_vec(), "in DER, not in PEM; convert it: openssl x509 -inform DER -in FILE -out NEW.pem"),
        (b"".to_vec(), "it holds no certificate"),
        (b"-----BEGIN \x1b[31m-----\n".to_vec(), "its \\u{1b}[31m block is damaged"),
    ] {
        let error = Certificate::parse(&file).unwrap_err();
        assert_eq!((error.class(), error.to_string().lines().count()), (Class::Usage, 1), "{error}");
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    maker.write("der", a.der());
    maker.openssl("x509 -inform DER -in der -out NEW.pem");
    assert_eq!(Certificate::parse(&maker.read("NEW.pem")).unwrap(), [a]);
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
