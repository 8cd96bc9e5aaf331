//! SHA-256 digests, and the adapters that hash bytes on their way through; and XXH64, which is several times as fast and finds
//! damage, but no malice.

use std::fmt;
use std::hash::Hasher as _;
use std::io::{self, Read, Write};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use twox_hash::XxHash64;

use crate::error::{Error, Result};

/// A SHA-256 digest (FIPS 180-4). Written as 64 lower-case hexadecimal digits, and read as nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// The raw 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hexadecimal digits, for file names.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Digest> {
        let bad = || Error::usage(format!("`{text}` is not a SHA-256 digest: it has 64 lower-case hexadecimal digits"));
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Digest(bytes))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Digest, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How many bytes are read and hashed at a time: with fewer the system calls show, with more the processor's cache ends.
const PIECE: usize = 256 << 10;

/// Passes on all that `reader` gives; how many bytes. As [`io::copy`], with fewer calls.
pub fn copy(reader: &mut (impl Read + ?Sized), writer: &mut (impl Write + ?Sized)) -> io::Result<u64> {
    let (mut buffer, mut total) = (vec![0; PIECE], 0);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                writer.write_all(&buffer[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A running SHA-256 that also counts.
#[derive(Clone, Default)]
pub struct Hasher {
    sha256: Sha256,
    size: u64,
}

impl Hasher {
    /// Nothing hashed yet.
    pub fn new() -> Hasher {
        Hasher::default()
    }

    /// Hashes these bytes too.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// How many bytes were hashed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digest and the number of bytes.
    pub fn finish(self) -> (Digest, u64) {
        (Digest(self.sha256.finalize().into()), self.size)
    }
}

/// A reader that must turn out to have exactly the pinned size and digest: it fails at the first byte too many, at an
/// early end, and at the end if the digest differs. What was read before is not to be trusted until it said end.
pub struct PinnedReader<R> {
    inner: R,
    hasher: Hasher,
    digest: Digest,
    size: u64,
    name: String,
    ended: bool,
}

impl<R: Read> PinnedReader<R> {
    /// Reads `inner`, which must have this digest and size; `name` is what an error calls it.
    pub fn new(inner: R, digest: Digest, size: u64, name: impl Into<String>) -> PinnedReader<R> {
        PinnedReader { inner, hasher: Hasher::new(), digest, size, name: name.into(), ended: false }
    }

    /// What it read from.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn check_end(&mut self) -> io::Result<()> {
        self.ended = true;
        let (digest, size) = std::mem::take(&mut self.hasher).finish();
        if size == self.size && digest == self.digest {
            return Ok(());
        }
        let Self { name, digest: pinned, size: pinned_size, .. } = self;
        Err(Error::integrity(format!(
            "{name} is sha256 {digest} ({size} bytes), but {pinned} ({pinned_size} bytes) is pinned"
        ))
        .into_io())
    }
}

impl<R: Read> Read for PinnedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        if self.hasher.size() > self.size {
            let Self { name, size, .. } = self;
            return Err(Error::integrity(format!("{name} has more than the pinned {size} bytes")).into_io());
        }
        if count == 0 {
            self.check_end()?;
        }
        Ok(count)
    }
}

/// A writer that hashes and counts what passes.
pub struct HashWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> HashWriter<W> {
    /// Passes on to `inner`.
    pub fn new(inner: W) -> HashWriter<W> {
        HashWriter { inner, hasher: Hasher::new() }
    }

    /// How many bytes passed so far.
    pub fn size(&self) -> u64 {
        self.hasher.size()
    }

    /// The inner writer, and the digest and number of the bytes that passed.
    pub fn finish(self) -> (W, Digest, u64) {
        let (digest, size) = self.hasher.finish();
        (self.inner, digest, size)
    }
}

impl<W: Write> Write for HashWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The XXH64 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md; seed 0) of bytes that we wrote ourselves, by which it is seen that
/// they are still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check(pub u64);

/// A running [`Check`].
struct Checker(Box<XxHash64>);

impl Checker {
    fn new() -> Checker {
        Checker(Box::new(XxHash64::with_seed(0)))
    }

    fn finish(&self) -> Check {
        Check(self.0.finish())
    }
}

/// A writer that computes the [`Check`] of what passes.
pub struct CheckWriter<W> {
    inner: W,
    checker: Checker,
}

impl<W: Write> CheckWriter<W> {
    /// Passes on to `inner`.
    pub fn new(inner: W) -> CheckWriter<W> {
        CheckWriter { inner, checker: Checker::new() }
    }

    /// The inner writer, and the check of the bytes that passed.
    pub fn finish(self) -> (W, Check) {
        let check = self.checker.finish();
        (self.inner, check)
    }
}

impl<W: Write> Write for CheckWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.checker.0.write(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A reader that fails at its end if what it read is not what a [`Check`] was computed of.
pub struct CheckedReader<R> {
    inner: R,
    checker: Checker,
    check: Check,
    name: String,
    ended: bool,
}

impl<R: Read> CheckedReader<R> {
    /// Reads `inner`; `name` is what an error calls it.
    pub fn new(inner: R, check: Check, name: impl Into<String>) -> CheckedReader<R> {
        CheckedReader { inner, checker: Checker::new(), check, name: name.into(), ended: false }
    }
}

impl<R: Read> Read for CheckedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        self.checker.0.write(&buffer[..count]);
        self.ended = count == 0;
        if self.ended && self.checker.finish() != self.check {
            return Err(Error::integrity(format!("{} is damaged", self.name)).into_io());
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-4, example of "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn known_answer() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.parse::<Digest>().unwrap(), Digest::of(b"abc"));
    }

    #[test]
    fn only_one_spelling_is_read() {
        for wrong in
            ["", &ABC[1..], &ABC.to_uppercase(), &format!("{ABC}0"), &format!("sha256:{ABC}"), &ABC.replace('b', "é")]
        {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_checked_is_read_and_nothing_else() {
        let mut writer = CheckWriter::new(Vec::new());
        writer.write_all(b"ab").and_then(|()| writer.write_all(b"c")).unwrap();
        let (_, check) = writer.finish();
        // xxhsum -H64 of "abc".
        assert_eq!(check, Check(0x44bc_2cf5_ad77_0999));
        for (bytes, fine) in [(&b"abc"[..], true), (b"abd", false), (b"ab", false), (b"abcd", false), (b"", false)] {
            let mut reader = CheckedReader::new(bytes, check, "x");
            assert_eq!(io::copy(&mut reader, &mut io::sink()).is_ok(), fine, "{bytes:?}");
        }
    }

    #[test]
    fn a_pinned_reader_refuses_other_size_and_other_bytes() {
        let read = |bytes: &[u8], size| {
            let mut reader = PinnedReader::new(bytes, Digest::of(b"abc"), size, "x");
            io::copy(&mut reader, &mut io::sink())
        };
        assert_eq!(read(b"abc", 3).unwrap(), 3);
        for (bytes, size) in [(&b"abd"[..], 3), (b"ab", 3), (b"abcd", 3), (b"abc", 4), (b"", 3)] {
            let error = Error::io("reading", "x", read(bytes, size).unwrap_err());
            assert_eq!(error.class(), crate::error::Class::Integrity);
        }
    }
}
