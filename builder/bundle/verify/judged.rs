//! [`Judged`]: a small file that is held while it is hashed, because it may have certificates to be judged.

use std::io::Read;

use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{Error, Result};
use crate::pki::{LARGEST_SEARCHED, Term};

/// Room for one file at a time, of no more than [`LARGEST_SEARCHED`] bytes. What was in it is wiped: it may be a key.
pub(super) struct Judged<'a> {
    term: Option<&'a Term>,
    held: Zeroizing<Vec<u8>>,
    /// Whether the file is too long to be held.
    over: bool,
}

impl<'a> Judged<'a> {
    /// Without a term nothing is held, and nothing judged.
    pub fn new(term: Option<&'a Term>) -> Judged<'a> {
        Judged { term, held: Zeroizing::default(), over: false }
    }

    /// Makes room for a file of so many bytes.
    pub fn start(&mut self, size: u64) {
        // Only what was used: wiping goes byte by byte.
        self.held.as_mut_slice().zeroize();
        self.held.clear();
        self.over = self.term.is_none() || size > LARGEST_SEARCHED;
        if !self.over {
            // With all its room from the start: what grows leaves copies of what it held.
            self.held.reserve_exact(size as usize + 1);
        }
    }

    /// Takes a file for none that is judged.
    pub fn leave(&mut self) {
        self.start(u64::MAX);
    }

    /// Takes the next bytes of it.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.over {
            self.held.extend_from_slice(bytes);
        }
    }

    /// Takes a file of which only the bytes are there; what is too long for it is left unread.
    pub fn read(&mut self, file: &mut impl Read, name: &str) -> Result<()> {
        if self.term.is_none() {
            return Ok(());
        }
        self.start(LARGEST_SEARCHED);
        let count = file.take(LARGEST_SEARCHED + 1).read_to_end(&mut self.held);
        self.over = count.map_err(|error| Error::io("reading", name, error))? as u64 > LARGEST_SEARCHED;
        Ok(())
    }

    /// How many certificates are in the file; each that is not as it must be is told.
    pub fn judge(&mut self, mut tell: impl FnMut(Error)) -> usize {
        let Some(term) = self.term.filter(|_| !self.over) else { return 0 };
        let (count, wrong) = term.judge(&self.held);
        wrong.into_iter().for_each(&mut tell);
        count
    }
}
