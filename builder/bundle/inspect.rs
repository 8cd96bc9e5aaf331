//! [`inspect`]: what is in a release, a node's part of it, a manifest or an archive. It lists, and vouches for nothing.

use std::io::Read as _;
use std::path::Path;

use serde::Serialize;

use super::{CommonManifest, FileRecord, FileType, MANIFEST, Manifest, NodeManifest, PUBLIC, SECRETS, signing};
use crate::archive::{self, Format, Header, HeaderKind};
use crate::disk::{self, Kind};
use crate::epoch::Epoch;
use crate::error::{Class, Error, Result, visible};
use crate::tree::TreePath;

/// The most bytes that a manifest has.
const LONGEST: u64 = 64 << 20;
/// The most entries of an archive that are listed.
const MOST: usize = 1 << 20;
/// Said under every list.
const UNCHECKED: &str = "no signature and no digest was checked: that is what `mastermold verify` does";

/// What was found. As JSON it has a member `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Inspected {
    /// A release, or its public part alone.
    Release {
        /// Its manifest.
        manifest: Manifest,
        /// Whether there is a signature beside it, good or bad.
        signature: bool,
        /// Whether its secrets are there.
        secrets: bool,
    },
    /// A node of a release.
    Node {
        /// Its manifest.
        manifest: NodeManifest,
    },
    /// A common layer of a release.
    Common {
        /// Its manifest.
        manifest: CommonManifest,
    },
    /// An archive.
    Archive {
        /// Its format.
        format: String,
        /// Its entries, in order.
        entries: Vec<Listed>,
    },
}

/// An entry of an archive. There is no digest of its contents: they may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Modification time, in seconds since 1970.
    pub mtime: u64,
    /// Where a symlink points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Lists what is at `path`: a release's directory, its `public/`, a node's directory in that, a manifest, or an archive
/// that mastermold wrote.
///
/// # Errors
/// Usage: it is none of these. Integrity: it is damaged, or an archive of another program. Environment: reading failed.
pub fn inspect(path: &Path) -> Result<Inspected> {
    let path = &disk::canonical(path)?;
    if disk::kind(path)? != Some(Kind::Directory) {
        return file(path);
    }
    let inside = [path.join(PUBLIC).join(MANIFEST), path.join(MANIFEST)];
    for manifest in inside {
        if disk::kind(&manifest)?.is_some() {
            return file(&manifest);
        }
    }
    Err(unknown(path))
}

fn unknown(path: &Path) -> Error {
    Error::usage(format!("{} is nothing of a release", path.display())).advise(
        "give a release's directory, its public/, a node's directory in that, a manifest (.json) or an archive \
         (.tar or .cpio, perhaps with .gz or .zst)",
    )
}

fn file(path: &Path) -> Result<Inspected> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(format) = Format::of_name(&name) {
        return entries(path, format).map_err(|error| match error.class() {
            Class::Integrity => error.context(format!("{} is no archive as mastermold writes them", path.display())),
            _ => error.context(path.display()),
        });
    }
    match name.ends_with(".json") {
        true => manifest(path).map_err(|error| error.context(path.display())),
        false => Err(unknown(path)),
    }
}

/// Which of the three manifests it is shows in what it has.
fn manifest(path: &Path) -> Result<Inspected> {
    let mut bytes = Vec::new();
    let read = disk::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("reading", path, error))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::integrity(format!("a manifest has at most {LONGEST} bytes")));
    }
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&bytes).map_err(|error| Error::integrity(format!("this is no manifest: {error}")))?;
    if members.contains_key("nodes") {
        let part = path.parent().unwrap_or(path);
        let signature = signing::is_signed(part)?;
        let secrets = match part.parent() {
            Some(release) => disk::kind(&release.join(SECRETS))? == Some(Kind::Directory),
            None => false,
        };
        return Ok(Inspected::Release { manifest: Manifest::parse(&bytes)?, signature, secrets });
    }
    match members.contains_key("node") {
        true => Ok(Inspected::Node { manifest: NodeManifest::parse(&bytes)? }),
        false => Ok(Inspected::Common { manifest: CommonManifest::parse(&bytes)? }),
    }
}

fn entries(path: &Path, format: Format) -> Result<Inspected> {
    let mut entries = Vec::new();
    archive::read(&mut disk::open(path)?, format, &mut |header, _| {
        if entries.len() == MOST {
            return Err(Error::policy(format!("the archive has more than {MOST} entries")));
        }
        entries.push(Listed::of(header));
        Ok(())
    })?;
    Ok(Inspected::Archive { format: format.to_string(), entries })
}

impl Listed {
    fn of(header: &Header) -> Listed {
        let (kind, size, target) = match &header.kind {
            HeaderKind::Directory => (FileType::Directory, None, None),
            HeaderKind::File { size } => (FileType::File, Some(*size), None),
            HeaderKind::Symlink { target } => (FileType::Symlink, None, Some(target.clone())),
        };
        let Header { path, mode, uid, gid, mtime, .. } = header;
        let (path, mode) = (path.clone(), format!("{mode:04o}"));
        Listed { path, kind, mode, uid: *uid, gid: *gid, size, mtime: *mtime, target }
    }

    fn of_record(record: &FileRecord, mtime: u64) -> Listed {
        let FileRecord { path, kind, mode, uid, gid, size, target, .. } = record.clone();
        Listed { path, kind, mode, uid, gid, size, mtime, target }
    }

    /// As `tar -tv` shows it, with the size in `width` columns.
    fn line(&self, width: usize) -> String {
        let Listed { path, uid, gid, mtime, .. } = self;
        let size = self.size.unwrap_or(0);
        let date = Epoch::from_seconds(*mtime).map_or_else(|_| mtime.to_string(), |epoch| epoch.to_string());
        let target = self.target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
        format!("{} {uid}/{gid} {size:>width$} {date} {path}{target}", letters(self.kind, &self.mode))
    }
}

/// Type and permission bits as letters: `-rwxr-xr-x`, with `s`, `S`, `t` and `T` for what lies above.
fn letters(kind: FileType, mode: &str) -> String {
    let mode = u32::from_str_radix(mode, 8).unwrap_or_default();
    let mut letters = String::from(match kind {
        FileType::Directory => "d",
        FileType::File => "-",
        FileType::Symlink => "l",
    });
    for (shift, special, marks) in [(6, 0o4000, ['s', 'S']), (3, 0o2000, ['s', 'S']), (0, 0o1000, ['t', 'T'])] {
        let bits = mode >> shift;
        letters.push(if bits & 4 != 0 { 'r' } else { '-' });
        letters.push(if bits & 2 != 0 { 'w' } else { '-' });
        letters.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => marks[0],
            (false, true) => marks[1],
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    letters
}

impl Inspected {
    /// What a person reads; each is one line, whatever the names in it are.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = match self {
            Inspected::Release { manifest, signature, secrets } => release(manifest, *signature, *secrets),
            Inspected::Node { manifest } => node(manifest),
            Inspected::Common { manifest } => {
                let mut lines = vec![format!("common layer {}", manifest.id())];
                lines.extend(records(&manifest.files, manifest.mtime));
                lines
            }
            Inspected::Archive { format, entries } => {
                let mut lines = vec![format!("{format} archive with {} entries", entries.len())];
                lines.extend(table(entries));
                lines
            }
        };
        lines.push(UNCHECKED.to_owned());
        lines.into_iter().map(|line| visible(&line)).collect()
    }
}

fn release(manifest: &Manifest, signature: bool, secrets: bool) -> Vec<String> {
    let Manifest { format, tool, cluster, version, epoch, profile, overlays, lock, part, nodes, artifacts } = manifest;
    let is = |there: bool| if there { "there" } else { "not there" };
    let mut lines = vec![
        format!("release of cluster {cluster}, version {version}, epoch {epoch}"),
        format!("format {format}, written by {tool}"),
        format!("profile {profile}, overlays {overlays}, lock {lock} (SHA-256)"),
        format!("signature: {}; secrets: {}", is(signature), is(secrets)),
    ];
    lines.extend(part.as_ref().map(|part| format!("a part: {} of {} machines", nodes.len(), part.of)));
    for node in nodes {
        lines.push(format!("node {}: {}", node.name, node.artifacts.join(", ")));
    }
    let width = width(artifacts.iter().map(|artifact| artifact.size));
    for artifact in artifacts {
        let secret = if artifact.secret { " (secret)" } else { "" };
        lines.push(format!("{} {:>width$} {}{secret}", artifact.sha256, artifact.size, artifact.path));
    }
    lines
}

fn node(manifest: &NodeManifest) -> Vec<String> {
    let NodeManifest { cluster, version, node, common, mtime, files, .. } = manifest;
    let mut lines = vec![format!("node {node} of cluster {cluster}, version {version}")];
    lines.extend(common.as_ref().map(|common| format!("with the common layer {common}")));
    lines.extend(records(files, *mtime));
    lines
}

/// Records as a table, with the layer and who asked for it.
fn records(files: &[FileRecord], mtime: u64) -> Vec<String> {
    let listed: Vec<_> = files.iter().map(|record| Listed::of_record(record, mtime)).collect();
    let lines = table(&listed).into_iter().zip(files);
    lines.map(|(line, record)| format!("{line} ({}: {})", record.layer, record.origin)).collect()
}

fn table(entries: &[Listed]) -> Vec<String> {
    let width = width(entries.iter().filter_map(|entry| entry.size));
    entries.iter().map(|entry| entry.line(width)).collect()
}

/// How many columns the largest number takes.
fn width(numbers: impl Iterator<Item = u64>) -> usize {
    numbers.max().unwrap_or(0).to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_tar_shows() {
        for (kind, mode, expected) in [
            (FileType::File, "0644", "-rw-r--r--"),
            (FileType::Directory, "1777", "drwxrwxrwt"),
            (FileType::File, "7000", "---S--S--T"),
            (FileType::File, "6755", "-rwsr-sr-x"),
            (FileType::Symlink, "0777", "lrwxrwxrwx"),
        ] {
            assert_eq!(letters(kind, mode), expected);
        }
        let entry = Listed {
            path: "/a b".parse().unwrap(),
            kind: FileType::Symlink,
            mode: "0777".into(),
            uid: 1,
            gid: 2,
            size: None,
            mtime: 315_532_800,
            target: Some("c\u{202e}\u{1b}[31m".into()),
        };
        let all = Inspected::Archive { format: "tar".into(), entries: vec![entry] };
        assert_eq!(
            all.lines(),
            [
                "tar archive with 1 entries",
                "lrwxrwxrwx 1/2 0 1980-01-01T00:00:00Z /a b -> c\\u{202e}\\u{1b}[31m",
                UNCHECKED
            ]
        );
    }
}
