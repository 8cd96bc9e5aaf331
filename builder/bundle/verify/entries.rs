//! The entries of an archive against the records of its layers: every path, type, mode, owner, size, time, target and
//! content; and the lists that each layer carries of itself.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};

use zeroize::Zeroizing;

use super::boot::wrong_digest;
use super::findings::Findings;
use super::judged::Judged;
use super::layers::Records;
use super::summed::PIECE;
use crate::archive::{self, Format, Header, HeaderKind};
use crate::bundle::lists::{entries_path, is_list, record_line, sums_path};
use crate::bundle::{FileRecord, FileType};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::pki::Term;
use crate::tree::{Audience, TreePath};

/// How many bytes of contents that no record speaks of are read, in search of more faults.
const SURPLUS: u64 = 64 << 20;
/// The most bytes that a layer's list has.
const LONGEST_LIST: u64 = 64 << 20;

/// Compares an archive with what it should hold; says how many entries and how many certificates it has. Reads to the archive's end, unless what
/// comes is too much.
pub(super) fn compare(
    source: &mut dyn Read,
    name: &str,
    format: Format,
    layers: &[Records],
    term: Option<&Term>,
) -> std::result::Result<(u64, usize), Findings> {
    let mut comparison = Comparison::new(name, layers, term);
    let read = archive::read(source, format, &mut |header, contents| comparison.entry(header, contents));
    let whole = read.is_ok();
    comparison.findings.take(read.map_err(|error| error.context(name)));
    if whole {
        comparison.end();
    }
    match comparison.findings.is_empty() {
        true => Ok((comparison.count, comparison.certificates)),
        false => Err(comparison.findings),
    }
}

struct Comparison<'a> {
    name: &'a str,
    layers: &'a [Records],
    /// What has not come yet, with its modification time.
    expected: BTreeMap<&'a TreePath, (&'a FileRecord, u64)>,
    /// What files turned out to hold that no record has a digest of.
    found: BTreeMap<TreePath, Digest>,
    lists: BTreeMap<Audience, Zeroizing<Vec<u8>>>,
    room: Zeroizing<Vec<u8>>,
    judged: Judged<'a>,
    surplus: u64,
    count: u64,
    certificates: usize,
    findings: Findings,
}

impl<'a> Comparison<'a> {
    fn new(name: &'a str, layers: &'a [Records], term: Option<&'a Term>) -> Comparison<'a> {
        let (mut expected, mut findings) = (BTreeMap::new(), Findings::default());
        for Records { mtime, files, .. } in layers {
            for file in files {
                // A directory may be in several layers; the last one's is applied last.
                if let Some((before, _)) = expected.insert(&file.path, (file, *mtime))
                    && (before.kind, file.kind) != (FileType::Directory, FileType::Directory)
                {
                    let message = format!("{name} should hold {} of two layers", file.path);
                    findings.note(Error::integrity(message));
                }
            }
        }
        let (found, lists, room) = (BTreeMap::new(), BTreeMap::new(), Zeroizing::new(vec![0; PIECE]));
        let (judged, surplus, count, certificates) = (Judged::new(term), 0, 0, 0);
        Comparison { name, layers, expected, found, lists, room, judged, surplus, count, certificates, findings }
    }

    fn entry(&mut self, header: &Header, contents: &mut dyn Read) -> Result<()> {
        self.count += 1;
        let Some((record, mtime)) = self.expected.remove(&header.path) else {
            self.wrong(format!("holds {}, which its manifest does not have", header.path));
            return self.skip(header);
        };
        for (field, is, should) in differences(header, record, mtime) {
            self.wrong(format!("holds {} with {field} {is}, and its manifest says {should}", header.path));
        }
        if record.kind != FileType::File || record.size != Some(header.size()) {
            return self.skip(header);
        }
        let digest = self.contents(header, record, contents)?;
        match record.sha256 {
            Some(expected) if expected != digest => {
                self.wrong(format!("holds {} with other contents than its manifest says", header.path));
            }
            Some(_) => {}
            None => {
                self.found.insert(header.path.clone(), digest);
            }
        }
        Ok(())
    }

    fn wrong(&mut self, what: String) {
        self.findings.note(Error::integrity(format!("{} {what}", self.name)));
    }

    /// Leaves contents unread; too many of them end it all.
    fn skip(&mut self, header: &Header) -> Result<()> {
        self.surplus = self.surplus.saturating_add(header.size());
        match self.surplus > SURPLUS {
            true => Err(Error::integrity("what its manifest does not have is too much to read on")),
            false => Ok(()),
        }
    }

    /// Reads contents; what they hash to. A layer's list is kept.
    fn contents(&mut self, header: &Header, record: &FileRecord, contents: &mut dyn Read) -> Result<Digest> {
        let is_sums = |layer: &Audience| header.path.to_string() == sums_path(*layer);
        let layer = self.layers.iter().map(|records| records.layer).find(is_sums);
        if let Some(layer) = layer.filter(|_| header.size() <= LONGEST_LIST) {
            // With all its room from the start: what grows leaves copies of what it held.
            let mut list = Zeroizing::new(Vec::with_capacity(header.size() as usize + 1));
            contents.read_to_end(&mut list).map_err(|error| Error::io("reading", self.name, error))?;
            let digest = Digest::of(&list);
            self.lists.insert(layer, list);
            return Ok(digest);
        }
        let mut hasher = Hasher::new();
        // What others made is theirs to renew: a distribution's roots are there until it drops them.
        match record.is_from_source() {
            true => self.judged.leave(),
            false => self.judged.start(header.size()),
        }
        loop {
            match contents.read(&mut self.room) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&self.room[..count]);
                    self.judged.push(&self.room[..count]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", self.name, error)),
            }
        }
        let (name, path, findings) = (self.name, &header.path, &mut self.findings);
        self.certificates += self.judged.judge(|error| findings.note(error.context(format!("{name}: {path}"))));
        Ok(hasher.finish().0)
    }

    /// What has not come; and the lists.
    fn end(&mut self) {
        for path in std::mem::take(&mut self.expected).into_keys() {
            self.wrong(format!("does not hold {path}, which its manifest has"));
        }
        for records in self.layers.iter().filter(|records| records.layer != Audience::Base) {
            self.list(records);
            self.entries_list(records);
        }
    }

    /// That a layer's list says of each of its files what we found, or what its record says.
    fn list(&mut self, records: &Records) {
        let name = sums_path(records.layer);
        let Some(list) = self.lists.remove(&records.layer) else {
            return self.wrong(format!("has no list {name}"));
        };
        if let Some((node, _)) = records.pinned.as_ref().filter(|(_, digest)| *digest != Digest::of(&list)) {
            self.findings.note(wrong_digest(node, records.layer));
        }
        let mut lines = list.split_inclusive(|&byte| byte == b'\n');
        for file in records.files.iter().filter(|file| file.kind == FileType::File) {
            if file.path.to_string() == name {
                continue;
            }
            let line = lines.next();
            // What did not come was told already.
            let Some(digest) = file.sha256.or_else(|| self.found.get(&file.path).copied()) else { continue };
            let expected = Zeroizing::new(format!("{digest}  {}\n", file.path.as_str()));
            if line != Some(expected.as_bytes()) {
                return self.wrong(format!("holds {} with other contents than the list {name} says", file.path));
            }
        }
        if lines.next().is_some() {
            self.wrong(format!("has more in its list {name} than it holds"));
        }
    }

    /// That a layer's list of entries says what its records say.
    fn entries_list(&mut self, records: &Records) {
        let name = entries_path(records.layer);
        let Some(list) = records.files.iter().find(|file| file.path.to_string() == name) else {
            return self.wrong(format!("has no list {name}"));
        };
        let others = records.files.iter().filter(|file| !is_list(&file.path, records.layer));
        let expected = Digest::of(others.filter_map(record_line).collect::<String>().as_bytes());
        if list.sha256.or_else(|| self.found.get(&list.path).copied()).is_some_and(|digest| digest != expected) {
            self.wrong(format!("has a list {name} that is not of what it holds"));
        }
    }
}

/// Where an entry is not as its record says: the field, what it is, what it should be.
fn differences(header: &Header, record: &FileRecord, mtime: u64) -> Vec<(&'static str, String, String)> {
    let (kind, target) = match &header.kind {
        HeaderKind::Directory => (FileType::Directory, None),
        HeaderKind::File { .. } => (FileType::File, None),
        HeaderKind::Symlink { target } => (FileType::Symlink, Some(target.as_str())),
    };
    let size = (kind == FileType::File).then(|| header.size());
    let number = |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
    let text = |text: Option<&str>| format!("`{}`", text.unwrap_or_default());
    let fields = [
        ("type", kind.name().to_owned(), record.kind.name().to_owned()),
        ("mode", format!("{:04o}", header.mode), record.mode.clone()),
        ("owner", header.uid.to_string(), record.uid.to_string()),
        ("group", header.gid.to_string(), record.gid.to_string()),
        ("size", number(size), number(record.size)),
        ("modification time", header.mtime.to_string(), mtime.to_string()),
        ("target", text(target), text(record.target.as_deref())),
    ];
    fields.into_iter().filter(|(_, is, should)| is != should).collect()
}
