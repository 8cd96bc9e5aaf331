//! Overlays: folders of files and declarations, the unit of composition. A project's own come first, then those that the
//! program carries inside itself.
//!
//! ```text
//! overlays/NAME/overlay.toml   declarations, rendered for each node that the overlay is active on
//! overlays/NAME/root/...       a mirror of `/`: files as they are, `*.j2` rendered
//! ```

pub mod args;
mod bounds;
pub mod credentials;
pub mod declare;
pub mod escape;
pub mod license;
pub mod reads;
pub mod schema;
pub mod scope;
mod seen;
mod talk;
pub mod template;
pub mod units;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::digest::{Digest, Hasher};
use crate::disk::{self, Kind};
use crate::document::{self, Value};
use crate::error::{Error, Faults, FileName, Result};
use crate::shipped;
use crate::tree::TreePath;

pub use declare::{Declarations, Mode};
pub use reads::{Reads, Remembered, Variants};
pub use scope::{Global, Scope, Sharing, is_template};
pub use seen::Seen;
pub use template::Engine;

/// The largest file of an overlay. Overlays hold text; what is larger is a source.
const LARGEST_FILE: u64 = 16 << 20;
/// The file with an overlay's declarations.
const DECLARATIONS: &str = "overlay.toml";
/// The folder with its files.
const ROOT: &str = "root";
/// The end of a template's name.
const TEMPLATE: &str = ".j2";

/// A loaded overlay, nothing rendered yet.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Its folder's name.
    pub name: String,
    /// Where it was found.
    pub home: Home,
    /// `overlay.toml`.
    pub declarations: Value,
    /// What is in `root/`, sorted by path.
    pub files: Vec<OverlayFile>,
    /// SHA-256 over everything that the overlay is.
    pub digest: Digest,
}

/// Something in an overlay's `root/`.
#[derive(Clone, Debug)]
pub struct OverlayFile {
    /// Where it goes.
    pub path: TreePath,
    /// What it is.
    pub content: OverlayContent,
    /// The file in the project or the program, for errors.
    pub file: FileName,
}

/// What something in an overlay's `root/` is.
#[derive(Clone, Debug)]
pub enum OverlayContent {
    /// A file that is taken as it is.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether its owner may execute it, the one bit of a mode that git keeps.
        executable: bool,
    },
    /// A template (`NAME.j2`).
    Template {
        /// Its source.
        source: String,
        /// As for a file.
        executable: bool,
    },
    /// A symlink and its target.
    Symlink(String),
    /// An empty directory is not kept by git, and says nothing; a directory is here only to be checked.
    Directory,
}

/// Where an overlay was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In the project.
    Project,
    /// Inside the program.
    Program,
}

/// How errors name what is inside the program, before its path.
const INSIDE: &str = "mastermold:";

/// Something in an overlay's folder, by its path from there.
type Found = (PathBuf, FoundContent);

enum FoundContent {
    File { bytes: Vec<u8>, executable: bool },
    Symlink(PathBuf),
    Directory,
    Other,
}

impl Overlay {
    /// Loads `overlays/NAME` of a project, or the one of this name that the program carries.
    pub fn load(project: &Path, name: &str) -> Result<Overlay> {
        let folder = PathBuf::from("overlays").join(name);
        let (home, shown, declared, found) = match disk::exists(&project.join(&folder).join(DECLARATIONS)) {
            true => {
                let declared = disk::read_beneath(project, &folder.join(DECLARATIONS), LARGEST_FILE)?;
                let found = read_root(project, &folder.join(ROOT))?;
                (Home::Project, folder.display().to_string(), declared, found)
            }
            false => {
                let (declared, found) = shipped_overlay(name)?;
                (Home::Program, format!("{INSIDE}{}", folder.display()), declared, found)
            }
        };
        let file = format!("{shown}/{DECLARATIONS}");
        let text = String::from_utf8(declared).map_err(|_| Error::usage(format!("{file} is not UTF-8")))?;
        let mut faults = Faults::new();
        let declarations = Value::parse(&text, &file)?;
        faults.note(document::unknown_keys::<Declarations>(&declarations));
        let files = faults.note(overlay_files(found, &format!("{shown}/{ROOT}"))).unwrap_or_default();
        let digest = digest(&text, &files);
        faults.finish(Overlay { name: name.to_owned(), home, declarations, files, digest })
    }

    /// Whether a value that differs from an earlier overlay's is meant.
    pub fn overrides(&self) -> bool {
        self.declarations.get("override").is_some_and(|value| value.data == document::Data::Boolean(true))
    }
}

impl OverlayFile {
    /// The file as manifests name it: the same wherever the overlay was found.
    pub fn origin(&self) -> &str {
        self.file.strip_prefix(INSIDE).unwrap_or(&self.file)
    }
}

/// The names of all overlays that a project can use: its own, and those inside the program.
pub fn names(project: &Path) -> Result<BTreeSet<String>> {
    let folder = project.join("overlays");
    let own = disk::names(&folder)?.into_iter().filter(|name| disk::exists(&folder.join(name).join(DECLARATIONS)));
    Ok(own.chain(shipped::overlays().map(str::to_owned)).collect())
}

/// The declarations of an overlay inside the program, and what is in its root.
fn shipped_overlay(name: &str) -> Result<(Vec<u8>, Vec<Found>)> {
    let folder = format!("overlays/{name}");
    let declared = shipped::file(&format!("{folder}/{DECLARATIONS}"));
    let declared = declared.ok_or_else(|| Error::usage(format!("there is no overlay `{name}`")))?;
    let root = format!("{folder}/{ROOT}");
    let found = shipped::below(&root).map(|(path, file)| {
        let content = FoundContent::File { bytes: file.bytes.to_vec(), executable: false };
        (PathBuf::from(path), content)
    });
    Ok((declared.bytes.to_vec(), found.collect()))
}

/// What is in the root of an overlay of the project.
fn read_root(project: &Path, root: &Path) -> Result<Vec<Found>> {
    let at = project.join(root);
    if disk::kind(&at)?.is_none() {
        return Ok(Vec::new());
    }
    let mut faults = Faults::new();
    let mut found = Vec::new();
    for (path, kind) in disk::walk(&at)? {
        let file = root.join(&path);
        let content = match kind {
            Kind::Directory => Ok(FoundContent::Directory),
            Kind::Other => Ok(FoundContent::Other),
            Kind::Symlink => disk::read_link(&project.join(&file)).map(FoundContent::Symlink),
            Kind::File { executable } => {
                disk::read_beneath(project, &file, LARGEST_FILE).map(|bytes| FoundContent::File { bytes, executable })
            }
        };
        found.extend(faults.note(content).map(|content| (path, content)));
    }
    faults.finish(found)
}

fn overlay_files(found: Vec<Found>, root: &str) -> Result<Vec<OverlayFile>> {
    let mut faults = Faults::new();
    let mut files: Vec<OverlayFile> = Vec::new();
    for (path, content) in found {
        let shown = format!("{root}/{}", path.display());
        let Some(file) = faults.note(overlay_file(&path, content, shown)) else { continue };
        if let Some(twin) = files.iter().find(|other| other.path == file.path) {
            faults.push(
                Error::usage(format!("{} and {} are both {}", twin.file, file.file, file.path)).advise("remove one"),
            );
        }
        files.push(file);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.retain(|file| !matches!(file.content, OverlayContent::Directory));
    faults.finish(files)
}

fn overlay_file(path: &Path, content: FoundContent, shown: String) -> Result<OverlayFile> {
    let named = path.to_str().ok_or_else(|| Error::usage(format!("the name of {shown} is not UTF-8")))?;
    let (path, is_template) = match named.strip_suffix(TEMPLATE) {
        Some(stripped) if matches!(content, FoundContent::File { .. }) => (stripped, true),
        _ => (named, false),
    };
    let path = TreePath::from_relative(path).map_err(|error| error.context(&shown))?;
    let content = match content {
        FoundContent::Directory => OverlayContent::Directory,
        FoundContent::Other => {
            return Err(Error::policy(format!("{shown} is a device, FIFO or socket")).advise("remove it"));
        }
        FoundContent::Symlink(target) => {
            let target = target.to_str().ok_or_else(|| Error::usage(format!("the target of {shown} is not UTF-8")))?;
            OverlayContent::Symlink(target.to_owned())
        }
        FoundContent::File { bytes, executable } => match is_template {
            false => OverlayContent::File { bytes, executable },
            true => OverlayContent::Template {
                source: String::from_utf8(bytes).map_err(|_| Error::usage(format!("{shown} is not UTF-8")))?,
                executable,
            },
        },
    };
    Ok(OverlayFile { path, content, file: shown.as_str().into() })
}

/// Every field is preceded by its length, so that no two overlays give the same stream.
fn digest(declarations: &str, files: &[OverlayFile]) -> Digest {
    let mut hasher = Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    field(declarations.as_bytes());
    for file in files {
        field(file.path.as_str().as_bytes());
        match &file.content {
            OverlayContent::File { bytes, executable } => {
                field(if *executable { b"executable" } else { b"file" });
                field(bytes);
            }
            OverlayContent::Template { source, executable } => {
                field(if *executable { b"executable template" } else { b"template" });
                field(source.as_bytes());
            }
            OverlayContent::Symlink(target) => {
                field(b"symlink");
                field(target.as_bytes());
            }
            OverlayContent::Directory => {}
        }
    }
    hasher.finish().0
}
