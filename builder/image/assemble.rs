//! [`Assembly`]: an image from files alone, as a function of their bytes and of what is said of it.
//!
//! One layer, not compressed: what carries the archive is compressed already, once and better. It is written in one
//! pass; the layer's digest, which its name in the archive has, comes from the lock or from a pass before.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::documents::{self, Config, Descriptor, Execution, Index, Layout, Manifest, Platform, RootFs, Saved};
use super::tar::{self, Head};
use super::{BLOBS, LAYOUT_VERSION, OS, REF_NAME, WHOLE_NAME};
use crate::digest::{Digest, HashWriter};
use crate::epoch::Epoch;
use crate::error::{Error, Result};
use crate::tree::{Blobs, Entry, Node, Tree, TreePath};

/// What is run in the image if a pod says nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The program and its first words.
    pub entrypoint: Vec<String>,
    /// Further words, which a pod's `args` replace.
    pub cmd: Vec<String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Whose number it runs as: `UID` or `UID:GID`.
    pub user: Option<String>,
    /// The directory that it starts in.
    pub workdir: Option<String>,
}

/// An image that is made of a tree.
#[derive(Clone, Debug)]
pub struct Assembly {
    name: String,
    arch: String,
    tree: Tree,
    settings: Settings,
}

impl Assembly {
    /// An image with this whole name, for this architecture as Go names it, that holds these files. Directories that
    /// they need are root's, 0755.
    pub fn new(name: &str, arch: &str, mut files: Tree, settings: Settings) -> Result<Assembly> {
        super::check_name(name)?;
        files.add_parents(|_: &TreePath| Entry::new(Node::Directory, "a directory of the image"))?;
        Ok(Assembly { name: name.to_owned(), arch: arch.to_owned(), tree: files, settings })
    }

    /// The digest of the layer, for which all contents are read once.
    pub fn layer(&self, blobs: &dyn Blobs) -> Result<Digest> {
        let mut hashed = HashWriter::new(io::sink());
        self.write_layer(blobs, &mut hashed)?;
        Ok(hashed.finish().1)
    }

    /// The image's ID, by which runtimes list it: the digest of its configuration.
    pub fn id(&self, layer: Digest) -> Result<Digest> {
        Ok(Digest::of(&self.config(layer)?))
    }

    /// Writes the archive. If the layer is not what `layer` says, so is the archive, and it must be thrown away.
    pub fn write(&self, layer: Digest, blobs: &dyn Blobs, out: &mut dyn Write) -> Result<()> {
        let config = self.config(layer)?;
        let manifest = self.manifest(layer, &config)?;
        let blob = |digest: Digest| format!("{BLOBS}/{digest}");
        let documents = [
            (blob(Digest::of(&config)), config.clone()),
            (blob(Digest::of(&manifest)), manifest.clone()),
            ("index.json".to_owned(), self.index(&manifest)?),
            ("manifest.json".to_owned(), self.saved(layer, &config)?),
            ("oci-layout".to_owned(), documents::write(&Layout { image_layout_version: LAYOUT_VERSION.to_owned() })?),
        ];
        let documents = documents.into_iter().map(|(path, bytes)| (path, Some(bytes)));
        let files: BTreeMap<String, Option<Vec<u8>>> = documents.chain([(blob(layer), None)]).collect();
        for directory in ["blobs", BLOBS] {
            put(out, &tar::header(&Head { path: directory, size: None, mode: 0o755, uid: 0, gid: 0 })?)?;
        }
        for (path, bytes) in &files {
            let size = bytes.as_ref().map_or_else(|| self.layer_size(), |bytes| bytes.len() as u64);
            put(out, &tar::header(&Head::plain(path, size))?)?;
            match bytes {
                Some(bytes) => put(out, bytes)?,
                None => self.write_layer(blobs, out)?,
            }
            tar::pad(size, out).map_err(written)?;
        }
        tar::end(out).map_err(written)
    }

    /// The layer's size, which is known without reading anything.
    fn layer_size(&self) -> u64 {
        let room = |entry: &Entry| match &entry.node {
            Node::File(content) => tar::room(content.size()),
            _ => tar::room(0),
        };
        self.tree.iter().map(|(_, entry)| room(entry)).sum::<u64>() + tar::END
    }

    fn write_layer(&self, blobs: &dyn Blobs, out: &mut dyn Write) -> Result<()> {
        for (path, entry) in self.tree.iter() {
            let size = match &entry.node {
                Node::File(content) => Some(content.size()),
                Node::Directory => None,
                Node::Symlink(_) => return Err(Error::bug(format!("{path} is a symlink in an image"))),
            };
            let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
            put(out, &tar::header(&Head { path: path.as_str(), size, mode, uid, gid })?)?;
            if let Node::File(content) = &entry.node {
                let copied = tar::copy(&mut content.open(blobs)?, out).map_err(written)?;
                if copied != content.size() {
                    return Err(Error::integrity(format!("the contents of {path} have {copied} bytes")));
                }
                tar::pad(copied, out).map_err(written)?;
            }
        }
        tar::end(out).map_err(written)
    }

    fn config(&self, layer: Digest) -> Result<Vec<u8>> {
        let settings = self.settings.clone();
        documents::write(&Config {
            architecture: self.arch.clone(),
            config: Execution {
                cmd: settings.cmd,
                entrypoint: settings.entrypoint,
                env: settings.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
                user: settings.user,
                working_dir: settings.workdir,
            },
            created: Epoch::FILES.to_string(),
            os: OS.to_owned(),
            rootfs: RootFs { diff_ids: vec![format!("sha256:{layer}")], kind: "layers".to_owned() },
        })
    }

    fn manifest(&self, layer: Digest, config: &[u8]) -> Result<Vec<u8>> {
        let layer = descriptor(documents::LAYER, layer, self.layer_size());
        documents::write(&Manifest {
            config: descriptor(documents::CONFIG, Digest::of(config), config.len() as u64),
            layers: vec![layer],
            media_type: Some(documents::MANIFEST.to_owned()),
            schema_version: 2,
        })
    }

    /// With both names, as containerd's own export has it: the whole one, and the tag.
    fn index(&self, manifest: &[u8]) -> Result<Vec<u8>> {
        let tag = self.name.rsplit(':').next().unwrap_or_default();
        let names = [(WHOLE_NAME, self.name.as_str()), (REF_NAME, tag)];
        let names = names.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let of_manifest = descriptor(documents::MANIFEST, Digest::of(manifest), manifest.len() as u64);
        let platform = Platform { architecture: self.arch.clone(), os: OS.to_owned() };
        documents::write(&Index {
            manifests: vec![Descriptor { annotations: Some(names.into()), platform: Some(platform), ..of_manifest }],
            media_type: Some(documents::INDEX.to_owned()),
            schema_version: 2,
        })
    }

    /// What `docker load` reads.
    fn saved(&self, layer: Digest, config: &[u8]) -> Result<Vec<u8>> {
        documents::write(&[Saved {
            config: format!("{BLOBS}/{}", Digest::of(config)),
            layers: vec![format!("{BLOBS}/{layer}")],
            repo_tags: Some(vec![self.name.clone()]),
        }])
    }
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    let digest = format!("sha256:{digest}");
    Descriptor { annotations: None, digest, media_type: media_type.to_owned(), platform: None, size }
}

fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(written)
}

fn written(error: io::Error) -> Error {
    Error::io("writing", "an image", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Content, NoBlobs};

    fn assembly(name: &str, arch: &str, settings: Settings) -> Result<Assembly> {
        let mut tree = Tree::new();
        let program = Entry { mode: 0o755, ..Entry::new(Node::File(Content::inline("#!x")), "test") };
        tree.insert("/usr/bin/program".parse()?, program)?;
        Assembly::new(name, arch, tree, settings)
    }

    fn archive(assembly: &Assembly) -> Vec<u8> {
        let mut bytes = Vec::new();
        assembly.write(assembly.layer(&NoBlobs).unwrap(), &NoBlobs, &mut bytes).unwrap();
        bytes
    }

    /// A change of these bytes is a new format: what is locked would be other bytes.
    #[test]
    fn known_answer() {
        let settings = Settings { entrypoint: vec!["/usr/bin/program".into()], ..Settings::default() };
        let one = assembly("a.b/c:1", "amd64", settings).unwrap();
        let bytes = archive(&one);
        assert_eq!(bytes.len() % 512, 0);
        assert_eq!(Digest::of(&bytes).to_string(), "ffc30642953d3afc55c6e6ca6e5de7345738d3d6d2b0297b875d9b4a475d787e");
        assert_eq!(archive(&one), bytes);
    }

    #[test]
    fn everything_that_is_said_is_in_the_bytes() {
        let base = archive(&assembly("a.b/c:1", "amd64", Settings::default()).unwrap());
        let others = [
            ("a.b/c:2", "amd64", Settings::default()),
            ("a.b/c:1", "arm64", Settings::default()),
            ("a.b/c:1", "amd64", Settings { cmd: vec!["x".into()], ..Settings::default() }),
            ("a.b/c:1", "amd64", Settings { entrypoint: vec!["x".into()], ..Settings::default() }),
            ("a.b/c:1", "amd64", Settings { user: Some("1".into()), ..Settings::default() }),
            ("a.b/c:1", "amd64", Settings { workdir: Some("/".into()), ..Settings::default() }),
            ("a.b/c:1", "amd64", Settings { env: BTreeMap::from([("A".into(), "b".into())]), ..Settings::default() }),
        ];
        for (name, arch, settings) in others {
            let other = assembly(name, arch, settings.clone()).unwrap();
            assert_ne!(archive(&other), base, "{name} {arch} {settings:?}");
        }
    }

    #[test]
    fn a_layer_that_is_not_what_was_said_makes_another_archive() {
        let one = assembly("a.b/c:1", "amd64", Settings::default()).unwrap();
        let mut bytes = Vec::new();
        one.write(Digest::of(b"other"), &NoBlobs, &mut bytes).unwrap();
        assert_ne!(bytes, archive(&one));
    }

    #[test]
    fn what_no_layer_holds() {
        let with = |path: &str, entry: Entry| {
            let tree = Tree::from_iter([(path.parse().unwrap(), entry)]);
            Assembly::new("a.b/c:1", "amd64", tree, Settings::default())?.layer(&NoBlobs)
        };
        let file = || Entry::new(Node::File(Content::inline("x")), "test");
        assert!(with("/x", file()).is_ok());
        assert_eq!(with(&format!("/{}", "x".repeat(101)), file()).unwrap_err().class().code(), 8);
        assert_eq!(with("/x", Entry { uid: 1 << 21, ..file() }).unwrap_err().class().code(), 8);
    }
}
