//! A subject in DER (RFC 5280, 4.1.2.4): a sequence of sets of one attribute each.
//!
//! The order is that of Go's crypto/x509, and so kubeadm's: O, OU, CN. Each value is a set of its own, as `openssl req
//! -subj /O=a/O=b` writes it (X.501 allows a set one value of a type). A value is a PrintableString where its
//! characters allow it, else a UTF8String, as in Go.

use der::asn1::ObjectIdentifier;
use der::{AnyRef, Encode as _, Tag};

use super::request::Subject;
use crate::error::{Error, Result};

const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The subject as a certificate holds it.
pub(super) fn encode(subject: &Subject) -> Result<Vec<u8>> {
    let organizations = subject.o.iter().map(|value| (ORGANIZATION, value));
    let units = subject.ou.iter().map(|value| (ORGANIZATIONAL_UNIT, value));
    let attributes = organizations.chain(units).chain([(COMMON_NAME, &subject.cn)]);
    let sets: Vec<Vec<u8>> = attributes.map(|(kind, value)| attribute(kind, value)).collect::<Result<_>>()?;
    element(Tag::Sequence, &sets.concat())
}

fn attribute(kind: ObjectIdentifier, value: &str) -> Result<Vec<u8>> {
    let tag = if value.bytes().all(is_printable) { Tag::PrintableString } else { Tag::Utf8String };
    let pair = [element(Tag::ObjectIdentifier, kind.as_bytes())?, element(tag, value.as_bytes())?].concat();
    element(Tag::Set, &element(Tag::Sequence, &pair)?)
}

/// The characters of PrintableString (X.680, 41.4).
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

/// One DER element: tag, length, content.
pub(super) fn element(tag: Tag, content: &[u8]) -> Result<Vec<u8>> {
    let encoded = AnyRef::new(tag, content).and_then(|element| element.to_der());
    encoded.map_err(|error| Error::bug(format!("writing DER: {error}")))
}
