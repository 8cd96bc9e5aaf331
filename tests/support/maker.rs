//! OpenSSL as a maker of keys and certificates, for tests that read what somebody else made.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A directory in which OpenSSL makes certificates: `NAME.key`, `NAME.crt`.
pub struct Maker(tempfile::TempDir);

/// What is asked of OpenSSL; the rest has defaults.
pub struct Wanted<'a> {
    pub key: &'a str,
    pub subject: &'a str,
    /// Who signs; itself by default.
    pub by: Option<&'a str>,
    pub digest: &'a str,
    pub dates: [&'a str; 2],
    pub extensions: &'a str,
}

pub const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
pub const P521: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
pub const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
pub const AUTHORITY: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash";
pub const LEAF: &str = "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid";

impl Default for Wanted<'_> {
    fn default() -> Self {
        let dates = ["20260101000000Z", "20360101000000Z"];
        Wanted { key: P256, subject: "/CN=a", by: None, digest: "sha256", dates, extensions: AUTHORITY }
    }
}

impl Maker {
    pub fn new() -> Maker {
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

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    pub fn try_openssl(&self, arguments: &str) -> Output {
        let arguments: Vec<String> = arguments.split(' ').map(|part| part.replace('~', " ")).collect();
        let output = Command::new("openssl").args(arguments).current_dir(self.path()).output();
        output.unwrap_or_else(|error| panic!("openssl is needed: apt-get install openssl ({error})"))
    }

    pub fn openssl(&self, arguments: &str) -> String {
        let output = self.try_openssl(arguments);
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a certificate; spaces in a subject are written `~`.
    pub fn openssl_makes(&self, name: &str, wanted: &Wanted<'_>) {
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
    }
}
