//! Private keys in text: PEM (RFC 7468) with every label that has one in it, OpenSSH, PGP (RFC 9580, armor), PuTTY, age
//! identities, minisign's and signify's secret keys, WireGuard's, and our own seed.

use zeroize::Zeroizing;

use super::text::{Text, is_base64, is_varied};

/// What every label of a private key has in it.
pub const PRIVATE: &str = "PRIVATE KEY";
/// The start of an age identity.
pub const AGE: &str = "AGE-SECRET-KEY-";
/// The start of a seed.
pub const SEED: &str = "mastermold-seed-1:";

/// The longest label before [`PRIVATE`], with the dashes.
const LABEL: usize = 48;
/// A first line of a key is longer than this, whatever folded it; prose and placeholders have no such words.
const LINE: usize = 32;
/// Fewer digits hold no key.
const BODY: usize = 40;
/// More than the largest key has.
const MOST: usize = 32 << 10;

/// A private key between its header and its footer, or as much of it as there is.
pub struct Block {
    /// What it is.
    pub what: &'static str,
    /// Its base64 digits.
    pub body: Zeroizing<Vec<u8>>,
    /// Whether its footer is there.
    pub complete: bool,
}

/// The private key whose label ends at `end` with [`PRIVATE`]; none if it is a header and no key.
pub fn block(bytes: &[u8], end: usize) -> Option<Block> {
    let label = label(bytes, end)?;
    let rest = &bytes[end..];
    // `-----`, PGP's ` BLOCK-----`, and SSH2's ` ----`.
    let rest = rest.strip_prefix(b" BLOCK").unwrap_or(rest);
    let rest = rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"----")?;
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    let (body, rest) = body(rest);
    let real = body.len() >= BODY && is_varied(&body, 10);
    let has = |word: &str| Text(label).holds(word);
    let what = match () {
        () if has("PGP") => "a PGP private key",
        () if has("OPENSSH") || has("SSH2") => "an SSH private key",
        () if has("ENCRYPTED") => "an encrypted private key",
        () => "a private key",
    };
    real.then_some(Block { what, body, complete: rest.starts_with(b"----") })
}

/// The label of a header that ends at `end`.
fn label(bytes: &[u8], end: usize) -> Option<&[u8]> {
    let window = &bytes[end.saturating_sub(PRIVATE.len() + LABEL)..end];
    let at = window.windows(6).rposition(|part| part == b"BEGIN ")?;
    let label = &window[at + 6..];
    let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ';
    let dashed = window[..at].trim_ascii_end().ends_with(b"----");
    (dashed && label.iter().all(plain)).then_some(label)
}

/// The base64 digits that follow a header, across line breaks, indentation and a string's escapes and quotes, and what
/// comes behind.
fn body(bytes: &[u8]) -> (Zeroizing<Vec<u8>>, &[u8]) {
    let mut rest = headers(gap(bytes));
    let mut digits = Zeroizing::new(Vec::with_capacity(MOST.min(rest.len())));
    loop {
        let line = Text(rest).run(0, |byte| is_base64(byte) || byte == b'=');
        let short = digits.is_empty() && line.len() < LINE;
        if line.is_empty() || short || digits.len() + line.len() > MOST {
            return (digits, rest);
        }
        digits.extend_from_slice(line);
        rest = gap(&rest[line.len()..]);
    }
}

/// Behind white space, escapes of it, quotes and what quotes lines.
fn gap(mut bytes: &[u8]) -> &[u8] {
    loop {
        bytes = match bytes {
            [b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b',' | b'#' | b'>' | b'|', rest @ ..] => rest,
            [b'\\', b'n' | b'r' | b't' | b'\\' | b'\n', rest @ ..] => rest,
            _ => return bytes,
        };
    }
}

/// Behind the header lines of RFC 1421 (`Proc-Type: ...`) and of PGP's armor (`Version: ...`).
fn headers(mut bytes: &[u8]) -> &[u8] {
    loop {
        let name = Text(bytes).run(0, |byte| byte.is_ascii_alphabetic() || byte == b'-');
        let rest = &bytes[name.len()..];
        if name.is_empty() || !rest.starts_with(b": ") {
            return bytes;
        }
        // A string has its line breaks as escapes.
        let line = Text(rest).run(0, |byte| byte != b'\n' && byte != b'\\');
        bytes = gap(&rest[line.len()..]);
    }
}

/// A PuTTY key file from its first line on, with its private part.
pub fn putty(bytes: &[u8], start: usize) -> Option<&'static str> {
    const LINES: &[u8] = b"Private-Lines: ";
    let rest = &bytes[start..bytes.len().min(start + MOST)];
    let at = rest.windows(LINES.len()).position(|window| window == LINES)? + LINES.len();
    let count = Text(rest).run(at, |byte| byte.is_ascii_digit());
    let (body, _) = body(&rest[at + count.len()..]);
    (body.len() >= BODY).then_some("a PuTTY private key")
}

/// Bech32 (BIP 173) in capitals behind the prefix, with a name of further kinds between.
pub fn age(bytes: &[u8], end: usize) -> Option<&'static str> {
    let name = Text(bytes).run(end, |byte| byte.is_ascii_uppercase() || byte == b'-');
    let digit = end + name.len();
    let data = Text(bytes).run(digit + 1, |byte| b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".contains(&byte));
    (bytes.get(digit) == Some(&b'1') && data.len() >= 58).then_some("an age identity")
}

/// Our own seed, and nothing that only talks about it.
pub fn seed(bytes: &[u8], end: usize) -> Option<&'static str> {
    (Text(bytes).run(end, |byte| byte.is_ascii_hexdigit()).len() == 64).then_some("a seed")
}

/// The base64 line of a secret key of minisign (158 bytes) or signify (104); a public key's starts alike and has 42.
pub fn signing(bytes: &[u8], start: usize) -> Option<&'static str> {
    let line = Text(bytes).run(start, is_base64);
    let whole = Text(bytes).starts_word(start) && matches!(line.len(), 138..=140 | 210..=212);
    whole.then_some("a secret signing key")
}

/// A WireGuard key as wg(8) and systemd.netdev(5) write it.
pub fn wireguard(bytes: &[u8], start: usize, end: usize) -> Option<&'static str> {
    let text = Text(bytes);
    let value = text.value(end).filter(|_| text.starts_word(start))?;
    let digits = Text(value).run(0, is_base64);
    (digits.len() == 43 && value == [digits, b"="].concat() && is_varied(digits, 10)).then_some("a WireGuard key")
}
