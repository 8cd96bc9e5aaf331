//! `SHA256SUMS` as coreutils writes and checks it, in its one plain form: `HEX  NAME`, sorted bytewise, LF.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::error::{Error, Result};

/// Digests of files by their path from the directory that the list is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, Digest>);

impl Sums {
    /// An empty list.
    pub fn new() -> Sums {
        Sums::default()
    }

    /// Adds a file.
    pub fn insert(&mut self, path: impl Into<String>, digest: Digest) {
        self.0.insert(path.into(), digest);
    }

    /// The digest of a file.
    pub fn get(&self, path: &str) -> Option<&Digest> {
        self.0.get(path)
    }

    /// All files in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Digest)> {
        self.0.iter().map(|(path, digest)| (path.as_str(), digest))
    }

    /// The list's text.
    pub fn to_text(&self) -> String {
        self.0.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect()
    }

    /// Reads a list, and only what [`Sums::to_text`] writes: another order, a second entry, a name that leads out or
    /// that coreutils would read differently is refused.
    pub fn parse(text: &str) -> Result<Sums> {
        let mut sums = Sums::new();
        for (index, line) in text.split_terminator('\n').enumerate() {
            let bad = |why: &str| Error::integrity(format!("line {} of SHA256SUMS {why}", index + 1));
            let (digest, path) = line.split_once("  ").ok_or_else(|| bad("is not `HEX  NAME`"))?;
            let digest = digest.parse().map_err(|_| bad("does not start with 64 lower-case hexadecimal digits"))?;
            if !is_plain(path) {
                return Err(bad("has a name that is not a plain relative path"));
            }
            if sums.0.last_key_value().is_some_and(|(last, _)| **last >= *path) {
                return Err(bad("is out of order or a second entry for its file"));
            }
            sums.0.insert(path.to_owned(), digest);
        }
        match sums.to_text() == text {
            true => Ok(sums),
            false => Err(Error::integrity("SHA256SUMS does not end with a line feed")),
        }
    }
}

/// Names in a release: components of letters, digits and `._-+`, none starting with a dot or a dash.
pub fn is_plain(path: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    let component = |name: &str| !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(fine);
    path.len() <= 1024 && path.split('/').all(component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        let mut sums = Sums::new();
        sums.insert("b/x", Digest::of(b"1"));
        sums.insert("a", Digest::of(b"2"));
        assert_eq!(Sums::parse(&sums.to_text()).unwrap(), sums);
        assert!(sums.to_text().ends_with("  b/x\n"));
        assert_eq!(Sums::parse("").unwrap(), Sums::new());
    }

    #[test]
    fn only_the_one_form() {
        let hex = Digest::of(b"1").to_string();
        let line = |name: &str| format!("{hex}  {name}\n");
        let wrong = [
            format!("{hex} *a\n"),
            format!("{hex} a\n"),
            format!("{}  a\n", hex.to_uppercase()),
            format!("{hex}  a"),
            format!("{hex}  a\r\n"),
            format!("\\{hex}  a\n"),
            line("b") + &line("a"),
            line("a") + &line("a"),
            line("../a"),
            line("/a"),
            line("a/../b"),
            line(".hidden"),
            line("-rf"),
            line("a b"),
            line("a\\b"),
            line("a//b"),
            line("a/"),
            "\n".into(),
        ];
        for text in wrong {
            assert_eq!(Sums::parse(&text).unwrap_err().class().code(), 3, "{text:?}");
        }
    }
}
