//! Looking around in bytes that may be text.

/// Bytes, and how to look around in them.
#[derive(Clone, Copy)]
pub struct Text<'a>(pub &'a [u8]);

impl<'a> Text<'a> {
    /// The byte before a place.
    pub fn before(self, at: usize) -> Option<u8> {
        self.0.get(at.checked_sub(1)?).copied()
    }

    /// The bytes from a place on that are accepted.
    pub fn run(self, at: usize, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.0.get(at..).unwrap_or_default();
        let end = rest.iter().position(|byte| !accept(*byte)).unwrap_or(rest.len());
        &rest[..end]
    }

    /// Whether these bytes are somewhere.
    pub fn holds(self, text: &str) -> bool {
        let (text, bytes) = (text.as_bytes(), self.0);
        let mut starts = bytes.iter().enumerate().filter(|(_, byte)| Some(*byte) == text.first());
        starts.any(|(at, _)| bytes[at..].starts_with(text))
    }

    /// Whether a word starts here: what stands before is no part of one.
    pub fn starts_word(self, at: usize) -> bool {
        self.before(at).is_none_or(|byte| !is_word(byte))
    }

    /// The value that a key's end is followed by, as YAML, JSON, TOML and unit files write it: `key: value`,
    /// `"key": "value"`, `key = value`, or a block on the next line.
    pub fn value(self, end: usize) -> Option<&'a [u8]> {
        let rest = self.0.get(end..)?;
        let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
        let rest = blanks(rest);
        let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"="))?;
        let rest = blanks(rest);
        let rest = match rest {
            [b'|' | b'>', block @ ..] => {
                let (indicators, lines) = block.split_at(block.iter().position(|byte| *byte == b'\n')?);
                if indicators.len() > 3 {
                    return None;
                }
                lines.trim_ascii_start()
            }
            _ => rest,
        };
        let ends: &[u8] = match rest.first()? {
            quote @ (b'"' | b'\'') => return Some(Text(&rest[1..]).run(0, |byte| byte != *quote && byte != b'\n')),
            _ => b" \t\r\n,}]#",
        };
        Some(Text(rest).run(0, |byte| !ends.contains(&byte)))
    }
}

fn blanks(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(bytes.len());
    &bytes[end..]
}

/// A part of a word, an identifier or a name with dashes.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The alphabet of RFC 4648, section 4, without padding.
pub fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// The alphabet of RFC 4648, section 5, without padding.
pub fn is_base64_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether there are so many different bytes that nobody typed them to fill a place.
pub fn is_varied(bytes: &[u8], least: usize) -> bool {
    let mut seen = [false; 256];
    bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() >= least
}

/// What stands for a value in documents, or takes it from elsewhere: `<token>`, `${TOKEN}`, `xxx`, `REDACTED`. A secret
/// that is the word "password" is none.
pub fn is_placeholder(value: &[u8]) -> bool {
    let lower = zeroize::Zeroizing::new(value.to_ascii_lowercase());
    let lower = lower.trim_ascii().strip_prefix(b"\"").unwrap_or(&lower);
    let lower = lower.strip_suffix(b"\"").unwrap_or(lower);
    let word = |known: &&str| lower == known.as_bytes();
    let part = |known: &&str| Text(lower).holds(known);
    lower.is_empty()
        || matches!(lower[0], b'<' | b'$' | b'%' | b'[' | b'&' | b'!' | b'{')
        || !is_varied(value, 2)
        || ["null", "true", "false", "pass", "passwd", "password", "pwd", "secret", "token"].iter().any(word)
        || ["redacted", "omitted", "example", "...", "your-", "your_"].iter().any(part)
}
