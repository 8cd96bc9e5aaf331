//! [`Kept`]: what archives are put together of, compressed once and kept in the store, under a key of what it was and how
//! it was compressed.
//!
//! ```text
//! notes/piece-CODEC-LEVEL-3/BODY    which piece has the blocks of a part's body
//! notes/sum-CODEC-3/PART            the codec's sum over the part, which has the file's header in it
//! notes/archive-FORMAT-LEVEL-3/KEY  what an archive of these parts became
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::parallel::try_map;
use crate::archive::{self, Codec, Packing, Part, Parts, Piece, Pieces};
use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::store::{Store, Written};
use crate::tree::{Blobs, Secrecy};

/// How what is kept is made. Another number, and nothing that older programs kept is used: it grows with every change of the
/// bytes that a codec makes of a body, be it a parameter here or another version of a codec's crate.
const GENERATION: u32 = 3;

/// What has fewer bytes is compressed each time: looking for it takes longer.
const WORTH: u64 = 1 << 20;

/// The pieces in a store, for an archive of this secrecy.
pub struct Kept<'a> {
    pub store: &'a Store,
    pub secrecy: Secrecy,
}

/// A body to be compressed, or only summed, for all the parts that have it.
struct Wanted<'t> {
    packing: Packing,
    alike: Vec<Part<'t>>,
    known: BTreeSet<Digest>,
}

fn piece_name(packing: &Packing) -> String {
    format!("piece-{}-{}-{GENERATION}", packing.format.codec.name(), packing.level)
}

fn sum_name(codec: Codec) -> String {
    format!("sum-{}-{GENERATION}", codec.name())
}

fn archive_name(packing: &Packing) -> String {
    format!("archive-{}-{}-{GENERATION}", packing.format, packing.level)
}

impl Kept<'_> {
    /// Whether a part may be kept. Of an archive of secrets only what lies in the store anyway.
    fn is_worth(&self, part: &Part<'_>) -> bool {
        part.body() >= WORTH && (self.secrecy == Secrecy::Public || part.is_stored())
    }

    fn piece(&self, part: &Part<'_>, packing: &Packing) -> Result<Option<Written>> {
        let kept = self.recall(&piece_name(packing), &part.body_digest())?;
        Ok(kept.map(|kept| Ok(self.store.has_piece(&kept.pin)?.then_some(kept))).transpose()?.flatten())
    }

    fn sum(&self, part: &Part<'_>, packing: &Packing) -> Result<Option<u64>> {
        let text = self.store.recall(&sum_name(packing.format.codec), &part.digest())?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    fn recall(&self, name: &str, key: &Digest) -> Result<Option<Written>> {
        Ok(self.store.recall(name, key)?.and_then(|text| text.parse().ok()))
    }

    /// What an archive of these parts became, if one was made before.
    pub fn archive(&self, key: &Digest, packing: &Packing) -> Result<Option<Written>> {
        self.recall(&archive_name(packing), key)
    }

    /// Remembers what an archive became.
    pub fn remember_archive(&self, key: &Digest, packing: &Packing, written: &Written) -> Result<()> {
        self.store.remember(&archive_name(packing), key, &written.to_string())
    }

    /// Removes damaged pieces of an archive, so that they are made anew.
    pub fn mend(&self, parts: Parts<'_>, packing: &Packing) -> Result<()> {
        for part in parts {
            if let Some(kept) = self.piece(&part?, packing)? {
                self.store.check_piece(&kept)?;
            }
        }
        Ok(())
    }
}

impl Pieces for Kept<'_> {
    fn find(&self, part: &Part<'_>, packing: &Packing) -> Result<Option<Piece<'_>>> {
        if !self.is_worth(part) {
            return Ok(None);
        }
        let Some((kept, sum)) = self.piece(part, packing)?.zip(self.sum(part, packing)?) else { return Ok(None) };
        Ok(Some(Piece { blocks: self.store.piece(&kept)?, sum }))
    }
}

/// What an archive of these parts is, before it is compressed.
pub fn key(parts: Parts<'_>) -> Result<Digest> {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part?.digest().as_bytes());
    }
    Ok(hasher.finish().0)
}

/// The bodies that archives want and that are not kept yet, each once.
#[derive(Default)]
pub struct Missing<'t>(BTreeMap<(Codec, u8, Digest), Wanted<'t>>);

impl<'t> Missing<'t> {
    /// Adds what one archive wants.
    pub fn add(&mut self, parts: Parts<'t>, kept: &Kept<'_>, packing: &Packing) -> Result<()> {
        for part in parts {
            let part = part?;
            if !kept.is_worth(&part) || kept.piece(&part, packing)?.is_some() && kept.sum(&part, packing)?.is_some() {
                continue;
            }
            let key = (packing.format.codec, packing.level, part.body_digest());
            let new = || Wanted { packing: *packing, alike: Vec::new(), known: BTreeSet::new() };
            let wanted = self.0.entry(key).or_insert_with(new);
            if wanted.known.insert(part.digest()) {
                wanted.alike.push(part);
            }
        }
        Ok(())
    }

    /// Compresses what is missing and keeps it. A body that would hold up all others gets all cores for itself; the rest
    /// go side by side, the largest first.
    pub fn press(self, store: &Store, blobs: &dyn Blobs, threads: usize) -> Result<()> {
        let mut wanted: Vec<Wanted<'t>> = self.0.into_values().collect();
        wanted.sort_by_key(|wanted| std::cmp::Reverse(wanted.body()));
        let mut left: u64 = wanted.iter().map(Wanted::body).sum();
        let holds_up = |wanted: &&Wanted<'_>| {
            let alone = wanted.packing.splits(wanted.body()) && wanted.body() > left / threads.max(1) as u64;
            left -= if alone { wanted.body() } else { 0 };
            alone
        };
        let alone = wanted.iter().take_while(holds_up).count();
        let (alone, beside) = wanted.split_at(alone);
        alone.iter().try_for_each(|wanted| wanted.press(store, blobs, threads))?;
        try_map(threads, beside.iter().collect(), |wanted| wanted.press(store, blobs, 1)).map(drop)
    }
}

impl Wanted<'_> {
    fn body(&self) -> u64 {
        self.alike.first().map_or(0, Part::body)
    }

    fn press(&self, store: &Store, blobs: &dyn Blobs, workers: usize) -> Result<()> {
        let packing = Packing { workers, ..self.packing };
        let kept = Kept { store, secrecy: Secrecy::Public };
        let Some(first) = self.alike.first() else { return Ok(()) };
        let sums = match kept.piece(first, &packing)? {
            Some(_) => archive::sums(&self.alike, blobs, packing.format.codec)?,
            None => {
                let (written, sums) = store.add_piece(|out| archive::press(&self.alike, blobs, &packing, out))?;
                store.remember(&piece_name(&packing), &first.body_digest(), &written.to_string())?;
                sums
            }
        };
        for (part, sum) in self.alike.iter().zip(sums) {
            store.remember(&sum_name(packing.format.codec), &part.digest(), &sum.to_string())?;
        }
        Ok(())
    }
}
