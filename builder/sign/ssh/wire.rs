//! Strings and numbers as SSH writes them (RFC 4251, section 5), read in their one spelling.

/// What is left to be read.
pub(super) struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    pub fn new(bytes: &'a [u8]) -> Wire<'a> {
        Wire(bytes)
    }

    /// The next so many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// The magnitude of a positive `mpint`, without the zero byte that keeps it positive.
    pub fn magnitude(&mut self) -> Option<&'a [u8]> {
        match *self.string()? {
            [0, ref rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
            ref whole if whole.first().is_some_and(|first| (1..0x80).contains(first)) => Some(whole),
            _ => None,
        }
    }

    /// The value, if nothing is left.
    pub fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// Strings one after another.
pub(super) fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        // What is written here is a name, a statement or a hash.
        bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_not_read() {
        let bytes = strings(&[b"ab", b""]);
        assert_eq!(bytes, b"\0\0\0\x02ab\0\0\0\0");
        let mut wire = Wire::new(&bytes);
        assert_eq!((wire.string(), wire.string(), wire.string()), (Some(&b"ab"[..]), Some(&b""[..]), None));
        for cut in [0, 1, 3, 4, 5] {
            assert_eq!(Wire::new(&bytes[..cut]).string(), None, "{cut}");
        }
        assert_eq!(Wire::new(b"\xff\xff\xff\xffab").string(), None);
    }

    #[test]
    fn a_number_has_one_spelling() {
        let magnitude = |bytes: &[u8]| Wire::new(&strings(&[bytes])).magnitude().map(<[u8]>::to_vec);
        assert_eq!(magnitude(b"\x7f"), Some(vec![0x7f]));
        assert_eq!(magnitude(b"\0\x80"), Some(vec![0x80]));
        for bytes in [&b""[..], b"\0", b"\x80", b"\0\x7f", b"\0\0\x80"] {
            assert_eq!(magnitude(bytes), None, "{bytes:?}");
        }
    }
}
