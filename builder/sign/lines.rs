//! How minisign's files are read: whole lines that end in LF, printable comments, one spelling of base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::{Error, Result, visible};

/// What every first line of minisign's files starts with.
pub(super) const UNTRUSTED: &str = "untrusted comment: ";

/// The lines of `text`, if it is exactly `N` of them and each ends in LF.
pub(super) fn exactly<const N: usize>(text: &str) -> Option<[&str; N]> {
    let lines: Vec<&str> = text.strip_suffix('\n')?.split('\n').collect();
    lines.try_into().ok()
}

/// Whether a terminal shows this text as it is, on one line.
pub(super) fn printable(text: &str) -> bool {
    visible(text) == text
}

/// The `N` bytes that this base64 (RFC 4648, section 4) stands for. Padding must be there and unused bits zero, so that
/// each value has one spelling.
pub(super) fn decode<const N: usize>(text: &[u8]) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    // `decode_slice` wants room for whole groups of three.
    let mut room = Zeroizing::new(vec![0; N.div_ceil(3) * 3]);
    let fits = text.len() == N.div_ceil(3) * 4;
    let count = fits.then(|| STANDARD.decode_slice(text, &mut room).ok()).flatten()?;
    bytes.copy_from_slice(room.get(..count).filter(|found| found.len() == N)?);
    Some(bytes)
}

/// Base64 of public bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Base64 of secret bytes, straight into one buffer: one that grows leaves a copy behind, and so does the encoder's own
/// on the stack, which `encode` uses.
pub(super) fn encode_secret(bytes: &[u8]) -> Result<Zeroizing<String>> {
    let bug = || Error::bug("writing base64");
    let mut text = Zeroizing::new(vec![0; bytes.len().div_ceil(3) * 4]);
    STANDARD.encode_slice(bytes, &mut text).map_err(|_| bug())?;
    String::from_utf8(std::mem::take(&mut *text)).map(Zeroizing::new).map_err(|_| bug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_exactly() {
        assert_eq!(exactly::<2>("a\nb\n"), Some(["a", "b"]));
        for text in ["", "a\nb", "a\n", "a\nb\n\n", "a\nb\nc\n", "\na\nb\n"] {
            assert_eq!(exactly::<2>(text), None, "{text:?}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(decode::<1>(b"AA==").unwrap()[..], [0]);
        for text in ["AA", "AA=", "AB==", "AA==\n", "AAA=", "A-==", " AA=", "AAAA"] {
            assert!(decode::<1>(text.as_bytes()).is_none(), "{text:?}");
        }
    }
}
