//! What may stand before a tar entry: pax records (IEEE Std 1003.1-2024, pax, "Extended Header") and GNU's long names.

use std::collections::BTreeSet;

use super::{Walked, refuse};

/// What is known of the next entry from records before it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extension {
    pub path: Option<Vec<u8>>,
    pub target: Option<Vec<u8>>,
    pub size: Option<u64>,
    /// Whether a pax record was seen; a second one for the same entry is refused.
    pax: bool,
}

/// To what a pax record applies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The next entry.
    Next,
    /// All that follow: only what decides nothing is allowed (git writes a comment).
    Global,
}

impl Extension {
    /// Adds the records of an `x` or `g` header. Keys that decide nothing about names and contents are passed over:
    /// times, owners, extended attributes.
    pub fn add_pax(&mut self, bytes: &[u8], scope: Scope) -> Walked<()> {
        if std::mem::replace(&mut self.pax, true) {
            return refuse("an entry has two pax headers");
        }
        let mut seen = BTreeSet::new();
        for record in records(bytes)? {
            let (key, value) = record;
            if !seen.insert(key) {
                return refuse(format!("the pax key `{}` is repeated", key.escape_ascii()));
            }
            let decides = matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
            if decides && scope == Scope::Global {
                return refuse(format!("a global pax header sets `{}`", key.escape_ascii()));
            }
            match key {
                b"path" => set(&mut self.path, value, "path")?,
                b"linkpath" => set(&mut self.target, value, "link target")?,
                b"size" => self.size = Some(decimal(value)?),
                key if key.starts_with(b"GNU.sparse.") => return refuse("it holds a sparse file"),
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the name of a GNU `L` header.
    pub fn add_long_path(&mut self, bytes: Vec<u8>) -> Walked<()> {
        set(&mut self.path, terminated(&bytes)?, "path")
    }

    /// Adds the target of a GNU `K` header.
    pub fn add_long_target(&mut self, bytes: Vec<u8>) -> Walked<()> {
        set(&mut self.target, terminated(&bytes)?, "link target")
    }
}

fn set(slot: &mut Option<Vec<u8>>, value: &[u8], what: &str) -> Walked<()> {
    if value.is_empty() || value.contains(&0) {
        return refuse(format!("the {what} `{}` of an entry is empty or holds a NUL", value.escape_ascii()));
    }
    match slot.replace(value.to_vec()) {
        None => Ok(()),
        Some(_) => refuse(format!("an entry has two of: {what}")),
    }
}

/// A GNU name ends with one NUL.
fn terminated(bytes: &[u8]) -> Walked<&[u8]> {
    match bytes.split_last() {
        Some((0, name)) => Ok(name),
        _ => Ok(bytes),
    }
}

/// `LENGTH KEY=VALUE\n`, LENGTH counting all of it.
fn records(mut bytes: &[u8]) -> Walked<Vec<(&[u8], &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Some(record) = first_record(bytes) else { return refuse("a pax header is malformed") };
        let (length, key, value) = record;
        if key.is_empty() || key.contains(&0) {
            return refuse("a pax key is empty or holds a NUL");
        }
        found.push((key, value));
        bytes = &bytes[length..];
    }
    Ok(found)
}

fn first_record(bytes: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let space = bytes.iter().take(8).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space]).ok()?).ok()?;
    let body = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((length, &body[..equals], &body[equals + 1..]))
}

fn decimal(digits: &[u8]) -> Walked<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    match std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()) {
        Some(number) if plain => Ok(number),
        _ => refuse(format!("`{}` in a pax header is not a number", digits.escape_ascii())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        let mut extension = Extension::default();
        extension.add_pax(b"10 path=x\n30 mtime=1350244992.023960108\n10 size=7\n", Scope::Next).unwrap();
        assert_eq!((extension.path.as_deref(), extension.size), (Some(&b"x"[..]), Some(7)));
        let capability = b"31 SCHILY.xattr.security=a\0b\0c\n";
        assert_eq!(capability.len(), 31);
        Extension::default().add_pax(capability, Scope::Next).unwrap();
        Extension::default().add_pax(b"13 comment=x\n", Scope::Global).unwrap();
    }

    #[test]
    fn refused() {
        for bytes in [
            &b"10 path=x\n10 path=y\n"[..],
            b"12 path=x\0y\n",
            b"8 path=\n",
            b"8 path=x\n",
            b"11 path=x\n",
            b"99999999999999999999 path=x\n",
            b" path=x\n",
            b"+9 path=x\n",
            b"5 =x\n",
            b"8 pathx\n",
            b"10 path=x\n\0",
            b"11 size=-1\n",
            b"22 GNU.sparse.major=1\n",
        ] {
            assert!(Extension::default().add_pax(bytes, Scope::Next).is_err(), "{:?}", bytes.escape_ascii());
        }
        for bytes in [&b"10 path=x\n"[..], b"10 size=1\n", b"14 linkpath=x\n"] {
            assert!(Extension::default().add_pax(bytes, Scope::Global).is_err());
        }
    }

    #[test]
    fn one_name_from_one_place() {
        let mut extension = Extension::default();
        extension.add_pax(b"10 path=x\n", Scope::Next).unwrap();
        assert!(extension.add_long_path(b"y\0".to_vec()).is_err());
        let mut extension = Extension::default();
        extension.add_long_path(b"y\0".to_vec()).unwrap();
        assert!(extension.add_long_path(b"y\0".to_vec()).is_err());
        assert!(Extension::default().add_long_path(b"x\0y\0".to_vec()).is_err());
    }
}
