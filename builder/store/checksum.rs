//! Checksum files, as projects publish them beside their releases.

use crate::digest::Digest;
use crate::error::{Error, Result};

/// Finds the SHA-256 of `file_name` in the text of a checksum file: a bare digest (`kubelet.sha256`), lines of GNU
/// `sha256sum` (`HEX  name`, `HEX *name`), or of BSD `sha256` (`SHA256 (name) = HEX`). Digests may be upper-case.
/// A name may have a path; its last component counts.
///
/// # Errors
/// No digest for the file, or several that differ: integrity.
pub fn parse_checksum(text: &str, file_name: &str) -> Result<Digest> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if let [line] = lines[..]
        && let Some(digest) = hexadecimal(line)
    {
        return Ok(digest);
    }
    let mut found: Vec<Digest> = lines.iter().filter_map(|line| named(line, file_name)).collect();
    found.sort();
    found.dedup();
    match found[..] {
        [digest] => Ok(digest),
        [] => Err(Error::integrity(format!("the checksum file has no SHA-256 of {file_name}"))),
        _ => Err(Error::integrity(format!("the checksum file has {} SHA-256 of {file_name}", found.len()))),
    }
}

fn named(line: &str, file_name: &str) -> Option<Digest> {
    let (name, digest) = match line.strip_prefix("SHA256 (") {
        Some(rest) => rest.rsplit_once(") = ")?,
        None => {
            let (digest, name) = line.split_once(' ')?;
            (name.strip_prefix([' ', '*']).unwrap_or(name).trim_start(), digest)
        }
    };
    let last = name.rsplit('/').next()?;
    (last == file_name).then(|| hexadecimal(digest)).flatten()
}

fn hexadecimal(text: &str) -> Option<Digest> {
    text.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const B: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn every_spelling() {
        let upper = A.to_uppercase();
        for text in [
            A.to_owned(),
            format!("{A}\n"),
            format!("{upper}\r\n"),
            format!("{A}  etcd.tgz\n"),
            format!("{A} *etcd.tgz"),
            format!("{A} etcd.tgz"),
            format!("{B}  other\n{A}  ./dist/etcd.tgz\n"),
            format!("{A}  etcd.tgz\n{upper} *etcd.tgz\n"),
            format!("SHA256 (etcd.tgz) = {A}\nSHA256 (x) = {B}"),
            format!("MD5 (etcd.tgz) = 0\nSHA256 (etcd.tgz) = {A}\n"),
        ] {
            assert_eq!(parse_checksum(&text, "etcd.tgz").unwrap(), A.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn none_or_ambiguous() {
        for text in [
            String::new(),
            "<html>".into(),
            A[1..].into(),
            format!("{A}  other"),
            format!("{A}\n{B}\n"),
            format!("{A}  etcd.tgz\n{B}  etcd.tgz"),
            format!("{A}  not-etcd.tgz"),
            format!("SHA512 (etcd.tgz) = {A}{A}"),
            format!("{A}{A}  etcd.tgz"),
        ] {
            assert_eq!(parse_checksum(&text, "etcd.tgz").unwrap_err().class().code(), 3, "{text}");
        }
    }
}
