//! [`Window`]: pieces of a file by their place, of which none is larger than it may be.

use std::io::{self, Read, Seek, SeekFrom};

/// A file of which parts are read. What the reader itself cannot do is kept for the end, so that who asks has one way to
/// fail: nothing.
pub(super) struct Window<R> {
    reader: R,
    size: u64,
    failed: Option<io::Error>,
}

impl<R: Read + Seek> Window<R> {
    /// The whole of `reader`.
    pub(super) fn new(mut reader: R) -> io::Result<Window<R>> {
        let size = reader.seek(SeekFrom::End(0))?;
        Ok(Window { reader, size, failed: None })
    }

    /// Exactly these bytes; none if there are fewer, or more are asked for than `most`.
    pub(super) fn bytes(&mut self, at: u64, size: u64, most: usize) -> Option<Vec<u8>> {
        let end = at.checked_add(size)?;
        let count = usize::try_from(size).ok().filter(|count| end <= self.size && *count <= most)?;
        let mut bytes = vec![0; count];
        match self.reader.seek(SeekFrom::Start(at)).and_then(|_| self.reader.read_exact(&mut bytes)) {
            Ok(()) => Some(bytes),
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }

    /// The text that ends with a zero byte within `most` bytes, without it.
    pub(super) fn text(&mut self, at: u64, most: usize) -> Option<String> {
        let there = self.size.checked_sub(at)?.min(most as u64);
        let bytes = self.bytes(at, there, most)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        plain(bytes.get(..end)?)
    }

    /// What the reader could not do.
    pub(super) fn finish(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }
}

/// Text that a report can show as it is.
pub(super) fn plain(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (crate::error::visible(text) == text).then(|| text.to_owned())
}
