//! The manifests: JSON, written in one way (keys in one order, no space), read strictly, so that a digest or a
//! signature over their bytes is one over their meaning.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::digest::{Digest, Hasher};
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::label::is_label;
use crate::tree::{Audience, Entry, Node, Secrecy, Tree, TreePath};
use crate::version::Version;

/// The format's version. A reader refuses another one.
pub const FORMAT: u32 = 1;

/// The release's manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The program that wrote it, with its version.
    pub tool: String,
    /// The cluster's name.
    pub cluster: String,
    /// The release's version.
    pub version: String,
    /// The release's instant, RFC 3339 in UTC.
    pub epoch: String,
    /// SHA-256 over the merged profile.
    pub profile: Digest,
    /// SHA-256 over the names and contents of the overlays, in order.
    pub overlays: Digest,
    /// SHA-256 of the lock.
    pub lock: Digest,
    /// Of a part of a release, which of the profile's machines it has; none in a whole release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Share>,
    /// The machines, in the order of the profile.
    pub nodes: Vec<NodeRecord>,
    /// The archives, sorted by path.
    pub artifacts: Vec<Artifact>,
}

/// Which machines of the profile a part of a release has (`build --node`): what the parts cannot know of each other, and
/// `assemble` must know of the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// How many the profile has.
    pub of: usize,
    /// The places of those that are here among them, from 0.
    pub places: Vec<usize>,
}

impl Share {
    /// Whether it can be the share of so many machines: each at a place of its own, in order, and not all of them.
    fn is_of(&self, nodes: usize) -> bool {
        let ordered = self.places.windows(2).all(|pair| pair[0] < pair[1]);
        let within = self.places.last().is_some_and(|last| *last < self.of);
        ordered && within && self.places.len() == nodes && nodes < self.of
    }
}

/// A machine in the release's manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRecord {
    /// Its name.
    pub name: String,
    /// The paths of its artifacts from the release's root, each output's in the order in which they are applied.
    pub artifacts: Vec<String>,
    /// How it starts, if the profile has a base system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootRecord>,
}

/// What a machine starts from: every path is one from the release's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootRecord {
    /// The machine's architecture, as releases name it: amd64, arm64.
    pub arch: String,
    /// The address of the network card that it starts by, if the profile says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The kernel.
    pub kernel: String,
    /// What the kernel unpacks, in order: the base system's, then the machine's layers.
    pub initrds: Vec<String>,
    /// The kernel's command line.
    pub cmdline: String,
    /// The bytes of memory that it takes at least to unpack them.
    pub memory: u64,
}

/// An archive in the release's manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its path from the release's root.
    pub path: String,
    /// The machine that it is for; none for a common layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// common, node, secrets or merged.
    pub layer: String,
    /// tar, tar.gz, tar.zst, cpio, cpio.gz or cpio.zst.
    pub format: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes. A secret one holds a salt, so that this tells nothing of what is in it.
    pub sha256: Digest,
    /// Whether it holds secrets.
    pub secret: bool,
}

impl Artifact {
    /// Whether it is an archive for the kernel.
    pub fn is_cpio(&self) -> bool {
        self.format.starts_with("cpio")
    }
}

/// What a common layer, or a base, holds. It names no cluster and no version: the same layer is the same file in every release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The modification time of every entry, in seconds since 1970.
    pub mtime: u64,
    /// Its entries, sorted by path.
    pub files: Vec<FileRecord>,
}

/// What a machine has beside its common layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The cluster's name.
    pub cluster: String,
    /// The release's version.
    pub version: String,
    /// The machine's name.
    pub node: String,
    /// The manifest of its common layer, from `public/`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<String>,
    /// The modification time of every entry, in seconds since 1970.
    pub mtime: u64,
    /// The entries of its node layer and of its secrets layer, sorted by layer and path.
    pub files: Vec<FileRecord>,
}

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileType {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
}

impl FileType {
    /// The type's name, as manifests and messages give it.
    pub fn name(self) -> &'static str {
        match self {
            FileType::Directory => "directory",
            FileType::File => "file",
            FileType::Symlink => "symlink",
        }
    }
}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its absolute path on the machine.
    pub path: TreePath,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FileType,
    /// Permission bits, four octal digits.
    pub mode: String,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// A file's size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of a file's bytes; not of a secret's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Where a symlink points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Who asked for it, in words.
    pub origin: String,
    /// common, node or secrets.
    pub layer: String,
}

/// How the origin of a file begins that came from a source, and so was made by others.
pub const FROM_SOURCE: &str = "source ";

impl FileRecord {
    /// Whether its bytes came from a source.
    pub fn is_from_source(&self) -> bool {
        self.origin.starts_with(FROM_SOURCE)
    }

    /// The record of an entry.
    pub fn of(path: &TreePath, entry: &Entry, audience: Audience) -> FileRecord {
        let (kind, size, target) = match &entry.node {
            Node::Directory => (FileType::Directory, None, None),
            Node::File(content) => (FileType::File, Some(content.size()), None),
            Node::Symlink(target) => (FileType::Symlink, None, Some(target.clone())),
        };
        let sha256 = match (&entry.node, entry.secrecy) {
            (Node::File(content), Secrecy::Public) => Some(content.digest()),
            _ => None,
        };
        FileRecord {
            path: path.clone(),
            kind,
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            size,
            sha256,
            target,
            origin: entry.origin.to_string(),
            layer: audience.name().to_owned(),
        }
    }

    /// The records of a layer, in its order.
    pub fn all(tree: &Tree, audience: Audience) -> Vec<FileRecord> {
        tree.iter().map(|(path, entry)| FileRecord::of(path, entry, audience)).collect()
    }
}

impl Manifest {
    /// What a signature's trusted comment says of this release: its identity.
    pub fn identity(&self) -> String {
        format!("mastermold cluster={} version={} epoch={}", self.cluster, self.version, self.epoch)
    }

    /// The archive at this path from the release's root.
    pub fn artifact(&self, path: &str) -> Option<&Artifact> {
        let found = self.artifacts.binary_search_by(|artifact| artifact.path.as_str().cmp(path));
        found.ok().and_then(|index| self.artifacts.get(index))
    }

    /// How many machines the profile has.
    pub fn machines(&self) -> usize {
        self.part.as_ref().map_or(self.nodes.len(), |part| part.of)
    }

    /// The places of its machines among the profile's, in their order.
    pub fn places(&self) -> Vec<usize> {
        self.part.as_ref().map_or_else(|| (0..self.nodes.len()).collect(), |part| part.places.clone())
    }

    /// Reads a release's manifest.
    pub fn parse(bytes: &[u8]) -> Result<Manifest> {
        let manifest: Manifest = parse(bytes, "the release's manifest")?;
        let wrong = |what: &str| Error::integrity(format!("the release's manifest has no valid {what}"));
        manifest.version.parse::<Version>().map_err(|_| wrong("version"))?;
        manifest.epoch.parse::<Epoch>().map_err(|_| wrong("epoch"))?;
        if manifest.part.as_ref().is_some_and(|part| !part.is_of(manifest.nodes.len())) {
            return Err(wrong("part"));
        }
        // What a signature says of a release is one line, in which the name must not say more than a name.
        match is_label(&manifest.cluster) {
            true => Ok(manifest),
            false => Err(wrong("cluster's name")),
        }
    }
}

impl NodeManifest {
    /// Reads a machine's manifest.
    pub fn parse(bytes: &[u8]) -> Result<NodeManifest> {
        parse(bytes, "a node's manifest")
    }
}

impl CommonManifest {
    /// What its files are named by: the first twelve digits of the SHA-256 over one line for each entry,
    /// `TYPE MODE UID GID MTIME SIZE SHA256 PATH NUL TARGET LF`, with `-` for a digest that there is none of, and as
    /// SIZE of a symlink the length of its target. Origins are left out: who asked for a file changes no machine.
    pub fn id(&self) -> String {
        let mut hasher = Hasher::new();
        for file in &self.files {
            let FileRecord { path, kind, mode, uid, gid, size, sha256, target, .. } = file;
            let target = target.as_deref().unwrap_or_default();
            let (kind, size) = (kind.name(), size.unwrap_or(target.len() as u64));
            let sha256 = sha256.map_or("-".to_owned(), |digest| digest.to_string());
            let line = format!("{kind} {mode} {uid} {gid} {} {size} {sha256} {path}\0{target}\n", self.mtime);
            hasher.update(line.as_bytes());
        }
        hasher.finish().0.short()
    }

    /// Reads a common layer's manifest.
    pub fn parse(bytes: &[u8]) -> Result<CommonManifest> {
        parse(bytes, "a common layer's manifest")
    }
}

/// The one text of a manifest: compact JSON and a line feed.
pub fn to_text(manifest: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(manifest).map_err(|error| Error::bug(format!("writing a manifest: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

/// Reads a manifest, and only the one text that [`to_text`] writes.
pub(in crate::bundle) fn parse<T: DeserializeOwned + Serialize>(bytes: &[u8], what: &str) -> Result<T> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let bad = |error: serde_json::Error| Error::integrity(format!("{what} cannot be read: {error}"));
    let versioned: Versioned = serde_json::from_slice(bytes).map_err(bad)?;
    if versioned.format != FORMAT {
        let message = format!("{what} has format {}, and this mastermold reads {FORMAT}", versioned.format);
        return Err(Error::usage(message).advise("use the mastermold that wrote it, or a newer one"));
    }
    let read: T = serde_json::from_slice(bytes).map_err(bad)?;
    match to_text(&read)? == bytes {
        true => Ok(read),
        false => Err(Error::integrity(format!("{what} is not written as mastermold writes it"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Content;

    fn sample() -> Manifest {
        let digest = Digest::of(b"x");
        Manifest {
            format: FORMAT,
            tool: "mastermold 0.1.0".into(),
            cluster: "prod".into(),
            version: "2026.11.1".into(),
            epoch: "2026-11-01T00:00:00Z".into(),
            profile: digest,
            overlays: digest,
            lock: digest,
            part: None,
            nodes: vec![NodeRecord {
                name: "master-0".into(),
                artifacts: vec!["public/master-0/node.tar".into()],
                boot: None,
            }],
            artifacts: Vec::new(),
        }
    }

    #[test]
    fn only_our_own_text_is_read() {
        let text = String::from_utf8(to_text(&sample()).unwrap()).unwrap();
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), sample());
        let wrong = [
            text.replace("\"cluster\":\"prod\"", "\"cluster\":\"prod\",\"cluster\":\"test\""),
            text.replace("\"format\":1", "\"format\": 1"),
            text.replace("\"format\":1", "\"format\":1,\"extra\":true"),
            text.replace("2026.11.1", "latest"),
            text.replace("2026-11-01T", "2026-13-01T"),
            text.replace("prod", "\\u0070rod"),
            format!("{text}{{}}"),
            format!("\u{feff}{text}"),
            text.trim().to_owned(),
            "[]".into(),
        ];
        for text in wrong {
            assert_eq!(Manifest::parse(text.as_bytes()).unwrap_err().class().code(), 3, "{text}");
        }
        assert_eq!(
            Manifest::parse(text.replace("\"format\":1", "\"format\":2").as_bytes()).unwrap_err().class().code(),
            2
        );
    }

    #[test]
    fn a_part_says_which_machines_it_has() {
        let part = |of, places: &[usize]| {
            let manifest = Manifest { part: Some(Share { of, places: places.to_vec() }), ..sample() };
            Manifest::parse(&to_text(&manifest).unwrap()).map(|manifest| (manifest.machines(), manifest.places()))
        };
        assert_eq!(part(3, &[1]).unwrap(), (3, vec![1]));
        let whole = Manifest::parse(&to_text(&sample()).unwrap()).unwrap();
        assert_eq!((whole.machines(), whole.places()), (1, vec![0]));
        for (of, places) in [(3, &[3][..]), (3, &[]), (3, &[0, 1]), (1, &[0]), (0, &[0])] {
            assert_eq!(part(of, places).unwrap_err().class().code(), 3, "{of} {places:?}");
        }
    }

    #[test]
    fn a_machine_without_a_base_system_has_no_boot_record() {
        let mut manifest = sample();
        assert!(!String::from_utf8(to_text(&manifest).unwrap()).unwrap().contains("boot"));
        manifest.nodes[0].boot = Some(BootRecord {
            arch: "amd64".into(),
            mac: None,
            kernel: "public/boot/vmlinuz-0123456789ab".into(),
            initrds: vec!["public/master-0/node.cpio.zst".into()],
            cmdline: "console=ttyS0".into(),
            memory: 1 << 30,
        });
        let text = to_text(&manifest).unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest);
    }

    #[test]
    fn every_field_but_the_origin_is_in_a_common_layers_name() {
        let file = |change: fn(&mut FileRecord)| {
            let entry = Entry::new(Node::File(Content::inline("x")), "a");
            let mut record = FileRecord::of(&"/x".parse().unwrap(), &entry, Audience::Common);
            change(&mut record);
            CommonManifest { format: FORMAT, mtime: 0, files: vec![record] }.id()
        };
        let changes: [fn(&mut FileRecord); 9] = [
            |_| {},
            |record| record.path = "/y".parse().unwrap(),
            |record| record.kind = FileType::Directory,
            |record| record.mode = "0600".into(),
            |record| record.uid = 1,
            |record| record.gid = 1,
            |record| record.size = Some(2),
            |record| record.sha256 = Some(Digest::of(b"y")),
            |record| record.target = Some("y".into()),
        ];
        let ids: std::collections::BTreeSet<_> = changes.into_iter().map(file).collect();
        assert_eq!(ids.len(), changes.len());
        assert_eq!(file(|record| record.origin = "b".into()), file(|_| {}));
        // By coreutils: printf 'file 0644 0 0 0 1 %s /x\0\n' "$(printf x | sha256sum | cut -c-64)" | sha256sum
        assert_eq!(file(|_| {}), "fbb1f8e74d35");
    }

    #[test]
    fn no_digest_of_a_secret() {
        let entry =
            Entry { secrecy: Secrecy::Secret, mode: 0o600, ..Entry::new(Node::File(Content::inline("hunter2")), "x") };
        let record = FileRecord::of(&"/x".parse().unwrap(), &entry, Audience::Secrets);
        assert_eq!((record.sha256, record.size, record.mode.as_str()), (None, Some(7), "0600"));
    }
}
