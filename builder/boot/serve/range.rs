//! Byte ranges (RFC 9110, section 14), one at a time: what a client that goes on with a download asks for.

/// What part of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// All of it, also if several ranges are asked for, or if what is asked for is no range: a server may do so.
    Whole,
    /// From the first to the last byte, both counted from 0 and both sent.
    Part {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// A range that has none of its bytes.
    Unsatisfiable,
}

impl Range {
    /// Reads a `Range` field for a file of `size` bytes.
    pub fn parse(field: &str, size: u64) -> Range {
        let Some(("bytes", set)) = field.split_once('=').map(|(unit, set)| (unit.trim(), set.trim())) else {
            return Range::Whole;
        };
        let Some((first, last)) = set.split_once('-') else { return Range::Whole };
        match (number(first), number(last)) {
            (Some(first), _) if !last.is_empty() && number(last).is_none_or(|last| last < first) => Range::Whole,
            (Some(first), _) if first >= size => Range::Unsatisfiable,
            (Some(first), Some(last)) => Range::Part { first, last: last.min(size - 1) },
            (Some(first), None) => Range::Part { first, last: size - 1 },
            (None, Some(_)) if !first.is_empty() => Range::Whole,
            (None, Some(count)) if count == 0 || size == 0 => Range::Unsatisfiable,
            (None, Some(count)) => Range::Part { first: size.saturating_sub(count), last: size - 1 },
            (None, None) => Range::Whole,
        }
    }
}

/// Digits; more than fit are more than any file has.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_rfc_has_them() {
        let part = |first, last| Range::Part { first, last };
        for (field, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-", part(0, 9)),
            ("bytes=9-", part(9, 9)),
            ("bytes=2-4", part(2, 4)),
            ("bytes= 2-4 ", part(2, 4)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=2-99999999999999999999999", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=10-12", Range::Unsatisfiable),
            ("bytes=99999999999999999999999-", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
        ] {
            assert_eq!(Range::parse(field, 10), expected, "{field}");
        }
        assert_eq!(Range::parse("bytes=0-", 0), Range::Unsatisfiable);
        assert_eq!(Range::parse("bytes=-1", 0), Range::Unsatisfiable);
    }

    #[test]
    fn what_is_no_range_is_the_whole() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=4-2",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=0x0-1",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1-a",
            "bytes=x-2",
            "bytes=--1",
        ] {
            assert_eq!(Range::parse(field, 10), Range::Whole, "{field}");
        }
    }
}
