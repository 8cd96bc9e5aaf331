//! Private keys in DER, as far as it takes to know one: PKCS#8 (RFC 5958), also encrypted (RFC 8018, RFC 7292), PKCS#1
//! (RFC 8017, A.1.2), SEC1 (RFC 5915), and DSA as OpenSSL writes it.

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// 1.2.840.113549.1.5, password-based encryption, and 1.2.840.113549.1.12.1, that of PKCS#12.
const ENCRYPTIONS: [&[u8]; 2] =
    [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05], &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01]];

/// The secret number of a private key that is all of these bytes, but for a line's end.
pub fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let (_, _, rest) = element(bytes)?;
    private_number(bytes).filter(|_| rest.trim_ascii().is_empty())
}

/// The secret number of a private key that these bytes start with; of an encrypted one, what is encrypted.
pub fn private_number(bytes: &[u8]) -> Option<&[u8]> {
    let (tag, inner, _) = element(bytes)?;
    let (first_tag, first, rest) = element(inner).filter(|_| tag == SEQUENCE)?;
    match first_tag {
        SEQUENCE => encrypted(first, rest),
        INTEGER if matches!(first, [0] | [1]) => versioned(first, rest),
        _ => None,
    }
}

fn encrypted<'a>(algorithm: &[u8], rest: &'a [u8]) -> Option<&'a [u8]> {
    let (tag, object, _) = element(algorithm)?;
    let known = tag == OBJECT && ENCRYPTIONS.iter().any(|prefix| object.starts_with(prefix));
    only(rest, OCTETS).filter(|_| known)
}

fn versioned<'a>(version: &[u8], rest: &'a [u8]) -> Option<&'a [u8]> {
    let (tag, next, after) = element(rest)?;
    match tag {
        // PKCS#8: within is a key of one of the other kinds, or an octet string, or the number itself.
        SEQUENCE if element(next)?.0 == OBJECT => {
            let (tag, key, _) = element(after)?;
            let bare = || only(key, OCTETS).unwrap_or(key);
            (tag == OCTETS).then(|| private_number(key).unwrap_or_else(bare))
        }
        OCTETS if version == [1] && (20..=66).contains(&next.len()) => Some(next),
        INTEGER => integers(rest),
        _ => None,
    }
}

/// RSA has eight numbers behind its version, of which the third is private; DSA five, of which the last is.
fn integers(mut rest: &[u8]) -> Option<&[u8]> {
    let mut numbers = Vec::new();
    while let Some((INTEGER, number, after)) = element(rest) {
        numbers.push(number);
        rest = after;
    }
    // More primes (RFC 8017) follow as a sequence.
    let done = rest.is_empty() || element(rest)?.0 == SEQUENCE;
    let number = match numbers.len() {
        8 if done => numbers[2],
        5 if done => numbers[4],
        _ => return None,
    };
    (numbers[0].len() >= 64).then(|| number.strip_prefix(&[0]).unwrap_or(number))
}

/// The body of the one element that these bytes are.
fn only(bytes: &[u8], expected: u8) -> Option<&[u8]> {
    let (tag, body, rest) = element(bytes)?;
    (tag == expected && rest.is_empty()).then_some(body)
}

/// Tag, body and what follows (X.690, definite lengths of up to three bytes).
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let count = if length < 0x80 { 0 } else { usize::from(length & 0x7f) };
    if count > 3 || length == 0x80 {
        return None;
    }
    let (long, rest) = rest.split_at_checked(count)?;
    let size = match count {
        0 => usize::from(length),
        _ => long.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)),
    };
    let (body, after) = rest.split_at_checked(size)?;
    Some((tag, body, after))
}
