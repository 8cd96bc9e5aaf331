//! PEM (RFC 7468) as the field's tools write it: several blocks in a file, text around them, lines of any width.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::{Error, Result, visible};

/// One block of a PEM file.
pub(super) struct Block {
    /// What stands in its first line: `CERTIFICATE`, `EC PRIVATE KEY`.
    pub(super) label: String,
    /// Whether it has headers (RFC 1421), as keys that OpenSSL encrypted the old way have.
    pub(super) has_headers: bool,
    /// What it holds.
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// All blocks of a file in their order; a file may have none.
pub(super) fn blocks(file: &[u8]) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.strip_suffix(b"-----")) else {
            continue;
        };
        let label = visible(&String::from_utf8_lossy(label)).to_string();
        blocks.push(block(label, &mut lines)?);
    }
    Ok(blocks)
}

/// The rest of a block that has begun.
fn block<'a>(label: String, lines: &mut impl Iterator<Item = &'a [u8]>) -> Result<Block> {
    let damaged = |how: &str| Error::usage(format!("its {label} block is damaged: {how}"));
    let end = format!("-----END {label}-----");
    let mut body = Vec::new();
    loop {
        match lines.next() {
            Some(line) if line == end.as_bytes() => break,
            Some(line) if !line.starts_with(b"-----") => body.push(line.trim_ascii()),
            _ => return Err(damaged(&format!("it has no `{end}`"))),
        }
    }
    let has_headers = body.iter().any(|line| line.contains(&b':'));
    // Room for it all: a buffer that grows leaves copies of a key behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(body.iter().map(|line| line.len()).sum()));
    body.iter().filter(|line| !line.contains(&b':')).for_each(|line| digits.extend_from_slice(line));
    let mut der = Zeroizing::new(vec![0; digits.len().div_ceil(4) * 3]);
    let length = STANDARD.decode_slice(&digits[..], &mut der).map_err(|_| damaged("it is no base64"))?;
    der.truncate(length);
    Ok(Block { label, has_headers, der })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_text_and_damage_is_told() {
        let file = b"subject=CN = x\r\n-----BEGIN A-----\r\nAAEC\r\n-----END A-----\r\nmore\n-----BEGIN B C-----\nAw==\n-----END B C-----\n";
        let found = blocks(file).unwrap();
        let found: Vec<_> = found.iter().map(|block| (block.label.as_str(), block.der.as_slice())).collect();
        assert_eq!(found, [("A", &[0u8, 1, 2][..]), ("B C", &[3])]);
        assert!(blocks(b"no block").unwrap().is_empty());
        let encrypted = b"-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAEC\n-----END K-----\n";
        assert!(blocks(encrypted).unwrap()[0].has_headers);
        for damaged in [
            "-----BEGIN A-----\nAAE\n-----END A-----\n",
            "-----BEGIN A-----\nA!==\n-----END A-----",
            "-----BEGIN A-----\nAAEC\n",
            "-----BEGIN A-----\nAAEC\n-----END B-----\n",
        ] {
            assert!(blocks(damaged.as_bytes()).is_err_and(|error| error.to_string().contains("damaged")), "{damaged}");
        }
        assert_eq!(blocks(b"\xff\n-----BEGIN A-----\nAAEC\n-----END A-----").unwrap().len(), 1);
    }
}
