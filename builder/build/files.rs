//! An overlay's files, directories and symlinks on a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use zeroize::Zeroizing;

use super::contents::Contents;
use super::node::Active;
use super::place::{Placing, check_mode};
use super::scopes::FileNames;
use crate::document::{self, Placed};
use crate::error::{Error, Faults, Place, Result};
use crate::overlay::declare::FileDeclaration;
use crate::overlay::escape::{self, Syntax};
use crate::overlay::{OverlayContent, OverlayFile, Scope, Variants};
use crate::tree::{Content, Entry, Node, Secrecy, Tree, TreePath};

/// A glob of absolute paths, in which `*` stays within one directory and `**` does not.
pub fn glob(pattern: &str, place: &Place) -> Result<GlobMatcher> {
    let absolute = pattern.starts_with('/');
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    match glob {
        Ok(glob) if absolute => Ok(glob.compile_matcher()),
        Ok(_) => Err(Error::usage(format!("`{pattern}` is not an absolute path")).at(place)),
        Err(error) => Err(Error::usage(format!("`{pattern}` is not a glob: {error}")).at(place)),
    }
}

/// Puts an overlay's files into the tree.
pub fn place_files(
    one: &Active<'_>,
    names: &FileNames,
    (contents, variants): (&Contents, &Variants),
    placing: &mut Placing,
    faults: &mut Faults,
) {
    let globs =
        one.declared.files.iter().map(|declared| Ok((contents.glob(&declared.path, &declared.place)?, declared)));
    let globs: Vec<_> = globs.filter_map(|matcher| faults.note(matcher)).collect();
    let scope = names.scope(&one.scope);
    let mut used = vec![false; globs.len()];
    for (number, file) in one.overlay.files.iter().enumerate() {
        let path = file.path.to_string();
        if one.absent.iter().any(|absent| absent.is_match(&path)) {
            continue;
        }
        let matching = globs.iter().enumerate().filter(|(_, (glob, _))| glob.is_match(&path));
        let matching: Vec<usize> = matching.map(|(index, _)| index).collect();
        matching.iter().for_each(|index| used[*index] = true);
        let declared = matching.last().map(|index| globs[*index].1);
        let format = declared.and_then(|declared| declared.format.as_ref()).map(|format| format.value.clone());
        let is_secret = declared.is_some_and(|declared| declared.secret);
        let content = || match &file.content {
            OverlayContent::Template { source, .. } => {
                render_file(file, source, declared, &scope, names, is_secret).map(Content::inline)
            }
            OverlayContent::File { bytes, .. } => Ok(Content::inline(bytes.clone())),
            OverlayContent::Symlink(_) | OverlayContent::Directory => Ok(Content::inline([])),
        };
        let content = contents.rendered.get((one.number, number, format), variants, |_| true, content);
        let entry = content.and_then(|content| file_entry(one, file, declared, content));
        let Some(entry) = faults.note(entry) else { continue };
        let start = Place { file: file.file.clone(), line: 1, column: 1 };
        let overrides = one.overlay.overrides() || declared.is_some_and(|declared| declared.overrides);
        let vouched = declared.is_some_and(|declared| declared.not_secret.is_some());
        faults.note(match vouched {
            true => placing.put_vouched(&file.path, entry, overrides, &start),
            false => placing.put(&file.path, entry, overrides, &start),
        });
    }
    for ((_, declared), _) in globs.iter().zip(used).filter(|(_, used)| !used) {
        let error = Error::usage(format!("`{}` is the path of no file in overlay {}", declared.path, one.overlay.name));
        let paths: Vec<String> = one.overlay.files.iter().map(|file| file.path.to_string()).collect();
        faults.push(match document::nearest(&declared.path, paths.iter().map(String::as_str)) {
            Some(near) => error.advise(format!("did you mean `{near}`?")).at(&declared.place),
            None => error.at(&declared.place),
        });
    }
}

fn file_entry(
    one: &Active<'_>,
    file: &OverlayFile,
    declared: Option<&Placed<FileDeclaration>>,
    content: Content,
) -> Result<Entry> {
    let is_secret = declared.is_some_and(|declared| declared.secret);
    let (node, executable) = match &file.content {
        OverlayContent::Directory => (Node::Directory, false),
        OverlayContent::Symlink(target) => (Node::Symlink(target.clone()), false),
        OverlayContent::File { executable, .. } | OverlayContent::Template { executable, .. } => {
            (Node::File(content), *executable)
        }
    };
    let mut entry = Entry::new(node, format!("overlay {}: {}", one.overlay.name, file.origin()));
    if !matches!(entry.node, Node::Symlink(_)) {
        let usual = match (is_secret, executable) {
            (true, false) => 0o600,
            (true, true) => 0o700,
            (false, true) => 0o755,
            (false, false) => 0o644,
        };
        entry.mode = declared.and_then(|declared| declared.mode).map_or(usual, |mode| mode.0);
    }
    if let Some(declared) = declared {
        check_not_secret(&declared.path, declared.not_secret.as_deref(), declared.secret, &declared.place)?;
        check_mode(
            &declared.path,
            entry.mode & 0o7777 & !link_bits(&entry),
            false,
            declared.unsafe_mode.as_ref(),
            &declared.place,
        )?;
        (entry.uid, entry.gid) = (declared.uid, declared.gid);
        entry.secrecy = if declared.secret { Secrecy::Secret } else { Secrecy::Public };
    }
    Ok(entry)
}

/// A file that must be the same on all nodes, and where that is said.
pub struct Same {
    path: TreePath,
    content: Content,
    place: Place,
}

/// The files that an overlay wants to be the same on all nodes.
pub fn same_files(one: &Active<'_>, tree: &Tree, contents: &Contents, faults: &mut Faults) -> Vec<Same> {
    let mut all = Vec::new();
    for declared in one.declared.files.iter().filter(|declared| declared.same) {
        let Some(glob) = faults.note(contents.glob(&declared.path, &declared.place)) else { continue };
        for (path, entry) in tree.iter().filter(|(path, _)| glob.is_match(path.to_string())) {
            let Node::File(content) = &entry.node else { continue };
            all.push(Same { path: path.clone(), content: content.clone(), place: declared.place.clone() });
        }
    }
    all
}

/// Refuses a file that must be the same on all nodes and is not; `seen` is what it was on the first.
pub fn check_same(node: &str, same: Vec<Same>, seen: &mut BTreeMap<TreePath, (String, Content)>, faults: &mut Faults) {
    for Same { path, content, place } in same {
        let (first, known) = seen.entry(path.clone()).or_insert_with(|| (node.to_owned(), content.clone()));
        if *known != content {
            let message = format!("{path} must be the same on all nodes, and {first} and {node} have others");
            faults.push(Error::usage(message).advise("take what is of one node out of it").at(&place));
        }
    }
}

/// Who says that something is no secret says why, and does not say the opposite too.
pub fn check_not_secret(name: &str, reason: Option<&str>, secret: bool, place: &Place) -> Result<()> {
    let wrong = match reason {
        Some(reason) if reason.trim().is_empty() => "says `not-secret` and not why",
        Some(_) if secret => "is both `secret` and `not-secret`",
        _ => return Ok(()),
    };
    let error = Error::usage(format!("`{name}` {wrong}"));
    Err(error.advise("give the reason, `not-secret = \"...\"`, or leave it out").at(place))
}

/// A symlink's bits mean nothing.
fn link_bits(entry: &Entry) -> u32 {
    if matches!(entry.node, Node::Symlink(_)) { 0o7777 } else { 0 }
}

fn render_file(
    file: &OverlayFile,
    source: &str,
    declared: Option<&Placed<FileDeclaration>>,
    scope: &Arc<Scope>,
    names: &FileNames,
    is_secret: bool,
) -> Result<String> {
    names.used_secret();
    let marked = scope.render_file(source, &file.file).map_err(|error| names.conceal(error))?;
    let marked = Zeroizing::new(marked);
    let used_secret = names.used_secret();
    let start = Place { file: file.file.clone(), line: 1, column: 1 };
    if used_secret && !is_secret {
        let message = format!("{} uses a secret and would be in a public layer", file.path);
        return Err(Error::policy(message).advise("declare it with `secret = true` in [[files]]").at(&start));
    }
    let syntax = match declared.and_then(|declared| declared.format.as_ref()) {
        Some(format) => format.parse::<Syntax>().map_err(|error| error.at(&format.place))?,
        None => Syntax::of(&file.path),
    };
    escape::escape(&marked, syntax).map_err(|refused| {
        let value = if used_secret { "a value".to_owned() } else { format!("the value `{}`", refused.value) };
        let line = refused.line;
        let message = format!("{value} cannot be written into line {line} of {}: {}", file.path, refused.why);
        Error::usage(message).advise(refused.advice).at(&start)
    })
}

/// Puts an overlay's directories and symlinks into the tree.
pub fn place_directories(one: &Active<'_>, placing: &mut Placing, faults: &mut Faults) {
    for declared in &one.declared.directories {
        let mode = declared.mode.map_or(0o755, |mode| mode.0);
        let path = &declared.path;
        faults.note(check_mode(&path.to_string(), mode, true, declared.unsafe_mode.as_ref(), &declared.place));
        let from = format!("overlay {}: a directory", one.overlay.name);
        let entry = Entry { mode, uid: declared.uid, gid: declared.gid, ..Entry::new(Node::Directory, from) };
        faults.note(placing.put(path, entry, one.overlay.overrides() || declared.overrides, &path.place));
    }
    for declared in &one.declared.symlinks {
        let from = format!("overlay {}: a symlink", one.overlay.name);
        let entry = Entry::new(Node::Symlink(declared.target.value.clone()), from);
        let overrides = one.overlay.overrides() || declared.overrides;
        faults.note(placing.put(&declared.path, entry, overrides, &declared.path.place));
    }
}
