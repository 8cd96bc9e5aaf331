//! What OpenSSL made, read by OpenSSL and by us.

use mastermold::pki::Certificate;

pub use super::maker::*;

pub const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
pub const ED25519: &str = "-algorithm ED25519";

impl Maker {
    /// Makes a certificate and reads it.
    pub fn make(&self, name: &str, wanted: &Wanted<'_>) -> Certificate {
        self.openssl_makes(name, wanted);
        self.certificate(name)
    }

    pub fn certificate(&self, name: &str) -> Certificate {
        let found = Certificate::parse(&self.read(&format!("{name}.crt"))).unwrap();
        found.into_iter().next().unwrap()
    }

    pub fn x509(&self, name: &str, options: &str) -> String {
        self.openssl(&format!("x509 -in {name}.crt -noout {options}"))
    }

    /// The elements of the signed part, by their places in `openssl asn1parse`: serial, algorithm, issuer, ...
    pub fn elements(&self, name: &str) -> Vec<Vec<u8>> {
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
