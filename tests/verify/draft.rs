//! A release by hand: what a build writes, and at each step a way to write something else and sign it all the same.

use std::fs;
use std::path::Path;

use mastermold::archive::{Format, NoPieces, Packing, pack};
use mastermold::bundle::{
    Artifact, CommonManifest, FileRecord, Manifest, NodeManifest, NodeRecord, Part, Sums, identity_comment,
    manifest::to_text,
};
use mastermold::digest::Digest;
use mastermold::epoch::Epoch;
use mastermold::sign::{SecretKey, sign};
use mastermold::tree::{Audience, Content, Entry, NoBlobs, Node, Secrecy, Tree, TreePath};

/// Which archives are written for each format.
#[derive(Clone, Copy)]
pub struct Outputs {
    pub split: bool,
    pub merged_public: bool,
    pub merged_secret: bool,
}

impl Outputs {
    pub const ALL: Outputs = Outputs { split: true, merged_public: true, merged_secret: true };
    pub const SPLIT: Outputs = Outputs { split: true, merged_public: false, merged_secret: false };
}

/// A change of something by its path from the release's root.
pub type ByPath<T> = Box<dyn Fn(&str, &mut T)>;

/// A release before it is written, with what goes wrong on the way.
pub struct Draft {
    pub cluster: &'static str,
    pub version: &'static str,
    pub nodes: &'static [&'static str],
    pub formats: Vec<Format>,
    pub outputs: Outputs,
    /// Changes what is packed into the archive at this path, and not what its manifest says.
    pub packed: ByPath<Tree>,
    /// The time that is packed.
    pub mtime: Epoch,
    pub common_manifest: Box<dyn Fn(&mut CommonManifest)>,
    pub node_manifest: Box<dyn Fn(&mut NodeManifest)>,
    pub manifest: Box<dyn Fn(&mut Manifest)>,
    /// Changes the bytes of a file, by its path from the release's root.
    pub bytes: ByPath<Vec<u8>>,
    pub comment: Box<dyn Fn(String) -> String>,
}

impl Default for Draft {
    fn default() -> Draft {
        Draft {
            cluster: "prod",
            version: "2026.11.1",
            nodes: &["master-0", "master-1"],
            formats: vec!["cpio.gz".parse().unwrap()],
            outputs: Outputs::SPLIT,
            packed: Box::new(|_, _| {}),
            mtime: Epoch::FILES,
            common_manifest: Box::new(|_| {}),
            node_manifest: Box::new(|_| {}),
            manifest: Box::new(|_| {}),
            bytes: Box::new(|_, _| {}),
            comment: Box::new(|comment| comment),
        }
    }
}

pub fn file(text: &str, mode: u32, secrecy: Secrecy) -> Entry {
    Entry { mode, secrecy, ..Entry::new(Node::File(Content::inline(text)), "test") }
}

/// As `build` makes a layer: entries, parents, the lists of both.
pub fn layer(audience: Audience, entries: Vec<(&str, Entry)>) -> Tree {
    let mut tree: Tree = entries.into_iter().map(|(path, entry)| (path.parse().unwrap(), entry)).collect();
    let (mode, secrecy) = match audience {
        Audience::Secrets => (0o600, Secrecy::Secret),
        _ => (0o644, Secrecy::Public),
    };
    let list = |kind: &str| format!("/usr/lib/mastermold/{}.{kind}", audience.name()).parse::<TreePath>().unwrap();
    tree.replace(list("entries"), file("", mode, secrecy));
    tree.add_parents(|_| Entry::new(Node::Directory, "parent directory")).unwrap();
    tree.replace(list("entries"), file(&entries_of(&tree, audience), mode, secrecy));
    tree.replace(list("sha256"), file(&list_of(&tree), mode, secrecy));
    tree
}

pub fn entries_of(tree: &Tree, audience: Audience) -> String {
    let line = |(path, entry): (&TreePath, &Entry)| {
        let (kind, target) = match &entry.node {
            Node::Directory => (0x4000, String::new()),
            Node::File(_) => (0x8000, String::new()),
            Node::Symlink(target) => (0xa000, format!("\t{target}")),
        };
        format!("{:x} {} {} {}{target}\n", kind | entry.mode, entry.uid, entry.gid, path.as_str())
    };
    let list = format!("usr/lib/mastermold/{}.entries", audience.name());
    tree.iter().filter(|(path, _)| path.as_str() != list).map(line).collect()
}

pub fn list_of(tree: &Tree) -> String {
    let line = |path: &str, entry: &Entry| match &entry.node {
        Node::File(content) => Some(format!("{}  {path}\n", content.digest())),
        _ => None,
    };
    tree.iter().filter_map(|(path, entry)| line(path.as_str(), entry)).collect()
}

pub fn common() -> Tree {
    layer(
        Audience::Common,
        vec![
            ("/bin/tool", file("#!/bin/sh\n", 0o755, Secrecy::Public)),
            ("/bin/link", Entry::new(Node::Symlink("tool".into()), "test")),
            ("/etc/empty", file("", 0o644, Secrecy::Public)),
        ],
    )
}

pub fn own(node: &str) -> Tree {
    let group = Entry { uid: 7, gid: 8, ..file(&format!("{node}\n"), 0o644, Secrecy::Public) };
    layer(
        Audience::Node,
        vec![
            ("/etc/hostname", group),
            ("/srv", Entry { mode: 0o700, ..Entry::new(Node::Directory, "test") }),
            ("/var/lib/tool/conf", file("x=1\n", 0o640, Secrecy::Public)),
        ],
    )
}

pub fn secret(node: &str) -> Tree {
    layer(
        Audience::Secrets,
        vec![
            ("/etc/tool/key", file(&format!("key of {node}\n"), 0o600, Secrecy::Secret)),
            ("/usr/lib/mastermold/secrets.salt", file("0123456789abcdef0123456789abcdef", 0o600, Secrecy::Secret)),
            ("/var/lib/token", file("token\n", 0o400, Secrecy::Secret)),
        ],
    )
}

pub fn union(trees: &[&Tree]) -> Tree {
    trees.iter().flat_map(|tree| tree.iter()).map(|(path, entry)| (path.clone(), entry.clone())).collect()
}

impl Draft {
    /// Writes and signs it.
    pub fn write(&self, root: &Path, key: &SecretKey) {
        let common = common();
        let mut common_manifest = CommonManifest {
            format: 1,
            mtime: Epoch::FILES.seconds(),
            files: FileRecord::all(&common, Audience::Common),
        };
        (self.common_manifest)(&mut common_manifest);
        let name = format!("layers/common-{}", common_manifest.id());
        self.put(root, &format!("public/{name}.json"), to_text(&common_manifest).unwrap());
        let mut manifest = Manifest {
            format: 1,
            tool: "mastermold 0.1.0".into(),
            cluster: self.cluster.into(),
            version: self.version.into(),
            epoch: "2026-11-01T00:00:00Z".into(),
            profile: Digest::of(b"profile"),
            overlays: Digest::of(b"overlays"),
            lock: Digest::of(b"lock"),
            part: None,
            nodes: Vec::new(),
            artifacts: Vec::new(),
        };
        for node in self.nodes {
            self.node(root, node, &name);
            let artifacts = self.artifacts(root, node, &name, &common);
            let paths = artifacts.iter().map(|artifact| artifact.path.clone()).collect();
            manifest.nodes.push(NodeRecord { name: (*node).into(), artifacts: paths, boot: None });
            manifest.artifacts.extend(artifacts);
        }
        manifest.artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        manifest.artifacts.dedup();
        (self.manifest)(&mut manifest);
        self.put(root, "public/manifest.json", to_text(&manifest).unwrap());
        self.put(root, "secrets/admin/admin.conf", b"admin\n".to_vec());
        for part in [Part::Public, Part::Secrets] {
            seal(root, part, &(self.comment)(identity_comment(&manifest, part)), key);
        }
    }

    fn node(&self, root: &Path, node: &str, common: &str) {
        let mut files = FileRecord::all(&own(node), Audience::Node);
        files.extend(FileRecord::all(&secret(node), Audience::Secrets));
        let mut manifest = NodeManifest {
            format: 1,
            cluster: self.cluster.into(),
            version: self.version.into(),
            node: node.into(),
            common: Some(format!("{common}.json")),
            mtime: Epoch::FILES.seconds(),
            files,
        };
        (self.node_manifest)(&mut manifest);
        self.put(root, &format!("public/{node}/manifest.json"), to_text(&manifest).unwrap());
    }

    fn artifacts(&self, root: &Path, node: &str, name: &str, common: &Tree) -> Vec<Artifact> {
        let (own, secret) = (own(node), secret(node));
        let both = union(&[common, &own]);
        let all = union(&[&both, &secret]);
        let mut artifacts = Vec::new();
        for format in &self.formats {
            let Outputs { split, merged_public, merged_secret } = self.outputs;
            let archives = [
                (split, format!("public/{name}.{format}"), None, "common", common),
                (split, format!("public/{node}/node.{format}"), Some(node), "node", &own),
                (split, format!("secrets/{node}/secrets.{format}"), Some(node), "secrets", &secret),
                (merged_public, format!("public/{node}/rootfs.{format}"), Some(node), "merged", &both),
                (merged_secret, format!("secrets/{node}/rootfs.{format}"), Some(node), "merged", &all),
            ];
            for (_, path, node, layer, tree) in archives.into_iter().filter(|(wanted, ..)| *wanted) {
                artifacts.push(self.archive(root, path, node, layer, *format, tree));
            }
        }
        artifacts
    }

    fn archive(
        &self,
        root: &Path,
        path: String,
        node: Option<&str>,
        layer: &str,
        format: Format,
        tree: &Tree,
    ) -> Artifact {
        let mut tree = tree.clone();
        (self.packed)(&path, &mut tree);
        let level = format.default_level();
        let packing = Packing { format, level, mtime: self.mtime, workers: 1, memory: 256 << 20 };
        let mut bytes = Vec::new();
        pack(&tree, &NoBlobs, &NoPieces, &packing, &mut bytes).unwrap();
        let bytes = self.put(root, &path, bytes);
        Artifact {
            node: node.map(str::to_owned),
            layer: layer.into(),
            format: format.to_string(),
            size: bytes.len() as u64,
            sha256: Digest::of(&bytes),
            secret: path.starts_with("secrets/"),
            path,
        }
    }

    fn put(&self, root: &Path, path: &str, mut bytes: Vec<u8>) -> Vec<u8> {
        (self.bytes)(path, &mut bytes);
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), &bytes).unwrap();
        bytes
    }
}

/// Writes the sums of what is there, and signs them.
pub fn seal(root: &Path, part: Part, comment: &str, key: &SecretKey) {
    let directory = root.join(part.name());
    let mut sums = Sums::new();
    for path in files(&directory).into_iter().filter(|path| !path.starts_with("SHA256SUMS")) {
        let digest = Digest::of(&fs::read(directory.join(&path)).unwrap());
        sums.insert(path, digest);
    }
    seal_text(&directory, &sums.to_text(), comment, key);
}

/// Writes and signs any list.
pub fn seal_text(directory: &Path, text: &str, comment: &str, key: &SecretKey) {
    fs::write(directory.join("SHA256SUMS.minisig"), sign(key, text.as_bytes(), comment).unwrap()).unwrap();
    fs::write(directory.join("SHA256SUMS"), text).unwrap();
}

/// Every file below, sorted.
pub fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}
