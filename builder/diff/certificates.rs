//! Certificates by what they say. All of it is public, wherever the certificate lies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::align::{Step, align, pairs};
use super::detail::Details;
use crate::digest::Digest;
use crate::pki::{Certificate, LARGEST_SEARCHED};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// What changed between the certificates in two texts. Whether that is all that changed in them: false too if there are
/// none, or if something looks like one and cannot be read.
pub fn compare_in(at: &str, before: &str, after: &str, details: &mut Details) -> bool {
    let (a, b) = (find(before.as_bytes()), find(after.as_bytes()));
    if a.is_empty() && b.is_empty() {
        return false;
    }
    let known = details.told.len() + details.more;
    compare(at, &a, &b, details);
    let (a, b) = (rest(before), rest(after));
    details.told.len() + details.more > known && a.is_some() && a == b
}

/// Whether a text is certificates and nothing else.
pub fn are_all(text: &str) -> bool {
    rest(text).is_some_and(|rest| rest.is_empty()) && !find(text.as_bytes()).is_empty()
}

/// What a text has beside certificates, in plain sight or behind base64; none if a block of it is no certificate.
fn rest(text: &str) -> Option<String> {
    if !text.contains(BEGIN) {
        let letters: String = text.split_whitespace().collect();
        let decoded = STANDARD.decode(letters).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return match decoded.filter(|decoded| decoded.contains(BEGIN)) {
            Some(decoded) => rest_of_plain(&decoded),
            None => Some(text.to_owned()),
        };
    }
    rest_of_plain(text)
}

fn rest_of_plain(text: &str) -> Option<String> {
    let mut pieces = text.split(BEGIN);
    let mut rest = vec![pieces.next().unwrap_or_default().trim()];
    for piece in pieces {
        let (block, behind) = piece.split_once(END)?;
        let found = Certificate::find_all(format!("{BEGIN}{block}{END}").as_bytes());
        let [Ok(_)] = found[..] else { return None };
        rest.push(behind.trim());
    }
    Some(rest.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n"))
}

/// The certificates in a file of any kind, in plain sight or behind base64.
pub fn find(bytes: &[u8]) -> Vec<Certificate> {
    match bytes.len() as u64 > LARGEST_SEARCHED {
        true => Vec::new(),
        false => Certificate::find(bytes),
    }
}

/// What changed between certificates, each with the one of the same subject, else with the one in its place.
pub fn compare(at: &str, before: &[Certificate], after: &[Certificate], details: &mut Details) {
    let subject = |i: usize, j: usize| before[i].subject_der() == after[j].subject_der();
    let steps = align(before.len(), after.len(), subject);
    let same = steps.iter().filter_map(|step| match step {
        Step::Both(i, j) => Some((Some(*i), Some(*j))),
        _ => None,
    });
    let several = before.len() > 1 || after.len() > 1;
    let mut all: Vec<_> = same.chain(pairs(&steps)).collect();
    all.sort_by_key(|(i, j)| (j.or(*i), *i));
    for (i, j) in all {
        let (a, b) = (i.map(|i| &before[i]), j.map(|j| &after[j]));
        let place = match (several, b.or(a)) {
            (true, Some(one)) => format!("{at} certificate of {}", one.subject()),
            _ => format!("{at} certificate"),
        };
        one(place.trim_start(), a, b, details);
    }
}

fn one(at: &str, before: Option<&Certificate>, after: Option<&Certificate>, details: &mut Details) {
    let (a, b) = match (before, after) {
        (Some(a), Some(b)) if a == b => return,
        (Some(a), Some(b)) => (facts(a), facts(b)),
        (Some(a), None) => return details.push(at, Some(&summary(a)), None),
        (None, Some(b)) => return details.push(at, None, Some(&summary(b))),
        (None, None) => return,
    };
    let mut changed = false;
    for ((name, a), (_, b)) in a.iter().zip(&b).filter(|(a, b)| a != b) {
        details.push(&format!("{at}: {name}"), Some(a), Some(b));
        changed = true;
    }
    if !changed {
        // Another extension, or the same facts signed anew.
        details.push(&format!("{at}: other bytes"), Some("one"), Some("another"));
    }
}

fn summary(certificate: &Certificate) -> String {
    facts(certificate).into_iter().map(|(name, fact)| format!("{name} {fact}")).collect::<Vec<_>>().join("; ")
}

/// What is compared, always the same names in the same order.
fn facts(certificate: &Certificate) -> Vec<(&'static str, String)> {
    let list = |items: &[String]| items.join(", ");
    let usages: Vec<String> = certificate.usages().iter().map(ToString::to_string).collect();
    let ip: Vec<String> = certificate.ip().iter().map(ToString::to_string).collect();
    let path = certificate.path_length().map_or(String::new(), |most| format!(", at most {most} below"));
    vec![
        ("subject", certificate.subject().to_string()),
        ("issuer", certificate.issuer().to_string()),
        ("DNS names", list(certificate.dns())),
        ("addresses", list(&ip)),
        ("URIs", list(certificate.uri())),
        ("usages", list(&[usages, certificate.other_usages().to_vec()].concat())),
        ("authority", format!("{}{path}", certificate.is_authority())),
        ("valid from", certificate.not_before().to_string()),
        ("valid until", certificate.not_after().to_string()),
        ("serial", certificate.serial().to_owned()),
        ("key", certificate.key_kind().to_owned()),
        ("public key", format!("SHA-256 {}", Digest::of(certificate.public_key()))),
    ]
}
