//! Files that come from outside, looked into once, by `lock`: what it pins is what a build installs, byte by byte, so
//! `build` need not look again.
//!
//! Programs hold the headers of keys, examples of tokens and much else, so in a large file only what cannot be chance
//! counts: a whole private key from header to footer, an age identity, a seed. Memory stays flat whatever the size.

use std::io::{self, Read};
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use zeroize::Zeroizing;

use super::{Leak, SMALL, keys, recognise};

const MARKS: [&str; 3] = [keys::PRIVATE, keys::AGE, keys::SEED];

/// How far behind a mark its check may look: more than the largest key has.
const AHEAD: usize = 64 << 10;
/// How far before a mark.
const BEHIND: usize = 128;
/// How much is looked at in one go.
const CHUNK: usize = 512 << 10;

static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(MARKS).ok());

/// The first secret in all that a reader gives, of which there are `size` bytes.
pub fn find(reader: &mut dyn Read, size: u64) -> io::Result<Option<Leak>> {
    if size > SMALL as u64 {
        return stream(reader);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(size as usize));
    reader.read_to_end(&mut bytes)?;
    Ok(recognise(&bytes))
}

/// The first that cannot be chance, in bytes of any kind.
pub fn certain(bytes: &[u8]) -> Option<Leak> {
    match search(bytes, 0, true) {
        Found::Leak(leak) => Some(leak),
        Found::Nothing | Found::More(_) => None,
    }
}

/// What a look at a part of a file gives.
enum Found {
    Leak(Leak),
    /// To judge the mark at this place takes more bytes.
    More(usize),
    Nothing,
}

/// Looks at bytes from `from` on, behind which nothing comes if `last`.
fn search(bytes: &[u8], from: usize, last: bool) -> Found {
    let Some(automaton) = AUTOMATON.as_ref() else {
        // Cannot be; see `marks`.
        return Found::Leak(Leak { what: "what cannot be looked into", at: 0 });
    };
    for hit in automaton.find_iter(&bytes[from..]) {
        let (start, end) = (from + hit.start(), from + hit.end());
        if !last && end + AHEAD > bytes.len() {
            return Found::More(start);
        }
        let what = match hit.pattern().as_usize() {
            0 => keys::block(bytes, end).filter(|block| block.complete).map(|block| block.what),
            1 => keys::age(bytes, end),
            _ => keys::seed(bytes, end),
        };
        if let Some(what) = what {
            return Found::Leak(Leak { what, at: start });
        }
    }
    Found::Nothing
}

fn stream(reader: &mut dyn Read) -> io::Result<Option<Leak>> {
    let mut buffer = Zeroizing::new(vec![0; BEHIND + AHEAD + CHUNK]);
    // How much of the buffer is filled, how much of that was looked at, and how many bytes went before.
    let (mut filled, mut looked, mut before) = (0, 0, 0);
    loop {
        let count = fill(reader, &mut buffer[filled..])?;
        filled += count;
        let last = filled < buffer.len();
        match search(&buffer[..filled], looked, last) {
            Found::Leak(leak) => return Ok(Some(Leak { at: before + leak.at, ..leak })),
            Found::More(at) => looked = at,
            // A mark may be cut by the end; the longest has fewer bytes than are kept.
            Found::Nothing => looked = filled.saturating_sub(BEHIND),
        }
        if last {
            return Ok(None);
        }
        let keep = looked.saturating_sub(BEHIND);
        buffer.copy_within(keep..filled, 0);
        (filled, looked, before) = (filled - keep, looked - keep, before + keep);
    }
}

/// Fills all of the buffer, but for the end of the file.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
