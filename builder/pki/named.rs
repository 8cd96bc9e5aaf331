//! A distinguished name that somebody wrote, read (RFC 5280, 4.1.2.4), and shown on one line (RFC 4514).

use std::fmt;

use der::{Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::RdnSequence;

use super::certificate::malformed;
use super::seed::hexadecimal;
use crate::error::{Result, visible};

/// The attributes that have a name here: those of RFC 4514, section 3, and four that authorities use.
const KNOWN: [(&str, &str); 13] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.42", "GN"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// A name. Kubernetes reads CN as the user and every O as a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The common name; of several the last, as Go's crypto/x509 has it, and so Kubernetes.
    pub cn: Option<String>,
    /// Organizations, in its order.
    pub o: Vec<String>,
    /// Organizational units, in its order.
    pub ou: Vec<String>,
    /// All of it on one line.
    line: String,
}

impl Name {
    /// Reads a name from DER.
    pub(super) fn read(der: &[u8]) -> Result<Name> {
        let sets = RdnSequence::from_der(der).map_err(malformed)?;
        let mut name = Name::default();
        for attribute in sets.iter().flat_map(|set| set.iter()) {
            let Some(value) = text(attribute) else { continue };
            match kind(attribute).as_str() {
                "CN" => name.cn = Some(value),
                "O" => name.o.push(value),
                "OU" => name.ou.push(value),
                _ => {}
            }
        }
        // RFC 4514, 2.1: the last first.
        name.line = backwards(sets.iter().map(|set| backwards(set.iter().map(shown), "+")), ",");
        Ok(name)
    }
}

/// As RFC 4514 writes it, the last first, with control characters made visible: `CN=admin,O=system:masters`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.line.is_empty() { "(no name)" } else { &self.line })
    }
}

fn backwards(parts: impl Iterator<Item = String>, between: &str) -> String {
    let mut parts: Vec<String> = parts.collect();
    parts.reverse();
    parts.join(between)
}

fn kind(attribute: &AttributeTypeAndValue) -> String {
    let oid = attribute.oid.to_string();
    KNOWN.iter().find(|(known, _)| *known == oid).map_or(oid, |(_, name)| (*name).to_owned())
}

/// One attribute; what is no text, or of a kind without a name, in hexadecimal (RFC 4514, 2.4).
fn shown(attribute: &AttributeTypeAndValue) -> String {
    let kind = kind(attribute);
    let named = !kind.starts_with(|first: char| first.is_ascii_digit());
    match text(attribute).filter(|_| named) {
        Some(value) => format!("{kind}={}", visible(&escaped(&value))),
        None => {
            let mut line = format!("{kind}=#");
            hexadecimal(&attribute.value.to_der().unwrap_or_default(), &mut line);
            line
        }
    }
}

/// RFC 4514, 2.4: what would end the value, or be lost at an end of it, has a backslash.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (at, character) in value.chars().enumerate() {
        let end = (at == 0 && matches!(character, ' ' | '#')) || (at == last && character == ' ');
        if end || matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The value, if it is a text of one of the kinds that X.520 allows. As OpenSSL and Go, it takes more than
/// PrintableString allows where that was written, and Latin-1 for a TeletexString.
fn text(attribute: &AttributeTypeAndValue) -> Option<String> {
    let bytes = attribute.value.value();
    match attribute.value.tag() {
        Tag::Utf8String => String::from_utf8(bytes.to_vec()).ok(),
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            bytes.is_ascii().then(|| bytes.iter().map(|byte| char::from(*byte)).collect())
        }
        Tag::TeletexString => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let units: Vec<u16> =
                bytes.chunks(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte))).collect();
            String::from_utf16(&units).ok().filter(|_| bytes.len().is_multiple_of(2))
        }
        _ => None,
    }
}
