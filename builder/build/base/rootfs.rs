//! [`Rootfs`]: a tar archive of a root file system, read as the tree of an initrd.
//!
//! Nothing is added to it, and nothing of what stays is changed but its times, which are the release's. Left out is what
//! a machine makes anew at every start, and what a kernel in memory cannot use: see `is_left_out`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::facts::{Facts, Thing};
use crate::build::place::usual_directory;
use crate::digest::{Digest, HashWriter, PinnedReader};
use crate::error::{Error, Result};
use crate::store::{self, Kind, Limits, Pin, Store};
use crate::tree::{Blobs, Content, Entry, Node, Tree, TreePath};

/// A root file system.
#[derive(Debug)]
pub struct Rootfs {
    /// The tree of the initrd.
    pub tree: Tree,
    /// What is laid on it should know.
    pub facts: Facts,
    /// The kernels in /boot, by their path.
    pub kernels: BTreeMap<TreePath, Pin>,
    /// The archive without its compression.
    plain: Pin,
    /// Where in it the bytes of each file begin.
    offsets: BTreeMap<Digest, u64>,
}

/// The largest /etc/passwd or /etc/group.
const LARGEST_NAMES: u64 = 4 << 20;

/// Directories whose contents are left out: the kernel and systemd fill them, and /boot is for who loads a kernel.
const EMPTIED: [&str; 6] = ["boot", "dev", "proc", "run", "sys", "tmp"];

/// Whether a path is left out of the initrd.
fn is_left_out(path: &str) -> bool {
    path.split_once('/').is_some_and(|(top, _)| EMPTIED.contains(&top))
}

impl Rootfs {
    /// Reads the archive that `pin` names in the store.
    ///
    /// # Errors
    /// Policy: an entry that an initrd cannot hold, or a name that is unsafe. Integrity: the archive is damaged.
    pub fn read(store: &Store, pin: &Pin, name: &str) -> Result<Rootfs> {
        let plain = store::plain(store, pin, name, &Limits::default())?;
        let mut rootfs = Rootfs {
            tree: Tree::new(),
            facts: Facts::default(),
            kernels: BTreeMap::new(),
            plain,
            offsets: BTreeMap::new(),
        };
        let mut skipped = BTreeMap::new();
        store::entries(store, &plain, name, &Limits::default(), &mut |entry, body| {
            rootfs.take(entry, body, &mut skipped).map_err(|error| error.context(name))
        })?;
        rootfs.tree.add_parents(usual_directory)?;
        rootfs.note_facts(store)?;
        Ok(rootfs)
    }

    /// The archive, without its compression.
    pub fn pin(&self) -> &Pin {
        &self.plain
    }

    /// Takes an entry up. Of what is left out, files are remembered, since links may lead to them.
    fn take(
        &mut self,
        entry: store::Entry,
        body: &mut dyn Read,
        skipped: &mut BTreeMap<TreePath, Entry>,
    ) -> Result<()> {
        let path = TreePath::from_relative(&entry.path)?;
        let owned = |node| {
            let usual = Entry::new(node, "the base");
            let mode = if matches!(usual.node, Node::Symlink(_)) { usual.mode } else { entry.mode };
            Entry { mode, uid: entry.uid, gid: entry.gid, ..usual }
        };
        let made = match &entry.kind {
            Kind::Directory => owned(Node::Directory),
            Kind::Symlink(target) => owned(Node::Symlink(target.to_string())),
            Kind::File => owned(Node::File(self.contents(entry.at, body)?)),
            // One more name of a file: whose mode and owner it has, whatever stands beside the name.
            Kind::Hardlink(target) => {
                let to = TreePath::from_relative(target.trim_start_matches("./"))?;
                let found = self.tree.get(&to).or_else(|| skipped.get(&to));
                let missing = || Error::policy(format!("{path} is a hard link to {to}, which is no file before it"));
                found.filter(|entry| matches!(entry.node, Node::File(_))).ok_or_else(missing)?.clone()
            }
            // Devices come from devtmpfs; sockets and FIFOs from who listens.
            Kind::Other(_) => return Ok(()),
        };
        if [made.uid, made.gid].contains(&u32::MAX) {
            return Err(Error::policy(format!("the owner of {path} is no number that an initrd can hold")));
        }
        if let (Node::File(Content::Blob { digest, size }), Some(("boot", name))) =
            (&made.node, path.as_str().split_once('/'))
            && name.starts_with("vmlinuz-")
        {
            self.kernels.insert(path.clone(), Pin { digest: *digest, size: *size });
        }
        match is_left_out(path.as_str()) {
            true => drop(skipped.insert(path, made)),
            // An archive that was added to has a path twice: the last one counts.
            false => drop(self.tree.replace(path, made)),
        }
        Ok(())
    }

    fn contents(&mut self, at: u64, body: &mut dyn Read) -> Result<Content> {
        let mut hashed = HashWriter::new(io::sink());
        io::copy(body, &mut hashed).map_err(|error| Error::io("reading", "a root file system", error))?;
        let (_, digest, size) = hashed.finish();
        self.offsets.entry(digest).or_insert(at);
        Ok(Content::Blob { digest, size })
    }

    fn note_facts(&mut self, store: &Store) -> Result<()> {
        for (path, entry) in self.tree.iter() {
            let (thing, size) = match &entry.node {
                Node::Directory => (Thing::Directory(entry.mode, entry.uid, entry.gid), 0),
                // Several names of one file became files of their own.
                Node::File(content) => (Thing::File { shared: false }, content.size()),
                Node::Symlink(target) => (Thing::Symlink(target.clone()), 0),
            };
            self.facts.add(path.clone(), thing, size);
        }
        self.facts.users = Facts::names(&self.text("/etc/passwd", store)?);
        self.facts.groups = Facts::names(&self.text("/etc/group", store)?);
        Ok(())
    }

    /// The text of a file; empty if there is none. Names are not always UTF-8: those that are not are nobody's here.
    fn text(&self, path: &str, store: &Store) -> Result<String> {
        let Some(Entry { node: Node::File(content), .. }) = self.tree.get(&path.parse()?) else {
            return Ok(String::new());
        };
        if content.size() > LARGEST_NAMES {
            return Err(Error::policy(format!("{path} of the base has more than {LARGEST_NAMES} bytes")));
        }
        let mut text = Vec::new();
        let blobs = Layered { store, rootfs: &[self] };
        let read = content.open(&blobs)?.read_to_end(&mut text);
        read.map_err(|error| Error::io("reading", path, error))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn open(&self, digest: &Digest, size: u64, store: &Store) -> Result<Option<PinnedReader<io::Take<File>>>> {
        let Some(at) = self.offsets.get(digest) else { return Ok(None) };
        let mut file = store.plain_file(&self.plain)?;
        file.seek(SeekFrom::Start(*at)).map_err(|error| Error::io("reading", "a root file system", error))?;
        Ok(Some(PinnedReader::new(file.take(size), *digest, size, "a file of the base")))
    }
}

/// The store, with the files of root file systems where they lie in their archives.
pub struct Layered<'a> {
    /// The store.
    pub store: &'a Store,
    /// The root file systems.
    pub rootfs: &'a [&'a Rootfs],
}

impl Blobs for Layered<'_> {
    fn open(&self, digest: &Digest, size: u64) -> Result<Box<dyn Read + Send + '_>> {
        for rootfs in self.rootfs {
            if let Some(reader) = rootfs.open(digest, size, self.store)? {
                return Ok(Box::new(reader));
            }
        }
        self.store.open(digest, size)
    }
}
