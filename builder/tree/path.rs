//! [`TreePath`]: a path in a node's file system that cannot be wrong.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The longest path that Linux resolves, with the leading slash and without the NUL (`PATH_MAX` is 4096).
const LONGEST: usize = 4095;
/// The longest name of a file (`NAME_MAX`): the kernel drops a longer one from an initramfs without a word.
const LONGEST_NAME: usize = 255;

/// A file's place in a node's file system, kept without the leading slash: UTF-8, no empty, `.` or `..` component, no
/// control character, no name longer than the kernel unpacks. Ordered bytewise, so a directory comes before what is
/// in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Arc<str>);

impl TreePath {
    /// The path without its leading slash, as archives write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory that this is in; none at the top level.
    pub fn parent(&self) -> Option<TreePath> {
        self.0.rsplit_once('/').map(|(parent, _)| TreePath(parent.into()))
    }

    /// The directories above, the outermost first.
    pub fn ancestors(&self) -> impl Iterator<Item = TreePath> + '_ {
        self.0.match_indices('/').map(|(at, _)| TreePath(self.0[..at].into()))
    }

    /// As [`TreePath::ancestors`], as texts.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }

    /// As [`TreePath::parents`], and then this.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.parents().chain([&*self.0])
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Whether this is `other` or lies below it.
    pub fn is_beneath(&self, other: &TreePath) -> bool {
        let rest = self.0.strip_prefix(&*other.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// This path with a relative path below it.
    pub fn join(&self, below: &str) -> Result<TreePath> {
        format!("/{}/{below}", self.0).parse()
    }

    /// From an archive or a directory listing: relative, and otherwise by the same rules.
    pub fn from_relative(path: &str) -> Result<TreePath> {
        format!("/{path}").parse()
    }
}

/// So that a map of paths can be asked for a part of one without a copy of it: the order is that of the text.
impl std::borrow::Borrow<str> for TreePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Written as a user names it: absolute.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// Reads an absolute path, as profiles and overlays name it.
impl FromStr for TreePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<TreePath> {
        let bad = |why: String| Err(Error::usage(format!("`{text}` cannot be a file on a machine: {why}")));
        let Some(relative) = text.strip_prefix('/') else { return bad("a path starts with `/`".into()) };
        if text.len() > LONGEST {
            return bad(format!("it has {} bytes, the kernel resolves {LONGEST}", text.len()));
        }
        for name in relative.split('/') {
            match name {
                "" => return bad("a component is empty".into()),
                "." | ".." => return bad(format!("a component is `{name}`")),
                _ if name.len() > LONGEST_NAME => {
                    return bad(format!("a name has {} bytes, at most {LONGEST_NAME} fit", name.len()));
                }
                _ if name.chars().any(char::is_control) => return bad("it holds a control character".into()),
                _ => {}
            }
        }
        Ok(TreePath(relative.into()))
    }
}

impl serde::Serialize for TreePath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for TreePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<TreePath, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for TreePath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TreePath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^/.", "description": "An absolute path on a machine" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_reader_agrees_on() {
        let long = format!("/{}", "x".repeat(256));
        let deep = "/x".repeat(2048);
        for wrong in ["", "/", "x", "/x/", "//x", "/./x", "/a/../b", "/a\nb", "/a\0b", "/\u{1b}[m", &long, &deep] {
            assert!(wrong.parse::<TreePath>().is_err(), "{wrong:?}");
        }
        let widest = format!("/{}", "x".repeat(255));
        for right in ["/x", "/-rf", "/a b ", "/back\\slash", "/…/é", "/a/.hidden", "/a..b", &widest, &deep[..4094]] {
            assert_eq!(right.parse::<TreePath>().unwrap().to_string(), right);
        }
    }

    #[test]
    fn family() {
        let path: TreePath = "/etc/ssl/certs".parse().unwrap();
        assert_eq!(path.ancestors().map(|p| p.to_string()).collect::<Vec<_>>(), ["/etc", "/etc/ssl"]);
        assert_eq!((path.name(), path.parent().unwrap().as_str()), ("certs", "etc/ssl"));
        assert!(path.is_beneath(&path.parent().unwrap()) && path.is_beneath(&path));
        assert!(!path.is_beneath(&"/etc/ss".parse().unwrap()));
        assert!(path.join("../x").is_err());
    }
}
