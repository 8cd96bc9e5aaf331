//! What a certificate may be asked to say, and the checks of it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::epoch::Epoch;
use crate::error::{Error, Faults, Result, visible};
use crate::label::is_label;

/// Who a certificate is for. Kubernetes reads CN as the user and every O as a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Common name, 1 to 64 characters.
    pub cn: String,
    /// Organizations, in this order.
    pub o: Vec<String>,
    /// Organizational units, in this order.
    pub ou: Vec<String>,
}

impl Subject {
    /// X.520 (RFC 5280, appendix A.1, ub-common-name and its kin) allows each value 64 characters.
    pub(super) fn check(&self, faults: &mut Faults) {
        let values = [("CN", std::slice::from_ref(&self.cn)), ("O", &self.o[..]), ("OU", &self.ou[..])];
        for (attribute, values) in values {
            for (index, value) in values.iter().enumerate() {
                faults.note(named(&format!("the subject's {attribute}"), value));
                if value.chars().count() > 64 {
                    let message = format!("the subject's {attribute} `{value}` has more than 64 characters");
                    faults.push(Error::usage(message).advise("X.520 allows no more: shorten it, or the node's name"));
                }
                if values[..index].contains(value) {
                    faults.push(Error::usage(format!("the subject has the {attribute} `{value}` twice")));
                }
            }
        }
    }
}

/// What a certificate's key may be used for (extended key usage, RFC 5280, 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// A TLS server.
    ServerAuth,
    /// A TLS client.
    ClientAuth,
    /// A signer of code, such as a boot script.
    CodeSigning,
}

impl Usage {
    const ALL: [Usage; 3] = [Usage::ServerAuth, Usage::ClientAuth, Usage::CodeSigning];

    pub(super) fn rcgen(self) -> rcgen::ExtendedKeyUsagePurpose {
        match self {
            Usage::ServerAuth => rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            Usage::ClientAuth => rcgen::ExtendedKeyUsagePurpose::ClientAuth,
            Usage::CodeSigning => rcgen::ExtendedKeyUsagePurpose::CodeSigning,
        }
    }
}

impl Usage {
    /// The usages in their order, each once, as rcgen names them.
    pub(super) fn distinct(usages: &[Usage]) -> Vec<Usage> {
        let mut found: Vec<Usage> = Vec::new();
        for usage in usages {
            if !found.contains(usage) {
                found.push(*usage);
            }
        }
        found
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Usage::ServerAuth => "server-auth",
            Usage::ClientAuth => "client-auth",
            Usage::CodeSigning => "code-signing",
        })
    }
}

impl FromStr for Usage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Usage> {
        let found = Usage::ALL.into_iter().find(|usage| usage.to_string() == text);
        found.ok_or_else(|| {
            Error::usage(format!("`{text}` is not a usage; there are server-auth, client-auth, code-signing"))
        })
    }
}

/// What a key may do (key usage, RFC 5280, 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyUsage {
    /// Sign what is neither a certificate nor a revocation list: handshakes.
    DigitalSignature,
    /// Commit to content.
    ContentCommitment,
    /// Encipher keys: RSA key transport.
    KeyEncipherment,
    /// Encipher user data.
    DataEncipherment,
    /// Agree on keys.
    KeyAgreement,
    /// Sign certificates.
    CertSign,
    /// Sign revocation lists.
    CrlSign,
}

impl KeyUsage {
    const NAMES: [(KeyUsage, &str, rcgen::KeyUsagePurpose); 7] = [
        (KeyUsage::DigitalSignature, "digital-signature", rcgen::KeyUsagePurpose::DigitalSignature),
        (KeyUsage::ContentCommitment, "content-commitment", rcgen::KeyUsagePurpose::ContentCommitment),
        (KeyUsage::KeyEncipherment, "key-encipherment", rcgen::KeyUsagePurpose::KeyEncipherment),
        (KeyUsage::DataEncipherment, "data-encipherment", rcgen::KeyUsagePurpose::DataEncipherment),
        (KeyUsage::KeyAgreement, "key-agreement", rcgen::KeyUsagePurpose::KeyAgreement),
        (KeyUsage::CertSign, "cert-sign", rcgen::KeyUsagePurpose::KeyCertSign),
        (KeyUsage::CrlSign, "crl-sign", rcgen::KeyUsagePurpose::CrlSign),
    ];

    pub(super) fn rcgen(self) -> rcgen::KeyUsagePurpose {
        let found = KeyUsage::NAMES.into_iter().find(|(usage, ..)| *usage == self);
        found.map_or(rcgen::KeyUsagePurpose::DigitalSignature, |(.., purpose)| purpose)
    }
}

impl FromStr for KeyUsage {
    type Err = Error;

    fn from_str(text: &str) -> Result<KeyUsage> {
        let found = KeyUsage::NAMES.into_iter().find(|(_, name, _)| *name == text);
        found.map(|(usage, ..)| usage).ok_or_else(|| {
            let known = KeyUsage::NAMES.map(|(_, name, _)| name).join(", ");
            Error::usage(format!("`{text}` is not a key usage; there are {known}"))
        })
    }
}

/// A serial number that is asked for: 1 to 20 bytes, positive (RFC 5280, 4.1.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial(pub(super) Vec<u8>);

impl FromStr for Serial {
    type Err = Error;

    /// Reads hexadecimal digits.
    fn from_str(text: &str) -> Result<Serial> {
        let wrong = || {
            let message = format!("`{text}` is not a serial number: 1 to 20 bytes in hexadecimal, positive, not zero");
            Error::usage(message).advise("leave it out: it is then a hash of what the certificate says")
        };
        if text.is_empty() || text.len() > 40 || text.len() % 2 == 1 || !text.is_ascii() {
            return Err(wrong());
        }
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong());
        let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect::<Result<_>>()?;
        let digits = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        match bytes.first() {
            Some(1..=0x7f) if digits => Ok(Serial(bytes)),
            _ => Err(wrong()),
        }
    }
}

/// From when until when a certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Epoch,
    pub(super) not_after: Epoch,
}

impl Validity {
    /// Whole days from `not_before`, as kubeadm counts: the second at which they end is still valid.
    pub(super) fn of(not_before: Epoch, days: u32) -> Result<Validity> {
        let not_after = not_before.plus_days(days);
        if days == 0 {
            return Err(Error::usage("it is valid for 0 days").advise("give it at least one"));
        }
        if not_after.seconds() - not_before.seconds() != u64::from(days) * 86_400 {
            return Err(Error::usage(format!("{days} days from {not_before} is beyond the year 9999")));
        }
        Ok(Validity { not_before, not_after })
    }

    /// From one second to another.
    pub(super) fn between(not_before: Epoch, not_after: Epoch) -> Result<Validity> {
        match not_before < not_after {
            true => Ok(Validity { not_before, not_after }),
            false => Err(Error::usage(format!("it would end at {not_after}, and starts at {not_before}"))
                .advise("give it a later end, or an earlier start")),
        }
    }

    /// Refuses what its authority (valid for `self`) could not vouch for.
    pub(super) fn covers(&self, leaf: &Validity) -> Result<()> {
        if leaf.not_before < self.not_before {
            let message = format!("it starts at {}, before its authority at {}", leaf.not_before, self.not_before);
            return Err(Error::usage(message)
                .advise("let the authority start earlier (`since`), or the certificate later (`epoch`)"));
        }
        if leaf.not_before > self.not_after {
            let message = format!("it starts at {}, and its authority expired at {}", leaf.not_before, self.not_after);
            return Err(Error::trust(message).advise("start a new generation of the authority"));
        }
        if leaf.not_after > self.not_after {
            let days = self.not_after.seconds().saturating_sub(leaf.not_before.seconds()) / 86_400;
            let message = format!("it ends at {}, after its authority at {}", leaf.not_after, self.not_after);
            return Err(Error::usage(message)
                .advise(format!("give it at most {days} days, or start a new generation of the authority")));
        }
        Ok(())
    }
}

/// A name that is there, that prints as it is, and that no space at an end makes look like another.
pub(super) fn named(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::usage(format!("{what} is empty")));
    }
    if visible(name) != name || name.trim() != name {
        return Err(Error::usage(format!("{what} `{name}` has a control character or a space at an end")));
    }
    Ok(())
}

/// The names in their order, each once, if every one is a DNS name.
pub(super) fn dns_names(names: &[String], faults: &mut Faults) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        faults.note(dns_name(name));
        if !found.contains(name) {
            found.push(name.clone());
        }
    }
    found
}

/// The addresses in their order, each once; an IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.
pub(super) fn addresses(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for address in addresses.iter().map(IpAddr::to_canonical) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// The URIs in their order, each once, if every one is absolute (RFC 5280, 4.2.1.6).
pub(super) fn uris(uris: &[String], faults: &mut Faults) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for uri in uris {
        let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
        let letters = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'));
        let printable = uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte));
        if !letters || !printable || uri.len() <= scheme.len() + 1 {
            let error = Error::usage(format!("`{}` is not an absolute URI", visible(uri)));
            faults.push(error.advise("write it like spiffe://example.internal/name, other characters as %20"));
        }
        if !found.contains(uri) {
            found.push(uri.clone());
        }
    }
    found
}

/// A host name (RFC 1123, 2.1; RFC 5280, 4.2.1.6) in lower case; the first label alone may be `*`, with at least two
/// after it, because OpenSSL matches no wider wildcard.
fn dns_name(name: &str) -> Result<()> {
    let wrong = |what: &str, advice: &str| {
        let error = Error::usage(format!("`{name}` is not a DNS name: {what}"));
        Err(if advice.is_empty() { error } else { error.advise(advice) })
    };
    let host = name.strip_prefix("*.").unwrap_or(name);
    let labels: Vec<&str> = host.split('.').collect();
    if name.len() > 253 {
        return wrong("it has more than 253 characters", "");
    }
    if !name.is_ascii() {
        return wrong("it is not ASCII", "write it in its xn-- form");
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return wrong("it has capitals", "write it in lower case");
    }
    if name.contains(':') {
        return wrong("it is an address", "put addresses under `ip`");
    }
    if !labels.iter().all(|label| is_label(label)) {
        return wrong("a label is 1 to 63 of a-z, 0-9 and inner hyphens", "");
    }
    if labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return wrong("it is an address or ends like one", "put addresses under `ip`");
    }
    if host != name && labels.len() < 2 {
        return wrong("its wildcard has fewer than two labels after it", "name the hosts");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names() {
        let label = "a".repeat(63);
        for good in [
            "localhost",
            "a",
            "a-b.c",
            "xn--mller-kva.example",
            "*.example.com",
            "1.example",
            "kubernetes.default.svc",
            &label,
        ] {
            assert!(dns_name(good).is_ok(), "{good}");
        }
        let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".");
        for (bad, says) in [
            ("", "a label is"),
            (".", "a label is"),
            ("a..b", "a label is"),
            ("a.", "a label is"),
            (".a", "a label is"),
            ("-a", "a label is"),
            ("a-.b", "a label is"),
            ("a_b", "a label is"),
            ("a b", "a label is"),
            ("a\nb", "a label is"),
            ("*", "a label is"),
            ("*a.b.c", "a label is"),
            ("a.*.b.c", "a label is"),
            ("*.*.b.c", "a label is"),
            ("*.com", "wildcard"),
            ("*.", "a label is"),
            ("A.b", "capitals"),
            ("müller.example", "ASCII"),
            ("10.0.0.1", "address"),
            ("::1", "address"),
            ("a.1", "address"),
            (&format!("{label}a"), "a label is"),
            (&long, "253"),
        ] {
            let error = dns_name(bad).unwrap_err();
            assert!(error.class().code() == 2 && error.to_string().contains(says), "{bad:?}: {error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn each_address_once() {
        let given = ["10.0.0.1", "::1", "::ffff:10.0.0.1", "10.0.0.1", "0:0::1"].map(|text| text.parse().unwrap());
        assert_eq!(addresses(&given), given[..2]);
    }

    #[test]
    fn uris_are_absolute() {
        let bad = ["", "spiffe", "spiffe:", "/a", "Http://a", "http://a b", "http://a\n", "1a:b", "http://ü", "a:<b>"];
        for (uri, good) in
            ["spiffe://a/b", "urn:x", "a+b.c-d:1"].map(|uri| (uri, true)).into_iter().chain(bad.map(|uri| (uri, false)))
        {
            let mut faults = Faults::new();
            assert_eq!(uris(&[uri.into(), uri.into()], &mut faults), [uri]);
            assert_eq!(faults.is_empty(), good, "{uri}");
        }
    }

    #[test]
    fn serials_are_positive() {
        for good in ["01", "7fff", &"7f".repeat(20)] {
            assert!(good.parse::<Serial>().is_ok(), "{good}");
        }
        for bad in ["", "0", "00", "0001", "80", "+1", "0x01", "zz", "1é", &"01".repeat(21)] {
            assert_eq!(bad.parse::<Serial>().unwrap_err().class().code(), 2, "{bad}");
        }
    }

    #[test]
    fn usages_are_written_and_read() {
        for usage in Usage::ALL {
            assert_eq!(usage.to_string().parse::<Usage>().unwrap(), usage);
        }
        assert!("server auth".parse::<Usage>().unwrap_err().to_string().contains("server-auth, client-auth"));
    }
}
